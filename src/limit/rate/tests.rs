//! The meters by hand, at their edges and over long runs; against naive models in `models`.

mod models;

use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::time::Instant;

const SECOND: u64 = 1_000_000_000;

fn at(nanos: u64) -> Instant {
    Instant::from_nanos(nanos)
}

/// `amount` in 100 ns, of each kind that has an amount.
fn kinds(amount: u64) -> [Rate; 3] {
    let per = Duration::from_nanos(100);
    [
        Rate::token_bucket(amount, per),
        Rate::fixed_window(amount, per),
        Rate::sliding_window(amount, per),
    ]
}

fn meter(rate: &Rate) -> Meter {
    Meter::new(rate.clone())
}

/// Charges as soon as it may, and says when that was.
fn pass(meter: &mut Meter, cost: u64, now: u64) -> u64 {
    let ready = meter.ready_at(cost, at(now)).max(at(now));
    assert_ne!(ready, Instant::NEVER);
    meter.charge(cost, ready);
    ready.as_nanos()
}

#[test]
fn a_bucket_lets_a_burst_pass_and_then_refills_evenly() {
    let mut bucket = Meter::new(Rate::token_bucket(10, Duration::from_nanos(100)).burst(3));
    let passed: Vec<_> = (0..6).map(|_| pass(&mut bucket, 1, 1000)).collect();
    assert_eq!(passed, [1000, 1000, 1000, 1010, 1020, 1030]);
    // Another 15 ns refill one and a half.
    assert_eq!(bucket.left(at(1045)), 1);
    assert_eq!(bucket.ready_at(2, at(1045)), at(1050));
    assert_eq!(bucket.ready_at(3, at(1045)), at(1060));
    assert_eq!(bucket.left(at(9000)), 3);
}

#[test]
fn a_fixed_window_begins_with_what_passes_while_none_runs() {
    let mut window = Meter::new(Rate::fixed_window(2, Duration::from_nanos(100)));
    assert_eq!(window.ready_at(1, at(950)), at(950));
    for (asked, passed) in [(1000, 1000), (1000, 1000), (1000, 1100), (1101, 1101), (1102, 1200)] {
        assert_eq!(pass(&mut window, 1, asked), passed);
    }
    // Idle, then late in a window and early in the next.
    assert_eq!(pass(&mut window, 1, 5050), 5050);
    assert_eq!(pass(&mut window, 1, 5149), 5149);
    assert_eq!(pass(&mut window, 2, 5149), 5150);
    assert_eq!(pass(&mut window, 1, 5151), 5250);
}

#[test]
fn a_cost_of_nothing_begins_no_window() {
    let mut window = Meter::new(Rate::fixed_window(2, Duration::from_nanos(100)));
    assert_eq!(pass(&mut window, 0, 1000), 1000);
    assert_eq!(pass(&mut window, 2, 1050), 1050);
    assert_eq!(pass(&mut window, 1, 1050), 1150);
}

#[test]
fn a_sliding_window_holds_in_every_span() {
    let mut window = Meter::new(Rate::sliding_window(2, Duration::from_nanos(100)));
    assert_eq!(pass(&mut window, 1, 1000), 1000);
    assert_eq!(pass(&mut window, 1, 1099), 1099);
    assert_eq!(window.ready_at(2, at(1099)), at(1199));
    assert_eq!(pass(&mut window, 1, 1099), 1100);
    assert_eq!(pass(&mut window, 1, 1100), 1199);
    assert_eq!(pass(&mut window, 1, 1199), 1200);
}

#[test]
fn a_spacing_keeps_its_gap_whatever_the_cost() {
    let mut spacing = Meter::new(Rate::spacing(Duration::from_nanos(100)).of("tokens"));
    let passed = [0, 1, u64::MAX, 0].map(|cost| pass(&mut spacing, cost, 1000));
    assert_eq!(passed, [1000, 1100, 1200, 1300]);
    assert_eq!((spacing.left(at(1399)), spacing.left(at(1400))), (0, u64::MAX));
    let charge = spacing.charge(1, at(2000));
    spacing.settle(&charge, 70, at(2000));
    assert_eq!(spacing.ready_at(1, at(2000)), at(2100));
    // From the second of two that didn't keep it.
    spacing.charge(1, at(2050));
    assert_eq!(spacing.ready_at(1, at(2050)), at(2150));
}

