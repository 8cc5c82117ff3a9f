use std::time::Duration;

use clap::Parser;

/// Measures side by side. See the head of the bench for the figures.
#[derive(Debug, Parser)]
#[command(override_usage = "cargo bench --bench NAME -- [--quick] [--check]")]
pub(crate) struct Options {
    /// A few rounds only, in all under a minute.
    #[arg(long)]
    quick: bool,
    /// Fail if a figure is SHORT.
    #[arg(long)]
    pub(crate) check: bool,
    /// Cargo says so.
    #[arg(long, hide = true)]
    bench: bool,
}

/// How many rounds a contest has: `least`, and more for as long as `time` isn't over, up to `most`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    pub(crate) least: usize,
    pub(crate) most: usize,
    pub(crate) time: Duration,
}

impl Options {
    pub(crate) fn of_command_line() -> Self {
        Self::parse()
    }

    pub(crate) fn effort(&self) -> Effort {
        match self.quick {
            true => Effort { least: 3, most: 101, time: Duration::from_secs(1) },
            false => Effort { least: 11, most: 301, time: Duration::from_secs(10) },
        }
    }
}
