//! `.with_abort()`: what stands before it ends when a handle is aborted.

use core::{
    borrow::Borrow,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project::pin_project;

use crate::{
    abort::{AbortHandle, Aborted, Name, Position, WaitAborted},
    operation::{Operation, Repeat},
    owner::{Lent, Link},
};

/// Operation made by [`OwnedFuture::with_abort`](crate::OwnedFuture::with_abort).
#[pin_project]
#[derive(Debug)]
pub struct WithAbort<O, H> {
    #[pin]
    op: O,
    handle: H,
}

/// What a [`WithAbort`] keeps while it runs.
#[pin_project]
pub struct WithAbortState<S> {
    // Dropped first, before what it ran under.
    #[pin]
    inner: S,
    /// `None` until it is first pending, or finds the handle aborted.
    stage: Option<Stage>,
}

#[derive(Debug)]
enum Stage {
    /// Its place among those whom the handle wakes.
    Waiting(WaitAborted),
    /// The end that was decided on, while what runs below is still being ended.
    Ending(Aborted),
}

impl<O, H> WithAbort<O, H> {
    pub(crate) const fn new(op: O, handle: H) -> Self {
        Self { op, handle }
    }
}

impl<S: Default> Default for WithAbortState<S> {
    #[inline]
    fn default() -> Self {
        Self { inner: S::default(), stage: None }
    }
}

impl<S> WithAbortState<S> {
    /// Polls `op` for as long as `handle` is live, then ends it.
    ///
    /// The handle is looked at before anything else, and listened to only once `op` is pending.
    #[inline]
    pub(crate) fn poll_under<O: Operation<State = S>>(
        mut self: Pin<&mut Self>,
        handle: &AbortHandle,
        mut op: Pin<&mut O>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
    ) -> Poll<Result<O::Output, Aborted>> {
        let this = self.as_mut().project();
        let is_ending = matches!(this.stage, Some(Stage::Ending(_)));
        if !is_ending && !handle.is_aborted() {
            let polled = op.as_mut().poll(this.inner, cx, lent);
            if polled.is_ready() {
                // It seldom has one: what is ready at once isn't to pay for the drop of what isn't there.
                if this.stage.is_some() {
                    *this.stage = None;
                }
                return polled;
            }
        }
        self.poll_verdict(handle, op, cx, lent)
    }

    /// What comes after the first poll of `op` that was pending, or not made.
    fn poll_verdict<O: Operation<State = S>>(
        self: Pin<&mut Self>,
        handle: &AbortHandle,
        op: Pin<&mut O>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
    ) -> Poll<Result<O::Output, Aborted>> {
        let this = self.project();
        let aborted = match this.stage.get_or_insert_with(|| Stage::Waiting(handle.aborted())) {
            Stage::Waiting(waiting) => ready!(Pin::new(waiting).poll(cx)).at(Position::Above),
            Stage::Ending(aborted) => aborted.clone(),
        };
        *this.stage = Some(Stage::Ending(aborted.clone()));
        ready!(op.poll_abort(this.inner, cx, lent, &aborted));
        *this.stage = None;
        Poll::Ready(Err(aborted))
    }

    /// Ends `op` because of what an owner above was told, unless its own handle came first.
    pub(crate) fn poll_abort_under<O: Operation<State = S>>(
        self: Pin<&mut Self>,
        op: Pin<&mut O>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
        aborted: &Aborted,
    ) -> Poll<()> {
        let this = self.project();
        let aborted = match this.stage {
            Some(Stage::Ending(own)) => own,
            _ => aborted,
        };
        ready!(op.poll_abort(this.inner, cx, lent, aborted));
        *this.stage = None;
        Poll::Ready(())
    }
}

impl<O: Operation, H: Borrow<AbortHandle>> Operation for WithAbort<O, H> {
    type Output = O::Output;
    type State = WithAbortState<O::State>;

    #[inline]
    fn poll(
        self: Pin<&mut Self>,
        state: Pin<&mut Self::State>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
    ) -> Poll<Result<O::Output, Aborted>> {
        let this = self.project();
        let handle = (*this.handle).borrow();
        let lent = lent.with(Link::Abort(handle));
        state.poll_under(handle, this.op, cx, &lent)
    }

    fn poll_abort(
        self: Pin<&mut Self>,
        state: Pin<&mut Self::State>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
        aborted: &Aborted,
    ) -> Poll<()> {
        let this = self.project();
        let lent = lent.with(Link::Abort((*this.handle).borrow()));
        state.poll_abort_under(this.op, cx, &lent, aborted)
    }

    fn name(&self) -> Option<&Name> {
        self.op.name()
    }
}

#[diagnostic::do_not_recommend]
impl<O: Repeat, H: Borrow<AbortHandle>> Repeat for WithAbort<O, H> {}

impl<S> fmt::Debug for WithAbortState<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithAbortState").field("stage", &self.stage).finish()
    }
}
