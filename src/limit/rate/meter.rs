//! What has passed of a rate, and when more may.
//!
//! All of it is whole numbers, and exact to the nanosecond: at the instant that [`Meter::ready_at`] names
//! the cost may be charged, and one nanosecond earlier it may not.

use core::time::Duration;

use super::{
    Kind, Rate, bucket::Bucket, fixed::FixedWindow, sliding::SlidingWindow, spacing::Spacing,
};
use crate::{abort::Name, time::Instant};

/// The state of a rate.
#[derive(Clone, Debug)]
pub(in crate::limit) struct Meter {
    unit: Option<Name>,
    most: u64,
    /// What isn't there at the start.
    missing: u64,
    /// The latest instant that it was told of: its time doesn't go back.
    latest: Option<Instant>,
    counter: Counter,
}

/// What was charged, to be found again when the true cost is known.
#[derive(Clone, Copy, Debug)]
pub(in crate::limit) struct Charge {
    cost: u64,
    at: Instant,
    /// More was charged for it later.
    was_raised: bool,
}

/// What each kind of rate counts with.
///
/// [`pass`](Count::pass) comes before anything else at an instant, and instants don't go back.
pub(super) trait Count {
    /// It is `now`.
    fn pass(&mut self, now: Instant);

    /// When a cost that ever passes may be charged, or something not after `now` if that is at once.
    fn ready_at(&self, cost: u64, now: Instant) -> Instant;

    /// Counts a cost. What is more than there is becomes a debt.
    fn charge(&mut self, cost: u64, now: Instant);

    /// Counts so much less than was charged `at` that instant, as far as that still counts.
    fn give_back(&mut self, at: Instant, cost: u64, now: Instant);

    /// What may be charged at the instant that was passed to.
    fn left(&self) -> u64;
}

#[derive(Clone, Debug)]
enum Counter {
    Bucket(Bucket),
    Fixed(FixedWindow),
    Sliding(SlidingWindow),
    Spacing(Spacing),
}

impl Counter {
    fn new(rate: &Rate) -> Self {
        let (amount, per) = (rate.amount, nanos(rate.per));
        if rate.most() == 0 || per == 0 {
            // What nothing passes has nothing to count, nor has what everything does.
            return Self::Spacing(Spacing::new(0));
        }
        match rate.kind {
            Kind::TokenBucket { burst } => Self::Bucket(Bucket::new(amount, per, burst)),
            Kind::FixedWindow => Self::Fixed(FixedWindow::new(amount, per)),
            Kind::SlidingWindow => Self::Sliding(SlidingWindow::new(amount, per)),
            Kind::Spacing => Self::Spacing(Spacing::new(per)),
        }
    }

    /// Whether it is starts that count, whatever they cost.
    const fn is_of_starts(&self) -> bool {
        matches!(self, Self::Spacing(_))
    }

    fn get(&mut self) -> &mut dyn Count {
        match self {
            Self::Bucket(bucket) => bucket,
            Self::Fixed(window) => window,
            Self::Sliding(window) => window,
            Self::Spacing(spacing) => spacing,
        }
    }
}

impl Meter {
    pub(in crate::limit) fn new(rate: Rate) -> Self {
        let (most, counter) = (rate.most(), Counter::new(&rate));
        let all = if counter.is_of_starts() { 1 } else { most };
        let missing = all.saturating_sub(rate.start.unwrap_or(all));
        Self { unit: rate.unit, most, missing, latest: None, counter }
    }

    /// The unit of cost that is counted, or `None` if that is calls.
    pub(in crate::limit) const fn unit(&self) -> Option<&Name> {
        self.unit.as_ref()
    }

    /// Whether it is starts that count, whatever they cost.
    pub(in crate::limit) const fn is_of_starts(&self) -> bool {
        self.counter.is_of_starts()
    }

    /// The largest cost that ever passes.
    pub(in crate::limit) const fn most(&self) -> u64 {
        self.most
    }

    /// The earliest instant at which `cost` may be charged, if nothing else is until then. One that isn't
    /// after `now` means at once, [`Instant::NEVER`] that it never passes.
    pub(in crate::limit) fn ready_at(&mut self, cost: u64, now: Instant) -> Instant {
        let latest = self.pass(now);
        if cost > self.most {
            return Instant::NEVER;
        }
        if cost == 0 && !self.counter.is_of_starts() {
            return now;
        }
        let ready = self.counter.get().ready_at(cost, latest);
        if ready <= latest { now } else { ready }
    }

    /// Counts `cost`, whether it may pass or not: what there isn't becomes a debt.
    pub(in crate::limit) fn charge(&mut self, cost: u64, now: Instant) -> Charge {
        let at = self.pass(now);
        if cost > 0 || self.counter.is_of_starts() {
            self.counter.get().charge(cost, at);
        }
        Charge { cost, at, was_raised: false }
    }

    /// Makes what was charged `actual`, and tells what is to be settled if that changes again.
    ///
    /// What is more is charged now. What is less is given back as far as it still counts, unless it was more before:
    /// then it is spread over several instants.
    pub(in crate::limit) fn settle(
        &mut self,
        charge: &Charge,
        actual: u64,
        now: Instant,
    ) -> Charge {
        let now = self.pass(now);
        let Charge { cost, at, was_raised } = *charge;
        if self.counter.is_of_starts() {
            return *charge;
        }
        let counter = self.counter.get();
        if actual > cost {
            counter.charge(actual - cost, now);
            return Charge { cost: actual, at, was_raised: true };
        }
        if actual == cost || was_raised {
            return *charge;
        }
        counter.give_back(at, cost - actual, now);
        Charge { cost: actual, at, was_raised }
    }

    /// The largest cost that may be charged now.
    pub(in crate::limit) fn left(&mut self, now: Instant) -> u64 {
        self.pass(now);
        self.counter.get().left().min(self.most)
    }

    /// For how many entries it has room, where it keeps any. Panics where an invariant doesn't hold.
    #[cfg(all(test, not(any(tenure_loom, tenure_shuttle))))]
    pub(super) fn kept(&self) -> Option<usize> {
        match &self.counter {
            Counter::Sliding(window) => Some(window.kept()),
            _ => None,
        }
    }

    fn pass(&mut self, now: Instant) -> Instant {
        let latest = self.latest.map_or(now, |latest| latest.max(now));
        let is_first = self.latest.replace(latest).is_none();
        let counter = self.counter.get();
        counter.pass(latest);
        if is_first && self.missing > 0 {
            counter.charge(self.missing, latest);
        }
        latest
    }
}

/// In 64 bits, which are 584 years.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The point `nanos` later, [`Instant::NEVER`] if it is out of range.
pub(super) fn later(from: Instant, nanos: Option<u128>) -> Instant {
    match nanos.map(u64::try_from) {
        Some(Ok(nanos)) => from.saturating_add_nanos(nanos),
        _ => Instant::NEVER,
    }
}

/// Nanoseconds from `earlier` to `now`.
pub(super) const fn since(earlier: Instant, now: Instant) -> u64 {
    now.as_nanos().saturating_sub(earlier.as_nanos())
}
