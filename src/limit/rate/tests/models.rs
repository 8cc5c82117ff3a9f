//! The meters against models that are slow and plain: a token is a number of its own, a window ends when its
//! last nanosecond is over, and what may pass is what a model says may pass.

use std::{vec, vec::Vec};

use proptest::{collection::vec, prelude::*, sample::Index, test_runner::TestCaseResult};

use super::{super::*, at};
use crate::time::Instant;

/// What a model was charged, as it comes to count in the end.
#[derive(Clone, Copy, Debug)]
struct Spent {
    at: u64,
    cost: u64,
    /// Before anything was given back.
    charged: u64,
}

trait Model {
    fn pass(&mut self, now: u64);
    fn may(&self, cost: u64) -> bool;
    fn charge(&mut self, cost: u64) -> usize;
    /// Less of this charge.
    fn give_back(&mut self, charge: usize, cost: u64);
    fn owe(&mut self, cost: u64);
}

/// What is there, in parts of which a token has `per`.
#[derive(Clone)]
struct Tokens {
    amount: i128,
    per: i128,
    burst: i128,
    now: u64,
    there: i128,
    /// When each was charged, and whether the bucket was full at a later instant.
    charges: Vec<(u64, bool)>,
}

impl Tokens {
    const fn all(&self) -> i128 {
        self.burst * self.per
    }

    fn put(&mut self, parts: i128) {
        self.there = (self.there + parts).min(self.all());
    }

    /// At an instant, before anything else.
    fn look(&mut self) {
        if self.there == self.all() {
            for (at, is_refilled) in &mut self.charges {
                *is_refilled |= *at < self.now;
            }
        }
    }
}

impl Model for Tokens {
    /// A nanosecond at a time.
    fn pass(&mut self, now: u64) {
        self.look();
        while self.now < now {
            self.now += 1;
            self.put(self.amount);
            self.look();
        }
    }

    fn may(&self, cost: u64) -> bool {
        i128::from(cost) * self.per <= self.there
    }

    fn charge(&mut self, cost: u64) -> usize {
        self.owe(cost);
        self.charges.push((self.now, false));
        self.charges.len() - 1
    }

    fn give_back(&mut self, charge: usize, cost: u64) {
        if !self.charges[charge].1 {
            self.put(i128::from(cost) * self.per);
        }
    }

    fn owe(&mut self, cost: u64) {
        self.there -= i128::from(cost) * self.per;
    }
}

/// One window after the other. The number of a charge's window is kept.
#[derive(Clone)]
struct Windows {
    amount: u64,
    per: u64,
    now: u64,
    number: usize,
    running: Option<(u64, u64)>,
    charges: Vec<usize>,
}

impl Model for Windows {
    fn pass(&mut self, now: u64) {
        while self.now < now {
            self.now += 1;
            if let Some((start, used)) = self.running {
                if start + self.per == self.now {
                    self.number += 1;
                    self.running = (used > self.amount).then(|| (self.now, used - self.amount));
                }
            }
        }
    }

    fn may(&self, cost: u64) -> bool {
        cost <= self.amount && self.running.is_none_or(|(_, used)| used + cost <= self.amount)
    }

    fn charge(&mut self, cost: u64) -> usize {
        self.owe(cost);
        self.charges.push(self.number);
        self.charges.len() - 1
    }

    fn give_back(&mut self, charge: usize, cost: u64) {
        if self.charges[charge] == self.number {
            if let Some((_, used)) = &mut self.running {
                *used = used.saturating_sub(cost);
            }
        }
    }

    fn owe(&mut self, cost: u64) {
        if cost > 0 {
            self.running.get_or_insert((self.now, 0)).1 += cost;
        }
    }
}

/// Each unit that counts, by when it was spent and by which charge if that counts it still.
#[derive(Clone)]
struct Units {
    amount: usize,
    per: u64,
    now: u64,
    counted: Vec<(u64, Option<usize>)>,
    debt: u64,
    charges: usize,
}

impl Units {
    fn pay(&mut self, of: Option<usize>) {
        while self.counted.len() < self.amount && self.debt > 0 {
            self.debt -= 1;
            self.counted.push((self.now, of));
        }
    }
}

impl Model for Units {
    fn pass(&mut self, now: u64) {
        while self.now < now {
            self.now += 1;
            self.counted.retain(|(at, _)| at + self.per > self.now);
            self.pay(None);
        }
    }

    fn may(&self, cost: u64) -> bool {
        self.debt == 0 && self.counted.len() as u64 + cost <= self.amount as u64
    }

    fn charge(&mut self, cost: u64) -> usize {
        self.debt += cost;
        self.pay(Some(self.charges));
        self.charges += 1;
        self.charges - 1
    }

    fn give_back(&mut self, charge: usize, cost: u64) {
        for _ in 0..cost {
            let unit = self.counted.iter().position(|(_, of)| *of == Some(charge));
            if let Some(unit) = unit {
                self.counted.remove(unit);
            }
        }
        self.pay(None);
    }

