//! The lines of a limit: one, or one for each key, with a cap of its own.

use alloc::{collections::BTreeMap, vec::Vec};

use super::{
    line::Line,
    waiters::{Place, Waiters},
};
use crate::{limit::order::Order, slab::Slab};

/// The lane of a limit without keys.
pub(super) const MAIN: usize = 0;

#[derive(Debug)]
pub(in crate::limit) struct Lanes {
    lanes: Slab<Lane>,
    /// With keys: the lanes whose first could be let in as far as the lane goes, by whose turn it is.
    ready: Option<BTreeMap<Place, usize>>,
    /// Whether lanes take turns, or who is first in any of them is by its place.
    in_turns: bool,
    /// The turn that was had last.
    turn: u64,
    len: usize,
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
}

impl Lanes {
    pub(super) fn new(keyed: bool, order: Order) -> Self {
        let mut lanes = Slab::default();
        lanes.insert(Lane::new(usize::MAX));
        let ready = keyed.then(BTreeMap::new);
        Self { lanes, ready, in_turns: order == Order::Fair, turn: 0, len: 0 }
    }

    /// How many stand in the lines.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// How many lanes of keys there are.
    pub(in crate::limit) fn open_ones(&self) -> usize {
        self.lanes.len() - 1
    }

    pub(super) fn open(&mut self, cap: usize) -> usize {
        self.lanes.insert(Lane::new(cap))
    }

    /// Closes a lane that nobody stands in, nor holds a permit of.
    pub(super) fn close(&mut self, lane: usize) {
        self.lanes.remove(lane);
    }

    pub(super) fn cap(&self, lane: usize) -> usize {
        self.lanes.get(lane).map_or(0, |lane| lane.cap)
    }

    pub(super) fn held(&self, lane: usize) -> usize {
        self.lanes.get(lane).map_or(0, |lane| lane.held)
    }

    /// Who is to be let in next.
    pub(super) fn first(&self) -> Option<usize> {
        let lane = match &self.ready {
            None => MAIN,
            Some(ready) => *ready.first_key_value()?.1,
        };
        self.lanes.get(lane)?.line.first()
    }

    /// Who stands first in the line of a limit without keys.
    pub(super) fn only_first(&self) -> Option<usize> {
        if self.ready.is_some() { None } else { self.lanes.get(MAIN)?.line.first() }
    }

    /// Who stands last in the line of a limit without keys.
    pub(super) fn last(&self) -> Option<usize> {
        if self.ready.is_some() { None } else { self.lanes.get(MAIN)?.line.last() }
    }

    /// Whether one who comes to the lane would overtake somebody who could be let in.
    pub(super) fn has_queue(&self, lane: usize) -> bool {
        self.first().is_some() || self.lanes.get(lane).is_some_and(|lane| !lane.line.is_empty())
    }

    /// Whether the lane has room for so many more, beside what is on offer where `reserved` counts.
    pub(super) fn has_room(&self, lane: usize, weight: usize, reserved: bool) -> bool {
        let Some(lane) = self.lanes.get(lane) else { return false };
        let taken = lane.held.saturating_add(if reserved { lane.reserved } else { 0 });
        taken.saturating_add(weight) <= lane.cap
    }

    pub(super) fn insert(&mut self, key: usize, waiters: &mut Waiters) {
        let Some(id) = waiters.get(key).map(|waiter| waiter.lane) else { return };
        let Some(lane) = self.lanes.get_mut(id) else { return };
        if lane.line.is_empty() {
            // What it has not used of its turns is gone.
            lane.turn = lane.turn.max(self.turn);
        }
        lane.line.insert(key, waiters);
        self.len += 1;
        self.order(id, waiters);
    }

    /// Takes out one that stands in its line.
    pub(super) fn remove(&mut self, key: usize, waiters: &mut Waiters) {
        let Some(id) = waiters.get(key).map(|waiter| waiter.lane) else { return };
        let Some(lane) = self.lanes.get_mut(id) else { return };
        lane.line.remove(key, waiters);
        self.len -= 1;
        self.order(id, waiters);
    }

    /// All places have changed, but not which is before which.
    pub(super) fn place_anew(&mut self, waiters: &Waiters) {
        self.lanes.values_mut().for_each(|lane| lane.line.place_anew(waiters));
        if self.ready.is_some() {
            let all: Vec<_> = self.lanes.iter().map(|(id, _)| id).collect();
            all.into_iter().for_each(|id| self.order_keyed(id, waiters));
        }
    }

    /// So many are on offer. The lane has had its turn.
    pub(super) fn reserve(&mut self, lane: usize, weight: usize, waiters: &Waiters) {
        if let Some(lane) = self.lanes.get(lane) {
            self.turn = self.turn.max(lane.turn);
        }
        self.change(lane, waiters, |lane| {
            lane.reserved += weight;
            lane.turn = lane.turn.saturating_add(weight as u64);
        });
    }

    pub(super) fn unreserve(&mut self, lane: usize, weight: usize, waiters: &Waiters) {
        self.change(lane, waiters, |lane| lane.reserved -= weight);
    }

    pub(super) fn hold(&mut self, lane: usize, weight: usize, waiters: &Waiters) {
        self.change(lane, waiters, |lane| lane.held += weight);
    }

    pub(super) fn release(&mut self, lane: usize, weight: usize, waiters: &Waiters) {
        self.change(lane, waiters, |lane| lane.held -= weight);
    }

    #[inline]
    fn change(&mut self, id: usize, waiters: &Waiters, change: impl FnOnce(&mut Lane)) {
        if let Some(lane) = self.lanes.get_mut(id) {
            change(lane);
            self.order(id, waiters);
        }
    }

    /// Puts a lane that has changed in its place among those that are ready.
    #[inline]
    fn order(&mut self, id: usize, waiters: &Waiters) {
        if self.ready.is_some() {
            self.order_keyed(id, waiters);
        }
    }

    fn order_keyed(&mut self, id: usize, waiters: &Waiters) {
        let first = self.lanes.get(id).and_then(|lane| lane.line.first());
        let first = first.and_then(|key| waiters.get(key));
        let first = first.filter(|waiter| self.has_room(id, waiter.weight(), true));
        let (Some(ready), Some(lane)) = (&mut self.ready, self.lanes.get_mut(id)) else { return };
        let place = first.map(|waiter| match self.in_turns {
            true => (i128::from(lane.turn), waiter.came),
            false => waiter.place,
        });
        if lane.ready == place {
            return;
        }
        if let Some(old) = lane.ready {
            ready.remove(&old);
        }
        if let Some(new) = place {
            ready.insert(new, id);
        }
        lane.ready = place;
    }
}
