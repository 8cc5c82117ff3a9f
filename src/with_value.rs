//! `.with_value()`: a value for all that runs in what stands before it. See [`Key`](crate::owner::Key).

use core::{
    pin::Pin,
    task::{Context, Poll},
};

use pin_project::pin_project;

use crate::{
    abort::{Aborted, Name},
    operation::{Operation, Repeat},
    owner::{Lent, Link, Value},
};

/// Operation made by [`OwnedFuture::with_value`](crate::OwnedFuture::with_value).
#[pin_project]
#[derive(Debug)]
pub struct WithValue<O> {
    #[pin]
    op: O,
    value: Value,
}

impl<O> WithValue<O> {
    pub(crate) const fn new(op: O, value: Value) -> Self {
        Self { op, value }
    }
}

impl<O: Operation> Operation for WithValue<O> {
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
        this.op.poll(state, cx, &lent.with(Link::Value(this.value)))
    }

    fn poll_abort(
        self: Pin<&mut Self>,
        state: Pin<&mut O::State>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
        aborted: &Aborted,
    ) -> Poll<()> {
        let this = self.project();
        this.op.poll_abort(state, cx, &lent.with(Link::Value(this.value)), aborted)
    }

    fn name(&self) -> Option<&Name> {
        self.op.name()
    }
}

#[diagnostic::do_not_recommend]
impl<O: Repeat> Repeat for WithValue<O> {}
