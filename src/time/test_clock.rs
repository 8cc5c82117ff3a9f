mod report;
mod shared;
mod watch;
mod watchdog;

use core::{fmt, future::Future, panic::Location, time::Duration};

pub use watch::Watch;

use super::{Instant, Sleep, TimerHandle};
use crate::sync::Arc;
use report::Report;
use shared::{ClockTimer, Shared};

/// A virtual clock, for tests that are exact and don't wait.
///
/// Its time stands still until [`advance`](TestClock::advance) moves it, or until every future
/// that it [`watch`](TestClock::watch)es has nothing left to do but wait: then it jumps to the
/// next alarm. Clones share one time. It works on every executor and on several threads at once.
/// [`time::testing`](crate::time::testing) teaches how to test with it.
///
/// ```
/// use std::time::Duration;
/// use tenure::time::TestClock;
///
/// let clock = TestClock::new();
/// let day = async {
///     clock.sleep(Duration::from_secs(86_400)).await;
///     "a day later"
/// };
/// assert_eq!(smol::block_on(clock.watch(day)), "a day later");
/// assert_eq!(clock.elapsed(), Duration::from_secs(86_400));
/// ```
///
/// # What it can't see
///
/// Only watched futures count. While one waits for something that isn't watched (a thread, a
/// socket), the clock takes it for idle and jumps ahead: hold it with [`pause`](TestClock::pause).
/// Where nothing is watched, time stands still until somebody calls [`advance`](TestClock::advance).
/// Several tasks are watched one by one. The order in which alarms wake is always the same: by
/// time, then in the order in which they were set. What threads then make of it isn't.
///
/// Two things an executor keeps to itself:
///
/// - It tells the end of a task once the future is gone, and with it what the clock sees. Within one
///   thread the clock lets that come first: before it moves on, it has one of those that wait polled for
///   nothing. On several threads it may move on while the news is on its way; there, let a result be sent
///   from within what is watched, as by `remote_handle` of `futures`: `clock.watch(remote)`.
/// - tokio puts some wake-ups off until a task has returned: that of its own `yield_now`, and that of its
///   channels and the like once a task has used up its budget. A watched future that takes a hundred
///   messages at once is exact within `tokio::task::unconstrained`.
///
/// # When it stands still
///
/// A test that waits for what never comes would hang. Where nothing has happened on the clock for ten
/// seconds of real time, each watched future that waits panics instead, when it is polled next, and the first
/// one tells where each was watched and what it waits for:
///
/// ```text
/// the clock stands still at 5s: nothing has happened on it for 10s of real time
///   watched at tests/mail.rs:12:25: was never polled
///   watched at tests/mail.rs:14:17: waits for an alarm at 65s
/// - what was never polled holds the clock: spawn it, await it, or drop it
/// ```
///
/// Where there is none to panic, since none is watched or none has been polled, the report goes to the standard
/// error. Clocks that are moved by hand alone are left in peace.
///
/// However slow a poll is, it never fails for that, nor while the clock is held by
/// [`pause`](TestClock::pause); one that is forgotten holds off this, too. Only what isn't watched can be too
/// slow: pause for it, or [set the patience](TestClock::set_patience).
#[derive(Clone)]
pub struct TestClock {
    shared: Arc<Shared>,
    handle: TimerHandle,
}

impl Default for TestClock {
    fn default() -> Self {
        Self::new()
    }
}

impl TestClock {
    /// A clock at [`Instant::START`].
    #[must_use]
    pub fn new() -> Self {
        let shared = Arc::new(Shared::new());
        Self { handle: TimerHandle::new(ClockTimer(shared.clone())), shared }
    }

    /// The present.
    ///
    /// ```
    /// # use tenure::time::{Instant, TestClock};
    /// assert_eq!(TestClock::new().now(), Instant::START);
    /// ```
    #[must_use]
    pub fn now(&self) -> Instant {
        self.shared.0.with(|state| state.now)
    }

