use core::{fmt, task::Waker, time::Duration};

use alloc::boxed::Box;

use super::{Instant, Sleep};
use crate::sync::Arc;

/// What tells the time and wakes tasks at a given point of it.
///
/// Implement it for the alarm of a board or for the timer of a runtime, and give it to a chain with
/// [`with_timer`](crate::OwnedFuture::with_timer) or to a scope with
/// [`Builder::timer`](crate::scope::Builder::timer).
///
/// Three that are written to be copied lie in the repository, in `tests/timers`: for Tokio's timer, for
/// async-io's, which is smol's, and for a board's alarm without `std`. `examples/timers.rs` runs a chain by
/// each.
///
/// # What it must keep
///
/// - It may wake too early or once too often: whoever is woken looks at [`now`](Timer::now) again. But it
///   doesn't set the alarm again, so one that rang early must still ring in time.
/// - It must not wake too late by more than it documents, whoever it is that sets the alarm. Mind what shares
///   a task's budget: a sleep of Tokio's that is polled without any is woken at once and set for nothing.
/// - It must not run a waker, nor drop one, while it holds a lock that [`wake_at`](Timer::wake_at) or
///   [`cancel`](Timer::cancel) takes: wakers are foreign code, and come back in. A lock taken in an
///   `if let` is held to the end of its block, so take the waker out before.
/// - A waker may panic. Where others are woken on the same thread, or by its loop, that is to be caught.
/// - What has rung leaves nothing behind. Not every alarm is cancelled: a [`Limit`](crate::Limit)'s isn't.
/// - Any [`Instant`] may be asked for, up to [`NEVER`](Instant::NEVER), which never comes.
///
/// An alarm on a clock that ticks is set for the tick after `at`, or on it: rounded down, it rings when `at`
/// has not come yet, and doesn't ring again.
///
/// ```
/// use std::{collections::BTreeMap, sync::Mutex, task::Waker, time::Duration};
/// use tenure::time::{AlarmId, Instant, Timer};
///
/// /// Time that stands still until `tick` is called, as from a board's interrupt.
/// #[derive(Default)]
/// struct Ticks(Mutex<(u64, u64, BTreeMap<(Instant, u64), Waker>)>);
///
/// impl Ticks {
///     fn tick(&self) {
///         let due = {
///             let mut ticks = self.0.lock().unwrap();
///             ticks.0 += 1_000_000;
///             let now = Instant::from_nanos(ticks.0 + 1);
///             let later = ticks.2.split_off(&(now, 0));
///             std::mem::replace(&mut ticks.2, later)
///         };
///         due.into_values().for_each(Waker::wake);
///     }
/// }
///
/// impl Timer for Ticks {
///     fn now(&self) -> Instant {
///         Instant::from_nanos(self.0.lock().unwrap().0)
///     }
///     fn wake_at(&self, at: Instant, waker: Waker) -> AlarmId {
///         let mut ticks = self.0.lock().unwrap();
///         ticks.1 += 1;
///         let id = ticks.1;
///         ticks.2.insert((at, id), waker);
///         AlarmId::new(id)
///     }
///     fn cancel(&self, at: Instant, alarm: AlarmId) {
///         let waker = self.0.lock().unwrap().2.remove(&(at, alarm.get()));
///         drop(waker);
///     }
/// }
///
/// let ticks = Ticks::default();
/// ticks.wake_at(ticks.now() + Duration::from_millis(1), Waker::noop().clone());
/// ticks.tick();
/// assert!(ticks.0.lock().unwrap().2.is_empty());
/// ```
pub trait Timer: Send + Sync {
    /// The present. Never goes back, and is asked for often.
    fn now(&self) -> Instant;

    /// Wakes `waker` once, as soon as [`now`](Timer::now) has reached `at`: at once where it has
    /// already.
    fn wake_at(&self, at: Instant, waker: Waker) -> AlarmId;

    /// Forgets an alarm and drops its waker. `at` is what it was set for. An alarm that has rung, or
    /// was never set, is no error.
    fn cancel(&self, at: Instant, alarm: AlarmId);
}

/// Names one alarm of a [`Timer`], by a number that the timer chose.
///
/// ```
/// use tenure::time::AlarmId;
/// assert_eq!(AlarmId::new(7).get(), 7);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AlarmId(u64);

impl AlarmId {
    /// The alarm that its timer knows as `id`.
    #[must_use]
    pub const fn new(id: u64) -> Self {
        Self(id)
    }

    /// The number that was given to [`AlarmId::new`].
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// A [`Timer`], shared: what an owner carries.
///
/// ```
/// use tenure::time::{TestClock, TimerHandle};
///
/// let clock = TestClock::new();
/// let handle = TimerHandle::from(&clock);
/// assert_eq!(handle.now(), clock.now());
/// ```
#[derive(Clone)]
pub struct TimerHandle(Kind);

#[derive(Clone)]
enum Kind {
    #[cfg(feature = "std")]
    System,
    Static(&'static dyn Timer),
    Shared(Arc<dyn Timer>),
}

#[cfg(feature = "std")]
static SYSTEM: TimerHandle = TimerHandle(Kind::System);

impl TimerHandle {
    /// Shares `timer`.
    ///
    /// ```
    /// use std::task::Waker;
    /// use tenure::time::{AlarmId, Instant, Timer, TimerHandle};
    ///
    /// /// It is always noon, and no alarm ever rings.
    /// struct Noon;
    /// impl Timer for Noon {
    ///     fn now(&self) -> Instant {
    ///         Instant::START
    ///     }
    ///     fn wake_at(&self, _: Instant, _: Waker) -> AlarmId {
    ///         AlarmId::new(0)
    ///     }
    ///     fn cancel(&self, _: Instant, _: AlarmId) {}
    /// }
    /// assert_eq!(TimerHandle::new(Noon).now(), Instant::START);
    /// ```
    #[must_use]
    pub fn new(timer: impl Timer + 'static) -> Self {
        let boxed: Box<dyn Timer> = Box::new(timer);
        Self(Kind::Shared(Arc::from(boxed)))
    }

