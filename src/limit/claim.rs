use alloc::vec::Vec;
use core::{fmt, time::Duration};

use super::{Acquire, Limit, queue::Lane};
use crate::{abort::Name, sync::Arc};

/// What one asks of a [`Limit`]: how many permits, at what cost, and how urgently. Made by [`Limit::claim`]; a
/// `&Limit` is a claim of one permit.
///
/// All that is asked for is had at once, or nothing is: nobody holds a permit while it waits for a rate.
///
/// ```
/// use std::time::Duration;
/// use tenure::{Limit, OwnedFuture, limit::Rate};
///
/// let api = Limit::builder()
///     .concurrency(32)
///     .rate(Rate::per_minute(500))
///     .rate(Rate::per_minute(90_000).of("tokens"))
///     .build();
///
/// let claim = api.claim().cost("tokens", 1_200).priority(1).max_wait(Duration::from_secs(30));
/// let answer = async { "42" }.limit(claim);
/// assert_eq!(smol::block_on(answer).unwrap(), "42");
/// ```
#[derive(Clone)]
#[must_use = "a claim does nothing until it is given to `limit`"]
pub struct Claim {
    pub(super) limit: Limit,
    pub(super) terms: Option<Arc<Terms>>,
}

/// What makes a claim differ from one of a single permit.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    weight: usize,
    priority: i32,
    costs: Vec<(Name, u64)>,
    pub(super) name: Option<Name>,
    pub(super) max_wait: Option<Duration>,
    lane: Option<Arc<Lane>>,
}

impl Default for Terms {
    fn default() -> Self {
        let (priority, costs) = (0, Vec::new());
        Self { weight: 1, priority, costs, name: None, max_wait: None, lane: None }
    }
}

impl Claim {
    pub(super) const fn new(limit: Limit) -> Self {
        Self { limit, terms: None }
    }

    pub(super) fn in_lane(limit: Limit, lane: Arc<Lane>) -> Self {
        Self::new(limit).with(|terms| terms.lane = Some(lane))
    }

    fn with(mut self, change: impl FnOnce(&mut Terms)) -> Self {
        let mut terms = self.terms.take().map(Arc::unwrap_or_clone).unwrap_or_default();
        change(&mut terms);
        self.terms = Some(Arc::new(terms));
        self
    }

    /// So many permits. 1 unless it is said; 0 waits its turn, and takes none.
    ///
    /// ```
    /// use tenure::{Limit, OwnedFuture};
    ///
    /// let megabytes = Limit::new(64);
    /// let inside = async { megabytes.active() }.limit(megabytes.claim().weight(48));
    /// assert_eq!(smol::block_on(inside).unwrap(), 48);
    /// ```
    pub fn weight(self, permits: usize) -> Self {
        self.with(|terms| terms.weight = permits)
    }

    /// What it costs, for the [rates](super::Rate::of) that count this unit: 1 unless it is said. The unit of a rate
    /// that names none is `"calls"`.
    ///
    /// What is not known beforehand is estimated, and corrected with `Limit::settle`.
    ///
    /// ```
    /// use tenure::{Limit, OwnedFuture, limit::{Rate, Refusal}};
    ///
    /// let api = Limit::builder().rate(Rate::per_minute(1_000).of("tokens")).build();
    /// let whole_book = async {}.limit(api.claim().cost("tokens", 200_000));
    /// assert_eq!(
    ///     smol::block_on(whole_book).unwrap_err().to_string(),
    ///     "rejected by a limit: 200000 `tokens` are more than the 1000 that may ever pass at once",
    /// );
    /// ```
    pub fn cost(self, unit: impl Into<Name>, cost: u64) -> Self {
        let unit = unit.into();
        self.with(|terms| {
            terms.costs.retain(|(known, _)| *known != unit);
            terms.costs.push((unit, cost));
        })
    }

    /// Higher is sooner; 0 unless it is said. See [`Builder::ageing`](super::Builder::ageing).
    ///
    /// ```
    /// use futures::FutureExt;
    /// use tenure::{Limit, OwnedFuture};
    ///
    /// let limit = Limit::new(1);
    /// let held = limit.try_acquire();
    /// let mut bulk = Box::pin(async {}.limit(&limit));
    /// let mut urgent = Box::pin(async {}.limit(limit.claim().priority(9)));
    /// assert!((&mut bulk).now_or_never().is_none());
    /// assert!((&mut urgent).now_or_never().is_none());
    ///
    /// drop(held);
    /// assert!((&mut bulk).now_or_never().is_none());
    /// assert!((&mut urgent).now_or_never().is_some());
    /// ```
    pub fn priority(self, priority: i32) -> Self {
        self.with(|terms| terms.priority = priority)
    }

