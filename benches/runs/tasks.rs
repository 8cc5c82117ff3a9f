//! Tasks of an executor, which run until all of them have ended.

use std::{
    future::{Future, pending},
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use futures_lite::future::block_on;
use smol::Executor;
use tokio::runtime::{Builder, Runtime};

/// What runs tasks.
pub(crate) trait Tasks: 'static {
    /// Runs them to their ends, and tells how long that took and what they came to.
    fn run<F>(tasks: Vec<F>) -> (Duration, Vec<F::Output>)
    where
        F: Future<Output: Send> + Send + 'static;
}

/// tokio's, on the thread that waits for them.
pub(crate) struct OneThread;

/// tokio's, on two threads.
pub(crate) struct TwoThreads;

/// smol's, on two threads.
pub(crate) struct SmolThreads;

impl Tasks for OneThread {
    fn run<F>(tasks: Vec<F>) -> (Duration, Vec<F::Output>)
    where
        F: Future<Output: Send> + Send + 'static,
    {
        static RUNTIME: OnceLock<Runtime> = OnceLock::new();
        runtime(&RUNTIME, Builder::new_current_thread).block_on(on_tokio(tasks))
    }
}

impl Tasks for TwoThreads {
    fn run<F>(tasks: Vec<F>) -> (Duration, Vec<F::Output>)
    where
        F: Future<Output: Send> + Send + 'static,
    {
        static RUNTIME: OnceLock<Runtime> = OnceLock::new();
        let threads = || {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(2);
            builder
        };
        // From one of the two: who waits is a third.
        let all = runtime(&RUNTIME, threads).spawn(on_tokio(tasks));
        block_on(all).expect("none panics")
    }
}

/// It has no clock and no sockets, which it would look at in between.
fn runtime(
    runtime: &'static OnceLock<Runtime>,
    builder: impl FnOnce() -> Builder,
) -> &'static Runtime {
    runtime.get_or_init(|| builder().build().expect("no runtime could be built"))
}

async fn on_tokio<F>(tasks: Vec<F>) -> (Duration, Vec<F::Output>)
where
    F: Future<Output: Send> + Send + 'static,
{
    let start = Instant::now();
    let tasks: Vec<_> = tasks.into_iter().map(tokio::task::spawn).collect();
    let mut outputs = Vec::with_capacity(tasks.len());
    for task in tasks {
        outputs.push(task.await.expect("none panics"));
    }
    (start.elapsed(), outputs)
}

impl Tasks for SmolThreads {
    fn run<F>(tasks: Vec<F>) -> (Duration, Vec<F::Output>)
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let executor = executor();
        let all = executor.spawn(async {
            let start = Instant::now();
            let tasks: Vec<_> = tasks.into_iter().map(|task| executor.spawn(task)).collect();
            let mut outputs = Vec::with_capacity(tasks.len());
            for task in tasks {
                outputs.push(task.await);
            }
            (start.elapsed(), outputs)
        });
        block_on(all)
    }
}

fn executor() -> &'static Executor<'static> {
    static EXECUTOR: OnceLock<Executor<'_>> = OnceLock::new();
    static THREADS: OnceLock<()> = OnceLock::new();
    let executor = EXECUTOR.get_or_init(Executor::new);
    THREADS.get_or_init(|| {
        for _ in 0..2 {
            thread::spawn(|| block_on(executor.run(pending::<()>())));
        }
    });
    executor
}
