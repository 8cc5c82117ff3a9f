use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project::pin_project;

use super::{LeafState, Operation};
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
    type State = LeafState;

    #[inline]
    fn poll(
        self: Pin<&mut Self>,
        mut state: Pin<&mut LeafState>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
    ) -> Poll<Result<F::Output, Aborted>> {
        let mut this = self.project();
        let future = this.future.as_mut().as_pin_mut().expect("`Once` polled after completion");
        let value = ready!(state.poll(future, cx, lent));
        this.future.set(None);
        state.clear();
        Poll::Ready(Ok(value))
    }

    fn poll_abort(
        self: Pin<&mut Self>,
        mut state: Pin<&mut LeafState>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
        aborted: &Aborted,
    ) -> Poll<()> {
        state.poll_abort(self.project().future, cx, lent, aborted)
    }
}

impl<F> fmt::Debug for Once<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once").field("done", &self.future.is_none()).finish()
    }
}