    fn owe(&mut self, cost: u64) {
        self.debt += cost;
        self.pay(None);
    }
}

/// The starts, and nothing else.
#[derive(Clone)]
struct Starts {
    gap: u64,
    now: u64,
    last: Option<u64>,
    count: usize,
}

impl Model for Starts {
    fn pass(&mut self, now: u64) {
        self.now = now;
    }

    fn may(&self, _: u64) -> bool {
        self.last.is_none_or(|last| last + self.gap <= self.now)
    }

    fn charge(&mut self, _: u64) -> usize {
        self.last = Some(self.now);
        self.count += 1;
        self.count - 1
    }

    fn give_back(&mut self, _: usize, _: u64) {}
    fn owe(&mut self, _: u64) {}
}

#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    /// Waits until it may, and charges.
    Charge(u64),
    /// What one of those cost in truth.
    Settle(Index, u64),
}

fn steps(settles: u32) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => (0..30_u64).prop_map(Step::Pass),
        1 => (0..3_u64).prop_map(Step::Pass),
        4 => (0..7_u64).prop_map(Step::Charge),
        settles => (any::<Index>(), 0..25_u64).prop_map(|(pick, cost)| Step::Settle(pick, cost)),
    ];
    vec(step, 1..60)
}

/// Both do the same, and the meter says to the nanosecond when the model may. Gives back what was spent when,
/// with what was given back taken off what it was charged with, and debts where they were made.
fn same<M: Model + Clone>(
    rate: Rate,
    mut model: M,
    steps: &[Step],
) -> Result<Vec<Spent>, TestCaseError> {
    let is_spacing = matches!(rate.kind, Kind::Spacing);
    let mut meter = Meter::new(rate);
    let mut now = 1000;
    model.pass(now);
    let mut spent = Vec::new();
    let mut open = Vec::new();
    for step in steps {
        match step {
            Step::Pass(nanos) => now += nanos,
            Step::Charge(cost) if *cost > meter.most() => {
                prop_assert_eq!(meter.ready_at(*cost, at(now)), Instant::NEVER);
                continue;
            }
            Step::Charge(cost) => {
                let ready = meter.ready_at(*cost, at(now)).max(at(now)).as_nanos();
                prop_assert!(ready < 1_000_000, "it waits without end");
                if *cost > 0 || is_spacing {
                    let mut waits = model.clone();
                    while now < ready {
                        waits.pass(now);
                        prop_assert!(!waits.may(*cost), "{} may pass at {}", cost, now);
                        // Whenever it is asked on the way, it says the same.
                        prop_assert_eq!(meter.clone().ready_at(*cost, at(now)), at(ready));
                        now += 1;
                    }
                    model.pass(now);
                    prop_assert!(model.may(*cost), "{} mayn't pass at {}", cost, now);
                }
                prop_assert_eq!(now, ready);
                prop_assert!(meter.clone().ready_at(*cost, at(now)) <= at(now));
                open.push((meter.charge(*cost, at(now)), model.charge(*cost), *cost, spent.len()));
                spent.push(Spent { at: now, cost: *cost, charged: *cost });
            }
            Step::Settle(..) if open.is_empty() => continue,
            Step::Settle(pick, actual) => {
                let (charge, of_model, cost, place) = open.swap_remove(pick.index(open.len()));
                model.pass(now);
                meter.settle(&charge, *actual, at(now));
                if *actual < cost {
                    model.give_back(of_model, cost - actual);
                    spent[place].cost = *actual;
                } else if *actual > cost {
                    model.owe(actual - cost);
                    spent.push(Spent { at: now, cost: actual - cost, charged: actual - cost });
                }
            }
        }
        model.pass(now);
        meter.kept();
        let left = (0..=meter.most().min(50)).rev().find(|cost| *cost == 0 || model.may(*cost));
        prop_assert_eq!(meter.left(at(now)).min(50), left.unwrap(), "at {}", now);
    }
    Ok(spent)
}

fn without_debts(steps: &[Step], most: u64) -> Vec<Step> {
    let less = |step: &Step| match step {
        // Whatever it was charged with, it isn't more.
        Step::Settle(pick, _) => Step::Settle(*pick, 0),
        Step::Charge(cost) => Step::Charge(*cost.min(&most)),
        Step::Pass(nanos) => Step::Pass(*nanos),
    };
    steps.iter().map(less).collect()
}

fn without_settling(steps: &[Step]) -> Vec<Step> {
    steps.iter().filter(|step| !matches!(step, Step::Settle(..))).cloned().collect()
}

fn bucket(amount: u64, per: u64, burst: u64) -> (Rate, Tokens) {
    let rate = Rate::token_bucket(amount, Duration::from_nanos(per)).burst(burst);
    let [amount, per, burst] = [amount, per, burst].map(i128::from);
    (rate, Tokens { amount, per, burst, now: 0, there: burst * per, charges: vec![] })
}

