//! Subjects that do the same, measured side by side in one run.
//!
//! A machine is noisy, but for all alike: so the subjects of a [`Contest`] take turns, over many rounds,
//! and what is held to a [`Bar`] is no time but a ratio, ours to theirs, round by round, and of those
//! the median. A few bars are absolute. The lines printed are described at [`SideBySide`].

#![allow(dead_code, reason = "no bench needs all of it")]
#![allow(unused_imports, reason = "no bench needs all of it")]

mod bar;
mod contest;
mod measure;
mod options;
mod threads;

pub(crate) mod allocator;

pub(crate) use bar::Bar;
pub(crate) use contest::{Contest, Outcome};
pub(crate) use measure::{bytes_each, each, of_many, on_two_threads, run_on_two_threads};
pub(crate) use options::Options;
pub(crate) use threads::{Taken, Threads, taken};

use std::process::ExitCode;

/// Runs contests and prints, tab-separated, a line for each bar: what is measured and its unit, our
/// median, that of the fastest peer, the peer's name, the ratio, the bar, and `ok` or `SHORT`. Where a `-`
/// is in the place of the ratio, the bar is one of our median itself. Below stands what each subject
/// took, its median and its least.
pub(crate) struct SideBySide {
    options: Options,
    bars: &'static [Bar],
    outcomes: Vec<Outcome>,
    short: usize,
}

impl SideBySide {
    /// As the command line asks.
    pub(crate) fn new(bars: &'static [Bar]) -> Self {
        let options = Options::of_command_line();
        println!("figure\tours\tbest peer\tits name\tratio\tbar\tok or SHORT");
        Self { options, bars, outcomes: Vec::new(), short: 0 }
    }

    /// Runs one contest, and holds its first subject to all bars that are set for its figures.
    pub(crate) fn run(&mut self, contest: Contest<'_>) {
        for outcome in contest.run(self.options.effort()) {
            let mut bars = self.bars.iter().filter(|bar| bar.contest == outcome.name).peekable();
            assert!(bars.peek().is_some(), "`{}` has no bar", outcome.name);
            for bar in bars {
                let holds = bar.hold(&outcome);
                self.short += usize::from(!holds);
            }
            self.outcomes.push(outcome);
        }
    }

    /// Prints what each subject took. It is a failure if a figure was SHORT and `--check` was given.
    pub(crate) fn finish(self) -> ExitCode {
        for bar in self.bars {
            let ran = self.outcomes.iter().any(|outcome| outcome.name == bar.contest);
            assert!(ran, "`{}` has a bar and was never run", bar.contest);
        }
        println!("\nfigure\tsubject\tmedian\tleast\trounds");
        for outcome in &self.outcomes {
            for subject in &outcome.subjects {
                let (median, least, rounds) =
                    (subject.median(), subject.least(), subject.rounds.len());
                println!("{}\t{}\t{median:.2}\t{least:.2}\t{rounds}", outcome.name, subject.name);
            }
        }
        if self.options.check && self.short > 0 {
            eprintln!("{} figures are SHORT", self.short);
            return ExitCode::FAILURE;
        }
        ExitCode::SUCCESS
    }
}
