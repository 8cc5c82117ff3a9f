//! Those who wait, each at a key of its own, and the lists that they stand in.

use core::task::Waker;

use super::Verdict;
use crate::{abort::Name, limit::claim::Terms, slab::Slab, sync::Arc, time::Instant};

/// Where in its line somebody stands: first by rank, then by when it came. Less is earlier.
pub(super) type Place = (i128, u64);

/// One who waits.
#[derive(Debug)]
pub(super) struct Waiter {
    /// Whom to wake. Gone once it was.
    pub(super) waker: Option<Waker>,
    pub(super) place: Place,
    /// How many came before.
    pub(super) came: u64,
    pub(super) lane: usize,
    pub(super) priority: i32,
    /// In a limit that is tracked.
    pub(super) name: Option<Name>,
    pub(super) terms: Option<Arc<Terms>>,
    pub(super) stage: Stage,
    /// Where the limit goes by the clock.
    pub(super) since: Option<Instant>,
    pub(super) links: Links,
}

#[derive(Debug)]
pub(super) enum Stage {
    /// In its line.
    InLine,
    /// It was woken to claim what it waits for, in which window.
    Offered(u64),
    /// It was, and didn't in time.
    Lapsed,
    /// It was refused.
    Refused(Verdict),
}

/// Its neighbours in a [`List`].
#[derive(Debug, Default)]
pub(super) struct Links {
    before: Option<usize>,
    after: Option<usize>,
}

impl Waiter {
    pub(super) const fn is_in_line(&self) -> bool {
        matches!(self.stage, Stage::InLine)
    }

    pub(super) fn name(&self) -> Option<&Name> {
        self.name.as_ref().or_else(|| self.terms.as_ref()?.name.as_ref())
    }

    pub(super) fn weight(&self) -> usize {
        Terms::weight_of(self.terms.as_deref())
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
        link(waiters, key, before, None);
        match before {
            Some(before) => links(waiters, before, |links| links.after = Some(key)),
            None => self.first = Some(key),
        }
    }

    pub(super) fn push_first(&mut self, key: usize, waiters: &mut Waiters) {
        self.len += 1;
        let after = self.first.replace(key);
        link(waiters, key, None, after);
        match after {
            Some(after) => links(waiters, after, |links| links.before = Some(key)),
            None => self.last = Some(key),
        }
    }

    /// Takes out one that stands in it.
    pub(super) fn remove(&mut self, key: usize, waiters: &mut Waiters) {
        let Some(waiter) = waiters.get_mut(key) else { return };
        let (before, after) = (waiter.links.before.take(), waiter.links.after.take());
        self.len -= 1;
        match before {
            Some(before) => links(waiters, before, |links| links.after = after),
            None => self.first = after,
        }
        match after {
            Some(after) => links(waiters, after, |links| links.before = before),
            None => self.last = before,
        }
    }

    pub(super) fn pop_first(&mut self, waiters: &mut Waiters) -> Option<usize> {
        let first = self.first?;
        self.remove(first, waiters);
        Some(first)
    }
}

fn link(waiters: &mut Waiters, key: usize, before: Option<usize>, after: Option<usize>) {
    links(waiters, key, |links| *links = Links { before, after });
}

fn links(waiters: &mut Waiters, key: usize, change: impl FnOnce(&mut Links)) {
    if let Some(waiter) = waiters.get_mut(key) {
        change(&mut waiter.links);
    }
}
