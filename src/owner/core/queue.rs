//! Which of many, polled by one task, are to be polled.
//!
//! # Invariants
//!
//! 1. Whoever comes while the task is not at it tells it: at once, and only the first one, who takes its waker.
//! 2. While it is at it, nobody tells it: it looks again before it rests. Looking and resting are one step.
//! 3. A seat is in the queue exactly when it is `WOKEN`, was not taken out since, and is not `LENT`. So it is there
//!    once at most.
//! 4. A seat that is lent for a poll is nobody else's when the poll begins. A wake-up within the poll only marks it: the
//!    task looks when it takes the seat back, and polls again. Where nobody has kept the waker, which is what most do
//!    that are ready or have merely let others have their turn, the seat is lent to the next one.

#[cfg(all(test, tenure_loom))]
mod models;

use core::{
    mem,
    task::{Poll, Waker},
};

use super::Core;
use crate::{
    fifo::Fifo,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
        impl_wake,
    },
    wake::Panics,
};

#[derive(Debug, Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    /// How many were woken since the task looked, and `NOTED`.
    ///
    /// Changed under the lock. Relaxed where it is read without: the task reads it to save itself a look, and to put in
    /// their order those that it puts off itself. What it misses there it finds before it rests.
    news: AtomicU32,
}

/// Something else than a wake-up has come.
const NOTED: u32 = 1 << 31;

#[derive(Debug)]
struct State {
    /// The first woken first.
    woken: Fifo<Arc<Seat>>,
    /// Woken by the first who comes, while the task rests.
    task: Option<Waker>,
    /// The task is at it.
    polling: bool,
    /// Nobody looks any more.
    closed: bool,
}

/// Whoever makes a queue is about to look.
impl Default for State {
    fn default() -> Self {
        Self { woken: Fifo::default(), task: None, polling: true, closed: false }
    }
}

impl Queue {
    /// The task begins to look.
    pub(crate) fn enter(&self) {
        self.state.with(|state| state.polling = true);
    }

    /// Takes out who was woken, into a list that is empty.
    pub(crate) fn take(&self, into: &mut Fifo<Arc<Seat>>) {
        if self.news.load(Ordering::Relaxed) == 0 {
            return;
        }
        self.state.with(|state| {
            self.news.store(0, Ordering::Relaxed);
            mem::swap(&mut state.woken, into);
        });
    }

    /// How many were woken since.
    pub(crate) fn came(&self) -> u32 {
        self.news.load(Ordering::Relaxed) & !NOTED
    }

    /// The task rests, and is woken by whoever comes: ready, unless something has come since it looked.
    pub(crate) fn rest(&self, task: &Waker) -> Poll<()> {
        if self.news.load(Ordering::Relaxed) != 0 {
            return Poll::Pending;
        }
        let is_known = |known: &Waker| known.will_wake(task);
        let rests = self.state.with(|state| {
            if state.task.as_ref().is_some_and(is_known) { Some(self.looks(state)) } else { None }
        });
        if let Some(rests) = rests {
            return rests;
        }
        self.know(task, |state| self.looks(state))
    }

    /// From now on `task` is the one that is woken, whatever becomes of this poll.
    pub(crate) fn begin(&self, task: &Waker) {
        self.know(task, |state| state.polling = true);
    }

    fn know<R>(&self, task: &Waker, then: impl FnOnce(&mut State) -> R) -> R {
        let mut task = Some(task.clone());
        let result = self.state.with(|state| {
            mem::swap(&mut state.task, &mut task);
            then(state)
        });
        drop(task);
        result
    }

    /// Looks once more, under the lock.
    fn looks(&self, state: &mut State) -> Poll<()> {
        if self.news.load(Ordering::Relaxed) != 0 {
            return Poll::Pending;
        }
        state.polling = false;
        Poll::Ready(())
    }

    /// The task rests though something may have come: it has woken itself.
    pub(crate) fn leave(&self) {
        self.state.with(|state| state.polling = false);
    }

    /// Something has come that the task has to look for.
    pub(crate) fn notify(&self) {
        self.tell(|_| self.news(|news| news | NOTED));
    }

