//! The lines of a limit: one, or one for each key, with a cap of its own.

use alloc::{collections::BTreeMap, vec::Vec};

use super::{
    line::Line,
    waiters::{Place, Waiter, Waiters},
};
use crate::{limit::order::Order, slab::Slab};

/// The lane of those who have no key.
pub(super) const MAIN: usize = 0;

#[derive(Debug)]
pub(in crate::limit) struct Lanes {
    /// How many stand in the lines.
    len: usize,
    lines: Lines,
}

#[derive(Debug)]
enum Lines {
    One(Line),
    Keyed(Keyed),
}

#[derive(Debug)]
struct Keyed {
    lanes: Slab<Lane>,
    /// The lanes whose first could be let in as far as the lane goes, by whose turn it is.
    ready: BTreeMap<Place, usize>,
    /// Whether lanes take turns, or who is first in any of them is by its place.
    in_turns: bool,
    /// The turn that was had last.
    turn: u64,
}

#[derive(Debug)]
struct Lane {
    cap: usize,
    held: usize,
    /// What fresh offers are for.
    reserved: usize,
    line: Line,
    /// When it has its next turn. It moves on by the permits that it takes.
    turn: u64,
    /// Where it stands among those that are ready.
    ready: Option<Place>,
}

impl Lane {
    fn new(cap: usize) -> Self {
        Self { cap, held: 0, reserved: 0, line: Line::default(), turn: 0, ready: None }
    }

    /// Whether it has room for so many more, beside what is on offer where `reserved` counts.
    fn has_room(&self, weight: usize, reserved: bool) -> bool {
        let taken = self.held.saturating_add(if reserved { self.reserved } else { 0 });
        taken.saturating_add(weight) <= self.cap
    }
}

impl Lanes {
    pub(super) fn new(keyed: bool, order: Order) -> Self {
        let lines = match keyed {
            false => Lines::One(Line::default()),
            true => Lines::Keyed(Keyed::new(order == Order::Fair)),
        };
        Self { len: 0, lines }
    }

    #[inline]
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// How many lanes there are, of those that have a key.
    pub(in crate::limit) fn open_ones(&self) -> usize {
        match &self.lines {
            Lines::One(_) => 0,
            Lines::Keyed(keyed) => keyed.lanes.len() - 1,
        }
    }

    #[inline]
    fn keyed(&mut self) -> Option<&mut Keyed> {
        match &mut self.lines {
            Lines::One(_) => None,
            Lines::Keyed(keyed) => Some(keyed),
        }
    }

    fn lane(&self, lane: usize) -> Option<&Lane> {
        match &self.lines {
            Lines::One(_) => None,
            Lines::Keyed(keyed) => keyed.lanes.get(lane),
        }
    }

    pub(super) fn open(&mut self, cap: usize) -> usize {
        self.keyed().map_or(MAIN, |keyed| keyed.lanes.insert(Lane::new(cap)))
    }

    /// Closes a lane that nobody stands in, nor holds a permit of.
    pub(super) fn close(&mut self, lane: usize) {
        if let Some(keyed) = self.keyed() {
            keyed.lanes.remove(lane);
        }
    }

    #[inline]
    pub(super) fn cap(&self, lane: usize) -> usize {
        match &self.lines {
            Lines::One(_) => usize::MAX,
            Lines::Keyed(_) => self.lane(lane).map_or(0, |lane| lane.cap),
        }
    }

    /// How many permits are held of a lane that belongs to a key.
    pub(super) fn held(&self, lane: usize) -> usize {
        self.lane(lane).map_or(0, |lane| lane.held)
    }

    /// Who is to be let in next.
    #[inline]
    pub(super) fn first(&self) -> Option<usize> {
        match &self.lines {
            Lines::One(line) => line.first(),
            Lines::Keyed(keyed) => {
                let (_, lane) = keyed.ready.first_key_value()?;
                keyed.lanes.get(*lane)?.line.first()
            }
        }
    }

    /// The line, where there is only one.
    pub(super) const fn only(&self) -> Option<&Line> {
        match &self.lines {
            Lines::One(line) => Some(line),
            Lines::Keyed(_) => None,
        }
    }

    /// Whether one who comes to the lane would overtake somebody who could be let in.
    #[inline]
    pub(super) fn has_queue(&self, lane: usize) -> bool {
        self.first().is_some() || self.lane(lane).is_some_and(|lane| !lane.line.is_empty())
    }

    #[inline]
    pub(super) fn has_room(&self, lane: usize, weight: usize, reserved: bool) -> bool {
        match &self.lines {
            Lines::One(_) => true,
            Lines::Keyed(_) => self.lane(lane).is_some_and(|lane| lane.has_room(weight, reserved)),
        }
    }

