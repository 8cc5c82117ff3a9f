//! The delays of a back-off: what they are, within which bounds, and what senseless input means.

mod support;

use std::time::Duration;

use proptest::prelude::*;
use support::{NANOSECOND, SECOND};
use tenure::{Backoff, retry::Jitter};

fn delays(backoff: Backoff) -> Vec<Duration> {
    backoff.delays().take(1000).collect()
}

fn millis(backoff: Backoff) -> Vec<u128> {
    delays(backoff).into_iter().map(|delay| delay.as_millis()).collect()
}

#[test]
fn exponential_doubles() {
    let backoff = Backoff::exponential().attempts(12);
    assert_eq!(
        millis(backoff),
        [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]
    );
    assert!(delays(backoff).iter().all(|delay| delay.subsec_nanos() % 1_000_000 == 0));
}

#[test]
fn fixed_stays_to_the_nanosecond() {
    for delay in [
        Duration::ZERO,
        NANOSECOND,
        SECOND + NANOSECOND,
        u32::MAX * SECOND + NANOSECOND,
        Duration::MAX,
    ] {
        assert_eq!(delays(Backoff::fixed(delay).attempts(100)), vec![delay; 99]);
    }
}

#[test]
fn the_factor_multiplies() {
    let backoff = Backoff::exponential().first_delay(SECOND).attempts(5);
    assert_eq!(millis(backoff.factor(3.0)), [1000, 3000, 9000, 27_000]);
    assert_eq!(millis(backoff.factor(1.5)), [1000, 1500, 2250, 3375]);
    assert_eq!(millis(Backoff::fixed(SECOND).factor(10.0)), [1000, 10_000, 100_000]);
}

#[test]
fn attempts_counts_the_first() {
    for (attempts, retries) in [(0, 0), (1, 0), (2, 1), (7, 6)] {
        assert_eq!(delays(Backoff::exponential().attempts(attempts)).len(), retries);
        assert_eq!(delays(Backoff::fixed(SECOND).attempts(attempts)).len(), retries);
    }
}

#[test]
fn the_most_attempts_go_on_for_ever() {
    let mut endless = Backoff::exponential().attempts(u32::MAX).delays();
    assert_eq!(endless.nth(1_000_000), Some(30 * SECOND));
}

#[test]
fn each_run_begins_afresh() {
    let backoff = Backoff::exponential();
    assert_eq!(delays(backoff), delays(backoff));
    let mut ended = backoff.delays();
    assert_eq!(ended.by_ref().count(), 3);
    assert_eq!(ended.next(), None);
}

#[test]
fn min_and_max_hold() {
    let backoff = Backoff::exponential().attempts(6);
    let bounded = backoff.min_delay(Duration::from_millis(300)).max_delay(SECOND);
    assert_eq!(millis(bounded), [300, 300, 400, 800, 1000]);
    // Whichever was said first.
    let bounded = backoff.max_delay(SECOND).min_delay(Duration::from_millis(300));
    assert_eq!(millis(bounded), [300, 300, 400, 800, 1000]);
}

#[test]
fn where_min_exceeds_max_the_max_holds() {
    for jitter in [Jitter::None, Jitter::Full] {
        let backoff = Backoff::exponential().min_delay(2 * SECOND).max_delay(SECOND).jitter(jitter);
        assert_eq!(delays(backoff), [SECOND; 3]);
    }
}

#[test]
fn a_factor_that_makes_no_sense_counts_as_one() {
    let nonsense =
        [f64::NAN, -f64::NAN, -2.0, f64::NEG_INFINITY, 0.0, -0.0, 0.5, f64::MIN_POSITIVE];
    for factor in nonsense {
        for jitter in [Jitter::None, Jitter::Full] {
            let backoff =
                Backoff::exponential().min_delay(SECOND / 10).factor(factor).jitter(jitter);
            assert_eq!(delays(backoff), [SECOND / 10; 3], "factor: {factor}");
        }
    }
}

#[test]
fn a_factor_without_bound_reaches_the_max_at_once() {
    for factor in [f64::INFINITY, f64::MAX] {
        let backoff = Backoff::exponential().factor(factor);
        assert_eq!(delays(backoff), [SECOND / 10, 30 * SECOND, 30 * SECOND]);
        let unbounded = backoff.max_delay(Duration::MAX);
        assert_eq!(delays(unbounded), [SECOND / 10, Duration::MAX, Duration::MAX]);
    }
}

#[test]
fn zero_stays_zero() {
    for factor in [1.0, 2.0, f64::MAX, f64::INFINITY] {
        let backoff = Backoff::fixed(Duration::ZERO).factor(factor).attempts(u32::MAX);
        assert!(delays(backoff).iter().all(Duration::is_zero));
        assert!(delays(backoff.jitter(Jitter::Full)).iter().all(Duration::is_zero));
    }
}

