//! The process's own timer. Real time is its subject, so these few milliseconds are waited for.

mod support;

use std::{
    future::{Future, pending},
    pin::Pin,
    sync::{
        Arc,
        mpsc::{self, Receiver},
    },
    task::{Context, Wake, Waker},
    time::{Duration, Instant},
};

use support::{ByHand, on_wake};
use tenure::{Aborted, OwnedFuture};

const MILLI: Duration = Duration::from_millis(1);
/// What never comes has not come by then.
const LONG: Duration = Duration::from_secs(20);
const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

type Alarm = Pin<Box<dyn Future<Output = Result<(), Aborted>> + Send>>;

/// An alarm that wakes `waker` `after` so much time: here, if that has passed before it could be set.
fn set(after: Duration, waker: &Waker) -> Alarm {
    let mut alarm: Alarm = Box::pin(pending::<()>().with_timeout(after));
    if alarm.as_mut().poll(&mut Context::from_waker(waker)).is_ready() {
        waker.wake_by_ref();
    }
    alarm
}

/// An alarm that tells when it rang.
fn rings(after: Duration) -> (Alarm, Receiver<Instant>) {
    let (tell, told) = mpsc::channel();
    (set(after, &on_wake(move || tell.send(Instant::now()).unwrap_or(()))), told)
}

#[test]
fn no_alarm_rings_early() {
    let begin = Instant::now();
    let alarms: Vec<_> = (1..=20).map(|after| (after * MILLI, rings(after * MILLI))).collect();
    for (after, (_alarm, told)) in alarms {
        let rang = told.recv_timeout(LONG).expect("it rings");
        assert!(rang >= begin + after);
    }
}

#[test]
fn no_timeout_ends_early() {
    for after in [Duration::ZERO, Duration::from_nanos(1), Duration::from_micros(700), 3 * MILLI] {
        let begin = Instant::now();
        assert!(smol::block_on(pending::<()>().with_timeout(after)).unwrap_err().is_timeout());
        assert!(begin.elapsed() >= after);
    }
}

#[test]
fn a_deadline_is_a_point_on_the_clock_of_std() {
    let at = Instant::now() + 3 * MILLI;
    assert!(smol::block_on(pending::<()>().with_deadline(at)).unwrap_err().is_timeout());
    assert!(Instant::now() >= at);

    // What lies before the timer began to count has passed, too.
    let past = Instant::now().checked_sub(Duration::from_secs(1)).unwrap_or_else(Instant::now);
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
    let (_earlier, told) = rings(2 * MILLI);
    told.recv_timeout(LONG).expect("it rings");
}

#[test]
fn an_alarm_rings_though_an_earlier_one_was_cancelled() {
    let (earlier, _) = rings(MILLI);
    let (_later, told) = rings(3 * MILLI);
    drop(earlier);
    told.recv_timeout(LONG).expect("it rings");
}

#[test]
fn a_waker_that_panics_keeps_no_other_asleep() {
    let alarms: Vec<_> = (0..10).map(|_| rings(3 * MILLI)).collect();
    let _panicking: Vec<_> = (0..3)
        .map(|_| set(2 * MILLI, &on_wake(|| std::panic::resume_unwind(Box::new("not reported")))))
        .collect();
    for (_alarm, told) in &alarms {
        told.recv_timeout(LONG).expect("it rings");
    }
    // Nor does it end the timer.
    let (_next, told) = rings(MILLI);
    told.recv_timeout(LONG).expect("it rings");
}

#[test]
fn the_longest_timeouts_do_not_overflow() {
    let never = [
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
    let (_short, told) = rings(MILLI);
    told.recv_timeout(LONG).expect("it rings");
    assert!(chains.iter_mut().all(|chain| chain.poll().is_pending() && chain.wakes() == 0));
}

#[test]
fn a_waker_may_come_back_in() {
    let (tell, told) = mpsc::channel();
    let dropped_within = set(LONG, Waker::noop());
    let (_at_the_same_time, other) = rings(2 * MILLI);
    let waker = on_wake(move || {
        drop(dropped_within);
        // Due at once, soon, and never.
        let ring = |after| {
            let tell = tell.clone();
            set(after, &on_wake(move || tell.send(()).unwrap_or(())))
        };
        let alarms = [ring(Duration::from_nanos(1)), ring(MILLI), ring(CENTURY)];
        // They must outlive this call.
        std::mem::forget(alarms);
    });
    let _alarm = set(2 * MILLI, &waker);
    for _ in 0..2 {
        told.recv_timeout(LONG).expect("it rings");
    }
    other.recv_timeout(LONG).expect("it rings");
}

/// Each alarm sets the next one from within its waker.
#[test]
fn a_chain_of_alarms_runs_within_its_wakers() {
    fn link(left: u32, done: mpsc::Sender<()>) {
        let waker = on_wake(move || match left {
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

struct Idle;

impl Wake for Idle {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn an_alarm_that_is_cancelled_or_has_rung_keeps_no_waker() {
    let idle = Arc::new(Idle);
    let waker = Waker::from(idle.clone());
    let before = Arc::strong_count(&idle);

    let cancelled = set(LONG, &waker);
    assert!(Arc::strong_count(&idle) > before);
    drop(cancelled);
    assert_eq!(Arc::strong_count(&idle), before);

    let alarm = set(MILLI, &waker);
    let (_after, told) = rings(2 * MILLI);
    told.recv_timeout(LONG).expect("it rings");
    drop(alarm);
    assert_eq!(Arc::strong_count(&idle), before);
}