#[test]
fn what_is_left_at_the_start_is_left_when_it_is_first_asked() {
    let starts = |rate: Rate| {
        let mut meter = Meter::new(rate);
        [meter.ready_at(1, at(1000)), meter.ready_at(4, at(1000)), meter.ready_at(10, at(1000))]
    };
    for first in [4, 9] {
        let [bucket, fixed, sliding] = kinds(10).map(|rate| starts(rate.starting_with(first)));
        assert_eq!(bucket, [1000, 1000, 1000 + 10 * (10 - first)].map(at));
        assert_eq!((fixed, sliding), ([1000, 1000, 1100].map(at), [1000, 1000, 1100].map(at)));
    }
    let [bucket, fixed, sliding] = kinds(10).map(|rate| starts(rate.starting_with(0)));
    assert_eq!(bucket, [1010, 1040, 1100].map(at));
    assert_eq!((fixed, sliding), ([1100; 3].map(at), [1100; 3].map(at)));
    for rate in kinds(10) {
        assert_eq!(starts(rate.clone().starting_with(11)), starts(rate));
    }
    let spacing = Rate::spacing(Duration::from_nanos(100));
    assert_eq!(starts(spacing.clone().starting_with(0)), [1100; 3].map(at));
    assert_eq!(starts(spacing.clone().starting_with(1)), starts(spacing));
    // Whichever was said first.
    let bucket = Rate::per_second(10).starting_with(20).burst(30);
    assert_eq!(Meter::new(bucket).left(at(1000)), 20);
}

#[test]
fn the_second_window_is_whole_whatever_was_left_of_the_first() {
    for rate in [1, 2].map(|kind| kinds(10)[kind].clone().starting_with(3)) {
        let mut window = Meter::new(rate);
        assert_eq!(window.left(at(1000)), 3);
        assert_eq!((window.left(at(1099)), window.left(at(1100))), (3, 10));
    }
}

#[test]
fn a_debt_delays_by_as_much_as_was_spent() {
    let [mut bucket, mut fixed, mut sliding] = kinds(10).map(Meter::new);
    for meter in [&mut bucket, &mut fixed, &mut sliding] {
        let charge = meter.charge(4, at(1000));
        meter.settle(&charge, 33, at(1020));
        assert_eq!(meter.left(at(1020)), 0);
    }
    // 23 more than it holds, less two that were refilled, and one more.
    assert_eq!(bucket.ready_at(1, at(1020)), at(1020 + 10 * (33 - 2 - 10 + 1)));
    // Windows of 10, 10, 10 and 3.
    assert_eq!(fixed.ready_at(7, at(1020)), at(1300));
    assert_eq!(fixed.ready_at(8, at(1020)), at(1400));
    // 4 at 1000 and 6 at 1020; the other 23 take their places as they expire.
    assert_eq!(sliding.ready_at(1, at(1020)), at(1300));
    assert_eq!(sliding.ready_at(2, at(1020)), at(1320));
    assert_eq!(sliding.ready_at(7, at(1020)), at(1320));
    assert_eq!(sliding.ready_at(8, at(1020)), at(1400));
    for time in [1100, 1119, 1120, 1219, 1299] {
        assert_eq!(sliding.ready_at(1, at(time)), at(1300), "at {time}");
    }
    assert_eq!((sliding.left(at(1300)), sliding.left(at(1319)), sliding.left(at(1320))), (1, 1, 7));
    assert_eq!((fixed.left(at(1299)), fixed.left(at(1300)), fixed.left(at(1400))), (0, 7, 10));
}

#[test]
fn what_is_given_back_passes_at_once() {
    for rate in kinds(10) {
        let mut meter = Meter::new(rate);
        let charge = meter.charge(10, at(1000));
        meter.settle(&charge, 4, at(1000));
        assert_eq!(meter.left(at(1000)), 6);
        let other = meter.charge(6, at(1001));
        meter.settle(&other, 0, at(1009));
        assert_eq!(meter.left(at(1009)), 6);
        meter.settle(&charge, 10, at(1009));
        assert_eq!(meter.left(at(1009)), 6);
    }
}

/// Nobody asked whether it may pass, so that most of it was a debt.
#[test]
fn a_debt_is_given_back_too() {
    for rate in kinds(10) {
        let mut meter = meter(&rate);
        let charge = meter.charge(25, at(1000));
        meter.settle(&charge, 6, at(1000));
        assert_eq!(meter.left(at(1000)), 4, "{rate:?}");
    }
}

