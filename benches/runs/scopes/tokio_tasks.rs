//! Those whose children are tasks of tokio's, here on a runtime of the thread that waits for them.
//!
//! They run by the runtime's scheduler, so they may be of any type, but can't borrow. What that takes for tasks
//! with nothing around them is told by [`Bare`].

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::OnceLock,
    task::Poll,
};

use tokio::{
    runtime::{Builder, Runtime},
    task,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Child, Scopes, Sibling, number};

/// Tasks, each of which is awaited by its handle. They are no scope: this is what the others stand on.
pub(crate) struct Bare;

/// A set of tasks, which gives out what each comes to as soon as it is ready.
pub(crate) struct JoinSet;

/// It counts its tasks, and waits until there are none. Each has a handle: dropped at once, or awaited.
pub(crate) struct Tracker;

impl Scopes for Bare {
    const NAME: &'static str = "tokio, bare tasks";
    const IS_ON_TOKIO: bool = true;

    async fn join<C: Child>(n: usize) {
        let handles: Vec<_> = (0..n).map(|_| task::spawn(C::default())).collect();
        for handle in handles {
            drop(handle.await.expect("nobody aborts it"));
        }
    }

    async fn sum<C: Child>(n: usize) -> u64 {
        let handles: Vec<_> = (0..n).map(|_| task::spawn(C::default())).collect();
        let mut sum = 0;
        for handle in handles {
            sum += number(handle.await.expect("nobody aborts it"));
        }
        sum
    }

    async fn fail(n: usize) {
        let siblings: Vec<_> = (0..n).map(|_| task::spawn(Sibling::default())).collect();
        assert!(task::spawn(Sibling::failing()).await.expect("nobody aborts it").is_err());
        siblings.iter().for_each(task::JoinHandle::abort);
        for sibling in siblings {
            assert!(sibling.await.is_err());
        }
    }
}

impl Scopes for JoinSet {
    const NAME: &'static str = "JoinSet";
    const IS_ON_TOKIO: bool = true;

    async fn join<C: Child>(n: usize) {
        let mut set = task::JoinSet::new();
        for _ in 0..n {
            set.spawn(C::default());
        }
        while set.join_next().await.is_some() {}
    }

    async fn sum<C: Child>(n: usize) -> u64 {
        let mut set = task::JoinSet::new();
        for _ in 0..n {
            set.spawn(C::default());
        }
        let mut sum = 0;
        while let Some(one) = set.join_next().await {
            sum += number(one.expect("nobody aborts it"));
        }
        sum
    }

    async fn fail(n: usize) {
        let mut set = task::JoinSet::new();
        for _ in 0..n {
            set.spawn(Sibling::default());
        }
        set.spawn(Sibling::failing());
        while let Some(result) = set.join_next().await {
            if result.expect("nobody has aborted it").is_err() {
                return set.shutdown().await;
            }
        }
    }
}

impl Scopes for Tracker {
    const NAME: &'static str = "TaskTracker";
    const IS_ON_TOKIO: bool = true;

    async fn join<C: Child>(n: usize) {
        let tracker = TaskTracker::new();
        for _ in 0..n {
            drop(tracker.spawn(C::default()));
        }
        tracker.close();
        tracker.wait().await;
    }

    async fn sum<C: Child>(n: usize) -> u64 {
        let tracker = TaskTracker::new();
        let handles: Vec<_> = (0..n).map(|_| tracker.spawn(C::default())).collect();
        tracker.close();
        let mut sum = 0;
        for handle in handles {
            sum += number(handle.await.expect("nobody aborts it"));
        }
        tracker.wait().await;
        sum
    }

    /// The siblings run until a token is cancelled.
    async fn fail(n: usize) {
        let tracker = TaskTracker::new();
        let token = CancellationToken::new();
        for _ in 0..n {
            tracker.spawn(token.clone().run_until_cancelled_owned(Sibling::default()));
        }
        tracker.spawn(async move {
            if Sibling::failing().await.is_err() {
                token.cancel();
            }
        });
        tracker.close();
        tracker.wait().await;
    }
}

/// Of this thread. It has no clock and no sockets, which it would look at in between.
pub(super) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME
        .get_or_init(|| Builder::new_current_thread().build().expect("no runtime could be built"))
}

/// Polls what has spawned siblings until all of them were polled.
pub(super) async fn at_rest<F: Future>(future: F) -> Pin<Box<F>> {
    let mut future = Box::pin(future);
    assert!(poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await.is_pending());
    while !Sibling::all_wait() {
        task::yield_now().await;
    }
    future
}
