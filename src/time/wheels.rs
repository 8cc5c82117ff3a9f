//! Timing wheels that threads share, and the one bell that wakes whoever turns them.
//!
//! Each thread sets its alarms on a wheel of its own, as far as there are enough, so that they hardly ever
//! meet at a lock. The bell is a promise to ring at one point in time. To set an alarm costs nobody a
//! wake-up unless it is earlier than what is promised; and to cancel one changes nothing: the bell then
//! rings once for nothing. So of many timeouts that don't fire, each of which is later than the one before,
//! one in a long time moves the bell.
//!
//! # Why no alarm is missed
//!
//! What is promised is `promised`: the bell rings by then, or whoever lowered it is about to set it so. An
//! alarm is put on its wheel first, and `promised` looked at then. Whoever turns the wheels takes
//! the promise back first, and then looks at each wheel under its lock. If it finds an alarm, it promises
//! to be back in time. If it came too early to find it, then the alarm was put there after, under the same
//! lock, and whoever did so sees a promise that is no older than the one that was taken back: either it
//! is early enough, or it is lowered.
//!
//! One thread at a time has the bell, to set it. Another that has lowered the promise meanwhile leaves a
//! note, under the lock of the bell, and the first one looks for notes under that lock before it lets go.

#[cfg(all(test, tenure_loom))]
mod models;
#[cfg(all(test, not(any(tenure_loom, tenure_shuttle))))]
mod tests;

use alloc::vec::Vec;
use core::{
    mem,
    task::{Poll, Waker},
    time::Duration,
};

use super::{Instant, wheel::Wheel};
use crate::{
    sync::{AtomicU64, Mutex, atomic::Ordering},
    wake::{caught, resume, survived},
};

/// Nanoseconds between two moments at which alarms ring.
pub(super) const TICK: u64 = 1_000_000;

#[cfg(not(tenure_loom))]
pub(super) const SHARDS: usize = 8;
/// What holds for two holds for more, and in fewer orders.
#[cfg(tenure_loom)]
pub(super) const SHARDS: usize = 2;

/// The tick that never comes.
const NEVER: u64 = u64::MAX;

/// So many alarms are taken out or dealt out at a time, then others may have the lock.
const AT_ONCE: usize = 128;

/// Tells the time.
pub(super) trait Clock {
    /// The present. Never goes back.
    fn now(&self) -> Instant;
}

/// Rings once, at a point in time that can be moved.
pub(super) trait Bell {
    /// Moves the bell: it is to call [`Wheels::ring`] `after` so much time. It may be back at once instead, and
    /// say that this has passed.
    fn set(&mut self, after: Duration) -> Poll<()>;
}

#[derive(Debug)]
pub(super) struct Wheels<C, B> {
    clock: C,
    shards: [Shard; SHARDS],
    /// All alarms up to this instant have rung, or are about to. In nanoseconds.
    reached: AtomicU64,
    /// The bell rings by this tick.
    promised: AtomicU64,
    bell: Mutex<Tower<B>>,
}

/// Alone on its cache lines, of which processors fetch two at a time.
#[derive(Debug)]
#[repr(align(128))]
struct Shard(Mutex<Wheel>);

/// Where the bell is kept.
#[derive(Debug)]
struct Tower<B> {
    /// `None` while a thread is setting it, with no lock held: it may ring at once.
    bell: Option<B>,
    /// The promise has changed while it was being set.
    again: bool,
}

/// The first tick at which `at` has been reached.
const fn tick_of(at: Instant) -> u64 {
    // Not by `div_ceil`, which looks at what is left over.
    at.as_nanos().saturating_add(TICK - 1) / TICK
}

impl<C: Clock, B: Bell> Wheels<C, B> {
    pub(super) fn new(clock: C, bell: B) -> Self {
        Self {
            clock,
            shards: core::array::from_fn(|_| Shard(Mutex::new(Wheel::new()))),
            reached: AtomicU64::new(0),
            promised: AtomicU64::new(NEVER),
            bell: Mutex::new(Tower { bell: Some(bell), again: false }),
        }
    }

