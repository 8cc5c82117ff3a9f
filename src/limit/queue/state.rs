//! Who is let in: what the lock of a limit guards.

use alloc::{boxed::Box, vec::Vec};
use core::{mem, task::Waker};

use super::{
    AlarmOf, Outbox, Verdict, WINDOW,
    holders::{Charges, Held, Holder, Holders, Watch},
    lanes::{Lanes, MAIN},
    line::Line,
    probe::Probe,
    waiters::{List, More, Stage, Waiter, Waiters},
    word::{MOST_PERMITS, Word, count},
};
use crate::{
    abort::{AbortReason, Name},
    limit::{
        Queued, Refusal, Running,
        claim::Terms,
        order::Order,
        overflow::Overflow,
        rate::{Meter, Rate},
    },
    sync::Arc,
    time::{Instant, TimerHandle},
};

pub(in crate::limit) struct State {
    pub(in crate::limit) rules: Rules,
    pub(in crate::limit) paused: bool,
    pub(in crate::limit) closed: bool,
    /// How many permits are free, while the word is shut. Less than none after some were taken away.
    free: isize,
    is_shut: bool,
    /// A permit is all that there is to it: whoever comes first is let in first, and nothing else is to be looked at.
    is_plain: bool,
    /// Nobody is let in before.
    cool_until: Option<Instant>,
    pub(super) waiters: Waiters,
    pub(in crate::limit) lanes: Lanes,
    pub(super) holders: Holders,
    /// How many of those who wait were refused, and don't know it yet.
    refused: usize,
    rates: Vec<Rated>,
    /// Numbers the waiters in the order in which they came.
    came: u64,
    /// The time, when somebody last looked.
    latest: Instant,
    /// Somebody has, or had, a priority: no end of a line is the oldest for sure.
    mixed: bool,
    clock_changed: bool,
    /// The offers that have not lapsed, the oldest first.
    fresh: List,
    /// The permits that they are for.
    reserved: usize,
    /// Begins when an alarm is set.
    window: u64,
    window_alarm: bool,
    probe: Probe,
    /// When whoever is first can be let in, as far as that is known, and an alarm is set.
    wait_alarm: Option<Instant>,
    /// What the windows go by.
    timer: Option<TimerHandle>,
    /// How many wait for a level.
    pub(super) watchers: usize,
}

/// What a limit was set up with.
#[derive(Clone, Debug)]
pub(in crate::limit) struct Rules {
    pub(in crate::limit) permits: usize,
    pub(in crate::limit) rates: Vec<Rate>,
    pub(in crate::limit) order: Order,
    /// In nanoseconds: how long one level of priority is ahead of the next lower.
    pub(in crate::limit) ageing: u64,
    pub(in crate::limit) max_waiting: Option<(usize, Overflow)>,
    /// The clock, where it is noted who holds a permit and who waits.
    pub(in crate::limit) tracked: Option<TimerHandle>,
    pub(in crate::limit) paused: bool,
    pub(in crate::limit) keyed: bool,
}

#[derive(Debug)]
struct Rated {
    meter: Meter,
    /// What fresh offers are for.
    reserved: u64,
}

/// Whether somebody can be let in.
pub(super) enum Admission {
    Now,
    /// Not before then.
    At(Instant),
    /// Once something has changed.
    Later,
}

/// One who has to wait.
pub(super) struct Arrival<'a> {
    pub(super) terms: Option<&'a Arc<Terms>>,
    pub(super) name: Option<Name>,
    pub(super) waker: Waker,
    /// What the windows are to go by.
    pub(super) timer: Option<&'a TimerHandle>,
    /// On the clock of the limit.
    pub(super) deadline: Option<Instant>,
    /// It holds a permit of the same limit already.
    pub(super) is_inside: bool,
}

/// What became of one who came.
pub(super) enum Entry {
    /// With what was noted of it, if anything.
    Holding(Option<Held>),
    Waiting(usize),
    Refused(Box<Verdict>),
}

/// What came of a poll of one who waits.
pub(super) enum Claimed {
    Over(Entry),
    /// It waits on, and the task that polls it is to be woken: that is known.
    InLine,
    /// It has to wait on, which isn't known.
    InVain,
}