#[test]
fn what_has_expired_gives_nothing_back() {
    for rate in kinds(10) {
        let mut meter = Meter::new(rate.clone());
        let charge = meter.charge(10, at(1000));
        // The bucket is full, the windows have ended.
        meter.charge(10, at(1100));
        meter.settle(&charge, 0, at(1100));
        assert_eq!(meter.left(at(1100)), 0, "{rate:?}");
    }
}

#[test]
fn a_bucket_holds_no_more_than_it_holds() {
    let mut bucket = Meter::new(Rate::token_bucket(10, Duration::from_nanos(100)));
    let charge = bucket.charge(10, at(1000));
    bucket.settle(&charge, 0, at(1095));
    assert_eq!(bucket.left(at(1095)), 10);
    // Not half a one more either.
    bucket.charge(10, at(1095));
    assert_eq!(bucket.ready_at(1, at(1095)), at(1105));
}

#[test]
fn what_is_given_back_doesnt_count_for_what_was_spent_since() {
    let mut window = Meter::new(Rate::sliding_window(10, Duration::from_nanos(100)));
    let less = window.charge(5, at(1000));
    let more = window.charge(5, at(1050));
    window.settle(&more, 10, at(1060));
    window.settle(&less, 0, at(1070));
    // 5 at 1050, and 5 more since 1070.
    assert_eq!(window.ready_at(5, at(1070)), at(1150));
    assert_eq!(window.ready_at(6, at(1070)), at(1170));
}

#[test]
fn an_amount_of_zero_lets_nothing_pass() {
    let shut = kinds(0).into_iter().chain([
        Rate::token_bucket(0, Duration::from_secs(1)).burst(5),
        Rate::token_bucket(5, Duration::from_secs(1)).burst(0),
        Rate::token_bucket(5, Duration::ZERO).burst(0),
        Rate::sliding_window(0, Duration::ZERO),
        Rate::fixed_window(0, Duration::MAX).starting_with(9),
    ]);
    for rate in shut {
        let mut meter = meter(&rate);
        assert_eq!((rate.most(), meter.most(), meter.left(at(7))), (0, 0, 0), "{rate:?}");
        for cost in [1, 2, u64::MAX] {
            assert_eq!(meter.ready_at(cost, at(7)), Instant::NEVER, "{rate:?}");
        }
        assert!(meter.ready_at(0, at(7)) <= at(7), "{rate:?}");
        let charge = meter.charge(5, at(8));
        meter.settle(&charge, 2, at(9));
        assert!(meter.ready_at(0, at(9)) <= at(9), "{rate:?}");
    }
}

#[test]
fn a_time_of_zero_is_no_limit() {
    for rate in [
        Rate::token_bucket(1, Duration::ZERO),
        Rate::fixed_window(1, Duration::ZERO).starting_with(0),
        Rate::sliding_window(1, Duration::ZERO),
        Rate::spacing(Duration::ZERO),
    ] {
        let mut meter = meter(&rate);
        assert_eq!((rate.most(), meter.most(), meter.left(at(7))), (u64::MAX, u64::MAX, u64::MAX));
        for _ in 0..3 {
            assert!(meter.ready_at(u64::MAX, at(7)) <= at(7), "{rate:?}");
            let charge = meter.charge(1, at(7));
            meter.settle(&charge, u64::MAX, at(7));
        }
    }
}

#[test]
fn a_time_without_end_lets_its_amount_pass_once() {
    for rate in [
        Rate::token_bucket(2, Duration::MAX),
        Rate::fixed_window(2, Duration::MAX),
        Rate::sliding_window(2, Duration::MAX),
    ] {
        let mut meter = meter(&rate);
        assert_eq!(pass(&mut meter, 2, 5), 5);
        let charge = meter.charge(0, at(6));
        assert_eq!(meter.ready_at(2, at(u64::MAX / 3)), Instant::NEVER, "{rate:?}");
        meter.settle(&charge, u64::MAX, at(u64::MAX / 3));
        assert_eq!(meter.ready_at(1, at(u64::MAX - 1)), Instant::NEVER, "{rate:?}");
    }
    let mut spacing = Meter::new(Rate::spacing(Duration::MAX));
    assert_eq!(pass(&mut spacing, 1, 5), 5);
    assert_eq!(spacing.ready_at(1, at(u64::MAX - 1)), Instant::NEVER);
}

