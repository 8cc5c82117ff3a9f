//! What may be changed of a limit while it is in use.

use core::time::Duration;

use super::{
    Limit,
    queue::{self, Queue},
};
use crate::abort::AbortReason;

impl Limit {
    /// Changes how many may hold a permit at once.
    ///
    /// Those who hold one keep it: after there are fewer, nobody is let in until as many have left. Who waits for
    /// more than there are now is refused, with [`Refusal::TooHeavy`](super::Refusal::TooHeavy); with 0 that is everybody. To let nobody in for
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
        Queue::change(queue, |state, _, out| state.set_capacity(permits, out));
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
        Queue::change(&self.queue, |state, _, _| state.set_priority(name, priority, now))
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
        Queue::change(&self.queue, |state, _, _| state.set_paused(true));
    }

    /// Lets in again who waits.
    pub fn resume(&self) {
        Queue::change(&self.queue, |state, _, _| state.set_paused(false));
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
        Queue::change(&self.queue, |state, _, out| state.clear(&reason, out))
    }

    /// Refuses whoever comes from now on, with [`Refusal::Closed`](super::Refusal::Closed). Those who wait are still let in, unless they
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
        Queue::change(&self.queue, |state, _, _| state.close());
    }

    /// Whether it is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.queue.look(|state, _| state.closed)
    }

    /// Lets nobody in for that long from now: what to do when a server says 429, "too many requests". Those who are in
    /// go on. A shorter one doesn't end a longer one.
    ///
    /// Tells whether there is a clock to know by: without the `std` feature and without a [timer](super::Builder::timer)
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
}
