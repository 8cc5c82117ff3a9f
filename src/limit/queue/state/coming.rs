//! Who comes, waits, claims what it waits for, and goes.

use alloc::boxed::Box;
use core::task::Waker;

use super::{Admission, State};
use crate::{
    abort::Name,
    limit::{
        Refusal,
        claim::Terms,
        queue::{
            Outbox, Verdict,
            holders::{Charges, Held, Holder, Watch},
            lanes::MAIN,
            waiters::{More, Stage, Waiter},
            word::count,
        },
    },
    sync::Arc,
    time::{Instant, TimerHandle},
};

/// One who has to wait.
pub(in crate::limit::queue) struct Arrival<'a> {
    pub(in crate::limit::queue) terms: Option<&'a Arc<Terms>>,
    pub(in crate::limit::queue) name: Option<Name>,
    pub(in crate::limit::queue) waker: Waker,
    /// What the windows are to go by.
    pub(in crate::limit::queue) timer: Option<&'a TimerHandle>,
    /// On the clock of the limit.
    pub(in crate::limit::queue) deadline: Option<Instant>,
    /// It holds a permit of the same limit already.
    pub(in crate::limit::queue) is_inside: bool,
}

/// What became of one who came.
pub(in crate::limit::queue) enum Entry {
    /// With what was noted of it, if anything.
    Holding(Option<Held>),
    Waiting(usize),
    Refused(Box<Verdict>),
}

/// What came of a poll of one who waits.
pub(in crate::limit::queue) enum Claimed {
    Over(Entry),
    /// It waits on, and the task that polls it is to be woken: that is known.
    InLine,
    /// It has to wait on, which isn't known.
    InVain,
}

impl State {
    /// One who comes: it has what it asks for at once, or is refused, or has to wait.
    pub(in crate::limit::queue) fn enter(
        &mut self,
        terms: Option<&Arc<Terms>>,
        name: Option<&Name>,
        now: Option<Instant>,
    ) -> Result<Entry, Admission> {
        if self.is_plain && terms.is_none() {
            if self.lanes.len() > 0 || self.free <= count(self.reserved) {
                return Err(Admission::Later);
            }
            self.free -= 1;
            return Ok(Entry::Holding(None));
        }
        let terms = terms.map(|terms| &**terms);
        let lane = Terms::lane_of(terms);
        if let Err(refusal) = self.may_ever_enter(terms, lane) {
            return Ok(Entry::Refused(Box::new(refusal.into())));
        }
        match self.admission(terms, lane, now, true) {
            Admission::Now if self.lanes.has_queue(lane) => Err(Admission::Later),
            Admission::Now => Ok(Entry::Holding(self.take(terms, name.cloned(), lane, now))),
            admission => Err(admission),
        }
    }

    /// It has to wait.
    pub(in crate::limit::queue) fn line_up(
        &mut self,
        arrival: Arrival<'_>,
        admission: Admission,
        now: Option<Instant>,
        out: &mut Outbox,
    ) -> Entry {
        let Arrival { terms, name, waker, timer, deadline, is_inside } = arrival;
        if self.is_plain && terms.is_none() && !is_inside {
            self.go_by(timer, out);
            self.came += 1;
            let key = self.waiters.insert(Waiter::new(waker, self.came, None));
            self.lanes.push_last(key, &mut self.waiters);
            return Entry::Waiting(key);
        }
        let (priority, lane) = {
            let terms = terms.map(|terms| &**terms);
            (Terms::priority_of(terms), Terms::lane_of(terms))
        };
        let refused = match (admission, deadline) {
            _ if is_inside && self.has_bounds(lane) => Some(Refusal::Reentry.into()),
            (Admission::At(at), Some(deadline)) if at >= deadline => {
                Some(Verdict::TooLate { deadline })
            }
            _ => self.make_room(priority, out).err().map(Verdict::from),
        };
        if let Some(verdict) = refused {
            out.old_waker = Some(waker);
            return Entry::Refused(Box::new(verdict));
        }
        self.go_by(timer, out);
        self.came += 1;
        let rank = self.rank(priority, now);
        let more = (terms.is_some() || now.is_some() || self.mixed).then(|| More {
            rank,
            lane,
            priority,
            name,
            terms: terms.cloned(),
            since: now,
            verdict: None,
        });
        let waiter = Waiter::new(waker, self.turn_of(self.came), more.map(Box::new));
        let key = self.waiters.insert(waiter);
        self.lanes.insert(key, &mut self.waiters);
        Entry::Waiting(key)
    }