    fn push(&self, seat: Arc<Seat>) {
        let mut seat = Some(seat);
        self.tell(|state| {
            if !state.closed {
                seat.take().into_iter().for_each(|seat| state.woken.push(seat));
                self.news(|news| news + 1);
            }
        });
    }

    /// Under the lock.
    fn news(&self, change: impl FnOnce(u32) -> u32) {
        self.news.store(change(self.news.load(Ordering::Relaxed)), Ordering::Relaxed);
    }

    fn tell(&self, change: impl FnOnce(&mut State)) {
        let task = self.state.with(|state| {
            change(state);
            if state.polling { None } else { state.task.take() }
        });
        if let Some(task) = task {
            task.wake();
        }
    }

    /// Nobody looks any more. A seat keeps the queue alive, so none may stay in it.
    pub(crate) fn close(&self) {
        let left = self.state.with(|state| {
            state.closed = true;
            (mem::take(&mut state.woken), state.task.take())
        });
        let mut panics = Panics::default();
        panics.run(|| drop(left));
        panics.resume();
    }
}

/// The waker of one of those that are polled.
#[derive(Debug)]
pub(crate) struct Seat {
    core: Arc<Core>,
    /// Relaxed: it changes while nobody else has the seat.
    key: AtomicU32,
    /// `WOKEN`, `GONE` and `LENT`.
    ///
    /// AcqRel where it changes: what was done before the wake-up is seen in the poll that follows.
    state: AtomicU32,
}

const WOKEN: u32 = 1;
/// It has ended, and another one may have its key.
const GONE: u32 = 2;
/// It is being polled, and whoever polls it is going to look.
const LENT: u32 = 4;

impl Seat {
    pub(crate) fn new(core: &Arc<Core>, key: u32) -> Arc<Self> {
        Arc::new(Self { core: core.clone(), key: AtomicU32::new(key), state: AtomicU32::new(0) })
    }

    /// Gives one that has none a seat of its own, by which it is woken: before, it was polled with the waker of the task,
    /// or not at all.
    pub(crate) fn give_woken(core: &Arc<Core>, key: u32) {
        Self::wake(Self::new(core, key));
    }

    pub(crate) fn key(&self) -> u32 {
        self.key.load(Ordering::Relaxed)
    }

    /// It is lent to the one with that key, for a poll. Nobody else has it.
    pub(crate) fn lend(&self, key: u32) {
        self.key.store(key, Ordering::Relaxed);
        // Release: pairs with the Acquire in `is_to_wake`. Whoever finds it lent does so after this, and so has not let
        // go of it before: a wake-up that was meant for the one before is in what was found when it was taken back.
        self.state.store(LENT, Ordering::Release);
    }

    /// It is taken back from one that is pending. Tells whether that was woken meanwhile: then it is to be polled
    /// again.
    pub(crate) fn take_back(&self) -> bool {
        self.state.fetch_and(!LENT, Ordering::AcqRel) & WOKEN != 0
    }

    /// It is about to be polled: from now on it can be woken again. Tells whether it is still there.
    pub(crate) fn begin_poll(&self) -> bool {
        self.state.fetch_and(!WOKEN, Ordering::AcqRel) & GONE == 0
    }

    /// Whether nobody has it any more but the caller, who has it once, and `others`.
    pub(crate) fn is_as_new(this: &Arc<Self>, others: usize) -> bool {
        Arc::strong_count(this) == 1 + others
    }

    /// It was woken while it was lent, and isn't any more.
    pub(crate) fn wake_again(this: Arc<Self>) {
        let core = this.core.clone();
        core.queue.push(this);
    }

    /// It has ended: nobody is woken by it any more.
    pub(crate) fn leave(&self) {
        self.state.fetch_or(GONE, Ordering::AcqRel);
    }

    fn wake(this: Arc<Self>) {
        if this.is_to_wake() {
            Self::wake_again(this);
        }
    }

    fn wake_by_ref(this: &Arc<Self>) {
        if this.is_to_wake() {
            this.core.queue.push(this.clone());
        }
    }

    fn is_to_wake(&self) -> bool {
        self.state.fetch_or(WOKEN, Ordering::AcqRel) == 0
    }
}

impl_wake!(Seat, Seat::wake, Seat::wake_by_ref);
