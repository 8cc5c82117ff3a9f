use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project::pin_project;

use super::Operation;
use crate::{abort::Aborted, owner::Lent};

/// The operation that a future is: it runs in place, once.
#[pin_project]
pub struct Once<F> {
    #[pin]
    future: Option<F>,
}

impl<F> Once<F> {
    pub(crate) const fn new(future: F) -> Self {
        Self { future: Some(future) }
    }
}

impl<F: Future> Operation for Once<F> {
    type Output = F::Output;
    type State = ();

    #[inline]
    fn poll(
        self: Pin<&mut Self>,
        _: Pin<&mut ()>,
        cx: &mut Context<'_>,
        _: &Lent<'_>,
    ) -> Poll<Result<F::Output, Aborted>> {
        let mut this = self.project();
        let future = this.future.as_mut().as_pin_mut().expect("`Once` polled after completion");
        let value = ready!(future.poll(cx));
        this.future.set(None);
        Poll::Ready(Ok(value))
    }

    fn poll_abort(
        self: Pin<&mut Self>,
        _: Pin<&mut ()>,
        _: &mut Context<'_>,
        _: &Lent<'_>,
        _: &Aborted,
    ) -> Poll<()> {
        self.project().future.set(None);
        Poll::Ready(())
    }
}

impl<F> fmt::Debug for Once<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once").field("done", &self.future.is_none()).finish()
    }
}
