//! A line: some of those who wait, in the order of their places.

use alloc::collections::BTreeMap;
use core::mem;

use super::waiters::{List, Place, Waiter, Waiters};

/// Whoever comes mostly goes to one of its ends, which takes no searching. From when somebody doesn't, it is
/// a tree, until it is empty.
#[derive(Debug)]
pub(super) enum Line {
    List(List),
    Tree(BTreeMap<Place, usize>),
}

impl Default for Line {
    fn default() -> Self {
        Self::List(List::default())
    }
}

impl Line {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::List(list) => list.len(),
            Self::Tree(tree) => tree.len(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn first(&self) -> Option<usize> {
        match self {
            Self::List(list) => list.first(),
            Self::Tree(tree) => tree.first_key_value().map(|(_, key)| *key),
        }
    }

    pub(super) fn last(&self) -> Option<usize> {
        match self {
            Self::List(list) => list.last(),
            Self::Tree(tree) => tree.last_key_value().map(|(_, key)| *key),
        }
    }

    pub(super) fn insert(&mut self, key: usize, waiters: &mut Waiters) {
        let Some(place) = place_of(key, waiters) else { return };
        if let Self::List(list) = self {
            let stands_after = |end: Option<usize>| {
                end.and_then(|end| place_of(end, waiters)).is_none_or(|end| end < place)
            };
            if stands_after(list.last()) {
                return list.push_last(key, waiters);
            }
            if !stands_after(list.first()) {
                return list.push_first(key, waiters);
            }
            let all =
                core::iter::from_fn(|| list.pop_first(waiters)).collect::<alloc::vec::Vec<_>>();
            let placed = all.into_iter().filter_map(|key| Some((place_of(key, waiters)?, key)));
            *self = Self::Tree(placed.collect());
        }
        if let Self::Tree(tree) = self {
            tree.insert(place, key);
        }
    }

    /// All places have changed, but not which is before which.
    pub(super) fn place_anew(&mut self, waiters: &Waiters) {
        if let Self::Tree(tree) = self {
            let all = mem::take(tree).into_values();
            *tree = all.filter_map(|key| Some((place_of(key, waiters)?, key))).collect();
        }
    }

    /// Takes out one that stands in it.
    pub(super) fn remove(&mut self, key: usize, waiters: &mut Waiters) {
        match self {
            Self::List(list) => list.remove(key, waiters),
            Self::Tree(tree) => {
                if let Some(place) = place_of(key, waiters) {
                    tree.remove(&place);
                }
                if tree.is_empty() {
                    *self = Self::default();
                }
            }
        }
    }
}

fn place_of(key: usize, waiters: &Waiters) -> Option<Place> {
    waiters.get(key).map(Waiter::place)
}
