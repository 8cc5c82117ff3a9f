//! Which of many, polled by one task, are to be polled.
//!
//! # Invariants
//!
//! 1. Whoever comes while the task is not at it tells it: at once, and only the first one, who takes its waker.
//! 2. While it is at it, nobody tells it: it looks again before it rests. Looking and resting are one step.
//! 3. A seat is in the queue exactly when it is `WOKEN` and was not taken out since. So it is there once at most.

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
pub(crate) struct Queue(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The first woken first.
    woken: Fifo<Arc<Seat>>,
    task: Option<Waker>,
    /// The task is at it.
    polling: bool,
    /// Something else than a wake-up has come.
    noted: bool,
    /// Nobody looks any more.
    closed: bool,
}

impl Queue {
    /// The task begins to look.
    pub(crate) fn enter(&self, task: &Waker) {
        let known = self.0.with(|state| {
            state.polling = true;
            state.task.as_ref().is_some_and(|known| known.will_wake(task))
        });
        if !known {
            let mut task = Some(task.clone());
            self.0.with(|state| mem::swap(&mut state.task, &mut task));
            drop(task);
        }
    }

    /// Takes out who was woken, into a list that is empty.
    pub(crate) fn take(&self, into: &mut Fifo<Arc<Seat>>) {
        self.0.with(|state| {
            state.noted = false;
            mem::swap(&mut state.woken, into);
        });
    }

    /// The task rests: ready, unless something has come since it looked.
    pub(crate) fn rest(&self) -> Poll<()> {
        self.0.with(|state| {
            if state.noted || !state.woken.is_empty() {
                return Poll::Pending;
            }
            state.polling = false;
            Poll::Ready(())
        })
    }

    /// The task rests though something may have come: it has woken itself.
    pub(crate) fn leave(&self) {
        self.0.with(|state| state.polling = false);
    }

    /// Something has come that the task has to look for.
    pub(crate) fn notify(&self) {
        self.tell(|state| state.noted = true);
    }

    fn push(&self, seat: Arc<Seat>) {
        let mut seat = Some(seat);
        self.tell(|state| {
            if !state.closed {
                seat.take().into_iter().for_each(|seat| state.woken.push(seat));
            }
        });
    }

    fn tell(&self, change: impl FnOnce(&mut State)) {
        let task = self.0.with(|state| {
            change(state);
            if state.polling { None } else { state.task.take() }
        });
        if let Some(task) = task {
            task.wake();
        }
    }

    /// Nobody looks any more. A seat keeps the queue alive, so none may stay in it.
    pub(crate) fn close(&self) {
        let left = self.0.with(|state| {
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
    key: u32,
    /// `WOKEN` and `GONE`.
    ///
    /// AcqRel where it changes: what was done before the wake-up is seen in the poll that follows.
    state: AtomicU32,
}

const WOKEN: u32 = 1;
/// It has ended, and another one may have its key.
const GONE: u32 = 2;

impl Seat {
    pub(crate) fn new(core: &Arc<Core>, key: u32) -> Arc<Self> {
        Arc::new(Self { core: core.clone(), key, state: AtomicU32::new(0) })
    }

    pub(crate) const fn key(&self) -> u32 {
        self.key
    }

    /// It is about to be polled: from now on it can be woken again. Tells whether it is still there.
    pub(crate) fn begin_poll(&self) -> bool {
        self.state.fetch_and(!WOKEN, Ordering::AcqRel) & GONE == 0
    }

    /// Whether nobody wakes it who has come by it before: it can be another's. `others` are the caller's.
    pub(crate) fn is_as_new(this: &Arc<Self>, others: usize) -> bool {
        Arc::strong_count(this) == 1 + others
    }

    /// It has ended: nobody is woken by it any more.
    pub(crate) fn leave(&self) {
        self.state.fetch_or(GONE, Ordering::AcqRel);
    }

    fn wake(this: Arc<Self>) {
        if this.is_to_wake() {
            let core = this.core.clone();
            core.queue.push(this);
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
