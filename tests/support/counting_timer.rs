use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard},
    task::Waker,
    time::Duration,
};

use tenure::time::{AlarmId, Instant, Timer};

/// A timer that counts what it is asked. Its time moves by hand alone, and for a few alarms it
/// allocates nothing. Clones share the counts and the time.
#[derive(Clone, Debug)]
pub(crate) struct CountingTimer(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    nanos: u64,
    reads: usize,
    set: usize,
    cancelled: usize,
    /// The earliest first, then the first set.
    live: Vec<((Instant, u64), Waker)>,
}

impl Default for CountingTimer {
    fn default() -> Self {
        let live = Vec::with_capacity(8);
        Self(Arc::new(Mutex::new(State { nanos: 0, reads: 0, set: 0, cancelled: 0, live })))
    }
}

impl CountingTimer {
    /// Rings what is due then.
    pub(crate) fn advance(&self, by: Duration) {
        let due = {
            let mut state = self.state();
            state.nanos += u64::try_from(by.as_nanos()).unwrap();
            let now = Instant::from_nanos(state.nanos);
            let due = state.live.partition_point(|((at, _), _)| *at <= now);
            let later = state.live.split_off(due);
            mem::replace(&mut state.live, later)
        };
        due.into_iter().for_each(|(_, waker)| waker.wake());
    }

    /// How often it was asked for the time.
    pub(crate) fn reads(&self) -> usize {
        self.state().reads
    }

    /// How many alarms were set in all.
    pub(crate) fn set(&self) -> usize {
        self.state().set
    }

    /// How many alarms were set and not cancelled, though they may have rung.
    pub(crate) fn outstanding(&self) -> usize {
        let state = self.state();
        state.set - state.cancelled
    }

    /// How many alarms are still to ring.
    pub(crate) fn live(&self) -> usize {
        self.state().live.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl Timer for CountingTimer {
    fn now(&self) -> Instant {
        let mut state = self.state();
        state.reads += 1;
        Instant::from_nanos(state.nanos)
    }

    fn wake_at(&self, at: Instant, waker: Waker) -> AlarmId {
        let mut state = self.state();
        state.set += 1;
        let alarm = (at, state.set as u64);
        let place = state.live.partition_point(|(other, _)| *other < alarm);
        state.live.insert(place, (alarm, waker));
        AlarmId::new(alarm.1)
    }

    fn cancel(&self, at: Instant, alarm: AlarmId) {
        let mut state = self.state();
        state.cancelled += 1;
        let place = state.live.binary_search_by_key(&(at, alarm.get()), |(alarm, _)| *alarm);
        let cancelled = place.map(|place| state.live.remove(place));
        drop(state);
        drop(cancelled);
    }
}