    pub(super) fn insert(&mut self, key: usize, waiters: &mut Waiters) {
        self.len += 1;
        match &mut self.lines {
            Lines::One(line) => line.insert(key, waiters),
            Lines::Keyed(keyed) => keyed.insert(key, waiters),
        }
    }

    /// As `insert`, where nobody stands behind it.
    #[inline]
    pub(super) fn push_last(&mut self, key: usize, waiters: &mut Waiters) {
        self.len += 1;
        match &mut self.lines {
            Lines::One(Line::List(list)) => list.push_last(key, waiters),
            Lines::One(line) => line.insert(key, waiters),
            Lines::Keyed(keyed) => keyed.insert(key, waiters),
        }
    }

    /// Takes out one that stands in its line.
    #[inline]
    pub(super) fn remove(&mut self, key: usize, waiters: &mut Waiters) {
        self.len -= 1;
        match &mut self.lines {
            Lines::One(line) => line.remove(key, waiters),
            Lines::Keyed(keyed) => keyed.remove(key, waiters),
        }
    }

    /// All places have changed, but not which is before which.
    pub(super) fn place_anew(&mut self, waiters: &Waiters) {
        match &mut self.lines {
            Lines::One(line) => line.place_anew(waiters),
            Lines::Keyed(keyed) => keyed.place_anew(waiters),
        }
    }

    /// So many are on offer. The lane has had its turn.
    #[inline]
    pub(super) fn reserve(&mut self, lane: usize, weight: usize, waiters: &Waiters) {
        if let Some(keyed) = self.keyed() {
            keyed.take_turn(lane, weight);
            keyed.change(lane, waiters, |lane| lane.reserved += weight);
        }
    }

    #[inline]
    pub(super) fn unreserve(&mut self, lane: usize, weight: usize, waiters: &Waiters) {
        if let Some(keyed) = self.keyed() {
            keyed.change(lane, waiters, |lane| lane.reserved -= weight);
        }
    }

    #[inline]
    pub(super) fn hold(&mut self, lane: usize, weight: usize, waiters: &Waiters) {
        if let Some(keyed) = self.keyed() {
            keyed.change(lane, waiters, |lane| lane.held += weight);
        }
    }

    #[inline]
    pub(super) fn release(&mut self, lane: usize, weight: usize, waiters: &Waiters) {
        if let Some(keyed) = self.keyed() {
            keyed.change(lane, waiters, |lane| lane.held -= weight);
        }
    }
}

impl Keyed {
    fn new(in_turns: bool) -> Self {
        let mut lanes = Slab::default();
        // The first one is `MAIN`.
        lanes.insert(Lane::new(usize::MAX));
        Self { lanes, ready: BTreeMap::new(), in_turns, turn: 0 }
    }

    fn insert(&mut self, key: usize, waiters: &mut Waiters) {
        let Some(id) = waiters.get(key).map(Waiter::lane) else { return };
        let Some(lane) = self.lanes.get_mut(id) else { return };
        if lane.line.is_empty() {
            // What it has not used of its turns is gone.
            lane.turn = lane.turn.max(self.turn);
        }
        lane.line.insert(key, waiters);
        self.order(id, waiters);
    }

    fn remove(&mut self, key: usize, waiters: &mut Waiters) {
        let Some(id) = waiters.get(key).map(Waiter::lane) else { return };
        let Some(lane) = self.lanes.get_mut(id) else { return };
        lane.line.remove(key, waiters);
        self.order(id, waiters);
    }

    /// All places have changed, but not which is before which.
    fn place_anew(&mut self, waiters: &Waiters) {
        let all: Vec<_> = self.lanes.iter().map(|(id, _)| id).collect();
        for id in all {
            self.change(id, waiters, |lane| lane.line.place_anew(waiters));
        }
    }

    fn take_turn(&mut self, lane: usize, weight: usize) {
        if let Some(lane) = self.lanes.get_mut(lane) {
            self.turn = self.turn.max(lane.turn);
            lane.turn = lane.turn.saturating_add(weight as u64);
        }
    }

    fn change(&mut self, id: usize, waiters: &Waiters, change: impl FnOnce(&mut Lane)) {
        if let Some(lane) = self.lanes.get_mut(id) {
            change(lane);
            self.order(id, waiters);
        }
    }

    /// Puts a lane that has changed in its place among those that are ready.
    fn order(&mut self, id: usize, waiters: &Waiters) {
        let Some(lane) = self.lanes.get_mut(id) else { return };
        let first = lane.line.first().and_then(|key| waiters.get(key));
        let first = first.filter(|waiter| lane.has_room(waiter.weight(), true));
        let place = first.map(|waiter| match self.in_turns {
            true => (i128::from(lane.turn), waiter.turn),
            false => waiter.place(),
        });
        if lane.ready == place {
            return;
        }
        if let Some(old) = lane.ready {
            self.ready.remove(&old);
        }
        if let Some(new) = place {
            self.ready.insert(new, id);
        }
        lane.ready = place;
    }
}
