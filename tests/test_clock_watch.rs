//! What moves the virtual clock: it runs ahead when all that it watches waits for it, and only then.

mod executors;
mod support;

use std::{
    future::{Future, pending, poll_fn},
    sync::Arc,
    task::{Poll, Wake, Waker},
    time::Duration,
};

use futures::{SinkExt, StreamExt, channel::mpsc};
use futures_lite::future::yield_now;
use support::{ByHand, Log, SECOND, on_wake, panic_of, panic_quietly, poll_with};
use tenure::{
    OwnedFuture,
    time::{Instant, TestClock},
};

executors::on_every_executor! {
    async fn a_watched_future_moves_the_clock(executor: Executor) {
        let clock = TestClock::new();
        let hands = clock.clone();
        let steps = async move {
            for step in 1..=100 {
                hands.sleep(step * SECOND).await;
            }
            hands.elapsed()
        };
        assert_eq!(executor.spawn(clock.watch(steps)).await, 5050 * SECOND);
        assert_eq!(clock.elapsed(), 5050 * SECOND);
    }

    /// Each at its own pace; none is ever late.
    async fn several_tasks_share_one_time(executor: Executor) {
        let clock = TestClock::new();
        let tasks: Vec<_> = (1..=8)
            .map(|pace| {
                let hands = clock.clone();
                clock.watch(async move {
                    let mut expected = Instant::START;
                    for _ in 0..50 {
                        hands.sleep(pace * SECOND).await;
                        expected = expected + pace * SECOND;
                        assert_eq!(hands.now(), expected);
                    }
                })
            })
            .collect();
        let tasks: Vec<_> = tasks.into_iter().map(|task| executor.spawn(task)).collect();
        futures::future::join_all(tasks).await;
        assert_eq!(clock.elapsed(), 8 * 50 * SECOND);
    }

    /// While a message is on its way from one watched task to another, the clock waits.
    async fn a_wake_on_its_way_holds_the_clock(executor: Executor) {
        let clock = TestClock::new();
        let (mut ask, mut asked) = mpsc::channel::<Instant>(0);
        let (mut answer, mut answered) = mpsc::channel::<Instant>(0);
        let hands = clock.clone();
        let server = clock.watch(async move {
            while let Some(at) = asked.next().await {
                assert_eq!(hands.now(), at);
                hands.sleep(SECOND).await;
                answer.send(hands.now()).await.unwrap();
            }
        });
        let hands = clock.clone();
        let client = clock.watch(async move {
            for _ in 0..50 {
                let before = hands.now();
                ask.send(before).await.unwrap();
                let at = answered.next().await.unwrap();
                assert_eq!((at, hands.now()), (before + SECOND, before + SECOND));
            }
        });
        // This one it would ring if it ran ahead.
        let idle = clock.watch(clock.sleep(60 * SECOND));
        let (server, client) = (executor.spawn(server), executor.spawn(client));
        let idle = executor.spawn(idle);
        client.await;
        server.await;
        idle.await;
        assert_eq!(clock.elapsed(), 60 * SECOND);
    }

    async fn one_that_is_spawned_late_holds_the_clock_until_then(executor: Executor) {
        let clock = TestClock::new();
        let hands = clock.clone();
        let late = clock.watch(async move { hands.now() });
        let first = executor.spawn(clock.watch(clock.sleep(SECOND)));
        for _ in 0..10 {
            yield_now().await;
        }
        assert_eq!(clock.elapsed(), Duration::ZERO);
        assert_eq!(executor.spawn(late).await, Instant::START);
        first.await;
        assert_eq!(clock.elapsed(), SECOND);
    }

    async fn one_that_is_done_leaves_the_clock_to_the_others(executor: Executor) {
        let clock = TestClock::new();
        let short = clock.watch(clock.sleep(SECOND));
        let long = clock.watch(clock.sleep(5 * SECOND));
        let at_once = clock.watch(async {});
        let (short, long) = (executor.spawn(short), executor.spawn(long));
        executor.spawn(at_once).await;
        short.await;
        long.await;
        assert_eq!(clock.elapsed(), 5 * SECOND);
    }

    async fn a_pause_holds_the_clock(executor: Executor) {
        let clock = TestClock::new();
        let (outer, inner) = (clock.pause(), clock.pause());
        let asleep = executor.spawn(clock.watch(clock.sleep(SECOND)));
        let hands = clock.clone();
        let worker = std::thread::spawn(move || {
            for _ in 0..1000 {
                std::thread::yield_now();
                assert_eq!(hands.elapsed(), Duration::ZERO);
            }
            drop(outer);
            assert_eq!(hands.elapsed(), Duration::ZERO);
            drop(inner);
        });
        asleep.await;
        worker.join().unwrap();
        assert_eq!(clock.elapsed(), SECOND);
    }
}

