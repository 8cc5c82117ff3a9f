//! How the tests that shuttle runs are run.

#![allow(dead_code, reason = "no test file needs all of it")]

use std::any::type_name;

use shuttle::{
    Config, Runner,
    scheduler::{PctScheduler, RandomScheduler, Scheduler},
    sync::atomic::{AtomicBool, Ordering},
};

/// The orders are the same at each run, unless `SHUTTLE_RANDOM_SEED` says otherwise.
pub(crate) const SEED: u64 = 2;

const SCHEDULES: usize = 10_000;
/// PCT plans one preemption less: bugs need few.
const DEPTH: usize = 4;

/// Runs `threads` in many orders, and says in how many.
pub(crate) fn shape<F: Fn() + Copy + Send + Sync + 'static>(threads: F) {
    let name = type_name::<F>().split("::").nth(1).unwrap_or("?");
    let random = RandomScheduler::new_from_seed(SEED, SCHEDULES);
    println!("{name}, random: {}", run(random, SCHEDULES, threads));
    let pct = PctScheduler::new_from_seed(SEED, DEPTH, SCHEDULES);
    println!("{name}, PCT: {}", run(pct, SCHEDULES, threads));
}

/// Runs `threads` in all orders that the scheduler is good for, which are to be `schedules`.
pub(crate) fn run<F: Fn() + Send + Sync + 'static>(
    scheduler: impl Scheduler + 'static,
    schedules: usize,
    threads: F,
) -> String {
    let mut config = Config::new();
    // Of orderings weaker than `SeqCst`, which loom is there for.
    config.silence_warnings = true;
    // A panic's report needs more than what it gives.
    config.stack_size = 1 << 18;
    let ran = Runner::new(scheduler, config).run(threads);
    assert_eq!(ran, schedules, "some were left out");
    format!("Completed {ran} of {schedules} schedules")
}

/// Lets another thread come in, perhaps.
fn turn() {
    AtomicBool::new(false).load(Ordering::SeqCst);
}

/// Drops, perhaps after another thread has come in. The counts of `Arc` are no point at which shuttle
/// would see to that.
pub(crate) fn let_go<T>(value: T) {
    turn();
    drop(value);
}
