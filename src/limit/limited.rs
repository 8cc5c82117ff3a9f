use core::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project::pin_project;

use super::{
    Claim,
    queue::{Queue, Seat},
};
use crate::{
    abort::{Aborted, Name},
    operation::{Operation, Repeat},
    owner::{Lent, Link, Standing},
    sync::Arc,
};

/// Operation made by [`OwnedFuture::limit`](crate::OwnedFuture::limit).
#[pin_project]
#[derive(Debug)]
pub struct Limited<O> {
    // Dropped first: what ran is gone before its permit is free.
    #[pin]
    op: O,
    gate: Gate,
}

/// What lets one in that has what it claims.
pub(crate) struct Gate {
    seat: Seat,
    queue: Arc<Queue>,
}

impl Gate {
    pub(crate) fn new(claim: Claim) -> Self {
        Self { seat: Seat::new(claim.terms), queue: claim.limit.queue }
    }

    /// Ready while what is behind it may run. `name` is its own.
    #[inline]
    pub(crate) fn poll_enter(
        &mut self,
        name: Option<&Name>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
    ) -> Poll<Result<(), Aborted>> {
        let waited = self.seat.is_waiting();
        let entered = self.seat.poll(&self.queue, name, cx, lent);
        if waited { self.poll_late(entered, lent) } else { entered }
    }

    /// After a wait.
    #[inline(never)]
    fn poll_late(
        &mut self,
        entered: Poll<Result<(), Aborted>>,
        lent: &Lent<'_>,
    ) -> Poll<Result<(), Aborted>> {
        let has_it = matches!(entered, Poll::Ready(Ok(())));
        match if has_it { lent.standing_now() } else { lent.standing() } {
            Standing::InGrace(aborted) => {
                self.leave();
                Poll::Ready(Err(aborted))
            }
            // A permit that came too late is to start nothing: whoever it is over for ends this, in this
            // very poll.
            Standing::Over if has_it => Poll::Pending,
            _ => entered,
        }
    }

    /// Runs `f` with what whoever is inside is polled with.
    #[inline]
    pub(crate) fn inside<R>(
        &self,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
        f: impl FnOnce(&mut Context<'_>, &Lent<'_>) -> R,
    ) -> R {
        let lent = lent.with(Link::Permit(self.seat.permitted(&self.queue)));
        match self.seat.watched(cx.waker()) {
            None => f(cx, &lent),
            Some(waker) => f(&mut Context::from_waker(&waker), &lent),
        }
    }

    /// Gives the permit back.
    #[inline]
    pub(crate) fn leave(&mut self) {
        self.seat.leave(&self.queue);
    }
}

impl Drop for Gate {
    #[inline]
    fn drop(&mut self) {
        self.leave();
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Gate").field(&self.seat).finish()
    }
}

impl<O> Limited<O> {
    pub(crate) fn new(op: O, claim: Claim) -> Self {
        Self { op, gate: Gate::new(claim) }
    }
}

impl<O: Operation> Operation for Limited<O> {
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
        if let Err(aborted) = ready!(this.gate.poll_enter(this.op.name(), cx, lent)) {
            return Poll::Ready(Err(aborted));
        }
        let outcome = ready!(this.gate.inside(cx, lent, |cx, lent| this.op.poll(state, cx, lent)));
        this.gate.leave();
        Poll::Ready(outcome)
    }

    fn poll_abort(
        self: Pin<&mut Self>,
        state: Pin<&mut O::State>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
        aborted: &Aborted,
    ) -> Poll<()> {
        let this = self.project();
        ready!(this.gate.inside(cx, lent, |cx, lent| this.op.poll_abort(state, cx, lent, aborted)));
        this.gate.leave();
        Poll::Ready(())
    }

    fn name(&self) -> Option<&Name> {
        self.op.name()
    }
}

#[diagnostic::do_not_recommend]
impl<O: Repeat> Repeat for Limited<O> {}
