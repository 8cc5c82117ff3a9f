use alloc::boxed::Box;
use core::{fmt, future::Future, panic::Location, pin::Pin, time::Duration};

use super::{
    super::{CLEAN_UP, Owns, Report, sealed},
    AnyError, JoinHandle, Kept, Takes,
    child::{Background, Kind, Plain, Spawned, Trying},
    shared::Shared,
};
use crate::{
    abort::{AbortHandle, AbortReason, Aborted},
    future::OwnedFuture,
    operation::Operation,
    owner::core::{Core, Deferred, Later, Now, Step},
    sync::Arc,
};

/// What the body of a [`local_scope`](crate::local_scope) or a [`try_local_scope`](crate::try_local_scope) spawns its
/// children by: a [`Nursery`](super::Nursery) whose children needn't be `Send`.
///
/// ```
/// # smol::block_on(async {
/// let local = std::rc::Rc::new(7);
/// let seven = tenure::local_scope(async |n| n.spawn(async { *local }).await.unwrap());
/// assert_eq!(seven.await.unwrap(), 7);
/// # });
/// ```
pub struct LocalNursery<'env, E: 'env = AnyError> {
    pub(super) shared: Arc<Shared<Kept<'env, E>>>,
}

impl<'env, E: 'env> LocalNursery<'env, E> {
    /// As [`Nursery::spawn`](super::Nursery::spawn).
    ///
    /// # Panics
    ///
    /// As that.
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'env,
        F::Output: 'env,
    {
        spawn_kept::<_, _, Plain, E>(self, future.owned().into_operation())
    }

    /// As [`Nursery::try_spawn`](super::Nursery::try_spawn).
    ///
    /// # Panics
    ///
    /// As that.
    pub fn try_spawn<F, T, X>(&self, future: F) -> JoinHandle<T>
    where
        F: Future<Output = Result<T, X>> + 'env,
        T: 'env,
        X: fmt::Display,
        E: Takes<X>,
    {
        spawn_kept::<_, _, Trying, E>(self, future.owned().into_operation())
    }

    /// As [`Nursery::spawn_background`](super::Nursery::spawn_background).
    ///
    /// # Panics
    ///
    /// As that.
    pub fn spawn_background<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'env,
        F::Output: 'env,
    {
        spawn_kept::<_, _, Background, E>(self, future.owned().into_operation())
    }

    /// As [`Nursery::defer`](super::Nursery::defer).
    #[track_caller]
    pub fn defer(&self, f: impl FnOnce(Option<Aborted>) + 'env) {
        self.push(Box::pin(Now::new(f)));
    }

    /// As [`Nursery::defer_async`](super::Nursery::defer_async).
    #[track_caller]
    pub fn defer_async<F, Fut>(&self, f: F)
    where
        F: FnOnce(Option<Aborted>) -> Fut + 'env,
        Fut: Future<Output = ()> + 'env,
    {
        self.defer_async_within(CLEAN_UP, f);
    }

    /// As [`Nursery::defer_async_within`](super::Nursery::defer_async_within).
    #[track_caller]
    pub fn defer_async_within<F, Fut>(&self, bound: Duration, f: F)
    where
        F: FnOnce(Option<Aborted>) -> Fut + 'env,
        Fut: Future<Output = ()> + 'env,
    {
        self.push(Box::pin(Later::new(bound, f)));
    }

    /// As [`Nursery::on_close`](super::Nursery::on_close).
    pub fn on_close(&self, f: impl FnOnce(&Report) + 'env) {
        self.shared.on_close(Box::new(f));
    }

    #[track_caller]
    fn push(&self, step: Pin<Box<dyn Step + 'env>>) {
        self.shared.defer(Deferred { step, at: Location::caller() });
    }

    /// As [`Nursery::abort`](super::Nursery::abort).
    pub fn abort(&self, reason: impl Into<AbortReason>) -> bool {
        self.abort_handle().abort(reason)
    }

    /// As [`Nursery::abort_handle`](super::Nursery::abort_handle).
    #[must_use]
    pub fn abort_handle(&self) -> &AbortHandle {
        &self.core().abort
    }

    fn core(&self) -> &Arc<Core> {
        &self.shared.core
    }
}

pub(super) fn spawn_kept<'env, O, V, K, E>(nursery: &LocalNursery<'env, E>, op: O) -> JoinHandle<V>
where
    O: Operation + 'env,
    V: 'env,
    K: Kind<O::Output, E, Value = V> + 'env,
    E: 'env,
{
    let (child, handle) = Spawned::<_, _, K>::new(op);
    nursery.shared.admit(Box::pin(child));
    handle
}

impl<E> Owns for LocalNursery<'_, E> {}

impl<E> sealed::Owns for LocalNursery<'_, E> {
    fn admit(&self) -> sealed::Admission {
        sealed::Admission { core: self.core().clone(), limit: None }
    }
}

impl<E> Clone for LocalNursery<'_, E> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<E> fmt::Debug for LocalNursery<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LocalNursery").field(self.core()).finish()
    }
}
