use alloc::string::ToString;
use core::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project::pin_project;

use super::Owns;
use crate::{
    abort::{AbortReason, Aborted, Name, Position},
    operation::{Operation, Repeat},
    owner::{Lent, Link, core::Member},
    wake::{Panic, caught, message, resume, survived},
    with_abort::WithAbortState,
};

/// Operation made by [`OwnedFuture::in_scope`](crate::OwnedFuture::in_scope).
#[pin_project]
pub struct InScope<O> {
    // Dropped first: what was owned is gone before its owner stops counting it.
    #[pin]
    op: O,
    member: Member,
}

/// Operation made by [`OwnedFuture::try_in_scope`](crate::OwnedFuture::try_in_scope).
#[pin_project]
#[derive(Debug)]
pub struct TryInScope<O> {
    #[pin]
    inner: InScope<O>,
}

impl<O> InScope<O> {
    pub(crate) fn new<S: Owns + ?Sized>(op: O, scope: &S) -> Self {
        Self { op, member: scope.admit().0 }
    }
}

impl<O> TryInScope<O> {
    pub(crate) fn new<S: Owns + ?Sized>(op: O, scope: &S) -> Self {
        Self { inner: InScope::new(op, scope) }
    }
}

impl<O: Operation> Operation for InScope<O> {
    type Output = O::Output;
    type State = WithAbortState<O::State>;

    #[inline]
    fn poll(
        self: Pin<&mut Self>,
        state: Pin<&mut Self::State>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
    ) -> Poll<Result<O::Output, Aborted>> {
        let mut this = self.project();
        if let Some(aborted) = this.member.refusal() {
            return Poll::Ready(Err(aborted));
        }
        let core = &*this.member.core;
        let link = Link::Scope(core);
        let poll = || state.poll_under(&core.abort, link, this.op.as_mut(), cx, lent);
        caught(poll).unwrap_or_else(|panic| this.member.panicked(this.op.name(), lent, panic))
    }

    fn poll_abort(
        self: Pin<&mut Self>,
        state: Pin<&mut Self::State>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
        aborted: &Aborted,
    ) -> Poll<()> {
        let mut this = self.project();
        let below = lent.with(Link::Scope(&this.member.core));
        let poll = || state.poll_abort_under(this.op.as_mut(), cx, &below, aborted);
        caught(poll).unwrap_or_else(|panic| this.member.panicked(this.op.name(), lent, panic))
    }

    fn name(&self) -> Option<&Name> {
        self.op.name()
    }
}

impl Member {
    /// Aborts the scope because this member, of which `name` is the inner name, panicked, and lets the
    /// panic go on.
    fn panicked(&self, name: Option<&Name>, lent: &Lent<'_>, panic: Panic) -> ! {
        let who = name.or_else(|| lent.own_name()).cloned();
        let reason = AbortReason::Panicked { who, message: message(&panic) };
        // A sibling's waker may panic in turn; the first panic is the one that goes on.
        survived(|| self.core.abort.abort(reason));
        resume(panic)
    }

    /// Aborts the scope because this member, of which `name` is the inner name, failed.
    fn failed(&self, name: Option<&Name>, lent: &Lent<'_>, error: &dyn fmt::Display) {
        let error = caught(|| error.to_string());
        let error = error.unwrap_or_else(|panic| self.panicked(name, lent, panic));
        let who = name.or_else(|| lent.own_name()).cloned();
        // A sibling's waker may panic; the error goes to whoever awaits this all the same.
        survived(|| self.core.abort.abort(AbortReason::SiblingFailed { who, error }));
    }
}

impl<O, T, E> Operation for TryInScope<O>
where
    O: Operation<Output = Result<T, E>>,
    E: fmt::Display,
{
    type Output = O::Output;
    type State = WithAbortState<O::State>;

    #[inline]
    fn poll(
        self: Pin<&mut Self>,
        state: Pin<&mut Self::State>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
    ) -> Poll<Result<O::Output, Aborted>> {
        let mut inner = self.project().inner;
        let outcome = ready!(inner.as_mut().poll(state, cx, lent));
        let error: Option<&dyn fmt::Display> = match &outcome {
            Ok(Err(error)) => Some(error),
            Err(aborted) if aborted.position() == Position::Below => Some(aborted),
            _ => None,
        };
        if let Some(error) = error {
            inner.member.failed(inner.name(), lent, error);
        }
        Poll::Ready(outcome)
    }

    fn poll_abort(
        self: Pin<&mut Self>,
        state: Pin<&mut Self::State>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
        aborted: &Aborted,
    ) -> Poll<()> {
        self.project().inner.poll_abort(state, cx, lent, aborted)
    }

    fn name(&self) -> Option<&Name> {
        self.inner.name()
    }
}

#[diagnostic::do_not_recommend]
impl<O: Repeat> Repeat for InScope<O> {}

#[diagnostic::do_not_recommend]
impl<O, T, E> Repeat for TryInScope<O>
where
    O: Repeat<Output = Result<T, E>>,
    E: fmt::Display,
{
}

impl<O: fmt::Debug> fmt::Debug for InScope<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InScope").field("op", &self.op).field("scope", &self.member.core).finish()
    }
}
