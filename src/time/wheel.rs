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
use core::{mem, task::Waker};

use nodes::{NONE, Node, Nodes, When};

/// Enough for ticks of 48 bits, where those of 584 years of milliseconds have 45.
const LEVELS: usize = 8;
const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;

#[derive(Debug)]
pub(super) struct Wheel {
    /// The first tick that isn't done.
    open: u64,
    /// From where alarms are put in place: `open`, but for a while that comes later.
    base: u64,
    /// The bucket that is being dealt out, and the first tick of its block.
    dealing: Option<(Place, u64)>,
    nodes: Nodes,
    levels: Box<[Level]>,
}

#[derive(Clone, Debug)]
struct Level {
    /// A bit for each bucket.
    occupied: u64,
    buckets: [Bucket; SLOTS],
}

/// A list of nodes, linked both ways.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    first: u32,
    last: u32,
}

/// The bucket of one block of ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    level: usize,
    slot: usize,
}

impl Place {
    /// How many bits tell a bucket from the others.
    const BITS: u32 = 9;

    const fn to_bits(self) -> u64 {
        (self.level << SLOT_BITS | self.slot) as u64
    }

    const fn from_bits(bits: u64) -> Self {
        Self { level: (bits >> SLOT_BITS) as usize % LEVELS, slot: bits as usize % SLOTS }
    }

    /// Of `tick`, as seen from `base`.
    const fn of(tick: u64, base: u64) -> Self {
        let parts = (tick ^ base) | 1;
        let level = (parts.ilog2() / SLOT_BITS) as usize;
        Self { level, slot: slot_of(tick, level) }
    }

    /// The first tick of the block.
    const fn begin(self, base: u64) -> u64 {
        let shift = self.level as u32 * SLOT_BITS;
        // No tick has as many bits as would be shifted out.
        let above = base >> (shift + SLOT_BITS) << (shift + SLOT_BITS);
        above | (self.slot as u64) << shift
    }
}

const fn slot_of(tick: u64, level: usize) -> usize {
    (tick >> (level as u32 * SLOT_BITS)) as usize % SLOTS
}

impl Wheel {
    pub(super) fn new() -> Self {
        const EMPTY: Bucket = Bucket { first: NONE, last: NONE };
        let level = Level { occupied: 0, buckets: [EMPTY; SLOTS] };
        // Made where they are going to lie: together they are more than some stacks have room for.
        let levels = vec![level; LEVELS].into();
        Self { open: 0, base: 0, dealing: None, nodes: Nodes::new(), levels }
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
        let number = self.nodes.insert(waker);
        self.append(number, tick, self.base);
        Ok(number)
    }

    /// Takes an alarm out that has not rung, and hands its waker back, to be dropped elsewhere.
    #[inline]
    pub(super) fn remove(&mut self, tick: u64, number: u32) -> Option<Waker> {
        if !self.nodes.is_set(number, tick) {
            return None;
        }
        self.unlink(number);
        self.nodes.remove(number)
    }

    /// Does what is to be done up to tick `to`, and that too: takes out what is due, tick by tick, and
    /// of one tick in the order in which it was set. It stops after `most` steps, so that nobody
    /// is kept waiting for long, and tells whether it is through.
    pub(super) fn advance(&mut self, to: u64, most: usize, due: &mut Vec<Waker>) -> bool {
        for _ in 0..most {
            if let Some((from, begin)) = self.dealing {
                self.deal(from, begin);
                continue;
            }
            match self.next_place() {
                Some((Place { level: 0, slot }, tick)) if tick <= to => {
                    (self.open, self.base) = (tick, tick);
                    let number = self.levels[0].buckets[slot].first;
                    self.unlink(number);
                    due.extend(self.nodes.remove(number));
                }
                // Also what begins right after: nothing is to be set below it before it is dealt out.
                Some((place, begin)) if place.level > 0 && begin <= to + 1 => {
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

    /// Moves the first alarm of a bucket to where it lies as seen from the begin of its block, and goes there
    /// when it was the last one. What is set meanwhile still comes to the end of the bucket.
    fn deal(&mut self, from: Place, begin: u64) {
        let number = self.levels[from.level].buckets[from.slot].first;
        if number == NONE {
            self.base = begin;
            self.dealing = None;
            return;
        }
        self.unlink(number);
        self.append(number, self.nodes[number].when.tick(), begin);
    }

    /// The first tick at which there is something to do, though it may be only to deal alarms out.
    pub(super) fn next(&self) -> Option<u64> {
        self.next_place().map(|(_, begin)| begin)
    }

    fn next_place(&self) -> Option<(Place, u64)> {
        let occupied = self.levels.iter().enumerate().filter(|(_, level)| level.occupied != 0);
        let first = occupied.map(|(level, Level { occupied, .. })| {
            let place = Place { level, slot: occupied.trailing_zeros() as usize };
            (place, place.begin(self.base))
        });
        first.min_by_key(|&(_, begin)| begin)
    }

    fn append(&mut self, number: u32, tick: u64, base: u64) {
        let place = Place::of(tick, base);
        let level = &mut self.levels[place.level];
        let bucket = &mut level.buckets[place.slot];
        let last = mem::replace(&mut bucket.last, number);
        if last == NONE {
            bucket.first = number;
            level.occupied |= 1 << place.slot;
        } else {
            self.nodes[last].next = number;
        }
        let node = &mut self.nodes[number];
        node.when = When::new(tick, place);
        (node.prev, node.next) = (last, NONE);
    }

    fn unlink(&mut self, number: u32) {
        let Node { when, prev, next, .. } = self.nodes[number];
        let Place { level, slot } = when.place();
        let level = &mut self.levels[level];
        let bucket = &mut level.buckets[slot];
        if prev == NONE {
            bucket.first = next;
        } else {
            self.nodes[prev].next = next;
        }
        if next == NONE {
            bucket.last = prev;
        } else {
            self.nodes[next].prev = prev;
        }
        if bucket.first == NONE {
            level.occupied &= !(1 << slot);
        }
    }
}
