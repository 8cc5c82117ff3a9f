//! The hot paths, one at a time, for ci/instructions, which counts what they execute.
//!
//! `cargo bench --bench instructions` prints their names; `-- NAME` runs one of them in [`counted`], and
//! prints how many times it ran there. What it needs is made before.

mod runs;

use std::{
    cell::RefCell,
    collections::VecDeque,
    future::{Future, pending},
    hint::black_box,
    process::ExitCode,
    task::{Context, Waker},
    time::Duration,
};

use runs::{
    EachChain, Fan, Limits, Scopes, Sibling, Tenure, Yielding, answer, at_rest, counting_waker,
    driven, for_each_chain, late_answer, live, owning, pending_once, ready_at_once, waiting,
};
use tenure::{AbortHandle, OwnedFuture, time::TestClock};

const RUNS: usize = 1_000;

fn main() -> ExitCode {
    let mut paths = Paths::default();
    lattice(&mut paths);
    aborts(&mut paths);
    timeouts(&mut paths);
    nurseries(&mut paths);
    limits(&mut paths);
    for_each_chain(&mut paths);
    match std::env::args().skip(1).find(|argument| argument != "--bench") {
        None => paths.print(),
        Some(name) => return paths.run(&name),
    }
    ExitCode::SUCCESS
}

fn lattice(paths: &mut Paths) {
    // They live as long as the process: what refers to them can go anywhere.
    let [a, b] = [(); 2].map(|()| &*Box::leak(Box::new(AbortHandle::new())));
    paths.each("root", AbortHandle::new);
    paths.each("child", || a.child());
    paths.each("join", || a.join(b));
    paths.each("meet", || a.meet(b));
    paths.each("is_aborted", || a.is_aborted());
    paths.each("on_abort and its guard", || {
        let told = black_box(42);
        a.on_abort(move |_| _ = black_box(told))
    });
    paths.each("ready, handle borrowed", ready_at_once(move || answer().with_abort(a)));
    paths.each("ready, handle owned", ready_at_once(|| owning(answer(), a)));
    paths.each("pending once, handle borrowed", pending_once(move || late_answer().with_abort(a)));
    paths.each("pending once, handle owned", pending_once(|| owning(late_answer(), a)));
}

fn aborts(paths: &mut Paths) {
    let fan = |n| {
        let root = AbortHandle::new();
        let waiting: Vec<_> = (0..n).map(|_| root.child().aborted()).collect();
        Fan::new(waiting, move || assert!(root.abort("all")))
    };
    paths.add("abort with a child waited for", move || {
        let mut fans: Vec<_> = (0..RUNS).map(|_| fan(1)).collect();
        counted(|| fans.iter_mut().for_each(Fan::abort));
        fans.into_iter().for_each(Fan::check);
        RUNS
    });
    paths.add("abort with 1,000, for each", move || {
        let mut fan = fan(RUNS);
        counted(|| fan.abort());
        fan.check();
        RUNS
    });
}

/// On the process's own timer. None of them fires: a day is long, counted or not.
fn timeouts(paths: &mut Paths) {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    paths.each("timeout, ready", ready_at_once(|| answer().with_timeout(DAY)));
    let late = || pending_once(|| late_answer().with_timeout(DAY));
    paths.add("timeout, pending once", move || repeated(late()));
    paths.add("timeout, pending once, 10k live", move || {
        let _live = live::<Tenure>(10_000, DAY / 2..2 * DAY);
        repeated(late())
    });
    paths.add("timeout, polled again", || {
        let (waker, _) = counting_waker();
        let waiting = RefCell::new(waiting(pending::<()>().with_timeout(DAY), &waker));
        repeated(|| {
            let mut cx = Context::from_waker(&waker);
            assert!(waiting.borrow_mut().as_mut().poll(&mut cx).is_pending());
        })
    });
    paths.each(
        "timeout + timeout, pending once",
        pending_once(|| late_answer().with_timeout(DAY).with_timeout(2 * DAY)),
    );
}

