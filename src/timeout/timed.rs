use core::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project::pin_project;

use crate::{
    abort::{AbortReason, Aborted, Name, Position},
    operation::{Operation, Repeat},
    owner::Lent,
};

/// What looks at the clock beside an operation that runs: [`TimeoutHandle`](super::TimeoutHandle),
/// [`Idle`](super::Idle) or [`Warn`](super::Warn). Adapters of your own implement
/// [`Operation`] instead.
pub trait Timekeeper {
    /// What it keeps while it does. The default is that before a run.
    type Run: Default;

    /// Polls the operation.
    fn poll_within<R>(
        &self,
        run: &mut Self::Run,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
        poll: impl FnOnce(&mut Context<'_>, &Lent<'_>) -> R,
    ) -> R;

    /// After it was pending: ready, with the reason, when it is to end. `name` is its own.
    fn poll_end(
        &mut self,
        run: &mut Self::Run,
        name: Option<&Name>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
    ) -> Poll<AbortReason>;

    /// To those above, an abort that came from below.
    fn place(&self, _: &Self::Run, aborted: Aborted, _: &Lent<'_>) -> Aborted {
        aborted
    }
}

/// Operation made by [`OwnedFuture::with_idle_timeout`](crate::OwnedFuture::with_idle_timeout),
/// [`OwnedFuture::with_timeout_handle`](crate::OwnedFuture::with_timeout_handle) and
/// [`OwnedFuture::warn_after`](crate::OwnedFuture::warn_after): another one, and what looks at the clock
/// beside it.
#[pin_project]
pub struct Timed<O, K> {
    #[pin]
    op: O,
    keeper: K,
}

/// What a [`Timed`] keeps while it runs.
#[pin_project]
pub struct TimedState<S, R> {
    #[pin]
    inner: S,
    run: R,
    /// The end that was decided on, while what runs below is still being ended.
    ending: Option<Aborted>,
}

impl<O, K> Timed<O, K> {
    pub(crate) const fn new(op: O, keeper: K) -> Self {
        Self { op, keeper }
    }
}

impl<S: Default, R: Default> Default for TimedState<S, R> {
    fn default() -> Self {
        Self { inner: S::default(), run: R::default(), ending: None }
    }
}

impl<O: Operation, K: Timekeeper> Operation for Timed<O, K> {
    type Output = O::Output;
    type State = TimedState<O::State, K::Run>;

    #[inline]
    fn poll(
        self: Pin<&mut Self>,
        state: Pin<&mut Self::State>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
    ) -> Poll<Result<O::Output, Aborted>> {
        let mut this = self.project();
        let mut state = state.project();
        let aborted = match state.ending {
            Some(aborted) => aborted.clone(),
            None => {
                let polled = this.keeper.poll_within(state.run, cx, lent, |cx, lent| {
                    this.op.as_mut().poll(state.inner.as_mut(), cx, lent)
                });
                if let Poll::Ready(outcome) = polled {
                    let outcome =
                        outcome.map_err(|aborted| this.keeper.place(state.run, aborted, lent));
                    *state.run = K::Run::default();
                    return Poll::Ready(outcome);
                }
                let name = this.op.name();
                let reason = ready!(this.keeper.poll_end(state.run, name, cx, lent));
                let origin = name.or_else(|| lent.name()).cloned();
                Aborted::of(reason, origin, Position::Below)
            }
        };
        *state.ending = Some(aborted.clone());
        ready!(this.keeper.poll_within(state.run, cx, lent, |cx, lent| {
            this.op.poll_abort(state.inner, cx, lent, &aborted)
        }));
        (*state.run, *state.ending) = (K::Run::default(), None);
        Poll::Ready(Err(aborted))
    }

    fn poll_abort(
        self: Pin<&mut Self>,
        state: Pin<&mut Self::State>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
        aborted: &Aborted,
    ) -> Poll<()> {
        let this = self.project();
        let state = state.project();
        let aborted = state.ending.as_ref().unwrap_or(aborted);
        ready!(this.keeper.poll_within(state.run, cx, lent, |cx, lent| {
            this.op.poll_abort(state.inner, cx, lent, aborted)
        }));
        (*state.run, *state.ending) = (K::Run::default(), None);
        Poll::Ready(())
    }

    fn name(&self) -> Option<&Name> {
        self.op.name()
    }
}

#[diagnostic::do_not_recommend]
impl<O: Repeat, K: Timekeeper> Repeat for Timed<O, K> {}

impl<O: fmt::Debug, K: fmt::Debug> fmt::Debug for Timed<O, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timed").field("op", &self.op).field("keeper", &self.keeper).finish()
    }
}

impl<S, R> fmt::Debug for TimedState<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimedState").field("ending", &self.ending).finish_non_exhaustive()
    }
}
