//! A list of many that are taken out in the order in which they came.
//!
//! One that comes while there is none lies in the list itself: a list of no more than that allocates nothing. The
//! others lie in blocks of which none is large: to grow copies nothing. And where an allocator is asked for something
//! large, it may first tidy up all the small pieces that it has at hand, by which each of them becomes dearer for a
//! while.

#[cfg(all(test, not(any(tenure_loom, tenure_shuttle))))]
mod tests;

use alloc::{boxed::Box, collections::VecDeque, vec::Vec};
use core::mem;

#[derive(Debug)]
pub(crate) struct Fifo<T> {
    first: Option<T>,
    /// Those that came after it.
    others: Option<Box<Others<T>>>,
}

#[derive(Debug)]
struct Others<T> {
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
    #[inline]
    fn default() -> Self {
        Self { first: None, others: None }
    }
}

impl<T> Fifo<T> {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none() && self.others.as_ref().is_none_or(|others| others.is_empty())
    }

    pub(crate) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.as_ref().map_or(0, |others| others.len())
    }

    #[inline]
    pub(crate) fn push(&mut self, item: T) {
        if self.is_empty() {
            self.first = Some(item);
        } else {
            self.others.get_or_insert_with(Others::new).push(item);
        }
    }

    #[inline]
    pub(crate) fn pop(&mut self) -> Option<T> {
        self.first.take().or_else(|| self.others.as_mut()?.pop())
    }
}

impl<T> Others<T> {
    #[cold]
    fn new() -> Box<Self> {
        Box::new(Self { front: Vec::new(), full: VecDeque::new(), back: Vec::new() })
    }

    fn is_empty(&self) -> bool {
        self.front.is_empty() && self.back.is_empty()
    }

    fn len(&self) -> usize {
        self.front.len() + self.full.len() * BLOCK + self.back.len()
    }

    #[inline]
    fn push(&mut self, item: T) {
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
    fn pop(&mut self) -> Option<T> {
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
