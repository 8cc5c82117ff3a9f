//! The process's own timer. Real time is its subject, so these few milliseconds are waited for.

mod support;

use std::{
    future::{Future, pending},
    pin::Pin,
    sync::mpsc::{self, Receiver},
    task::Waker,
    time::{Duration, Instant},
};

use support::{
    ByHand, CENTURY, MILLISECOND, NANOSECOND, SECOND, on_first_wake, on_wake, panic_quietly,
    poll_with,
};
use tenure::{Aborted, OwnedFuture};

/// What never comes has not come by then.
const LONG: Duration = Duration::from_secs(20);

type Alarm = Pin<Box<dyn Future<Output = Result<(), Aborted>> + Send>>;

/// An alarm that wakes `waker` `after` so much time: here, if that has passed before it could be set.
fn set(after: Duration, waker: &Waker) -> Alarm {
    let mut alarm: Alarm = Box::pin(pending::<()>().with_timeout(after));
    if poll_with(alarm.as_mut(), waker).is_ready() {
        waker.wake_by_ref();
    }
    alarm
}

/// An alarm that tells when it rang.
fn rings(after: Duration) -> (Alarm, Receiver<Instant>) {
    let (tell, told) = mpsc::channel();
    (set(after, &on_first_wake(move || tell.send(Instant::now()).unwrap_or(()))), told)
}

#[test]
fn no_alarm_rings_early() {
    let begin = Instant::now();
    let alarms: Vec<_> =
        (1..=20).map(|after| (after * MILLISECOND, rings(after * MILLISECOND))).collect();
    for (after, (_alarm, told)) in alarms {
        let rang = told.recv_timeout(LONG).expect("it rings");
        assert!(rang >= begin + after);
    }
}

#[test]
fn no_timeout_ends_early() {
    for after in [Duration::ZERO, NANOSECOND, Duration::from_micros(700), 3 * MILLISECOND] {
        let begin = Instant::now();
        assert!(smol::block_on(pending::<()>().with_timeout(after)).unwrap_err().is_timeout());
        assert!(begin.elapsed() >= after);
    }
}

#[test]
fn a_deadline_is_a_point_on_the_clock_of_std() {
    let at = Instant::now() + 3 * MILLISECOND;
    assert!(smol::block_on(pending::<()>().with_deadline(at)).unwrap_err().is_timeout());
    assert!(Instant::now() >= at);

    // What lies before the timer began to count has passed, too.
    let past = Instant::now().checked_sub(SECOND).unwrap_or_else(Instant::now);
    let mut passed = ByHand::new(pending::<()>().with_deadline(past));
    assert!(passed.poll().is_ready());
}

#[test]
fn many_alarms_in_any_order_all_ring() {
    // Steps that share no factor with the count visit each once.
    let alarms: Vec<_> = (0..2000_u32)
        .map(|n| rings(Duration::from_micros(u64::from(n * 777 % 2000) * 10 + 500)))
        .collect();
    for (_alarm, told) in &alarms {
        told.recv_timeout(LONG).expect("it rings");
    }
}

#[test]
fn alarms_set_on_many_threads_all_ring() {
    std::thread::scope(|threads| {
        for thread in 0..4 {
            threads.spawn(move || {
                for n in 0..200_u64 {
                    let (_alarm, told) = rings(Duration::from_micros((n * 37 + thread) % 500));
                    drop(rings(Duration::from_micros(n % 300)));
                    told.recv_timeout(LONG).expect("it rings");
                }
            });
        }
    });
}

#[test]
fn an_earlier_alarm_does_not_wait_for_a_later_one() {
    let (_later, _) = rings(LONG * 10);
    let (_earlier, told) = rings(2 * MILLISECOND);
    told.recv_timeout(LONG).expect("it rings");
}

#[test]
fn an_alarm_rings_though_an_earlier_one_was_cancelled() {
    let (earlier, _) = rings(MILLISECOND);
    let (_later, told) = rings(3 * MILLISECOND);
    drop(earlier);
    told.recv_timeout(LONG).expect("it rings");
}

#[test]
fn a_waker_that_panics_keeps_no_other_asleep() {
    let alarms: Vec<_> = (0..10).map(|_| rings(3 * MILLISECOND)).collect();
    let _panicking: Vec<_> =
        (0..3).map(|_| set(2 * MILLISECOND, &on_wake(|| panic_quietly()))).collect();
    for (_alarm, told) in &alarms {
        told.recv_timeout(LONG).expect("it rings");
    }
    // Nor does it end the timer.
    let (_next, told) = rings(MILLISECOND);
    told.recv_timeout(LONG).expect("it rings");
}

