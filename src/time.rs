//! Time: [`Instant`], the [`Timer`] that everything asks, and a [`TestClock`] to run it by hand.
//!
//! An owned future that waits asks the timer of its owner. Unless another is given, by
//! [`with_timer`](crate::OwnedFuture::with_timer) or by
//! [`Builder::timer`](crate::scope::Builder::timer), that is the process's own, which needs the
//! `std` feature. A timer is three methods, so a board's alarm or a runtime's wheel is quickly
//! wrapped; see [`Timer`].
//!
//! # The process's own timer
//!
//! It counts in milliseconds: an alarm rings at the end of the one in which it falls, and so never early, and late by
//! a millisecond at most, beside what the machine needs to wake a thread. Any [`Duration`](core::time::Duration) will
//! do; those of more than 584 years never end.
//!
//! Most timeouts never fire, so it is setting an alarm and cancelling it that has to be cheap. Either takes a
//! few steps on a timing wheel that other threads hardly ever touch, allocates nothing, and wakes nobody: the one
//! alarm of `futures-timer` that rings for all is moved only when one is set that comes before all others.
//! What a burst of alarms has allocated is given back when they are gone.
//!
//! Alarms ring on the thread of `futures-timer`, one after the other. A waker that panics there ends nothing; one
//! that blocks holds up the others.
//!
//! What it doesn't count, and doesn't survive:
//!
//! - While the machine sleeps, the clock of `std::time::Instant` stands still on Linux and macOS, and so does
//!   this one.
//! - After a `fork` without `exec`, the child has no thread that rings. Make no timeouts there.
//!
//! # Testing
//!
//! [`TestClock`] is a timer whose time stands still until somebody moves it. What would take hours
//! of back-off runs in microseconds, and always the same way. [`testing`] teaches how to test with it.
//!
//! ```
//! use std::time::Duration;
//! use tenure::{OwnedFuture, time::TestClock};
//!
//! let clock = TestClock::new();
//! let slow = clock.sleep(Duration::from_secs(3600));
//! let asked = slow.with_timeout(Duration::from_secs(60)).with_timer(&clock);
//!
//! let answer = smol::block_on(clock.watch(asked));
//! assert_eq!(answer.unwrap_err().to_string(), "timed out after 60s");
//! assert_eq!(clock.elapsed(), Duration::from_secs(60)); // to the nanosecond
//! ```

mod alarm;
mod instant;
mod queue;
mod sleep;
#[cfg(feature = "std")]
mod system;
#[cfg(feature = "std")]
mod task_id;
mod test_clock;
pub mod testing;
mod timer;
#[cfg(feature = "std")]
mod wheel;
#[cfg(feature = "std")]
mod wheels;

pub(crate) use alarm::Alarm;

pub use instant::Instant;
pub use sleep::Sleep;
pub use test_clock::{Pause, TestClock, Watch};
pub use timer::{AlarmId, Timer, TimerHandle};
