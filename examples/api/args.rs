//! What the program is told.

use std::time::Duration;

use clap::{Parser, ValueEnum};

use crate::books::Terms;

/// Asks an API as much as it allows and no more: so many requests and tokens a minute, so many at once.
///
/// The API is a server of its own, on loopback, which counts for itself and answers 429 to what is too much. Its minute
/// lasts two seconds unless it is told otherwise.
#[derive(Debug, Parser)]
#[command(
    after_help = "Exit status: 0 when all of what is allowed was had without a violation, 1 when not \
    or when it was stopped, 2 when it could not begin."
)]
pub(crate) struct Args {
    /// How long each round is measured, after its first minute
    #[arg(long, default_value = "4", value_name = "SECONDS", value_parser = seconds)]
    pub(crate) seconds: Duration,

    /// How long a minute is
    #[arg(long, default_value = "2", value_name = "SECONDS", value_parser = seconds)]
    minute: Duration,

    /// How many requests may begin in a minute
    #[arg(long, default_value = "400", value_name = "COUNT", value_parser = clap::value_parser!(u64).range(10..=100_000))]
    requests: u64,

    /// How many tokens they may use in a minute
    #[arg(long, default_value = "14000", value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1_000..=100_000_000))]
    tokens: u64,

    /// How many requests may be under way at once
    #[arg(long, default_value = "16", value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..=200))]
    at_once: u64,

    /// How many ask at the same time
    #[arg(long, default_value = "64", value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(crate) users: u64,

    /// From when a request counts for a minute
    #[arg(long, default_value = "answer", value_name = "WHEN")]
    pub(crate) count: Count,

    /// By how many thousandths the client's minute is longer than the server's
    #[arg(long, default_value = "2", value_name = "THOUSANDTHS", value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub(crate) margin: u32,

    /// The server allows a fifth less than it announces: shows what becomes of the 429s
    #[arg(long)]
    pub(crate) provoke: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Count {
    /// From its start: the margin has to be longer than any way to the server
    Start,
    /// From its answer: whenever the server counted it, that was before
    Answer,
}

impl Args {
    pub(crate) fn announced(&self) -> Terms {
        Terms {
            requests: self.requests as usize,
            tokens: self.tokens,
            window: self.minute,
            at_once: self.at_once as usize,
        }
    }

    /// What the server goes by.
    pub(crate) fn enforced(&self) -> Terms {
        let announced = self.announced();
        match self.provoke {
            false => announced,
            true => Terms {
                requests: announced.requests * 4 / 5,
                tokens: announced.tokens * 4 / 5,
                ..announced
            },
        }
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "it is a number of seconds, as in 3 or 1.5")?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(time) if time >= Duration::from_secs(1) && time.as_secs() < 86_400 => Ok(time),
        _ => Err("it is a second at least, and less than a day".to_owned()),
    }
}
