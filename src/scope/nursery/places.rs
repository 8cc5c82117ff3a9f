//! Where the children of a nursery stand while they wait.

#[cfg(all(test, not(any(tenure_loom, tenure_shuttle))))]
mod tests;

use alloc::vec::Vec;
use core::mem;

/// A list whose places are used again: insertion and removal by key without searching.
///
/// It lies in blocks, as a [`Fifo`](crate::fifo::Fifo) does.
#[derive(Debug)]
pub(super) struct Places<T> {
    /// The first block, which grows to its length.
    first: Vec<Place<T>>,
    /// The others. None is empty, and none is followed by another unless it is full.
    more: Vec<Vec<Place<T>>>,
    /// The first that is vacant.
    vacant: u32,
    taken: usize,
}

#[derive(Debug)]
enum Place<T> {
    Taken(T),
    /// Among the vacant ones.
    Vacant {
        before: u32,
        after: u32,
    },
}

const BLOCK: usize = 32;
/// No place.
const NONE: u32 = u32::MAX;

impl<T> Default for Places<T> {
    fn default() -> Self {
        Self { first: Vec::new(), more: Vec::new(), vacant: NONE, taken: 0 }
    }
}

impl<T> Places<T> {
    /// How many are taken.
    pub(super) fn len(&self) -> usize {
        self.taken
    }

    /// The key that the next one is going to have.
    pub(super) fn next_key(&self) -> u32 {
        if self.vacant == NONE { self.end() } else { self.vacant }
    }

    pub(super) fn insert(&mut self, value: T) {
        self.taken += 1;
        if self.vacant != NONE {
            let key = self.vacant;
            self.unlink(key);
            if let Some(place) = self.place_mut(key) {
                *place = Place::Taken(value);
            }
            return;
        }
        match self.more.last_mut() {
            None if self.first.len() < BLOCK => self.first.push(Place::Taken(value)),
            Some(last) if last.len() < BLOCK => last.push(Place::Taken(value)),
            _ => {
                let mut block = Vec::with_capacity(BLOCK);
                block.push(Place::Taken(value));
                self.more.push(block);
            }
        }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, key: u32) -> Option<&mut T> {
        match self.place_mut(key)? {
            Place::Taken(value) => Some(value),
            Place::Vacant { .. } => None,
        }
    }

    /// Takes out what stands at `key`. The memory shrinks along with what is left, from the end.
    pub(super) fn remove(&mut self, key: u32) -> Option<T> {
        let after = self.vacant;
        let place = self.place_mut(key)?;
        if let Place::Vacant { .. } = place {
            return None;
        }
        let taken = mem::replace(place, Place::Vacant { before: NONE, after });
        self.taken -= 1;
        self.relink_before(after, key);
        self.vacant = key;
        if self.taken == 0 {
            self.clear();
        } else if key + 1 == self.end() {
            self.shrink();
        }
        match taken {
            Place::Taken(value) => Some(value),
            Place::Vacant { .. } => None,
        }
    }

    /// All keys that there are, or were.
    pub(super) fn end(&self) -> u32 {
        let others = match &*self.more {
            [] => 0,
            [full @ .., last] => full.len() * BLOCK + last.len(),
        };
        (self.first.len() + others) as u32
    }

    #[inline]
    fn place_mut(&mut self, key: u32) -> Option<&mut Place<T>> {
        let (block, place) = (key as usize / BLOCK, key as usize % BLOCK);
        match block.checked_sub(1) {
            None => self.first.get_mut(place),
            Some(block) => self.more.get_mut(block)?.get_mut(place),
        }
    }

    /// Nothing is left but vacant places.
    fn clear(&mut self) {
        self.first.clear();
        self.more = Vec::new();
        self.vacant = NONE;
    }

    /// Gives up the last places for as long as they are vacant.
    fn shrink(&mut self) {
        while let Some(Place::Vacant { .. }) = self.more.last().unwrap_or(&self.first).last() {
            let key = self.end() - 1;
            self.unlink(key);
            match self.more.last_mut() {
                None => drop(self.first.pop()),
                Some(block) => {
                    block.pop();
                    if block.is_empty() {
                        self.more.pop();
                    }
                }
            }
        }
        if self.more.len() < self.more.capacity() / 4 {
            self.more.shrink_to(self.more.len() * 2);
        }
    }

    /// Takes a place out of the vacant ones.
    fn unlink(&mut self, key: u32) {
        let Some(&mut Place::Vacant { before, after }) = self.place_mut(key) else { return };
        match before {
            NONE => self.vacant = after,
            before => {
                if let Some(Place::Vacant { after: link, .. }) = self.place_mut(before) {
                    *link = after;
                }
            }
        }
        self.relink_before(after, before);
    }

    fn relink_before(&mut self, key: u32, new: u32) {
        if let Some(Place::Vacant { before, .. }) = self.place_mut(key) {
            *before = new;
        }
    }
}

const _: () = assert!(mem::size_of::<Place<&dyn Fn()>>() == mem::size_of::<&dyn Fn()>());
