//! `.named()`: a name for what stands before it, by which errors and reports call it.

use core::{
    pin::Pin,
    task::{Context, Poll},
};

use pin_project::pin_project;

use crate::{
    abort::{Aborted, Name},
    operation::{Operation, Repeat},
    owner::{Lent, Link},
};

/// Operation made by [`OwnedFuture::named`](crate::OwnedFuture::named).
#[pin_project]
#[derive(Debug)]
pub struct Named<O> {
    #[pin]
    op: O,
    name: Name,
}

impl<O> Named<O> {
    pub(crate) const fn new(op: O, name: Name) -> Self {
        Self { op, name }
    }
}

impl<O: Operation> Operation for Named<O> {
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
        this.op.poll(state, cx, &lent.with(Link::Name(this.name)))
    }

    fn poll_abort(
        self: Pin<&mut Self>,
        state: Pin<&mut O::State>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
        aborted: &Aborted,
    ) -> Poll<()> {
        let this = self.project();
        this.op.poll_abort(state, cx, &lent.with(Link::Name(this.name)), aborted)
    }

    fn name(&self) -> Option<&Name> {
        Some(&self.name)
    }
}

#[diagnostic::do_not_recommend]
impl<O: Repeat> Repeat for Named<O> {}
