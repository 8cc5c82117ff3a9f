//! Those who wait, each at a key of its own, and the lists that they stand in.

use alloc::boxed::Box;
use core::task::Waker;

use super::{Verdict, lanes::MAIN};
use crate::{abort::Name, limit::claim::Terms, slab::Slab, sync::Arc, time::Instant};

/// Where in its line somebody stands: first by rank, then by its turn. Less is earlier.
pub(super) type Place = (i128, u64);

/// One who waits. It is small: most are told apart by no more than when they came.
#[derive(Debug)]
pub(super) struct Waiter {
    /// Whom to wake. Gone once it was.
    pub(super) waker: Option<Waker>,
    /// Its own: in the order in which they came, or the other way round where the last one is first.
    pub(super) turn: u64,
    pub(super) stage: Stage,
    links: Links,
    pub(super) more: Option<Box<More>>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Stage {
    /// In its line.
    InLine,
    /// It was woken to claim what it waits for, in which window.
    Offered(u64),
    /// It was, and didn't in time.
    Lapsed,
    /// It was refused.
    Refused,
}

/// What makes a waiter differ from others.
#[derive(Debug, Default)]
pub(super) struct More {
    pub(super) rank: i128,
    pub(super) lane: usize,
    pub(super) priority: i32,
    /// In a limit that is tracked.
    pub(super) name: Option<Name>,
    pub(super) terms: Option<Arc<Terms>>,
    /// Where the limit goes by the clock.
    pub(super) since: Option<Instant>,
    /// Why it is refused.
    pub(super) verdict: Option<Verdict>,
}

/// Its neighbours in a [`List`], or [`NOBODY`].
#[derive(Clone, Copy, Debug)]
struct Links {
    before: u32,
    after: u32,
}

/// There is no memory for so many.
const NOBODY: u32 = u32::MAX;

const ALONE: Links = Links { before: NOBODY, after: NOBODY };

impl Waiter {
    pub(super) const fn new(waker: Waker, turn: u64, more: Option<Box<More>>) -> Self {
        Self { waker: Some(waker), turn, stage: Stage::InLine, links: ALONE, more }
    }

    pub(super) fn place(&self) -> Place {
        (self.more.as_ref().map_or(0, |more| more.rank), self.turn)
    }

    pub(super) fn lane(&self) -> usize {
        self.more.as_ref().map_or(MAIN, |more| more.lane)
    }

    pub(super) fn priority(&self) -> i32 {
        self.more.as_ref().map_or(0, |more| more.priority)
    }

    pub(super) fn shared_terms(&self) -> Option<&Arc<Terms>> {
        self.more.as_ref()?.terms.as_ref()
    }

    pub(super) fn terms(&self) -> Option<&Terms> {
        self.shared_terms().map(|terms| &**terms)
    }

    pub(super) fn name(&self) -> Option<&Name> {
        self.more.as_ref()?.name.as_ref().or_else(|| self.terms()?.name.as_ref())
    }

    pub(super) fn weight(&self) -> usize {
        Terms::weight_of(self.terms())
    }

    pub(super) const fn is_in_line(&self) -> bool {
        matches!(self.stage, Stage::InLine)
    }

    /// To be filled in.
    pub(super) fn more(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }
}

/// All who wait.
pub(super) type Waiters = Slab<Waiter>;

/// Some of those who wait, one after the other. To take one out takes no searching.
#[derive(Debug, Default)]
pub(super) struct List {
    first: Option<usize>,
    last: Option<usize>,
    len: usize,
}

impl List {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) const fn first(&self) -> Option<usize> {
        self.first
    }

    pub(super) const fn last(&self) -> Option<usize> {
        self.last
    }

    pub(super) fn push_last(&mut self, key: usize, waiters: &mut Waiters) {
        self.len += 1;
        let before = self.last.replace(key);
        link(waiters, key, |links| *links = Links { before: short(before), after: NOBODY });
        match before {
            Some(before) => link(waiters, before, |links| links.after = short(Some(key))),
            None => self.first = Some(key),
        }
    }

    pub(super) fn push_first(&mut self, key: usize, waiters: &mut Waiters) {
        self.len += 1;
        let after = self.first.replace(key);
        link(waiters, key, |links| *links = Links { before: NOBODY, after: short(after) });
        match after {
            Some(after) => link(waiters, after, |links| links.before = short(Some(key))),
            None => self.last = Some(key),
        }
    }

    /// Takes out one that stands in it.
    pub(super) fn remove(&mut self, key: usize, waiters: &mut Waiters) {
        let Some(waiter) = waiters.get(key) else { return };
        let Links { before, after } = waiter.links;
        self.len -= 1;
        match long(before) {
            Some(before) => link(waiters, before, |links| links.after = after),
            None => self.first = long(after),
        }
        match long(after) {
            Some(after) => link(waiters, after, |links| links.before = before),
            None => self.last = long(before),
        }
    }

    pub(super) fn pop_first(&mut self, waiters: &mut Waiters) -> Option<usize> {
        let first = self.first?;
        self.remove(first, waiters);
        Some(first)
    }
}

fn link(waiters: &mut Waiters, key: usize, change: impl FnOnce(&mut Links)) {
    if let Some(waiter) = waiters.get_mut(key) {
        change(&mut waiter.links);
    }
}

fn short(key: Option<usize>) -> u32 {
    key.map_or(NOBODY, |key| key as u32)
}

fn long(key: u32) -> Option<usize> {
    (key != NOBODY).then_some(key as usize)
}