fn fixed(amount: u64, per: u64) -> (Rate, Windows) {
    let rate = Rate::fixed_window(amount, Duration::from_nanos(per));
    (rate, Windows { amount, per, now: 0, number: 0, running: None, charges: vec![] })
}

fn sliding(amount: u64, per: u64) -> (Rate, Units) {
    let rate = Rate::sliding_window(amount, Duration::from_nanos(per));
    let amount = usize::try_from(amount).unwrap();
    (rate, Units { amount, per, now: 0, counted: vec![], debt: 0, charges: 0 })
}

/// In each span from something spent to something spent, no more than `allowed` in its length.
fn holds(spent: &[Spent], allowed: impl Fn(u64) -> u128) -> TestCaseResult {
    for (first, Spent { at: from, .. }) in spent.iter().enumerate() {
        let mut sum = 0;
        for Spent { at, cost, .. } in &spent[first..] {
            sum += u128::from(*cost);
            let span = at - from;
            prop_assert!(sum <= allowed(span), "{} in {} from {}", sum, span, from);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_bucket_is_as_its_model(
        amount in 1..12_u64, per in 1..50_u64, burst in 1..12_u64, steps in steps(2),
    ) {
        let (rate, model) = bucket(amount, per, burst);
        same(rate, model, &steps)?;
    }

    #[test]
    fn a_bucket_never_lets_more_pass_than_its_burst_and_its_refill(
        amount in 1..12_u64, per in 1..50_u64, burst in 1..12_u64, steps in steps(0),
    ) {
        let (rate, model) = bucket(amount, per, burst);
        let spent = same(rate, model, &without_settling(&steps))?;
        holds(&spent, |span| u128::from(burst + span * amount / per))?;
    }

    #[test]
    fn a_fixed_window_is_as_its_model(amount in 1..12_u64, per in 1..50_u64, steps in steps(2)) {
        let (rate, model) = fixed(amount, per);
        same(rate, model, &steps)?;
    }

    /// A span touches one window more than it is long.
    #[test]
    fn a_fixed_window_never_lets_more_pass_than_two_that_meet(
        amount in 1..12_u64, per in 1..50_u64, steps in steps(2),
    ) {
        let (rate, model) = fixed(amount, per);
        let spent = same(rate, model, &without_debts(&steps, amount))?;
        holds(&spent, |span| u128::from(amount * (span / per + 2)))?;
        // And in each window, as one begins with what is spent after the last.
        let mut left = (0, 0);
        for Spent { at, cost, .. } in spent.iter().filter(|spent| spent.charged > 0) {
            if left.0 <= *at {
                left = (at + per, amount);
            }
            prop_assert!(*cost <= left.1);
            left.1 -= cost;
        }
    }

    #[test]
    fn a_sliding_window_is_as_its_model(amount in 1..12_u64, per in 1..50_u64, steps in steps(2)) {
        let (rate, model) = sliding(amount, per);
        same(rate, model, &steps)?;
    }

    #[test]
    fn a_sliding_window_never_lets_more_pass_in_any_span(
        amount in 1..12_u64, per in 1..50_u64, steps in steps(2),
    ) {
        let (rate, model) = sliding(amount, per);
        let spent = same(rate, model, &without_debts(&steps, amount))?;
        holds(&spent, |span| u128::from(amount) * u128::from(span / per + 1))?;
    }

    /// What exceeds it is what cost more than was said, and nothing that passes then.
    #[test]
    fn a_sliding_window_lets_nothing_pass_on_top_of_a_debt(
        amount in 1..12_u64, per in 1..50_u64, steps in steps(2),
    ) {
        let (rate, model) = sliding(amount, per);
        // As `same` does it: what is spent in the end is known only then, so it runs for each beginning.
        for end in 0..steps.len() {
            let Step::Charge(cost) = &steps[end] else { continue };
            if !(1..=amount).contains(cost) {
                continue;
            }
            let spent = same(rate.clone(), model.clone(), &steps[..=end])?;
            let now = spent.last().unwrap().at;
            let counts = spent.iter().filter(|spent| spent.at + per > now);
            prop_assert!(counts.map(|spent| spent.cost).sum::<u64>() <= amount);
        }
    }

    #[test]
    fn a_spacing_is_as_its_model(gap in 1..50_u64, steps in steps(2)) {
        let rate = Rate::spacing(Duration::from_nanos(gap));
        let spent = same(rate, Starts { gap, now: 0, last: None, count: 0 }, &without_settling(&steps))?;
        for pair in spent.windows(2) {
            prop_assert!(pair[0].at + gap <= pair[1].at);
        }
        let rate = Rate::spacing(Duration::from_nanos(gap));
        same(rate, Starts { gap, now: 0, last: None, count: 0 }, &steps)?;
    }
}