#[test]
fn a_watched_future_that_is_dropped_lets_go() {
    let clock = TestClock::new();
    let never_polled = clock.watch(pending::<()>());
    let mut polled = ByHand::new(clock.watch(poll_fn(|cx| {
        cx.waker().wake_by_ref();
        Poll::<()>::Pending
    })));
    let mut asleep = ByHand::new(clock.watch(clock.sleep(SECOND)));
    assert!(asleep.poll().is_pending() && polled.poll().is_pending());
    assert_eq!(clock.elapsed(), Duration::ZERO);
    drop(never_polled);
    assert_eq!(clock.elapsed(), Duration::ZERO, "one is on its way still");
    assert_eq!(asleep.wakes(), 0);
    drop(polled);
    assert!(asleep.run().is_ready());
    assert_eq!(clock.elapsed(), SECOND);
}

#[test]
fn a_watched_future_that_panics_lets_go() {
    let clock = TestClock::new();
    let mut asleep = ByHand::new(clock.watch(clock.sleep(SECOND)));
    let panics = clock.watch(async { panic_quietly() });
    assert!(asleep.poll().is_pending());
    panic_of(|| {
        smol::block_on(async {
            let () = panics.await;
        })
    });
    assert_eq!(asleep.wakes(), 1);
    assert!(asleep.run().is_ready());
    assert_eq!(clock.elapsed(), SECOND);
}

/// Once it stayed in its seat for good, and held the clock for all.
#[test]
fn a_watched_future_lets_go_whatever_panics_while_it_is_dropped() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            panic_quietly();
        }
    }
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {}
    }

    let clock = TestClock::new();
    let panics = Panics;
    let never_polled = clock.watch(async move {
        let _panics = panics;
    });
    let mut asleep = ByHand::polled(clock.watch(clock.sleep(SECOND)));
    panic_of(|| drop(never_polled));
    assert_eq!(asleep.wakes(), 1);
    assert!(asleep.run().is_ready());

    // Its task is dropped along with it.
    let task = Waker::from(Arc::new(Panics));
    let mut polled = Box::pin(clock.watch(async { panic_quietly() }));
    panic_of(|| poll_with(polled.as_mut(), &task));
    drop(task);
    let mut asleep = ByHand::polled(clock.watch(clock.sleep(SECOND)));
    panic_of(|| drop(polled));
    assert_eq!(asleep.wakes(), 1);
    assert!(asleep.run().is_ready());
    assert_eq!(clock.elapsed(), 2 * SECOND);
}

/// An executor tells that a task has ended after it dropped the future, when that no longer holds the clock.
/// The timeout's alarm, the next in line, once rang before.
#[test]
fn the_end_of_a_task_is_told_before_the_clock_moves_on() {
    let clock = TestClock::new();
    let hands = clock.clone();
    let parent = clock.watch(async move {
        for end in 1..=50 {
            let child = tokio::spawn(hands.watch(hands.sleep(SECOND)));
            child.with_timeout(60 * SECOND).with_timer(&hands).await.unwrap().unwrap();
            assert_eq!(hands.elapsed(), end * SECOND);

            let stuck = tokio::spawn(hands.watch(pending::<()>()));
            yield_now().await;
            stuck.abort();
            let aborted = stuck.with_timeout(60 * SECOND).with_timer(&hands).await.unwrap();
            assert!(aborted.unwrap_err().is_cancelled());
            assert_eq!(hands.elapsed(), end * SECOND);
        }
    });
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(parent);
}

