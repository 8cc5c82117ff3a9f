use alloc::collections::BTreeMap;
use core::{fmt, mem};

use super::{Claim, Limit, queue::Lane};
use crate::sync::{Arc, Mutex, Weak};

/// How many may run at once for each key, and in all. Clones share their permits.
///
/// [`key`](Self::key) makes what is given to [`.limit()`](crate::OwnedFuture::limit). Keys whose permits are all taken
/// hold up nobody who comes for another key; those that have room take turns, unless the limit has another
/// [order](super::Order). What is asked of a key and of all is had at once or waited for together.
///
/// A key is known for as long as somebody has a claim for it, waits, or runs. Keys are compared under a lock, so their
/// `Ord` must not use the limit.
///
/// ```
/// use tenure::{KeyedLimit, OwnedFuture};
///
/// let hosts = KeyedLimit::new(2);
/// let calls = ["a.example", "b.example", "a.example"];
/// let calls = calls.map(|host| async move { host.len() }.limit(hosts.key(host)));
/// assert_eq!(hosts.keys(), 2);
/// smol::block_on(futures::future::join_all(calls));
/// assert_eq!(hosts.keys(), 0);
/// ```
pub struct KeyedLimit<K> {
    limit: Limit,
    per_key: usize,
    lanes: Arc<Mutex<Lanes<K>>>,
}

struct Lanes<K> {
    by_key: BTreeMap<K, Weak<Lane>>,
}

/// So few are kept, whether they are gone or not.
const KEPT: usize = 32;

impl<K: Ord> Lanes<K> {
    /// Takes out those that are gone, where they are more than the `open` ones: each is looked at twice at most.
    fn sweep(&mut self, open: usize) -> BTreeMap<K, Weak<Lane>> {
        if self.by_key.len() < 2 * open + KEPT {
            return BTreeMap::new();
        }
        let all = mem::take(&mut self.by_key).into_iter();
        let (known, gone) = all.partition(|(_, lane)| lane.strong_count() > 0);
        self.by_key = known;
        gone
    }
}

impl<K> KeyedLimit<K> {
    /// So many permits for each key, and any number in all.
    ///
    /// For a cap of all keys together, for rates and for whatever else a limit may have, there is
    /// [`Builder::build_keyed`](super::Builder::build_keyed).
    ///
    /// ```
    /// # use tenure::KeyedLimit;
    /// let hosts = KeyedLimit::<&str>::new(4);
    /// assert_eq!(hosts.per_key(), 4);
    /// ```
    #[must_use]
    pub fn new(per_key: usize) -> Self {
        Limit::builder().build_keyed(per_key)
    }

    pub(super) fn of(limit: Limit, per_key: usize) -> Self {
        let lanes = Lanes { by_key: BTreeMap::new() };
        Self { limit, per_key, lanes: Arc::new(Mutex::new(lanes)) }
    }

    /// How many permits there are for each key.
    ///
    /// ```
    /// # use tenure::KeyedLimit;
    /// assert_eq!(KeyedLimit::<u32>::new(4).per_key(), 4);
    /// ```
    #[must_use]
    pub const fn per_key(&self) -> usize {
        self.per_key
    }

    /// The limit of all keys together: to see how many run and wait, to pause it, to change how many may run at once.
    ///
    /// What asks it for a permit without a key asks for one of all.
    ///
    /// ```
    /// use tenure::{KeyedLimit, OwnedFuture};
    ///
    /// let hosts = KeyedLimit::new(2);
    /// let inside = async { hosts.all().active() }.limit(hosts.key("a.example"));
    /// assert_eq!(smol::block_on(inside).unwrap(), 1);
    /// ```
    #[must_use]
    pub const fn all(&self) -> &Limit {
        &self.limit
    }
}

impl<K: Ord> KeyedLimit<K> {
    /// A claim of one permit for `key`.
    ///
    /// ```
    /// use tenure::{KeyedLimit, OwnedFuture};
    ///
    /// let hosts = KeyedLimit::new(2);
    /// let call = async { "hello" }.limit(hosts.key("a.example").priority(1));
    /// assert_eq!(smol::block_on(call).unwrap(), "hello");
    /// ```
    pub fn key(&self, key: K) -> Claim {
        let known = self.lanes.with(|lanes| lanes.by_key.get(&key).and_then(Weak::upgrade));
        let lane = known.unwrap_or_else(|| self.open(key));
        Claim::in_lane(self.limit.clone(), lane)
    }

    fn open(&self, key: K) -> Arc<Lane> {
        let new = Arc::new(Lane::open(&self.limit.queue, self.per_key));
        let open = self.limit.queue.look(|state, _| state.lanes.open_ones());
        // What is dropped is foreign code, and dropped when the lock is free.
        let (lane, _gone) = self.lanes.with(|lanes| {
            let mut gone = lanes.sweep(open);
            if let Some((key, lane)) = lanes.by_key.remove_entry(&key) {
                if let Some(known) = lane.upgrade() {
                    lanes.by_key.insert(key, lane);
                    return (known, gone);
                }
                gone.insert(key, lane);
            }
            lanes.by_key.insert(key, Arc::downgrade(&new));
            (new.clone(), gone)
        });
        lane
    }

    /// How many permits are held for `key`.
    ///
    /// ```
    /// use tenure::{KeyedLimit, OwnedFuture};
    ///
    /// let hosts = KeyedLimit::new(2);
    /// let inside = async { (hosts.active(&"a.example"), hosts.active(&"b.example")) };
    /// assert_eq!(smol::block_on(inside.limit(hosts.key("a.example"))).unwrap(), (1, 0));
    /// ```
    #[must_use]
    pub fn active(&self, key: &K) -> usize {
        let lane = self.lanes.with(|lanes| lanes.by_key.get(key).and_then(Weak::upgrade));
        lane.map_or(0, |lane| lane.held())
    }

    /// How many keys are known: those of whom somebody has a claim, waits or runs.
    ///
    /// ```
    /// # use tenure::KeyedLimit;
    /// let hosts = KeyedLimit::new(2);
    /// let claim = hosts.key("a.example");
    /// assert_eq!(hosts.keys(), 1);
    /// drop(claim);
    /// assert_eq!(hosts.keys(), 0);
    /// ```
    #[must_use]
    pub fn keys(&self) -> usize {
        let is_known = |lane: &&Weak<Lane>| lane.strong_count() > 0;
        self.lanes.with(|lanes| lanes.by_key.values().filter(is_known).count())
    }
}

impl<K> Clone for KeyedLimit<K> {
    fn clone(&self) -> Self {
        Self { limit: self.limit.clone(), per_key: self.per_key, lanes: self.lanes.clone() }
    }
}

impl<K> fmt::Debug for KeyedLimit<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedLimit")
            .field("all", &self.limit)
            .field("per_key", &self.per_key)
            .finish()
    }
}
