use alloc::vec::Vec;
use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use super::{Timekeeper, is_needless, place};
use crate::{
    abort::{AbortReason, Aborted, Name, Position},
    owner::{Deadline, End, Lent, Link},
    slab::Slab,
    sync::{Arc, Mutex},
    time::{Instant, Sleep},
    wake::Panics,
};

/// Changes a timeout while it runs; given to
/// [`OwnedFuture::with_timeout_handle`](crate::OwnedFuture::with_timeout_handle).
///
/// What it changes is changed for all that runs under it, and for what begins later, as the next attempt of
/// a retry. Clones are the same handle; dropping the last one changes nothing.
///
/// ```
/// use std::time::Duration;
/// use tenure::{OwnedFuture, time::TestClock, timeout::TimeoutHandle};
///
/// const SECOND: Duration = Duration::from_secs(1);
///
/// let clock = TestClock::new();
/// let timeout = TimeoutHandle::new(2 * SECOND);
/// let upload = async {
///     clock.sleep(SECOND).await;
///     timeout.reset(2 * SECOND); // it has begun to move
///     clock.sleep(SECOND).await;
///     timeout.extend(3 * SECOND); // a large one
///     clock.sleep(3 * SECOND).await;
///     timeout.clear(); // it must not be cut off any more
///     clock.sleep(60 * SECOND).await;
/// };
/// let upload = upload.with_timeout_handle(&timeout).with_timer(&clock);
/// assert!(smol::block_on(clock.watch(upload)).is_ok());
/// assert_eq!(clock.elapsed(), 65 * SECOND);
/// ```
#[derive(Clone)]
pub struct TimeoutHandle {
    state: Arc<Mutex<State>>,
}

struct State {
    /// What a run is given that begins now. No end, where it was cleared.
    given: Option<Duration>,
    runs: Slab<Seat>,
}

/// What a run is to be told.
#[derive(Default)]
struct Seat {
    change: Option<Change>,
    task: Option<Waker>,
    /// It is being polled, and looks here when that is done: nobody has to wake it.
    polled: bool,
}

#[derive(Clone, Copy)]
enum Change {
    Extend(Duration),
    Reset(Duration),
    Clear,
}

/// What is kept while an operation runs under a [`TimeoutHandle`].
pub struct HandleRun {
    seat: Option<Seated>,
    after: Duration,
    deadline: Deadline,
    /// Set for the deadline, or for an earlier one that was moved.
    sleep: Option<Sleep>,
}

/// A place among the runs that the handle tells.
struct Seated {
    state: Arc<Mutex<State>>,
    key: usize,
}

