//! Who has to go without having been let in.

use alloc::vec::Vec;

use super::State;
use crate::{
    abort::AbortReason,
    limit::{
        Refusal,
        order::Order,
        overflow::Overflow,
        queue::{
            Outbox, Verdict,
            line::Line,
            waiters::{Stage, Waiter},
            word::count,
        },
    },
};

impl State {
    /// Sees to it that one more may wait.
    pub(super) fn make_room(&mut self, priority: i32, out: &mut Outbox) -> Result<(), Refusal> {
        let Some((most, overflow)) = self.rules.max_waiting else { return Ok(()) };
        if self.waiting() < most {
            return Ok(());
        }
        let leaves = match overflow {
            Overflow::Reject => None,
            Overflow::DropOldest => self.oldest(),
            Overflow::DropLowest => self.lowest_below(priority),
        };
        let Some(key) = leaves else { return Err(Refusal::QueueFull { most }) };
        self.refuse(key, Refusal::Displaced { most }.into(), out);
        Ok(())
    }

    /// Who came first of those in the lines.
    fn oldest(&self) -> Option<usize> {
        let end = match self.rules.order {
            _ if self.mixed => None,
            Order::Lifo => self.lanes.only().and_then(Line::last),
            _ => self.lanes.only().and_then(Line::first),
        };
        let came = |(_, waiter): &(usize, &Waiter)| self.turn_of(waiter.turn);
        end.or_else(|| self.in_line().min_by_key(came).map(|(key, _)| key))
    }

    /// Who has the lowest priority of those in the lines, and of several the last one; if it is below that.
    fn lowest_below(&self, priority: i32) -> Option<usize> {
        let lower = self.in_line().filter(|(_, waiter)| waiter.priority() < priority);
        let lowest = lower
            .min_by_key(|(_, waiter)| (waiter.priority(), u64::MAX - self.turn_of(waiter.turn)));
        lowest.map(|(key, _)| key)
    }

    fn in_line(&self) -> impl Iterator<Item = (usize, &Waiter)> {
        self.waiters.iter().filter(|(_, waiter)| waiter.is_in_line())
    }

    /// Tells one who waits that it waits in vain.
    pub(in crate::limit::queue) fn refuse(
        &mut self,
        key: usize,
        verdict: Verdict,
        out: &mut Outbox,
    ) {
        match self.waiters.get(key).map(|waiter| waiter.stage) {
            Some(Stage::InLine) => self.lanes.remove(key, &mut self.waiters),
            Some(Stage::Offered(_)) => self.end_offer(key),
            Some(Stage::Lapsed) => {}
            Some(Stage::Refused) | None => return,
        }
        self.refused += 1;
        if let Some(waiter) = self.waiters.get_mut(key) {
            waiter.stage = Stage::Refused;
            waiter.more().verdict = Some(verdict);
            out.wake(waiter.waker.take());
        }
    }

    /// Another number of permits: those that are held stay so. Whoever waits for more than there are now is refused.
    pub(in crate::limit) fn set_capacity(&mut self, permits: usize, out: &mut Outbox) {
        self.free += count(permits) - count(self.rules.permits);
        self.rules.permits = permits;
        self.note_plain();
        let too_heavy = self.waiters.iter().filter(|(_, waiter)| waiter.weight() > permits);
        let too_heavy: Vec<_> = too_heavy.map(|(key, waiter)| (key, waiter.weight())).collect();
        for (key, weight) in too_heavy {
            self.refuse(key, Refusal::TooHeavy { weight, capacity: permits }.into(), out);
        }
    }

    /// Refuses all who wait, and tells how many they were.
    pub(in crate::limit) fn clear(&mut self, reason: &AbortReason, out: &mut Outbox) -> usize {
        let before = self.waiting();
        let all: Vec<_> = self.waiters.iter().map(|(key, _)| key).collect();
        for key in all {
            self.refuse(key, Verdict::Cleared(reason.clone()), out);
        }
        before
    }
}
