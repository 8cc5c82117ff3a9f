//! What a timeout costs that doesn't fire, and how late one is that does, against the crates that have
//! timeouts.
//!
//! `cargo bench --bench timeout` prints what [`SideBySide`] says, in a few minutes; `-- --quick` takes one at
//! most, `-- --check` fails if a figure is SHORT.
//!
//! Each peer is used as its docs advise. tokio's timeouts need its runtime: here one of the thread that
//! makes them, which fires them while it waits. All others fire on a thread of their own, which
//! futures-time, async-std and smol-timeout share with async-io.
//!
//! A process that has timeouts mostly has some under way. So one is armed beside earlier ones, and never has
//! to be the first to ring, which costs each crate more.

mod runs;
mod side_by_side;

use std::{
    future::{Future, pending},
    hint::{self, black_box},
    ops::Range,
    process::ExitCode,
    rc::Rc,
    task::Context,
    time::{Duration, Instant},
};

use runs::{
    AsyncIo, AsyncStd, FuturesTime, FuturesTimer, InFlight, Late, SmolTimeout, Tenure, Timeouts,
    Tokio, answer, counting_waker, late_answer, live, pending_once, ready_at_once, settle, spread,
    waiting,
};
use side_by_side::{
    Bar, Contest, SideBySide, allocator, bytes_each, each, of_many, run_on_two_threads, taken,
};

const TOKIO: &str = Tokio::NAME;
const ASYNC_IO: &str = AsyncIo::NAME;
const FUTURES_TIME: &str = FuturesTime::NAME;
const FUTURES_TIMER: &str = FuturesTimer::NAME;

/// Nanoseconds that the goals give to it that plain code finds its owner, beyond what they give to the rest.
const AMBIENT: f64 = 3.0;

/// What ours is to take at most, over what the peer took that was the fastest when this goal was set. No
/// matter on what machine: both were on the same. Where ours is to be no slower than a peer, whatever that
/// takes, it is 1 over 1; twice as fast, 1 over 2.
const BARS: &[Bar] = &[
    Bar::new("a timeout that is waited for, bytes", 90.0, TOKIO, 120.0),
    Bar::new("ready, ns", 2.0 + AMBIENT, ASYNC_IO, 1.5),
    Bar::new("ready, ns", 2.0 + AMBIENT, FUTURES_TIME, 23.0)
        .among("of those that read the clock", EAGER),
    Bar::new("pending once, ns", 45.0 + AMBIENT, TOKIO, 74.0),
    Bar::new("pending once, 10k live, ns", 65.0 + AMBIENT, TOKIO, 97.0),
    Bar::new("pending once, 100k live, ns", 65.0 + AMBIENT, TOKIO, 97.0),
    Bar::itself("pending once, 100k live, allocations", 0.0),
    Bar::new("polled again, ns", 5.0 + AMBIENT, FUTURES_TIMER, 8.7),
    Bar::new("pending once, on two threads, ns", 60.0 + AMBIENT, ASYNC_IO, 250.0),
    Bar::new("50k a second, all threads, us each", 1.0, FUTURES_TIMER, 100.0)
        .among("against futures-timer", &[FUTURES_TIMER]),
    Bar::itself("50k a second, wakes per 1,000", 1.0),
    Bar::new("late, the median, ms", 1.0, TOKIO, 1.4).among("against tokio", &[TOKIO]),
    Bar::itself("late, the median, ms", 1.0),
    Bar::new("late, 99 of 100, ms", 2.0, TOKIO, 4.5).among("against tokio", &[TOKIO]),
    Bar::itself("late, 99 of 100, ms", 2.0),
    Bar::new("100k armed and fired, all threads, ms", 1.0, TOKIO, 1.0)
        .among("against tokio", &[TOKIO]),
];

/// What has a deadline before it is polled.
const EAGER: &[&str] = &[TOKIO, FUTURES_TIME, AsyncStd::NAME, SmolTimeout::NAME];

