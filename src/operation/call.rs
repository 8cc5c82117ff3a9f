use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project::pin_project;

use super::{LeafState, Operation, Repeat, running};
use crate::{abort::Aborted, owner::Lent};

/// The operation that a closure without arguments is: each run awaits the future that one call
/// makes.
#[pin_project]
#[derive(Clone)]
pub struct Call<F> {
    make: F,
}

/// What a [`Call`] keeps while it runs: its future, and what that keeps.
#[pin_project]
pub struct CallState<Fut> {
    #[pin]
    future: Option<Fut>,
    leaf: LeafState,
}

impl<F> Call<F> {
    pub(crate) const fn new(make: F) -> Self {
        Self { make }
    }
}

impl<Fut> Default for CallState<Fut> {
    fn default() -> Self {
        Self { future: None, leaf: LeafState::default() }
    }
}

impl<F: FnMut() -> Fut, Fut: Future> Operation for Call<F> {
    type Output = Fut::Output;
    type State = CallState<Fut>;

    #[inline]
    fn poll(
        self: Pin<&mut Self>,
        state: Pin<&mut CallState<Fut>>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
    ) -> Poll<Result<Fut::Output, Aborted>> {
        let mut state = state.project();
        let future = running(state.future.as_mut(), self.project().make);
        let value = ready!(state.leaf.poll(future, cx, lent));
        state.future.set(None);
        state.leaf.clear();
        Poll::Ready(Ok(value))
    }

    fn poll_abort(
        self: Pin<&mut Self>,
        state: Pin<&mut CallState<Fut>>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
        aborted: &Aborted,
    ) -> Poll<()> {
        let state = state.project();
        state.leaf.poll_abort(state.future, cx, lent, aborted)
    }
}

impl<F: FnMut() -> Fut, Fut: Future> Repeat for Call<F> {}

impl<F> fmt::Debug for Call<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").finish_non_exhaustive()
    }
}

impl<Fut> fmt::Debug for CallState<Fut> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallState").field("running", &self.future.is_some()).finish()
    }
}
