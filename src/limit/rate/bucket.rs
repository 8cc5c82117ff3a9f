//! A bucket that refills evenly.
//!
//! The [GCRA] keeps the time at which all that has passed would be refilled. Here it is how far that lies
//! ahead, counted in parts of a token of which `per` make one and each nanosecond refills `amount`: both
//! the cost of a token and the refill of a nanosecond are whole numbers, and nothing is ever rounded but
//! the one instant that is named to who waits.
//!
//! [GCRA]: https://www.itu.int/rec/T-REC-I.371 "ITU-T I.371, annex A"

use super::meter::{Count, later, since};
use crate::time::Instant;

#[derive(Clone, Debug)]
pub(super) struct Bucket {
    /// What a nanosecond refills, in parts.
    amount: u64,
    /// How many parts a token has.
    per: u64,
    burst: u64,
    /// What there is less than when it is full, in parts. What is owed is beyond what the bucket holds.
    /// The highest number stands for all that are higher, and stays.
    missing: u128,
    latest: Instant,
    /// When it was last seen full. Of what was charged before that nothing is missing any more.
    full_at: Instant,
}

impl Bucket {
    pub(super) const fn new(amount: u64, per: u64, burst: u64) -> Self {
        let start = Instant::START;
        Self { amount, per, burst, missing: 0, latest: start, full_at: start }
    }

    const fn parts(&self, tokens: u64) -> u128 {
        tokens as u128 * self.per as u128
    }
}

impl Count for Bucket {
    fn pass(&mut self, now: Instant) {
        if self.missing < u128::MAX {
            let refilled = u128::from(since(self.latest, now)) * u128::from(self.amount);
            self.missing = self.missing.saturating_sub(refilled);
        }
        if self.missing == 0 {
            self.full_at = now;
        }
        self.latest = now;
    }

    fn ready_at(&self, cost: u64, now: Instant) -> Instant {
        if self.missing == u128::MAX {
            return Instant::NEVER;
        }
        let may_miss = self.parts(self.burst.saturating_sub(cost));
        let wait = self.missing.saturating_sub(may_miss).div_ceil(self.amount.into());
        later(now, Some(wait))
    }

    fn charge(&mut self, cost: u64, _: Instant) {
        self.missing = self.missing.saturating_add(self.parts(cost));
    }

    fn give_back(&mut self, at: Instant, cost: u64, _: Instant) {
        let is_refilled = at < self.full_at;
        if !is_refilled && self.missing < u128::MAX {
            self.missing = self.missing.saturating_sub(self.parts(cost));
        }
    }

    fn left(&self) -> u64 {
        let parts = self.parts(self.burst).saturating_sub(self.missing);
        u64::try_from(parts / u128::from(self.per)).unwrap_or(self.burst)
    }
}
