//! One virtual clock for several executors at once: tokio's threads, smol's, and threads with a `block_on` of
//! their own. However they interleave, no time is off by a nanosecond.

mod support;

use std::{future::Future, sync::mpsc as threads, thread, time::Duration};

use futures::{
    FutureExt, StreamExt,
    channel::{mpsc, oneshot},
    executor::block_on,
    future::{BoxFuture, Either, RemoteHandle, join_all, select},
};
use support::{NANOSECOND, SECOND, poll_once};
use tenure::time::{Instant, Pause, TestClock};
use tokio::runtime::{Builder, Runtime};

/// Spawns by turns on each of them.
struct Executors {
    tokio: Runtime,
}

type Boxed<T> = BoxFuture<'static, T>;

impl Executors {
    fn new() -> Self {
        Self { tokio: Builder::new_multi_thread().worker_threads(3).build().unwrap() }
    }

    fn spawn(&self, turn: usize, task: impl Future<Output = ()> + Send + 'static) {
        match turn % 3 {
            0 => drop(self.tokio.spawn(task)),
            1 => smol::spawn(task).detach(),
            _ => drop(thread::spawn(|| block_on(task))),
        }
    }

    /// Runs all of `futures` to their ends.
    fn run<T: Send + 'static>(
        &self,
        clock: &TestClock,
        futures: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>,
    ) -> Vec<T> {
        let (tasks, ends): (Vec<_>, Vec<_>) =
            futures.into_iter().map(|future| watch(clock, future)).unzip();
        tasks.into_iter().enumerate().for_each(|(turn, task)| self.spawn(turn, task));
        block_on(join_all(ends))
    }
}

/// A watched task and its result, which is sent from within.
fn watch<T: Send + 'static>(
    clock: &TestClock,
    future: impl Future<Output = T> + Send + 'static,
) -> (impl Future<Output = ()> + Send + 'static, RemoteHandle<T>) {
    let (task, end) = future.remote_handle();
    (clock.watch(task), end)
}

/// Numbers that look random and are always the same.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u32) -> u32 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32 % end
    }
}

/// Few different lengths, so that many fall due in the same instant.
#[test]
fn thousands_of_sleeps_are_exact() {
    let (clock, executors) = (TestClock::new(), Executors::new());
    let tasks: Vec<_> = (0..24)
        .map(|task| {
            let hands = clock.clone();
            async move {
                let (mut numbers, mut due) = (Numbers(task), Instant::START);
                for _ in 0..200 {
                    let nap = numbers.below(4) * SECOND + numbers.below(3) * NANOSECOND;
                    due = due + nap;
                    hands.sleep(nap).await;
                    assert_eq!(hands.now(), due);
                }
                due
            }
        })
        .collect();
    let ends = executors.run(&clock, tasks);
    assert_eq!(clock.now(), ends.into_iter().max().unwrap());
}

/// Two tokens go round, one each way. Whoever has one keeps it for a while; on its way it takes no time, and
/// a ticker would tell if the clock ran ahead of it.
#[test]
fn what_is_passed_from_executor_to_executor_takes_no_time() {
    const TASKS: usize = 6;
    const ROUNDS: u32 = 50;
    const NAP: Duration = Duration::from_micros(10);

    let (clock, executors) = (TestClock::new(), Executors::new());
    let mut tasks: Vec<Boxed<()>> = Vec::new();
    for step in [1, TASKS - 1] {
        let (tells, told): (Vec<_>, Vec<_>) = (0..TASKS).map(|_| mpsc::unbounded()).unzip();
        tells[0].unbounded_send(Instant::START).unwrap();
        for (task, mut told) in told.into_iter().enumerate() {
            let (hands, tell) = (clock.clone(), tells[(task + step) % TASKS].clone());
            tasks.push(Box::pin(async move {
                for _ in 0..ROUNDS {
                    let sent = told.next().await.unwrap();
                    assert_eq!(hands.now(), sent);
                    hands.sleep(NAP).await;
                    // The last one finds nobody there.
                    tell.unbounded_send(sent + NAP).unwrap_or(());
                }
            }));
        }
    }
    let end = Instant::START + TASKS as u32 * ROUNDS * NAP;
    let hands = clock.clone();
    tasks.push(Box::pin(async move {
        while hands.now() < end {
            hands.sleep(100 * NANOSECOND).await;
        }
    }));
    executors.run(&clock, tasks);
    assert_eq!(clock.now(), end);
}

