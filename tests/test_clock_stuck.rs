//! A test that can't go on fails and says who waits for what, instead of hanging. Real time is the subject
//! here, so some milliseconds of it are waited for.

mod executors;
mod support;

use std::{
    future::{Future, pending, poll_fn},
    panic::AssertUnwindSafe,
    process::Command,
    task::Poll,
    thread,
    time::{Duration, Instant},
};

use futures::{FutureExt, channel::oneshot};
use support::{ByHand, MILLISECOND, SECOND, message, panic_of, panic_quietly};
use tenure::time::TestClock;

/// Long enough for whatever is under way, however busy the machine is.
const PATIENCE: Duration = Duration::from_millis(100);

fn impatient() -> TestClock {
    let clock = TestClock::new();
    clock.set_patience(PATIENCE);
    clock
}

/// The report that it fails with.
fn report<T>(stuck: impl Future<Output = T>) -> String {
    message(&*panic_of(|| smol::block_on(stuck))).into()
}

/// How a report calls the place that is so many lines above.
fn above(line: u32, by: u32) -> String {
    format!("watched at {}:{}:", file!(), line - by)
}

/// The lines of a report that tell who waits for what, without the columns.
fn told(report: &str) -> Vec<String> {
    let lines = report.lines().filter_map(|line| line.strip_prefix("  "));
    let cut = |line: &str| match line
        .split_once(": ")
        .map(|(place, waits)| (place.rsplit_once(':'), waits))
    {
        Some((Some((place, _)), waits)) => format!("{place}: {waits}"),
        _ => line.into(),
    };
    lines.map(cut).collect()
}

/// Runs the test `name` once more, as a process of its own, and yields what it writes about clocks.
fn notes_of(name: &str, test: impl FnOnce()) -> Option<String> {
    const CHILD: &str = "TENURE_CHILD";
    if std::env::var_os(CHILD).is_some() {
        test();
        return None;
    }
    let test = std::env::current_exe().unwrap();
    let child = Command::new(test).args(["--exact", name]).env(CHILD, "").output().unwrap();
    assert!(child.status.success());
    Some(String::from_utf8(child.stderr).unwrap())
}

executors::on_every_executor! {
    /// The likeliest mistake: the one that isn't spawned holds the clock for all.
    async fn what_was_never_polled_is_told(executor: Executor) {
        let clock = impatient();
        let asleep = clock.watch(clock.sleep(5 * SECOND));
        let _forgotten = clock.watch(pending::<()>());
        let line = line!();
        let failed = AssertUnwindSafe(executor.spawn(asleep)).catch_unwind().await.unwrap_err();
        let report = message(&*failed);
        assert_eq!(report.lines().next().unwrap(),
            "the clock stands still at 0ns: nothing has happened on it for 100ms of real time");
        assert_eq!(told(report), [
            format!("{} was never polled", above(line, 1)),
            format!("{} waits for an alarm at 5s", above(line, 2)),
        ]);
        assert!(report.contains("what was never polled holds the clock"), "{report}");
    }

    /// Whichever of them a test awaits, it goes on.
    async fn all_that_wait_in_vain_fail(executor: Executor) {
        let clock = impatient();
        let stuck: Vec<_> = (0..3).map(|_| clock.watch(pending::<()>())).collect();
        let stuck: Vec<_> = stuck.into_iter().map(|stuck| executor.spawn(stuck)).collect();
        let mut reports = Vec::new();
        for stuck in stuck {
            let failed = AssertUnwindSafe(stuck).catch_unwind().await.unwrap_err();
            reports.push(message(&*failed).lines().count());
        }
        reports.sort_unstable();
        // One is at length.
        assert_eq!(reports, [1, 1, 4]);
    }
}

/// As long as something happens now and then, patience lasts.
#[test]
fn what_goes_on_in_the_end_does_not_fail() {
    let clock = TestClock::new();
    // A busy machine may leave a thread asleep for a good while.
    let patience = 5 * PATIENCE;
    clock.set_patience(patience);
    let (tell, told) = oneshot::channel();
    let told = clock.watch(told);
    let waits = thread::spawn(|| smol::block_on(told));
    let begin = Instant::now();
    let busy = clock.watch(poll_fn(move |cx| {
        if begin.elapsed() > 3 * patience {
            return Poll::Ready(());
        }
        let waker = cx.waker().clone();
        thread::spawn(move || {
            thread::sleep(5 * MILLISECOND);
            waker.wake();
        });
        Poll::Pending
    }));
    smol::block_on(busy);
    tell.send(7).unwrap();
    assert_eq!(waits.join().unwrap(), Ok(7));
}

#[test]
fn a_slow_poll_does_not_fail() {
    let clock = impatient();
    let (tell, told) = oneshot::channel();
    let slow = clock.watch(async {
        thread::sleep(5 * PATIENCE);
        tell.send(7).unwrap();
    });
    let told = clock.watch(told);
    let waits = thread::spawn(|| smol::block_on(told));
    smol::block_on(slow);
    assert_eq!(waits.join().unwrap(), Ok(7));
}

