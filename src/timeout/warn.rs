use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use super::Timekeeper;
use crate::{
    abort::{AbortReason, Name},
    owner::Lent,
    time::Sleep,
};

/// Whom to tell that an operation takes long: what [`OwnedFuture::warn_after`](crate::OwnedFuture::warn_after)
/// puts beside it.
#[derive(Clone)]
pub struct Warn<F> {
    after: Duration,
    tell: F,
}

/// What [`OwnedFuture::warn_after`](crate::OwnedFuture::warn_after) tells.
///
/// ```
/// use std::time::Duration;
/// use tenure::{OwnedFuture, time::TestClock};
///
/// let clock = TestClock::new();
/// let mut log = Vec::new();
/// let slow = clock.sleep(Duration::from_secs(3)).named("report");
/// let slow = slow.warn_after(Duration::from_secs(1), |overdue| log.push(overdue.to_string()));
/// assert!(smol::block_on(clock.watch(slow.with_timer(&clock))).is_ok());
/// assert_eq!(log, ["`report` has not ended after 1s"]);
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Overdue<'a> {
    /// The name of what takes long, or of the nearest owner that has one.
    pub name: Option<&'a str>,
    /// How long it has taken so far, counted from when it first had to wait.
    pub after: Duration,
}

/// What a [`Warn`] keeps while its operation runs.
#[derive(Debug, Default)]
pub enum WarnRun {
    /// Nothing was pending yet.
    #[default]
    Begun,
    /// Until it is to tell.
    Waiting(Sleep),
    /// It has told.
    Told,
}

impl<F: FnMut(&Overdue<'_>)> Warn<F> {
    pub(crate) const fn after(after: Duration, tell: F) -> Self {
        Self { after, tell }
    }
}

impl<F: FnMut(&Overdue<'_>)> Timekeeper for Warn<F> {
    type Run = WarnRun;

    fn poll_within<R>(
        &self,
        _: &mut WarnRun,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
        poll: impl FnOnce(&mut Context<'_>, &Lent<'_>) -> R,
    ) -> R {
        poll(cx, lent)
    }

    fn poll_end(
        &mut self,
        run: &mut WarnRun,
        name: Option<&Name>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
    ) -> Poll<AbortReason> {
        if let WarnRun::Begun = run {
            let Some(timer) = lent.timer() else {
                return Poll::Ready(AbortReason::NoTimer);
            };
            *run = WarnRun::Waiting(timer.sleep(self.after));
        }
        if let WarnRun::Waiting(sleep) = run {
            ready!(Pin::new(sleep).poll(cx));
            *run = WarnRun::Told;
            let name = name.or_else(|| lent.name()).map(|name| &**name);
            (self.tell)(&Overdue { name, after: self.after });
        }
        Poll::Pending
    }
}

impl fmt::Display for Overdue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            Some(name) => write!(f, "`{name}`")?,
            None => f.write_str("it")?,
        }
        write!(f, " has not ended after {:?}", self.after)
    }
}

impl<F> fmt::Debug for Warn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Warn").field("after", &self.after).finish_non_exhaustive()
    }
}
