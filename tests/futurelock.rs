//! What holds something and isn't polled holds up all who want that: the deadlock called futurelock. Two shapes of it
//! are shown to hang with others' means, and to run with a nursery, whose children are polled whatever its body waits
//! for.
//!
//! The first is that of <https://rfd.shared.oxide.computer/rfd/0609>: one branch of a `select!` waits in the queue of a
//! lock, another one wins, and then waits for that lock. The second is that of "Barbara battles buffered streams": the
//! futures in a buffer have permits, while the body of the loop, which keeps the buffer from being polled, wants one.

mod executors;
mod support;

use std::{future::Future, pin::pin, sync::Arc, task::Poll};

use futures::{
    FutureExt, SinkExt, StreamExt,
    channel::mpsc,
    future::{Either, select},
    stream,
};
use futures_lite::future::yield_now;
use support::{ByHand, Count, CountingTimer, MILLISECOND, on_wake};
use tenure::{AbortHandle, Limit, OwnedFuture, scope};

/// So often it is polled, woken or not, before it is said to hang. Nothing here has a time to wait for.
const OFTEN: usize = 1_000;

/// A task that makes no progress, however often it is polled.
fn assert_hangs<T>(task: &mut ByHand<'_, T>, progress: &Count) {
    let before = progress.get();
    for _ in 0..OFTEN {
        assert!(task.poll().is_pending());
    }
    assert_eq!(progress.get(), before);
}

/// A lock of somebody else.
trait Lock {
    /// Waits for it, and has it until what this gives is dropped.
    fn acquire(self: Arc<Self>) -> impl Future<Output: Send> + Send + 'static;
}

impl Lock for tokio::sync::Mutex<()> {
    fn acquire(self: Arc<Self>) -> impl Future<Output: Send> + Send + 'static {
        self.lock_owned()
    }
}

impl Lock for tokio::sync::Semaphore {
    fn acquire(self: Arc<Self>) -> impl Future<Output: Send> + Send + 'static {
        self.acquire_owned()
    }
}

impl Lock for async_lock::Mutex<()> {
    fn acquire(self: Arc<Self>) -> impl Future<Output: Send> + Send + 'static {
        self.lock_arc()
    }
}

impl Lock for async_lock::Semaphore {
    fn acquire(self: Arc<Self>) -> impl Future<Output: Send> + Send + 'static {
        self.acquire_arc()
    }
}

impl Lock for futures::lock::Mutex<()> {
    fn acquire(self: Arc<Self>) -> impl Future<Output: Send> + Send + 'static {
        self.lock_owned()
    }
}

/// Another branch wins while one waits for the lock, and then waits for it.
fn a_select_hangs(lock: Arc<impl Lock>) {
    let (tick, progress) = (AbortHandle::new(), Count::default());
    let held = lock.clone().acquire().now_or_never().unwrap();
    let mut task = ByHand::polled(async {
        let mut waits = pin!(lock.clone().acquire());
        let Either::Right(_) = select(waits.as_mut(), tick.aborted()).await else {
            unreachable!("it is held");
        };
        progress.add();
        // `waits` is still in the queue, and nobody polls it.
        drop(lock.clone().acquire().await);
        progress.add();
    });
    tick.abort("tick");
    assert!(task.poll().is_pending());
    assert_eq!(progress.get(), 1);
    drop(held);
    assert_hangs(&mut task, &progress);
}

/// It is another task that waits, and that one is not even woken.
fn another_task_hangs(lock: Arc<impl Lock>) {
    let held = lock.clone().acquire().now_or_never().unwrap();
    let set_aside = ByHand::polled(lock.clone().acquire());
    let mut other = ByHand::polled(lock.acquire());
    drop(held);
    assert_eq!((set_aside.wakes(), other.wakes()), (1, 0));
    // Only when the first one is dropped.
    drop(set_aside);
    assert!(other.wakes() > 0 && other.poll().is_ready());
}

/// The same as the first, but what waits is a child.
fn a_nursery_runs(lock: Arc<impl Lock + Send + Sync>) {
    let (tick, progress) = (AbortHandle::new(), Count::default());
    let held = lock.clone().acquire().now_or_never().unwrap();
    let nursery = scope(async |n| {
        let (child, progress) = (lock.clone().acquire(), &progress);
        let mut waits = n.spawn(async {
            drop(child.await);
            progress.add();
        });
        let Either::Right(_) = select(&mut waits, tick.aborted()).await else {
            unreachable!("it is held");
        };
        progress.add();
        // The handle is set aside; the child itself is polled.
        drop(lock.clone().acquire().await);
        progress.add();
        drop(waits);
    });
    let mut nursery = ByHand::polled(nursery);
    tick.abort("tick");
    assert!(nursery.run().is_pending());
    assert_eq!(progress.get(), 1);
    drop(held);
    assert!(nursery.run().is_ready());
    assert_eq!(progress.get(), 3);
}

#[test]
fn a_branch_of_a_select_that_waits_for_a_lock_holds_up_its_own_task() {
    a_select_hangs(Arc::new(tokio::sync::Mutex::new(())));
    a_select_hangs(Arc::new(tokio::sync::Semaphore::new(1)));
    a_select_hangs(Arc::new(async_lock::Mutex::new(())));
}