#[test]
fn a_pause_holds_it_off() {
    let clock = impatient();
    let (tell, told) = oneshot::channel();
    let pause = clock.pause();
    let worker = thread::spawn(move || {
        thread::sleep(5 * PATIENCE);
        tell.send(7).unwrap();
        drop(pause);
    });
    assert_eq!(smol::block_on(clock.watch(told)), Ok(7));
    worker.join().unwrap();

    std::mem::forget(clock.pause());
    let mut forgotten = ByHand::polled(clock.watch(pending::<()>()));
    thread::sleep(5 * PATIENCE);
    assert_eq!(forgotten.wakes(), 0);
    assert!(forgotten.poll().is_pending());
}

#[test]
fn patience_begins_anew_when_it_is_set() {
    let clock = TestClock::new();
    let mut stuck = ByHand::polled(clock.watch(pending::<()>()));
    clock.set_patience(PATIENCE);
    clock.set_patience(Duration::MAX);
    thread::sleep(5 * PATIENCE);
    assert_eq!(stuck.wakes(), 0);

    let begin = Instant::now();
    // Each sets an alarm of its own; the last one counts.
    (0..10).for_each(|_| clock.set_patience(PATIENCE));
    while stuck.wakes() == 0 {
        thread::sleep(MILLISECOND);
    }
    assert!(begin.elapsed() >= PATIENCE);
    panic_of(|| stuck.poll());
    drop(stuck);

    clock.set_patience(Duration::ZERO);
    assert_eq!(told(&report(clock.watch(pending::<()>()))).len(), 1);
}

#[test]
fn what_was_woken_and_what_panicked_hold_the_clock() {
    let clock = impatient();
    let mut asleep = ByHand::polled(clock.watch(clock.sleep(SECOND)));
    assert_eq!(asleep.wakes(), 1); // and is not polled again
    let mut panicked = ByHand::new(clock.watch(poll_fn(|_| -> Poll<()> { panic_quietly() })));
    panic_of(|| panicked.poll());
    let line = line!();
    let report = report(clock.watch(clock.sleep(SECOND)));
    assert!(report.starts_with("the clock stands still at 1s"), "{report}");
    assert_eq!(
        told(&report),
        [
            format!("{} was woken, and not polled since", above(line, 4)),
            format!("{} has panicked, and was not dropped since", above(line, 2)),
            format!(
                "{} waits for an alarm at 2s",
                above(line, 0).replace(&line.to_string(), &(line + 1).to_string())
            ),
        ]
    );
    assert!(asleep.poll().is_ready());
}

#[test]
fn many_that_wait_alike_are_told_once() {
    let clock = impatient();
    let _holds = clock.watch(pending::<()>());
    let wait = || ByHand::polled(clock.watch(pending::<()>()));
    let _waiting: Vec<_> = (0..30).map(|_| wait()).collect();
    let _alarms: Vec<_> = (1..=3).map(|at| ByHand::polled(clock.sleep(at * SECOND))).collect();
    let report = report(clock.watch(pending::<()>()));
    let lines = told(&report);
    assert!(report.contains(" (30 times): waits, and for no alarm of this clock\n"), "{report}");
    assert_eq!(lines.len(), 4);
    assert!(
        report.contains("not watched itself: waits for an alarm at 1s (and 2 more)"),
        "{report}"
    );
}

#[test]
fn debug_tells_who_waits_for_what() {
    let clock = TestClock::new();
    let _unpolled = clock.watch(pending::<()>());
    let at = line!() - 1;
    let seen = format!("{clock:?}");
    assert!(seen.starts_with("TestClock { elapsed: 0ns, pauses: 0, watched: ["), "{seen}");
    assert!(seen.contains(&format!("{}:{at}:", file!())) && seen.contains("was never polled"));
}

#[test]
fn where_nothing_is_watched_the_standard_error_is_told() {
    let notes = notes_of("where_nothing_is_watched_the_standard_error_is_told", || {
        let clock = impatient();
        let _stuck = ByHand::polled(clock.sleep(60 * SECOND));
        thread::sleep(5 * PATIENCE);
    });
    let Some(notes) = notes else { return };
    assert_eq!(notes.matches("tenure: ").count(), 1, "{notes}");
    assert!(notes.contains("waits for an alarm at 60s"), "{notes}");
    assert!(notes.contains("nothing is watched, so nothing moves the clock"), "{notes}");
}

#[test]
fn where_the_clock_is_moved_by_hand_nobody_is_told() {
    let notes = notes_of("where_the_clock_is_moved_by_hand_nobody_is_told", || {
        let clock = impatient();
        clock.advance(SECOND);
        let _stuck = ByHand::polled(clock.sleep(60 * SECOND));
        thread::sleep(5 * PATIENCE);
    });
    assert!(notes.is_none_or(|notes| notes.is_empty()));
}