impl State {
    pub(super) fn new(rules: Rules) -> Self {
        let rates = rules.rates.iter().cloned();
        let mut new = Self {
            paused: rules.paused,
            closed: false,
            free: count(rules.permits),
            is_shut: true,
            is_plain: false,
            cool_until: None,
            waiters: Waiters::default(),
            lanes: Lanes::new(rules.keyed, rules.order),
            holders: Holders::default(),
            refused: 0,
            rates: rates.map(|rate| Rated { meter: Meter::new(rate), reserved: 0 }).collect(),
            came: 0,
            latest: Instant::START,
            mixed: false,
            clock_changed: false,
            fresh: List::default(),
            reserved: 0,
            window: 0,
            window_alarm: false,
            probe: Probe::default(),
            wait_alarm: None,
            timer: None,
            watchers: 0,
            rules,
        };
        new.note_plain();
        new
    }

    /// Counts the permits here from now on.
    #[inline]
    pub(super) fn shut(&mut self, word: &Word) {
        if !self.is_shut {
            (self.free, self.is_shut) = (word.shut(), true);
        }
    }

    /// Counts them in the word, where whoever comes or goes needs nothing else.
    #[inline]
    pub(super) fn open(&mut self, word: &Word) {
        if !self.is_special() {
            word.open(self.free);
            self.is_shut = false;
        }
    }

    fn signed_free(&self, word: &Word) -> isize {
        if self.is_shut { self.free } else { word.look() }
    }

    /// How many permits are free.
    pub(in crate::limit) fn free(&self, word: &Word) -> usize {
        usize::try_from(self.signed_free(word)).unwrap_or(0)
    }

    /// How many are held.
    pub(in crate::limit) fn held(&self, word: &Word) -> usize {
        self.rules.permits.saturating_add_signed(-self.signed_free(word))
    }

    /// Takes back what was given away without a note.
    pub(super) fn put_back(&mut self, weight: usize) {
        self.free += count(weight);
    }

    pub(in crate::limit) fn waiting(&self) -> usize {
        self.waiters.len() - self.refused
    }

    /// To be called when what it was set up with has changed, or how it stands.
    fn note_plain(&mut self) {
        self.is_plain = self.rules.permits > 0
            && self.rules.rates.is_empty()
            && self.rules.order == Order::Fifo
            && self.rules.max_waiting.is_none()
            && self.rules.tracked.is_none()
            && !self.rules.keyed
            && !self.paused
            && !self.closed
            && !self.mixed
            && self.cool_until.is_none();
    }

    pub(in crate::limit) fn set_paused(&mut self, paused: bool) {
        self.paused = paused;
        self.note_plain();
    }

    pub(in crate::limit) fn close(&mut self) {
        self.closed = true;
        self.note_plain();
    }

    /// Whether each who comes or goes has to look in here.
    pub(super) fn is_special(&self) -> bool {
        self.waiters.len() > 0
            || self.paused
            || self.closed
            || self.rules.tracked.is_some()
            || self.rules.keyed
            || !self.rates.is_empty()
            || self.cool_until.is_some()
            || self.watchers > 0
    }

    /// Whether it has to know the time, where that may have changed since it was asked.
    #[inline]
    pub(super) fn news_of_clock(&mut self) -> Option<bool> {
        mem::take(&mut self.clock_changed).then(|| self.goes_by_the_clock())
    }

    /// Whether it has to know the time.
    pub(super) fn goes_by_the_clock(&self) -> bool {
        self.is_ranked()
            || self.rules.tracked.is_some()
            || !self.rates.is_empty()
            || self.cool_until.is_some()
    }

    /// Nobody is let in before `until`.
    pub(super) fn cool_down(&mut self, until: Instant) {
        (self.cool_until, self.clock_changed) = (self.cool_until.max(Some(until)), true);
        self.note_plain();
    }

    fn note_time(&mut self, now: Option<Instant>) {
        self.latest = self.latest.max(now.unwrap_or(Instant::START));
    }

