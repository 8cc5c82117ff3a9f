//! What a scope costs that runs many futures as one, against the crates that do, or do a part of it.
//!
//! `cargo bench --bench scope` prints what [`SideBySide`] says, in a few minutes; `-- --quick` takes one at
//! most, `-- --check` fails if a figure is SHORT.
//!
//! Each peer is used as its docs advise, and not all do what ours does. A `FuturesUnordered` of either crate,
//! and a join, have futures of one type in a list of their own, without handles, names or owners; in boxes they
//! can be of any type, as those are that a scope, a `JoinSet` or a `TaskTracker` is given. What comes of a child
//! is given to its own handle by ours, by moro and by tokio's tasks, and by all others to whoever polls
//! them, so that there is but one figure for them, in two columns.
//!
//! All are polled by hand but tokio's tasks, which need its runtime: what they take within it is timed, not the way
//! in. Tasks alone, in no scope, stand in the lists, too, to tell what is the runtime's.

mod runs;
mod side_by_side;

use std::{
    future::Future,
    hint::black_box,
    pin::Pin,
    process::ExitCode,
    task::{Context, Waker},
    time::{Duration, Instant},
};

use runs::{
    Bare, Bounded, Buffered, Child, Join, JoinSet, Moro, Scopes, Sibling, Tenure, Tracker,
    Unordered, UnorderedBoxed, Yielding, counting_waker, run, run_until_all_wait, waiting,
};
use side_by_side::{Bar, Contest, SideBySide, allocator};

const UNORDERED: &str = Unordered::NAME;
const BOXED: &str = UnorderedBoxed::NAME;
const BUFFERED: &str = Buffered::NAME;
const JOIN_SET: &str = JoinSet::NAME;
const TRACKER: &str = Tracker::NAME;
const MORO: &str = Moro::NAME;

/// What ours is to take at most, over what the peer took that was the fastest when this goal was set. No
/// matter on what machine: both were on the same. Where ours is to be no slower than a peer, whatever that
/// takes, it is 1 over 1.
const BARS: &[Bar] = &[
    Bar::itself("a pending child, bytes", FUTURE + 64.0),
    Bar::new("a pending child, bytes", 1.0, BOXED, 1.0).among("of any type", ANY_TYPE),
    Bar::itself("a pending child and its handle, bytes", FUTURE + 64.0),
    Bar::new("a pending child and its handle, bytes", 1.0, TRACKER, 1.0)
        .among("of those with handles", HANDLES),
    Bar::new("ready, 1, ns each", 1.0, TRACKER, 1.0).among("of those that spawn", SPAWN),
    Bar::new("ready, 10, ns each", 1.0, TRACKER, 1.0).among("of those that spawn", SPAWN),
    Bar::new("ready, 1k, ns each", 42.0, BUFFERED, 10.5),
    Bar::new("ready, 1k, ns each", 42.0, BOXED, 53.0).among("of any type", ANY_TYPE),
    Bar::new("ready, 100k, ns each", 45.0, BUFFERED, 11.5),
    Bar::new("ready, 100k, ns each", 45.0, BOXED, 58.0).among("of any type", ANY_TYPE),
    Bar::new("yields once, 1, ns each", 1.0, TRACKER, 1.0).among("of those that spawn", SPAWN),
    Bar::new("yields once, 10, ns each", 1.0, TRACKER, 1.0).among("of those that spawn", SPAWN),
    Bar::new("yields once, 1k, ns each", 70.0, BUFFERED, 21.0),
    Bar::new("yields once, 1k, ns each", 70.0, BOXED, 86.0).among("of any type", ANY_TYPE),
    Bar::new("yields once, 100k, ns each", 70.0, BUFFERED, 21.0),
    Bar::new("yields once, 100k, ns each", 70.0, BOXED, 86.0).among("of any type", ANY_TYPE),
    Bar::new("ready, awaited, 1, ns each", 1.0, TRACKER, 1.0).among("of those that spawn", SPAWN),
    Bar::new("ready, awaited, 10, ns each", 1.0, TRACKER, 1.0).among("of those that spawn", SPAWN),
    Bar::new("ready, awaited, 1k, ns each", 42.0, BUFFERED, 10.5),
    Bar::new("ready, awaited, 1k, ns each", 42.0, BOXED, 53.0).among("of any type", ANY_TYPE),
    Bar::new("ready, awaited, 1k, ns each", 42.0, JOIN_SET, 253.0)
        .among("against JoinSet", &[JOIN_SET]),
    Bar::new("ready, awaited, 100k, ns each", 45.0, BUFFERED, 11.5),
    Bar::new("ready, awaited, 100k, ns each", 45.0, BOXED, 58.0).among("of any type", ANY_TYPE),
    Bar::new("ready, awaited, 100k, ns each", 45.0, JOIN_SET, 436.0)
        .among("against JoinSet", &[JOIN_SET]),
    Bar::new("yields once, awaited, 1, ns each", 1.0, TRACKER, 1.0)
        .among("of those that spawn", SPAWN),
    Bar::new("yields once, awaited, 10, ns each", 1.0, TRACKER, 1.0)
        .among("of those that spawn", SPAWN),
    Bar::new("yields once, awaited, 1k, ns each", 70.0, BUFFERED, 21.0),
    Bar::new("yields once, awaited, 1k, ns each", 70.0, BOXED, 86.0).among("of any type", ANY_TYPE),
    Bar::new("yields once, awaited, 1k, ns each", 70.0, JOIN_SET, 265.0)
        .among("against JoinSet", &[JOIN_SET]),
    Bar::new("yields once, awaited, 100k, ns each", 70.0, BUFFERED, 21.0),
    Bar::new("yields once, awaited, 100k, ns each", 70.0, BOXED, 86.0)
        .among("of any type", ANY_TYPE),
    Bar::new("yields once, awaited, 100k, ns each", 70.0, JOIN_SET, 265.0)
        .among("against JoinSet", &[JOIN_SET]),
    Bar::new("failed, 1k, ns a sibling", 25.0, UNORDERED, 21.8)
        .among("of those that free one by one", ONE_BY_ONE),
    Bar::new("failed and over, 1k, ns a sibling", 25.0, UNORDERED, 21.8)
        .among("of those that free one by one", ONE_BY_ONE),
    Bar::new("failed, 100k, ns a sibling", 30.0, UNORDERED, 28.95)
        .among("of those that free one by one", ONE_BY_ONE),
    Bar::new("failed and over, 100k, ns a sibling", 30.0, UNORDERED, 28.95)
        .among("of those that free one by one", ONE_BY_ONE),
];

