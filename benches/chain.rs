//! What the composed chain costs on a future that is ready at once, against that future alone.
//!
//! `cargo bench --bench chain` prints a line for each subject, tab-separated: its name, the median
//! and the least nanoseconds of one run (make, poll, drop), its size in bytes, and how often it
//! allocates. Subjects take turns, so that a noisy machine is noisy for all.
//!
//! `cargo bench --bench chain -- once NAME` runs one subject 1,000 times, for callgrind.

use std::{
    future::{Future, ready},
    hint::black_box,
    pin::pin,
    task::{Context, Waker},
    time::{Duration, Instant},
};

use tenure::{AbortHandle, Backoff, Limit, OwnedFuture, Scope};

const ROUNDS: usize = 101;
const RUNS: u32 = 20_000;
const SECOND: Duration = Duration::from_secs(1);

type Answer = Result<u32, std::io::Error>;

struct Subject<'a> {
    name: &'static str,
    size: usize,
    run: Box<dyn Fn(u32) + 'a>,
}

/// A subject that makes its future anew each time, polls it once and drops it.
fn subject<'a, F: Future>(name: &'static str, make: impl Fn() -> F + 'a) -> Subject<'a> {
    let run = move |times| {
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..times {
            // In place: moving it would cost as much as running it.
            let future = pin!(make());
            assert!(black_box(future.poll(&mut cx).is_ready()));
        }
    };
    Subject { name, size: size_of::<F>(), run: Box::new(run) }
}

fn answer() -> impl Future<Output = Answer> {
    ready(Ok(black_box(42)))
}

fn main() {
    let scope = Scope::new("bench");
    let limit = Limit::new(8);
    let handle = AbortHandle::new();
    let policy = Backoff::exponential();
    let subjects = [
        subject("bare", answer),
        subject("owned", || answer().owned()),
        subject("with_timeout", || answer().with_timeout(SECOND)),
        subject("retry", || answer.retry(policy)),
        subject("with_abort", || answer().with_abort(&handle)),
        subject("limit", || answer().limit(&limit)),
        subject("in_scope", || answer().in_scope(&scope)),
        subject("timeout+retry+timeout", || {
            answer.with_timeout(SECOND).retry(policy).with_timeout(10 * SECOND)
        }),
        subject("chain", || {
            answer
                .with_timeout(2 * SECOND)
                .retry(policy)
                .limit(&limit)
                .with_timeout(10 * SECOND)
                .in_scope(&scope)
        }),
    ];

    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "once") {
        let chosen = subjects
            .iter()
            .find(|subject| Some(subject.name) == arguments.get(at + 1).map(String::as_str));
        return (chosen.expect("the name of a subject comes after `once`").run)(1_000);
    }

    let mut rounds = vec![Vec::with_capacity(ROUNDS); subjects.len()];
    for _ in 0..ROUNDS {
        for (subject, nanos) in subjects.iter().zip(&mut rounds) {
            let start = Instant::now();
            (subject.run)(RUNS);
            nanos.push(start.elapsed().as_secs_f64() * 1e9 / f64::from(RUNS));
        }
    }
    println!("subject\tmedian ns\tleast ns\tbytes\tallocations");
    for (subject, mut nanos) in subjects.iter().zip(rounds) {
        nanos.sort_by(f64::total_cmp);
        let allocations = allocation_counter::measure(|| (subject.run)(1_000)).count_total as f64;
        println!(
            "{}\t{:.1}\t{:.1}\t{}\t{}",
            subject.name,
            nanos[nanos.len() / 2],
            nanos[0],
            subject.size,
            allocations / 1_000.0
        );
    }
}