/// More than are taken out at a time, and among them some that fail.
#[test]
fn of_a_thousand_that_ring_at_once_none_is_missed() {
    let at = Instant::now() + 20 * MILLISECOND;
    let (tell, told) = mpsc::channel();
    let mut alarms = Vec::new();
    for n in 0..1_000 {
        let tell = tell.clone();
        let waker = match n % 7 {
            0 => on_wake(|| panic_quietly()),
            _ => on_first_wake(move || tell.send(n).unwrap_or(())),
        };
        let mut alarm: Alarm = Box::pin(pending::<()>().with_deadline(at));
        assert!(poll_with(alarm.as_mut(), &waker).is_pending(), "it took too long to set them");
        alarms.push(alarm);
    }
    let expected = (0..1_000).filter(|n| n % 7 != 0);
    let mut rung: Vec<_> =
        expected.clone().map(|_| told.recv_timeout(LONG).expect("it rings")).collect();
    // Set on one thread, for one point in time: in the order in which they were set.
    assert!(rung.is_sorted());
    rung.dedup();
    assert!(rung.into_iter().eq(expected));
}

/// The thread that rings is held up by a waker. A task that is polled all the while doesn't depend on it; and
/// what the others are owed comes later. (futures-timer's thread slept on after a waker that parked it.)
#[test]
fn time_runs_out_for_who_asks_though_nobody_can_ring() {
    let (hold, held) = mpsc::channel::<()>();
    let (tell, told) = mpsc::channel();
    let held = std::sync::Mutex::new(held);
    let blocks = on_wake(move || {
        tell.send(()).unwrap_or(());
        _ = held.lock().unwrap().recv_timeout(LONG);
    });
    let _blocking = set(MILLISECOND, &blocks);
    told.recv_timeout(LONG).expect("it rings");

    let begin = Instant::now();
    let mut busy = ByHand::new(pending::<()>().with_timeout(3 * MILLISECOND));
    while busy.poll().is_pending() {
        assert!(begin.elapsed() < LONG, "it never times out");
    }
    assert!(begin.elapsed() >= 3 * MILLISECOND);
    let (_late, told) = rings(MILLISECOND);
    drop(hold);
    told.recv_timeout(LONG).expect("it rings");
}

#[test]
fn the_longest_timeouts_do_not_overflow() {
    let never = [
        // 49 days are 2 to the 32nd milliseconds.
        49 * 24 * 3600 * SECOND,
        50 * 24 * 3600 * SECOND,
        CENTURY,
        5 * CENTURY,
        100 * CENTURY,
        Duration::from_nanos(u64::MAX),
        Duration::from_secs(u64::MAX),
        Duration::MAX,
    ];
    let mut chains: Vec<_> =
        never.map(|after| ByHand::new(pending::<()>().with_timeout(after))).into_iter().collect();
    assert!(chains.iter_mut().all(|chain| chain.poll().is_pending()));
    let (_short, told) = rings(MILLISECOND);
    told.recv_timeout(LONG).expect("it rings");
    assert!(chains.iter_mut().all(|chain| chain.poll().is_pending() && chain.wakes() == 0));
}

#[test]
fn a_waker_may_come_back_in() {
    let (tell, told) = mpsc::channel();
    let dropped_within = set(LONG, Waker::noop());
    let (_at_the_same_time, other) = rings(2 * MILLISECOND);
    let waker = on_first_wake(move || {
        drop(dropped_within);
        // Due at once, soon, and never.
        let ring = |after| {
            let tell = tell.clone();
            set(after, &on_first_wake(move || tell.send(()).unwrap_or(())))
        };
        let alarms = [ring(NANOSECOND), ring(MILLISECOND), ring(CENTURY)];
        // They must outlive this call.
        std::mem::forget(alarms);
    });
    let _alarm = set(2 * MILLISECOND, &waker);
    for _ in 0..2 {
        told.recv_timeout(LONG).expect("it rings");
    }
    other.recv_timeout(LONG).expect("it rings");
}

/// Each alarm sets the next one from within its waker.
#[test]
fn a_chain_of_alarms_runs_within_its_wakers() {
    fn link(left: u32, done: mpsc::Sender<()>) {
        let waker = on_first_wake(move || match left {
            0 => done.send(()).unwrap(),
            _ => link(left - 1, done),
        });
        // It must outlive this call.
        std::mem::forget(set(Duration::from_micros(1), &waker));
    }
    let (done, told) = mpsc::channel();
    link(50, done);
    told.recv_timeout(LONG).expect("the last one rings");
}

#[test]
fn an_alarm_that_is_cancelled_or_has_rung_keeps_no_waker() {
    let cancelled = ByHand::polled(pending::<()>().with_timeout(LONG));
    let task = cancelled.task();
    assert!(cancelled.wakers() > 0);
    drop(cancelled);
    assert_eq!(task.wakers(), 0);

    let mut alarm = ByHand::new(pending::<()>().with_timeout(MILLISECOND));
    // Ready, if it has passed before it could be set.
    let _ = alarm.poll();
    let task = alarm.task();
    let (_after, told) = rings(2 * MILLISECOND);
    told.recv_timeout(LONG).expect("it rings");
    drop(alarm);
    assert_eq!(task.wakers(), 0);
}
