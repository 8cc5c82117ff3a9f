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

/// What looks at the clock beside an operation that runs.
pub trait Watch {
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
pub struct Watched<O, W> {
    #[pin]
    op: O,
    watch: W,
}

/// What a [`Watched`] keeps while it runs.
#[pin_project]
pub struct WatchedState<S, R> {
    #[pin]
    inner: S,
    run: R,
    /// The end that was decided on, while what runs below is still being ended.
    ending: Option<Aborted>,
}

impl<O, W> Watched<O, W> {
    pub(crate) const fn new(op: O, watch: W) -> Self {
        Self { op, watch }
    }
}

impl<S: Default, R: Default> Default for WatchedState<S, R> {
    fn default() -> Self {
        Self { inner: S::default(), run: R::default(), ending: None }
    }
}

impl<O: Operation, W: Watch> Operation for Watched<O, W> {
    type Output = O::Output;
    type State = WatchedState<O::State, W::Run>;

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
                let polled = this.watch.poll_within(state.run, cx, lent, |cx, lent| {
                    this.op.as_mut().poll(state.inner.as_mut(), cx, lent)
                });
                if let Poll::Ready(outcome) = polled {
                    let outcome =
                        outcome.map_err(|aborted| this.watch.place(state.run, aborted, lent));
                    *state.run = W::Run::default();
                    return Poll::Ready(outcome);
                }
                let name = this.op.name();
                let reason = ready!(this.watch.poll_end(state.run, name, cx, lent));
                let origin = name.or_else(|| lent.name()).cloned();
                Aborted::of(reason, origin, Position::Below)
            }
        };
        *state.ending = Some(aborted.clone());
        ready!(this.watch.poll_within(state.run, cx, lent, |cx, lent| {
            this.op.poll_abort(state.inner, cx, lent, &aborted)
        }));
        (*state.run, *state.ending) = (W::Run::default(), None);
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
        ready!(this.watch.poll_within(state.run, cx, lent, |cx, lent| {
            this.op.poll_abort(state.inner, cx, lent, aborted)
        }));
        (*state.run, *state.ending) = (W::Run::default(), None);
        Poll::Ready(())
    }

    fn name(&self) -> Option<&Name> {
        self.op.name()
    }
}

#[diagnostic::do_not_recommend]
impl<O: Repeat, W: Watch> Repeat for Watched<O, W> {}

impl<O: fmt::Debug, W: fmt::Debug> fmt::Debug for Watched<O, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("op", &self.op).field("watch", &self.watch).finish()
    }
}

impl<S, R> fmt::Debug for WatchedState<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchedState").field("ending", &self.ending).finish_non_exhaustive()
    }
}
