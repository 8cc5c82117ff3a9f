//! The stage of the scenarios: what runs on it, and what can be seen of that.

#![allow(dead_code, reason = "no test file needs all of it")]

use std::{fmt, future::Future, time::Duration};

use tenure::{AbortReason, Aborted, Owner, time::TestClock};

use crate::support::{Count, Log, MILLISECOND, SECOND};

/// What the tests see of what runs.
#[derive(Clone, Default)]
pub(crate) struct World {
    pub(crate) clock: TestClock,
    pub(crate) begun: Log<&'static str>,
    pub(crate) finished: Log<&'static str>,
    pub(crate) polls: Count,
    /// Who was dropped before its end, when, and why.
    cleaned_up: Log<(&'static str, Duration, AbortReason)>,
}

pub(crate) type Outcome = Result<&'static str, &'static str>;

impl World {
    /// Takes so long and comes to `outcome`.
    pub(crate) fn work(
        &self,
        name: &'static str,
        millis: u32,
        outcome: Outcome,
    ) -> impl Future<Output = Outcome> + Send + use<> {
        let world = self.clone();
        self.polls.polls_of(async move {
            world.begun.note(name);
            let owner = Owner::current().expect("it has one");
            let mut cut = Cut { name, owner, world };
            cut.world.clock.sleep(millis * MILLISECOND).await;
            cut.world.finished.note(name);
            cut.name = "";
            outcome
        })
    }

    /// Those who were cut off, in the order of their names.
    fn cut_off(&self) -> Vec<(&'static str, Duration, AbortReason)> {
        let mut cut_off = self.cleaned_up.all();
        cut_off.sort_by_key(|(name, ..)| *name);
        cut_off
    }

    /// How much has happened by now.
    pub(crate) fn now(&self) -> Now {
        Now {
            at: self.clock.elapsed(),
            polls: self.polls.get(),
            begun: self.begun.all().len(),
            finished: self.finished.all().len(),
            cut_off: self.cut_off(),
        }
    }

    /// From `then` on nothing has happened, and nothing ever will.
    pub(crate) fn assert_over(&self, then: &Now) {
        self.clock.advance(1_000 * SECOND);
        let now = Now { at: then.at, ..self.now() };
        assert_eq!(&now, then);
    }
}

/// Tells that it was cut off, unless it has no name any more.
struct Cut {
    name: &'static str,
    owner: Owner,
    world: World,
}

impl Drop for Cut {
    fn drop(&mut self) {
        if !self.name.is_empty() {
            let why = self.owner.check().expect_err("whoever is dropped was told why");
            self.world.cleaned_up.note((self.name, self.world.clock.elapsed(), why.into()));
        }
    }
}

/// What had happened at one point in time.
#[derive(Debug, PartialEq)]
pub(crate) struct Now {
    pub(crate) at: Duration,
    pub(crate) polls: usize,
    pub(crate) begun: usize,
    pub(crate) finished: usize,
    pub(crate) cut_off: Vec<(&'static str, Duration, AbortReason)>,
}

/// What all of it fails with.
#[derive(Debug, PartialEq)]
pub(crate) struct Error(pub(crate) String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for Error {
    fn from(error: &str) -> Self {
        Self(error.to_owned())
    }
}

impl From<Aborted> for Error {
    fn from(aborted: Aborted) -> Self {
        Self(aborted.to_string())
    }
}

pub(crate) fn sibling_failed(who: &'static str, error: &str) -> AbortReason {
    AbortReason::SiblingFailed { who: Some(who.into()), error: error.to_owned() }
}
