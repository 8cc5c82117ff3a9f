//! Who is let in: what the lock of a limit guards.

mod admission;
mod coming;
mod offers;
mod priority;
mod room;

use alloc::vec::Vec;
use core::mem;

use super::{
    holders::Holders,
    lanes::Lanes,
    probe::Probe,
    waiters::{List, Stage, Waiters},
    word::{Word, count},
};
use crate::{
    limit::{
        Queued, Running,
        order::Order,
        overflow::Overflow,
        rate::{Meter, Rate},
    },
    time::{Instant, TimerHandle},
};
use admission::{Admission, Rated};
pub(super) use coming::{Arrival, Claimed, Entry};

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
}
