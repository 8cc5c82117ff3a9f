//! `.with_timeout()`, `.with_deadline()` and their kin: what stands before them ends when time runs out.
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
//! | you want | |
//! |---|---|
//! | so much time, from the first wait on | [`with_timeout`](crate::OwnedFuture::with_timeout) |
//! | until a point in time | [`with_deadline`](crate::OwnedFuture::with_deadline) |
//! | so much time without progress | [`with_idle_timeout`](crate::OwnedFuture::with_idle_timeout) |
//! | to change it while it runs | [`with_timeout_handle`](crate::OwnedFuture::with_timeout_handle) |
//! | to be told, and nothing more | [`warn_after`](crate::OwnedFuture::warn_after) |
//! | to wait, inside of it, for no longer than makes sense | [`Owner::sleep`](crate::Owner::sleep) |
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
//!
//! # Which limit it was
//!
//! Deadlines nest: what runs below several has the earliest of them, of two that are the same the outer one's.
//! The [`Aborted`] that comes back tells them apart:
//!
//! | | |
//! |---|---|
//! | [`reason`](Aborted::reason) | which kind, and how long or until when |
//! | [`origin`](Aborted::origin) | the name of what the limit was set for, or of the nearest above that has one |
//! | [`position`](Aborted::position) | [`Below`](Position::Below): the asker's own, [`Above`](Position::Above): an owner's |
//!
//! ```
//! use std::{future::pending, time::Duration};
//! use tenure::{OwnedFuture, time::TestClock};
//!
//! const SECOND: Duration = Duration::from_secs(1);
//!
//! let clock = TestClock::new();
//! let request = pending::<()>().named("query").with_timeout(9 * SECOND);
//! let session = request.named("session").with_timeout(5 * SECOND).with_timer(&clock);
//! let aborted = smol::block_on(clock.watch(session)).unwrap_err();
//! assert_eq!(aborted.to_string(), "timed out after 5s (in `session`)");
//! ```
//!
//! # Futures that never rest
//!
//! A future that is ready to be polled again at once, each time, can't keep a timeout from firing. Nor can one
//! that uses up the budget that a runtime gives to a task: the clock asks for none. But while a poll
//! doesn't return, nothing can end it.

mod handle;
mod idle;
mod timed;
mod warn;

