//! What a limit costs, and how long it lets somebody wait, against the crates that have semaphores.
//!
//! `cargo bench --bench limit` prints what [`SideBySide`] says, in a few minutes; `-- --quick` takes one at
//! most, `-- --check` fails if a figure is SHORT.
//!
//! Each peer is used as its docs advise. A permit is borrowed, which is to refer to a limit that outlives it, or owned,
//! so that it can go anywhere. Not all are fair: async-lock gives a permit to whoever asks first when it is free, so it
//! hardly ever has to wake anybody, and who waits may do so for ever.
//!
//! Where the machine is busy, what is said to run on two threads mostly runs on one of them: for the other there is no
//! processor, or it is over before that has been woken.

mod runs;
mod side_by_side;

use std::{
    future::pending,
    hint::black_box,
    process::ExitCode,
    time::{Duration, Instant},
};

use futures_lite::future::yield_now;
use runs::{
    AsyncLock, Borrowed, Form, Limits, OneThread, Owned, SmolThreads, Tasks, Tenure, Tokio, Tower,
    TwoThreads, answer, counting_waker, driven, waiting,
};
use side_by_side::{Bar, Contest, SideBySide, allocator};

const TENURE: &str = <Tenure as Limits>::NAME;
const TOKIO: &str = Tokio::NAME;
const ASYNC_LOCK: &str = AsyncLock::NAME;

/// What ours is to take at most, over what the peer took that was the fastest when this goal was set. No
/// matter on what machine: both were on the same. Where ours is to be no slower than a peer, whatever that
/// takes, it is 1 over 1.
const BARS: &[Bar] = &[
    Bar::new("a waiter, borrowed, bytes", 1.0, TOKIO, 1.0).among("of those that are fair", FAIR),
    Bar::new("a waiter, owned, bytes", 1.0, TOKIO, 1.0).among("of those that are fair", FAIR),
    Bar::new("uncontended, borrowed, ns", 10.0, ASYNC_LOCK, 11.3),
    Bar::new("uncontended, borrowed, ns", 10.0, TOKIO, 30.6).among("of those that are fair", FAIR),
    Bar::new("uncontended, owned, ns", 10.0, ASYNC_LOCK, 11.3),
    Bar::new("uncontended, owned, ns", 10.0, TOKIO, 30.6).among("of those that are fair", FAIR),
    Bar::new("contended for 1, ns over bare", 0.6, TOKIO, 1.0).among("against tokio", &[TOKIO]),
    Bar::new("contended for 8, ns over bare", 0.6, TOKIO, 1.0).among("against tokio", &[TOKIO]),
    Bar::new("contended for 8, owned, ns over bare", 0.6, TOKIO, 1.0)
        .among("against tokio", &[TOKIO]),
    Bar::new("contended for 1, two threads, ns over bare", 1.0, TOKIO, 1.0)
        .among("of those that are fair", FAIR),
    Bar::new("contended for 8, two threads, ns over bare", 1.0, TOKIO, 1.0)
        .among("of those that are fair", FAIR),
    Bar::new("contended for 8, two of smol, ns over bare", 1.0, TOKIO, 1.0)
        .among("of those that are fair", FAIR),
    Bar::itself("longest wait for 1, over the median", 10.0),
    Bar::itself("longest wait for 8, over the median", 10.0),
    Bar::itself("longest wait for 1, two threads, over the median", 10.0),
    Bar::itself("longest wait for 8, two threads, over the median", 10.0),
    Bar::itself("longest wait for 8, two of smol, over the median", 10.0),
    Bar::new("rate, claimed if there is a place, ns", 1.0, "governor", 1.0),
    Bar::new("rate, waited for, ns", 1.0, "governor", 1.0),
];

/// Whom nobody overtakes that comes later.
const FAIR: &[&str] = &[TOKIO, Tower::NAME];

/// How often a round runs what takes a few nanoseconds.
const RUNS: u32 = 10_000;
/// Who contend for a few permits.
const TASKS: usize = 100;
/// How often each of them asks for one: in all it takes less than a millisecond or two, in which hardly ever another
/// process has its turn.
const TURNS: usize = 20;

/// A contest of all subjects, ours first: `measure` makes what runs a round of each.
macro_rules! contest {
    ($figures:expr, $measure:ident::<$($by:ty),+>($($argument:expr),*)) => {
        Contest::of($figures)
            .subject(TENURE, $measure::<Tenure, $($by),+>($($argument),*))
            .subject(Tokio::NAME, $measure::<Tokio, $($by),+>($($argument),*))
            .subject(AsyncLock::NAME, $measure::<AsyncLock, $($by),+>($($argument),*))
            .subject(Tower::NAME, $measure::<Tower, $($by),+>($($argument),*))
    };
}

