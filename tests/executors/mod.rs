//! One test, every executor: tokio (both flavours), smol, async-std and `futures::executor`.
//!
//! ```ignore
//! mod executors;
//!
//! executors::on_every_executor! {
//!     async fn a_promise_holds(executor: Executor) {
//!         let answer = executor.spawn(async { 42 }).await;
//!         assert_eq!(answer, 42);
//!     }
//! }
//! ```

use std::{future::Future, panic::AssertUnwindSafe};

use futures::{FutureExt, channel::oneshot, executor::ThreadPool};

/// The executor that a test runs on.
#[derive(Clone, Debug)]
pub(crate) enum Executor {
    TokioCurrentThread,
    TokioMultiThread,
    Smol,
    AsyncStd,
    Futures(ThreadPool),
}

impl Executor {
    /// Spawns `future` as a task of its own; the result is awaited, a panic goes on in whoever does.
    #[allow(dead_code, reason = "not every test spawns")]
    pub(crate) fn spawn<F>(&self, future: F) -> impl Future<Output = F::Output> + Send + use<F>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        let task = async move {
            // A receiver that is gone doesn't want to know.
            drop(tell.send(AssertUnwindSafe(future).catch_unwind().await));
        };
        match self {
            Self::TokioCurrentThread | Self::TokioMultiThread => drop(tokio::spawn(task)),
            Self::Smol => smol::spawn(task).detach(),
            Self::AsyncStd => drop(async_std::task::spawn(task)),
            Self::Futures(pool) => pool.spawn_ok(task),
        }
        async move {
            match told.await.expect("the executor dropped a task") {
                Ok(value) => value,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    }

    /// Runs a test to its end.
    pub(crate) fn run<F: Future<Output = ()>>(self, test: impl FnOnce(Self) -> F) {
        match &self {
            Self::TokioCurrentThread => {
                tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(test(self));
            }
            Self::TokioMultiThread => {
                let mut builder = tokio::runtime::Builder::new_multi_thread();
                builder.worker_threads(2).build().unwrap().block_on(test(self));
            }
            Self::Smol => smol::block_on(test(self)),
            Self::AsyncStd => async_std::task::block_on(test(self)),
            Self::Futures(_) => futures::executor::block_on(test(self)),
        }
    }

    pub(crate) fn futures() -> Self {
        Self::Futures(ThreadPool::builder().pool_size(2).create().unwrap())
    }
}

/// Makes five tests of each function, one an executor.
macro_rules! on_every_executor {
    ($($(#[$attr:meta])* async fn $name:ident($executor:ident: Executor) $body:block)+) => {
        $($(#[$attr])* mod $name {
            #[allow(unused_imports)]
            use super::*;

            async fn test($executor: $crate::executors::Executor) {
                let _ = &$executor;
                $body
            }

            #[test]
            fn on_tokio_current_thread() {
                $crate::executors::Executor::TokioCurrentThread.run(test);
            }

            #[test]
            fn on_tokio_multi_thread() {
                $crate::executors::Executor::TokioMultiThread.run(test);
            }

            #[test]
            fn on_smol() {
                $crate::executors::Executor::Smol.run(test);
            }

            #[test]
            fn on_async_std() {
                $crate::executors::Executor::AsyncStd.run(test);
            }

            #[test]
            fn on_futures() {
                $crate::executors::Executor::futures().run(test);
            }
        })+
    };
}
pub(crate) use on_every_executor;
