//! `.with_timer()`: whose time counts for what stands before it.

use core::{
    pin::Pin,
    task::{Context, Poll},
};

use pin_project::pin_project;

use crate::{
    abort::{Aborted, Name},
    operation::{Operation, Repeat},
    owner::{Lent, Link},
    time::TimerHandle,
};

/// Operation made by [`OwnedFuture::with_timer`](crate::OwnedFuture::with_timer).
#[pin_project]
#[derive(Debug)]
pub struct WithTimer<O> {
    #[pin]
    op: O,
    timer: TimerHandle,
}

impl<O> WithTimer<O> {
    pub(crate) const fn new(op: O, timer: TimerHandle) -> Self {
        Self { op, timer }
    }
}

impl<O: Operation> Operation for WithTimer<O> {
    type Output = O::Output;
    type State = O::State;

    #[inline]
    fn poll(
        self: Pin<&mut Self>,
        state: Pin<&mut O::State>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
    ) -> Poll<Result<O::Output, Aborted>> {
        let this = self.project();
        this.op.poll(state, cx, &lent.with(Link::Timer(this.timer)))
    }

    fn poll_abort(
        self: Pin<&mut Self>,
        state: Pin<&mut O::State>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
        aborted: &Aborted,
    ) -> Poll<()> {
        let this = self.project();
        this.op.poll_abort(state, cx, &lent.with(Link::Timer(this.timer)), aborted)
    }

    fn name(&self) -> Option<&Name> {
        self.op.name()
    }
}

#[diagnostic::do_not_recommend]
impl<O: Repeat> Repeat for WithTimer<O> {}