use core::{
    fmt,
    mem::ManuallyDrop,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project::pin_project;

pub use handle::{HandleRun, TimeoutHandle};
pub use idle::{Idle, IdleRun};
pub use timed::{Timed, TimedState, Timekeeper};
pub use warn::{Overdue, Warn, WarnRun};

use crate::{
    abort::{AbortReason, Aborted, Name, Position, Why},
    operation::{Operation, Repeat},
    owner::{Deadline, End, Lent, Link},
    time::{Alarm, Instant},
};

/// Operation made by [`OwnedFuture::with_timeout`](crate::OwnedFuture::with_timeout) and
/// [`OwnedFuture::with_deadline`](crate::OwnedFuture::with_deadline).
#[pin_project]
#[derive(Debug)]
pub struct Timeout<O> {
    #[pin]
    op: O,
    /// In nanoseconds. With its kind in a place of its own there is room for more beside that.
    end: u64,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    After,
    At,
}

/// What a [`Timeout`] keeps while it runs: its deadline and its alarm.
#[pin_project]
pub struct TimeoutState<S> {
    #[pin]
    inner: S,
    run: Run,
}

/// What is ready at once has set no alarm, and isn't to pay for the drop of one: whether there is more to do
/// than to forget the deadline is looked at in place, and that stands apart.
struct Run {
    deadline: Deadline,
    stage: ManuallyDrop<Stage>,
}

#[derive(Debug)]
enum Stage {
    /// Nothing was pending yet.
    Begun,
    /// For its alarm, which is there until its time has come, unless it could not be set.
    Waiting(Option<Alarm>),
    /// A deadline above comes first.
    Needless,
    /// The end was decided on, but what runs below is still being ended. Its position is that of the end: there is no
    /// room for another one.
    Ending(Why),
}

impl<O> Timeout<O> {
    #[inline]
    pub(crate) const fn after(op: O, after: Duration) -> Self {
        Self::new(op, End::after(after))
    }

    pub(crate) const fn at(op: O, at: Instant) -> Self {
        Self::new(op, End::At(at))
    }

    const fn new(op: O, end: End) -> Self {
        match end {
            End::After(nanos) => Self { op, end: nanos, kind: Kind::After },
            End::At(at) => Self { op, end: at.as_nanos(), kind: Kind::At },
        }
    }
}

impl Kind {
    const fn of(self, end: u64) -> End {
        match self {
            Self::After => End::After(end),
            Self::At => End::At(Instant::from_nanos(end)),
        }
    }
}

impl<S: Default> Default for TimeoutState<S> {
    #[inline]
    fn default() -> Self {
        let run = Run { deadline: Deadline::open(), stage: ManuallyDrop::new(Stage::Begun) };
        Self { inner: S::default(), run }
    }
}

impl End {
    fn reason(self) -> AbortReason {
        match self {
            Self::After(nanos) => AbortReason::TimedOut { after: Duration::from_nanos(nanos) },
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
}

/// A retry below that can't meet `deadline` ends before it, for a reason above itself. To those above the
/// deadline that is what it would be when time has run out.
#[cold]
fn place(aborted: Aborted, deadline: &Deadline, position: Position, lent: &Lent<'_>) -> Aborted {
    match *aborted.reason() {
        AbortReason::DeadlinePassed { at }
            if deadline.fixed() == Some(at) && lent.deadline().is_none_or(|above| above > at) =>
        {
            aborted.at(position)
        }
        _ => aborted,
    }
}

impl Run {
    /// Why it is being ended, if it is.
    fn ending(&self, end: End) -> Option<Aborted> {
        match &*self.stage {
            Stage::Ending(why) => Some(Aborted::from_why(why.clone(), end.position())),
            _ => None,
        }
    }

    /// Ready, with the reason, when time has run out.
    #[inline]
    fn poll_clock(&mut self, end: End, cx: &Context<'_>, lent: &Lent<'_>) -> Poll<AbortReason> {
        match (&mut *self.stage, self.deadline.fixed()) {
            (Stage::Waiting(alarm @ Some(_)), Some(at)) => {
                return Alarm::poll(alarm, at, cx).map(|()| end.reason());
            }
            // One above may have been moved since.
            (Stage::Needless, Some(at)) if is_needless(at, lent.deadline_in_chain(None)) => {
                return Poll::Pending;
            }
            _ => {}
        }
        let Some(timer) = lent.timer() else {
            return Poll::Ready(AbortReason::NoTimer);
        };
        let now = timer.now();
        let at = self.deadline.fix(end, || now);
        if is_needless(at, lent.deadline_in_chain(Some(now))) {
            *self.stage = Stage::Needless;
            return Poll::Pending;
        }
        if now < at {
            *self.stage = Stage::Waiting(None);
            if let Stage::Waiting(alarm) = &mut *self.stage {
                Alarm::set(alarm, timer, at, cx);
                if alarm.is_some() {
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(end.reason())
    }

    /// Makes it as new.
    #[inline]
    fn clear(&mut self) {
        if !matches!(*self.stage, Stage::Begun) {
            self.leave_stage();
        }
        self.deadline = Deadline::open();
    }

    #[inline(never)]
    fn leave_stage(&mut self) {
        if let (Stage::Waiting(alarm), Some(at)) = (&mut *self.stage, self.deadline.fixed()) {
            Alarm::cancel(alarm, at);
        }
        *self.stage = Stage::Begun;
    }
}

/// Whether time won't run out at `at`: it never does, or somebody above is no later.
fn is_needless(at: Instant, above: Option<Instant>) -> bool {
    at == Instant::NEVER || above.is_some_and(|above| above <= at)
}

impl Drop for Run {
    #[inline]
    fn drop(&mut self) {
        self.clear();
    }
}

impl<O: Operation> Timeout<O> {
    /// What comes after a poll that was pending, or not made. Apart, and with a result that fits in
    /// registers: what is ready at once isn't to pay for it.
    #[inline(never)]
    fn poll_verdict(
        self: Pin<&mut Self>,
        state: Pin<&mut TimeoutState<O::State>>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
    ) -> Poll<Aborted> {
        let (this, state) = (self.project(), state.project());
        let end = this.kind.of(*this.end);
        let aborted = match state.run.ending(end) {
            Some(aborted) => aborted,
            None => {
                let reason = ready!(state.run.poll_clock(end, cx, lent));
                let origin = this.op.name().or_else(|| lent.name()).cloned();
                Aborted::of(reason, origin, end.position())
            }
        };
        state.run.leave_stage();
        *state.run.stage = Stage::Ending(aborted.clone().into_why());
        let below = lent.with(Link::Deadline(&state.run.deadline, end));
        ready!(this.op.poll_abort(state.inner, cx, &below, &aborted));
        state.run.clear();
        Poll::Ready(aborted)
    }
}

impl<O: Operation> Operation for Timeout<O> {
    type Output = O::Output;
    type State = TimeoutState<O::State>;

    #[inline]
    fn poll(
        mut self: Pin<&mut Self>,
        mut state: Pin<&mut Self::State>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
    ) -> Poll<Result<O::Output, Aborted>> {
        let (this, parts) = (self.as_mut().project(), state.as_mut().project());
        let end = this.kind.of(*this.end);
        if !matches!(*parts.run.stage, Stage::Ending(_)) {
            let below = lent.with(Link::Deadline(&parts.run.deadline, end));
            // Taken apart, or the value would be copied with what an error takes around it.
            match this.op.poll(parts.inner, cx, &below) {
                Poll::Ready(Ok(value)) => {
                    parts.run.clear();
                    return Poll::Ready(Ok(value));
                }
                Poll::Ready(Err(aborted)) => {
                    let placed = place(aborted, &parts.run.deadline, end.position(), lent);
                    parts.run.clear();
                    return Poll::Ready(Err(placed));
                }
                Poll::Pending => {}
            }
        }
        match self.poll_verdict(state, cx, lent) {
            Poll::Ready(aborted) => Poll::Ready(Err(aborted)),
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_abort(
        self: Pin<&mut Self>,
        state: Pin<&mut Self::State>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
        aborted: &Aborted,
    ) -> Poll<()> {
        let (this, state) = (self.project(), state.project());
        let end = this.kind.of(*this.end);
        let below = lent.with(Link::Deadline(&state.run.deadline, end));
        let own = state.run.ending(end);
        ready!(this.op.poll_abort(state.inner, cx, &below, own.as_ref().unwrap_or(aborted)));
        state.run.clear();
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
            .field("deadline", &self.run.deadline.fixed())
            .field("stage", &*self.run.stage)
            .finish_non_exhaustive()
    }
}
