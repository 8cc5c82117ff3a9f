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
    /// How many there are.
    end: u32,
    taken: u32,
    /// The first that is vacant.
    vacant: u32,
    /// When no more are taken, it tidies up.
    few: u32,
}

#[derive(Debug)]
enum Place<T> {
    Taken(T),
    /// And the next one that is.
    Vacant(u32),
}

const BLOCK: usize = 32;
/// No place.
const NONE: u32 = u32::MAX;

impl<T> Default for Places<T> {
    fn default() -> Self {
        Self { first: Vec::new(), more: Vec::new(), end: 0, taken: 0, vacant: NONE, few: 0 }
    }
}

impl<T> Places<T> {
    /// How many are taken.
    pub(super) fn len(&self) -> usize {
        self.taken as usize
    }

    /// All keys are below.
    pub(super) fn end(&self) -> u32 {
        self.end
    }

    /// The key that the next one is going to have.
    #[inline]
    pub(super) fn next_key(&self) -> u32 {
        if self.vacant == NONE { self.end } else { self.vacant }
    }

    #[inline]
    pub(super) fn insert(&mut self, value: T) {
        self.taken += 1;
        match self.vacant {
            NONE => self.push(Place::Taken(value)),
            key => {
                if let Some(place) = self.place_mut(key) {
                    if let Place::Vacant(next) = mem::replace(place, Place::Taken(value)) {
                        self.vacant = next;
                    }
                }
            }
        }
    }

    fn push(&mut self, place: Place<T>) {
        self.end += 1;
        self.few = self.few.max(self.taken / 4);
        match self.more.last_mut() {
            None if self.first.len() < BLOCK => self.first.push(place),
            Some(last) if last.len() < BLOCK => last.push(place),
            _ => {
                let mut block = Vec::with_capacity(BLOCK);
                block.push(place);
                self.more.push(block);
            }
        }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, key: u32) -> Option<&mut T> {
        match self.place_mut(key)? {
            Place::Taken(value) => Some(value),
            Place::Vacant(_) => None,
        }
    }

    /// Takes out what stands at `key`. The memory shrinks along with what is left, from the end, though not at once.
    #[inline]
    pub(super) fn remove(&mut self, key: u32) -> Option<T> {
        let next = self.vacant;
        let place = self.place_mut(key)?;
        if let Place::Vacant(_) = place {
            return None;
        }
        let Place::Taken(value) = mem::replace(place, Place::Vacant(next)) else { return None };
        self.vacant = key;
        self.taken -= 1;
        if self.taken <= self.few {
            self.tidy_up();
        }
        Some(value)
    }

    #[inline]
    fn place_mut(&mut self, key: u32) -> Option<&mut Place<T>> {
        let (block, place) = (key as usize / BLOCK, key as usize % BLOCK);
        match block.checked_sub(1) {
            None => self.first.get_mut(place),
            Some(block) => self.more.get_mut(block)?.get_mut(place),
        }
    }

    /// Gives up the last places for as long as they are vacant. Then it looks at all that are left: so it isn't done
    /// again before half of those that are taken have gone.
    #[cold]
    fn tidy_up(&mut self) {
        self.few = self.taken / 2;
        if self.taken == 0 {
            self.first.clear();
            (self.more, self.end, self.vacant) = (Vec::new(), 0, NONE);
            return;
        }
        let end = self.end;
        while let Some(Place::Vacant(_)) = self.more.last().unwrap_or(&self.first).last() {
            self.end -= 1;
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
        if self.end == end {
            return;
        }
        if self.more.len() < self.more.capacity() / 4 {
            self.more.shrink_to(self.more.len() * 2);
        }
        self.vacant = NONE;
        for key in (0..self.end).rev() {
            let next = self.vacant;
            if let Some(vacant @ Place::Vacant(_)) = self.place_mut(key) {
                *vacant = Place::Vacant(next);
                self.vacant = key;
            }
        }
    }
}

const _: () = assert!(mem::size_of::<Place<&dyn Fn()>>() == mem::size_of::<&dyn Fn()>());
