//! The timer of async-io, which is smol's, for chains that run on any executor.
//!
//! It runs on async-io's own thread, so nothing needs to be running.

use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Wake, Waker},
    time::Instant as StdInstant,
};

use tenure::time::{AlarmId, Instant, Timer};

pub(crate) struct AsyncIoTimer {
    origin: StdInstant,
    set: AtomicU64,
    alarms: Arc<Alarms>,
}

/// Those that have neither rung nor been cancelled.
type Alarms = Mutex<HashMap<u64, (Waker, smol::Timer)>>;

/// What async-io wakes. It holds no waker of anybody's: async-io may drop it under a lock of its own.
struct Bell {
    id: u64,
    alarms: Weak<Alarms>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let Some(alarms) = self.alarms.upgrade() else { return };
        let rung = alarms.lock().unwrap().remove(&self.id);
        if let Some((waker, _)) = rung {
            waker.wake(); // the lock is free, and async-io survives a panic
        }
    }
}

impl AsyncIoTimer {
    pub(crate) fn new() -> Self {
        Self { origin: StdInstant::now(), set: AtomicU64::new(0), alarms: Arc::default() }
    }
}

impl Timer for AsyncIoTimer {
    fn now(&self) -> Instant {
        Instant::START + self.origin.elapsed()
    }

    fn wake_at(&self, at: Instant, waker: Waker) -> AlarmId {
        // Relaxed: it only has to be another number.
        let id = self.set.fetch_add(1, Ordering::Relaxed);
        let Some(end) = self.origin.checked_add(at - Instant::START) else {
            return AlarmId::new(id); // beyond what the clock can ever show
        };
        let bell = Waker::from(Arc::new(Bell { id, alarms: Arc::downgrade(&self.alarms) }));
        // Locked before it can ring: it would find nothing.
        let mut alarms = self.alarms.lock().unwrap();
        let (_, timer) = alarms.entry(id).or_insert((waker, smol::Timer::at(end)));
        let passed = Pin::new(timer).poll(&mut Context::from_waker(&bell)).is_ready();
        drop(alarms);
        if passed {
            bell.wake();
        }
        AlarmId::new(id)
    }

    fn cancel(&self, _: Instant, alarm: AlarmId) {
        let cancelled = self.alarms.lock().unwrap().remove(&alarm.get());
        drop(cancelled); // the lock is free
    }
}