/// Bytes of a child.
const FUTURE: f64 = size_of::<Sibling>() as f64;

/// Whose futures can be of any type.
const ANY_TYPE: &[&str] = &[BOXED, JOIN_SET, TRACKER, MORO];
/// What has futures of any type, and is spawned in.
const SPAWN: &[&str] = &[JOIN_SET, TRACKER, MORO];
/// What gives each child a handle that its result comes by.
const HANDLES: &[&str] = &[TRACKER, MORO];
/// What has an allocation for each future, to be freed by itself: the others drop all of them in one piece.
const ONE_BY_ONE: &[&str] = &[UNORDERED, BOXED, JOIN_SET, TRACKER, MORO];

/// So many children a round, at least: as many scopes, one after the other, as that takes.
const RUNS: usize = 10_000;

/// A contest of all subjects, ours first: `measure` makes what runs a round of each.
macro_rules! contest {
    ($figures:expr, $measure:ident$(::<$child:ty>)?($($argument:expr),*)) => {
        Contest::of($figures)
            .subject(Tenure::NAME, $measure::<Tenure, $($child)?>($($argument),*))
            .subject(Unordered::NAME, $measure::<Unordered, $($child)?>($($argument),*))
            .subject(UnorderedBoxed::NAME, $measure::<UnorderedBoxed, $($child)?>($($argument),*))
            .subject(Bounded::NAME, $measure::<Bounded, $($child)?>($($argument),*))
            .subject(Buffered::NAME, $measure::<Buffered, $($child)?>($($argument),*))
            .subject(Join::NAME, $measure::<Join, $($child)?>($($argument),*))
            .subject(JoinSet::NAME, $measure::<JoinSet, $($child)?>($($argument),*))
            .subject(Tracker::NAME, $measure::<Tracker, $($child)?>($($argument),*))
            .subject(Bare::NAME, $measure::<Bare, $($child)?>($($argument),*))
            .subject(Moro::NAME, $measure::<Moro, $($child)?>($($argument),*))
    };
}

type Ready = Yielding<1>;
type YieldsOnce = Yielding<2>;

