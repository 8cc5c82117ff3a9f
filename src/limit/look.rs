//! How a limit stands, to be read and waited for.

use alloc::vec::Vec;
use core::time::Duration;

use super::{Limit, Queued, Running, WaitLevel, level::Goal, queue::Queue};

impl Limit {
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
        self.queue.look(|state, word| state.free(word) == 0)
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
        let opens = Queue::change(&self.queue, |state, _, _| state.open_at(now));
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
        Queue::change(&self.queue, |state, _, _| state.left(unit, now))
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

    /// Those who wait, in the order in which they came.
    ///
    /// The names of chains are known where the limit is [tracked](super::Builder::tracked), those of
    /// [claims](super::Claim::named) always.
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

    /// Those who hold a permit, where the limit is [tracked](super::Builder::tracked) or has a rate, in the order in which they
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
    /// [tracked](super::Builder::tracked): a task has set them aside, and all who wait for their permit wait for that task.
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
}