    /// What it is called in [`Limit::queued`] and [`Limit::running`], and by [`Limit::set_priority`]. Unless it is
    /// said, that is the [name](crate::OwnedFuture::named) of the chain.
    ///
    /// ```
    /// # use tenure::Limit;
    /// let limit = Limit::new(1);
    /// let claim = limit.claim().named("nightly");
    /// # let _ = claim;
    /// ```
    pub fn named(self, name: impl Into<Name>) -> Self {
        let name = name.into();
        self.with(|terms| terms.name = Some(name))
    }

    /// Waits for so long at the most, and is then refused with
    /// [`Refusal::WaitedTooLong`](super::Refusal::WaitedTooLong). [`Duration::ZERO`] doesn't wait.
    ///
    /// It counts the wait alone, not what runs then: for that there is
    /// [`with_timeout`](crate::OwnedFuture::with_timeout).
    ///
    /// ```
    /// use std::time::Duration;
    /// use tenure::{Limit, OwnedFuture};
    ///
    /// let limit = Limit::new(1);
    /// let _held = limit.try_acquire();
    /// let impatient = async {}.limit(limit.claim().max_wait(Duration::ZERO));
    /// let refused = smol::block_on(impatient).unwrap_err();
    /// assert_eq!(refused.to_string(), "rejected by a limit: waited longer than 0ns");
    /// ```
    pub fn max_wait(self, most: Duration) -> Self {
        self.with(|terms| terms.max_wait = Some(most))
    }

    /// Waits for it, and holds it until the permit is dropped. See [`Limit::acquire`].
    ///
    /// ```
    /// use tenure::Limit;
    ///
    /// let megabytes = Limit::new(64);
    /// smol::block_on(async {
    ///     let permit = megabytes.claim().weight(48).acquire().await?;
    ///     assert_eq!(megabytes.active(), 48);
    ///     drop(permit);
    ///     Ok::<_, tenure::Aborted>(())
    /// }).unwrap();
    /// assert_eq!(megabytes.active(), 0);
    /// ```
    pub fn acquire(self) -> Acquire<'static> {
        Acquire::owned(self)
    }
}

impl Terms {
    /// The unit of a rate that names none.
    pub(super) const CALLS: &'static str = "calls";

    pub(super) fn weight_of(terms: Option<&Self>) -> usize {
        terms.map_or(1, |terms| terms.weight)
    }

    pub(super) fn priority_of(terms: Option<&Self>) -> i32 {
        terms.map_or(0, |terms| terms.priority)
    }

    pub(super) fn lane_of(terms: Option<&Self>) -> usize {
        terms.and_then(|terms| terms.lane.as_ref()).map_or(Lane::MAIN, |lane| lane.id())
    }

    /// Whether it costs nothing that has a name, nor belongs to a key.
    pub(super) fn is_plain(&self) -> bool {
        self.costs.is_empty() && self.lane.is_none()
    }

    pub(super) fn cost_of(terms: Option<&Self>, unit: Option<&Name>) -> u64 {
        let unit = unit.map_or(Self::CALLS, |unit| &**unit);
        let costs = terms.map_or(&[][..], |terms| &terms.costs);
        costs.iter().find(|(known, _)| known == unit).map_or(1, |(_, cost)| *cost)
    }

    /// A unit that it names, and none of `units` does.
    pub(super) fn unit_without<'a, I: Iterator<Item = Option<&'a Name>>>(
        terms: Option<&Self>,
        units: impl Fn() -> I,
    ) -> Option<&Name> {
        let is_unknown = |unit: &&Name| {
            let is_it =
                |known: Option<&Name>| known.map_or(Self::CALLS, |known| &**known) == **unit;
            !units().any(is_it)
        };
        terms?.costs.iter().map(|(unit, _)| unit).find(is_unknown)
    }
}

impl From<&Limit> for Claim {
    fn from(limit: &Limit) -> Self {
        Self::new(limit.clone())
    }
}

impl From<Limit> for Claim {
    fn from(limit: Limit) -> Self {
        Self::new(limit)
    }
}

impl From<&Claim> for Claim {
    fn from(claim: &Claim) -> Self {
        claim.clone()
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let terms = self.terms.as_deref().cloned().unwrap_or_default();
        f.debug_struct("Claim")
            .field("limit", &self.limit)
            .field("weight", &terms.weight)
            .field("costs", &terms.costs)
            .field("priority", &terms.priority)
            .field("name", &terms.name)
            .field("max_wait", &terms.max_wait)
            .finish()
    }
}