/// When those that are live would fire: after the round, which takes less than a second.
const LIVE: Range<Duration> = Duration::from_secs(1)..Duration::from_secs(60);
/// In the midst of them.
const LONG: Duration = Duration::from_secs(30);
/// How often what needs a while of preparation is run in a round.
const RUNS: usize = 10_000;

/// A contest of all subjects, ours first: `measure` makes what runs a round of each.
macro_rules! contest {
    ($figures:expr, $measure:ident($($argument:expr),*)) => {
        Contest::of($figures)
            .subject(Tenure::NAME, $measure::<Tenure>($($argument),*))
            .subject(Tokio::NAME, $measure::<Tokio>($($argument),*))
            .subject(AsyncIo::NAME, $measure::<AsyncIo>($($argument),*))
            .subject(FuturesTime::NAME, $measure::<FuturesTime>($($argument),*))
            .subject(AsyncStd::NAME, $measure::<AsyncStd>($($argument),*))
            .subject(SmolTimeout::NAME, $measure::<SmolTimeout>($($argument),*))
            .subject(FuturesTimer::NAME, $measure::<FuturesTimer>($($argument),*))
    };
}

fn main() -> ExitCode {
    let mut bench = SideBySide::new(BARS);
    let _entered = Tokio::enter();
    // First: later there may be room left from what was live in between.
    bench.run(contest!(["a timeout that is waited for, bytes"], bytes()).exact());
    bench.run(contest!(["ready, ns"], ready()));
    bench.run(contest!(["pending once, ns"], pending_beside(1)));
    bench.run(contest!(["pending once, 10k live, ns"], pending_beside(10_000)));
    bench.run(contest!(["pending once, 100k live, ns"], pending_beside(100_000)));
    bench.run(contest!(["pending once, 100k live, allocations"], allocations(100_000)).exact());
    bench.run(contest!(["polled again, ns"], polled_again()));
    bench.run(contest!(["pending once, on two threads, ns"], two_threads()));
    bench.run(contest!(
        ["50k a second, all threads, us each", "50k a second, wakes per 1,000"],
        at_a_rate()
    ));
    bench.run(contest!(
        ["late, the median, ms", "late, 99 of 100, ms", "100k armed and fired, all threads, ms"],
        fired()
    ));
    bench.finish()
}

/// All that is requested for a future that has it, around one without a size, and elsewhere. At this very
/// number: a list that doubles when it is full has more room to spare at others, or less.
fn bytes<T: Timeouts>() -> impl FnMut() -> f64 {
    let (waker, _) = counting_waker();
    bytes_each(100_000, move || waiting(T::timeout(pending::<()>(), LONG), &waker))
}

/// Around a future that is ready at once: made, polled and dropped.
fn ready<T: Timeouts>() -> impl FnMut() -> f64 {
    each(ready_at_once(|| T::timeout(answer(), LONG)))
}

/// Around a future that has to wait: made, polled, polled again when that is ready, and dropped. Beside
/// `n` others, of which the first is earlier, and of many about half.
fn pending_beside<T: Timeouts>(n: usize) -> impl FnMut() -> f64 {
    let run = Rc::new(pending_once(|| T::timeout(late_answer(), LONG)));
    let warm_up = run.clone();
    of_many(
        RUNS,
        move || {
            let live = live::<T>(n, LIVE);
            // It has slept, and the caches are cold.
            (0..RUNS / 10).for_each(|_| warm_up());
            live
        },
        move |_| (0..RUNS).for_each(|_| run()),
        move |live| {
            drop(live);
            settle::<T>(n + 2 * RUNS);
        },
    )
}

/// How often `pending_beside` allocates, each time, when it has run for a while.
fn allocations<T: Timeouts>(n: usize) -> impl FnMut() -> f64 {
    let run = pending_once(|| T::timeout(late_answer(), LONG));
    move || {
        let _live = live::<T>(n, LIVE);
        let run_all = || (0..RUNS).for_each(|_| run());
        run_all();
        let ((), requested) = allocator::count(run_all);
        requested.calls as f64 / RUNS as f64
    }
}

