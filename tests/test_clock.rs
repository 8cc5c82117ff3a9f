//! The virtual clock: what moves it, what holds it, and in which order it wakes.

mod executors;
mod support;

use std::{
    future::{Future, pending, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures::{SinkExt, StreamExt, channel::mpsc};
use support::{ByHand, Count, on_wake};
use tenure::{
    OwnedFuture,
    time::{Instant, Sleep, TestClock},
};

const SECOND: Duration = Duration::from_secs(1);
const NANO: Duration = Duration::from_nanos(1);

/// Polls a sleep once, which then waits.
fn waiting(mut sleep: Sleep, waker: &Waker) -> Sleep {
    assert!(pin!(&mut sleep).poll(&mut Context::from_waker(waker)).is_pending());
    sleep
}

type Log<T> = Arc<Mutex<Vec<T>>>;

/// The times at which its alarms rang, and their numbers.
fn logs(clock: &TestClock, log: &Log<(u64, u32)>, number: u32) -> Waker {
    let (clock, log) = (clock.clone(), Arc::clone(log));
    on_wake(move || log.lock().unwrap().push((clock.elapsed().as_secs(), number)))
}

#[test]
fn it_stands_still() {
    let clock = TestClock::new();
    assert_eq!((clock.now(), clock.elapsed()), (Instant::START, Duration::ZERO));
    let mut asleep = ByHand::new(clock.sleep(NANO));
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
    assert_eq!(*log.lock().unwrap(), [(1, 1), (1, 3), (2, 2), (3, 0), (3, 4)]);
    assert_eq!(clock.elapsed(), 4 * SECOND);
    clock.advance(SECOND);
    assert_eq!(log.lock().unwrap()[5], (5, 5));
}

#[test]
fn a_sleep_is_exact() {
    let clock = TestClock::new();
    let mut asleep = ByHand::new(clock.sleep(SECOND));
    assert!(asleep.poll().is_pending());
    clock.advance(SECOND - NANO);
    assert!(asleep.poll().is_pending());
    assert_eq!(asleep.wakes(), 0);
    clock.advance(NANO);
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
    assert!(log.lock().unwrap().is_empty());

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
    let (hands, logged) = (clock.clone(), Arc::clone(&log));
    let late = Arc::new(Mutex::new(None));
    let set = Arc::clone(&late);
    let waker = on_wake(move || {
        // It reads, sets, cancels and moves the clock that is waking it.
        drop(other);
        *set.lock().unwrap() = Some(waiting(hands.sleep(SECOND), &logs(&hands, &logged, 2)));
        hands.advance(SECOND / 2);
    });
    let _first = waiting(clock.sleep(SECOND), &waker);
    clock.advance(10 * SECOND);
    assert_eq!(*log.lock().unwrap(), [(2, 2)]);
    assert_eq!(clock.elapsed(), 10 * SECOND);
}

#[test]
fn a_waker_that_panics_keeps_nobody_asleep() {
    let (clock, log) = (TestClock::new(), Log::default());
    let panics = on_wake(|| std::panic::resume_unwind(Box::new("not reported")));
    let _asleep = [
        waiting(clock.sleep(SECOND), &logs(&clock, &log, 0)),
        waiting(clock.sleep(SECOND), &panics),
        waiting(clock.sleep(SECOND), &logs(&clock, &log, 2)),
    ];
    let caught = catch_unwind(AssertUnwindSafe(|| clock.advance(SECOND)));
    assert!(caught.is_err(), "the panic goes on");
    assert_eq!(*log.lock().unwrap(), [(1, 0), (1, 2)]);
}

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
            futures_lite::future::yield_now().await;
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
    drop(polled);
    assert_eq!((clock.elapsed(), asleep.wakes()), (SECOND, 1));
    assert!(asleep.poll().is_ready());
}

#[test]
fn a_watched_future_that_panics_lets_go() {
    let clock = TestClock::new();
    let mut asleep = ByHand::new(clock.watch(clock.sleep(SECOND)));
    let panics = clock.watch(async { std::panic::resume_unwind(Box::new("not reported")) });
    assert!(asleep.poll().is_pending());
    let run = AssertUnwindSafe(|| {
        smol::block_on(async {
            let () = panics.await;
        })
    });
    assert!(catch_unwind(run).is_err());
    assert_eq!((clock.elapsed(), asleep.wakes()), (SECOND, 1));
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
    let polls_inline = on_wake(move || {
        let mut context = Context::from_waker(Waker::noop());
        assert!(again.lock().unwrap().as_mut().poll(&mut context).is_pending());
    });
    let mut once = Box::pin(clock.watch(clock.sleep(SECOND)));

    assert!(
        twice.lock().unwrap().as_mut().poll(&mut Context::from_waker(&polls_inline)).is_pending()
    );
    let logs = logs(&clock, &log, 0);
    assert!(once.as_mut().poll(&mut Context::from_waker(&logs)).is_pending());
    assert_eq!(*log.lock().unwrap(), [(1, 0)]);
    assert_eq!(clock.elapsed(), SECOND);
    assert!(once.as_mut().poll(&mut Context::from_waker(&logs)).is_ready());
    assert_eq!(clock.elapsed(), 2 * SECOND);
}

/// It is woken on the way, though nobody waits for it to run.
#[test]
fn what_is_not_watched_is_woken_but_not_waited_for() {
    let (clock, log) = (TestClock::new(), Log::default());
    let _unwatched = waiting(clock.sleep(SECOND), &logs(&clock, &log, 1));
    smol::block_on(clock.watch(clock.sleep(3 * SECOND)));
    assert_eq!((clock.elapsed(), &*log.lock().unwrap()), (3 * SECOND, &vec![(1, 1)]));
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
    assert_eq!((clock.elapsed(), second.wakes()), (2 * SECOND, 1));
    assert!(second.poll().is_ready());
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
