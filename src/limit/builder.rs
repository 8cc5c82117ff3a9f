use alloc::vec::Vec;
use core::time::Duration;

use super::{
    KeyedLimit, Limit, Order, Overflow, Rate,
    queue::{MOST_PERMITS, Queue, Rules, Settings},
};
use crate::{
    abort::Name,
    sync::Arc,
    time::{Instant, TimerHandle},
};

/// Settings of a [`Limit`]; made by [`Limit::builder`].
///
/// ```
/// use std::time::Duration;
/// use tenure::{Limit, limit::{Overflow, Rate}};
///
/// let api = Limit::builder()
///     .name("api")
///     .concurrency(32)
///     .rate(Rate::per_minute(500))
///     .rate(Rate::per_minute(90_000).of("tokens"))
///     .max_waiting(1_000, Overflow::Reject)
///     .max_wait(Duration::from_secs(60))
///     .build();
/// assert_eq!(api.capacity(), 32);
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct Builder {
    name: Option<Name>,
    timer: Option<TimerHandle>,
    max_wait: Option<Duration>,
    permits: usize,
    rates: Vec<Rate>,
    order: Option<Order>,
    ageing: Duration,
    max_waiting: Option<(usize, Overflow)>,
    is_tracked: bool,
    is_paused: bool,
}

impl Builder {
    pub(super) const fn new() -> Self {
        Self {
            name: None,
            timer: None,
            max_wait: None,
            permits: MOST_PERMITS,
            rates: Vec::new(),
            order: None,
            ageing: Duration::from_secs(10),
            max_waiting: None,
            is_tracked: false,
            is_paused: false,
        }
    }