#[test]
fn a_branch_that_was_set_aside_holds_up_another_task() {
    another_task_hangs(Arc::new(tokio::sync::Mutex::new(())));
    another_task_hangs(Arc::new(tokio::sync::Semaphore::new(1)));
    another_task_hangs(Arc::new(async_lock::Mutex::new(())));
    another_task_hangs(Arc::new(async_lock::Semaphore::new(1)));
    another_task_hangs(Arc::new(futures::lock::Mutex::new(())));
}

#[test]
fn a_child_that_waits_for_a_lock_holds_up_nobody() {
    a_nursery_runs(Arc::new(tokio::sync::Mutex::new(())));
    a_nursery_runs(Arc::new(tokio::sync::Semaphore::new(1)));
    a_nursery_runs(Arc::new(async_lock::Mutex::new(())));
    a_nursery_runs(Arc::new(async_lock::Semaphore::new(1)));
    a_nursery_runs(Arc::new(futures::lock::Mutex::new(())));
}

/// Our own limit, in the first shape: who was offered the permit and isn't polled is passed over.
#[test]
fn one_that_waits_in_a_limit_holds_up_nobody_even_without_a_nursery() {
    let (timer, limit) = (CountingTimer::default(), Limit::new(1));
    let tick = AbortHandle::new();
    let job = || yield_now().limit(&limit).with_timer(timer.clone());
    let held = ByHand::polled(job());
    let mut task = ByHand::polled(async {
        let mut waits = pin!(job());
        drop(select(waits.as_mut(), tick.aborted()).await);
        job().await.unwrap();
    });
    tick.abort("tick");
    assert!(task.run().is_pending());
    drop(held);
    assert!(task.run().is_pending());
    timer.advance(MILLISECOND);
    assert!(task.run().is_ready());
}

/// Takes a permit, works for a while, and gives it back.
async fn fetch(pool: Arc<tokio::sync::Semaphore>, progress: Count) -> usize {
    let _permit = pool.acquire_owned().await.unwrap();
    for _ in 0..3 {
        yield_now().await;
    }
    progress.add()
}

#[test]
fn a_buffer_of_futures_holds_up_the_body_of_its_own_loop() {
    let (pool, progress) = (Arc::new(tokio::sync::Semaphore::new(2)), Count::default());
    let items = stream::iter(0..6).map(|_| fetch(pool.clone(), progress.clone())).buffered(3);
    let mut task = ByHand::new(async {
        let mut items = pin!(items);
        while items.next().await.is_some() {
            // Both permits are in the buffer, which nobody polls now.
            let _permits = pool.clone().acquire_many_owned(2).await.unwrap();
            progress.add_all(100);
        }
    });
    let _ = task.run();
    assert!(progress.get() > 0);
    assert_hangs(&mut task, &progress);
}

#[test]
fn children_run_on_while_the_body_of_a_loop_waits() {
    let (pool, progress) = (Arc::new(tokio::sync::Semaphore::new(2)), Count::default());
    let nursery = scope(async |n| {
        let items: Vec<_> =
            (0..6).map(|_| n.spawn(fetch(pool.clone(), progress.clone()))).collect();
        let mut all = 0;
        for item in items {
            item.await.unwrap();
            let _permits = pool.clone().acquire_many_owned(2).await.unwrap();
            all += 1;
        }
        all
    });
    assert_eq!(ByHand::new(nursery).run(), Poll::Ready(Ok(6)));
    assert_eq!((progress.get(), pool.available_permits()), (6, 2));
}

executors::on_every_executor! {
    /// As in a service: a body that reads what comes, and children that answer it.
    async fn a_body_that_waits_for_its_own_children_is_no_deadlock(executor: Executor) {
        let (tell, mut told) = mpsc::channel::<usize>(0);
        let limit = Limit::new(1);
        let nursery = scope(async move |n| {
            for number in 0..20 {
                let (mut tell, limit) = (tell.clone(), limit.clone());
                n.spawn(async move {
                    let number = async { number }.limit(&limit).await.unwrap();
                    tell.send(number).await.unwrap();
                });
            }
            drop(tell);
            let mut sum = 0;
            while let Some(number) = told.next().await {
                // It takes the permit in between, for which children wait.
                sum += async { number }.limit(&limit).await.unwrap();
            }
            sum
        });
        assert_eq!(executor.spawn(nursery).await.unwrap(), 190);
    }
}

/// Nor does it matter who wakes it: only that it was woken.
#[test]
fn a_child_is_polled_though_the_body_never_is() {
    let (progress, gate) = (Count::default(), AbortHandle::new());
    let nursery = scope(async |n| {
        n.spawn(async {
            gate.aborted().await;
            progress.add();
        });
        std::future::pending::<()>().await
    });
    let mut nursery = Box::pin(nursery);
    let (wakes, counted) = (Count::default(), Count::default());
    let count = wakes.clone();
    let waker = on_wake(move || _ = count.add());
    let mut poll = || {
        counted.add();
        support::poll_with(nursery.as_mut(), &waker)
    };
    assert!(poll().is_pending());
    gate.abort("open");
    assert_eq!(wakes.get(), 1);
    assert!(poll().is_pending());
    assert_eq!((progress.get(), counted.get()), (1, 2));
}

fn _all_of_it_can_be_spawned(limit: Limit) -> impl Future + Send {
    scope(async move |n| n.spawn(yield_now().limit(&limit)).await)
}
