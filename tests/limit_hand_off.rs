//! One that waits and isn't polled holds up nobody.

mod executors;
mod support;

use std::{
    future::{Future, pending},
    pin::Pin,
    sync::{Arc, Mutex},
    task::Poll,
};

use futures_lite::future::yield_now;
use support::{
    ByHand, CountingTimer, MILLISECOND, NANOSECOND, on_wake, panic_of, poll_once, poll_with,
};
use tenure::{Aborted, Limit, OwnedFuture, time::TestClock};

type Waiting = Pin<Box<dyn Future<Output = Result<(), Aborted>> + Send>>;

/// Waits for a permit that it then keeps.
fn waiting(limit: &Limit, clock: &TestClock) -> Waiting {
    Box::pin(pending().limit(limit).with_timer(clock))
}

/// Polled once and never again.
fn abandoned(limit: &Limit, clock: &TestClock) -> Waiting {
    let mut waiting = waiting(limit, clock);
    assert!(poll_once(waiting.as_mut()).is_pending());
    waiting
}

executors::on_every_executor! {
    async fn a_head_that_is_not_polled_does_not_hold_up_its_own_task(executor: Executor) {
        let (clock, limit) = (TestClock::new(), Limit::new(1));
        let holder = abandoned(&limit, &clock);
        let head = abandoned(&limit, &clock);
        let mut next = Box::pin(clock.watch(async { 1 }.limit(&limit).with_timer(&clock)));
        assert!(futures::poll!(next.as_mut()).is_pending());
        drop(holder);
        assert_eq!(next.await.unwrap(), 1);
        assert_eq!(clock.elapsed(), MILLISECOND);
        drop(head);
    }

    async fn a_head_that_is_not_polled_does_not_hold_up_another_task(executor: Executor) {
        let (clock, limit) = (TestClock::new(), Limit::new(1));
        let holder = abandoned(&limit, &clock);
        let head = abandoned(&limit, &clock);
        let next = executor.spawn(clock.watch(async { 1 }.limit(&limit).with_timer(&clock)));
        while limit.waiting() < 2 {
            yield_now().await;
        }
        clock.watch(async { drop(holder) }).await;
        assert_eq!(next.await.unwrap(), 1);
        assert_eq!(clock.elapsed(), MILLISECOND);
        drop(head);
    }

    async fn a_thousand_dead_heads_are_passed_in_few_windows(executor: Executor) {
        let (clock, limit) = (TestClock::new(), Limit::new(1));
        let holder = abandoned(&limit, &clock);
        let dead: Vec<_> = (0..1_000).map(|_| abandoned(&limit, &clock)).collect();
        let live = executor.spawn(clock.watch(async { 1 }.limit(&limit).with_timer(&clock)));
        while limit.waiting() < 1_001 {
            yield_now().await;
        }
        clock.watch(async { drop(holder) }).await;
        assert_eq!(live.await.unwrap(), 1);
        // 1 + 2 + 4 + .. + 512 come before the window in which it is woken.
        assert_eq!(clock.elapsed(), 9 * MILLISECOND);
        drop(dead);
        assert_eq!((limit.active(), limit.waiting()), (0, 0));
    }
}

/// Whether whoever comes third gets its turn, polled as a task is: only when it is woken.
fn third_gets_its_turn<'a, T>(
    mut make: impl FnMut() -> Pin<Box<dyn Future<Output = T> + 'a>>,
) -> bool {
    let held = ByHand::new(make()).ready();
    let head = ByHand::polled(make());
    let mut third = ByHand::polled(make());
    drop(held);
    let woken = third.wakes() > 0 && third.run().is_ready();
    drop(head);
    woken
}

/// Why the limit is not made of any of these.
#[test]
fn what_others_offer_hangs_in_the_same_shape() {
    let tokio = tokio::sync::Semaphore::new(1);
    assert!(!third_gets_its_turn(|| Box::pin(tokio.acquire())));
    let tokio = tokio::sync::Mutex::new(());
    assert!(!third_gets_its_turn(|| Box::pin(tokio.lock())));
    let async_lock = async_lock::Semaphore::new(1);
    assert!(!third_gets_its_turn(|| Box::pin(async_lock.acquire())));
    let async_lock = async_lock::Mutex::new(());
    assert!(!third_gets_its_turn(|| Box::pin(async_lock.lock())));
    let futures = futures::lock::Mutex::new(());
    assert!(!third_gets_its_turn(|| Box::pin(futures.lock())));
}

fn probe<'a>(limit: &Limit, clock: &TestClock) -> ByHand<'a, Result<(), Aborted>> {
    ByHand::new(waiting(limit, clock))
}

fn polled<'a>(limit: &Limit, clock: &TestClock) -> ByHand<'a, Result<(), Aborted>> {
    ByHand::polled(waiting(limit, clock))
}

