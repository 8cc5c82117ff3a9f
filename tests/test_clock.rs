//! The virtual clock stands still until it is moved, and then wakes in order.

mod support;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::Waker,
    time::Duration,
};

use support::{
    ByHand, Count, Log, NANOSECOND, SECOND, on_first_wake, on_wake, panic_of, panic_quietly,
    poll_once, poll_with,
};
use tenure::{
    OwnedFuture,
    time::{Instant, Sleep, TestClock},
};

/// Polls a sleep once, which then waits.
fn waiting(mut sleep: Sleep, waker: &Waker) -> Sleep {
    assert!(poll_with(&mut sleep, waker).is_pending());
    sleep
}

/// The times at which its alarms rang, and their numbers.
fn logs(clock: &TestClock, log: &Log<(u64, u32)>, number: u32) -> Waker {
    let (clock, log) = (clock.clone(), log.clone());
    on_wake(move || log.note((clock.elapsed().as_secs(), number)))
}

#[test]
fn it_stands_still() {
    let clock = TestClock::new();
    assert_eq!((clock.now(), clock.elapsed()), (Instant::START, Duration::ZERO));
    let mut asleep = ByHand::new(clock.sleep(NANOSECOND));
    for _ in 0..3 {
        assert!(asleep.poll().is_pending());
    }
    assert_eq!((clock.elapsed(), asleep.wakes()), (Duration::ZERO, 0));
}

#[test]
fn advance_wakes_the_earliest_first_and_then_the_first_set() {
    let (clock, log) = (TestClock::new(), Log::default());
    let _sleeps: Vec<_> = [3, 1, 2, 1, 3, 5]
        .into_iter()
        .zip(0..)
        .map(|(at, number)| waiting(clock.sleep(at * SECOND), &logs(&clock, &log, number)))
        .collect();
    clock.advance(4 * SECOND);
    // Each finds the time for which it was set.
    assert_eq!(log.all(), [(1, 1), (1, 3), (2, 2), (3, 0), (3, 4)]);
    assert_eq!(clock.elapsed(), 4 * SECOND);
    clock.advance(SECOND);
    assert_eq!(log.all()[5], (5, 5));
}

#[test]
fn a_sleep_is_exact() {
    let clock = TestClock::new();
    let mut asleep = ByHand::new(clock.sleep(SECOND));
    assert!(asleep.poll().is_pending());
    clock.advance(SECOND - NANOSECOND);
    assert!(asleep.poll().is_pending());
    assert_eq!(asleep.wakes(), 0);
    clock.advance(NANOSECOND);
    assert_eq!(asleep.wakes(), 1);
    assert!(asleep.poll().is_ready());
}

#[test]
fn a_sleep_that_is_polled_late_is_not_longer() {
    let clock = TestClock::new();
    let late = clock.sleep(SECOND);
    assert_eq!(late.deadline(), Instant::START + SECOND);
    clock.advance(SECOND);
    assert!(ByHand::new(late).poll().is_ready());
    assert!(ByHand::new(clock.sleep(Duration::ZERO)).poll().is_ready());
}

#[test]
fn a_sleep_wakes_whoever_polled_it_last() {
    let (clock, first) = (TestClock::new(), Count::default());
    let woken = first.clone();
    let waker = on_wake(move || {
        woken.add();
    });
    let mut asleep = ByHand::new(waiting(clock.sleep(SECOND), &waker));
    assert!(asleep.poll().is_pending());
    clock.advance(SECOND);
    assert_eq!((first.get(), asleep.wakes()), (0, 1));
}

#[test]
fn a_sleep_that_is_dropped_is_forgotten() {
    let (clock, log) = (TestClock::new(), Log::default());
    drop(waiting(clock.sleep(SECOND), &logs(&clock, &log, 0)));
    clock.advance(2 * SECOND);
    assert!(log.all().is_empty());

    // So a timeout that isn't needed any more doesn't move the clock.
    let early = clock.sleep(SECOND).with_timeout(3600 * SECOND).with_timer(&clock);
    smol::block_on(clock.watch(early)).unwrap();
    assert_eq!(clock.elapsed(), 3 * SECOND);
}

