//! A timing wheel: alarms by the tick at which they are due.
//!
//! The ticks ahead are cut into blocks of 64, those into blocks of 64, and so on: a level for each size.
//! An alarm lies where its tick first parts from `base`, the first tick that isn't done: on level 0, in a
//! bucket for that very tick, if both are in the same 64; on level 1, in a bucket for 64 ticks, if both
//! are in the same 4,096; and so on. When time enters the block of a bucket, its alarms are dealt out to
//! the levels below. So to set an alarm and to cancel one take a few steps, however many there are, and
//! one that rings was dealt out once a level at most.
//!
//! After Varghese and Lauck, [Hashed and Hierarchical Timing Wheels] (1987), scheme 7.
//!
//! [Hashed and Hierarchical Timing Wheels]: https://doi.org/10.1145/37499.37504
//!
//! # Invariants
//!
//! 1. An alarm's tick is `open` or later.
//! 2. Level by level, no bucket before the one of `base` holds anything; nor, above level 0, does that one:
//!    `base` enters a block when its bucket has been dealt out.
//! 3. A bit of `occupied` is set if its bucket holds an alarm, and only then.
//! 4. Alarms of one tick lie in one bucket, in the order in which they were set; while that is being dealt
//!    out, the later ones still lie there.

mod nodes;
#[cfg(all(test, not(any(tenure_loom, tenure_shuttle))))]
mod tests;

use alloc::{boxed::Box, vec, vec::Vec};
use core::task::Waker;

use nodes::{Links, NONE, Node, Nodes, When};

/// Enough for ticks of 48 bits, where those of 584 years of milliseconds have 45.
const LEVELS: usize = 8;
const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
const BUCKETS: usize = LEVELS * SLOTS;

#[derive(Debug)]
pub(super) struct Wheel {
    /// The first tick that isn't done.
    open: u64,
    /// From where alarms are put in place: `open`, but for a while that comes later.
    base: u64,
    /// The bucket that is being dealt out, and the first tick of its block.
    dealing: Option<(Place, u64)>,
    nodes: Nodes,
    /// A bit for each bucket, level by level.
    occupied: [u64; LEVELS],
    buckets: Box<[Bucket; BUCKETS]>,
}

/// A list of nodes, linked both ways.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    first: u32,
    last: u32,
}

/// The place of a bucket: its level, and its slot there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place(u16);

impl Place {
    /// How many bits it has.
    const BITS: u32 = BUCKETS.ilog2();

    const fn new(level: usize, slot: u64) -> Self {
        Self((level << SLOT_BITS) as u16 | slot as u16)
    }

    /// Of `tick`, as seen from `base`.
    #[inline]
    const fn of(tick: u64, base: u64) -> Self {
        let level = ((tick ^ base) | 1).ilog2() / SLOT_BITS;
        Self::new(level as usize, tick >> (level * SLOT_BITS) & (SLOTS as u64 - 1))
    }

    const fn level(self) -> usize {
        self.index() >> SLOT_BITS
    }

    /// Its place among all buckets. There are as many as it can count.
    const fn index(self) -> usize {
        self.0 as usize % BUCKETS
    }

    const fn bit(self) -> u64 {
        1 << (self.0 as usize % SLOTS)
    }

    /// The first tick of the block, as seen from `base`.
    const fn begin(self, base: u64) -> u64 {
        let shift = self.level() as u32 * SLOT_BITS;
        // No tick has as many bits as would be shifted out.
        let above = base >> (shift + SLOT_BITS) << (shift + SLOT_BITS);
        above | (self.0 as u64 % SLOTS as u64) << shift
    }
}

impl Wheel {
    pub(super) fn new() -> Self {
        // Made where they are going to lie: they are more than some stacks have room for.
        let buckets = vec![Bucket { first: NONE, last: NONE }; BUCKETS].into_boxed_slice();
        let buckets = buckets.try_into().expect("there are as many");
        let (nodes, occupied) = (Nodes::new(), [0; LEVELS]);
        Self { open: 0, base: 0, dealing: None, nodes, occupied, buckets }
    }