impl TimeoutHandle {
    /// A timeout of `after` so much time, which counts as that of
    /// [`with_timeout`](crate::OwnedFuture::with_timeout) does.
    ///
    /// ```
    /// use std::{future::pending, time::Duration};
    /// use tenure::{OwnedFuture, timeout::TimeoutHandle};
    ///
    /// let timeout = TimeoutHandle::new(Duration::from_millis(1));
    /// let stuck = pending::<()>().with_timeout_handle(&timeout);
    /// assert_eq!(smol::block_on(stuck).unwrap_err().to_string(), "timed out after 1ms");
    /// ```
    #[must_use]
    pub fn new(after: Duration) -> Self {
        let state = State { given: Some(after), runs: Slab::default() };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Lets it never time out.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tenure::{OwnedFuture, time::TestClock, timeout::TimeoutHandle};
    ///
    /// let (clock, timeout) = (TestClock::new(), TimeoutHandle::new(Duration::from_secs(1)));
    /// timeout.clear();
    /// let slow = clock.sleep(Duration::from_secs(60)).with_timeout_handle(&timeout);
    /// assert!(smol::block_on(clock.watch(slow.with_timer(&clock))).is_ok());
    /// ```
    pub fn clear(&self) {
        self.change(Change::Clear);
    }

    /// Gives it so much more time. One that was cleared stays so.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tenure::{OwnedFuture, time::TestClock, timeout::TimeoutHandle};
    ///
    /// let (clock, timeout) = (TestClock::new(), TimeoutHandle::new(Duration::from_secs(1)));
    /// timeout.extend(Duration::from_secs(1));
    /// let stuck = std::future::pending::<()>().with_timeout_handle(&timeout);
    /// let aborted = smol::block_on(clock.watch(stuck.with_timer(&clock))).unwrap_err();
    /// assert_eq!(aborted.to_string(), "timed out after 2s");
    /// ```
    pub fn extend(&self, by: Duration) {
        self.change(Change::Extend(by));
    }

    /// Lets it time out `after` so much time from now, however much it was given before; also if it was cleared.
    ///
    /// "Now" is when the future is next polled, for which it is woken.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tenure::{OwnedFuture, time::TestClock, timeout::TimeoutHandle};
    ///
    /// const SECOND: Duration = Duration::from_secs(1);
    ///
    /// let (clock, watchdog) = (TestClock::new(), TimeoutHandle::new(2 * SECOND));
    /// let beating = async {
    ///     for _ in 0..5 {
    ///         clock.sleep(SECOND).await;
    ///         watchdog.reset(2 * SECOND);
    ///     }
    ///     std::future::pending::<()>().await
    /// };
    /// let stopped = beating.with_timeout_handle(&watchdog).with_timer(&clock);
    /// assert!(smol::block_on(clock.watch(stopped)).unwrap_err().is_timeout());
    /// assert_eq!(clock.elapsed(), 7 * SECOND);
    /// ```
    pub fn reset(&self, after: Duration) {
        self.change(Change::Reset(after));
    }

    fn change(&self, change: Change) {
        let woken: Vec<_> = self.state.with(|state| {
            state.given = change.of(state.given);
            let told = state.runs.values_mut().filter_map(|seat| {
                seat.change = Some(change.following(seat.change));
                if seat.polled { None } else { seat.task.take() }
            });
            told.collect()
        });
        let mut panics = Panics::default();
        panics.wake_all(woken);
        panics.resume();
    }
}

impl Change {
    /// What becomes of what was given.
    fn of(self, given: Option<Duration>) -> Option<Duration> {
        match self {
            Self::Extend(by) => given.map(|given| given.saturating_add(by)),
            Self::Reset(after) => Some(after),
            Self::Clear => None,
        }
    }

    /// Both in one.
    fn following(self, before: Option<Self>) -> Self {
        match (before, self) {
            (Some(Self::Extend(before)), Self::Extend(by)) => {
                Self::Extend(before.saturating_add(by))
            }
            (Some(Self::Reset(before)), Self::Extend(by)) => Self::Reset(before.saturating_add(by)),
            (Some(Self::Clear), Self::Extend(_)) => Self::Clear,
            (_, last) => last,
        }
    }
}

impl Default for HandleRun {
    fn default() -> Self {
        Self { seat: None, after: Duration::MAX, deadline: Deadline::open(), sleep: None }
    }
}

impl HandleRun {
    fn begin(&mut self, handle: &TimeoutHandle) {
        let (given, key) =
            handle.state.with(|state| (state.given, state.runs.insert(Seat::default())));
        self.after = given.unwrap_or(Duration::MAX);
        self.seat = Some(Seated { state: handle.state.clone(), key });
    }

    fn apply(&mut self, change: Change, lent: &Lent<'_>) {
        self.after = change.of(Some(self.after)).unwrap_or(Duration::MAX);
        match (change, self.deadline.fixed()) {
            (Change::Extend(by), Some(at)) => self.deadline.move_to(at + by),
            (Change::Reset(_), Some(_)) => {
                // It counts anew, from now and by what it is given now.
                self.deadline = Deadline::open();
                self.deadline.fix(self.end(), || lent.timer().map_or(Instant::NEVER, |t| t.now()));
            }
            (Change::Clear, Some(_)) => self.deadline.move_to(Instant::NEVER),
            // It has not begun to count.
            (_, None) => {}
        }
    }

