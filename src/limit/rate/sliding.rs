//! Never more than so much in any span.
//!
//! What was charged counts for `per`. A debt, for which there is no room, enters at each instant at which
//! something stops to count, in its place.
//!
//! # Invariants
//!
//! 1. The entries lie in the order of their instants, and no two have the same.
//! 2. `counted` is the sum of the entries, and never more than `amount`.
//! 3. While there is a debt, `counted` is `amount`.
//! 4. `empty` is how many entries count nothing any more: all that was charged then was given back. When
//!    something is given back, no more than half of the entries are left so; so they are never more than
//!    `amount` either.
//!
//! By 2 and 4 there are never more than about twice `amount`.

use alloc::collections::VecDeque;

use super::meter::{Count, later, since};
use crate::time::Instant;

#[derive(Clone, Debug)]
pub(super) struct SlidingWindow {
    amount: u64,
    per: u64,
    entries: VecDeque<Entry>,
    counted: u64,
    empty: usize,
    debt: u128,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    at: Instant,
    cost: u64,
}

impl SlidingWindow {
    pub(super) const fn new(amount: u64, per: u64) -> Self {
        let entries = VecDeque::new();
        Self { amount, per, entries, counted: 0, empty: 0, debt: 0 }
    }

    #[cfg(all(test, not(any(tenure_loom, tenure_shuttle))))]
    pub(super) fn kept(&self) -> usize {
        assert!(self.entries.iter().is_sorted_by(|one, next| one.at < next.at));
        assert_eq!(self.entries.iter().map(|entry| entry.cost).sum::<u64>(), self.counted);
        assert!(self.counted == self.amount || self.debt == 0);
        assert_eq!(self.entries.iter().filter(|entry| entry.cost == 0).count(), self.empty);
        assert!(self.empty as u64 <= self.amount);
        self.entries.capacity()
    }

    /// As much of the debt as there is room for enters at this instant, which no entry is after.
    fn pay(&mut self, at: Instant) {
        let room = self.amount - self.counted;
        let cost = u64::try_from(self.debt).map_or(room, |debt| debt.min(room));
        if cost == 0 {
            return;
        }
        self.debt -= u128::from(cost);
        self.counted += cost;
        match self.entries.back_mut() {
            Some(last) if last.at == at => {
                self.empty -= usize::from(last.cost == 0);
                last.cost += cost;
            }
            _ => self.entries.push_back(Entry { at, cost }),
        }
    }

    /// Where so much is owed that all entries are replaced by it, and that again and again, they only move.
    fn turn(&mut self, now: Instant) {
        let (Some(last), true) = (self.entries.back(), self.debt >= self.amount.into()) else {
            return;
        };
        let rounds = self.debt / u128::from(self.amount);
        let rounds = rounds.min(u128::from(since(last.at, now) / self.per));
        if rounds == 0 {
            return;
        }
        self.debt -= rounds * u128::from(self.amount);
        for entry in &mut self.entries {
            entry.at = later(entry.at, rounds.checked_mul(self.per.into()));
        }
    }
}

impl Count for SlidingWindow {
    fn pass(&mut self, now: Instant) {
        self.turn(now);
        while let Some(&Entry { at, cost }) = self.entries.front() {
            if since(at, now) < self.per {
                break;
            }
            self.entries.pop_front();
            self.empty -= usize::from(cost == 0);
            self.counted -= cost;
            self.pay(later(at, Some(self.per.into())));
        }
    }

    fn ready_at(&self, cost: u64, now: Instant) -> Instant {
        let (counted, amount) = (u128::from(self.counted), u128::from(self.amount));
        let asked = self.debt.saturating_add(counted + u128::from(cost));
        // So much has to stop to count: with a debt more than all, entries and what enters in their places.
        let Some(stops) = asked.checked_sub(amount + 1) else { return now };
        let (rounds, mut stops) = (stops / amount, stops % amount);
        for entry in &self.entries {
            match stops.checked_sub(entry.cost.into()) {
                Some(rest) => stops = rest,
                None => return later(entry.at, (rounds + 1).checked_mul(self.per.into())),
            }
        }
        Instant::NEVER
    }

    fn charge(&mut self, cost: u64, now: Instant) {
        self.debt = self.debt.saturating_add(cost.into());
        self.pay(now);
    }

    fn give_back(&mut self, at: Instant, cost: u64, now: Instant) {
        if since(at, now) >= self.per {
            return;
        }
        let mut of_entry = 0;
        if let Ok(place) = self.entries.binary_search_by_key(&at, |entry| entry.at) {
            let entry = &mut self.entries[place];
            of_entry = entry.cost.min(cost);
            entry.cost -= of_entry;
            self.counted -= of_entry;
            self.empty += usize::from(of_entry > 0 && entry.cost == 0);
        }
        self.debt = self.debt.saturating_sub((cost - of_entry).into());
        // At this instant, and not that of what made room: it was spent later than that.
        self.pay(now);
        if self.empty > self.entries.len() / 2 {
            self.entries.retain(|entry| entry.cost > 0);
            self.empty = 0;
        }
    }

    fn left(&self) -> u64 {
        self.amount - self.counted
    }
}