    pub(super) const fn clock(&self) -> &C {
        &self.clock
    }

    /// Whether the wheels have been turned past `at`. Until then its alarm has not rung, and it need not be
    /// asked what time it is.
    #[inline]
    pub(super) fn has_reached(&self, at: Instant) -> bool {
        // Relaxed: who is woken by an alarm, or given what it let go of, sees that its time was reached.
        at.as_nanos() <= self.reached.load(Ordering::Relaxed)
    }

    /// Sets an alarm on one of the wheels, unless its time has been reached. It is known by the wheel, by its
    /// time and by the number that is returned.
    #[inline]
    pub(super) fn arm(&self, shard: usize, at: Instant, waker: Waker) -> Result<u32, Waker> {
        let tick = tick_of(at);
        let number = self.shards[shard].0.with(|wheel| wheel.insert(tick, waker))?;
        // Relaxed: see above why this isn't older than what the lock has shown.
        if tick < self.promised.load(Ordering::Relaxed) {
            self.promise(tick);
        }
        Ok(number)
    }

    /// Cancels an alarm, if it has not rung.
    #[inline]
    pub(super) fn disarm(&self, shard: usize, at: Instant, number: u32) {
        let tick = tick_of(at);
        let waker = self.shards[shard].0.with(|wheel| wheel.remove(tick, number));
        drop(waker);
    }

    #[cold]
    fn promise(&self, tick: u64) {
        if self.lower(tick) && self.set_bell() {
            self.ring();
        }
    }

    /// Wakes who is due, and promises to be back for the next.
    pub(super) fn ring(&self) {
        loop {
            let next = self.turn(self.clock.now());
            if !self.lower(next) || !self.set_bell() {
                return;
            }
        }
    }

    /// Turns each wheel up to `now`, and returns the tick by which it is to be turned again.
    fn turn(&self, now: Instant) -> u64 {
        let to = now.as_nanos() / TICK;
        // Relaxed, both: who comes to a wheel after it was turned knows of them by its lock.
        self.promised.store(NEVER, Ordering::Relaxed);
        self.reached.fetch_max(to * TICK, Ordering::Relaxed);
        let mut next = NEVER;
        let mut due = Vec::new();
        for shard in &self.shards {
            loop {
                let stopped = shard.0.with(|wheel| {
                    wheel.advance(to, AT_ONCE, &mut due).then(|| wheel.next().unwrap_or(NEVER))
                });
                for waker in due.drain(..) {
                    survived(|| waker.wake());
                }
                if let Some(first) = stopped {
                    next = next.min(first);
                    break;
                }
            }
        }
        next
    }

    /// Promises to be back by `tick`, and tells whether that is earlier than what was promised.
    fn lower(&self, tick: u64) -> bool {
        // Relaxed: whoever sets the bell learns of it by the lock of the bell.
        tick < self.promised.fetch_min(tick, Ordering::Relaxed)
    }

    /// Makes the bell keep the promise, and tells whether it rings at once. One thread at a time; another
    /// leaves a note and goes.
    fn set_bell(&self) -> bool {
        let Some(mut bell) = self.bell.with(|tower| {
            tower.again = tower.bell.is_none();
            tower.bell.take()
        }) else {
            return false;
        };
        loop {
            // The newest, which is read by what might change it: so loom sees it, too.
            let promised = self.promised.fetch_min(NEVER, Ordering::Relaxed);
            let at = Instant::from_nanos(promised.saturating_mul(TICK));
            let set = caught(|| match promised {
                NEVER => Poll::Pending,
                _ => bell.set(at - self.clock.now()),
            });
            // Back in its place, whatever has become of it: others depend on it.
            let noted = self.bell.with(|tower| {
                if mem::take(&mut tower.again) && set.is_ok() {
                    return Some(bell);
                }
                tower.bell = Some(bell);
                None
            });
            match (noted, set) {
                (Some(taken), _) => bell = taken,
                (None, Ok(set)) => return set.is_ready(),
                (None, Err(panic)) => resume(panic),
            }
        }
    }
}
