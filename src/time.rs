//! Time: [`Instant`], the [`Timer`] that everything asks, and a [`TestClock`] to run it by hand.
//!
//! An owned future that waits asks the timer of its owner. Unless another is given, by
//! [`with_timer`](crate::OwnedFuture::with_timer) or by
//! [`Builder::timer`](crate::scope::Builder::timer), that is the process's own, which needs the
//! `std` feature. A timer is three methods, so a board's alarm or a runtime's wheel is quickly
//! wrapped; see [`Timer`].
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
