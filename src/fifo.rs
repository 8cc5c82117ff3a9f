//! A list of many that are taken out in the order in which they came.
//!
//! One that comes while there is none lies in the list itself: a list of no more than that allocates nothing. The
//! others lie in blocks of which none is large: to grow copies nothing. And where an allocator is asked for something
//! large, it may first tidy up all the small pieces that it has at hand, by which each of them becomes dearer for a
//! while.

#[cfg(all(test, not(any(tenure_loom, tenure_shuttle))))]
mod tests;

use alloc::{boxed::Box, vec::Vec};
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
    /// Each as long as it may be. Where there are any, `back` isn't empty. The first one comes out first.
    next: Blocks<T>,
    /// As those, after them. The last one comes out first.
    full: Blocks<T>,
    /// The first one comes out first.
    back: Vec<T>,
}

/// A stack of blocks: a list of them would become large itself.
#[derive(Debug)]
struct Blocks<T> {
    top: Option<Box<Block<T>>>,
    len: usize,
}

#[derive(Debug)]
struct Block<T> {
    items: Vec<T>,
    below: Option<Box<Self>>,
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
        let [next, full] = [(); 2].map(|()| Blocks { top: None, len: 0 });
        Box::new(Self { front: Vec::new(), next, full, back: Vec::new() })
    }

    fn is_empty(&self) -> bool {
        self.front.is_empty() && self.back.is_empty()
    }

    fn len(&self) -> usize {
        self.front.len() + (self.next.len + self.full.len) * BLOCK + self.back.len()
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
        self.full.push(mem::replace(&mut self.back, next));
    }

    #[inline]
    fn pop(&mut self) -> Option<T> {
        if self.front.is_empty() {
            self.turn();
        }
        self.front.pop()
    }

    /// The front is used up: the next block becomes it.
    #[cold]
    fn turn(&mut self) {
        if self.next.len == 0 {
            while let Some(block) = self.full.pop() {
                self.next.push(block);
            }
        }
        match self.next.pop() {
            Some(block) => self.front = block,
            None => mem::swap(&mut self.front, &mut self.back),
        }
        self.front.reverse();
    }
}

impl<T> Blocks<T> {
    fn push(&mut self, items: Vec<T>) {
        self.len += 1;
        self.top = Some(Box::new(Block { items, below: self.top.take() }));
    }

    fn pop(&mut self) -> Option<Vec<T>> {
        let Block { items, below } = *self.top.take()?;
        self.len -= 1;
        self.top = below;
        Some(items)
    }
}

/// One by one, however many there are: the depth of the stack doesn't depend on it.
impl<T> Drop for Blocks<T> {
    fn drop(&mut self) {
        while self.pop().is_some() {}
    }
}

impl<T> Iterator for Fifo<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.pop()
    }
}
