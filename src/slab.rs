//! A vector whose places are used again: insertion and removal by key without searching.

use alloc::vec::Vec;

#[derive(Debug)]
pub(crate) struct Slab<T> {
    places: Vec<Option<T>>,
    /// The vacant places, and some that were vacant once.
    vacant: Vec<usize>,
    taken: usize,
}

/// Up to so many places are kept for the next, so that what comes and goes doesn't allocate each time.
const KEPT: usize = 64;

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { places: Vec::new(), vacant: Vec::new(), taken: 0 }
    }
}

impl<T> Slab<T> {
    pub(crate) fn len(&self) -> usize {
        self.taken
    }

    pub(crate) fn insert(&mut self, value: T) -> usize {
        self.taken += 1;
        while let Some(key) = self.vacant.pop() {
            if let Some(place @ None) = self.places.get_mut(key) {
                *place = Some(value);
                return key;
            }
        }
        self.places.push(Some(value));
        self.places.len() - 1
    }

    pub(crate) fn get(&self, key: usize) -> Option<&T> {
        self.places.get(key)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, key: usize) -> Option<&mut T> {
        self.places.get_mut(key)?.as_mut()
    }

    /// Takes out what stands at `key`. The memory shrinks along with what is left, from the end.
    pub(crate) fn remove(&mut self, key: usize) -> Option<T> {
        let value = self.places.get_mut(key)?.take()?;
        self.taken -= 1;
        if key + 1 < self.places.len() {
            self.vacant.push(key);
            return Some(value);
        }
        while let Some(None) = self.places.last() {
            self.places.pop();
        }
        let len = self.places.len();
        if len == 0 {
            self.vacant.clear();
        }
        if self.places.capacity() > KEPT && len < self.places.capacity() / 4 {
            self.places.shrink_to(len * 2);
            self.vacant.retain(|&key| key < len);
            self.vacant.shrink_to(len);
        }
        Some(value)
    }

    /// What stands where, with its key.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &T)> {
        self.places.iter().enumerate().filter_map(|(key, place)| Some((key, place.as_ref()?)))
    }

    /// Takes out what stands at `key` if it is such.
    #[inline]
    pub(crate) fn remove_if(&mut self, key: usize, is_such: impl FnOnce(&T) -> bool) -> Option<T> {
        if is_such(self.get(key)?) { self.remove(key) } else { None }
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.places.iter_mut().flatten()
    }

    pub(crate) fn into_values(self) -> impl Iterator<Item = T> {
        self.places.into_iter().flatten()
    }
}
