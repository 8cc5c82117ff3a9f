use alloc::{collections::BTreeMap, vec::Vec};
use core::{panic::Location, task::Waker, time::Duration};

use super::{
    super::{AlarmId, Instant, Timer, queue::AlarmQueue},
    watchdog::{self, Watchdog},
};
use crate::{
    sync::{Arc, Mutex},
    wake::Panics,
};

/// What the clones of a clock share with all that it watches.
pub(super) struct Shared(pub(super) Mutex<State>);

pub(super) struct State {
    pub(super) now: Instant,
    pub(super) queue: AlarmQueue,
    pub(super) seats: BTreeMap<u64, Seat>,
    seated: u64,
    /// Seats that are being polled or are going to be.
    pub(super) busy: usize,
    pub(super) pauses: usize,
    /// A watched future has gone. Executors tell the end of a task after they dropped its future, so that
    /// may still be on its way to one that waits for it.
    owes_lap: bool,
    pub(super) watchdog: Watchdog,
}

/// What is known of one watched future.
pub(super) struct Seat {
    pub(super) watched_at: &'static Location<'static>,
    /// The address of its waker's data, by which its alarms are known.
    pub(super) bell: usize,
    pub(super) stage: Stage,
    pub(super) woken: bool,
    pub(super) task: Option<Waker>,
    /// At its next poll it is to panic with the watchdog's report.
    pub(super) stuck: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Unpolled,
    Polling,
    Pending,
    /// Its drop, which is to come, may wake others: it holds the clock until then.
    Panicked,
}

impl Seat {
    pub(super) fn new(watched_at: &'static Location<'static>, bell: usize) -> Self {
        let stage = Stage::Unpolled;
        Self { watched_at, bell, stage, woken: false, task: None, stuck: false }
    }

    pub(super) fn is_busy(&self) -> bool {
        self.woken || self.stage != Stage::Pending
    }
}

impl State {
    /// Where one has gone since, has one of the idle polled for nothing before time moves on. By the time an
    /// executor comes to that, what it was at is over.
    fn take_lap(&mut self) -> Option<Waker> {
        if !core::mem::take(&mut self.owes_lap) {
            return None;
        }
        let seat = self.seats.values_mut().find(|seat| !seat.is_busy())?;
        seat.woken = true;
        self.busy += 1;
        seat.task.take()
    }
}

impl Shared {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State {
            now: Instant::START,
            queue: AlarmQueue::new(),
            seats: BTreeMap::new(),
            seated: 0,
            busy: 0,
            pauses: 0,
            owes_lap: false,
            watchdog: Watchdog::new(),
        }))
    }

    /// Gives a seat to what `sit` makes of its number.
    pub(super) fn seat<R>(&self, sit: impl FnOnce(u64) -> (Seat, R)) -> R {
        self.act(|state| {
            state.seated += 1;
            state.busy += 1;
            let (seat, sitting) = sit(state.seated);
            state.seats.insert(state.seated, seat);
            sitting
        })
    }

    /// Takes part in what happens on the clock, as the watchdog sees it.
    pub(super) fn act<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        self.0.with(|state| {
            state.watchdog.happened = true;
            f(state)
        })
    }

    /// Jumps from alarm to alarm until somebody has something to do.
    pub(super) fn settle(&self) {
        let mut panics = Panics::default();
        loop {
            let due = self.0.with(|state| {
                if state.busy > 0 || state.pauses > 0 || state.seats.is_empty() {
                    return None;
                }
                let at = state.queue.next()?;
                state.watchdog.happened = true;
                state.pauses += 1;
                let due = match state.take_lap() {
                    Some(task) => Vec::from([task]),
                    None => {
                        state.now = state.now.max(at);
                        state.queue.take_due(at)
                    }
                };
                Some((Ringing(self), due))
            });
            let Some((ringing, due)) = due else { break };
            panics.wake_all(due);
            drop(ringing);
        }
        panics.resume();
    }

    /// Moves time on to `by` from now, and wakes what falls due on the way.
    pub(super) fn advance(&self, by: Duration) {
        let (end, ringing) = self.act(|state| {
            state.watchdog.by_hand = true;
            state.pauses += 1;
            (state.now + by, Ringing(self))
        });
        let mut panics = Panics::default();
        loop {
            let due = self.act(|state| match state.queue.next() {
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
        panics.run(|| self.settle());
        panics.resume();
    }

    /// Changes a seat and keeps the count of busy ones.
    pub(super) fn change<R>(&self, seat: u64, f: impl FnOnce(&mut Seat) -> R) -> Option<R> {
        self.act(|state| {
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

    pub(super) fn leave(&self, seat: u64) {
        let left = self.act(|state| {
            let left = state.seats.remove(&seat);
            if left.as_ref().is_some_and(Seat::is_busy) {
                state.busy -= 1;
            }
            state.owes_lap = !state.seats.is_empty();
            left
        });
        let mut panics = Panics::default();
        panics.run(|| drop(left));
        panics.run(|| self.settle());
        panics.resume();
    }
}

/// Holds the clock while wakers that were taken out are being run: the first of them may be done with
/// its task, on another thread, before the next one is woken. Whoever drops it settles the clock.
struct Ringing<'a>(&'a Shared);

impl Drop for Ringing<'_> {
    fn drop(&mut self) {
        self.0.act(|state| state.pauses -= 1);
    }
}

/// The clock as the futures see it.
pub(super) struct ClockTimer(pub(super) Arc<Shared>);

impl Timer for ClockTimer {
    fn now(&self) -> Instant {
        self.0.0.with(|state| state.now)
    }

    fn wake_at(&self, at: Instant, waker: Waker) -> AlarmId {
        let set = self.0.act(|state| match at <= state.now {
            true => Err(waker),
            false => Ok(state.queue.insert(at, waker)),
        });
        let alarm = set.unwrap_or_else(|waker| {
            waker.wake();
            AlarmId::new(0)
        });
        // Set by something that isn't watched, it may be all that is left to wait for.
        self.0.settle();
        watchdog::rouse(&self.0);
        alarm
    }

    fn cancel(&self, at: Instant, alarm: AlarmId) {
        let waker = self.0.act(|state| state.queue.remove(at, alarm));
        drop(waker);
    }
}
