//! Pieces of clean-up that were put off until all that a scope owned has ended.

use alloc::{
    boxed::Box,
    string::{String, ToString},
};
use core::{
    fmt,
    future::Future,
    panic::Location,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use pin_project::pin_project;

use super::{Core, Count, Failure, FailureKind};
use crate::{
    abort::Aborted,
    owner::{LeafState, Lent, Link, ambient},
    time::Sleep,
    wake::{caught, survived, told},
};

/// One piece of clean-up.
pub trait Step {
    /// Drives it on. Why the scope was aborted, if it was, counts the first time.
    fn poll(
        self: Pin<&mut Self>,
        aborted: Option<&Aborted>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
    ) -> Poll<StepEnd>;

    /// Whether it is done when it was polled once, and needs nobody to poll it again.
    fn is_sync(&self) -> bool;
}

/// How a piece of clean-up has ended.
#[derive(Debug)]
pub enum StepEnd {
    Done,
    Failed(String),
    /// It took longer than it was given.
    Overran,
}

/// A piece of clean-up, and where it was deferred.
pub(crate) struct Deferred<S: ?Sized> {
    pub(crate) step: Pin<Box<S>>,
    pub(crate) at: &'static Location<'static>,
}

/// What a piece of clean-up may return: nothing, or its failure.
pub(crate) trait Returned {
    fn end(self) -> StepEnd;
}

impl Returned for () {
    fn end(self) -> StepEnd {
        StepEnd::Done
    }
}

impl<E: fmt::Display> Returned for Result<(), E> {
    fn end(self) -> StepEnd {
        match self {
            Ok(()) => StepEnd::Done,
            Err(error) => StepEnd::Failed(error.to_string()),
        }
    }
}

/// One that is a function.
pub(crate) struct Now<F>(Option<F>);

impl<F> Now<F> {
    pub(crate) const fn new(f: F) -> Self {
        Self(Some(f))
    }
}

// It is never pinned itself.
impl<F> Unpin for Now<F> {}

impl<F: FnOnce(Option<Aborted>) -> R, R: Returned> Step for Now<F> {
    fn poll(
        mut self: Pin<&mut Self>,
        aborted: Option<&Aborted>,
        _: &mut Context<'_>,
        lent: &Lent<'_>,
    ) -> Poll<StepEnd> {
        let end = |f: F| ambient::publish(lent, || f(aborted.cloned()).end());
        Poll::Ready(self.0.take().map_or(StepEnd::Done, end))
    }

    fn is_sync(&self) -> bool {
        true
    }
}

/// One that is a future, with a bound to it.
#[pin_project]
pub(crate) struct Later<F, Fut> {
    begin: Option<F>,
    #[pin]
    future: Option<Fut>,
    leaf: LeafState,
    bound: Duration,
    sleep: Option<Sleep>,
}

impl<F, Fut> Later<F, Fut> {
    pub(crate) fn new(bound: Duration, begin: F) -> Self {
        Self { begin: Some(begin), future: None, leaf: LeafState::default(), bound, sleep: None }
    }
}

impl<F, Fut> Step for Later<F, Fut>
where
    F: FnOnce(Option<Aborted>) -> Fut,
    Fut: Future<Output: Returned>,
{
    fn poll(
        self: Pin<&mut Self>,
        aborted: Option<&Aborted>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
    ) -> Poll<StepEnd> {
        let mut this = self.project();
        if let Some(begin) = this.begin.take() {
            let future = ambient::publish(lent, || begin(aborted.cloned()));
            this.future.set(Some(future));
        }
        let Some(future) = this.future.as_mut().as_pin_mut() else {
            return Poll::Ready(StepEnd::Done);
        };
        if let Poll::Ready(returned) = this.leaf.poll(future, cx, lent) {
            return Poll::Ready(returned.end());
        }
        if this.sleep.is_none() {
            // Without a timer nobody could tell when its time is over.
            let Some(timer) = lent.timer() else { return Poll::Ready(StepEnd::Overran) };
            *this.sleep = Some(timer.sleep(*this.bound));
        }
        if let Some(sleep) = this.sleep {
            ready!(Pin::new(sleep).poll(cx));
        }
        Poll::Ready(StepEnd::Overran)
    }

    fn is_sync(&self) -> bool {
        false
    }
}

impl Core {
    /// Runs what `next` gives, one after the other; `begun` is the one that has begun, if any. Whatever goes wrong is
    /// noted, and stops no other.
    pub(crate) fn poll_clean_up<S: Step + ?Sized>(
        &self,
        begun: &mut Option<Deferred<S>>,
        mut next: impl FnMut() -> Option<Deferred<S>>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
    ) -> Poll<()> {
        let aborted = self.abort.check().err();
        let lent = lent.with(Link::CleanUp(self));
        loop {
            if let Some(Deferred { step, at }) = begun {
                let polled = caught(|| step.as_mut().poll(aborted.as_ref(), cx, &lent));
                let trouble = match polled {
                    Ok(Poll::Pending) => return Poll::Pending,
                    Ok(Poll::Ready(StepEnd::Done)) => None,
                    Ok(Poll::Ready(StepEnd::Failed(what))) => Some((FailureKind::Failed, what)),
                    Ok(Poll::Ready(StepEnd::Overran)) => {
                        Some((FailureKind::Overran, String::new()))
                    }
                    Err(panic) => Some((FailureKind::Panicked, told(panic))),
                };
                let at = *at;
                if let Some((kind, what)) = trouble {
                    self.note_step(kind, what, at);
                }
                self.drop_step(begun.take(), at);
            }
            *begun = next();
            if begun.is_none() {
                return Poll::Ready(());
            }
            self.tally.add(Count::Steps);
        }
    }

    /// Runs a piece of clean-up that is sync, where nobody polls.
    pub(crate) fn clean_up_now<S: Step + ?Sized>(&self, Deferred { mut step, at }: Deferred<S>) {
        self.tally.add(Count::Steps);
        let aborted = self.abort.check().err();
        let mut cx = Context::from_waker(Waker::noop());
        let lent = Lent::ROOT.with(Link::CleanUp(self));
        match caught(|| step.as_mut().poll(aborted.as_ref(), &mut cx, &lent)) {
            Ok(Poll::Ready(StepEnd::Failed(what))) => self.note_step(FailureKind::Failed, what, at),
            Ok(_) => {}
            Err(panic) => self.note_step(FailureKind::Panicked, told(panic), at),
        }
        self.drop_step(step, at);
    }

    /// As much as can be done of a piece of clean-up that nobody is going to poll.
    pub(crate) fn clean_up_unpolled<S: Step + ?Sized>(&self, step: Deferred<S>) {
        match step.step.is_sync() {
            true => self.clean_up_now(step),
            false => self.skip(step),
        }
    }

    /// Drops a piece of clean-up that nobody is going to poll.
    pub(crate) fn skip<S: Step + ?Sized>(&self, step: Deferred<S>) {
        self.note_step(FailureKind::Skipped, String::new(), step.at);
        self.drop_step(step.step, step.at);
    }

    fn drop_step<S>(&self, step: S, at: &'static Location<'static>) {
        if survived(|| drop(step)).is_none() {
            self.note_step(FailureKind::Panicked, "while it was dropped".into(), at);
        }
    }

    fn note_step(&self, kind: FailureKind, what: String, at: &'static Location<'static>) {
        self.tally.add(match kind {
            FailureKind::Failed => Count::StepsFailed,
            FailureKind::Panicked => Count::StepsPanicked,
            FailureKind::Overran => Count::StepsOverran,
            FailureKind::Skipped => Count::StepsSkipped,
        });
        self.tally.note(Failure { kind, who: None, deferred_at: Some(at), what });
    }
}
