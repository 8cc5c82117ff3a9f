//! Those who hold a permit, where more is to be known of them than that they do.

use alloc::vec::Vec;
use core::task::Waker;

use crate::{
    abort::Name,
    limit::{Running, claim::Terms, rate::Charge},
    slab::Slab,
    sync::{Arc, Mutex, impl_wake},
    time::{Instant, TimerHandle},
};

pub(super) type Holders = Slab<Holder>;

#[derive(Debug)]
pub(super) struct Holder {
    name: Option<Name>,
    weight: usize,
    priority: i32,
    since: Instant,
    /// What it was charged, for each rate.
    pub(super) charges: Charges,
    /// In a limit that is tracked.
    watch: Option<Arc<Watch>>,
}

/// What somebody was charged, for each rate. Mostly there is one.
#[derive(Debug)]
pub(super) struct Charges {
    first: Option<Charge>,
    more: Vec<Charge>,
}

impl Charges {
    pub(super) fn of(mut charges: impl Iterator<Item = Charge>) -> Self {
        Self { first: charges.next(), more: charges.collect() }
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Charge> {
        self.first.iter_mut().chain(&mut self.more)
    }
}

/// What somebody who holds a permit knows of the note about it.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) key: usize,
    pub(super) watch: Option<Arc<Watch>>,
}

impl Holder {
    pub(super) fn new(
        terms: Option<&Terms>,
        name: Option<Name>,
        charges: Charges,
        since: Instant,
        watch: Option<Arc<Watch>>,
    ) -> Self {
        let (weight, priority) = (Terms::weight_of(terms), Terms::priority_of(terms));
        Self { name, weight, priority, since, charges, watch }
    }

    /// What of it is foreign code to drop.
    pub(super) fn into_watch(self) -> Option<Arc<Watch>> {
        self.watch
    }

    pub(super) fn view(&self) -> Running {
        let Self { name, weight, priority, since, .. } = self;
        let woken_since = self.watch.as_ref().and_then(|watch| watch.woken_since());
        Running {
            name: name.clone(),
            weight: *weight,
            priority: *priority,
            since: *since,
            woken_since,
        }
    }
}

/// Sees whether one that was woken is polled.
#[derive(Debug)]
pub(super) struct Watch {
    timer: TimerHandle,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    task: Option<Waker>,
    /// It was, then, and has not been polled since.
    woken: Option<Instant>,
}

impl Watch {
    pub(super) fn new(timer: TimerHandle) -> Self {
        Self { timer, seen: Mutex::new(Seen::default()) }
    }

    /// It is polled, by a task that `waker` wakes. What it is to be polled with.
    pub(super) fn see(this: &Arc<Self>, waker: &Waker) -> Waker {
        let known = this.seen.with(|seen| {
            seen.woken = None;
            seen.task.as_ref().is_some_and(|task| task.will_wake(waker))
        });
        if !known {
            let task = waker.clone();
            let replaced = this.seen.with(|seen| seen.task.replace(task));
            drop(replaced);
        }
        Waker::from(this.clone())
    }

    pub(super) fn woken_since(&self) -> Option<Instant> {
        self.seen.with(|seen| seen.woken)
    }

    fn wake(this: &Arc<Self>) {
        let now = this.timer.now();
        let task = this.seen.with(|seen| {
            seen.woken.get_or_insert(now);
            seen.task.take()
        });
        if let Some(task) = task {
            task.wake();
        }
    }
}

impl_wake!(Watch, Watch::wake);
