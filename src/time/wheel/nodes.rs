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

/// With so many chunks the list of them is given back, too, when the last node is vacant.
const MANY: usize = 64;

/// Where alarms are kept: places known by a number, used again when they are vacant. None ever moves.
///
/// One chunk is kept that has vacant nodes only, lest what comes and goes where another one begins
/// allocates each time.
#[derive(Debug)]
pub(super) struct Nodes {
    chunks: Vec<Chunk>,
    /// The first of the chunks that have a vacant node.
    roomy: u32,
    /// The first of the chunks that have been given back.
    absent: u32,
    /// How many chunks have vacant nodes only.
    empty: usize,
    taken: usize,
}

#[derive(Debug)]
struct Chunk {
    nodes: Option<Box<[Node; CHUNK]>>,
    taken: u32,
    /// The first of its vacant nodes, within the chunk. They are linked by their `next`.
    vacant: u32,
    /// Among the chunks that have a vacant node, or, by `next` alone, that have been given back.
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

/// A tick, and the bucket in which it lies, in one word.
#[derive(Clone, Copy, Debug)]
pub(super) struct When(u64);

impl When {
    const NEVER: Self = Self(u64::MAX);

    pub(super) const fn new(tick: u64, place: Place) -> Self {
        Self(tick << Place::BITS | place.to_bits())
    }

    pub(super) const fn tick(self) -> u64 {
        self.0 >> Place::BITS
    }

    pub(super) const fn place(self) -> Place {
        Place::from_bits(self.0)
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
        Self { chunks: Vec::new(), roomy: NONE, absent: NONE, empty: 0, taken: 0 }
    }

    /// Keeps a waker. In which bucket it lies is still to be said.
    ///
    /// # Panics
    ///
    /// Where four billion are kept already, in 128 gibibytes.
    #[inline]
    pub(super) fn insert(&mut self, waker: Waker) -> u32 {
        if self.roomy == NONE {
            self.add_chunk();
        }
        let number = self.roomy;
        let chunk = &mut self.chunks[number as usize];
        let nodes = chunk.nodes.as_mut().expect("what is roomy has nodes");
        let offset = chunk.vacant;
        let node = &mut nodes[offset_of(offset)];
        chunk.vacant = node.next;
        node.waker = Some(waker);
        self.empty -= usize::from(chunk.taken == 0);
        self.taken += 1;
        chunk.taken += 1;
        if chunk.vacant == NONE {
            self.unlink(number);
        }
        number * CHUNK as u32 + offset
    }

    /// Hands back what is kept by that number, which must be taken.
    #[inline]
    pub(super) fn remove(&mut self, number: u32) -> Option<Waker> {
        let chunk_number = chunk_of(number);
        let chunk = &mut self.chunks[chunk_number as usize];
        let node = &mut chunk.nodes.as_mut()?[offset_of(number)];
        let waker = node.waker.take()?;
        let was_full = chunk.vacant == NONE;
        (node.when, node.next) = (When::NEVER, chunk.vacant);
        chunk.vacant = offset_of(number) as u32;
        chunk.taken -= 1;
        self.taken -= 1;
        let is_empty = chunk.taken == 0;
        if was_full {
            self.link(chunk_number);
        }
        if is_empty {
            self.emptied(chunk_number);
        }
        Some(waker)
    }

    /// Whether an alarm of that number is set for `tick`.
    #[inline]
    pub(super) fn is_set(&self, number: u32, tick: u64) -> bool {
        let chunk = self.chunks.get(chunk_of(number) as usize);
        let node = chunk.and_then(|chunk| Some(&chunk.nodes.as_ref()?[offset_of(number)]));
        node.is_some_and(|node| node.when.tick() == tick)
    }

    #[cold]
    fn add_chunk(&mut self) {
        const VACANT: Node = Node { waker: None, when: When::NEVER, prev: NONE, next: NONE };
        let mut nodes = Box::new([VACANT; CHUNK]);
        for (next, node) in (1..CHUNK as u32).zip(&mut *nodes) {
            node.next = next;
        }
        let chunk = Chunk { nodes: Some(nodes), taken: 0, vacant: 0, prev: NONE, next: NONE };
        let number = match self.absent {
            NONE => {
                let number = self.chunks.len() as u32;
                assert!(number < chunk_of(NONE), "a wheel has room for four billion alarms");
                self.chunks.push(chunk);
                number
            }
            number => {
                let absent = mem::replace(&mut self.chunks[number as usize], chunk);
                self.absent = absent.next;
                number
            }
        };
        self.empty += 1;
        self.link(number);
    }

    fn emptied(&mut self, number: u32) {
        if self.taken == 0 && self.chunks.len() >= MANY {
            *self = Self::new();
            return;
        }
        if self.empty == 0 {
            self.empty = 1;
            return;
        }
        self.unlink(number);
        let chunk = &mut self.chunks[number as usize];
        chunk.nodes = None;
        chunk.next = mem::replace(&mut self.absent, number);
    }

    /// Puts a chunk first among those that have a vacant node.
    fn link(&mut self, number: u32) {
        let next = mem::replace(&mut self.roomy, number);
        let chunk = &mut self.chunks[number as usize];
        (chunk.prev, chunk.next) = (NONE, next);
        if next != NONE {
            self.chunks[next as usize].prev = number;
        }
    }

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
