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
    slot::Slot,
};

/// Operation made by [`OwnedFuture::with_abort`](crate::OwnedFuture::with_abort); `H` is a handle, or a
/// reference to one.
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
    /// Once there is one: when it is first pending, or finds the handle aborted.
    stage: Slot<Stage>,
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
        Self { inner: S::default(), stage: Slot::default() }
    }
}

impl<S> WithAbortState<S> {
    /// Polls `op` for as long as `handle` is live, then ends it. `link` is what it is lent besides `lent`.
    ///
    /// The handle is looked at before anything else, and listened to only once `op` is pending.
    #[inline]
    pub(crate) fn poll_under<O: Operation<State = S>>(
        mut self: Pin<&mut Self>,
        handle: &AbortHandle,
        link: Link<'_>,
        mut op: Pin<&mut O>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
    ) -> Poll<Result<O::Output, Aborted>> {
        let this = self.as_mut().project();
        let is_ending = matches!(this.stage.get(), Some(Stage::Ending(_)));
        if !is_ending && !handle.is_aborted() {
            // Taken apart, or the value would be copied with what an error takes around it.
            match op.as_mut().poll(this.inner, cx, &lent.with(link)) {
                Poll::Ready(Ok(value)) => {
                    this.stage.clear();
                    return Poll::Ready(Ok(value));
                }
                Poll::Ready(Err(aborted)) => {
                    this.stage.clear();
                    return Poll::Ready(Err(aborted));
                }
                Poll::Pending => {}
            }
        }
        match self.poll_verdict(handle, link, op, cx, lent) {
            Poll::Ready(aborted) => Poll::Ready(Err(aborted)),
            Poll::Pending => Poll::Pending,
        }
    }

    /// What comes after a poll of `op` that was pending, or not made. Apart, and with a result that
    /// fits in registers: what is ready at once isn't to pay for it.
    #[inline(never)]
    fn poll_verdict<O: Operation<State = S>>(
        self: Pin<&mut Self>,
        handle: &AbortHandle,
        link: Link<'_>,
        op: Pin<&mut O>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
    ) -> Poll<Aborted> {
        let this = self.project();
        let stage = this.stage.get_mut();
        let aborted = match stage.get_or_insert_with(|| Stage::Waiting(handle.aborted())) {
            Stage::Waiting(waiting) => ready!(Pin::new(waiting).poll(cx)).at(Position::Above),
            Stage::Ending(aborted) => aborted.clone(),
        };
        *stage = Some(Stage::Ending(aborted.clone()));
        ready!(op.poll_abort(this.inner, cx, &lent.with(link), &aborted));
        this.stage.clear();
        Poll::Ready(aborted)
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
        let aborted = match this.stage.get() {
            Some(Stage::Ending(own)) => own,
            _ => aborted,
        };
        ready!(op.poll_abort(this.inner, cx, lent, aborted));
        this.stage.clear();
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
        state.poll_under(handle, Link::Abort(handle), this.op, cx, lent)
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
        f.debug_struct("WithAbortState").field("stage", &self.stage.get()).finish()
    }
}
