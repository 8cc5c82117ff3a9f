//! Who is offered what is free, and when that lapses.

use core::mem;

use super::{Admission, State};
use crate::{
    limit::{
        claim::Terms,
        queue::{AlarmOf, Outbox, WINDOW, waiters::Stage, word::count},
    },
    time::{Instant, TimerHandle},
};

impl State {
    /// Offers what is free, to whoever is first, and sets the alarms that this takes.
    #[inline]
    pub(in crate::limit::queue) fn serve(&mut self, now: Option<Instant>, out: &mut Outbox) {
        // Mostly what all need is one permit, and there is one at most.
        while let Some(first) = self.lanes.first() {
            let needs_one = self.waiters.get(first).is_some_and(|waiter| waiter.more.is_none());
            if !(needs_one && self.is_plain && self.timer.is_some()) {
                return self.serve_line(now, out);
            }
            if self.free <= count(self.reserved) {
                return if self.free > 0 {
                    self.begin_window(out)
                };
            }
            self.offer(first, out);
        }
    }

    #[inline]
    fn begin_window(&mut self, out: &mut Outbox) {
        if !self.window_alarm {
            self.window_alarm = true;
            self.window += 1;
            out.rest().window = self.timer.clone();
        }
    }

    fn serve_line(&mut self, now: Option<Instant>, out: &mut Outbox) {
        // Where no timer could pass over somebody who isn't polled, all are asked.
        let reserved = self.timer.is_some();
        let mut blocked = None;
        while let Some(key) = self.lanes.first() {
            let admission = self.admission_of(key, now, reserved);
            if let Admission::Now = admission {
                self.offer(key, out);
                continue;
            }
            if let Admission::At(at) = admission {
                self.set_wait(at, out);
            }
            blocked = Some(key);
            break;
        }
        let others_wait = self.lanes.len() > 0 && self.free > 0 && !self.paused;
        let Some(timer) = self.timer.as_ref().filter(|_| others_wait) else { return };
        if self.fresh.len() > 0 {
            self.begin_window(out);
        } else if let Some(waiter) = blocked.and_then(|key| self.waiters.get(key)) {
            // It may need more than others do who stand behind it.
            if waiter.terms().is_some() && self.lanes.len() > 1 {
                if let Some(windows) = self.probe.begin(waiter.turn) {
                    out.rest().probe = Some((timer.clone(), WINDOW * windows));
                }
            }
        }
    }

    fn set_wait(&mut self, at: Instant, out: &mut Outbox) {
        if at != Instant::NEVER && self.wait_alarm.is_none_or(|set| at < set) {
            self.wait_alarm = Some(at);
            out.rest().wait = Some(at);
        }
    }

    #[inline]
    fn offer(&mut self, key: usize, out: &mut Outbox) {
        self.lanes.remove(key, &mut self.waiters);
        self.fresh.push_last(key, &mut self.waiters);
        let Some(waiter) = self.waiters.get_mut(key) else { return };
        waiter.stage = Stage::Offered(self.window);
        out.wake(waiter.waker.take());
        if self.is_plain && waiter.more.is_none() {
            self.reserved = self.reserved.saturating_add(1);
            return;
        }
        let (lane, weight) = (waiter.lane(), waiter.weight());
        self.reserved = self.reserved.saturating_add(weight);
        for rated in &mut self.rates {
            let cost = Terms::cost_of(waiter.terms(), rated.meter.unit());
            rated.reserved = rated.reserved.saturating_add(cost);
        }
        self.lanes.reserve(lane, weight, &self.waiters);
    }

    /// It is nobody's any more.
    #[inline]
    pub(super) fn end_offer(&mut self, key: usize) {
        self.fresh.remove(key, &mut self.waiters);
        let Some(waiter) = self.waiters.get_mut(key) else { return };
        waiter.stage = Stage::Lapsed;
        if self.is_plain && waiter.more.is_none() {
            self.reserved = self.reserved.saturating_sub(1);
            return;
        }
        let (lane, weight) = (waiter.lane(), waiter.weight());
        self.reserved = self.reserved.saturating_sub(weight);
        for rated in &mut self.rates {
            let cost = Terms::cost_of(waiter.terms(), rated.meter.unit());
            rated.reserved = rated.reserved.saturating_sub(cost);
        }
        self.lanes.unreserve(lane, weight, &self.waiters);
    }

    /// Lets the offers lapse that stood when the alarm was set, and makes twice as many: a long row
    /// of waiters that nobody polls is passed in few windows.
    pub(in crate::limit::queue) fn end_window(&mut self, now: Option<Instant>, out: &mut Outbox) {
        self.window_alarm = false;
        if self.free <= 0 {
            return;
        }
        let mut lapsed = 0_usize;
        while let Some(key) = self.fresh.first() {
            match self.waiters.get(key).map(|waiter| waiter.stage) {
                Some(Stage::Offered(window)) if window < self.window => self.end_offer(key),
                _ => break,
            }
            lapsed += 1;
        }
        for _ in 0..lapsed.saturating_mul(2) {
            let Some(key) = self.lanes.first() else { break };
            match self.admission_of(key, now, false) {
                Admission::Now => self.offer(key, out),
                _ => break,
            }
        }
    }

    /// Wakes whoever holds up the others, to see whether anybody polls it.
    pub(in crate::limit::queue) fn end_probe(&mut self, out: &mut Outbox) {
        let Some(key) = self.lanes.first() else { return self.probe.end(None) };
        let came = self.waiters.get(key).map(|waiter| waiter.turn);
        let is_due = self.probe.is_for(came);
        self.probe.end(came);
        if is_due && self.fresh.len() == 0 {
            self.offer(key, out);
        }
    }

    /// What held up whoever is first may do so no longer.
    pub(in crate::limit::queue) fn end_wait(&mut self) {
        self.wait_alarm = None;
    }

    /// An alarm could not be set.
    pub(in crate::limit::queue) fn forget_alarm(&mut self, of: AlarmOf) {
        match of {
            AlarmOf::Window => self.window_alarm = false,
            AlarmOf::Probe => self.probe.end(None),
            AlarmOf::Wait => self.wait_alarm = None,
        }
    }

    /// Goes by the timer of whoever came last. What was set on another one may never ring.
    pub(super) fn go_by(&mut self, timer: Option<&TimerHandle>, out: &mut Outbox) {
        let same = match (&self.timer, timer) {
            (Some(old), Some(new)) => old.is_same(new),
            (None, None) => true,
            _ => false,
        };
        if same {
            return;
        }
        self.window_alarm = false;
        self.probe.end(None);
        if let Some(old) = mem::replace(&mut self.timer, timer.cloned()) {
            out.rest().old_timer = Some(old);
        }
    }
}
