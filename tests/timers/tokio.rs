//! Tokio's timer, for chains that run on any executor.
//!
//! The runtime must have its time enabled, and must be running for as long as anybody waits: one of a
//! single thread runs only while somebody is inside its `block_on`.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    task::Waker,
};

use tenure::time::{AlarmId, Instant, Timer};
use tokio::{runtime::Handle, task::AbortHandle, time};

pub(crate) struct TokioTimer {
    runtime: Handle,
    origin: time::Instant,
    set: AtomicU64,
    /// Those that have neither rung nor been cancelled.
    alarms: Arc<Mutex<HashMap<u64, (Waker, AbortHandle)>>>,
}

impl TokioTimer {
    pub(crate) fn new(runtime: Handle) -> Self {
        let (set, alarms) = (AtomicU64::new(0), Arc::default());
        Self { runtime, origin: time::Instant::now(), set, alarms }
    }
}

impl Timer for TokioTimer {
    fn now(&self) -> Instant {
        Instant::START + self.origin.elapsed()
    }

    // Each alarm is a task. A sleep that is polled by whoever sets it would go by that one's budget: where
    // that is used up, Tokio wakes it at once and sets nothing.
    fn wake_at(&self, at: Instant, waker: Waker) -> AlarmId {
        // Relaxed: it only has to be another number.
        let id = self.set.fetch_add(1, Ordering::Relaxed);
        let Some(end) = self.origin.checked_add(at - Instant::START) else {
            return AlarmId::new(id); // beyond what the clock can ever show
        };
        // Made here, because it panics where the runtime has no time: in a task nobody would hear it.
        let within = self.runtime.enter();
        let sleep = time::sleep_until(end);
        drop(within);
        let unrung = Arc::downgrade(&self.alarms);
        // Locked before the task can ring: it would find nothing.
        let mut alarms = self.alarms.lock().unwrap();
        let task = self.runtime.spawn(async move {
            sleep.await;
            let Some(alarms) = unrung.upgrade() else { return };
            let rung = alarms.lock().unwrap().remove(&id);
            if let Some((waker, _)) = rung {
                waker.wake(); // the lock is free, and a panic is this task's
            }
        });
        alarms.insert(id, (waker, task.abort_handle()));
        AlarmId::new(id)
    }

    fn cancel(&self, _: Instant, alarm: AlarmId) {
        let cancelled = self.alarms.lock().unwrap().remove(&alarm.get());
        if let Some((_waker, task)) = cancelled {
            task.abort();
        }
    }
}
