//! Whether somebody can be let in, and what that costs.

use super::State;
use crate::{
    limit::{
        Refusal,
        claim::Terms,
        queue::word::{MOST_PERMITS, count},
        rate::Meter,
    },
    time::Instant,
};

#[derive(Debug)]
pub(super) struct Rated {
    pub(super) meter: Meter,
    /// What fresh offers are for.
    pub(super) reserved: u64,
}

/// Whether somebody can be let in.
pub(in crate::limit::queue) enum Admission {
    Now,
    /// Not before then.
    At(Instant),
    /// Once something has changed.
    Later,
}

impl State {
    /// Whether it could be let in if it were alone.
    pub(super) fn may_ever_enter(&self, terms: Option<&Terms>, lane: usize) -> Result<(), Refusal> {
        let weight = Terms::weight_of(terms);
        let capacity = self.rules.permits.min(self.lanes.cap(lane));
        if self.closed {
            return Err(Refusal::Closed);
        }
        if weight > capacity {
            return Err(Refusal::TooHeavy { weight, capacity });
        }
        for Rated { meter, .. } in &self.rates {
            let (cost, most) = (Terms::cost_of(terms, meter.unit()), meter.most());
            if cost > most {
                return Err(Refusal::TooCostly { unit: meter.unit().cloned(), cost, most });
            }
        }
        let units = || self.rates.iter().map(|rated| rated.meter.unit());
        match Terms::unit_without(terms, units) {
            Some(unit) => Err(Refusal::NoSuchUnit { unit: unit.clone() }),
            None => Ok(()),
        }
    }

    /// Whether one might wait for a permit. Where there is any number of them, it is for something else that it waits.
    pub(super) fn has_bounds(&self, lane: usize) -> bool {
        self.rules.permits.min(self.lanes.cap(lane)) < MOST_PERMITS
    }

    /// Whether one with such terms can be let in; beside all that is on offer where `reserved` counts.
    pub(super) fn admission(
        &mut self,
        terms: Option<&Terms>,
        lane: usize,
        now: Option<Instant>,
        reserved: bool,
    ) -> Admission {
        if self.paused {
            return Admission::Later;
        }
        if let Some(until) = self.cool_until {
            if now.is_none_or(|now| now < until) {
                return Admission::At(until);
            }
            (self.cool_until, self.clock_changed) = (None, true);
            self.note_plain();
        }
        let weight = Terms::weight_of(terms);
        let wanted = weight.saturating_add(if reserved { self.reserved } else { 0 });
        if self.free < count(wanted) || !self.lanes.has_room(lane, weight, reserved) {
            return Admission::Later;
        }
        if self.rates.is_empty() {
            return Admission::Now;
        }
        let Some(latest) = self.ready_at(terms, now, reserved) else { return Admission::Now };
        match now {
            Some(now) if latest <= now => Admission::Now,
            _ if latest == Instant::NEVER => Admission::Later,
            _ => Admission::At(latest),
        }
    }

    /// When all rates let it in, where there are any.
    fn ready_at(
        &mut self,
        terms: Option<&Terms>,
        now: Option<Instant>,
        reserved: bool,
    ) -> Option<Instant> {
        let now = now.unwrap_or(self.latest);
        let has_offers = reserved && self.fresh.len() > 0;
        let ready = self.rates.iter_mut().map(|rated| {
            if has_offers && rated.meter.is_of_starts() {
                return Instant::NEVER;
            }
            let more = if reserved { rated.reserved } else { 0 };
            let cost = Terms::cost_of(terms, rated.meter.unit());
            rated.meter.ready_at(cost.saturating_add(more), now)
        });
        ready.max()
    }

    /// When the rates and a cool-down let in one who costs no more than it must, as far as that is known.
    pub(in crate::limit) fn open_at(&mut self, now: Instant) -> Option<Instant> {
        let rates = self.ready_at(None, Some(now), false);
        rates.max(self.cool_until)
    }

    /// What may pass now of what a rate counts; of several that count it, what all let pass.
    pub(in crate::limit) fn left(&mut self, unit: &str, now: Instant) -> Option<u64> {
        let rates = self
            .rates
            .iter_mut()
            .filter(|rated| rated.meter.unit().map_or(Terms::CALLS, |known| &**known) == unit);
        rates.map(|rated| rated.meter.left(now)).min()
    }

    /// What a holder was charged is corrected.
    pub(in crate::limit::queue) fn settle(
        &mut self,
        holder: usize,
        unit: &str,
        actual: u64,
        now: Instant,
    ) -> bool {
        let Some(holder) = self.holders.get_mut(holder) else { return false };
        let mut found = false;
        for (rated, charge) in self.rates.iter_mut().zip(holder.charges.iter_mut()) {
            if rated.meter.unit().map_or(Terms::CALLS, |unit| &**unit) == unit {
                *charge = rated.meter.settle(charge, actual, now);
                found = true;
            }
        }
        found
    }

    #[inline]
    pub(super) fn admission_of(
        &mut self,
        key: usize,
        now: Option<Instant>,
        reserved: bool,
    ) -> Admission {
        let Some(waiter) = self.waiters.get(key) else { return Admission::Later };
        // It is in the waiter's hands, too: dropping this one ends nothing.
        let (terms, lane) = (waiter.shared_terms().cloned(), waiter.lane());
        self.admission(terms.as_deref(), lane, now, reserved)
    }
}
