use std::{
    borrow::Borrow,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Poll, ready},
};

use event_listener::{Event, EventListener, listener};
use pin_project::pin_project;

/// The flag that somebody waits for, and the event that tells of it: as event-listener's docs show it.
#[derive(Default)]
pub(crate) struct Stop {
    flag: AtomicBool,
    pub(crate) event: Event,
}

impl Stop {
    pub(crate) fn stop(&self) {
        self.flag.store(true, Ordering::Release);
        self.event.notify(usize::MAX);
    }

    fn is_stopped(&self) -> bool {
        self.flag.load(Ordering::Acquire)
    }
}

/// Runs a future until a [`Stop`], which is a reference or an owner, is stopped.
#[pin_project]
pub(crate) struct UntilStopped<S, F> {
    stop: S,
    #[pin]
    future: F,
    listener: Option<EventListener>,
}

pub(crate) fn until_stopped<S: Borrow<Stop>, F: Future>(stop: S, future: F) -> UntilStopped<S, F> {
    UntilStopped { stop, future, listener: None }
}

impl<S: Borrow<Stop>, F: Future> Future for UntilStopped<S, F> {
    type Output = Option<F::Output>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<F::Output>> {
        let this = self.project();
        let stop: &Stop = (*this.stop).borrow();
        if stop.is_stopped() {
            return Poll::Ready(None);
        }
        if let Poll::Ready(output) = this.future.poll(cx) {
            return Poll::Ready(Some(output));
        }
        let listener = this.listener.get_or_insert_with(|| stop.event.listen());
        // It may have been stopped before there was a listener.
        if !stop.is_stopped() {
            ready!(Pin::new(listener).poll(cx));
        }
        Poll::Ready(None)
    }
}

/// As [`until_stopped`], with a listener on the stack of an async function: that allocates nothing, but
/// makes more of a future that is ready at once.
pub(crate) async fn run_until_stopped<F: Future>(
    stop: impl Borrow<Stop>,
    future: F,
) -> Option<F::Output> {
    let stop: &Stop = stop.borrow();
    if stop.is_stopped() {
        return None;
    }
    let mut future = pin!(future);
    let first = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
    if let Poll::Ready(output) = first {
        return Some(output);
    }
    listener!(stop.event => listener);
    if stop.is_stopped() {
        return None;
    }
    let mut polled = true;
    poll_fn(|cx| {
        if !std::mem::take(&mut polled)
            && let Poll::Ready(output) = future.as_mut().poll(cx)
        {
            return Poll::Ready(Some(output));
        }
        Pin::new(&mut listener).poll(cx).map(|()| None)
    })
    .await
}
