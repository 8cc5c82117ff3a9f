//! `.limit()`: so many at once, so much in a time, and who waits in what order.
//!
//! ```
//! use tenure::{Limit, OwnedFuture};
//!
//! let limit = Limit::new(2);
//! let jobs = (1..=5).map(|n| async move { n * n }.limit(&limit));
//! let squares = smol::block_on(futures::future::try_join_all(jobs)).unwrap();
//! assert_eq!(squares, [1, 4, 9, 16, 25]);
//! assert_eq!(limit.active(), 0);
//! ```
//!
//! | you want | |
//! |---|---|
//! | so many at once | [`Limit::new`] |
//! | so much in a time | [`Builder::rate`] with a [`Rate`] |
//! | so many at once for each host, tenant, user | [`KeyedLimit`] |
//! | more than one permit, a cost, a priority | [`Limit::claim`] |
//! | to shed load | [`Builder::max_waiting`], [`Claim::max_wait`] |
//! | to hold all back for a while | [`Limit::pause`], [`Limit::cool_down`] |
//! | to see who runs and who waits | [`Builder::tracked`] |
//! | a permit in your hands | [`Limit::acquire`] |
//! | to come from p-limit, p-queue or Bottleneck | [`compared`] |
//!
//! # Order is meaning
//!
//! The permit is held for what stands before `.limit()`, and a timeout counts what stands before it.
//!
//! | chain | the permit during a back-off | waits for a permit | what the timeout counts |
//! |---|---|---|---|
//! | `.limit(&l).retry(p)` | given back | each attempt | |
//! | `.retry(p).limit(&l)` | kept | once | |
//! | `.with_timeout(t).limit(&l)` | | once | the run |
//! | `.limit(&l).with_timeout(t)` | | once | the wait and the run |
//! | `.with_timeout(t).limit(&l).retry(p)` | given back | each attempt | each run |
//! | `.limit(&l).with_timeout(t).retry(p)` | given back | each attempt | each wait with its run |
//! | `.with_timeout(t).retry(p).limit(&l)` | kept | once | each run |
//! | `.retry(p).with_timeout(t).limit(&l)` | kept | once | all runs and back-offs |
//! | `.retry(p).limit(&l).with_timeout(t)` | kept | once | the wait, all runs and back-offs |
//! | `.limit(&l).retry(p).with_timeout(t)` | given back | each attempt | all waits, runs and back-offs |
//!
//! [`Claim::max_wait`] counts each wait by itself, and nothing else.
//!
//! # Fairness
//!
//! A permit is claimed by being polled. Who waits first is woken first, and newcomers don't overtake.
//! But one that was woken and isn't polled, because its task waits for something else, must not hold
//! up those behind it (the deadlock called
//! [futurelock](https://rfd.shared.oxide.computer/rfd/0609)): after about a millisecond the next one
//! is woken too, after as much again the next two, and so on, and whoever is polled first has the
//! permit. That takes one alarm a limit, only while somebody waits; where there is no timer, a permit
//! that comes free wakes all.
//!
//! One that needs more than there is doesn't let those pass who stand behind it and need less, or it might wait for
//! ever. While it holds them up, it is woken now and then: one whom nobody polls is passed over.
//!
//! A permit that is held by a future that nobody polls is another matter. Nobody can take it away; but a limit that is
//! [tracked](Builder::tracked) tells [who it is](Limit::stalled). And who is inside, asks the same limit for another permit
//! and would have to wait, might wait for itself: that is [refused](Refusal::Reentry). Where there is no bound to how
//! many run at once, but only a rate, it waits.
//!
//! # Errors
//!
//! | it was | reason of the [`Aborted`](crate::Aborted) |
//! |---|---|
//! | the queue | [`Rejected`](crate::AbortReason::Rejected), with [`QueueFull`](Refusal::QueueFull) or [`Displaced`](Refusal::Displaced) |
//! | the wait | `Rejected`, with [`WaitedTooLong`](Refusal::WaitedTooLong) |
//! | the claim | `Rejected`, with [`TooHeavy`](Refusal::TooHeavy), [`TooCostly`](Refusal::TooCostly), [`NoSuchUnit`](Refusal::NoSuchUnit) or [`Reentry`](Refusal::Reentry) |
//! | the limit's end | `Rejected`, with [`Closed`](Refusal::Closed), or what [`clear`](Limit::clear) was told |
//! | the rate, which lets nobody in before the deadline | [`DeadlinePassed`](crate::AbortReason::DeadlinePassed), at once, its [cause](crate::Aborted::cause) `Rejected` with [`Throttled`](Refusal::Throttled) |
//! | an abort from above | its own |
//!
//! Its [origin](crate::Aborted::origin) is the limit's name, where it has one. A retry tries again what the queue or the
//! wait refused.

mod acquire;
mod builder;
mod claim;
pub mod compared;
mod keyed;
mod level;
mod limited;
mod look;
mod order;
mod overflow;
mod queue;
mod rate;
mod refusal;
mod steer;
mod view;

use core::fmt;

