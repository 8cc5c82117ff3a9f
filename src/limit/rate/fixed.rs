//! So much in each window; a window begins with the first charge while none runs.
//!
//! After one in which more was charged than it lets pass, the next begins at once, with what is owed.

use super::meter::{Count, later, since};
use crate::time::Instant;

#[derive(Clone, Debug)]
pub(super) struct FixedWindow {
    amount: u64,
    per: u64,
    running: Option<Window>,
}

#[derive(Clone, Debug)]
struct Window {
    start: Instant,
    /// What was charged in it, and what was still owed when it began. What exceeds `amount` is owed.
    used: u128,
}

impl FixedWindow {
    pub(super) const fn new(amount: u64, per: u64) -> Self {
        Self { amount, per, running: None }
    }
}

impl Count for FixedWindow {
    fn pass(&mut self, now: Instant) {
        let Some(window) = &mut self.running else { return };
        let ended = since(window.start, now) / self.per;
        if ended == 0 {
            return;
        }
        let paid = u128::from(ended) * u128::from(self.amount);
        if window.used > paid {
            window.used -= paid;
            window.start = later(window.start, Some(u128::from(ended) * u128::from(self.per)));
        } else {
            self.running = None;
        }
    }

    fn ready_at(&self, cost: u64, now: Instant) -> Instant {
        let Some(window) = &self.running else { return now };
        let (used, amount) = (window.used.saturating_add(cost.into()), u128::from(self.amount));
        if used <= amount {
            return now;
        }
        let ended = used.div_ceil(amount) - 1;
        later(window.start, ended.checked_mul(self.per.into()))
    }

    fn charge(&mut self, cost: u64, now: Instant) {
        let window = self.running.get_or_insert(Window { start: now, used: 0 });
        window.used = window.used.saturating_add(cost.into());
    }

    fn give_back(&mut self, at: Instant, cost: u64, _: Instant) {
        if let Some(window) = self.running.as_mut().filter(|window| window.start <= at) {
            window.used = window.used.saturating_sub(cost.into());
        }
    }

    fn left(&self) -> u64 {
        let used = self.running.as_ref().map_or(0, |window| window.used);
        u64::try_from(u128::from(self.amount).saturating_sub(used)).unwrap_or(self.amount)
    }
}