#[test]
fn the_next_is_woken_after_one_window_and_not_before() {
    let (clock, limit) = (TestClock::new(), Limit::new(1));
    let holder = polled(&limit, &clock);
    let row: Vec<_> = (0..4).map(|_| polled(&limit, &clock)).collect();
    let wakes = || row.iter().map(ByHand::wakes).collect::<Vec<_>>();
    drop(holder);
    assert_eq!(wakes(), [1, 0, 0, 0]);
    clock.advance(MILLISECOND - NANOSECOND);
    assert_eq!(wakes(), [1, 0, 0, 0]);
    clock.advance(NANOSECOND);
    assert_eq!(wakes(), [1, 1, 1, 0], "twice as many as in the window before");
    clock.advance(MILLISECOND);
    assert_eq!(wakes(), [1, 1, 1, 1]);
}

#[test]
fn within_the_window_a_newcomer_does_not_overtake() {
    let (clock, limit) = (TestClock::new(), Limit::new(1));
    let holder = polled(&limit, &clock);
    let mut head = polled(&limit, &clock);
    drop(holder);
    clock.advance(MILLISECOND / 2);
    let mut newcomer = polled(&limit, &clock);
    assert!(newcomer.poll().is_pending());
    assert_eq!(limit.active(), 0);
    assert!(head.poll().is_pending());
    assert_eq!((limit.active(), limit.waiting()), (1, 1));
    assert_eq!(newcomer.wakes(), 0);
}

#[test]
fn a_head_that_comes_back_late_still_gets_its_turn() {
    let (clock, limit) = (TestClock::new(), Limit::new(1));
    let holder = polled(&limit, &clock);
    let mut head = polled(&limit, &clock);
    let mut second = polled(&limit, &clock);
    let mut third = polled(&limit, &clock);
    drop(holder);
    clock.advance(MILLISECOND);
    assert_eq!(second.wakes(), 1);

    // Back while the permit is still free: it is first.
    assert!(head.poll().is_pending());
    assert_eq!((limit.active(), limit.waiting()), (1, 2));

    // Too late: it has its old place again, before those behind it.
    assert!(second.poll().is_pending());
    drop(head);
    assert_eq!((second.wakes(), third.wakes()), (1, 1), "the third one's offer is still fresh");
    clock.advance(MILLISECOND);
    assert_eq!(second.wakes(), 2);
    assert!(third.poll().is_pending());
    assert_eq!(limit.active(), 1);
    assert!(second.poll().is_pending());
    let newcomer = polled(&limit, &clock);
    drop(third);
    assert_eq!((second.wakes(), newcomer.wakes()), (3, 0));
    assert!(second.poll().is_pending());
    assert_eq!((limit.active(), limit.waiting()), (1, 1));
}

/// One dead head once kept its permit from the others for as long as they kept busy: each of their
/// claims was taken for a sign that all was well.
#[test]
fn a_dead_head_does_not_keep_its_permit_while_others_are_busy() {
    let (clock, limit) = (TestClock::new(), Limit::new(2));
    let mut holders = vec![polled(&limit, &clock), polled(&limit, &clock)];
    let dead = polled(&limit, &clock);
    let mut row: Vec<_> = (0..20).map(|_| polled(&limit, &clock)).collect();
    let mut let_in = |holders: &mut Vec<_>| {
        while let Some(woken) = row.iter().position(|probe| probe.wakes() > 0) {
            let mut woken = row.remove(woken);
            assert!(woken.poll().is_pending());
            holders.push(woken);
        }
    };
    let mut active = Vec::new();
    // Somebody comes and goes twice in each window.
    for _ in 0..8 {
        drop(holders.remove(0));
        let_in(&mut holders);
        clock.advance(MILLISECOND / 2);
        let_in(&mut holders);
        active.push(limit.active());
    }
    assert!(active[4..].iter().all(|active| *active == 2), "{active:?}");
    drop(dead);
}

#[test]
fn an_uncontended_limit_sets_no_alarm() {
    let (timer, limit) = (CountingTimer::default(), Limit::new(2));
    for _ in 0..100 {
        let mut job = ByHand::new(async {}.limit(&limit).with_timer(timer.clone()));
        job.ready().unwrap();
    }
    let holders =
        [(); 2].map(|()| ByHand::polled(pending::<()>().limit(&limit).with_timer(timer.clone())));
    drop(holders);
    assert_eq!(timer.set(), 0);
}

#[test]
fn a_busy_limit_has_one_alarm_at_most() {
    let (timer, limit) = (CountingTimer::default(), Limit::new(2));
    let stuck = || ByHand::polled(pending::<()>().limit(&limit).with_timer(timer.clone()));
    let mut row: Vec<_> = (0..1_000).map(|_| stuck()).collect();
    assert_eq!(timer.set(), 0, "no permit is free");
    for _ in 0..400 {
        row.remove(0);
        row.iter_mut().take(2).for_each(|probe| assert!(probe.poll().is_pending()));
        assert!(timer.live() <= 1);
    }
    assert_eq!(timer.set(), 1, "one a window, not one a release");
    timer.advance(MILLISECOND);
    assert!(timer.live() <= 1);
    row.clear();
    timer.advance(MILLISECOND);
    timer.advance(MILLISECOND);
    assert_eq!(timer.live(), 0);
}

