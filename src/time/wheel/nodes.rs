use alloc::{boxed::Box, vec::Vec};
use core::{
    mem,
    ops::{Index, IndexMut},
    task::Waker,
};

use super::Place;

/// The number of no node.
pub(super) const NONE: u32 = u32::MAX;

/// So many nodes are allocated at a time, and given back when the last of them is vacant.
const CHUNK: usize = 128;

/// A list of more chunks than that is given back, too, when the last node of all is vacant.
const FEW: usize = 64;

/// Where alarms are kept: places known by a number, used again when they are vacant. None ever moves.
///
/// A chunk that has vacant nodes only is kept if it is the next to be used, lest what comes and goes where
/// another one begins allocates each time.
#[derive(Debug)]
pub(super) struct Nodes {
    chunks: Vec<Chunk>,
    /// The first of the chunks that have a vacant node, linked both ways.
    roomy: u32,
    /// No chunk before this one has been given back.
    present: usize,
    taken: usize,
}

#[derive(Debug)]
struct Chunk {
    /// `None` where it has been given back.
    nodes: Option<Box<[Node; CHUNK]>>,
    taken: u32,
    /// The first of its vacant nodes, within the chunk. They are linked by their `next`.
    vacant: u32,
    prev: u32,
    next: u32,
}

/// An alarm, and its neighbours in its bucket.
#[derive(Debug)]
pub(super) struct Node {
    /// `None` while it is vacant.
    waker: Option<Waker>,
    pub(super) when: When,
    pub(super) prev: u32,
    pub(super) next: u32,
}

/// The bucket of an alarm, and its neighbours there.
pub(super) struct Links {
    pub(super) place: Place,
    pub(super) prev: u32,
    pub(super) next: u32,
}

/// A tick, and the bucket in which it lies, in one word.
#[derive(Clone, Copy, Debug)]
pub(super) struct When(u64);

impl When {
    const NEVER: Self = Self(u64::MAX);

    pub(super) const fn new(tick: u64, place: Place) -> Self {
        Self(tick << Place::BITS | place.0 as u64)
    }

    pub(super) const fn tick(self) -> u64 {
        self.0 >> Place::BITS
    }

    pub(super) const fn place(self) -> Place {
        Place((self.0 % (1 << Place::BITS)) as u16)
    }
}

const fn chunk_of(number: u32) -> u32 {
    number / CHUNK as u32
}

const fn offset_of(number: u32) -> usize {
    number as usize % CHUNK
}

impl Nodes {
    pub(super) const fn new() -> Self {
        Self { chunks: Vec::new(), roomy: NONE, present: 0, taken: 0 }
    }

    /// Keeps an alarm, and returns its number. Its neighbours are still to be told.
    ///
    /// # Panics
    ///
    /// Where four billion are kept already, in 128 gibibytes.
    #[inline]
    pub(super) fn insert(&mut self, waker: Waker, when: When, prev: u32) -> u32 {
        let number = match self.roomy {
            NONE => self.add_chunk(),
            number => number,
        };
        let chunk = &mut self.chunks[number as usize];
        let nodes = chunk.nodes.as_mut().expect("what is roomy has nodes");
        let offset = chunk.vacant;
        let node = &mut nodes[offset_of(offset)];
        chunk.vacant = mem::replace(&mut node.next, NONE);
        (node.waker, node.when, node.prev) = (Some(waker), when, prev);
        chunk.taken += 1;
        self.taken += 1;
        if chunk.vacant == NONE {
            self.unlink(number);
        }
        number * CHUNK as u32 + offset
    }

