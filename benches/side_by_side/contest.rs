use std::time::{Duration, Instant};

use super::options::Effort;

/// A few subjects that do the same thing, ours first.
pub(crate) struct Contest<'a> {
    figures: Vec<&'static str>,
    subjects: Vec<(&'static str, Round<'a>)>,
    is_exact: bool,
}

/// Runs one round, and returns what it took, for each figure.
type Round<'a> = Box<dyn FnMut() -> Vec<f64> + 'a>;

/// What a round took: a number, or as many as the contest has figures.
pub(crate) trait Took {
    fn numbers(self) -> Vec<f64>;
}

/// What came of one figure.
pub(crate) struct Outcome {
    pub(crate) name: &'static str,
    pub(crate) subjects: Vec<Subject>,
}

/// What one subject took in each round.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) rounds: Vec<f64>,
}

impl Took for f64 {
    fn numbers(self) -> Vec<f64> {
        vec![self]
    }
}

impl<const N: usize> Took for [f64; N] {
    fn numbers(self) -> Vec<f64> {
        self.into()
    }
}

impl<'a> Contest<'a> {
    /// `figure` tells the unit too.
    pub(crate) fn new(figure: &'static str) -> Self {
        Self::of([figure])
    }

    /// One round tells several figures.
    pub(crate) fn of(figures: impl Into<Vec<&'static str>>) -> Self {
        Self { figures: figures.into(), subjects: Vec::new(), is_exact: false }
    }

    /// `measure` runs one round and returns what it took, in the units of the figures.
    pub(crate) fn subject<T: Took>(
        mut self,
        name: &'static str,
        measure: impl FnMut() -> T + 'a,
    ) -> Self {
        self.add(name, measure);
        self
    }

    /// As `subject`, where the contest is lent.
    pub(crate) fn add<T: Took>(&mut self, name: &'static str, mut measure: impl FnMut() -> T + 'a) {
        self.subjects.push((name, Box::new(move || measure().numbers())));
    }

    /// Each round gives the same, so that one is enough.
    pub(crate) fn exact(mut self) -> Self {
        self.is_exact = true;
        self
    }

    /// What came of it, figure by figure.
    pub(crate) fn run(mut self, effort: Effort) -> Vec<Outcome> {
        let Effort { least, most, time } = match self.is_exact {
            true => Effort { least: 1, most: 1, time: Duration::ZERO },
            false => effort,
        };
        let subject = |&(name, _): &(_, Round<'_>)| Subject { name, rounds: Vec::new() };
        let outcome =
            |&name| Outcome { name, subjects: self.subjects.iter().map(subject).collect() };
        let mut outcomes: Vec<_> = self.figures.iter().map(outcome).collect();
        let start = Instant::now();
        for round in 0..most {
            if round >= least && start.elapsed() >= time {
                break;
            }
            // Whoever comes first finds the caches as the last one left them: not always the same one.
            for turn in 0..self.subjects.len() {
                let place = (round + turn) % self.subjects.len();
                let took = (self.subjects[place].1)();
                assert_eq!(took.len(), outcomes.len(), "a number for each figure");
                for (outcome, took) in outcomes.iter_mut().zip(took) {
                    outcome.subjects[place].rounds.push(took);
                }
            }
        }
        outcomes
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
