use std::time::{Duration, Instant};

use super::options::Effort;

/// A few subjects that do the same thing, ours first.
pub(crate) struct Contest<'a> {
    name: &'static str,
    subjects: Vec<(&'static str, Round<'a>)>,
    is_exact: bool,
}

/// Runs one round, and returns what it took.
type Round<'a> = Box<dyn FnMut() -> f64 + 'a>;

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) name: &'static str,
    pub(crate) subjects: Vec<Subject>,
}

/// What one subject took in each round.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) rounds: Vec<f64>,
}

impl<'a> Contest<'a> {
    /// `name` tells the unit too.
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, subjects: Vec::new(), is_exact: false }
    }

    /// `measure` runs one round and returns what it took, in the contest's unit.
    pub(crate) fn subject(mut self, name: &'static str, measure: impl FnMut() -> f64 + 'a) -> Self {
        self.add(name, measure);
        self
    }

    /// As `subject`, where the contest is lent.
    pub(crate) fn add(&mut self, name: &'static str, measure: impl FnMut() -> f64 + 'a) {
        self.subjects.push((name, Box::new(measure)));
    }

    /// Each round gives the same, so that one is enough.
    pub(crate) fn exact(mut self) -> Self {
        self.is_exact = true;
        self
    }

    pub(crate) fn run(mut self, effort: Effort) -> Outcome {
        let Effort { least, most, time } = match self.is_exact {
            true => Effort { least: 1, most: 1, time: Duration::ZERO },
            false => effort,
        };
        let mut subjects: Vec<_> =
            self.subjects.iter().map(|(name, _)| Subject { name, rounds: Vec::new() }).collect();
        let start = Instant::now();
        for round in 0..most {
            if round >= least && start.elapsed() >= time {
                break;
            }
            // Whoever comes first finds the caches as the last one left them: not always the same one.
            for turn in 0..subjects.len() {
                let place = (round + turn) % subjects.len();
                let took = (self.subjects[place].1)();
                subjects[place].rounds.push(took);
            }
        }
        Outcome { name: self.name, subjects }
    }
}

impl Subject {
    pub(crate) fn median(&self) -> f64 {
        median(self.rounds.iter().copied())
    }

    pub(crate) fn least(&self) -> f64 {
        self.rounds.iter().copied().fold(f64::INFINITY, f64::min)
    }
}

pub(super) fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers: Vec<_> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