/// For each child; the nursery is made and dropped among it.
fn nurseries(paths: &mut Paths) {
    const READY: u64 = 1;
    const LATE: u64 = 2;
    paths.add("nursery: 1,000 ready", || nursery_of(RUNS, Tenure::join::<Yielding<READY>>));
    paths.add("nursery: 1,000 yield once", || nursery_of(RUNS, Tenure::join::<Yielding<LATE>>));
    paths.add("nursery: 1,000 awaited", || nursery_of(RUNS, Tenure::sum::<Yielding<READY>>));
    paths.add("nursery: one child", || nursery_of(1, Tenure::join::<Yielding<READY>>));
    paths.add("nursery: one child, awaited", || nursery_of(1, Tenure::sum::<Yielding<READY>>));
    paths.add("nursery aborted with 1,000", || {
        Sibling::expect(RUNS);
        let handle = AbortHandle::new();
        let mut nursery = at_rest(Tenure::join::<Sibling>(RUNS).with_abort(&handle));
        counted(|| {
            handle.abort("all");
            let mut cx = Context::from_waker(Waker::noop());
            assert!(nursery.as_mut().poll(&mut cx).is_ready());
        });
        RUNS
    });
}

fn nursery_of<F: Future>(n: usize, nursery: impl Fn(usize) -> F) -> usize {
    drop(driven(nursery(n)));
    counted(|| drop(driven(nursery(n))));
    n
}

/// For each time that a permit is claimed and given back. On a clock that stands still, so that it is the same each
/// time; with the process's own timer an alarm a millisecond comes along.
fn limits(paths: &mut Paths) {
    paths.add("limit, borrowed", || {
        let mut limit = Tenure::new(8);
        let claim = async |limit: &mut _| {
            for _ in 0..RUNS {
                black_box(Tenure::borrowed(limit, answer()).await);
            }
        };
        driven(claim(&mut limit));
        counted(|| driven(claim(&mut limit)));
        RUNS
    });
    paths.add("limit, borrowed, 100 contend", || {
        const TASKS: usize = 100;
        let limit = Tenure::new(1);
        let clock = TestClock::new();
        let task = || {
            let mut limit = limit.clone();
            let claiming = async move {
                loop {
                    Tenure::borrowed(&mut limit, late_answer()).await;
                }
            };
            waiting(claiming.with_timer(&clock), Waker::noop())
        };
        // The first has the permit, the others wait in their order.
        let mut tasks: VecDeque<_> = (0..TASKS).map(|_| task()).collect();
        let mut cx = Context::from_waker(Waker::noop());
        let mut run = |n| {
            for _ in 0..n {
                let mut first = tasks.pop_front().expect("they are many");
                // It gives the permit back, and asks for it again. The next one claims it.
                assert!(first.as_mut().poll(&mut cx).is_pending());
                tasks.push_back(first);
                assert!(tasks[0].as_mut().poll(&mut cx).is_pending());
            }
        };
        run(TASKS);
        assert_eq!((limit.active(), limit.waiting()), (1, TASKS - 1));
        counted(|| run(RUNS));
        RUNS
    });
}

/// What callgrind counts: it knows it by this name.
#[inline(never)]
fn counted(run: impl FnOnce()) {
    run();
}

/// Counts many runs, whose number it returns.
fn repeated<R>(run: impl Fn() -> R) -> usize {
    let run_all = || {
        for _ in 0..RUNS {
            black_box(run());
        }
    };
    // What is done but once, as to grow a list, isn't counted.
    run_all();
    counted(run_all);
    RUNS
}

#[derive(Default)]
struct Paths(Vec<(String, Box<dyn FnOnce() -> usize>)>);

impl Paths {
    /// A path that can be run again and again. What `run` returns is dropped within it.
    fn each<R>(&mut self, name: &str, run: impl Fn() -> R + 'static) {
        self.add(name, || repeated(run));
    }

    /// `path` tells how often it ran.
    fn add(&mut self, name: &str, path: impl FnOnce() -> usize + 'static) {
        self.0.push((name.into(), Box::new(path)));
    }

    fn print(&self) {
        self.0.iter().for_each(|(name, _)| println!("{name}"));
    }

    fn run(self, name: &str) -> ExitCode {
        let Some((_, path)) = self.0.into_iter().find(|(other, _)| other == name) else {
            eprintln!("there is no path `{name}`");
            return ExitCode::FAILURE;
        };
        println!("{}", path());
        ExitCode::SUCCESS
    }
}

impl EachChain for Paths {
    fn chain<F: Future + 'static>(&mut self, name: &'static str, make: impl Fn() -> F + 'static) {
        self.each(&format!("chain: {name}"), ready_at_once(make));
    }
}