#[test]
fn the_longest_durations_do_not_overflow() {
    let longest = Backoff::exponential()
        .first_delay(Duration::MAX)
        .max_delay(Duration::MAX)
        .factor(f64::MAX)
        .attempts(u32::MAX);
    assert!(delays(longest).iter().all(|delay| *delay == Duration::MAX));
    assert_eq!(delays(longest.jitter(Jitter::Full)).len(), 1000);
    let pinned = longest.min_delay(Duration::MAX).jitter(Jitter::Full);
    assert!(delays(pinned).iter().all(|delay| *delay == Duration::MAX));
}

#[test]
fn caps_hold_after_jitter() {
    let (min, max) = (Duration::from_millis(20), Duration::from_millis(100));
    let backoff = Backoff::exponential().min_delay(min).max_delay(max).jitter(Jitter::Full);
    let samples: Vec<_> = backoff.attempts(u32::MAX).delays().take(100_000).collect();
    assert!(samples.iter().all(|delay| (min..=max).contains(delay)));
}

#[test]
fn full_jitter_covers_the_range() {
    let backoff = Backoff::fixed(SECOND).attempts(u32::MAX).jitter(Jitter::Full);
    let mut tenths = [0; 10];
    for delay in backoff.delays().take(100_000) {
        tenths[(delay.as_nanos() as usize / 100_000_000).min(9)] += 1;
    }
    // 10,000 each, with a standard deviation of 95.
    assert!(tenths.iter().all(|count| (9_000..11_000).contains(count)), "{tenths:?}");
}

#[test]
fn full_jitter_differs_from_run_to_run() {
    let backoff = Backoff::fixed(SECOND).attempts(5).jitter(Jitter::Full);
    let mut runs: Vec<_> = (0..100).map(|_| delays(backoff)).collect();
    runs.sort();
    runs.dedup();
    assert_eq!(runs.len(), 100);
    // Also within one.
    assert!(runs.iter().all(|run| run.windows(2).any(|pair| pair[0] != pair[1])));
}

/// Durations of all magnitudes, with the ends among them.
fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        Just(Duration::ZERO),
        Just(Duration::MAX),
        (0..=u64::MAX, 0..64_u32).prop_map(|(nanos, bits)| Duration::from_nanos(nanos >> bits)),
        (any::<u64>(), 0..1_000_000_000_u32).prop_map(|(secs, nanos)| Duration::new(secs, nanos)),
    ]
}

fn jitter() -> impl Strategy<Value = Jitter> {
    prop_oneof![Just(Jitter::None), Just(Jitter::Full)]
}

proptest! {
    #[test]
    fn no_input_panics_or_leaves_the_bounds(
        first in duration(),
        min in duration(),
        max in duration(),
        factor in any::<f64>(),
        attempts in any::<u32>(),
        jitter in jitter(),
    ) {
        let backoff = Backoff::exponential()
            .first_delay(first)
            .min_delay(min)
            .max_delay(max)
            .factor(factor)
            .attempts(attempts)
            .jitter(jitter);
        for delay in backoff.delays().take(40) {
            prop_assert!(delay <= max);
            prop_assert!(delay >= min.min(max));
        }
    }

    #[test]
    fn without_jitter_delays_never_shrink_and_begin_with_the_first(
        first in duration(),
        max in duration(),
        factor in any::<f64>(),
    ) {
        let backoff = Backoff::exponential()
            .first_delay(first)
            .max_delay(max)
            .factor(factor)
            .attempts(40);
        let delays = delays(backoff);
        prop_assert_eq!(delays[0], first.min(max));
        prop_assert!(delays.windows(2).all(|pair| pair[0] <= pair[1]), "{:?}", delays);
    }

    #[test]
    fn jitter_never_exceeds_what_it_is_taken_from(
        first in duration(),
        min in duration(),
        max in duration(),
        factor in 1.0..8.0_f64,
    ) {
        let backoff = Backoff::exponential()
            .first_delay(first)
            .min_delay(min)
            .max_delay(max)
            .factor(factor)
            .attempts(20);
        let jittered = delays(backoff.jitter(Jitter::Full));
        for (jittered, whole) in jittered.into_iter().zip(delays(backoff)) {
            prop_assert!(jittered <= whole);
        }
    }

    /// Doubling is exact for as long as the delays fit the precision of a float.
    #[test]
    fn doubling_is_exact(nanos in 1..1_000_000_000_u64) {
        let first = Duration::from_nanos(nanos);
        let backoff = Backoff::exponential().first_delay(first).max_delay(Duration::MAX).attempts(20);
        for (step, delay) in delays(backoff).into_iter().enumerate() {
            prop_assert_eq!(delay, first * (1 << step));
        }
    }
}