    const fn end(&self) -> End {
        End::after(self.after)
    }
}

impl Seated {
    /// What has changed; if nothing has, it is from now on told to `task`.
    fn listen(&self, task: &Waker) -> Option<Change> {
        let (change, knows) = self.with(|seat| {
            let knows = seat.task.as_ref().is_some_and(|old| old.will_wake(task));
            seat.polled = seat.change.is_some() || !knows;
            (seat.change.take(), knows)
        })?;
        if change.is_some() || knows {
            return change;
        }
        let task = task.clone();
        let replaced = self.with(|seat| {
            seat.polled = false;
            seat.task.replace(task)
        });
        // What has changed meanwhile stays where it is until this is done.
        drop(replaced);
        self.with(|seat| seat.change.take())?
    }

    /// What has changed; what does from now on is found by [`listen`](Self::listen).
    fn begin_poll(&self) -> Option<Change> {
        self.with(|seat| {
            seat.polled = true;
            seat.change.take()
        })?
    }

    fn with<R>(&self, f: impl FnOnce(&mut Seat) -> R) -> Option<R> {
        self.state.with(|state| state.runs.get_mut(self.key).map(f))
    }
}

impl Drop for Seated {
    fn drop(&mut self) {
        let seat = self.state.with(|state| state.runs.remove(self.key));
        drop(seat);
    }
}

impl Timekeeper for TimeoutHandle {
    type Run = HandleRun;

    fn poll_within<R>(
        &self,
        run: &mut HandleRun,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
        poll: impl FnOnce(&mut Context<'_>, &Lent<'_>) -> R,
    ) -> R {
        match &run.seat {
            None => run.begin(self),
            Some(seat) => {
                if let Some(change) = seat.begin_poll() {
                    run.apply(change, lent);
                    run.sleep = None;
                }
            }
        }
        poll(cx, &lent.with(Link::Deadline(&run.deadline, run.end())))
    }

    fn poll_end(
        &mut self,
        run: &mut HandleRun,
        _: Option<&Name>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
    ) -> Poll<AbortReason> {
        let Some(timer) = lent.timer() else {
            return Poll::Ready(AbortReason::NoTimer);
        };
        // Some below have gone by it, and set no alarm of their own.
        let relied_on = run.deadline.fixed();
        while let Some(change) = run.seat.as_ref().and_then(|seat| seat.listen(cx.waker())) {
            run.apply(change, lent);
        }
        let at = run.deadline.fix(run.end(), || timer.now());
        let needless = is_needless(at, lent.deadline_in_chain(None));
        let mut due = relied_on.map_or(at, |relied_on| relied_on.min(at));
        if needless && due == at {
            run.sleep = None;
            return Poll::Pending;
        }
        let mut was_moved = false;
        loop {
            run.sleep.take_if(|sleep| sleep.deadline() > due);
            let sleep = run.sleep.get_or_insert_with(|| timer.sleep_until(due));
            if Pin::new(&mut *sleep).poll(cx).is_pending() {
                if was_moved {
                    cx.waker().wake_by_ref();
                }
                return Poll::Pending;
            }
            if sleep.deadline() >= at {
                return Poll::Ready(AbortReason::TimedOut { after: run.after });
            }
            // For those below, who look at where it is now.
            (run.sleep, due, was_moved) = (None, at, true);
            if needless {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
    }

    fn place(&self, run: &HandleRun, aborted: Aborted, lent: &Lent<'_>) -> Aborted {
        place(aborted, &run.deadline, Position::Below, lent)
    }
}

impl fmt::Debug for TimeoutHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (given, running) = self.state.with(|state| (state.given, state.runs.len()));
        f.debug_struct("TimeoutHandle").field("given", &given).field("running", &running).finish()
    }
}

impl fmt::Debug for HandleRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandleRun")
            .field("after", &self.after)
            .field("deadline", &self.deadline.fixed())
            .finish_non_exhaustive()
    }
}
