use core::{
    fmt,
    future::Future,
    panic::Location,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use futures_core::FusedFuture;
use pin_project::{pin_project, pinned_drop};

use super::{
    shared::{Seat, Shared, Stage},
    watchdog,
};
use crate::{
    sync::{Arc, impl_wake},
    wake::{Panics, caught, resume},
};

/// Future that a [`TestClock`](super::TestClock) watches; made by [`TestClock::watch`](super::TestClock::watch).
///
/// # Panics
///
/// When it is polled after it was ready, and when its clock
/// [stands still](super::TestClock#when-it-stands-still).
///
/// # Cancel safety
///
/// As that of the future inside. Once dropped it no longer holds the clock.
///
/// It may be polled once too often: before the clock moves on after one of several has ended.
#[must_use = "a future does nothing until it is awaited or polled"]
#[pin_project(PinnedDrop)]
pub struct Watch<F> {
    #[pin]
    future: Option<F>,
    waker: Waker,
    bell: Arc<Bell>,
}

/// The waker of a seat: counts before it passes the wake-up on.
struct Bell {
    shared: Arc<Shared>,
    seat: u64,
}

impl<F> Watch<F> {
    pub(super) fn new(
        shared: &Arc<Shared>,
        watched_at: &'static Location<'static>,
        future: F,
    ) -> Self {
        let bell = shared.seat(|seat| {
            let bell = Arc::new(Bell { shared: shared.clone(), seat });
            (Seat::new(watched_at, Arc::as_ptr(&bell).addr()), bell)
        });
        watchdog::rouse(shared);
        Self { future: Some(future), waker: Waker::from(bell.clone()), bell }
    }
}

impl Bell {
    fn ring(&self) {
        let task = self.shared.change(self.seat, |seat| {
            seat.woken = true;
            seat.task.take()
        });
        if let Some(task) = task.flatten() {
            task.wake();
        }
    }
}

impl_wake!(Bell, Bell::ring);

impl<F: Future> Future for Watch<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let (shared, seat) = (&this.bell.shared, this.bell.seat);
        let task = cx.waker().clone();
        let entered = shared.change(seat, |seat| {
            let stuck = core::mem::take(&mut seat.stuck);
            seat.stage = if stuck { Stage::Panicked } else { Stage::Polling };
            seat.woken = false;
            (seat.task.replace(task), stuck)
        });
        let (replaced, stuck) = entered.unwrap_or_default();
        if stuck {
            panic!("{}", shared.0.with(|state| state.watchdog.take_report()));
        }
        let future = this.future.as_mut().as_pin_mut().expect("`Watch` polled after completion");
        let polled = caught(|| {
            drop(replaced);
            future.poll(&mut Context::from_waker(this.waker))
        });
        if let Ok(Poll::Ready(value)) = polled {
            let mut panics = Panics::default();
            panics.run(|| this.future.set(None));
            shared.leave(seat);
            panics.resume();
            return Poll::Ready(value);
        }
        let stage = if polled.is_ok() { Stage::Pending } else { Stage::Panicked };
        shared.change(seat, |seat| seat.stage = stage);
        if let Err(panic) = polled {
            resume(panic);
        }
        shared.settle();
        watchdog::rouse(shared);
        Poll::Pending
    }
}

impl<F: Future> FusedFuture for Watch<F> {
    fn is_terminated(&self) -> bool {
        self.future.is_none()
    }
}

#[pinned_drop]
impl<F> PinnedDrop for Watch<F> {
    fn drop(self: Pin<&mut Self>) {
        let mut this = self.project();
        let mut panics = Panics::default();
        panics.run(|| this.future.set(None));
        panics.run(|| this.bell.shared.leave(this.bell.seat));
        panics.resume();
    }
}

impl<F> fmt::Debug for Watch<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("done", &self.future.is_none()).finish_non_exhaustive()
    }
}