    /// Takes an alarm out, if that number is kept for `tick`, and tells where it was linked in.
    #[inline]
    pub(super) fn remove(&mut self, number: u32, tick: u64) -> Option<(Waker, Links)> {
        let (number, offset) = (chunk_of(number), offset_of(number));
        let chunk = self.chunks.get_mut(number as usize)?;
        let node = &mut chunk.nodes.as_mut()?[offset];
        if node.when.tick() != tick {
            return None;
        }
        let links = Links { place: node.when.place(), prev: node.prev, next: node.next };
        let waker = node.waker.take()?;
        (node.when, node.next) = (When::NEVER, chunk.vacant);
        let was_full = mem::replace(&mut chunk.vacant, offset as u32) == NONE;
        chunk.taken -= 1;
        let is_empty = chunk.taken == 0;
        self.taken -= 1;
        if was_full {
            self.link(number);
        }
        if is_empty {
            self.tidy(number);
        }
        Some((waker, links))
    }

    #[cold]
    fn add_chunk(&mut self) -> u32 {
        const VACANT: Node = Node { waker: None, when: When::NEVER, prev: NONE, next: NONE };
        let mut nodes = Box::new([VACANT; CHUNK]);
        for (next, node) in (1..CHUNK as u32).zip(&mut *nodes) {
            node.next = next;
        }
        let chunk = Chunk { nodes: Some(nodes), taken: 0, vacant: 0, prev: NONE, next: NONE };
        let is_absent = |chunk: &Chunk| chunk.nodes.is_none();
        let absent = self.chunks.iter().skip(self.present).position(is_absent);
        self.present = absent.map_or(self.chunks.len(), |after| self.present + after);
        let number = self.present as u32;
        match self.chunks.get_mut(self.present) {
            Some(absent) => *absent = chunk,
            None => {
                assert!(number < chunk_of(NONE), "a wheel has room for four billion alarms");
                self.chunks.push(chunk);
            }
        }
        self.link(number);
        number
    }

    /// Sees whether a chunk that has vacant nodes only, or all of them, can be given back.
    #[inline]
    fn tidy(&mut self, number: u32) {
        if self.taken == 0 && self.chunks.len() > FEW {
            *self = Self::new();
        } else if number != self.roomy {
            self.give_back(number);
        }
    }

    #[cold]
    fn give_back(&mut self, number: u32) {
        self.unlink(number);
        self.chunks[number as usize].nodes = None;
        while self.chunks.last().is_some_and(|last| last.nodes.is_none()) {
            self.chunks.pop();
        }
        if self.chunks.len() < self.chunks.capacity() / 4 {
            self.chunks.shrink_to(2 * self.chunks.len());
        }
        self.present = self.present.min(number as usize).min(self.chunks.len());
    }

    /// Puts a chunk first among those that have a vacant node, before one that may have no others: that is
    /// given back.
    #[cold]
    fn link(&mut self, number: u32) {
        let next = mem::replace(&mut self.roomy, number);
        let chunk = &mut self.chunks[number as usize];
        (chunk.prev, chunk.next) = (NONE, next);
        if next != NONE {
            let next_chunk = &mut self.chunks[next as usize];
            next_chunk.prev = number;
            if next_chunk.taken == 0 {
                self.give_back(next);
            }
        }
    }

    #[cold]
    fn unlink(&mut self, number: u32) {
        let Chunk { prev, next, .. } = self.chunks[number as usize];
        match prev {
            NONE => self.roomy = next,
            _ => self.chunks[prev as usize].next = next,
        }
        if next != NONE {
            self.chunks[next as usize].prev = prev;
        }
    }
}

impl Index<u32> for Nodes {
    type Output = Node;

    #[inline]
    fn index(&self, number: u32) -> &Node {
        let nodes = &self.chunks[chunk_of(number) as usize].nodes;
        &nodes.as_ref().expect("its chunk is there")[offset_of(number)]
    }
}

impl IndexMut<u32> for Nodes {
    #[inline]
    fn index_mut(&mut self, number: u32) -> &mut Node {
        let nodes = &mut self.chunks[chunk_of(number) as usize].nodes;
        &mut nodes.as_mut().expect("its chunk is there")[offset_of(number)]
    }
}
