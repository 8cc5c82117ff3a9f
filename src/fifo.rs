//! A list of many that are taken out in the order in which they came.
//!
//! It lies in blocks of which none is large: to grow copies nothing. And where an allocator is asked for something
//! large, it may first tidy up all the small pieces that it has at hand, by which each of them becomes dearer for a
//! while.

#[cfg(all(test, not(any(tenure_loom, tenure_shuttle))))]
mod tests;

use alloc::{collections::VecDeque, vec::Vec};
use core::mem;

#[derive(Debug)]
pub(crate) struct Fifo<T> {
    /// The last one comes out first.
    front: Vec<T>,
    /// Each as long as it may be. Where there are any, `back` isn't empty.
    full: VecDeque<Vec<T>>,
    /// The first one comes out first.
    back: Vec<T>,
}

/// Of pointers, that is half a kilobyte at most.
const BLOCK: usize = 32;

impl<T> Default for Fifo<T> {
    fn default() -> Self {
        Self { front: Vec::new(), full: VecDeque::new(), back: Vec::new() }
    }
}

impl<T> Fifo<T> {
    pub(crate) fn is_empty(&self) -> bool {
        self.front.is_empty() && self.back.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.front.len() + self.full.len() * BLOCK + self.back.len()
    }

    #[inline]
    pub(crate) fn push(&mut self, item: T) {
        if self.back.len() == BLOCK {
            self.next_block();
        }
        self.back.push(item);
    }

    #[cold]
    fn next_block(&mut self) {
        let next = Vec::with_capacity(BLOCK);
        self.full.push_back(mem::replace(&mut self.back, next));
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Option<T> {
        if self.front.is_empty() {
            self.turn();
        }
        self.front.pop()
    }

    /// The front is used up: the next block becomes it. The list of blocks isn't kept, the one block is.
    fn turn(&mut self) {
        match self.full.pop_front() {
            Some(block) => self.front = block,
            None => {
                self.full = VecDeque::new();
                mem::swap(&mut self.front, &mut self.back);
            }
        }
        self.front.reverse();
    }
}

impl<T> Iterator for Fifo<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.pop()
    }
}
