//! One chain, by each kind of timer: the process's own, Tokio's, async-io's, a board's alarm, and a clock
//! whose time stands still until all wait for it.
//!
//! ```text
//! cargo run --example timers
//! ```
//!
//! What implements `Timer` lies in tests/timers: tokio.rs, async_io.rs and board.rs, written to be copied.

#[path = "../tests/timers/async_io.rs"]
mod async_io;
#[path = "../tests/timers/board.rs"]
mod board;
#[path = "../tests/timers/chip.rs"]
mod chip;
#[path = "../tests/timers/tokio.rs"]
mod tokio_timer;

use std::{
    future::{Future, pending},
    time::{Duration, Instant},
};

use tenure::{
    Aborted, Backoff, OwnedFuture,
    time::{TestClock, TimerHandle},
};

const SHORT: Duration = Duration::from_millis(20);

type Outcome = Result<Result<(), &'static str>, Aborted>;

/// Three attempts that hang, with a pause between two.
fn stuck(timer: impl Into<TimerHandle>) -> impl Future<Output = Outcome> {
    (|| pending::<Result<(), &str>>())
        .with_timeout(SHORT)
        .retry(Backoff::fixed(SHORT).attempts(3))
        .with_timer(timer)
}

fn tell(timer: &str, run: impl FnOnce() -> Outcome) {
    let begin = Instant::now();
    let aborted = run().expect_err("it hangs");
    println!("{timer:<26} {aborted}, gave up after {} ms", begin.elapsed().as_millis());
}

fn main() {
    // The same as without a timer at all.
    tell("the default", || {
        smol::block_on((|| pending()).with_timeout(SHORT).retry(Backoff::fixed(SHORT).attempts(3)))
    });

    // On the runtime that the timer is of,
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let timer = TimerHandle::new(tokio_timer::TokioTimer::new(runtime.handle().clone()));
    tell("Tokio's, on Tokio", || runtime.block_on(stuck(&timer)));

    // or anywhere, while that runtime is running.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build().unwrap();
    let timer = TimerHandle::new(tokio_timer::TokioTimer::new(runtime.handle().clone()));
    tell("Tokio's, elsewhere", || futures::executor::block_on(stuck(&timer)));

    let timer = TimerHandle::new(async_io::AsyncIoTimer::new());
    tell("async-io's", || smol::block_on(stuck(&timer)));

    let timer = TimerHandle::from_static(chip::alarm());
    tell("a board's", || futures::executor::block_on(stuck(&timer)));

    let clock = TestClock::new();
    tell("the test clock", || smol::block_on(clock.watch(stuck(&clock))));
}
