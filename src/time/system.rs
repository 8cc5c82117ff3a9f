//! The process's own timer: one queue of alarms, rung by one `futures-timer` [`Delay`].
//!
//! The delay is a bell that promises to ring at one point in time. Setting an alarm touches it only
//! when the new one is earlier than what is promised, and cancelling never does, so most alarms
//! wake no thread. futures-timer's thread would die of a panicking waker and take the timers of the
//! whole process with it: what it gets is our own waker, which catches them.

use alloc::{sync::Arc, task::Wake};
use core::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};
use std::{sync::OnceLock, time::Instant as StdInstant};

use futures_timer::Delay;

use super::{AlarmId, Instant, Timer, queue::AlarmQueue};
use crate::{sync::Mutex, wake::survived};

/// The bell is set for no longer than this, because `futures-timer` adds to a clock that can
/// overflow. It then rings for nothing and is set again.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

#[derive(Debug)]
pub(crate) struct SystemTimer {
    origin: StdInstant,
    schedule: Mutex<Schedule>,
    bell: Mutex<Bell>,
}

#[derive(Debug)]
struct Schedule {
    queue: AlarmQueue,
    /// When the bell is going to ring at the latest.
    promised: Instant,
}

#[derive(Debug)]
struct Bell {
    /// `None` while a thread is setting it, with no lock held: polling a delay may ring it at once.
    delay: Option<Delay>,
    /// The promise has changed while it was being set.
    again: bool,
}

impl SystemTimer {
    pub(crate) fn get() -> &'static Self {
        static TIMER: OnceLock<SystemTimer> = OnceLock::new();
        TIMER.get_or_init(|| Self {
            origin: StdInstant::now(),
            schedule: Mutex::new(Schedule { queue: AlarmQueue::new(), promised: Instant::NEVER }),
            bell: Mutex::new(Bell { delay: Some(Delay::new(LONGEST)), again: false }),
        })
    }

    pub(crate) fn now(&self) -> Instant {
        self.instant(StdInstant::now())
    }

    pub(crate) fn instant(&self, at: StdInstant) -> Instant {
        Instant::START + at.saturating_duration_since(self.origin)
    }

    /// Wakes what is due and promises the next.
    fn ring(&self) {
        loop {
            let now = self.now();
            let due = self.schedule.with(|schedule| {
                let due = schedule.queue.take_due(now);
                schedule.promised = schedule.queue.next().unwrap_or(Instant::NEVER);
                due
            });
            for waker in due {
                survived(|| waker.wake());
            }
            if !self.set_bell() {
                return;
            }
        }
    }

    /// Makes the bell keep the promise, and tells whether it rings at once. One thread at a time;
    /// another leaves a note and goes.
    fn set_bell(&self) -> bool {
        let Some(mut delay) = self.bell.with(|bell| {
            bell.again = bell.delay.is_none();
            bell.delay.take()
        }) else {
            return false;
        };
        loop {
            let promised = self.schedule.with(|schedule| schedule.promised);
            let rings = if promised == Instant::NEVER {
                false
            } else {
                delay.reset((promised - self.now()).min(LONGEST));
                let ringer = ringer();
                Pin::new(&mut delay).poll(&mut Context::from_waker(ringer)) == Poll::Ready(())
            };
            let unsettled = self.bell.with(|bell| {
                if core::mem::take(&mut bell.again) {
                    return Some(delay);
                }
                bell.delay = Some(delay);
                None
            });
            match unsettled {
                Some(taken) => delay = taken,
                None => return rings,
            }
        }
    }
}

fn ringer() -> &'static Waker {
    struct Ringer;
    impl Wake for Ringer {
        fn wake(self: Arc<Self>) {
            SystemTimer::get().ring();
        }
    }
    static RINGER: OnceLock<Waker> = OnceLock::new();
    RINGER.get_or_init(|| Waker::from(Arc::new(Ringer)))
}

impl Timer for SystemTimer {
    fn now(&self) -> Instant {
        SystemTimer::now(self)
    }

    fn wake_at(&self, at: Instant, waker: Waker) -> AlarmId {
        let (alarm, earlier) = self.schedule.with(|schedule| {
            let earlier = at < schedule.promised;
            if earlier {
                schedule.promised = at;
            }
            (schedule.queue.insert(at, waker), earlier)
        });
        if earlier && self.set_bell() {
            self.ring();
        }
        alarm
    }

    fn cancel(&self, at: Instant, alarm: AlarmId) {
        let waker = self.schedule.with(|schedule| schedule.queue.remove(at, alarm));
        drop(waker);
    }
}
