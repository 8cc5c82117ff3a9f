//! The alarm of a board: a counter of microseconds, and one register that it is compared with.
//!
//! Nothing here needs `std`, and it can stand in a `static`:
//!
//! ```ignore
//! static ALARM: BoardAlarm = BoardAlarm::new(Registers { count, compare, interrupt });
//! const TIMER: TimerHandle = TimerHandle::from_static(&ALARM);
//!
//! #[interrupt]
//! fn TIMER_0() {
//!     // Acknowledge it to the chip first: one that comes meanwhile must not be lost.
//!     ALARM.on_alarm();
//! }
//! ```

extern crate alloc;

use alloc::collections::BTreeMap;
use core::{cell::RefCell, task::Waker};

use critical_section::{CriticalSection, Mutex};
use tenure::time::{AlarmId, Instant, Timer};

const NANOS_A_TICK: u64 = 1_000;

/// What the chip can do.
pub(crate) struct Registers {
    /// The counter, which never goes back: where it has few bits, extended by the wraps that were counted.
    pub(crate) count: fn() -> u64,
    /// Has the handler run when the counter comes to this value. One that it is past does nothing.
    pub(crate) compare: fn(u64),
    /// Has the handler run now, or as soon as nobody is in a critical section, as `NVIC::pend` does.
    pub(crate) interrupt: fn(),
}

pub(crate) struct BoardAlarm {
    registers: Registers,
    queue: Mutex<RefCell<Queue>>,
}

struct Queue {
    set: u64,
    alarms: BTreeMap<(Instant, u64), Waker>,
}

impl BoardAlarm {
    pub(crate) const fn new(registers: Registers) -> Self {
        let queue = Queue { set: 0, alarms: BTreeMap::new() };
        Self { registers, queue: Mutex::new(RefCell::new(queue)) }
    }

    /// The interrupt's handler.
    pub(crate) fn on_alarm(&self) {
        while let Some(waker) = critical_section::with(|section| self.take_due(section)) {
            waker.wake();
        }
    }

    /// The first, if it is due. If it isn't, the chip was told of it before the counter was looked at,
    /// so none that becomes due in between is missed.
    fn take_due(&self, section: CriticalSection<'_>) -> Option<Waker> {
        let mut queue = self.queue.borrow_ref_mut(section);
        let first = queue.alarms.first_entry()?;
        let at = first.key().0;
        // Rounded up, or it would find the alarm not due and not come again.
        (self.registers.compare)(at.as_nanos().div_ceil(NANOS_A_TICK));
        (self.now() >= at).then(|| first.remove())
    }
}

impl Timer for BoardAlarm {
    fn now(&self) -> Instant {
        Instant::from_nanos((self.registers.count)().saturating_mul(NANOS_A_TICK))
    }

    fn wake_at(&self, at: Instant, waker: Waker) -> AlarmId {
        let (id, is_first) = critical_section::with(|section| {
            let mut queue = self.queue.borrow_ref_mut(section);
            queue.set += 1;
            let alarm = (at, queue.set);
            queue.alarms.insert(alarm, waker);
            (alarm.1, queue.alarms.first_key_value().is_some_and(|(first, _)| *first == alarm))
        });
        if is_first {
            (self.registers.interrupt)();
        }
        AlarmId::new(id)
    }

    fn cancel(&self, at: Instant, alarm: AlarmId) {
        let cancelled = critical_section::with(|section| {
            self.queue.borrow_ref_mut(section).alarms.remove(&(at, alarm.get()))
        });
        drop(cancelled); // outside of the critical section
    }
}
