//! `.retry()`: what stands before it is tried again when it fails.
//!
//! # The trap
//!
//! A closure that returns an owned chain yields `Result<Result<T, E>, Aborted>`, and to `retry` that
//! is a success or a failure by its outer layer alone. An attempt that failed with `Ok(Err(e))`
//! is not tried again:
//!
//! ```
//! use std::{cell::Cell, time::Duration};
//! use tenure::{Backoff, OwnedFuture};
//!
//! let calls = Cell::new(0);
//! let failing = || async {
//!     calls.set(calls.get() + 1);
//!     Err::<(), _>("down")
//! };
//! let thrice = Backoff::fixed(Duration::ZERO).attempts(3);
//!
//! // The trap: the closure makes a chain, whose `Ok` holds the `Err`.
//! let trap = (|| failing().with_timeout(Duration::from_secs(1))).retry(thrice);
//! assert!(matches!(smol::block_on(trap), Ok(Ok(Err("down")))));
//! assert_eq!(calls.take(), 1);
//!
//! // The cure: `.flatten()` in the closure,
//! let cure = (|| failing().with_timeout(Duration::from_secs(1)).flatten()).retry(thrice);
//! assert!(smol::block_on(cure).unwrap().is_err());
//! assert_eq!(calls.take(), 3);
//!
//! // or the timeout outside of it.
//! let cure = failing.with_timeout(Duration::from_secs(1)).retry(thrice);
//! assert!(smol::block_on(cure).unwrap().is_err());
//! assert_eq!(calls.take(), 3);
//! ```
//!
//! The cure has one side to it: an owner inside of the closure is flattened along with the rest, and
//! its abort is then an error like any other. Keep owners, `.in_scope()` and `.with_abort()`, outside
//! of the retry, where their abort ends it at once.
//!
//! # What is tried again
//!
//! | an attempt ends with | |
//! |---|---|
//! | `Err(e)` | tried again if [`when`](crate::Owned::when) says so; without it, always |
//! | an abort from [below](Position::Below): its own timeout | tried again |
//! | a limit that lets nothing in, no timer to wait on | never: it would be the same again |
//! | an abort that the closure itself flattened, `Err(Error::Aborted(..))` | an `Err(e)` like any other |
//! | an abort from [above](Position::Above): an owner, a scope, a handle, a deadline | never |
//!
//! A back-off that would end at the owner's deadline or after it is not begun: the retry ends at once, with
//! the last error, or with [`AbortReason::DeadlinePassed`] and the last attempt's timeout as its
//! cause. A back-off of zero touches no timer; any other one, where there is none, ends the retry with
//! [`AbortReason::NoTimer`], not with the error, which would hide that it never tries again.

mod backoff;
mod chance;

use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project::pin_project;

pub use backoff::{Backoff, BackoffState, Delays, Jitter, Policy};

use crate::{
    abort::{AbortReason, Aborted, Name, Position},
    future::Error,
    operation::{Operation, Repeat},
    owner::{Lent, Link, Standing},
    slot::Slot,
    time::Sleep,
};

/// Operation made by [`OwnedFuture::retry`](crate::OwnedFuture::retry).
#[pin_project]
pub struct Retry<O, P, W = Always, N = Silently> {
    #[pin]
    op: O,
    policy: P,
    when: W,
    notify: N,
}

/// What a [`Retry`] keeps while it runs: the attempt, and the back-off between two.
#[pin_project]
pub struct RetryState<S, D> {
    #[pin]
    inner: S,
    run: Run<D>,
}

struct Run<D> {
    policy: D,
    failed: u32,
    /// An attempt was pending.
    runs: bool,
    back_off: Slot<Sleep>,
}

/// What [`Owned::on_retry`](crate::Owned::on_retry) is told.
///
/// ```
/// use std::time::Duration;
/// use tenure::{Backoff, OwnedFuture};
///
/// let mut waits = Vec::new();
/// let failing = (|| async { Err::<(), _>("down") })
///     .retry(Backoff::fixed(Duration::from_micros(5)).attempts(2))
///     .on_retry(|retrying| waits.push((retrying.attempt, retrying.delay)));
/// assert!(smol::block_on(failing).unwrap().is_err());
/// assert_eq!(waits, [(1, Duration::from_micros(5))]);
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Retrying<'a, E> {
    /// The attempt that failed, from 1.
    pub attempt: u32,
    /// How long it waits before the next one.
    pub delay: Duration,
    /// Why it failed: what it returned, or its own timeout.
    pub error: Error<&'a E>,
}

