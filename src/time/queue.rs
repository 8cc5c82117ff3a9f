use alloc::{collections::BTreeMap, vec::Vec};
use core::task::Waker;

use super::{AlarmId, Instant};

/// Alarms, the earliest first; those of one instant in the order in which they were set.
#[derive(Debug, Default)]
pub(super) struct AlarmQueue {
    alarms: BTreeMap<(Instant, u64), Waker>,
    set: u64,
}

impl AlarmQueue {
    pub(super) const fn new() -> Self {
        Self { alarms: BTreeMap::new(), set: 0 }
    }

    pub(super) fn insert(&mut self, at: Instant, waker: Waker) -> AlarmId {
        self.set += 1;
        self.alarms.insert((at, self.set), waker);
        AlarmId::new(self.set)
    }

    /// Hands the waker back, so that it is dropped outside of the lock.
    pub(super) fn remove(&mut self, at: Instant, alarm: AlarmId) -> Option<Waker> {
        self.alarms.remove(&(at, alarm.get()))
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.alarms.first_key_value().map(|((at, _), _)| *at)
    }

    /// In the order in which they ring.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Instant, &Waker)> {
        self.alarms.iter().map(|((at, _), waker)| (*at, waker))
    }

    pub(super) fn take_due(&mut self, now: Instant) -> Vec<Waker> {
        let mut due = Vec::new();
        while let Some(first) = self.alarms.first_entry() {
            if first.key().0 > now {
                break;
            }
            due.push(first.remove());
        }
        due
    }
}