    /// One who comes: it has what it asks for at once, or is refused, or has to wait.
    pub(super) fn enter(
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
    pub(super) fn line_up(
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

    /// When it is whose turn that came then; and the other way round.
    fn turn_of(&self, came: u64) -> u64 {
        match self.rules.order {
            Order::Lifo => u64::MAX - came,
            _ => came,
        }
    }

    /// Whether it could be let in if it were alone.
    fn may_ever_enter(&self, terms: Option<&Terms>, lane: usize) -> Result<(), Refusal> {
        let weight = Terms::weight_of(terms);
        let capacity = self.rules.permits.min(self.lanes.cap(lane));
        if self.closed {
            return Err(Refusal::Closed);
        }
        if weight > capacity {
            return Err(Refusal::TooHeavy { weight, capacity });
        }
        for Rated { meter, .. } in &self.rates {
            let (cost, most) = (Terms::cost_of(terms, meter.unit()), meter.most());
            if cost > most {
                return Err(Refusal::TooCostly { unit: meter.unit().cloned(), cost, most });
            }
        }
        let units = || self.rates.iter().map(|rated| rated.meter.unit());
        match Terms::unit_without(terms, units) {
            Some(unit) => Err(Refusal::NoSuchUnit { unit: unit.clone() }),
            None => Ok(()),
        }
    }

    /// Whether one might wait for a permit. Where there is any number of them, it is for something else that it waits.
    fn has_bounds(&self, lane: usize) -> bool {
        self.rules.permits.min(self.lanes.cap(lane)) < MOST_PERMITS
    }

    /// Sees to it that one more may wait.
    fn make_room(&mut self, priority: i32, out: &mut Outbox) -> Result<(), Refusal> {
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

    /// The rank of one with that priority that comes now.
    fn rank(&mut self, priority: i32, now: Option<Instant>) -> i128 {
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
    fn is_ranked(&self) -> bool {
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

    /// Whether one with such terms can be let in; beside all that is on offer where `reserved` counts.
    fn admission(
        &mut self,
        terms: Option<&Terms>,
        lane: usize,
        now: Option<Instant>,
        reserved: bool,
    ) -> Admission {
        if self.paused {
            return Admission::Later;
        }
        if let Some(until) = self.cool_until {
            if now.is_none_or(|now| now < until) {
                return Admission::At(until);
            }
            (self.cool_until, self.clock_changed) = (None, true);
            self.note_plain();
        }
        let weight = Terms::weight_of(terms);
        let wanted = weight.saturating_add(if reserved { self.reserved } else { 0 });
        if self.free < count(wanted) || !self.lanes.has_room(lane, weight, reserved) {
            return Admission::Later;
        }
        if self.rates.is_empty() {
            return Admission::Now;
        }
        let Some(latest) = self.ready_at(terms, now, reserved) else { return Admission::Now };
        match now {
            Some(now) if latest <= now => Admission::Now,
            _ if latest == Instant::NEVER => Admission::Later,
            _ => Admission::At(latest),
        }
    }

    /// When all rates let it in, where there are any.
    fn ready_at(
        &mut self,
        terms: Option<&Terms>,
        now: Option<Instant>,
        reserved: bool,
    ) -> Option<Instant> {
        let now = now.unwrap_or(self.latest);
        let has_offers = reserved && self.fresh.len() > 0;
        let ready = self.rates.iter_mut().map(|rated| {
            if has_offers && rated.meter.is_of_starts() {
                return Instant::NEVER;
            }
            let more = if reserved { rated.reserved } else { 0 };
            let cost = Terms::cost_of(terms, rated.meter.unit());
            rated.meter.ready_at(cost.saturating_add(more), now)
        });
        ready.max()
    }

    /// When the rates and a cool-down let in one who costs no more than it must, as far as that is known.
    pub(in crate::limit) fn open_at(&mut self, now: Instant) -> Option<Instant> {
        let rates = self.ready_at(None, Some(now), false);
        rates.max(self.cool_until)
    }

    /// What may pass now of what a rate counts; of several that count it, what all let pass.
    pub(in crate::limit) fn left(&mut self, unit: &str, now: Instant) -> Option<u64> {
        let rates = self
            .rates
            .iter_mut()
            .filter(|rated| rated.meter.unit().map_or(Terms::CALLS, |known| &**known) == unit);
        rates.map(|rated| rated.meter.left(now)).min()
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
    pub(super) fn release(
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
    pub(super) fn claim(
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
            if let Some(waker) = self.waiters.remove_if(key, |waiter| waiter.more.is_none()) {
                self.free -= 1;
                out.old_waker = waker.waker;
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
    pub(super) fn wait_on(
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
    pub(super) fn leave(&mut self, key: usize, out: &mut Outbox) {
        match self.waiters.get(key).map(|waiter| waiter.stage) {
            Some(Stage::InLine) => self.lanes.remove(key, &mut self.waiters),
            Some(Stage::Offered(_)) => self.end_offer(key),
            Some(Stage::Refused) => self.refused -= 1,
            Some(Stage::Lapsed) | None => {}
        }
        out.bury(self.waiters.remove(key));
    }

    /// Tells one who waits that it waits in vain.
    pub(super) fn refuse(&mut self, key: usize, verdict: Verdict, out: &mut Outbox) {
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

    pub(in crate::limit) fn queued(&self) -> Vec<Queued> {
        let mut waiters: Vec<_> = self.waiters.iter().map(|(_, waiter)| waiter).collect();
        waiters.retain(|waiter| !matches!(waiter.stage, Stage::Refused));
        waiters.sort_by_key(|waiter| self.turn_of(waiter.turn));
        let queued = waiters.into_iter().map(|waiter| Queued {
            name: waiter.name().cloned(),
            weight: waiter.weight(),
            priority: waiter.priority(),
            since: waiter.more.as_ref().and_then(|more| more.since),
        });
        queued.collect()
    }

    pub(in crate::limit) fn running(&self) -> Vec<Running> {
        let mut running: Vec<_> = self.holders.iter().map(|(_, holder)| holder.view()).collect();
        running.sort_by_key(|one| one.since);
        running
    }

    /// What a holder was charged is corrected.
    pub(super) fn settle(&mut self, holder: usize, unit: &str, actual: u64, now: Instant) -> bool {
        let Some(holder) = self.holders.get_mut(holder) else { return false };
        let mut found = false;
        for (rated, charge) in self.rates.iter_mut().zip(holder.charges.iter_mut()) {
            if rated.meter.unit().map_or(Terms::CALLS, |unit| &**unit) == unit {
                *charge = rated.meter.settle(charge, actual, now);
                found = true;
            }
        }
        found
    }

    /// Offers what is free, to whoever is first, and sets the alarms that this takes.
    #[inline]
    pub(super) fn serve(&mut self, now: Option<Instant>, out: &mut Outbox) {
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

    #[inline]
    fn admission_of(&mut self, key: usize, now: Option<Instant>, reserved: bool) -> Admission {
        let Some(waiter) = self.waiters.get(key) else { return Admission::Later };
        // It is in the waiter's hands, too: dropping this one ends nothing.
        let (terms, lane) = (waiter.shared_terms().cloned(), waiter.lane());
        self.admission(terms.as_deref(), lane, now, reserved)
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
    fn end_offer(&mut self, key: usize) {
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
    pub(super) fn end_window(&mut self, now: Option<Instant>, out: &mut Outbox) {
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
    pub(super) fn end_probe(&mut self, out: &mut Outbox) {
        let Some(key) = self.lanes.first() else { return self.probe.end(None) };
        let came = self.waiters.get(key).map(|waiter| waiter.turn);
        let is_due = self.probe.is_for(came);
        self.probe.end(came);
        if is_due && self.fresh.len() == 0 {
            self.offer(key, out);
        }
    }

    /// What held up whoever is first may do so no longer.
    pub(super) fn end_wait(&mut self) {
        self.wait_alarm = None;
    }

    /// An alarm could not be set.
    pub(super) fn forget_alarm(&mut self, of: AlarmOf) {
        match of {
            AlarmOf::Window => self.window_alarm = false,
            AlarmOf::Probe => self.probe.end(None),
            AlarmOf::Wait => self.wait_alarm = None,
        }
    }

    /// Goes by the timer of whoever came last. What was set on another one may never ring.
    fn go_by(&mut self, timer: Option<&TimerHandle>, out: &mut Outbox) {
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