#[test]
fn time_never_goes_back() {
    let clock = TestClock::new();
    let done = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let watcher = threads.spawn(|| {
            let mut last = clock.now();
            while !done.load(Ordering::SeqCst) {
                let now = clock.now();
                assert!(now >= last);
                last = now;
            }
        });
        let movers: Vec<_> = (1..=3)
            .map(|step| {
                let clock = &clock;
                threads.spawn(move || {
                    for _ in 0..1000 {
                        let before = clock.now();
                        clock.advance(step * SECOND);
                        assert!(clock.now() >= before + step * SECOND);
                    }
                })
            })
            .collect();
        movers.into_iter().for_each(|mover| mover.join().unwrap());
        done.store(true, Ordering::SeqCst);
        watcher.join().unwrap();
    });
    clock.advance(Duration::MAX);
    clock.advance(Duration::MAX);
    assert_eq!(clock.now(), Instant::NEVER);
    clock.advance(Duration::ZERO);
    assert_eq!(clock.now(), Instant::NEVER);
}

#[test]
fn a_waker_may_come_back_in() {
    let (clock, log) = (TestClock::new(), Log::default());
    let other = waiting(clock.sleep(5 * SECOND), &logs(&clock, &log, 5));
    let (hands, logged) = (clock.clone(), log.clone());
    let late = Arc::new(Mutex::new(None));
    let set = Arc::clone(&late);
    let waker = on_first_wake(move || {
        // It reads, sets, cancels and moves the clock that is waking it.
        drop(other);
        *set.lock().unwrap() = Some(waiting(hands.sleep(SECOND), &logs(&hands, &logged, 2)));
        hands.advance(SECOND / 2);
    });
    let _first = waiting(clock.sleep(SECOND), &waker);
    clock.advance(10 * SECOND);
    assert_eq!(log.all(), [(2, 2)]);
    assert_eq!(clock.elapsed(), 10 * SECOND);
}

#[test]
fn a_waker_that_panics_keeps_nobody_asleep() {
    let (clock, log) = (TestClock::new(), Log::default());
    let panics = on_wake(|| panic_quietly());
    let _asleep = [
        waiting(clock.sleep(SECOND), &logs(&clock, &log, 0)),
        waiting(clock.sleep(SECOND), &panics),
        waiting(clock.sleep(SECOND), &logs(&clock, &log, 2)),
    ];
    // The panic goes on.
    panic_of(|| clock.advance(SECOND));
    assert_eq!(log.all(), [(1, 0), (1, 2)]);
}

/// The wakers of one instant are run one by one. A task that is done before the next is woken, on
/// another thread or, as here, polled by its own waker, once let the clock run ahead of that one.
#[test]
fn all_that_is_due_is_woken_before_time_moves_on() {
    let (clock, log) = (TestClock::new(), Log::default());
    let hands = clock.clone();
    let twice = clock.watch(async move {
        hands.sleep(SECOND).await;
        hands.sleep(SECOND).await;
    });
    let twice = Arc::new(Mutex::new(Box::pin(twice)));
    let again = Arc::clone(&twice);
    let polls_inline = on_first_wake(move || {
        assert!(poll_once(again.lock().unwrap().as_mut()).is_pending());
    });
    let mut once = Box::pin(clock.watch(clock.sleep(SECOND)));

    assert!(poll_with(twice.lock().unwrap().as_mut(), &polls_inline).is_pending());
    let logs = logs(&clock, &log, 0);
    assert!(poll_with(once.as_mut(), &logs).is_pending());
    assert_eq!(log.all(), [(1, 0)]);
    assert_eq!(clock.elapsed(), SECOND);
    assert!(poll_with(once.as_mut(), &logs).is_ready());
    assert!(poll_once(twice.lock().unwrap().as_mut()).is_pending());
    assert_eq!(clock.elapsed(), 2 * SECOND);
}