    /// Uses a timer that lives as long as the program, as a board's does. Allocates nothing.
    ///
    /// Where the same timer is given to a chain twice, deadlines count across. A timer without fields
    /// can't be told from others, so two handles to it are never the same.
    ///
    /// ```
    /// use std::task::Waker;
    /// use tenure::time::{AlarmId, Instant, Timer, TimerHandle};
    ///
    /// struct Board;
    /// impl Timer for Board {
    ///     fn now(&self) -> Instant {
    ///         Instant::START // of the board's counter
    ///     }
    ///     fn wake_at(&self, _: Instant, _: Waker) -> AlarmId {
    ///         AlarmId::new(0) // of the board's alarm
    ///     }
    ///     fn cancel(&self, _: Instant, _: AlarmId) {}
    /// }
    /// static BOARD: Board = Board;
    /// const TIMER: TimerHandle = TimerHandle::from_static(&BOARD);
    /// assert_eq!(TIMER.now(), Instant::START);
    /// ```
    #[must_use]
    pub const fn from_static(timer: &'static dyn Timer) -> Self {
        Self(Kind::Static(timer))
    }

    /// The present, on this timer.
    ///
    /// ```
    /// use tenure::time::{Instant, TestClock, TimerHandle};
    /// assert_eq!(TimerHandle::from(&TestClock::new()).now(), Instant::START);
    /// ```
    #[must_use]
    #[inline]
    pub fn now(&self) -> Instant {
        match &self.0 {
            #[cfg(feature = "std")]
            Kind::System => super::system::SystemTimer::get().now(),
            _ => self.timer().now(),
        }
    }

    /// A future that is ready when `after` has passed from now.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tenure::{Owner, OwnedFuture, time::TestClock};
    ///
    /// let clock = TestClock::new();
    /// let naps = |owner: Owner| async move {
    ///     let timer = owner.timer().expect("with `std` there always is one");
    ///     timer.sleep(Duration::from_secs(60)).await;
    /// };
    /// smol::block_on(clock.watch(naps.with_timer(&clock))).unwrap();
    /// assert_eq!(clock.elapsed(), Duration::from_secs(60));
    /// ```
    pub fn sleep(&self, after: Duration) -> Sleep {
        self.sleep_until(self.now() + after)
    }

    /// A future that is ready once this timer has reached `at`.
    ///
    /// ```
    /// use tenure::time::{Instant, TestClock, TimerHandle};
    ///
    /// let timer = TimerHandle::from(&TestClock::new());
    /// smol::block_on(timer.sleep_until(Instant::START)); // that was long ago
    /// ```
    pub fn sleep_until(&self, at: Instant) -> Sleep {
        Sleep::new(self.clone(), at)
    }

    /// The process's own timer, where there is one.
    pub(crate) fn system() -> Option<&'static Self> {
        #[cfg(feature = "std")]
        return Some(&SYSTEM);
        #[cfg(not(feature = "std"))]
        None
    }

    #[cfg(feature = "std")]
    pub(crate) const fn is_system(&self) -> bool {
        matches!(self.0, Kind::System)
    }

    pub(crate) fn timer(&self) -> &dyn Timer {
        match &self.0 {
            #[cfg(feature = "std")]
            Kind::System => super::system::SystemTimer::get(),
            Kind::Static(timer) => *timer,
            Kind::Shared(timer) => &**timer,
        }
    }

    /// Whether instants of the two may be compared.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            // Known without asking for it, which would start it.
            #[cfg(feature = "std")]
            (Kind::System, kind) | (kind, Kind::System) => matches!(kind, Kind::System),
            (Kind::Shared(a), Kind::Shared(b)) => {
                core::ptr::addr_eq(Arc::as_ptr(a), Arc::as_ptr(b))
            }
            // What has no size has no place of its own.
            (Kind::Static(a), Kind::Static(b)) => size_of_val(*a) > 0 && core::ptr::addr_eq(*a, *b),
            _ => false,
        }
    }
}

/// The process's own timer.
///
/// ```
/// use tenure::time::{Instant, TimerHandle};
/// assert!(TimerHandle::default().now() <= Instant::now());
/// ```
#[cfg(feature = "std")]
impl Default for TimerHandle {
    fn default() -> Self {
        Self(Kind::System)
    }
}

/// As [`TimerHandle::new`].
impl<T: Timer + 'static> From<T> for TimerHandle {
    fn from(timer: T) -> Self {
        Self::new(timer)
    }
}

impl From<&TimerHandle> for TimerHandle {
    fn from(handle: &TimerHandle) -> Self {
        handle.clone()
    }
}

impl fmt::Debug for TimerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.0 {
            #[cfg(feature = "std")]
            Kind::System => "system",
            Kind::Static(_) => "static",
            Kind::Shared(_) => "shared",
        };
        f.debug_tuple("TimerHandle").field(&kind).finish()
    }
}
