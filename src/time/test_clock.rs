mod watch;

use alloc::{collections::BTreeMap, vec::Vec};
use core::{fmt, future::Future, task::Waker, time::Duration};

pub use watch::Watch;

use super::{AlarmId, Instant, Sleep, Timer, TimerHandle, queue::AlarmQueue};
use crate::{
    sync::{Arc, Mutex},
    wake::Panics,
};

/// A virtual clock, for tests that are exact and don't wait.
///
/// Its time stands still until [`advance`](TestClock::advance) moves it, or until every future
/// that it [`watch`](TestClock::watch)es has nothing left to do but wait: then it jumps to the
/// next alarm. Clones share one time. It works on every executor and on several threads at once.
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
/// Where nothing is watched, time stands still until somebody calls [`advance`](TestClock::advance): a
/// test that hangs has most likely forgotten to watch.
/// Several tasks are watched one by one. The order in which alarms wake is always the same: by
/// time, then in the order in which they were set. What threads then make of it isn't.
#[derive(Clone)]
pub struct TestClock {
    shared: Arc<Shared>,
    handle: TimerHandle,
}

struct Shared(Mutex<State>);

struct State {
    now: Instant,
    queue: AlarmQueue,
    seats: BTreeMap<u64, Seat>,
    seated: u64,
    /// Seats that are being polled or are going to be.
    busy: usize,
    pauses: usize,
}

/// What is known of one watched future.
struct Seat {
    polling: bool,
    woken: bool,
    task: Option<Waker>,
}

impl Seat {
    fn is_busy(&self) -> bool {
        self.polling || self.woken
    }
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
        let shared = Arc::new(Shared(Mutex::new(State {
            now: Instant::START,
            queue: AlarmQueue::new(),
            seats: BTreeMap::new(),
            seated: 0,
            busy: 0,
            pauses: 0,
        })));
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

    /// Moves time on by `by`, and wakes on the way what falls due, the earliest first.
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
        let end = self.now() + by;
        let ringing = self.shared.ring();
        let mut panics = Panics::default();
        loop {
            let due = self.shared.0.with(|state| match state.queue.next() {
                Some(at) if at <= end => {
                    state.now = state.now.max(at);
                    state.queue.take_due(at)
                }
                _ => {
                    state.now = state.now.max(end);
                    Vec::new()
                }
            });
            if due.is_empty() {
                break;
            }
            panics.wake_all(due);
        }
        drop(ringing);
        panics.run(|| self.shared.settle());
        panics.resume();
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
    pub fn watch<F: Future>(&self, future: F) -> Watch<F> {
        let seat = self.shared.0.with(|state| {
            state.seated += 1;
            state.busy += 1;
            state.seats.insert(state.seated, Seat { polling: false, woken: true, task: None });
            state.seated
        });
        Watch::new(self.shared.clone(), seat, future)
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
        self.shared.0.with(|state| state.pauses += 1);
        Pause(self.shared.clone())
    }
}

impl Shared {
    /// Jumps from alarm to alarm until somebody has something to do.
    fn settle(&self) {
        let mut panics = Panics::default();
        loop {
            let due = self.0.with(|state| {
                if state.busy > 0 || state.pauses > 0 || state.seats.is_empty() {
                    return None;
                }
                let at = state.queue.next()?;
                state.now = state.now.max(at);
                state.pauses += 1;
                Some((Ringing(self), state.queue.take_due(at)))
            });
            let Some((ringing, due)) = due else { break };
            panics.wake_all(due);
            drop(ringing);
        }
        panics.resume();
    }

    fn ring(&self) -> Ringing<'_> {
        self.0.with(|state| state.pauses += 1);
        Ringing(self)
    }

    /// Changes a seat and keeps the count of busy ones.
    fn change<R>(&self, seat: u64, f: impl FnOnce(&mut Seat) -> R) -> Option<R> {
        self.0.with(|state| {
            let seat = state.seats.get_mut(&seat)?;
            let before = seat.is_busy();
            let result = f(seat);
            match (before, seat.is_busy()) {
                (false, true) => state.busy += 1,
                (true, false) => state.busy -= 1,
                _ => {}
            }
            Some(result)
        })
    }

    fn leave(&self, seat: u64) {
        let left = self.0.with(|state| {
            let left = state.seats.remove(&seat);
            if left.as_ref().is_some_and(Seat::is_busy) {
                state.busy -= 1;
            }
            left
        });
        drop(left);
        self.settle();
    }
}

/// Holds the clock while wakers that were taken out are being run: the first of them may be done with
/// its task, on another thread, before the next one is woken. Whoever drops it settles the clock.
struct Ringing<'a>(&'a Shared);

impl Drop for Ringing<'_> {
    fn drop(&mut self) {
        self.0.0.with(|state| state.pauses -= 1);
    }
}

impl fmt::Debug for TestClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (elapsed, watched, busy) =
            self.shared.0.with(|state| (state.now - Instant::START, state.seats.len(), state.busy));
        f.debug_struct("TestClock")
            .field("elapsed", &elapsed)
            .field("watched", &watched)
            .field("busy", &busy)
            .finish()
    }
}

impl From<&TestClock> for TimerHandle {
    fn from(clock: &TestClock) -> Self {
        clock.handle.clone()
    }
}

struct ClockTimer(Arc<Shared>);

impl Timer for ClockTimer {
    fn now(&self) -> Instant {
        self.0.0.with(|state| state.now)
    }

    fn wake_at(&self, at: Instant, waker: Waker) -> AlarmId {
        let set = self.0.0.with(|state| match at <= state.now {
            true => Err(waker),
            false => Ok(state.queue.insert(at, waker)),
        });
        let alarm = set.unwrap_or_else(|waker| {
            waker.wake();
            AlarmId::new(0)
        });
        // Set by something that isn't watched, it may be all that is left to wait for.
        self.0.settle();
        alarm
    }

    fn cancel(&self, at: Instant, alarm: AlarmId) {
        let waker = self.0.0.with(|state| state.queue.remove(at, alarm));
        drop(waker);
    }
}

/// Guard that holds a [`TestClock`]; made by [`TestClock::pause`].
///
/// # Drop
///
/// Lets the clock go: it jumps at once where all that it watches is idle.
#[must_use = "the clock is held for as long as the guard lives"]
pub struct Pause(Arc<Shared>);

impl Drop for Pause {
    fn drop(&mut self) {
        self.0.0.with(|state| state.pauses -= 1);
        self.0.settle();
    }
}

impl fmt::Debug for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pause").finish_non_exhaustive()
    }
}
