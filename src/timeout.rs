//! `.with_timeout()` and `.with_deadline()`: what stands before them ends when time runs out.
//!
//! ```
//! use std::time::Duration;
//! use tenure::{OwnedFuture, abort::AbortReason, time::TestClock};
//!
//! let clock = TestClock::new();
//! let hour = Duration::from_secs(3600);
//! let impatient = clock.sleep(hour).with_timeout(Duration::from_secs(2)).with_timer(&clock);
//!
//! let aborted = smol::block_on(clock.watch(impatient)).unwrap_err();
//! assert_eq!(aborted.reason(), &AbortReason::TimedOut { after: Duration::from_secs(2) });
//! ```
//!
//! # The order of polling
//!
//! | | |
//! |---|---|
//! | 1. abort | what an owner above has ended is not polled again |
//! | 2. future | a value that is ready wins, even in the very poll in which time runs out |
//! | 3. clock | looked at only when the future is pending |
//!
//! So a timeout counts from the first `Pending`, or from the first question about time
//! ([`Owner::remaining`](crate::Owner::remaining), a back-off below), whichever is earlier; until
//! then no clock is read and no alarm is set. A timeout of [`Duration::ZERO`] gives one poll, one
//! of [`Duration::MAX`] never fires. One that can't come before a deadline above sets no alarm.

use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project::pin_project;

use crate::{
    abort::{AbortReason, Aborted, Name, Position},
    operation::{Operation, Repeat},
    owner::{Deadline, Lent, Link},
    time::{Instant, Sleep},
};

/// Operation made by [`OwnedFuture::with_timeout`](crate::OwnedFuture::with_timeout) and
/// [`OwnedFuture::with_deadline`](crate::OwnedFuture::with_deadline).
#[pin_project]
#[derive(Debug)]
pub struct Timeout<O> {
    #[pin]
    op: O,
    end: End,
}

#[derive(Clone, Copy, Debug)]
enum End {
    After(Duration),
    At(Instant),
}

/// What a [`Timeout`] keeps while it runs: its deadline and its alarm.
#[pin_project]
pub struct TimeoutState<S> {
    #[pin]
    inner: S,
    run: Run,
}

#[derive(Default)]
struct Run {
    deadline: Option<Deadline>,
    alarm: Alarm,
    /// The end that was decided on, while what runs below is still being ended.
    verdict: Option<Aborted>,
}

#[derive(Default)]
enum Alarm {
    /// Nothing was pending yet.
    #[default]
    Unset,
    Set(Sleep),
    /// A deadline above comes first.
    Needless,
}

impl<O> Timeout<O> {
    pub(crate) const fn after(op: O, after: Duration) -> Self {
        Self { op, end: End::After(after) }
    }

    pub(crate) const fn at(op: O, at: Instant) -> Self {
        Self { op, end: End::At(at) }
    }
}

impl<S: Default> Default for TimeoutState<S> {
    fn default() -> Self {
        Self { inner: S::default(), run: Run::default() }
    }
}

impl End {
    fn deadline(self) -> Deadline {
        match self {
            Self::After(after) => Deadline::after(after),
            Self::At(at) => Deadline::at(at),
        }
    }

    fn reason(self) -> AbortReason {
        match self {
            Self::After(after) => AbortReason::TimedOut { after },
            Self::At(at) => AbortReason::DeadlinePassed { at },
        }
    }

    /// What runs again has its time anew, but a point in time stays where it is.
    fn position(self) -> Position {
        match self {
            Self::After(_) => Position::Below,
            Self::At(_) => Position::Above,
        }
    }

    /// A retry below that can't meet `deadline` ends before it, for a reason above itself. To those
    /// above the deadline that is what it would be when time has run out.
    fn place(self, aborted: Aborted, deadline: &Deadline, lent: &Lent<'_>) -> Aborted {
        match *aborted.reason() {
            AbortReason::DeadlinePassed { at }
                if deadline.is_fixed_at(at) && lent.deadline().is_none_or(|above| above > at) =>
            {
                aborted.at(self.position())
            }
            _ => aborted,
        }
    }
}

impl Alarm {
    /// Ready, with the reason, when time has run out.
    fn poll(
        &mut self,
        end: End,
        deadline: &Deadline,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
    ) -> Poll<AbortReason> {
        if let Self::Unset = self {
            let Some(timer) = lent.timer() else {
                return Poll::Ready(AbortReason::NoTimer);
            };
            let now = timer.now();
            let at = deadline.fix(|| now);
            let above = lent.deadline_since(Some(now));
            *self = match above {
                Some(above) if above <= at => Self::Needless,
                _ => Self::Set(Sleep::new(timer.clone(), at)),
            };
        }
        match self {
            Self::Set(sleep) => Pin::new(sleep).poll(cx).map(|()| end.reason()),
            _ => Poll::Pending,
        }
    }
}

impl<O: Operation> Operation for Timeout<O> {
    type Output = O::Output;
    type State = TimeoutState<O::State>;

    #[inline]
    fn poll(
        self: Pin<&mut Self>,
        state: Pin<&mut Self::State>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
    ) -> Poll<Result<O::Output, Aborted>> {
        let mut this = self.project();
        let mut state = state.project();
        let Run { deadline, alarm, verdict } = state.run;
        let deadline = deadline.get_or_insert_with(|| this.end.deadline());
        let below = lent.with(Link::Deadline(deadline));
        let aborted = match verdict {
            Some(aborted) => aborted.clone(),
            None => {
                let polled = this.op.as_mut().poll(state.inner.as_mut(), cx, &below);
                if polled.is_ready() {
                    let placed = polled.map_err(|aborted| this.end.place(aborted, deadline, lent));
                    *state.run = Run::default();
                    return placed;
                }
                let reason = ready!(alarm.poll(*this.end, deadline, cx, lent));
                let origin = this.op.name().or_else(|| lent.name()).cloned();
                Aborted::of(reason, origin, this.end.position())
            }
        };
        *verdict = Some(aborted.clone());
        ready!(this.op.poll_abort(state.inner, cx, &below, &aborted));
        *state.run = Run::default();
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
        let Run { deadline, verdict, .. } = state.run;
        let deadline = deadline.get_or_insert_with(|| this.end.deadline());
        let below = lent.with(Link::Deadline(deadline));
        let aborted = verdict.as_ref().unwrap_or(aborted);
        ready!(this.op.poll_abort(state.inner, cx, &below, aborted));
        *state.run = Run::default();
        Poll::Ready(())
    }

    fn name(&self) -> Option<&Name> {
        self.op.name()
    }
}

#[diagnostic::do_not_recommend]
impl<O: Repeat> Repeat for Timeout<O> {}

impl<S> fmt::Debug for TimeoutState<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimeoutState")
            .field("deadline", &self.run.deadline)
            .field("aborting", &self.run.verdict)
            .finish_non_exhaustive()
    }
}
