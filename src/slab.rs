//! A vector whose places are used again: insertion and removal by key without searching.

use alloc::vec::Vec;

#[derive(Debug)]
pub(crate) struct Slab<T> {
    places: Vec<Place<T>>,
    /// Head of the list of vacant places, or the length where there is none.
    vacant: usize,
    taken: usize,
}

#[derive(Debug)]
enum Place<T> {
    Taken(T),
    Vacant(usize),
}

impl<T> Slab<T> {
    pub(crate) const fn new() -> Self {
        Self { places: Vec::new(), vacant: 0, taken: 0 }
    }

    pub(crate) fn insert(&mut self, value: T) -> usize {
        let key = self.vacant;
        match self.places.get_mut(key) {
            Some(place) => {
                if let Place::Vacant(next) = *place {
                    self.vacant = next;
                }
                *place = Place::Taken(value);
            }
            None => {
                self.places.push(Place::Taken(value));
                self.vacant = self.places.len();
            }
        }
        self.taken += 1;
        key
    }

    pub(crate) fn get_mut(&mut self, key: usize) -> Option<&mut T> {
        match self.places.get_mut(key) {
            Some(Place::Taken(value)) => Some(value),
            _ => None,
        }
    }

    /// Takes out what stands at `key`. Gives the memory back once nothing is left.
    pub(crate) fn remove(&mut self, key: usize) -> Option<T> {
        let place = self.places.get_mut(key)?;
        if matches!(place, Place::Vacant(_)) {
            return None;
        }
        let Place::Taken(value) = core::mem::replace(place, Place::Vacant(self.vacant)) else {
            return None;
        };
        self.vacant = key;
        self.taken -= 1;
        if self.taken == 0 && self.places.len() > KEPT {
            *self = Self::new();
        }
        Some(value)
    }

    pub(crate) fn into_values(self) -> impl Iterator<Item = T> {
        self.places.into_iter().filter_map(|place| match place {
            Place::Taken(value) => Some(value),
            Place::Vacant(_) => None,
        })
    }
}

/// An empty slab of up to this many places keeps its memory, so that one which is used by turns
/// doesn't allocate at each.
const KEPT: usize = 64;
