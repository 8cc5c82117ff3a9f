//! Brackets whose parts go as a test wants, and what can be seen of them.

#![allow(dead_code, reason = "no test file needs all of it")]

use std::future::pending;

use tenure::{
    Aborted,
    bracket::{Exit, Held, bracket},
    time::TestClock,
};

use crate::support::{Drops, Log, SECOND, Token};

/// What happened, and when, and what is left of what was acquired.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    pub(crate) clock: TestClock,
    pub(crate) log: Log<(String, u64)>,
    pub(crate) drops: Drops,
}

impl Seen {
    pub(crate) fn note(&self, what: impl Into<String>) {
        self.log.note((what.into(), self.clock.elapsed().as_secs()));
    }

    pub(crate) fn all(&self) -> Vec<(String, u64)> {
        self.log.all()
    }

    pub(crate) async fn takes(&self, seconds: u32, what: &str) {
        if seconds > 0 {
            self.clock.sleep(seconds * SECOND).await;
        }
        self.note(what);
    }
}

pub(crate) fn exit(exit: &Exit) -> String {
    match exit {
        Exit::Done => "done".to_owned(),
        Exit::Failed => "failed".to_owned(),
        Exit::Aborted(aborted) => format!("aborted: {aborted}"),
        Exit::Panicked(text) => format!("panicked: {text}"),
        other => panic!("{other:?}"),
    }
}

/// How its three parts go, each after so many seconds.
#[derive(Clone, Copy)]
pub(crate) enum Part {
    Ok(u32),
    Fails(u32),
    Panics(u32),
    Hangs,
}

impl Part {
    async fn run(self, seen: &Seen, what: &str) -> Result<(), String> {
        match self {
            Self::Ok(seconds) => {
                seen.takes(seconds, what).await;
                Ok(())
            }
            Self::Fails(seconds) => {
                seen.takes(seconds, what).await;
                Err(format!("{what} failed"))
            }
            Self::Panics(seconds) => {
                seen.takes(seconds, what).await;
                panic!("{what} panicked")
            }
            Self::Hangs => pending().await,
        }
    }
}

pub(crate) type Ended = Result<Result<&'static str, String>, Aborted>;

/// The three parts, ended after a number of seconds, if any.
pub(crate) async fn run(seen: Seen, parts: [Part; 3], end: Option<u32>) -> Ended {
    let [acquire, using, release] = parts;
    let (first, second, third) = (seen.clone(), seen.clone(), seen.clone());
    let bracket = bracket(
        async move {
            acquire.run(&first, "acquire").await?;
            Ok::<Token, String>(first.drops.token())
        },
        async move |_held: Held<Token>| {
            using.run(&second, "use").await?;
            Ok("value")
        },
        async move |token: Token, how| {
            third.note(exit(&how));
            let _token = token;
            release.run(&third, "release").await.unwrap_or_default();
        },
    );
    match end {
        Some(seconds) => bracket.with_timeout(seconds * SECOND).with_timer(&seen.clock).await,
        None => bracket.with_timer(&seen.clock).await,
    }
}

pub(crate) fn log<const N: usize>(all: [(&str, u64); N]) -> Vec<(String, u64)> {
    all.map(|(what, at)| (what.to_owned(), at)).to_vec()
}