pub use acquire::{Acquire, Permit};
pub use builder::Builder;
pub use claim::Claim;
pub use keyed::KeyedLimit;
pub use level::WaitLevel;
pub(crate) use limited::Gate;
pub use limited::Limited;
pub use order::Order;
pub use overflow::Overflow;
pub use rate::Rate;
pub use refusal::Refusal;
pub use view::{Queued, Running};

use crate::sync::Arc;
use queue::Queue;

/// How many may run at once, and how much in a time. Clones share their permits.
///
/// See the [module](crate::limit) for what it promises.
///
/// ```
/// use tenure::Limit;
///
/// let limit = Limit::new(2);
/// let same = limit.clone();
/// assert_eq!((same.capacity(), same.active(), same.waiting()), (2, 0, 0));
/// ```
#[derive(Clone)]
pub struct Limit {
    queue: Arc<Queue>,
}

impl Limit {
    /// A limit of `permits` at once.
    ///
    /// Nothing can enter a limit of 0: what asks it is aborted at once, with
    /// [`AbortReason::Rejected`](crate::AbortReason::Rejected). There are no more permits than an eighth of
    /// `isize::MAX`: what is more is taken for that.
    ///
    /// ```
    /// use tenure::{Limit, OwnedFuture};
    ///
    /// let shut = Limit::new(0);
    /// let refused = smol::block_on(async { 7 }.limit(&shut)).unwrap_err();
    /// assert_eq!(refused.to_string(), "rejected by a limit: it has no permits");
    /// ```
    #[must_use]
    pub fn new(permits: usize) -> Self {
        Self::builder().concurrency(permits).build()
    }

    /// A limit with more settings than a number of permits.
    ///
    /// ```
    /// use tenure::{Limit, limit::Rate};
    ///
    /// let api = Limit::builder().concurrency(32).rate(Rate::per_minute(500)).build();
    /// # let _ = api;
    /// ```
    pub const fn builder() -> Builder {
        Builder::new()
    }

    /// What to ask it for, where that is more than a permit. See [`Claim`].
    ///
    /// ```
    /// # use tenure::Limit;
    /// let limit = Limit::new(8);
    /// let claim = limit.claim().weight(2).priority(1);
    /// # let _ = claim;
    /// ```
    pub fn claim(&self) -> Claim {
        Claim::new(self.clone())
    }

    /// Waits for a permit, to be held until it is dropped.
    ///
    /// Where a future can be given to [`.limit()`](crate::OwnedFuture::limit), that is better: it gives the permit back
    /// as soon as the future is ready or aborted, and is seen by [`stalled`](Self::stalled) and
    /// [`Refusal::Reentry`].
    ///
    /// ```
    /// use tenure::Limit;
    ///
    /// let limit = Limit::new(1);
    /// smol::block_on(async {
    ///     let permit = limit.acquire().await?;
    ///     assert_eq!(limit.active(), 1);
    ///     drop(permit);
    ///     Ok::<_, tenure::Aborted>(())
    /// }).unwrap();
    /// assert_eq!(limit.active(), 0);
    /// ```
    ///
    /// # Errors
    ///
    /// What the [module](crate::limit#errors) says.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives its place to the next.
    pub const fn acquire(&self) -> Acquire<'_> {
        Acquire::of(self)
    }

    /// A permit, if one is free and nobody waits for it.
    ///
    /// ```
    /// # use tenure::Limit;
    /// let limit = Limit::new(1);
    /// let permit = limit.try_acquire();
    /// assert!(permit.is_some() && limit.try_acquire().is_none());
    /// ```
    #[must_use]
    pub fn try_acquire(&self) -> Option<Permit<'_>> {
        Permit::try_of(self)
    }

    /// How many may hold a permit at once.
    ///
    /// ```
    /// # use tenure::Limit;
    /// assert_eq!(Limit::new(3).capacity(), 3);
    /// ```
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.queue.look(|state, _| state.rules.permits)
    }

    /// How many permits are held now.
    ///
    /// ```
    /// use futures::FutureExt;
    /// use tenure::{Limit, OwnedFuture};
    ///
    /// let limit = Limit::new(2);
    /// let mut endless = Box::pin(std::future::pending::<()>().limit(&limit));
    /// assert!((&mut endless).now_or_never().is_none()); // polled once
    /// assert_eq!(limit.active(), 1);
    /// drop(endless);
    /// assert_eq!(limit.active(), 0);
    /// ```
    #[must_use]
    pub fn active(&self) -> usize {
        self.queue.look(|state, word| state.held(word))
    }

    /// How many wait for a permit now. One that was never polled doesn't wait yet.
    ///
    /// ```
    /// use futures::FutureExt;
    /// use tenure::{Limit, OwnedFuture};
    ///
    /// let limit = Limit::new(1);
    /// let mut both = [(); 2].map(|()| Box::pin(std::future::pending::<()>().limit(&limit)));
    /// for endless in &mut both {
    ///     assert!(endless.now_or_never().is_none()); // polled once
    /// }
    /// assert_eq!((limit.active(), limit.waiting()), (1, 1));
    /// ```
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.look(|state, _| state.waiting())
    }
}

impl fmt::Debug for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limit")
            .field("name", &self.queue.settings.name)
            .field("capacity", &self.capacity())
            .field("active", &self.active())
            .field("waiting", &self.waiting())
            .finish()
    }
}
