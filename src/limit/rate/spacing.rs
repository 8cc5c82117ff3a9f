//! A gap between two starts, whatever they cost.

use super::meter::{Count, later};
use crate::time::Instant;

#[derive(Clone, Debug)]
pub(super) struct Spacing {
    gap: u64,
    /// When the next may start.
    next: Instant,
    latest: Instant,
}

impl Spacing {
    pub(super) const fn new(gap: u64) -> Self {
        Self { gap, next: Instant::START, latest: Instant::START }
    }
}

impl Count for Spacing {
    fn pass(&mut self, now: Instant) {
        self.latest = now;
    }

    fn ready_at(&self, _: u64, _: Instant) -> Instant {
        self.next
    }

    fn charge(&mut self, _: u64, now: Instant) {
        self.next = later(now, Some(self.gap.into()));
    }

    fn give_back(&mut self, _: Instant, _: u64, _: Instant) {}

    fn left(&self) -> u64 {
        if self.next <= self.latest { u64::MAX } else { 0 }
    }
}
