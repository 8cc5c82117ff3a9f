use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project::pin_project;

use super::{Operation, Repeat, running};
use crate::{
    abort::{AbortOnDrop, Aborted, Position},
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
    owner: Option<AbortOnDrop>,
}

impl<F> Task<F> {
    pub(crate) const fn new(make: F) -> Self {
        Self { make }
    }
}

impl<Fut> Default for TaskState<Fut> {
    fn default() -> Self {
        Self { future: None, owner: None }
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
        let make = || {
            let owner = lent.owner();
            *state.owner = Some(owner.abort_handle().clone().abort_on_drop());
            (self.project().make)(owner)
        };
        let value = ready!(running(state.future.as_mut(), make).poll(cx));
        state.future.set(None);
        *state.owner = None;
        Poll::Ready(Ok(value))
    }

    fn poll_abort(
        self: Pin<&mut Self>,
        state: Pin<&mut TaskState<Fut>>,
        _: &mut Context<'_>,
        _: &Lent<'_>,
        aborted: &Aborted,
    ) -> Poll<()> {
        let mut state = state.project();
        // First the handle, so that whoever listens knows why before the future is gone.
        if let Some(owner) = state.owner.take() {
            owner.disarm().pass_on(aborted.clone().at(Position::Above));
        }
        state.future.set(None);
        Poll::Ready(())
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