#[test]
fn the_largest_costs_are_counted_to_the_last() {
    for rate in kinds(u64::MAX) {
        let mut meter = meter(&rate);
        assert_eq!(pass(&mut meter, u64::MAX, 1000), 1000);
        assert_eq!(pass(&mut meter, u64::MAX, 1000), 1100, "{rate:?}");
        let charge = meter.charge(u64::MAX, at(1100));
        assert_eq!(meter.ready_at(u64::MAX, at(1100)), at(1300), "{rate:?}");
        meter.settle(&charge, u64::MAX - 3, at(1100));
        assert_eq!(meter.ready_at(3, at(1199)), at(1200), "{rate:?}");
    }
    // What is past counting is never paid, rather than too soon.
    let mut bucket = Meter::new(Rate::token_bucket(u64::MAX, Duration::MAX));
    let charges = [(); 3].map(|()| bucket.charge(u64::MAX, at(0)));
    bucket.settle(&charges[0], 0, at(1));
    assert_eq!(bucket.ready_at(1, at(2)), Instant::NEVER);
    assert!(bucket.ready_at(0, at(2)) <= at(2));
}

#[test]
fn a_clock_that_goes_back_is_as_late_as_it_was() {
    let spacing = Rate::spacing(Duration::from_nanos(10));
    for rate in kinds(10).into_iter().chain([spacing]) {
        let mut meter = meter(&rate);
        meter.charge(rate.most(), at(1000));
        let ready = meter.ready_at(1, at(1000));
        assert!(at(1000) < ready);
        assert_eq!(meter.ready_at(1, at(0)), ready, "{rate:?}");
        // Once it was that late, it stays.
        assert!(meter.ready_at(1, ready) <= ready);
        assert!(meter.ready_at(1, at(0)) <= at(0), "{rate:?}");
        assert_eq!(pass(&mut meter, 1, 0), 0);
        assert!(ready < meter.ready_at(rate.most(), at(0)), "{rate:?}");
    }
}

#[test]
fn a_cost_of_nothing_passes_a_debt() {
    for rate in kinds(10) {
        let mut meter = meter(&rate);
        meter.charge(1000, at(5));
        assert!(meter.ready_at(0, at(6)) <= at(6));
        let charge = meter.charge(0, at(6));
        let before = meter.ready_at(1, at(6));
        meter.settle(&charge, 10, at(6));
        assert_eq!(meter.ready_at(1, at(6)) - before, Duration::from_nanos(100), "{rate:?}");
    }
}

/// In 3 s and a nanosecond, which no amount divides: nothing may be lost to rounding.
#[test]
fn a_long_run_reaches_its_rate() {
    let per = Duration::from_nanos(3 * SECOND + 1);
    let nanos = per.as_nanos();
    for amount in [1, 7, 1000, 999_983] {
        for rate in [
            Rate::token_bucket(amount, per).burst(5),
            Rate::fixed_window(amount, per),
            Rate::sliding_window(amount, per),
        ] {
            let mut meter = meter(&rate);
            let mut now = 12_345;
            let mut passed = 0;
            for turn in 0..50_000 {
                // Each amount divides into these, so that a window can be used up.
                let cost = if amount > 1000 { rate.most().min(3 + turn % 2) } else { 1 };
                now = pass(&mut meter, cost, now);
                passed += u128::from(cost);
            }
            let time = u128::from(now - 12_345);
            let allowed = u128::from(rate.most()) + time * u128::from(amount) / nanos;
            assert!(passed <= allowed, "{rate:?}");
            if matches!(rate.kind, Kind::TokenBucket { .. }) {
                assert_eq!(passed, allowed, "{rate:?}");
            }
            // Which has begun, and isn't over.
            let of_window = if rate.most() == amount { u128::from(amount) } else { 0 };
            let least = (allowed - of_window) * 999 / 1000;
            assert!(passed >= least, "{rate:?}: {passed} of {least}");
        }
    }
    let mut spacing = Meter::new(Rate::spacing(per));
    let last = (0..100_000).fold(0, |now, _| pass(&mut spacing, 1, now));
    assert_eq!(u128::from(last), 99_999 * nanos);
}

#[test]
fn a_meter_knows_what_it_counts() {
    for rate in kinds(10) {
        assert_eq!(meter(&rate).unit(), None);
        assert_eq!(meter(&rate.of("tokens")).unit().unwrap(), "tokens");
    }
}