/// By the same task, while nothing has happened.
fn polled_again<T: Timeouts>() -> impl FnMut() -> f64 {
    let (waker, _) = counting_waker();
    move || {
        let mut future = waiting(T::timeout(pending::<()>(), LONG), &waker);
        let mut cx = Context::from_waker(&waker);
        each(|| assert!(future.as_mut().poll(&mut cx).is_pending()))()
    }
}

/// As `pending_beside`, beside one other, while another thread does the same. The threads have nothing
/// in common but the crate.
fn two_threads<T: Timeouts>() -> impl FnMut() -> f64 {
    || {
        let _live = live::<T>(1, LIVE);
        run_on_two_threads(|| {
            let entered = T::enter();
            let run = pending_once(|| T::timeout(late_answer(), LONG));
            move || {
                let _ = &entered;
                run();
            }
        })
    }
}

/// As in a busy service that is asked something each 20 us, has the answer 20 ms later, and would wait from
/// one second to ten. Microseconds for each, of this thread and of those that the crate has, and how often
/// a thread was woken for a thousand.
///
/// In between, this thread does something else. So what it takes is told by the clock, less what the same
/// takes without a timeout; the kernel adds how long the others were on a processor.
fn at_a_rate<T: Timeouts>() -> impl FnMut() -> [f64; 2] {
    const N: u32 = 20_000;
    const UNDER_WAY: usize = 1_000;
    let seconds = Duration::from_secs;
    move || {
        let after = |place| black_box(spread(place, seconds(1)..seconds(10)));
        let mut bare = InFlight::new(UNDER_WAY, |place| {
            after(place);
            late_answer()
        });
        let bare = one_by_one(N / 4, || bare.next());
        let mut in_flight =
            InFlight::new(UNDER_WAY, |place| T::timeout(late_answer(), after(place)));
        settle::<T>(UNDER_WAY);
        let mut caller = 0.0;
        let threads = taken(|| caller = one_by_one(N, || in_flight.next()) - bare);
        drop(in_flight);
        settle::<T>(UNDER_WAY);
        let each = |taken| taken / f64::from(N);
        let wakes = threads.caller.wakes + threads.others.wakes;
        [caller + each(threads.others.micros), 1e3 * each(wakes)]
    }
}

/// Microseconds that this thread takes for each of `n` runs, of which one comes each 20 us.
fn one_by_one(n: u32, mut run: impl FnMut()) -> f64 {
    const EACH: Duration = Duration::from_micros(20);
    // No timeout takes longer, of whatever crate: it was another process's turn.
    const TURN: Duration = Duration::from_micros(200);
    let mut took = Vec::with_capacity(n as usize);
    for _ in 0..n {
        let start = Instant::now();
        run();
        took.push(start.elapsed());
        // Asleep it would be for longer. Where one comes late, so do all after it, not several at once.
        while start.elapsed() < EACH {
            hint::spin_loop();
        }
    }
    took.retain(|took| *took < TURN);
    took.iter().sum::<Duration>().as_secs_f64() * 1e6 / took.len() as f64
}

/// From the deadline to the call of the waker, and what all threads take for it, from the first armed to
/// the last rung.
fn fired<T: Timeouts>() -> impl FnMut() -> [f64; 3] {
    const N: usize = 100_000;
    const WITHIN: Duration = Duration::from_millis(100);
    const TRIES: usize = 5;
    move || {
        for _ in 0..TRIES {
            let late = Late::new(N, WITHIN);
            let mut fired = None;
            let threads = taken(|| fired = late.fire::<T>());
            let Some(fired) = fired else { continue };
            let by = late.by(fired);
            // The others may do as they like.
            assert!(T::NAME != Tenure::NAME || by[0] >= 0.0, "early by {} ms", -by[0]);
            let millis = (threads.caller.micros + threads.others.micros) / 1e3;
            return [by[N / 2], by[N * 99 / 100], millis];
        }
        [f64::NAN; 3]
    }
}