    /// Sets an alarm, which is known by its tick and by the number that is returned. Hands the waker back
    /// if the tick is done.
    ///
    /// A number is given again, but no alarm was ever set for a tick that is done: so one that has rung
    /// is never taken for another that came after it.
    #[inline]
    pub(super) fn insert(&mut self, tick: u64, waker: Waker) -> Result<u32, Waker> {
        if tick < self.open {
            return Err(waker);
        }
        let place = Place::of(tick, self.base);
        let last = self.buckets[place.index()].last;
        let number = self.nodes.insert(waker, When::new(tick, place), last);
        self.link(place, last, number);
        Ok(number)
    }

    /// Takes an alarm out that has not rung, and hands its waker back, to be dropped elsewhere.
    #[inline]
    pub(super) fn remove(&mut self, tick: u64, number: u32) -> Option<Waker> {
        let (waker, links) = self.nodes.remove(number, tick)?;
        self.unlink(&links);
        Some(waker)
    }

    /// Does what is to be done up to tick `to`, and that too: takes out what is due, tick by tick, and
    /// of one tick in the order in which it was set. It stops when it has moved `most` alarms, so that
    /// nobody is kept waiting for long, and tells whether it is through.
    pub(super) fn advance(&mut self, to: u64, most: usize, due: &mut Vec<Waker>) -> bool {
        let mut left = most;
        while left > 0 {
            if let Some((from, begin)) = self.dealing {
                self.deal(from, begin, &mut left);
                continue;
            }
            match self.next_place() {
                Some((place, tick)) if place.level() == 0 && tick <= to => {
                    (self.open, self.base) = (tick, tick);
                    while left > 0 {
                        let first = self.buckets[place.index()].first;
                        let Some(waker) = self.remove(tick, first) else { break };
                        due.push(waker);
                        left -= 1;
                    }
                }
                // Also what begins right after: nothing is to be set below it before it is dealt out.
                Some((place, begin)) if place.level() > 0 && begin <= to + 1 => {
                    self.open = begin;
                    self.dealing = Some((place, begin));
                }
                _ => {
                    self.open = self.open.max(to + 1);
                    self.base = self.open;
                    return true;
                }
            }
        }
        false
    }

    /// Moves the alarms of a bucket to where they lie as seen from the begin of its block, and goes there when
    /// that was the last one. What is set meanwhile still comes to the end of the bucket.
    fn deal(&mut self, from: Place, begin: u64, left: &mut usize) {
        while *left > 0 {
            let number = self.buckets[from.index()].first;
            if number == NONE {
                self.base = begin;
                self.dealing = None;
                return;
            }
            let Node { when, next, .. } = self.nodes[number];
            self.unlink(&Links { place: from, prev: NONE, next });
            let tick = when.tick();
            let place = Place::of(tick, begin);
            let last = self.buckets[place.index()].last;
            let node = &mut self.nodes[number];
            (node.when, node.prev, node.next) = (When::new(tick, place), last, NONE);
            self.link(place, last, number);
            *left -= 1;
        }
    }

    /// The first tick at which there is something to do, though it may be only to deal alarms out.
    pub(super) fn next(&self) -> Option<u64> {
        self.next_place().map(|(_, begin)| begin)
    }

    fn next_place(&self) -> Option<(Place, u64)> {
        let occupied = self.occupied.iter().enumerate().filter(|(_, slots)| **slots != 0);
        let first = occupied.map(|(level, slots)| {
            let place = Place::new(level, slots.trailing_zeros().into());
            (place, place.begin(self.base))
        });
        first.min_by_key(|&(_, begin)| begin)
    }

    /// Puts a node last into its bucket, after `last`.
    #[inline]
    fn link(&mut self, place: Place, last: u32, number: u32) {
        let bucket = &mut self.buckets[place.index()];
        bucket.last = number;
        if last == NONE {
            bucket.first = number;
            self.occupied[place.level()] |= place.bit();
        } else {
            self.nodes[last].next = number;
        }
    }

    /// Closes the gap that a node leaves in its bucket.
    #[inline]
    fn unlink(&mut self, &Links { place, prev, next }: &Links) {
        let bucket = &mut self.buckets[place.index()];
        match prev {
            NONE => bucket.first = next,
            _ => self.nodes[prev].next = next,
        }
        match next {
            NONE => bucket.last = prev,
            _ => self.nodes[next].prev = prev,
        }
        if prev == NONE && next == NONE {
            self.occupied[place.level()] &= !place.bit();
        }
    }
}