    /// Lets somebody in who can be.
    fn take(
        &mut self,
        terms: Option<&Terms>,
        name: Option<Name>,
        lane: usize,
        now: Option<Instant>,
    ) -> Option<Held> {
        let weight = Terms::weight_of(terms);
        self.free -= count(weight);
        self.lanes.hold(lane, weight, &self.waiters);
        if self.rates.is_empty() && self.rules.tracked.is_none() {
            return None;
        }
        let now = now.unwrap_or(self.latest);
        let charges = self.rates.iter_mut().map(|rated| {
            let cost = Terms::cost_of(terms, rated.meter.unit());
            rated.meter.charge(cost, now)
        });
        let charges = Charges::of(charges);
        let name = name.or_else(|| terms.and_then(|terms| terms.name.clone()));
        let watch = self.rules.tracked.as_ref().map(|timer| Arc::new(Watch::new(timer.clone())));
        let holder = Holder::new(terms, name, charges, now, watch.clone());
        Some(Held { key: self.holders.insert(holder), watch })
    }

    /// Gives a permit back.
    pub(in crate::limit::queue) fn release(
        &mut self,
        terms: Option<&Terms>,
        holder: Option<usize>,
        out: &mut Outbox,
    ) {
        let weight = Terms::weight_of(terms);
        self.free += count(weight);
        self.lanes.release(Terms::lane_of(terms), weight, &self.waiters);
        let holder = holder.and_then(|key| self.holders.remove(key));
        if let Some(watch) = holder.and_then(Holder::into_watch) {
            out.rest().released = Some(watch);
        }
    }

    /// One who waits is polled.
    pub(in crate::limit::queue) fn claim(
        &mut self,
        key: usize,
        waker: &Waker,
        now: Option<Instant>,
        out: &mut Outbox,
    ) -> Claimed {
        let Some(waiter) = self.waiters.get_mut(key) else { return Claimed::InVain };
        match waiter.stage {
            Stage::InLine => {
                return match &waiter.waker {
                    Some(own) if own.will_wake(waker) => Claimed::InLine,
                    _ => Claimed::InVain,
                };
            }
            Stage::Offered(_) => self.end_offer(key),
            Stage::Lapsed => {}
            Stage::Refused => {
                self.refused -= 1;
                let mut waiter = self.waiters.remove(key);
                let verdict = waiter.as_mut().and_then(|waiter| waiter.more().verdict.take());
                out.bury(waiter);
                let verdict = verdict.unwrap_or_else(|| Refusal::Closed.into());
                return Claimed::Over(Entry::Refused(Box::new(verdict)));
            }
        }
        if self.is_plain && self.free > 0 {
            if let Some(waiter) = self.waiters.remove_if(key, |waiter| waiter.more.is_none()) {
                self.free -= 1;
                out.old_waker = waiter.waker;
                return Claimed::Over(Entry::Holding(None));
            }
        }
        let Admission::Now = self.admission_of(key, now, false) else {
            // In its old place, before anybody else is served.
            if let Some(waiter) = self.waiters.get_mut(key) {
                waiter.stage = Stage::InLine;
            }
            self.lanes.insert(key, &mut self.waiters);
            return Claimed::InVain;
        };
        let mut waiter = self.waiters.remove(key);
        let more = waiter.as_mut().and_then(|waiter| waiter.more.as_deref_mut());
        let held = match more {
            None => self.take(None, None, MAIN, now),
            Some(More { name, terms, lane, .. }) => {
                self.take(terms.as_deref(), name.take(), *lane, now)
            }
        };
        out.bury(waiter);
        Claimed::Over(Entry::Holding(held))
    }

    /// One who waits has to wait on, and is to be woken by `waker` from now on.
    pub(in crate::limit::queue) fn wait_on(
        &mut self,
        key: usize,
        waker: Waker,
        timer: Option<&TimerHandle>,
        out: &mut Outbox,
    ) {
        let Some(waiter) = self.waiters.get_mut(key) else { return };
        out.old_waker = waiter.waker.replace(waker);
        self.go_by(timer, out);
    }

    /// One who waits is gone.
    pub(in crate::limit::queue) fn leave(&mut self, key: usize, out: &mut Outbox) {
        match self.waiters.get(key).map(|waiter| waiter.stage) {
            Some(Stage::InLine) => self.lanes.remove(key, &mut self.waiters),
            Some(Stage::Offered(_)) => self.end_offer(key),
            Some(Stage::Refused) => self.refused -= 1,
            Some(Stage::Lapsed) | None => {}
        }
        out.bury(self.waiters.remove(key));
    }
}
