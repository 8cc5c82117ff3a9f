//! `.with_abort()`: what stands before it ends when a handle is aborted.

use core::{
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
pub struct WithAbort<O> {
    #[pin]
    op: O,
    handle: AbortHandle,
}

/// What a [`WithAbort`] keeps while it runs: its place among those whom the handle wakes, and the
/// abort that it is carrying out.
#[pin_project]
pub struct WithAbortState<S> {
    #[pin]
    inner: S,
    waiting: Option<WaitAborted>,
    /// The end that was decided on, while what runs below is still being ended.
    verdict: Option<Aborted>,
}

impl<O> WithAbort<O> {
    pub(crate) const fn new(op: O, handle: AbortHandle) -> Self {
        Self { op, handle }
    }
}

impl<S: Default> Default for WithAbortState<S> {
    fn default() -> Self {
        Self { inner: S::default(), waiting: None, verdict: None }
    }
}

impl<S> WithAbortState<S> {
    /// Polls `op` for as long as `handle` is live, then ends it.
    ///
    /// The handle is looked at before anything else, and listened to only once `op` is pending.
    #[inline]
    pub(crate) fn poll_under<O: Operation<State = S>>(
        self: Pin<&mut Self>,
        handle: &AbortHandle,
        mut op: Pin<&mut O>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
    ) -> Poll<Result<O::Output, Aborted>> {
        let mut this = self.project();
        let aborted = match (&*this.verdict, handle.check()) {
            (Some(aborted), _) => aborted.clone(),
            (None, Err(aborted)) => aborted.at(Position::Above),
            (None, Ok(())) => {
                let polled = op.as_mut().poll(this.inner.as_mut(), cx, lent);
                if polled.is_ready() {
                    *this.waiting = None;
                    return polled;
                }
                let waiting = this.waiting.get_or_insert_with(|| handle.aborted());
                ready!(Pin::new(waiting).poll(cx)).at(Position::Above)
            }
        };
        *this.verdict = Some(aborted.clone());
        ready!(op.poll_abort(this.inner, cx, lent, &aborted));
        *this.waiting = None;
        *this.verdict = None;
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
        let aborted = this.verdict.as_ref().unwrap_or(aborted);
        ready!(op.poll_abort(this.inner, cx, lent, aborted));
        *this.waiting = None;
        *this.verdict = None;
        Poll::Ready(())
    }
}

impl<O: Operation> Operation for WithAbort<O> {
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
        let lent = lent.with(Link::Abort(this.handle));
        state.poll_under(this.handle, this.op, cx, &lent)
    }

    fn poll_abort(
        self: Pin<&mut Self>,
        state: Pin<&mut Self::State>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
        aborted: &Aborted,
    ) -> Poll<()> {
        let this = self.project();
        let lent = lent.with(Link::Abort(this.handle));
        state.poll_abort_under(this.op, cx, &lent, aborted)
    }

    fn name(&self) -> Option<&Name> {
        self.op.name()
    }
}

#[diagnostic::do_not_recommend]
impl<O: Repeat> Repeat for WithAbort<O> {}

impl<S> fmt::Debug for WithAbortState<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithAbortState").field("aborting", &self.verdict).finish()
    }
}