    /// How much time has passed since the clock was made.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tenure::time::TestClock;
    /// let clock = TestClock::new();
    /// clock.advance(Duration::from_millis(3));
    /// assert_eq!(clock.elapsed(), Duration::from_millis(3));
    /// ```
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.now() - Instant::START
    }

    /// A future that is ready when `after` has passed from now.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tenure::time::TestClock;
    /// let clock = TestClock::new();
    /// let hour = clock.sleep(Duration::from_secs(3600));
    /// clock.advance(Duration::from_secs(3600));
    /// smol::block_on(hour);
    /// ```
    pub fn sleep(&self, after: Duration) -> Sleep {
        self.handle.sleep(after)
    }

    /// Moves time on by `by` from now, and wakes on the way what falls due, the earliest first.
    ///
    /// The tasks that it wakes run later, on their executor, and find the time at its end.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tenure::time::TestClock;
    /// let clock = TestClock::new();
    /// clock.advance(Duration::from_secs(5));
    /// assert_eq!(clock.elapsed(), Duration::from_secs(5));
    /// ```
    pub fn advance(&self, by: Duration) {
        self.shared.advance(by);
    }

    /// Watches `future`: whenever all watched futures are pending, with no wake-up on its way, the
    /// clock jumps to its next alarm.
    ///
    /// A future counts as busy from this call until it is polled for the first time, so those that
    /// are going to be spawned hold the clock until they run. Watch all of them before the first one is
    /// spawned: the clock may run ahead of what it doesn't know yet. A watched future that blocks on
    /// another one of the same clock waits for ever, since it is busy all the while.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tenure::time::TestClock;
    ///
    /// let clock = TestClock::new();
    /// let seconds = |n| clock.watch(clock.sleep(Duration::from_secs(n)));
    /// smol::block_on(futures::future::join(seconds(1), seconds(5)));
    /// assert_eq!(clock.elapsed(), Duration::from_secs(5));
    /// ```
    #[track_caller]
    pub fn watch<F: Future>(&self, future: F) -> Watch<F> {
        Watch::new(&self.shared, Location::caller(), future)
    }

    /// Holds the clock, so that it doesn't jump, until the guard is dropped.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tenure::time::TestClock;
    ///
    /// let clock = TestClock::new();
    /// let pause = clock.pause();
    /// let worker = std::thread::spawn(move || {
    ///     // What a test can't see on its clock happens here.
    ///     drop(pause);
    /// });
    /// smol::block_on(clock.watch(clock.sleep(Duration::from_secs(1))));
    /// worker.join().unwrap();
    /// ```
    pub fn pause(&self) -> Pause {
        self.shared.act(|state| state.pauses += 1);
        Pause(self.shared.clone())
    }

    /// How long nothing may happen on the clock, in *real* time, before those who wait on it panic and say
    /// [what they wait for](TestClock#when-it-stands-still): ten seconds, unless it is set. `Duration::MAX`
    /// is for ever.
    ///
    /// Real time is measured by the process's own timer, so without `std` it is for ever, whatever is set.
    ///
    /// ```
    /// use std::{future::pending, panic::{AssertUnwindSafe, catch_unwind}, time::Duration};
    /// use tenure::time::TestClock;
    ///
    /// let clock = TestClock::new();
    /// clock.set_patience(Duration::from_millis(20));
    /// let stuck = clock.watch(pending::<()>());
    ///
    /// let panic = catch_unwind(AssertUnwindSafe(|| smol::block_on(stuck))).unwrap_err();
    /// let report = panic.downcast_ref::<String>().unwrap();
    /// assert!(report.starts_with("the clock stands still at 0ns"));
    /// ```
    pub fn set_patience(&self, patience: Duration) {
        self.shared.0.with(|state| state.set_patience(patience));
        watchdog::rouse(&self.shared);
    }
}

impl fmt::Debug for TestClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (elapsed, pauses, report) = self
            .shared
            .0
            .with(|state| (state.now - Instant::START, state.pauses, Report::of(state)));
        f.debug_struct("TestClock")
            .field("elapsed", &elapsed)
            .field("pauses", &pauses)
            .field("watched", &report)
            .finish()
    }
}

impl From<&TestClock> for TimerHandle {
    fn from(clock: &TestClock) -> Self {
        clock.handle.clone()
    }
}

/// Guard that holds a [`TestClock`]; made by [`TestClock::pause`].
///
/// # Drop
///
/// Lets the clock go: it jumps at once where all that it watches is idle.
///
/// One that is forgotten ([`core::mem::forget`]) holds it for good: nothing jumps, and nothing
/// [fails](TestClock#when-it-stands-still).
#[must_use = "the clock is held for as long as the guard lives"]
pub struct Pause(Arc<Shared>);

impl Drop for Pause {
    fn drop(&mut self) {
        self.0.act(|state| state.pauses -= 1);
        self.0.settle();
    }
}

impl fmt::Debug for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pause").finish_non_exhaustive()
    }
}