fn main() -> ExitCode {
    let mut bench = SideBySide::new(BARS);
    bench.run(contest!(["a waiter, borrowed, bytes"], bytes::<Borrowed>()).exact());
    bench.run(contest!(["a waiter, owned, bytes"], bytes::<Owned>()).exact());
    bench.run(contest!(["uncontended, borrowed, ns"], uncontended::<Borrowed>()));
    bench.run(contest!(["uncontended, owned, ns"], uncontended::<Owned>()));
    bench.run(contest!(["contended for 1, ns over bare"], contended::<Borrowed, OneThread>(1)));
    bench.run(contest!(["contended for 8, ns over bare"], contended::<Borrowed, OneThread>(8)));
    bench.run(contest!(["contended for 8, owned, ns over bare"], contended::<Owned, OneThread>(8)));
    bench.run(contest!(
        ["contended for 1, two threads, ns over bare"],
        contended::<Borrowed, TwoThreads>(1)
    ));
    bench.run(contest!(
        ["contended for 8, two threads, ns over bare"],
        contended::<Borrowed, TwoThreads>(8)
    ));
    bench.run(contest!(
        ["contended for 8, two of smol, ns over bare"],
        contended::<Borrowed, SmolThreads>(8)
    ));
    bench.run(contest!(["longest wait for 1, over the median"], longest_wait::<OneThread>(1)));
    bench.run(contest!(["longest wait for 8, over the median"], longest_wait::<OneThread>(8)));
    bench.run(contest!(
        ["longest wait for 1, two threads, over the median"],
        longest_wait::<TwoThreads>(1)
    ));
    bench.run(contest!(
        ["longest wait for 8, two threads, over the median"],
        longest_wait::<TwoThreads>(8)
    ));
    bench.run(contest!(
        ["longest wait for 8, two of smol, over the median"],
        longest_wait::<SmolThreads>(8)
    ));
    rates::run(&mut bench);
    bench.finish()
}

/// All that is requested for one that waits, the future itself among it, around one without a size; but not the
/// handle that it borrows.
fn bytes<L: Limits, F: Form>() -> impl FnMut() -> f64 {
    const N: usize = 1_000;
    move || {
        let (waker, _) = counting_waker();
        let mut limit = L::new(1);
        let mut handles = vec![limit.clone(); N];
        let _first = waiting(F::run::<L, _>(&mut limit, pending::<()>()), &waker);
        let mut queue = Vec::with_capacity(N);
        let ((), requested) = allocator::count(|| {
            let run = |handle| waiting(F::run::<L, _>(handle, pending::<()>()), &waker);
            queue.extend(handles.iter_mut().map(run));
        });
        requested.bytes as f64 / N as f64
    }
}

/// A permit is claimed, a future run that is ready at once, and the permit given back.
fn uncontended<L: Limits, F: Form>() -> impl FnMut() -> f64 {
    let mut limit = L::new(8);
    move || {
        driven(async {
            let start = Instant::now();
            for _ in 0..RUNS {
                black_box(F::run::<L, _>(black_box(&mut limit), answer()).await);
            }
            nanos(start.elapsed()) / f64::from(RUNS)
        })
    }
}

/// Each of many tasks claims one of a few permits, yields, gives it back, and so on. Nanoseconds for each time, less what
/// it takes to yield without a limit.
fn contended<L: Limits, F: Form, T: Tasks>(permits: usize) -> impl FnMut() -> f64 {
    move || {
        let bare = typical(|| {
            T::run(tasks(|| async {
                for _ in 0..TURNS {
                    yield_now().await;
                }
            }))
        });
        let limited = typical(|| {
            let limit = L::new(permits);
            T::run(tasks(|| {
                let mut limit = limit.clone();
                async move {
                    for _ in 0..TURNS {
                        F::run::<L, _>(&mut limit, yield_now()).await;
                    }
                }
            }))
        });
        (nanos(limited) - nanos(bare)) / (TASKS * TURNS) as f64
    }
}

/// How long it takes when no other process comes between, as it does now and then.
fn typical<R>(run: impl Fn() -> (Duration, R)) -> Duration {
    let mut took = [(); 5].map(|()| run().0);
    took.sort();
    took[took.len() / 2]
}

/// From when a task asks for a permit, as in `contended`, until it has it: of all tasks.
fn longest_wait<L: Limits, T: Tasks>(permits: usize) -> impl FnMut() -> f64 {
    move || {
        let limit = L::new(permits);
        let (_, waits) = T::run(tasks(|| {
            let mut limit = limit.clone();
            let mut waits = Vec::with_capacity(TURNS);
            async move {
                for _ in 0..TURNS {
                    let asked = Instant::now();
                    let claimed = async move {
                        let waited = asked.elapsed();
                        yield_now().await;
                        waited
                    };
                    waits.push(L::borrowed(&mut limit, claimed).await);
                }
                waits
            }
        }));
        let mut waits: Vec<_> = waits.into_iter().flatten().collect();
        waits.sort();
        nanos(waits[waits.len() - 1]) / nanos(waits[waits.len() / 2]).max(1.0)
    }
}

fn tasks<F>(task: impl Fn() -> F) -> Vec<F> {
    (0..TASKS).map(|_| task()).collect()
}

fn nanos(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9
}

/// Of a rate that is never exhausted.
mod rates {
    use std::{hint::black_box, num::NonZero, time::Instant};

    use super::{
        RUNS, TENURE, nanos,
        runs::{Governor, Rates, Tenure, driven},
        side_by_side::{Contest, SideBySide, each},
    };

    const PLENTY: NonZero<u32> = NonZero::new(100_000_000).unwrap();

    pub(super) fn run(bench: &mut SideBySide) {
        bench.run(
            Contest::new("rate, claimed if there is a place, ns")
                .subject(TENURE, claimed::<Tenure>())
                .subject(Governor::NAME, claimed::<Governor>()),
        );
        bench.run(
            Contest::new("rate, waited for, ns")
                .subject(TENURE, waited_for::<Tenure>())
                .subject(Governor::NAME, waited_for::<Governor>()),
        );
    }

    fn claimed<R: Rates>() -> impl FnMut() -> f64 {
        let rate = R::per_second(PLENTY);
        each(move || assert!(R::claim(black_box(&rate))))
    }

    fn waited_for<R: Rates>() -> impl FnMut() -> f64 {
        let rate = R::per_second(PLENTY);
        move || {
            driven(async {
                let start = Instant::now();
                for _ in 0..RUNS {
                    R::wait(black_box(&rate)).await;
                }
                nanos(start.elapsed()) / f64::from(RUNS)
            })
        }
    }
}
