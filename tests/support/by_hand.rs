use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

use super::Count;

/// A future that is polled only when the test says so, always with the same waker.
pub(crate) struct ByHand<F> {
    future: Pin<Box<F>>,
    wakes: Count,
    waker: Waker,
}

impl<F: Future> ByHand<F> {
    pub(crate) fn new(future: F) -> Self {
        let wakes = Count::default();
        let waker = Waker::from(Arc::new(Counted(wakes.clone())));
        Self { future: Box::pin(future), wakes, waker }
    }

    pub(crate) fn poll(&mut self) -> Poll<F::Output> {
        self.future.as_mut().poll(&mut Context::from_waker(&self.waker))
    }

    /// Polls as another task would: with a waker that no earlier poll has seen.
    pub(crate) fn poll_elsewhere(&mut self) -> Poll<F::Output> {
        self.waker = Waker::from(Arc::new(Counted(self.wakes.clone())));
        self.poll()
    }

    /// How often it was woken.
    pub(crate) fn wakes(&self) -> usize {
        self.wakes.get()
    }
}

struct Counted(Count);

impl Wake for Counted {
    fn wake(self: Arc<Self>) {
        self.0.add();
    }
}