#[test]
fn a_waker_that_panics_loses_no_permit() {
    let (clock, limit) = (TestClock::new(), Limit::new(2));
    let holders = [polled(&limit, &clock), polled(&limit, &clock)];
    let mut hostile = probe(&limit, &clock);
    assert!(hostile.poll_with(&on_wake(|| panic!("waker"))).is_pending());
    let mut next = polled(&limit, &clock);
    let mut after = polled(&limit, &clock);

    let [first, second] = holders;
    let panic = panic_of(|| drop(first));
    assert_eq!(panic.downcast_ref(), Some(&"waker"));
    drop(second);
    assert_eq!(next.wakes(), 1);
    assert!(next.poll().is_pending());
    clock.advance(MILLISECOND);
    assert_eq!(after.wakes(), 1, "the offer that the panic swallowed lapses");
    assert!(after.poll().is_pending());
    assert_eq!((limit.active(), limit.waiting()), (2, 1));
    drop((next, after));
    assert!(hostile.poll().is_pending());
    assert_eq!((limit.active(), limit.waiting()), (1, 0));
}

/// A second panic would end the process.
#[test]
fn a_waker_that_panics_is_survived_while_a_permit_is_given_back_by_unwinding() {
    let (clock, limit) = (TestClock::new(), Limit::new(1));
    let holder = polled(&limit, &clock);
    let mut hostile = probe(&limit, &clock);
    assert!(hostile.poll_with(&on_wake(|| panic!("waker"))).is_pending());
    let panic = panic_of(move || {
        let _holder = holder;
        panic!("work");
    });
    assert_eq!(panic.downcast_ref(), Some(&"work"));
    assert!(hostile.poll().is_pending());
    assert_eq!((limit.active(), limit.waiting()), (1, 0));
}

#[test]
fn a_waker_may_drop_another_that_waits() {
    let (clock, limit) = (TestClock::new(), Limit::new(1));
    let holder = polled(&limit, &clock);
    let mut head = probe(&limit, &clock);
    let other = Arc::new(Mutex::new(None));
    let victim = other.clone();
    let dropping = on_wake(move || drop(victim.lock().unwrap().take()));
    assert!(head.poll_with(&dropping).is_pending());
    *other.lock().unwrap() = Some(abandoned(&limit, &clock));
    let last = polled(&limit, &clock);
    drop(holder);
    assert!(other.lock().unwrap().is_none());
    assert_eq!((limit.waiting(), last.wakes()), (2, 0));
    drop(head);
    assert_eq!(last.wakes(), 1);
}

/// An alarm that was set on the clock of a test that is over never rings.
#[test]
fn a_clock_that_stands_still_holds_up_nobody_on_another() {
    let (stopped, clock, limit) = (TestClock::new(), TestClock::new(), Limit::new(1));
    let holder = abandoned(&limit, &stopped);
    let head = abandoned(&limit, &stopped);
    let behind = abandoned(&limit, &stopped);
    drop(holder); // offered to the head, with an alarm on the clock that is going to stop

    let mut next = polled(&limit, &clock);
    clock.advance(MILLISECOND);
    clock.advance(MILLISECOND);
    assert_eq!(next.wakes(), 1);
    assert!(next.poll().is_pending());
    assert_eq!((limit.active(), limit.waiting()), (1, 2));
    drop((head, behind));
}

/// Some executors poll a task inside the wake-up.
#[test]
fn a_waker_may_poll_inline() {
    let (clock, limit) = (TestClock::new(), Limit::new(1));
    let holder = polled(&limit, &clock);
    let row = Arc::new(Mutex::new(Vec::<Waiting>::new()));
    let polling = row.clone();
    let inline = on_wake(move || {
        // Each one that enters ends at once, which wakes the next from inside this very wake-up.
        let Some(mut woken) = polling.lock().unwrap().pop() else { return };
        assert!(poll_once(woken.as_mut()).is_pending());
        drop(woken);
    });
    let mut made: Vec<_> = (0..50).map(|_| waiting(&limit, &clock)).collect();
    for waiting in &mut made {
        assert!(poll_with(waiting.as_mut(), &inline).is_pending());
    }
    made.reverse();
    *row.lock().unwrap() = made;
    drop(holder);
    assert!(row.lock().unwrap().is_empty());
    assert_eq!((limit.active(), limit.waiting()), (0, 0));
    assert_eq!(ByHand::new(async { 1 }.limit(&limit)).poll().map(Result::unwrap), Poll::Ready(1));
}
