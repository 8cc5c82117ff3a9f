use alloc::boxed::Box;
use core::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project::pin_project;

use super::Owns;
use crate::{
    abort::{Aborted, Name, Position},
    limit::Gate,
    operation::{Operation, Repeat},
    owner::{
        Lent, Link,
        core::{Member, Outcome, Stage},
    },
    wake::{caught, resume},
    with_abort::WithAbortState,
};

/// Operation made by [`OwnedFuture::in_scope`](crate::OwnedFuture::in_scope).
#[pin_project]
pub struct InScope<O> {
    // Dropped first: what was owned is gone before its owner stops counting it.
    #[pin]
    op: O,
    /// Where the scope has a limit.
    gate: Option<Box<Gate>>,
    member: Member,
}

/// Operation made by [`OwnedFuture::try_in_scope`](crate::OwnedFuture::try_in_scope).
#[pin_project]
#[derive(Debug)]
pub struct TryInScope<O> {
    #[pin]
    inner: InScope<O>,
}

impl<O: Operation> InScope<O> {
    pub(crate) fn new<S: Owns + ?Sized>(op: O, scope: &S) -> Self {
        let admission = scope.admit();
        let member = Member::new(&admission.core, op.name());
        Self { op, gate: admission.limit.map(|limit| Box::new(Gate::new(limit.into()))), member }
    }
}

impl<O: Operation> TryInScope<O> {
    pub(crate) fn new<S: Owns + ?Sized>(op: O, scope: &S) -> Self {
        Self { inner: InScope::new(op, scope) }
    }
}

impl<O: Operation> InScope<O> {
    /// As `poll`, but it keeps its permit of the scope's limit: to be given back when the scope knows how it has ended.
    #[inline]
    fn poll_within(
        self: Pin<&mut Self>,
        state: Pin<&mut WithAbortState<O::State>>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
    ) -> Poll<Result<O::Output, Aborted>> {
        let this = self.project();
        if let Some(aborted) = this.member.refusal() {
            return Poll::Ready(Err(aborted));
        }
        let core = &*this.member.core;
        let mut entering = Entering { op: this.op, gate: this.gate.as_deref_mut(), began: false };
        let link = Link::Member(core);
        let polled = caught(|| {
            let entering = Pin::new(&mut entering);
            state.poll_under(&core.abort, link, entering, cx, lent)
        });
        let began = entering.began;
        match polled {
            Ok(polled) => {
                this.member.note(&polled, began);
                polled
            }
            Err(panic) => {
                let name = entering.op.name().or_else(|| lent.own_name()).cloned();
                core.abort_for_panic(name, &panic);
                this.member.reach(Stage::Ended(Outcome::Failed));
                resume(panic)
            }
        }
    }

    #[inline]
    fn give_permit_back(self: Pin<&mut Self>) {
        if let Some(gate) = self.project().gate {
            gate.leave();
        }
    }
}

impl<O: Operation> Operation for InScope<O> {
    type Output = O::Output;
    type State = WithAbortState<O::State>;

    #[inline]
    fn poll(
        mut self: Pin<&mut Self>,
        state: Pin<&mut Self::State>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
    ) -> Poll<Result<O::Output, Aborted>> {
        let polled = self.as_mut().poll_within(state, cx, lent);
        if polled.is_ready() {
            self.give_permit_back();
        }
        polled
    }

    fn poll_abort(
        self: Pin<&mut Self>,
        state: Pin<&mut Self::State>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
        aborted: &Aborted,
    ) -> Poll<()> {
        let mut this = self.project();
        let core = &*this.member.core;
        let below = lent.with(Link::Member(core));
        let polled = caught(|| state.poll_abort_under(this.op.as_mut(), cx, &below, aborted));
        match polled {
            Ok(Poll::Pending) => {
                this.member.reach(Stage::Ending);
                Poll::Pending
            }
            Ok(Poll::Ready(())) => {
                if let Some(gate) = this.gate {
                    gate.leave();
                }
                if this.member.has_begun() {
                    this.member.reach(Stage::Ended(Outcome::Aborted));
                }
                Poll::Ready(())
            }
            Err(panic) => {
                let name = this.op.name().or_else(|| lent.own_name()).cloned();
                core.abort_for_panic(name, &panic);
                this.member.reach(Stage::Ended(Outcome::Failed));
                resume(panic)
            }
        }
    }

    fn name(&self) -> Option<&Name> {
        self.op.name()
    }
}

/// What a member runs, once the limit of its scope lets it.
struct Entering<'a, O> {
    op: Pin<&'a mut O>,
    gate: Option<&'a mut Gate>,
    /// It was let in, in this poll or before.
    began: bool,
}

impl<O: Operation> Operation for Entering<'_, O> {
    type Output = O::Output;
    type State = O::State;

    #[inline]
    fn poll(
        mut self: Pin<&mut Self>,
        state: Pin<&mut O::State>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
    ) -> Poll<Result<O::Output, Aborted>> {
        let this = &mut *self;
        let Some(gate) = &mut this.gate else {
            this.began = true;
            return this.op.as_mut().poll(state, cx, lent);
        };
        if let Err(aborted) = ready!(gate.poll_enter(this.op.name(), cx, lent)) {
            return Poll::Ready(Err(aborted));
        }
        this.began = true;
        gate.inside(cx, lent, |cx, lent| this.op.as_mut().poll(state, cx, lent))
    }

    fn poll_abort(
        mut self: Pin<&mut Self>,
        state: Pin<&mut O::State>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
        aborted: &Aborted,
    ) -> Poll<()> {
        let Self { op, gate, .. } = &mut *self;
        match gate {
            None => op.as_mut().poll_abort(state, cx, lent, aborted),
            Some(gate) => {
                gate.inside(cx, lent, |cx, lent| op.as_mut().poll_abort(state, cx, lent, aborted))
            }
        }
    }
}

impl Member {
    /// Notes what came of a poll in which it began, or had begun, if it was let.
    #[inline]
    fn note<T>(&mut self, polled: &Poll<Result<T, Aborted>>, began: bool) {
        match polled {
            Poll::Pending if began => self.reach(Stage::Begun),
            Poll::Pending if self.has_begun() => self.reach(Stage::Ending),
            Poll::Pending => {}
            Poll::Ready(Err(aborted)) if aborted.position() != Position::Below => {
                // What is refused has not begun.
                if began || self.has_begun() {
                    self.reach(Stage::Ended(Outcome::Aborted));
                }
            }
            Poll::Ready(_) => self.reach(Stage::Ended(Outcome::Ran)),
        }
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
        let outcome = ready!(inner.as_mut().poll_within(state, cx, lent));
        let error: Option<&dyn fmt::Display> = match &outcome {
            Ok(Err(error)) => Some(error),
            Err(aborted) if aborted.position() == Position::Below => Some(aborted),
            _ => None,
        };
        if let Some(error) = error {
            let name = inner.name().or_else(|| lent.own_name()).cloned();
            let inner = inner.as_mut().project();
            inner.member.reach(Stage::Ended(Outcome::Failed));
            inner.member.core.abort_for_failure(name, error);
        }
        // Not before: whoever waits for it would begin, on another thread, in a scope that is about to end.
        inner.give_permit_back();
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
