//! Limits, as each crate's docs advise to run a future with a permit.

#![expect(clippy::manual_async_fn, reason = "an async function has room for its arguments twice")]

use std::{
    convert::Infallible,
    future::Future,
    sync::Arc,
    task::{Context, Poll},
};

use futures::{FutureExt, future::NeverError};
use tenure::{Limit, OwnedFuture};
use tower::{Service, ServiceExt, limit::ConcurrencyLimit};

use super::{Tenure, Tokio};

/// A crate that limits how many run at once.
pub(crate) trait Limits: 'static {
    const NAME: &'static str;

    /// What each task has one of. Clones share their permits.
    type Limit: Clone + Send + Sync + 'static;

    fn new(permits: usize) -> Self::Limit;

    /// Runs `future` with a permit, for whoever keeps the limit until that is over.
    fn borrowed<F>(limit: &mut Self::Limit, future: F) -> impl Future<Output = F::Output> + Send
    where
        F: Future<Output: Send> + Send;

    /// As `borrowed`, and it can go anywhere.
    fn owned<F>(limit: &Self::Limit, future: F) -> impl Future<Output = F::Output> + Send + 'static
    where
        F: Future<Output: Send> + Send + 'static;
}

/// Which of the two.
pub(crate) trait Form: 'static {
    fn run<L, F>(limit: &mut L::Limit, future: F) -> impl Future<Output = F::Output> + Send
    where
        L: Limits,
        F: Future<Output: Send> + Send + 'static;
}

pub(crate) struct Borrowed;

pub(crate) struct Owned;

impl Form for Borrowed {
    #[inline]
    fn run<L, F>(limit: &mut L::Limit, future: F) -> impl Future<Output = F::Output> + Send
    where
        L: Limits,
        F: Future<Output: Send> + Send + 'static,
    {
        L::borrowed(limit, future)
    }
}

impl Form for Owned {
    #[inline]
    fn run<L, F>(limit: &mut L::Limit, future: F) -> impl Future<Output = F::Output> + Send
    where
        L: Limits,
        F: Future<Output: Send> + Send + 'static,
    {
        L::owned(limit, future)
    }
}

impl Limits for Tenure {
    const NAME: &'static str = "tenure";

    type Limit = Limit;

    fn new(permits: usize) -> Limit {
        Limit::new(permits)
    }

    #[inline]
    fn borrowed<F>(limit: &mut Limit, future: F) -> impl Future<Output = F::Output> + Send
    where
        F: Future<Output: Send> + Send,
    {
        async {
            let _permit = limit.acquire().await.expect("nobody aborts it");
            future.await
        }
    }

    #[inline]
    fn owned<F>(limit: &Limit, future: F) -> impl Future<Output = F::Output> + Send + 'static
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let limited = future.limit(limit);
        async { limited.await.expect("nobody aborts it") }
    }
}

impl Limits for Tokio {
    const NAME: &'static str = "tokio";

    type Limit = Arc<tokio::sync::Semaphore>;

    fn new(permits: usize) -> Self::Limit {
        Arc::new(tokio::sync::Semaphore::new(permits))
    }

    #[inline]
    fn borrowed<F>(limit: &mut Self::Limit, future: F) -> impl Future<Output = F::Output> + Send
    where
        F: Future<Output: Send> + Send,
    {
        async {
            let _permit = limit.acquire().await.expect("nobody closes it");
            future.await
        }
    }

    #[inline]
    fn owned<F>(limit: &Self::Limit, future: F) -> impl Future<Output = F::Output> + Send + 'static
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let limit = limit.clone();
        async {
            let _permit = limit.acquire_owned().await.expect("nobody closes it");
            future.await
        }
    }
}

pub(crate) struct AsyncLock;

impl Limits for AsyncLock {
    const NAME: &'static str = "async-lock";

    type Limit = Arc<async_lock::Semaphore>;

    fn new(permits: usize) -> Self::Limit {
        Arc::new(async_lock::Semaphore::new(permits))
    }

    #[inline]
    fn borrowed<F>(limit: &mut Self::Limit, future: F) -> impl Future<Output = F::Output> + Send
    where
        F: Future<Output: Send> + Send,
    {
        async {
            let _permit = limit.acquire().await;
            future.await
        }
    }

    #[inline]
    fn owned<F>(limit: &Self::Limit, future: F) -> impl Future<Output = F::Output> + Send + 'static
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let limit = limit.clone();
        async move {
            let _permit = limit.acquire_arc().await;
            future.await
        }
    }
}

/// The service that is limited runs the futures that it is given. Below is tokio's semaphore, owned at all times: what
/// is borrowed is the service.
pub(crate) struct Tower;

impl Limits for Tower {
    const NAME: &'static str = "tower";

    type Limit = ConcurrencyLimit<RunIt>;

    fn new(permits: usize) -> Self::Limit {
        ConcurrencyLimit::new(RunIt, permits)
    }

    #[inline]
    fn borrowed<F>(limit: &mut Self::Limit, future: F) -> impl Future<Output = F::Output> + Send
    where
        F: Future<Output: Send> + Send,
    {
        async {
            let Ok(service) = ServiceExt::<F>::ready(limit).await;
            let Ok(output) = service.call(future).await;
            output
        }
    }

    #[inline]
    fn owned<F>(limit: &Self::Limit, future: F) -> impl Future<Output = F::Output> + Send + 'static
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let service = limit.clone();
        async {
            let Ok(output) = service.oneshot(future).await;
            output
        }
    }
}

#[derive(Clone)]
pub(crate) struct RunIt;

impl<F: Future> Service<F> for RunIt {
    type Response = F::Output;
    type Error = Infallible;
    type Future = NeverError<F>;

    #[inline]
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, future: F) -> NeverError<F> {
        future.never_error()
    }
}
