//! How the tests that shuttle runs are run.

#![allow(dead_code, reason = "no test file needs all of it")]

use std::any::type_name;

use shuttle::{
    Config, Runner,
    scheduler::Scheduler,
    sync::atomic::{AtomicBool, Ordering},
};

/// The orders are the same at each run, unless `SHUTTLE_RANDOM_SEED` says otherwise.
pub(crate) const SEED: u64 = 2;

/// The name of the test that `F` was written in.
pub(crate) fn test_of<F>(_: &F) -> &'static str {
    type_name::<F>().split("::").nth(1).unwrap_or("?")
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
pub(crate) fn turn() {
    AtomicBool::new(false).load(Ordering::SeqCst);
}

/// Drops, perhaps after another thread has come in. The counts of `Arc` are no point at which shuttle would
/// see to that.
pub(crate) fn let_go<T>(value: T) {
    turn();
    drop(value);
}