/// Decides which errors are worth another attempt: [`Always`], or a closure given to
/// [`Owned::when`](crate::Owned::when).
pub trait When<E> {
    /// Whether to try again after `error`.
    fn is_worth(&mut self, error: &E) -> bool;
}

/// Is told of each retry: [`Silently`], or a closure given to
/// [`Owned::on_retry`](crate::Owned::on_retry).
pub trait Notify<E> {
    /// Called before the back-off begins.
    fn notify(&mut self, retrying: &Retrying<'_, E>);
}

/// Every error is worth another attempt.
#[derive(Clone, Copy, Debug, Default)]
pub struct Always;

/// Nobody is told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silently;

impl<E> When<E> for Always {
    fn is_worth(&mut self, _: &E) -> bool {
        true
    }
}

impl<E, F: FnMut(&E) -> bool> When<E> for F {
    fn is_worth(&mut self, error: &E) -> bool {
        self(error)
    }
}

impl<E> Notify<E> for Silently {
    fn notify(&mut self, _: &Retrying<'_, E>) {}
}

impl<E, F: FnMut(&Retrying<'_, E>)> Notify<E> for F {
    fn notify(&mut self, retrying: &Retrying<'_, E>) {
        self(retrying);
    }
}

impl<O, P> Retry<O, P> {
    pub(crate) const fn new(op: O, policy: P) -> Self {
        Self { op, policy, when: Always, notify: Silently }
    }
}

impl<O, P, W, N> Retry<O, P, W, N> {
    pub(crate) fn when<F>(self, when: F) -> Retry<O, P, F, N> {
        Retry { op: self.op, policy: self.policy, when, notify: self.notify }
    }

    pub(crate) fn on_retry<F>(self, notify: F) -> Retry<O, P, W, F> {
        Retry { op: self.op, policy: self.policy, when: self.when, notify }
    }
}

impl<S: Default, D: Default> Default for RetryState<S, D> {
    fn default() -> Self {
        Self { inner: S::default(), run: Run::default() }
    }
}

impl<D: Default> Default for Run<D> {
    fn default() -> Self {
        Self { policy: D::default(), failed: 0, runs: false, back_off: Slot::default() }
    }
}

impl<D: Default> Run<D> {
    /// Makes it as new.
    fn clear(&mut self) {
        self.back_off.clear();
        (self.policy, self.failed, self.runs) = (D::default(), 0, false);
    }

