use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project::pin_project;

use super::{LeafState, Operation, Repeat, running};
use crate::{
    abort::Aborted,
    owner::{Lent, Owner},
};

/// The operation that a closure over its [`Owner`] is: each run awaits the future that one call
/// makes.
#[pin_project]
#[derive(Clone)]
pub struct Task<F> {
    make: F,
}

/// What a [`Task`] keeps while it runs: its future, and the node of the owner that it was given,
/// which is aborted when the run ends.
#[pin_project]
pub struct TaskState<Fut> {
    #[pin]
    future: Option<Fut>,
    leaf: LeafState,
}

impl<F> Task<F> {
    pub(crate) const fn new(make: F) -> Self {
        Self { make }
    }
}

impl<Fut> Default for TaskState<Fut> {
    fn default() -> Self {
        Self { future: None, leaf: LeafState::default() }
    }
}

impl<F: FnMut(Owner) -> Fut, Fut: Future> Operation for Task<F> {
    type Output = Fut::Output;
    type State = TaskState<Fut>;

    #[inline]
    fn poll(
        self: Pin<&mut Self>,
        state: Pin<&mut TaskState<Fut>>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
    ) -> Poll<Result<Fut::Output, Aborted>> {
        let mut state = state.project();
        let make = || (self.project().make)(state.leaf.owner(lent));
        let future = running(state.future.as_mut(), make);
        let value = ready!(state.leaf.poll(future, cx, lent));
        state.future.set(None);
        state.leaf.clear();
        Poll::Ready(Ok(value))
    }

    fn poll_abort(
        self: Pin<&mut Self>,
        state: Pin<&mut TaskState<Fut>>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
        aborted: &Aborted,
    ) -> Poll<()> {
        let state = state.project();
        state.leaf.poll_abort(state.future, cx, lent, aborted)
    }
}

impl<F: FnMut(Owner) -> Fut, Fut: Future> Repeat for Task<F> {}

impl<F> fmt::Debug for Task<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").finish_non_exhaustive()
    }
}

impl<Fut> fmt::Debug for TaskState<Fut> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskState").field("running", &self.future.is_some()).finish()
    }
}