#[test]
fn a_meter_is_small_and_stays_so() {
    assert!(size_of::<Meter>() <= 160, "{}", size_of::<Meter>());
    assert!(size_of::<Charge>() <= 24);
    for rate in kinds(50) {
        let mut meter = meter(&rate);
        let mut now = 0;
        for turn in 0..1_000_000 {
            now = pass(&mut meter, 1, now);
            let charge = meter.charge(turn % 3, at(now));
            meter.settle(&charge, turn % 2, at(now + turn % 5));
        }
        if let Some(kept) = meter.kept() {
            assert!(kept <= 128, "{kept} entries");
        }
    }
}

#[test]
fn what_is_given_back_leaves_no_heap_of_entries() {
    let mut window = Meter::new(Rate::sliding_window(50, Duration::from_secs(1000)));
    window.charge(10, at(0));
    for now in 1..1_000_000 {
        let charge = window.charge(1, at(now));
        // One stays in front, so that what is empty isn't the last one only.
        let other = window.charge(1, at(now));
        window.settle(&charge, 0, at(now + 1));
        window.settle(&other, 0, at(now + 1));
    }
    assert!(window.kept().unwrap() <= 128, "{:?} entries", window.kept());
    assert_eq!(window.left(at(1_000_000)), 40);
}

/// A debt that takes a billion spans to pay, looked at once.
#[test]
fn a_debt_of_any_size_is_counted_at_once() {
    for rate in kinds(3).map(|rate| Rate { per: Duration::from_nanos(2), ..rate }) {
        let mut meter = meter(&rate);
        meter.charge(3_000_000_000_000_000_001, at(1000));
        let ready = meter.ready_at(1, at(1000)).as_nanos();
        assert!((1_999_999_999_999_999_000..2_000_000_000_000_002_000).contains(&ready), "{ready}");
        assert_eq!(meter.ready_at(1, at(ready / 2)), at(ready), "{rate:?}");
        assert_eq!(meter.left(at(ready - 1)), 0, "{rate:?}");
        assert!(meter.left(at(ready)) > 0, "{rate:?}");
    }
}

fn edge() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        Just(1),
        Just(2),
        Just(u64::MAX / 2),
        Just(u64::MAX - 1),
        Just(u64::MAX),
        1..1000_u64,
        any::<u64>(),
        (0..64_u32, 0..3_u64).prop_map(|(bit, off)| (1 << bit) - 1 + off.min(1)),
    ]
}

fn any_rate() -> impl Strategy<Value = Rate> {
    let per = prop_oneof![
        4 => edge().prop_map(Duration::from_nanos),
        1 => Just(Duration::MAX),
    ];
    (0..4, edge(), per, proptest::option::of(edge()), proptest::option::of(edge())).prop_map(
        |(kind, amount, per, burst, start)| {
            let rate = match kind {
                0 => Rate::token_bucket(amount, per),
                1 => Rate::fixed_window(amount, per),
                2 => Rate::sliding_window(amount, per),
                _ => Rate::spacing(per),
            };
            let rate = burst.into_iter().fold(rate, Rate::burst);
            start.into_iter().fold(rate, Rate::starting_with)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// Nobody asks, costs are of any size, and the clock jumps to and fro.
    #[test]
    fn nothing_panics_nor_overflows(
        rate in any_rate(),
        steps in proptest::collection::vec((edge(), edge(), edge(), any::<prop::sample::Index>()), 1..40),
    ) {
        let mut meter = Meter::new(rate);
        let mut charges = Vec::new();
        for (now, cost, actual, pick) in steps {
            charges.push(meter.charge(cost, at(now)));
            meter.settle(pick.get(&charges), actual, at(now.wrapping_mul(3)));
            meter.kept();
            let left = meter.left(at(now));
            prop_assert!(left <= meter.most());
            prop_assert!(left == 0 || meter.ready_at(left, at(now)) <= at(now));
            let ready = meter.ready_at(cost, at(now));
            prop_assert!(cost <= meter.most() || ready == Instant::NEVER);
            // Whether it is exact, at any size.
            if at(now) < ready && ready < Instant::NEVER {
                let before = at(ready.as_nanos() - 1);
                prop_assert!(meter.clone().ready_at(cost, before) > before);
                prop_assert!(meter.clone().ready_at(cost, ready) <= ready);
            }
        }
    }
}