    /// Ready when an attempt runs or the next one is to begin, or all is to end.
    #[inline]
    fn poll_begin(&mut self, cx: &mut Context<'_>, lent: &Lent<'_>) -> Poll<Result<(), Aborted>> {
        // The owner may be over by now. Without a back-off no clock is asked.
        let standing = match self.back_off.get_mut() {
            None if self.runs || self.failed == 0 => Standing::Live,
            None => lent.standing(),
            Some(sleep) => match (Pin::new(sleep).poll(cx), lent.standing()) {
                (Poll::Pending, Standing::InGrace(aborted)) => Standing::InGrace(aborted),
                (Poll::Pending, _) => return Poll::Pending,
                (Poll::Ready(()), _) => {
                    self.back_off.clear();
                    lent.standing_now()
                }
            },
        };
        match standing {
            Standing::Live => Poll::Ready(Ok(())),
            // Whoever it is over for ends this, in this very poll.
            Standing::Over => Poll::Pending,
            Standing::InGrace(aborted) => {
                self.clear();
                Poll::Ready(Err(aborted))
            }
        }
    }
}

/// So many attempts are made in one poll where none of them waits; then others have a turn.
const AT_ONCE: u32 = 32;

type Outcome<T, E> = Result<Result<T, E>, Aborted>;

impl<O, P, W, N, T, E> Operation for Retry<O, P, W, N>
where
    O: Repeat<Output = Result<T, E>>,
    P: Policy,
    W: When<E>,
    N: Notify<E>,
{
    type Output = O::Output;
    type State = RetryState<O::State, P::State>;

    #[inline]
    fn poll(
        self: Pin<&mut Self>,
        state: Pin<&mut Self::State>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
    ) -> Poll<Outcome<T, E>> {
        let mut this = self.project();
        let mut state = state.project();
        for _ in 0..AT_ONCE {
            if let Err(aborted) = ready!(state.run.poll_begin(cx, lent)) {
                return Poll::Ready(Err(aborted));
            }
            let attempt = state.run.failed.saturating_add(1);
            let below = lent.with(Link::Attempt(attempt));
            let polled = this.op.as_mut().poll(state.inner.as_mut(), cx, &below);
            state.run.runs = polled.is_pending();
            let outcome = ready!(polled);
            let worth = match &outcome {
                Ok(Ok(_)) => false,
                Ok(Err(error)) => this.when.is_worth(error),
                Err(aborted) => may_go_better(aborted),
            };
            let delay = if worth { this.policy.next_delay(&mut state.run.policy) } else { None };
            let Some(delay) = delay else {
                state.run.clear();
                return Poll::Ready(outcome);
            };
            match sleep_for(delay, this.op.name(), lent) {
                Ok(sleep) => *state.run.back_off.get_mut() = sleep,
                Err(futile) => {
                    state.run.clear();
                    return Poll::Ready(no_more(outcome, futile));
                }
            }
            state.run.failed = attempt;
            let error = match &outcome {
                Ok(Err(error)) => Error::Failed(error),
                Err(aborted) => Error::Aborted(aborted.clone()),
                Ok(Ok(_)) => continue,
            };
            this.notify.notify(&Retrying { attempt, delay, error });
        }
        cx.waker().wake_by_ref();
        Poll::Pending
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
        state.run.back_off.clear();
        let below = lent.with(Link::Attempt(state.run.failed.saturating_add(1)));
        ready!(this.op.poll_abort(state.inner, cx, &below, aborted));
        state.run.clear();
        Poll::Ready(())
    }

    fn name(&self) -> Option<&Name> {
        self.op.name()
    }
}

#[diagnostic::do_not_recommend]
impl<O, P, W, N, T, E> Repeat for Retry<O, P, W, N>
where
    O: Repeat<Output = Result<T, E>>,
    P: Policy,
    W: When<E>,
    N: Notify<E>,
{
}

/// Whether an attempt that was aborted is worth another: if that was its own doing, and need not be so
/// again.
fn may_go_better(aborted: &Aborted) -> bool {
    let may_pass = match aborted.reason() {
        AbortReason::NoTimer => false,
        AbortReason::Rejected { why } => why.may_pass(),
        _ => true,
    };
    aborted.position() == Position::Below && may_pass
}

/// What to wait for before the next attempt of the operation so named; or why there can be none.
#[inline(never)]
fn sleep_for(
    delay: Duration,
    name: Option<&Name>,
    lent: &Lent<'_>,
) -> Result<Option<Sleep>, Aborted> {
    if delay.is_zero() {
        return Ok(None);
    }
    let no_timer = || {
        let origin = name.or_else(|| lent.name()).cloned();
        Aborted::of(AbortReason::NoTimer, origin, Position::Above)
    };
    let timer = lent.timer().ok_or_else(no_timer)?;
    let now = timer.now();
    let end = now + delay;
    match lent.limit_since(Some(now)) {
        Some(limit) if end >= limit.at => Err(limit.passed()),
        _ => Ok(Some(Sleep::new(timer.clone(), end))),
    }
}

/// The end of a retry whose next attempt could not be made: its own error, if it has one. But that there
/// is no timer is told in any case, for the retry will never do what it is there for.
#[cold]
fn no_more<T, E>(outcome: Outcome<T, E>, futile: Aborted) -> Outcome<T, E> {
    let has_timer = !matches!(futile.reason(), AbortReason::NoTimer);
    match outcome {
        Ok(own) if has_timer => Ok(own),
        Ok(_) => Err(futile),
        Err(cause) => Err(futile.because(cause)),
    }
}

impl<O: fmt::Debug, P: fmt::Debug, W, N> fmt::Debug for Retry<O, P, W, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry")
            .field("op", &self.op)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

impl<S, D> fmt::Debug for RetryState<S, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryState")
            .field("failed", &self.run.failed)
            .field("back_off", &self.run.back_off.get())
            .finish_non_exhaustive()
    }
}
