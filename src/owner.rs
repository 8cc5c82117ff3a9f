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

mod ambient;
#[cfg(feature = "std")]
mod checkpoint;
pub(crate) mod core;
mod deadline;
mod holding;
mod leaf;
mod lent;
mod reprieve;
mod sleep;
mod value;

use ::core::{fmt, time::Duration};

#[cfg(feature = "std")]
pub use checkpoint::{Checkpoint, checkpoint};
pub(crate) use deadline::{Deadline, End};
pub(crate) use holding::Holding;
pub use leaf::LeafState;
pub use lent::Lent;
pub(crate) use lent::{Link, Permitted, Standing};
pub(crate) use reprieve::Reprieve;
pub use sleep::OwnerSleep;
pub use value::Key;
pub(crate) use value::{Value, Values};

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
///
/// ```
/// use tenure::{Owner, OwnedFuture};
///
/// let polite = |owner: Owner| async move {
///     for page in 0.. {
///         if owner.is_aborted() || page == 3 {
///             return page; // stop at a good place
///         }
///     }
///     unreachable!()
/// };
/// assert_eq!(smol::block_on(polite.named("pages")).unwrap(), 3);
/// ```
#[derive(Clone)]
pub struct Owner {
    abort: AbortHandle,
    deadline: Option<Instant>,
    /// The name of what the deadline is set for.
    deadline_of: Option<Name>,
    timer: Option<TimerHandle>,
    attempt: u32,
    name: Option<Name>,
    values: Values,
}

impl Owner {
    /// The owner of the future that calls this, from anywhere in plain code; each time the same one, until that
    /// has ended.
    ///
    /// It is what a closure that takes its owner would be given: its handle is aborted, at the latest, when the
    /// innermost future that is a member of a scope, a child of a nursery or the beginning of a chain has ended.
    /// `None` where nobody owns what runs, and in deferred clean-up that is sync; what is async is a future of its own,
    /// whose owner no abort reaches.
    ///
    /// The owner is that of the future which this thread polls. So it is right on any executor, and wherever
    /// tasks go; but a future that is polled *within* the poll of another one, by an executor that is run in
    /// there, or in a call of `block_on`, belongs to the owner of that other one.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tenure::{Owner, OwnedFuture, time::TestClock};
    ///
    /// async fn deep_down() -> Option<Duration> {
    ///     Owner::current()?.remaining()
    /// }
    ///
    /// let clock = TestClock::new();
    /// let asked = async { deep_down().await }.with_timeout(Duration::from_secs(5)).with_timer(&clock);
    /// assert_eq!(smol::block_on(asked).unwrap(), Some(Duration::from_secs(5)));
    /// assert!(Owner::current().is_none());
    /// ```
    #[cfg(feature = "std")]
    #[must_use]
    pub fn current() -> Option<Self> {
        Lent::current(|lent| lent.owner_of_leaf())
    }