/// It is woken on the way, though nobody waits for it to run.
#[test]
fn what_is_not_watched_is_woken_but_not_waited_for() {
    let (clock, rang) = (TestClock::new(), Log::default());
    let (hands, log) = (clock.clone(), rang.clone());
    let mut unwatched = clock.sleep(SECOND);
    let waker = on_wake(move || log.note(hands.elapsed()));
    assert!(poll_with(&mut unwatched, &waker).is_pending());
    smol::block_on(clock.watch(clock.sleep(3 * SECOND)));
    assert_eq!((clock.elapsed(), rang.all()), (3 * SECOND, vec![SECOND]));
}

#[test]
fn nothing_moves_where_nothing_is_watched_or_nothing_is_set() {
    let clock = TestClock::new();
    let mut unwatched = ByHand::new(clock.sleep(SECOND));
    assert!(unwatched.poll().is_pending());
    drop(clock.pause());
    assert_eq!(clock.elapsed(), Duration::ZERO);

    let clock = TestClock::new();
    let mut idle = ByHand::new(clock.watch(pending::<()>()));
    assert!(idle.poll().is_pending());
    assert_eq!((clock.elapsed(), idle.wakes()), (Duration::ZERO, 0));
}

#[test]
fn a_watched_future_within_a_watched_one_counts_once() {
    let clock = TestClock::new();
    let both = futures::future::join(
        clock.watch(clock.sleep(SECOND)),
        clock.watch(clock.watch(clock.sleep(2 * SECOND))),
    );
    smol::block_on(clock.watch(both));
    assert_eq!(clock.elapsed(), 2 * SECOND);
}

#[test]
fn a_watched_future_may_be_run_within_another_executor() {
    let clock = TestClock::new();
    smol::block_on(async {
        for _ in 0..3 {
            smol::block_on(clock.watch(clock.sleep(SECOND)));
        }
    });
    assert_eq!(clock.elapsed(), 3 * SECOND);
}

#[test]
fn it_is_let_go_when_all_that_it_woke_has_gone() {
    let clock = TestClock::new();
    let mut first = ByHand::new(clock.watch(clock.sleep(SECOND)));
    let mut second = ByHand::new(clock.watch(clock.sleep(2 * SECOND)));
    assert!(first.poll().is_pending() && second.poll().is_pending());
    assert_eq!((clock.elapsed(), first.wakes(), second.wakes()), (SECOND, 1, 0));
    // Woken, it is dropped instead of polled.
    drop(first);
    assert_eq!(second.wakes(), 1);
    assert!(second.run().is_ready());
    assert_eq!(clock.elapsed(), 2 * SECOND);
}

#[test]
fn an_alarm_that_is_set_while_all_is_idle_rings_at_once() {
    let clock = TestClock::new();
    let _idle = ByHand::polled(clock.watch(pending::<()>()));
    let unwatched = ByHand::polled(clock.sleep(SECOND));
    assert_eq!((clock.elapsed(), unwatched.wakes()), (SECOND, 1));
}

/// The permit is given back by something that the clock doesn't watch, and sets an alarm.
#[test]
fn an_alarm_that_is_set_while_all_is_idle_rings() {
    use futures::{FutureExt, executor::block_on, future::poll_fn};
    use tenure::Limit;

    let (clock, limit) = (TestClock::new(), Limit::new(1));
    let wait = || Box::pin(pending::<()>().limit(&limit).with_timer(&clock));
    let (mut holder, mut head) = (wait(), wait());
    assert!((&mut holder).now_or_never().is_none());
    assert!((&mut head).now_or_never().is_none());

    let mut next = Box::pin(clock.watch(async { 1 }.limit(&limit).with_timer(&clock)));
    assert!(next.as_mut().now_or_never().is_none());
    drop(holder);
    assert_eq!(block_on(poll_fn(|cx| next.as_mut().poll(cx))).unwrap(), 1);
}
