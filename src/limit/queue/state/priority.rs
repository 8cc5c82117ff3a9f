//! Who stands before whom.

use alloc::vec::Vec;
use core::mem;

use super::State;
use crate::{
    limit::{order::Order, queue::waiters::Waiter},
    time::Instant,
};

impl State {
    /// When it is whose turn that came then; and the other way round.
    pub(super) fn turn_of(&self, came: u64) -> u64 {
        match self.rules.order {
            Order::Lifo => u64::MAX - came,
            _ => came,
        }
    }

    /// The rank of one with that priority that comes now.
    pub(super) fn rank(&mut self, priority: i32, now: Option<Instant>) -> i128 {
        self.note_time(now);
        if priority != 0 {
            self.mix();
        }
        let arrival = if self.is_ranked() { self.latest } else { Instant::START };
        i128::from(arrival.as_nanos()) - i128::from(priority) * self.level()
    }

    /// By how much one level of priority is ahead of the next lower.
    fn level(&self) -> i128 {
        match self.rules.order {
            Order::Lifo => 1,
            _ => i128::from(self.rules.ageing),
        }
    }

    /// Whether places go by the clock.
    pub(super) fn is_ranked(&self) -> bool {
        self.mixed && self.rules.order != Order::Lifo
    }

    /// Somebody has a priority. Those who came before anybody had one are taken to have come now, in their order.
    fn mix(&mut self) {
        if mem::replace(&mut self.mixed, true) {
            return;
        }
        self.note_plain();
        if self.is_ranked() {
            self.clock_changed = true;
            let now = i128::from(self.latest.as_nanos());
            self.waiters.values_mut().for_each(|waiter| waiter.more().rank = now);
            self.lanes.place_anew(&self.waiters);
        }
    }

    /// Gives those who wait under that name another priority, and a place as if they had had that from the beginning.
    pub(in crate::limit) fn set_priority(
        &mut self,
        name: &str,
        priority: i32,
        now: Option<Instant>,
    ) -> usize {
        self.note_time(now);
        self.mix();
        let level = self.level();
        let is_it = |waiter: &Waiter| waiter.name().is_some_and(|known| *known == *name);
        let named = self.waiters.iter().filter(|(_, waiter)| is_it(waiter));
        let named: Vec<_> = named.map(|(key, _)| key).collect();
        for &key in &named {
            let in_line = self.waiters.get(key).is_some_and(Waiter::is_in_line);
            if in_line {
                self.lanes.remove(key, &mut self.waiters);
            }
            if let Some(waiter) = self.waiters.get_mut(key) {
                let more = waiter.more();
                more.rank -= (i128::from(priority) - i128::from(more.priority)) * level;
                more.priority = priority;
            }
            if in_line {
                self.lanes.insert(key, &mut self.waiters);
            }
        }
        named.len()
    }
}