    /// The value that was given for `key`, if any: the nearest, as it was when the owner was given.
    ///
    /// ```
    /// use tenure::{Owner, OwnedFuture, owner::Key};
    ///
    /// static REQUEST: Key<u32> = Key::new("request");
    ///
    /// let asks = |owner: Owner| async move { owner.value(&REQUEST).copied() };
    /// assert_eq!(smol::block_on(asks.with_value(&REQUEST, 7)).unwrap(), Some(7));
    /// ```
    #[must_use]
    pub fn value<T: Send + Sync + 'static>(&self, key: &'static Key<T>) -> Option<&T> {
        self.values.get(key)
    }

    /// The handle that aborts when the run ends, or anything above it is aborted.
    ///
    /// Aborting it by hand tells those who listen to it; it doesn't end the run.
    ///
    /// ```
    /// use tenure::{Owner, OwnedFuture};
    ///
    /// # smol::block_on(async {
    /// let parent = |owner: Owner| async move {
    ///     // It runs elsewhere, and still ends when this one does.
    ///     smol::spawn(std::future::pending::<()>().with_abort(owner.abort_handle().clone()))
    /// };
    /// let helper = parent.owned().await.unwrap();
    /// assert_eq!(helper.await.unwrap_err().to_string(), "its owner has ended");
    /// # });
    /// ```
    #[must_use]
    pub fn abort_handle(&self) -> &AbortHandle {
        &self.abort
    }

    /// Whether the owner was aborted, or the run has ended. One atomic load.
    ///
    /// ```
    /// # use tenure::{Owner, OwnedFuture};
    /// let asks = |owner: Owner| async move { owner.is_aborted() };
    /// assert!(!smol::block_on(asks.owned()).unwrap());
    /// ```
    #[must_use]
    pub fn is_aborted(&self) -> bool {
        self.abort.is_aborted()
    }

    /// `Ok` while the owner is live, for loops that don't await.
    ///
    /// ```
    /// use tenure::{Aborted, Owner, OwnedFuture};
    ///
    /// let sum = |owner: Owner| async move {
    ///     let mut sum = 0;
    ///     for number in 1..=4 {
    ///         owner.check()?;
    ///         sum += number;
    ///     }
    ///     Ok::<_, Aborted>(sum)
    /// };
    /// assert_eq!(smol::block_on(sum.owned().flatten_into::<Aborted>()).unwrap(), 10);
    /// ```
    ///
    /// # Errors
    ///
    /// [`Aborted`], with the reason that won.
    pub fn check(&self) -> Result<(), Aborted> {
        self.abort.check()
    }

    /// A future that is ready once the owner is aborted.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tenure::{Owner, OwnedFuture};
    ///
    /// # smol::block_on(async {
    /// let watched = |owner: Owner| async move {
    ///     smol::spawn(async move { owner.aborted().await.to_string() })
    /// };
    /// let watcher = watched.owned().await.unwrap();
    /// assert_eq!(watcher.await, "its owner has ended");
    /// # });
    /// ```
    pub fn aborted(&self) -> WaitAborted {
        self.abort.aborted()
    }

    /// The earliest deadline of all owners above, on their timer, as it was when the owner was given.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tenure::{Owner, OwnedFuture, time::{Instant, TestClock}};
    ///
    /// let clock = TestClock::new();
    /// let asks = |owner: Owner| async move { owner.deadline() };
    /// let asked = asks.with_timeout(Duration::from_nanos(5)).with_timer(&clock);
    /// assert_eq!(smol::block_on(asked).unwrap(), Some(Instant::from_nanos(5)));
    /// ```
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The timer of the nearest owner that was given one; with `std`, else the process's own.
    ///
    /// Whatever waits by it goes along when a test gives the whole a
    /// [`TestClock`](crate::time::TestClock): see [`TimerHandle::sleep`].
    #[must_use]
    pub fn timer(&self) -> Option<&TimerHandle> {
        self.timer.as_ref()
    }

    /// How much time is left until the deadline; `None` where there is none.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tenure::{Owner, OwnedFuture, time::TestClock};
    /// let clock = TestClock::new();
    /// let asks = |owner: Owner| async move { owner.remaining() };
    /// let asked = asks.with_timeout(Duration::from_secs(5)).with_timer(&clock);
    /// assert_eq!(smol::block_on(asked).unwrap(), Some(Duration::from_secs(5)));
    /// ```
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        let timer = self.timer.as_ref()?;
        Some(self.deadline? - timer.now())
    }

    /// Waits for so long on the owner's timer, but not for what can't come in time.
    ///
    /// It ends early when the owner is aborted, and at once where it would end at the owner's deadline or
    /// after it. It can be awaited wherever the owner was sent to.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tenure::{Aborted, Owner, OwnedFuture, time::TestClock};
    ///
    /// const SECOND: Duration = Duration::from_secs(1);
    ///
    /// let clock = TestClock::new();
    /// let patient = |owner: Owner| async move {
    ///     owner.sleep(3 * SECOND).await?;
    ///     owner.sleep(3 * SECOND).await?; // that would be too late
    ///     Ok::<_, Aborted>(())
    /// };
    /// let patient = patient.named("patient").with_timeout(5 * SECOND).with_timer(&clock);
    ///
    /// let aborted = smol::block_on(clock.watch(patient)).unwrap().unwrap_err();
    /// assert_eq!(aborted.to_string(), "the deadline has passed (in `patient`)");
    /// assert_eq!(clock.elapsed(), 3 * SECOND);
    /// ```
    ///
    /// # Errors
    ///
    /// [`Aborted`], with the reason of the owner's abort; or with
    /// [`AbortReason::DeadlinePassed`](crate::abort::AbortReason::DeadlinePassed) and the name of what that
    /// deadline is set for; or, where there is no timer, with
    /// [`AbortReason::NoTimer`](crate::abort::AbortReason::NoTimer).
    ///
    /// # Cancel safety
    ///
    /// Dropping it cancels the alarm.
    pub fn sleep(&self, after: Duration) -> OwnerSleep {
        OwnerSleep::new(self, after)
    }

    /// Which attempt of the nearest [`retry`](crate::OwnedFuture::retry) this is, from 1.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tenure::{Backoff, Owner, OwnedFuture};
    ///
    /// let stubborn = |owner: Owner| async move { Err::<(), _>(owner.attempt()) };
    /// let last = stubborn.retry(Backoff::fixed(Duration::ZERO).attempts(3));
    /// assert_eq!(smol::block_on(last).unwrap(), Err(3));
    /// ```
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The name of the nearest owner that has one.
    ///
    /// ```
    /// # use tenure::{Owner, OwnedFuture};
    /// let asks = |owner: Owner| async move { owner.name().map(str::to_owned) };
    /// assert_eq!(smol::block_on(asks.named("login")).unwrap().as_deref(), Some("login"));
    /// ```
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
            .field("deadline_of", &self.deadline_of)
            .field("abort", &self.abort)
            .finish()
    }
}
