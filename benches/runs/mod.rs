//! What the benches run: futures, and how they are polled.

#![allow(dead_code, reason = "no bench needs all of it")]
#![allow(unused_imports, reason = "no bench needs all of it")]

mod chains;
mod children;
mod fan;
mod in_flight;
mod late;
mod limits;
mod rates;
mod scopes;
mod stop;
mod tasks;
mod timeouts;

pub(crate) use chains::{EachChain, for_each_chain};
pub(crate) use children::{Answer, Child, Failed, Sibling, Yielding, at_rest, driven};
pub(crate) use fan::Fan;
pub(crate) use in_flight::InFlight;
pub(crate) use late::Late;
pub(crate) use limits::{AsyncLock, Borrowed, Form, Limits, Owned, Tower};
pub(crate) use rates::{Governor, Rates};
pub(crate) use scopes::{
    Bare, Bounded, Buffered, Join, JoinSet, Moro, Scopes, Tracker, Unordered, UnorderedBoxed, run,
    run_until_all_wait,
};
pub(crate) use stop::{Stop, run_until_stopped, until_stopped};
pub(crate) use tasks::{OneThread, SmolThreads, Tasks, TwoThreads};
pub(crate) use timeouts::{
    AsyncIo, AsyncStd, FuturesTime, FuturesTimer, SmolTimeout, Tenure, Timeouts, Tokio, live,
    settle, spread,
};

use std::{
    future::{Future, poll_fn},
    hint::black_box,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Wake, Waker},
};

use tenure::{AbortHandle, OwnedFuture};

/// Ready at once. It has no state: to write some, and read it in other pieces, would stall the processor
/// for longer than what is measured takes.
pub(crate) fn answer() -> impl Future<Output = u32> {
    poll_fn(|_| Poll::Ready(black_box(42)))
}

/// Ready when it is polled again.
pub(crate) fn late_answer() -> impl Future<Output = u32> {
    let mut came_before = black_box(false);
    poll_fn(move |_| match std::mem::replace(&mut came_before, true) {
        true => Poll::Ready(42),
        false => Poll::Pending,
    })
}

/// Makes a future, polls it to its end, which must come with the poll of that number, and drops it.
/// The waker is a real one, which is counted when it is cloned.
fn polled<const POLLS: usize, F: Future>(make: impl Fn() -> F) -> impl Fn() {
    let (waker, _) = counting_waker();
    move || {
        // In place: moving it would cost as much as running it.
        let mut future = pin!(make());
        let mut cx = Context::from_waker(&waker);
        for _ in 1..POLLS {
            assert!(black_box(future.as_mut().poll(&mut cx).is_pending()));
        }
        assert!(black_box(future.as_mut().poll(&mut cx).is_ready()));
    }
}

/// Makes, polls and drops a future that is ready at once.
pub(crate) fn ready_at_once<F: Future>(make: impl Fn() -> F) -> impl Fn() {
    polled::<1, F>(make)
}

/// Makes a future that is pending once, polls it twice and drops it.
pub(crate) fn pending_once<F: Future>(make: impl Fn() -> F) -> impl Fn() {
    polled::<2, F>(make)
}

/// Polls a future once, for which it must wait.
pub(crate) fn waiting<F: Future>(future: F, waker: &Waker) -> Pin<Box<F>> {
    let mut future = Box::pin(future);
    assert!(future.as_mut().poll(&mut Context::from_waker(waker)).is_pending());
    future
}

/// `future` under a handle of its own.
pub(crate) fn owning<F: Future>(future: F, handle: &AbortHandle) -> impl Future + use<F> {
    future.with_abort(handle.clone())
}

/// How often a waker was woken.
#[derive(Default)]
pub(crate) struct Wakes(AtomicUsize);

impl Wakes {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Relaxed)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

pub(crate) fn counting_waker() -> (Waker, Arc<Wakes>) {
    let wakes = Arc::<Wakes>::default();
    (wakes.clone().into(), wakes)
}
