use std::{
    hint::{self, black_box},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use super::allocator;

/// So many that reading the clock doesn't count, even where one takes a third of a nanosecond.
const RUNS: u32 = 10_000;
/// Few enough that hardly ever a thread is interrupted.
const RUNS_A_THREAD: u32 = 4_000;
const TRIES: usize = 100;
const A_WHILE: Duration = Duration::from_secs(1);
const SOON: Duration = Duration::from_millis(200);

/// Nanoseconds that one run takes, of many in a row. What it returns is dropped within that time.
pub(crate) fn each<R>(mut run: impl FnMut() -> R) -> impl FnMut() -> f64 {
    move || nanos_each(RUNS, &mut run)
}

fn nanos_each<R>(runs: u32, mut run: impl FnMut() -> R) -> f64 {
    let start = Instant::now();
    for _ in 0..runs {
        black_box(run());
    }
    nanos(start.elapsed()) / f64::from(runs)
}

/// Nanoseconds for each of `n` that one run takes along. What a round needs is made before, and looked
/// at and dropped after; neither is timed.
pub(crate) fn of_many<S>(
    n: usize,
    mut make: impl FnMut() -> S,
    mut run: impl FnMut(&mut S),
    mut check: impl FnMut(S),
) -> impl FnMut() -> f64 {
    move || {
        let mut subject = make();
        let start = Instant::now();
        run(&mut subject);
        let took = nanos(start.elapsed());
        check(subject);
        took / n as f64
    }
}

/// Nanoseconds that one run takes while another thread does the same.
///
/// Where the machine is busy, the two may well run one after the other. Such a round tells nothing, and
/// is run again. Where that is of no avail, what it takes is no number, which is below no bar.
pub(crate) fn on_two_threads<R>(run: impl Fn() -> R + Sync) -> impl FnMut() -> f64 {
    move || run_on_two_threads(|| &run)
}

/// As [`on_two_threads`], one round, where each thread has something of its own to run: it makes it.
pub(crate) fn run_on_two_threads<R, F: FnMut() -> R>(make: impl Fn() -> F + Sync) -> f64 {
    let rounds = std::iter::repeat_with(|| try_on_two_threads(&make));
    rounds.take(TRIES).flatten().next().unwrap_or(f64::NAN)
}

fn try_on_two_threads<R, F: FnMut() -> R>(make: impl Fn() -> F + Sync) -> Option<f64> {
    let there = AtomicUsize::new(0);
    let half = || {
        let run = make();
        there.fetch_add(1, Relaxed);
        let arrived = Instant::now();
        // Not asleep: it would take long to wake up. Nor for ever: the other may have panicked.
        while there.load(Relaxed) < 2 && arrived.elapsed() < A_WHILE {
            hint::spin_loop();
        }
        let start = Instant::now();
        nanos_each(RUNS_A_THREAD, run);
        (start, Instant::now())
    };
    let (one, other) = thread::scope(|scope| {
        let other = scope.spawn(half);
        (half(), other.join().expect("the other half panicked"))
    });
    let both = nanos(one.1.min(other.1).saturating_duration_since(one.0.max(other.0)));
    let either = nanos(one.1.max(other.1) - one.0.min(other.0));
    let each = nanos(one.1 - one.0 + (other.1 - other.0)) / 2.0;
    (both > 0.8 * either).then_some(each / f64::from(RUNS_A_THREAD))
}

/// Bytes that are requested, and not given back, for each of `n`. What `make` returns is kept; where its
/// own size is to count, it must be in a box. What another thread does for it counts if it is soon.
pub(crate) fn bytes_each<R>(n: usize, make: impl Fn() -> R) -> impl FnMut() -> f64 {
    move || {
        let mut kept = Vec::with_capacity(n);
        let ((), requested) = allocator::count(|| {
            kept.extend((0..n).map(|_| make()));
            thread::sleep(SOON);
        });
        requested.bytes as f64 / n as f64
    }
}

fn nanos(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9
}
