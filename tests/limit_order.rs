//! A limit lets in so many at once, first come, first served, and no way out keeps a permit.

mod executors;
mod support;

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures::channel::oneshot;
use futures_lite::future::yield_now;
use support::{ByHand, Count, Drops, Log, SECOND, panic_of};
use tenure::{AbortHandle, Aborted, Backoff, Limit, OwnedFuture, time::TestClock};

/// How many are inside, and how many ever were.
#[derive(Default)]
struct Gauge {
    now: AtomicUsize,
    most: AtomicUsize,
    total: AtomicUsize,
}

impl Gauge {
    async fn stay(&self, turns: usize) {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        for _ in 0..turns {
            yield_now().await;
        }
        self.total.fetch_add(1, Ordering::SeqCst);
        self.now.fetch_sub(1, Ordering::SeqCst);
    }
}

executors::on_every_executor! {
    async fn never_more_than_n_are_in_at_once(executor: Executor) {
        const TASKS: usize = 3_000;
        let limit = Limit::new(3);
        let gauge = Arc::new(Gauge::default());
        let tasks: Vec<_> = (0..TASKS)
            .map(|n| {
                let gauge = gauge.clone();
                executor.spawn(async move { gauge.stay(n % 4).await }.limit(&limit))
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert!(gauge.most.load(Ordering::SeqCst) <= 3);
        assert_eq!(gauge.total.load(Ordering::SeqCst), TASKS);
        assert_eq!((limit.active(), limit.waiting()), (0, 0));
    }

    async fn those_who_wait_enter_in_the_order_in_which_they_came(executor: Executor) {
        // A clock that stands still: no hand-off lapses, however slow the machine.
        let clock = TestClock::new();
        let limit = Limit::new(1);
        let (open, gate) = oneshot::channel::<()>();
        let first = executor.spawn(async move { gate.await.unwrap() }.limit(&limit));
        while limit.active() < 1 {
            yield_now().await;
        }
        let order = Log::default();
        let mut tasks = Vec::new();
        for n in 0..100 {
            let order = order.clone();
            let noted = async move {
                order.note(n);
                yield_now().await;
            };
            tasks.push(executor.spawn(noted.limit(&limit).with_timer(&clock)));
            while limit.waiting() < n + 1 {
                yield_now().await;
            }
        }
        open.send(()).unwrap();
        first.await.unwrap();
        for task in tasks {
            task.await.unwrap();
        }
        assert!(order.all().into_iter().eq(0..100));
    }

    async fn clones_share_their_permits(executor: Executor) {
        let limit = Limit::new(2);
        let gauge = Arc::new(Gauge::default());
        let tasks: Vec<_> = (0..100)
            .map(|_| {
                let (gauge, clone) = (gauge.clone(), limit.clone());
                executor.spawn(async move { gauge.stay(2).await }.limit(&clone))
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert!(gauge.most.load(Ordering::SeqCst) <= 2);
    }
}

fn waiter<'a>(limit: &Limit, clock: &TestClock) -> ByHand<'a, Result<(), Aborted>> {
    ByHand::new(pending().limit(limit).with_timer(clock))
}

fn counts(limit: &Limit) -> (usize, usize) {
    (limit.active(), limit.waiting())
}

#[test]
fn the_counts_are_right_at_each_moment() {
    let (clock, limit) = (TestClock::new(), Limit::new(2));
    assert_eq!(limit.capacity(), 2);
    let mut row: Vec<_> = (0..4).map(|_| waiter(&limit, &clock)).collect();
    assert_eq!(counts(&limit), (0, 0), "nothing was polled yet");
    for (probe, expected) in row.iter_mut().zip([(1, 0), (2, 0), (2, 1), (2, 2)]) {
        assert!(probe.poll().is_pending());
        assert_eq!(counts(&limit), expected);
    }
    row.remove(0);
    assert_eq!(counts(&limit), (1, 2), "one is offered the permit, and waits until it is polled");
    assert!(row[1].poll().is_pending());
    assert_eq!(counts(&limit), (2, 1));
    row.pop();
    assert_eq!(counts(&limit), (2, 0));
    row.clear();
    assert_eq!(counts(&limit), (0, 0));
    assert_eq!(limit.capacity(), 2);
}

#[test]
fn a_newcomer_does_not_overtake() {
    let (clock, limit) = (TestClock::new(), Limit::new(1));
    let mut holder = waiter(&limit, &clock);
    let mut first = waiter(&limit, &clock);
    assert!(holder.poll().is_pending());
    assert!(first.poll().is_pending());
    drop(holder);
    assert_eq!(first.wakes(), 1);

    let mut newcomer = ByHand::new(async {}.limit(&limit).with_timer(&clock));
    assert!(newcomer.poll().is_pending(), "the permit is free, but it was offered to another");
    assert_eq!(counts(&limit), (0, 2));
    assert!(first.poll().is_pending());
    assert_eq!(counts(&limit), (1, 1));
    assert_eq!(newcomer.wakes(), 0);
    drop(first);
    assert_eq!(newcomer.wakes(), 1);
    newcomer.ready().unwrap();
}

#[test]
fn the_permit_is_free_at_ready_though_the_future_is_kept() {
    let limit = Limit::new(1);
    let mut done = ByHand::new(async { 7 }.limit(&limit).with_timeout(SECOND));
    assert_eq!(done.ready().unwrap(), 7);
    assert_eq!(limit.active(), 0);
    let mut next = ByHand::new(async { 8 }.limit(&limit));
    assert_eq!(next.ready().unwrap(), 8);
    drop(done);
    assert_eq!(counts(&limit), (0, 0));
}

#[test]
fn the_permit_is_free_after_an_abort_a_timeout_and_a_drop() {
    let (clock, limit, drops) = (TestClock::new(), Limit::new(1), Drops::default());
    let stuck = || drops.of(pending::<()>());
    let stop = AbortHandle::new();
    let mut aborted = ByHand::polled(stuck().limit(&limit).with_abort(&stop));
    assert_eq!(counts(&limit), (1, 0));
    stop.abort("stop");
    assert_eq!(aborted.wakes(), 1);
    assert_eq!(aborted.ready().unwrap_err().to_string(), "stop");
    assert_eq!((counts(&limit), drops.live()), ((0, 0), 0), "after an abort");

    let late = stuck().limit(&limit).with_timeout(SECOND).with_timer(&clock);
    let mut late = ByHand::polled(late);
    clock.advance(SECOND);
    assert!(late.ready().unwrap_err().is_timeout());
    assert_eq!((counts(&limit), drops.live()), ((0, 0), 0), "after a timeout outside");

    let late = stuck().with_timeout(SECOND).limit(&limit).with_timer(&clock);
    let mut late = ByHand::polled(late);
    clock.advance(SECOND);
    assert!(late.ready().unwrap_err().is_timeout());
    assert_eq!((counts(&limit), drops.live()), ((0, 0), 0), "after a timeout inside");

    let half_way = ByHand::polled(stuck().limit(&limit));
    assert_eq!(counts(&limit), (1, 0));
    drop(half_way);
    assert_eq!((counts(&limit), drops.live()), ((0, 0), 0), "after a drop");
}

#[test]
fn what_ran_is_gone_before_its_permit_is_free() {
    struct Sees(Limit, Count);
    impl Drop for Sees {
        fn drop(&mut self) {
            self.1.add_all(self.0.active());
        }
    }
    let (limit, seen, stop) = (Limit::new(1), Count::default(), AbortHandle::new());
    let stuck = || {
        let sees = Sees(limit.clone(), seen.clone());
        async move {
            let _sees = sees;
            pending::<()>().await
        }
    };
    let scope = tenure::Scope::new("scope");
    drop(ByHand::polled(stuck().limit(&limit)));
    assert_eq!(seen.get(), 1, "dropped");

    let mut by_handle = ByHand::polled(stuck().with_abort(&stop).limit(&limit));
    stop.abort("stop");
    by_handle.ready().unwrap_err();
    assert_eq!(seen.get(), 2, "aborted by a handle");

    let mut by_scope = ByHand::polled(stuck().in_scope(&scope).limit(&limit));
    scope.abort("stop");
    by_scope.ready().unwrap_err();
    assert_eq!(seen.get(), 3, "aborted by its scope");
}

#[test]
fn the_permit_is_free_after_a_panic() {
    let limit = Limit::new(1);
    let mut panicking = ByHand::new(async { panic!("oh no") }.limit(&limit));
    panic_of(|| panicking.poll());
    drop(panicking);
    assert_eq!(counts(&limit), (0, 0));
    ByHand::new(async {}.limit(&limit)).ready().unwrap();
}

#[test]
fn who_waits_is_aborted_at_once_not_when_the_permit_comes() {
    let (clock, limit, stop) = (TestClock::new(), Limit::new(1), AbortHandle::new());
    let mut holder = waiter(&limit, &clock);
    assert!(holder.poll().is_pending());
    let waits = |handle| pending::<()>().limit(&limit).with_abort(handle).with_timer(&clock);
    let mut row: Vec<_> = (0..10).map(|_| ByHand::polled(waits(&stop))).collect();
    let mut late =
        ByHand::polled(pending::<()>().limit(&limit).with_timeout(SECOND).with_timer(&clock));
    assert_eq!(counts(&limit), (1, 11));
    stop.abort("stop");
    for probe in &mut row {
        assert_eq!(probe.wakes(), 1);
        assert_eq!(probe.ready().unwrap_err().to_string(), "stop");
    }
    clock.advance(SECOND);
    assert!(late.ready().unwrap_err().is_timeout(), "the wait for the permit counts");
    assert_eq!(counts(&limit), (1, 0));
}

#[test]
fn one_that_is_dropped_passes_its_offer_on() {
    let (clock, limit) = (TestClock::new(), Limit::new(1));
    let mut row: Vec<_> = (0..4).map(|_| waiter(&limit, &clock)).collect();
    row.iter_mut().for_each(|probe| assert!(probe.poll().is_pending()));
    row.remove(0);
    assert_eq!(row.iter().map(ByHand::wakes).collect::<Vec<_>>(), [1, 0, 0]);
    row.remove(1);
    assert_eq!(row.iter().map(ByHand::wakes).collect::<Vec<_>>(), [1, 0]);
    row.remove(0);
    assert_eq!(row[0].wakes(), 1, "at once, on a clock that stands still");
    assert!(row[0].poll().is_pending());
    assert_eq!(counts(&limit), (1, 0));
}

#[test]
fn one_that_moves_to_another_task_is_woken_there() {
    let (clock, limit) = (TestClock::new(), Limit::new(1));
    let mut holder = waiter(&limit, &clock);
    assert!(holder.poll().is_pending());
    let mut moved = ByHand::polled(async { 5 }.limit(&limit).with_timer(&clock));
    let behind = ByHand::polled(pending::<()>().limit(&limit).with_timer(&clock));
    assert_eq!(moved.wakers(), 1);
    assert!(moved.poll_elsewhere().is_pending());
    assert_eq!((moved.wakers(), counts(&limit)), (1, (1, 2)), "with its old place");
    drop(holder);
    assert_eq!((moved.wakes(), behind.wakes()), (1, 0));
    assert_eq!(moved.ready().unwrap(), 5);
    assert_eq!((moved.wakers(), behind.wakes()), (0, 1));
}

#[test]
fn the_order_of_retry_and_limit_says_whether_a_back_off_holds_the_permit() {
    let (clock, limit) = (TestClock::new(), Limit::new(1));
    let down = || async { Err::<(), _>("down") };
    let twice = Backoff::fixed(SECOND).attempts(2);

    let mut gives_back = ByHand::polled(down.limit(&limit).retry(twice).with_timer(&clock));
    assert_eq!(counts(&limit), (0, 0));
    clock.advance(SECOND);
    assert_eq!(gives_back.ready().unwrap(), Err("down"));

    let mut keeps = ByHand::polled(down.retry(twice).limit(&limit).with_timer(&clock));
    assert_eq!(counts(&limit), (1, 0));
    clock.advance(SECOND);
    assert_eq!(keeps.ready().unwrap(), Err("down"));
    assert_eq!(counts(&limit), (0, 0));
}