/// Tasks watch others as they run, spawn them elsewhere, stop some, drop some unpolled, and have some dropped by
/// threads that know nothing of the clock.
#[test]
fn what_comes_and_goes_moves_no_time() {
    let clock = TestClock::new();
    let executors = std::sync::Arc::new(Executors::new());
    let (throw, thrown) = threads::channel::<Boxed<()>>();
    let dropping = thread::spawn(move || thrown.into_iter().for_each(drop));

    let tasks: Vec<_> = (0..9)
        .map(|task: usize| {
            let (hands, executors, throw) = (clock.clone(), executors.clone(), throw.clone());
            async move {
                let (mut numbers, mut due) = (Numbers(task as u64), Instant::START);
                for round in 0..60 {
                    let nap = (1 + numbers.below(5)) * SECOND;
                    let (short, slept) = watch(&hands, hands.sleep(nap));
                    executors.spawn(task + round, short);
                    let (stop, stopped) = oneshot::channel::<()>();
                    let (long, was_stopped) =
                        watch(&hands, select(hands.sleep(3600 * SECOND), stopped));
                    executors.spawn(task + round + 1, long);
                    drop(hands.watch(hands.sleep(SECOND / 2)));
                    let mut polled: Boxed<()> = Box::pin(hands.watch(hands.sleep(3600 * SECOND)));
                    assert!(poll_once(&mut polled).is_pending());
                    throw.send(polled).unwrap();

                    slept.await;
                    due = due + nap;
                    assert_eq!(hands.now(), due);
                    stop.send(()).unwrap();
                    assert!(matches!(was_stopped.await, Either::Right(_)));
                    assert_eq!(hands.now(), due);
                }
                // A runtime can't be dropped by a task.
                (due, executors)
            }
        })
        .collect();
    drop(throw);
    let ends = executors.run(&clock, tasks);
    assert_eq!(clock.now(), ends.into_iter().map(|(due, _)| due).max().unwrap());
    dropping.join().unwrap();
}

/// Each hands work to a thread that isn't watched, and a pause with it.
#[test]
fn work_that_is_done_elsewhere_takes_no_time_while_it_pauses() {
    let (clock, executors) = (TestClock::new(), Executors::new());
    let (ask, asked) = threads::channel::<(oneshot::Sender<()>, Pause)>();
    let worker = thread::spawn(move || {
        for (answer, pause) in asked {
            thread::yield_now();
            answer.send(()).unwrap();
            drop(pause);
        }
    });
    let tasks: Vec<_> = (0..9)
        .map(|task| {
            let (hands, ask) = (clock.clone(), ask.clone());
            async move {
                let mut due = Instant::START;
                for _ in 0..100 {
                    let (answer, answered) = oneshot::channel();
                    ask.send((answer, hands.pause())).unwrap();
                    answered.await.unwrap();
                    assert_eq!(hands.now(), due);
                    due = due + (1 + task % 3) * SECOND;
                    hands.sleep((1 + task % 3) * SECOND).await;
                }
            }
        })
        .collect();
    drop(ask);
    executors.run(&clock, tasks);
    assert_eq!(clock.elapsed(), 300 * SECOND);
    worker.join().unwrap();
}

/// tokio has a task that took a hundred messages at once come back later, and keeps that to itself.
#[test]
fn many_messages_of_tokio_at_once_take_no_time_where_nothing_constrains_them() {
    for mut builder in [Builder::new_current_thread(), Builder::new_multi_thread()] {
        let clock = TestClock::new();
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        (0..1000).for_each(|message| tell.send(message).unwrap());
        let hands = clock.clone();
        let messages = clock.watch(tokio::task::unconstrained(async move {
            for _ in 0..1000 {
                told.recv().await.unwrap();
            }
            assert_eq!(hands.now(), Instant::START);
        }));
        let asleep = clock.watch(clock.sleep(SECOND));
        builder.build().unwrap().block_on(async {
            let (messages, asleep) = (tokio::spawn(messages), tokio::spawn(asleep));
            messages.await.unwrap();
            asleep.await.unwrap();
        });
    }
}
