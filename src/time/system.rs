//! The process's own timer: timing wheels, rung by one `futures-timer` [`Delay`].
//!
//! futures-timer's thread would die of a panicking waker and take the timers of the whole process with it,
//! and sleep on after one that blocks: what it gets is our own waker, which sees to both.

use alloc::{sync::Arc, task::Wake};
use core::{
    cell::Cell,
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};
use std::{
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread, thread_local,
};

use futures_timer::Delay;

#[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
pub(super) use std::time::Instant as StdInstant;
/// That of `std` panics there.
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
pub(super) use web_time::Instant as StdInstant;

use super::{
    AlarmId, Instant, Timer,
    wheels::{Bell, Clock, SHARDS, Wheels},
};

/// The bell is set for no longer than this, because `futures-timer` adds to a clock that can
/// overflow. It then rings for nothing and is set again.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

#[derive(Debug)]
pub(crate) struct SystemTimer(Wheels<SinceStart, Delay>);

/// A clock that begins to count with the timer.
#[derive(Debug)]
struct SinceStart(StdInstant);

/// One alarm that was set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Armed {
    pub(super) number: u32,
    pub(super) shard: u8,
}

impl SystemTimer {
    #[inline]
    pub(crate) fn get() -> &'static Self {
        static TIMER: OnceLock<SystemTimer> = OnceLock::new();
        TIMER.get_or_init(|| Self(Wheels::new(SinceStart(StdInstant::now()), Delay::new(LONGEST))))
    }

    #[inline]
    pub(crate) fn now(&self) -> Instant {
        self.0.clock().now()
    }

    pub(crate) fn instant(&self, at: StdInstant) -> Instant {
        self.0.clock().instant(at)
    }

    /// Whether alarms that were set for `at` have rung, or are about to. Until then none has, and that is known
    /// without a look at the clock.
    #[inline]
    pub(super) fn has_reached(&self, at: Instant) -> bool {
        self.0.has_reached(at)
    }

    /// Sets an alarm, unless its time has come: then the waker is handed back.
    #[inline]
    pub(super) fn arm(&self, at: Instant, waker: Waker) -> Result<Armed, Waker> {
        let shard = shard_of_thread();
        let number = self.0.arm(shard, at, waker)?;
        Ok(Armed { number, shard: shard as u8 })
    }

    #[inline]
    pub(super) fn disarm(&self, at: Instant, Armed { number, shard }: Armed) {
        self.0.disarm(shard.into(), at, number);
    }
}

/// Threads take turns at the wheels, and each stays with its own.
#[inline]
fn shard_of_thread() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static SHARD: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    let choose = |shard: &Cell<usize>| {
        if shard.get() == usize::MAX {
            // Relaxed: nothing hangs on the order.
            shard.set(THREADS.fetch_add(1, Ordering::Relaxed) % SHARDS);
        }
        shard.get()
    };
    // A thread that is ending may have none anymore.
    SHARD.try_with(choose).unwrap_or(0)
}

impl SinceStart {
    fn instant(&self, at: StdInstant) -> Instant {
        Instant::START + at.saturating_duration_since(self.0)
    }
}

impl Clock for SinceStart {
    #[inline]
    fn now(&self) -> Instant {
        self.instant(StdInstant::now())
    }
}

impl Bell for Delay {
    fn set(&mut self, after: Duration) -> Poll<()> {
        // In a browser it counts in whole milliseconds, and leaves off the rest: it would ring too early.
        #[cfg(all(target_family = "wasm", target_os = "unknown"))]
        let after = after.saturating_add(Duration::from_nanos(999_999));
        self.reset(after.min(LONGEST));
        Pin::new(self).poll(&mut Context::from_waker(ringer()))
    }
}

fn ringer() -> &'static Waker {
    struct Ringer(&'static SystemTimer);
    impl Wake for Ringer {
        fn wake(self: Arc<Self>) {
            self.0.0.ring();
            // A task's waker may have parked this thread, and so have taken what told futures-timer, whose
            // thread this is, that the bell was moved meanwhile: it would sleep on.
            thread::current().unpark();
        }
    }
    static RINGER: OnceLock<Waker> = OnceLock::new();
    RINGER.get_or_init(|| Waker::from(Arc::new(Ringer(SystemTimer::get()))))
}

impl Timer for SystemTimer {
    fn now(&self) -> Instant {
        SystemTimer::now(self)
    }

    fn wake_at(&self, at: Instant, waker: Waker) -> AlarmId {
        match self.arm(at, waker) {
            Ok(Armed { number, shard }) => AlarmId::new(u64::from(shard) << 32 | u64::from(number)),
            Err(waker) => {
                waker.wake();
                AlarmId::new(u64::MAX)
            }
        }
    }

    fn cancel(&self, at: Instant, alarm: AlarmId) {
        let (shard, number) = ((alarm.get() >> 32) as usize, alarm.get() as u32);
        if shard < SHARDS {
            self.0.disarm(shard, at, number);
        }
    }
}
