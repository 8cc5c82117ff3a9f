//! Who owns a running operation: [`Owner`], and [`Lent`], the view of it that is lent at each poll.
//!
//! A closure that takes an [`Owner`] is told about its owner:
//!
//! ```
//! use std::time::Duration;
//! use tenure::{Backoff, Owner, OwnedFuture, time::TestClock};
//!
//! let clock = TestClock::new();
//! let flaky = |owner: Owner| async move {
//!     match owner.attempt() {
//!         1 => Err("not yet"),
//!         _ => Ok(owner.remaining()),
//!     }
//! };
//! let left = flaky
//!     .retry(Backoff::fixed(Duration::from_secs(1)))
//!     .with_timeout(Duration::from_secs(5))
//!     .with_timer(&clock);
//!
//! let left = smol::block_on(clock.watch(left)).unwrap().unwrap();
//! assert_eq!(left, Some(Duration::from_secs(4)));
//! ```

pub(crate) mod core;
mod lent;

use ::core::{fmt, time::Duration};

pub use lent::Lent;
pub(crate) use lent::{Deadline, Link};

use crate::{
    abort::{AbortHandle, Aborted, Name, WaitAborted},
    time::{Instant, TimerHandle},
};

/// The owner of a running operation, as a closure `FnMut(Owner) -> Fut` is given it.
///
/// Write the type in the closure, `|owner: Owner|`: it can't be inferred. The owner can be kept,
/// cloned and sent elsewhere; its [`abort_handle`](Owner::abort_handle) aborts, at the latest, when
/// the run that it was given to ends.
///
/// Asking for an owner fixes the deadlines above it: a timeout counts from then.
#[derive(Clone)]
pub struct Owner {
    abort: AbortHandle,
    deadline: Option<Instant>,
    timer: Option<TimerHandle>,
    attempt: u32,
    name: Option<Name>,
}

impl Owner {
    /// The handle that aborts when the run ends, or anything above it is aborted.
    ///
    /// Aborting it by hand tells those who listen to it; it doesn't end the run.
    #[must_use]
    pub fn abort_handle(&self) -> &AbortHandle {
        &self.abort
    }

    /// Whether the owner was aborted, or the run has ended. One atomic load.
    #[must_use]
    pub fn is_aborted(&self) -> bool {
        self.abort.is_aborted()
    }

    /// `Ok` while the owner is live, for loops that don't await.
    ///
    /// # Errors
    ///
    /// [`Aborted`], with the reason that won.
    pub fn check(&self) -> Result<(), Aborted> {
        self.abort.check()
    }

    /// A future that is ready once the owner is aborted.
    pub fn aborted(&self) -> WaitAborted {
        self.abort.aborted()
    }

    /// The earliest deadline of all owners above, on their timer.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// How much time is left until the deadline; `None` where there is none.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        let timer = self.timer.as_ref()?;
        Some(self.deadline? - timer.now())
    }

    /// Which attempt of the nearest [`retry`](crate::OwnedFuture::retry) this is, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The name of the nearest owner that has one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Owner")
            .field("name", &self.name())
            .field("attempt", &self.attempt)
            .field("deadline", &self.deadline)
            .field("abort", &self.abort)
            .finish()
    }
}
