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
mod order;
mod overflow;
mod queue;
mod rate;
mod refusal;
mod view;

use alloc::vec::Vec;
use core::{fmt, time::Duration};

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

use crate::{abort::AbortReason, sync::Arc};
use level::Goal;
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
    /// [`AbortReason::Rejected`]. There are no more permits than an eighth of `isize::MAX`: what is more is taken for
    /// that.
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

    /// Changes how many may hold a permit at once.
    ///
    /// Those who hold one keep it: after there are fewer, nobody is let in until as many have left. Who waits for
    /// more than there are now is refused, with [`Refusal::TooHeavy`]; with 0 that is everybody. To let nobody in for
    /// a while, [`pause`](Self::pause) it.
    ///
    /// ```
    /// # use tenure::Limit;
    /// let limit = Limit::new(2);
    /// let both = [limit.try_acquire(), limit.try_acquire()];
    /// limit.set_capacity(1);
    /// assert_eq!((limit.active(), limit.capacity()), (2, 1));
    ///
    /// let [first, _second] = both;
    /// drop(first);
    /// assert!(limit.try_acquire().is_none());
    /// limit.set_capacity(2);
    /// assert!(limit.try_acquire().is_some());
    /// ```
    pub fn set_capacity(&self, permits: usize) {
        let permits = permits.min(queue::MOST_PERMITS);
        let queue = &self.queue;
        Queue::change(queue, |state, _, word, out| state.set_capacity(permits, word, out));
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
        self.queue.look(|state, word| word.held(state.rules.permits))
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

    /// Whether all permits are held.
    ///
    /// ```
    /// # use tenure::Limit;
    /// let limit = Limit::new(1);
    /// let held = limit.try_acquire();
    /// assert!(limit.is_saturated());
    /// drop(held);
    /// assert!(!limit.is_saturated());
    /// ```
    #[must_use]
    pub fn is_saturated(&self) -> bool {
        self.queue.look(|_, word| word.free() == 0)
    }

    /// Whether a rate or a [cool-down](Self::cool_down) lets nobody in now.
    ///
    /// ```
    /// use tenure::{Limit, limit::Rate};
    ///
    /// let limit = Limit::builder().rate(Rate::per_minute(1)).build();
    /// assert!(!limit.is_throttled());
    /// drop(limit.try_acquire());
    /// assert!(limit.is_throttled());
    /// ```
    #[must_use]
    pub fn is_throttled(&self) -> bool {
        let Some(now) = self.queue.clock().map(|clock| clock.now()) else { return false };
        let opens = Queue::change(&self.queue, |state, _, _, _| state.open_at(now));
        opens.is_some_and(|at| at > now)
    }

    /// How much of that unit may pass now by its rates, or `None` where no rate counts it. The unit of a rate that names
    /// none is `"calls"`.
    ///
    /// ```
    /// use tenure::{Limit, limit::Rate};
    ///
    /// let api = Limit::builder().rate(Rate::per_minute(90_000).of("tokens")).build();
    /// assert_eq!((api.left("tokens"), api.left("calls")), (Some(90_000), None));
    /// ```
    #[must_use]
    pub fn left(&self, unit: &str) -> Option<u64> {
        let now = self.queue.clock()?.now();
        Queue::change(&self.queue, |state, _, _, _| state.left(unit, now))
    }

    /// Ready as soon as nobody waits. Some may run still.
    ///
    /// ```
    /// # use tenure::Limit;
    /// smol::block_on(Limit::new(1).wait_empty());
    /// ```
    pub fn wait_empty(&self) -> WaitLevel {
        WaitLevel::new(self.queue.clone(), Goal::Empty)
    }

    /// Ready as soon as nobody waits, nor holds a permit.
    ///
    /// ```
    /// use futures::future::join;
    /// use tenure::{Limit, OwnedFuture};
    ///
    /// let limit = Limit::new(1);
    /// let work = async { smol::future::yield_now().await }.limit(&limit);
    /// smol::block_on(join(work, async {
    ///     limit.wait_idle().await;
    ///     assert_eq!(limit.active(), 0);
    /// })).0.unwrap();
    /// ```
    pub fn wait_idle(&self) -> WaitLevel {
        WaitLevel::new(self.queue.clone(), Goal::Idle)
    }

    /// Ready as soon as fewer than `most` wait: for whoever makes work no faster than it is done.
    ///
    /// With 0 it is never ready.
    ///
    /// ```
    /// # use tenure::Limit;
    /// smol::block_on(Limit::new(1).wait_room(100));
    /// ```
    pub fn wait_room(&self, most: usize) -> WaitLevel {
        WaitLevel::new(self.queue.clone(), Goal::Room(most))
    }

    /// Lets nobody in until [`resume`](Self::resume). Those who are in go on.
    ///
    /// ```
    /// # use tenure::Limit;
    /// let limit = Limit::new(1);
    /// limit.pause();
    /// assert!(limit.is_paused() && limit.try_acquire().is_none());
    /// limit.resume();
    /// assert!(limit.try_acquire().is_some());
    /// ```
    pub fn pause(&self) {
        Queue::change(&self.queue, |state, _, _, _| state.paused = true);
    }

    /// Lets in again who waits.
    pub fn resume(&self) {
        Queue::change(&self.queue, |state, _, _, _| state.paused = false);
    }

    /// Whether it is paused.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.queue.look(|state, _| state.paused)
    }

    /// Aborts all who wait, and tells how many they were. Those who are in go on, and whoever comes then waits anew.
    ///
    /// Each gets `reason`, as from an owner above: a retry doesn't try again.
    ///
    /// ```
    /// use futures::{FutureExt, future::join};
    /// use tenure::{Limit, OwnedFuture};
    ///
    /// let limit = Limit::new(1);
    /// let _held = limit.try_acquire();
    /// let mut waits = Box::pin(async {}.limit(&limit));
    /// assert!((&mut waits).now_or_never().is_none()); // polled once
    ///
    /// assert_eq!(limit.clear("user hit stop"), 1);
    /// assert_eq!(smol::block_on(waits).unwrap_err().to_string(), "user hit stop");
    /// ```
    pub fn clear(&self, reason: impl Into<AbortReason>) -> usize {
        let reason = reason.into();
        Queue::change(&self.queue, |state, _, _, out| state.clear(&reason, out))
    }

    /// Refuses whoever comes from now on, with [`Refusal::Closed`]. Those who wait are still let in, unless they
    /// are [cleared](Self::clear).
    ///
    /// ```
    /// use tenure::{Limit, OwnedFuture};
    ///
    /// let limit = Limit::new(1);
    /// limit.close();
    /// let refused = smol::block_on(async {}.limit(&limit)).unwrap_err();
    /// assert_eq!(refused.to_string(), "rejected by a limit: it is closed");
    /// ```
    pub fn close(&self) {
        Queue::change(&self.queue, |state, _, _, _| state.closed = true);
    }

    /// Whether it is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.queue.look(|state, _| state.closed)
    }

    /// Lets nobody in for that long from now: what to do when a server says 429, "too many requests". Those who are in
    /// go on. A shorter one doesn't end a longer one.
    ///
    /// Tells whether there is a clock to know by: without the `std` feature and without a [timer](Builder::timer)
    /// nothing is held back.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tenure::{Limit, OwnedFuture, time::TestClock};
    ///
    /// let clock = TestClock::new();
    /// let api = Limit::builder().concurrency(8).timer(&clock).build();
    /// api.cool_down(Duration::from_secs(20)); // as its `Retry-After` says
    /// smol::block_on(clock.watch(async {}.limit(&api))).unwrap();
    /// assert_eq!(clock.elapsed(), Duration::from_secs(20));
    /// ```
    pub fn cool_down(&self, length: Duration) -> bool {
        Queue::cool_down(&self.queue, length)
    }

    /// Corrects what the permit was charged in this unit that is held by whoever calls, from anywhere within what
    /// stands before `.limit()`. What is more is a debt, which delays those who come next; what is less is given back, as
    /// far as it still counts. It may be corrected again, but what was once raised isn't lowered any more.
    ///
    /// Tells whether there was such a permit, and a rate that counts that unit.
    ///
    /// ```
    /// use tenure::{Limit, OwnedFuture, limit::Rate};
    ///
    /// let api = Limit::builder().rate(Rate::per_minute(1_000).of("tokens")).build();
    /// let ask = async {
    ///     let used = 650; // as the answer says
    ///     api.settle("tokens", used)
    /// };
    /// let settled = smol::block_on(ask.limit(api.claim().cost("tokens", 400))).unwrap();
    /// assert!(settled);
    /// ```
    #[cfg(feature = "std")]
    pub fn settle(&self, unit: &str, actual: u64) -> bool {
        let id = self.queue.id();
        let holder = crate::owner::Lent::current(|lent| {
            lent.permits().find(|permit| permit.limit == id).and_then(|permit| permit.holder)
        });
        holder.is_some_and(|holder| Queue::settle(&self.queue, holder, unit, actual))
    }

    /// Those who wait, in the order in which they came.
    ///
    /// The names of chains are known where the limit is [tracked](Builder::tracked), those of
    /// [claims](Claim::named) always.
    ///
    /// ```
    /// use futures::FutureExt;
    /// use tenure::{Limit, OwnedFuture};
    ///
    /// let limit = Limit::new(1);
    /// let _held = limit.try_acquire();
    /// let mut waits = Box::pin(async {}.limit(limit.claim().named("report").priority(3)));
    /// assert!((&mut waits).now_or_never().is_none()); // polled once
    /// let [report] = &limit.queued()[..] else { unreachable!() };
    /// assert_eq!((report.name.as_deref(), report.priority), (Some("report"), 3));
    /// ```
    #[must_use]
    pub fn queued(&self) -> Vec<Queued> {
        self.queue.look(|state, _| state.queued())
    }

    /// Those who hold a permit, where the limit is [tracked](Builder::tracked) or has a rate, in the order in which they
    /// were let in.
    ///
    /// ```
    /// use tenure::{Limit, OwnedFuture};
    ///
    /// let limit = Limit::builder().concurrency(2).tracked().build();
    /// let inside = async { limit.running().len() }.named("sync").limit(&limit);
    /// assert_eq!(smol::block_on(inside).unwrap(), 1);
    /// ```
    #[must_use]
    pub fn running(&self) -> Vec<Running> {
        self.queue.look(|state, _| state.running())
    }

    /// Those who hold a permit and were woken so long ago, and not polled since, where the limit is
    /// [tracked](Builder::tracked): a task has set them aside, and all who wait for their permit wait for that task.
    ///
    /// ```
    /// use std::{future::poll_fn, task::Poll, time::Duration};
    /// use futures::FutureExt;
    /// use tenure::{Limit, OwnedFuture, time::TestClock};
    ///
    /// let clock = TestClock::new();
    /// let limit = Limit::builder().concurrency(1).tracked().timer(&clock).build();
    /// let wants_to_go_on = poll_fn(|cx| {
    ///     cx.waker().wake_by_ref();
    ///     Poll::<()>::Pending
    /// });
    /// let mut set_aside = Box::pin(wants_to_go_on.named("left arm").limit(&limit));
    /// assert!((&mut set_aside).now_or_never().is_none()); // polled once, and never again
    ///
    /// clock.advance(Duration::from_secs(5));
    /// let stalled = limit.stalled(Duration::from_secs(1));
    /// assert_eq!(stalled[0].name.as_deref(), Some("left arm"));
    /// ```
    #[must_use]
    pub fn stalled(&self, longer_than: Duration) -> Vec<Running> {
        let Some(now) = self.queue.clock().map(|clock| clock.now()) else { return Vec::new() };
        let mut running = self.running();
        running.retain(|one| one.woken_since.is_some_and(|since| since + longer_than < now));
        running
    }

    /// Gives another priority to those who wait under that name, as if they had come with it, and tells how many they
    /// are. See [`queued`](Self::queued) for whose name is known.
    ///
    /// ```
    /// use futures::FutureExt;
    /// use tenure::{Limit, OwnedFuture};
    ///
    /// let limit = Limit::new(1);
    /// let held = limit.try_acquire();
    /// let mut first = Box::pin(async {}.limit(&limit));
    /// let mut report = Box::pin(async {}.limit(limit.claim().named("report")));
    /// assert!((&mut first).now_or_never().is_none());
    /// assert!((&mut report).now_or_never().is_none());
    ///
    /// assert_eq!(limit.set_priority("report", 1), 1);
    /// drop(held);
    /// assert!((&mut report).now_or_never().is_some());
    /// ```
    pub fn set_priority(&self, name: &str, priority: i32) -> usize {
        let now = self.queue.clock().map(|clock| clock.now());
        Queue::change(&self.queue, |state, _, _, _| state.set_priority(name, priority, now))
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
