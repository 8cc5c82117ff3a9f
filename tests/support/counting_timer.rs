use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::Waker,
    time::Duration,
};

use tenure::time::{AlarmId, Instant, Timer};

use super::Count;

/// A timer that counts what it is asked, allocates nothing and never rings: for chains that are
/// polled by hand. Clones share the counts and the time.
#[derive(Clone, Debug, Default)]
pub(crate) struct CountingTimer {
    nanos: Arc<AtomicU64>,
    reads: Count,
    set: Count,
    cancelled: Count,
}

impl CountingTimer {
    pub(crate) fn advance(&self, by: Duration) {
        self.nanos.fetch_add(by.as_nanos() as u64, Ordering::SeqCst);
    }

    /// How often it was asked for the time.
    pub(crate) fn reads(&self) -> usize {
        self.reads.get()
    }

    /// How many alarms were set in all.
    pub(crate) fn set(&self) -> usize {
        self.set.get()
    }

    /// How many alarms were set and not cancelled.
    pub(crate) fn outstanding(&self) -> usize {
        self.set.get() - self.cancelled.get()
    }
}

impl Timer for CountingTimer {
    fn now(&self) -> Instant {
        self.reads.add();
        Instant::from_nanos(self.nanos.load(Ordering::SeqCst))
    }

    fn wake_at(&self, _: Instant, _: Waker) -> AlarmId {
        AlarmId::new(self.set.add() as u64)
    }

    fn cancel(&self, _: Instant, _: AlarmId) {
        self.cancelled.add();
    }
}
