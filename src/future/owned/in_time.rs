use core::time::Duration;

use super::Owned;
use crate::{
    operation::Operation,
    time::Instant,
    timeout::{Idle, Overdue, Timed, Timeout, TimeoutHandle, Warn},
};

/// What bounds time. See [`timeout`](crate::timeout) for which to choose.
impl<O: Operation> Owned<O> {
    /// Ends what stands before it `after` so much time, with
    /// [`AbortReason::TimedOut`](crate::abort::AbortReason::TimedOut).
    ///
    /// The time counts from the first `Pending`. [`Duration::ZERO`] gives one poll,
    /// [`Duration::MAX`] never fires. See [`timeout`](crate::timeout) for the order of polling.
    ///
    /// ```
    /// use std::{future::pending, time::Duration};
    /// use tenure::OwnedFuture;
    ///
    /// let stuck = pending::<()>().with_timeout(Duration::from_millis(1));
    /// assert!(smol::block_on(stuck).unwrap_err().is_timeout());
    /// ```
    ///
    /// # Errors
    ///
    /// Without the `std` feature and without a timer,
    /// [`AbortReason::NoTimer`](crate::abort::AbortReason::NoTimer) at the first `Pending`.
    pub fn with_timeout(self, after: Duration) -> Owned<Timeout<O>> {
        Owned::new(Timeout::after(self.into_operation(), after))
    }

    /// Ends what stands before it at a point in time, with
    /// [`AbortReason::DeadlinePassed`](crate::abort::AbortReason::DeadlinePassed).
    ///
    /// `at` is a point on the owner's timer; with `std`, a `std::time::Instant` is one on the
    /// process's own. Under another timer write `clock.now() + d`. One that has passed gives one poll.
    ///
    /// ```
    /// use std::{future::pending, time::{Duration, Instant}};
    /// use tenure::OwnedFuture;
    ///
    /// let stuck = pending::<()>().with_deadline(Instant::now() + Duration::from_millis(1));
    /// assert_eq!(smol::block_on(stuck).unwrap_err().to_string(), "the deadline has passed");
    /// ```
    ///
    /// # Errors
    ///
    /// As [`with_timeout`](Self::with_timeout) where there is no timer.
    pub fn with_deadline(self, at: impl Into<Instant>) -> Owned<Timeout<O>> {
        Owned::new(Timeout::at(self.into_operation(), at.into()))
    }

    /// As [`with_timeout`](Self::with_timeout), where `handle` can clear, extend and reset the time while it runs.
    /// See [`TimeoutHandle`].
    ///
    /// ```
    /// use std::time::Duration;
    /// use tenure::{OwnedFuture, time::TestClock, timeout::TimeoutHandle};
    ///
    /// let (clock, timeout) = (TestClock::new(), TimeoutHandle::new(Duration::from_secs(1)));
    /// let committing = async {
    ///     timeout.clear(); // from here on it is seen through
    ///     clock.sleep(Duration::from_secs(5)).await;
    /// };
    /// let committed = committing.with_timeout_handle(&timeout).with_timer(&clock);
    /// assert!(smol::block_on(clock.watch(committed)).is_ok());
    /// ```
    ///
    /// # Errors
    ///
    /// As [`with_timeout`](Self::with_timeout).
    pub fn with_timeout_handle(self, handle: &TimeoutHandle) -> Owned<Timed<O, TimeoutHandle>> {
        Owned::new(Timed::new(self.into_operation(), handle.clone()))
    }

    /// Ends what stands before it when it makes no progress for so long, with
    /// [`AbortReason::Idle`](crate::abort::AbortReason::Idle).
    ///
    /// Progress is a wake-up of what stands before it: data has come, a sleep of its own has ended. What wakes
    /// only its neighbours in the same task doesn't count. The time counts from the first `Pending`, and from the
    /// poll after each wake-up. It costs an allocation for each run.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tenure::{OwnedFuture, time::TestClock};
    ///
    /// const SECOND: Duration = Duration::from_secs(1);
    ///
    /// let clock = TestClock::new();
    /// let download = async {
    ///     for _ in 0..100 {
    ///         clock.sleep(SECOND).await; // a chunk has come
    ///     }
    ///     std::future::pending::<()>().await // the line is dead
    /// };
    /// let download = download.with_idle_timeout(5 * SECOND).with_timer(&clock);
    ///
    /// let aborted = smol::block_on(clock.watch(download)).unwrap_err();
    /// assert_eq!(aborted.to_string(), "made no progress for 5s");
    /// assert_eq!(clock.elapsed(), 105 * SECOND);
    /// ```
    ///
    /// # Errors
    ///
    /// As [`with_timeout`](Self::with_timeout) where there is no timer.
    pub fn with_idle_timeout(self, after: Duration) -> Owned<Timed<O, Idle>> {
        Owned::new(Timed::new(self.into_operation(), Idle::after(after)))
    }

    /// Tells once that what stands before it has not ended `after` so much time, and lets it run on.
    ///
    /// The time counts from the first `Pending`. `tell` is called within a poll; what runs again, below a retry,
    /// is told of anew.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tenure::{OwnedFuture, time::TestClock};
    ///
    /// let clock = TestClock::new();
    /// let mut warnings = 0;
    /// let slow = clock.sleep(Duration::from_secs(3)).named("report");
    /// let slow = slow.warn_after(Duration::from_secs(1), |overdue| {
    ///     eprintln!("{overdue}"); // `report` has not ended after 1s
    ///     warnings += 1;
    /// });
    /// assert!(smol::block_on(clock.watch(slow.with_timer(&clock))).is_ok());
    /// assert_eq!(warnings, 1);
    /// ```
    ///
    /// # Errors
    ///
    /// As [`with_timeout`](Self::with_timeout) where there is no timer: it could never tell.
    ///
    /// # Panics
    ///
    /// If `tell` does, the panic goes on in whoever polls.
    pub fn warn_after<F>(self, after: Duration, tell: F) -> Owned<Timed<O, Warn<F>>>
    where
        F: FnMut(&Overdue<'_>),
    {
        Owned::new(Timed::new(self.into_operation(), Warn::after(after, tell)))
    }
}