fn main() -> ExitCode {
    let mut bench = SideBySide::new(BARS);
    bench.run(contest!(["a pending child, bytes"], bytes()).exact());
    bench.run(contest!(["a pending child and its handle, bytes"], bytes_with_handles()).exact());
    bench.run(contest!(["ready, 1, ns each"], joined::<Ready>(1)));
    bench.run(contest!(["ready, 10, ns each"], joined::<Ready>(10)));
    bench.run(contest!(["ready, 1k, ns each"], joined::<Ready>(1_000)));
    bench.run(contest!(["ready, 100k, ns each"], joined::<Ready>(100_000)));
    bench.run(contest!(["yields once, 1, ns each"], joined::<YieldsOnce>(1)));
    bench.run(contest!(["yields once, 10, ns each"], joined::<YieldsOnce>(10)));
    bench.run(contest!(["yields once, 1k, ns each"], joined::<YieldsOnce>(1_000)));
    bench.run(contest!(["yields once, 100k, ns each"], joined::<YieldsOnce>(100_000)));
    bench.run(contest!(["ready, awaited, 1, ns each"], summed::<Ready>(1)));
    bench.run(contest!(["ready, awaited, 10, ns each"], summed::<Ready>(10)));
    bench.run(contest!(["ready, awaited, 1k, ns each"], summed::<Ready>(1_000)));
    bench.run(contest!(["ready, awaited, 100k, ns each"], summed::<Ready>(100_000)));
    bench.run(contest!(["yields once, awaited, 1, ns each"], summed::<YieldsOnce>(1)));
    bench.run(contest!(["yields once, awaited, 10, ns each"], summed::<YieldsOnce>(10)));
    bench.run(contest!(["yields once, awaited, 1k, ns each"], summed::<YieldsOnce>(1_000)));
    bench.run(contest!(["yields once, awaited, 100k, ns each"], summed::<YieldsOnce>(100_000)));
    failure(&mut bench, 1_000, ["failed, 1k, ns a sibling", "failed and over, 1k, ns a sibling"]);
    failure(
        &mut bench,
        100_000,
        ["failed, 100k, ns a sibling", "failed and over, 100k, ns a sibling"],
    );
    bench.finish()
}

/// Spawned, run to their ends and dropped, in a scope that is made and dropped. Nobody wants to know what they come
/// to: ours has its handles dropped at once, and so have moro and the tracker.
fn joined<S: Scopes, C: Child>(n: usize) -> impl FnMut() -> f64 {
    move || timed::<S, _>(n, || S::join::<C>(black_box(n)))
}

/// As `joined`, and the caller has what each comes to: ours, moro and the tracker have a list of handles, each of
/// which is awaited in its turn.
fn summed<S: Scopes, C: Child>(n: usize) -> impl FnMut() -> f64 {
    move || {
        timed::<S, _>(n, || async move {
            assert_eq!(S::sum::<C>(black_box(n)).await, n as u64);
        })
    }
}

/// Nanoseconds for each child.
fn timed<S: Scopes, F: Future>(n: usize, scope: impl Fn() -> F) -> f64 {
    let scopes = (RUNS / n).max(1);
    let took = run::<S, _>(async {
        let start = Instant::now();
        for _ in 0..scopes {
            scope().await;
        }
        start.elapsed()
    });
    nanos(took, scopes * n)
}

/// All that is requested for children that wait, the scope's own share among it, while there are so many. The future
/// itself is among it, too.
fn bytes<S: Scopes>() -> impl FnMut() -> f64 {
    bytes_each::<S, _>(S::join::<Sibling>)
}

/// As `bytes`, and the list of the handles, where there are any.
fn bytes_with_handles<S: Scopes>() -> impl FnMut() -> f64 {
    bytes_each::<S, _>(S::sum::<Sibling>)
}

fn bytes_each<S: Scopes, F: Future>(scope: impl Fn(usize) -> F) -> impl FnMut() -> f64 {
    const N: usize = 1_000;
    move || {
        let wait = || {
            Sibling::expect(N);
            run_until_all_wait::<S, _>(scope(N))
        };
        // What a runtime keeps for later is there then.
        drop(wait());
        let (scope, requested) = allocator::count(wait);
        drop(scope);
        requested.bytes as f64 / N as f64
    }
}

/// One fails while the others wait: until the last of those was dropped, and until the whole is over and gone, with
/// all that was allocated for it.
fn failure(bench: &mut SideBySide, n: usize, figures: [&'static str; 2]) {
    bench.run(contest!(figures, failed(n)).subject("FLOOR: boxes in a list", floor(n)));
}

fn failed<S: Scopes>(n: usize) -> impl FnMut() -> [f64; 2] {
    move || {
        Sibling::expect(n);
        let over = run::<S, _>(async {
            S::fail(n).await;
            Instant::now()
        });
        let [failed, dropped] = Sibling::times();
        [dropped, over].map(|end| nanos(end - failed, n))
    }
}

/// Nothing but what has to be done.
fn floor(n: usize) -> impl FnMut() -> [f64; 2] {
    move || {
        Sibling::expect(n);
        let (waker, _) = counting_waker();
        let waiting = |_| waiting(Sibling::default(), &waker) as Pin<Box<dyn Future<Output = _>>>;
        let siblings: Vec<_> = (0..n).map(waiting).collect();
        let mut failing = Box::pin(Sibling::failing());
        while failing.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {}
        drop(siblings);
        let over = Instant::now();
        let [failed, dropped] = Sibling::times();
        [dropped, over].map(|end| nanos(end - failed, n))
    }
}

fn nanos(time: Duration, n: usize) -> f64 {
    time.as_secs_f64() * 1e9 / n as f64
}