    /// What it is called by its errors: their [`origin`](crate::Aborted::origin).
    ///
    /// ```
    /// use tenure::{Limit, OwnedFuture};
    ///
    /// let limit = Limit::builder().name("uploads").concurrency(0).build();
    /// let refused = smol::block_on(async {}.limit(&limit)).unwrap_err();
    /// assert_eq!(refused.to_string(), "rejected by a limit: it has no permits (in `uploads`)");
    /// ```
    pub fn name(mut self, name: impl Into<Name>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// How many permits may be held at once: any number, unless it is said.
    ///
    /// ```
    /// # use tenure::Limit;
    /// assert_eq!(Limit::builder().concurrency(3).build().capacity(), 3);
    /// ```
    pub const fn concurrency(mut self, permits: usize) -> Self {
        self.permits = permits;
        self
    }

    /// How much may pass in a time. Each further one holds as well: only what all of them let pass does, and is then
    /// counted by all.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tenure::{Limit, OwnedFuture, limit::Rate, time::TestClock};
    ///
    /// let clock = TestClock::new();
    /// let polite = Limit::builder().rate(Rate::spacing(Duration::from_secs(1))).timer(&clock).build();
    /// let calls = (0..4).map(|n| async move { n }.limit(&polite));
    /// smol::block_on(clock.watch(futures::future::join_all(calls)));
    /// assert_eq!(clock.elapsed(), Duration::from_secs(3));
    /// ```
    pub fn rate(mut self, rate: Rate) -> Self {
        self.rates.push(rate);
        self
    }

    /// Who of those who wait is let in first: [`Order::Fifo`] unless it is said, and with keys [`Order::Fair`].
    ///
    /// ```
    /// use tenure::{Limit, limit::Order};
    /// let newest_first = Limit::builder().concurrency(4).order(Order::Lifo).build();
    /// # let _ = newest_first;
    /// ```
    pub const fn order(mut self, order: Order) -> Self {
        self.order = Some(order);
        self
    }

    /// How long one must have waited to be let in before somebody who has just come with a [priority](super::Claim::priority)
    /// one higher: 10 seconds unless it is said. So who has a low priority waits longer, but not for ever.
    ///
    /// [`Duration::ZERO`] makes priorities mean nothing. With [`Duration::MAX`], or without a timer, a lower priority
    /// waits for as long as there is a higher one.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tenure::Limit;
    ///
    /// let strict = Limit::builder().concurrency(1).ageing(Duration::MAX).build();
    /// # let _ = strict;
    /// ```
    pub const fn ageing(mut self, a_level: Duration) -> Self {
        self.ageing = a_level;
        self
    }

    /// How many may wait, and what becomes of one who comes then. Any number, unless it is said.
    ///
    /// ```
    /// use tenure::{AbortReason, Limit, OwnedFuture, limit::{Overflow, Refusal}};
    ///
    /// let limit = Limit::builder().concurrency(1).max_waiting(0, Overflow::Reject).build();
    /// let _held = limit.try_acquire();
    /// let refused = smol::block_on(async {}.limit(&limit)).unwrap_err();
    /// assert_eq!(refused.reason(), &AbortReason::Rejected { why: Refusal::QueueFull { most: 0 } });
    /// ```
    pub const fn max_waiting(mut self, most: usize, overflow: Overflow) -> Self {
        self.max_waiting = Some((most, overflow));
        self
    }

    /// How long each may wait that says nothing else. See [`Claim::max_wait`](super::Claim::max_wait).
    ///
    /// ```
    /// use std::{future::pending, time::Duration};
    /// use tenure::{Limit, OwnedFuture, time::TestClock};
    ///
    /// let clock = TestClock::new();
    /// let limit = Limit::builder().concurrency(1).max_wait(Duration::from_secs(5)).timer(&clock).build();
    /// let _held = limit.try_acquire();
    /// let refused = smol::block_on(clock.watch(async {}.limit(&limit))).unwrap_err();
    /// assert_eq!(refused.to_string(), "rejected by a limit: waited longer than 5s");
    /// ```
    pub const fn max_wait(mut self, most: Duration) -> Self {
        self.max_wait = Some(most);
        self
    }

    /// Notes who waits and who is in, since when, and whether those who are in are polled: for
    /// [`Limit::queued`], [`Limit::running`] and [`Limit::stalled`]. Each permit costs a lock and a look at the clock then.
    ///
    /// Without the `std` feature it needs a [timer](Self::timer), and notes nothing if there is none.
    ///
    /// ```
    /// use tenure::{Limit, OwnedFuture};
    ///
    /// let limit = Limit::builder().concurrency(2).tracked().build();
    /// let inside = async { limit.running()[0].name.clone() }.named("sync").limit(&limit);
    /// assert_eq!(smol::block_on(inside).unwrap().as_deref(), Some("sync"));
    /// ```
    pub const fn tracked(mut self) -> Self {
        self.is_tracked = true;
        self
    }

    /// Lets nobody in until [`Limit::resume`].
    ///
    /// ```
    /// # use tenure::Limit;
    /// let limit = Limit::builder().concurrency(1).paused().build();
    /// assert!(limit.try_acquire().is_none());
    /// limit.resume();
    /// assert!(limit.try_acquire().is_some());
    /// ```
    pub const fn paused(mut self) -> Self {
        self.is_paused = true;
        self
    }

    /// The timer that all of it goes by: rates, cool-downs, waits. With `std` it is the process's own unless it is said:
    /// a limit belongs to many chains, and whatever timers those are given, a minute of its rate is the same for all.
    ///
    /// Without `std` a limit that has a rate needs one.
    ///
    /// ```
    /// use tenure::{Limit, limit::Rate, time::TestClock};
    ///
    /// let clock = TestClock::new();
    /// let limit = Limit::builder().rate(Rate::per_second(10)).timer(&clock).build();
    /// # let _ = limit;
    /// ```
    pub fn timer(mut self, timer: impl Into<TimerHandle>) -> Self {
        self.timer = Some(timer.into());
        self
    }

    /// The limit.
    ///
    /// ```
    /// # use tenure::Limit;
    /// let limit = Limit::builder().concurrency(2).build();
    /// assert_eq!(limit.active(), 0);
    /// ```
    #[must_use]
    pub fn build(self) -> Limit {
        Limit { queue: Arc::new(self.queue(Order::Fifo, false)) }
    }

    /// A limit that also lets in only so many at once for each key.
    ///
    /// ```
    /// use tenure::{KeyedLimit, Limit};
    ///
    /// let hosts: KeyedLimit<String> = Limit::builder().concurrency(64).build_keyed(4);
    /// # let _ = hosts;
    /// ```
    #[must_use]
    pub fn build_keyed<K>(self, per_key: usize) -> KeyedLimit<K> {
        let limit = Limit { queue: Arc::new(self.queue(Order::Fair, true)) };
        KeyedLimit::of(limit, per_key)
    }

    fn queue(self, order: Order, keyed: bool) -> Queue {
        let clock = self.timer.as_ref().or(TimerHandle::system());
        let rules = Rules {
            permits: self.permits.min(MOST_PERMITS),
            rates: self.rates,
            order: self.order.unwrap_or(order),
            ageing: Instant::START.saturating_add(self.ageing).as_nanos(),
            max_waiting: self.max_waiting,
            tracked: clock.filter(|_| self.is_tracked).cloned(),
            paused: self.is_paused,
            keyed,
        };
        let Self { name, timer, max_wait, is_tracked: tracked, .. } = self;
        Queue::new(rules, Settings { name, timer, max_wait, tracked })
    }
}
