//! Children that run inside of their scope's own future, and so may borrow.

mod begin;
mod body;
mod child;
mod children;
mod join;
mod judges;
mod local;
mod nursed;
mod outcome;
mod places;
mod run;
mod shared;
mod spawns;
mod try_scope;
mod turns;

use alloc::boxed::Box;
use core::{fmt, future::Future, panic::Location, pin::Pin, time::Duration};

pub use begin::{local_scope, scope, try_local_scope, try_scope};
pub use child::{AnyError, Takes};
pub use join::JoinHandle;
pub use judges::Judges;
pub use local::LocalNursery;
pub use nursed::Nursed;
pub use shared::{Family, Kept, Sent};
pub use spawns::{Spawns, TrySpawns};
pub use try_scope::TryScope;

use super::{CLEAN_UP, Owns, Report, sealed};
use crate::{
    abort::{AbortHandle, AbortReason, Aborted},
    future::OwnedFuture,
    operation::Operation,
    owner::core::{Core, Deferred, Later, Now, Step},
    sync::Arc,
};
use child::{Background, Kind, Plain, Spawned, Trying};
use shared::Shared;

/// What the body of a [`scope`](fn@super::scope) or a [`try_scope`](fn@super::try_scope) spawns its children by.
/// Clones are the same nursery, and children may have one.
///
/// ```
/// # smol::block_on(async {
/// let depth = tenure::scope(async |n| {
///     let inner = n.clone();
///     let child = n.spawn(async move { inner.spawn(async { 2 }).await.unwrap() });
///     child.await.unwrap()
/// });
/// assert_eq!(depth.await.unwrap(), 2);
/// # });
/// ```
///
/// A nursery that has ended, or was aborted, takes no more children: what is spawned then never starts, and its handle
/// says why.
///
/// A future that runs on a task of its own is owned by it too, as a member, by
/// [`.in_scope(&n)`](crate::OwnedFuture::in_scope): the nursery waits for it. Somebody has to poll it, or drop it, or
/// the nursery [never ends](fn@super::scope#deadlock): what has no task of its own is to be spawned.
pub struct Nursery<'env, E: 'env = AnyError> {
    shared: Arc<Shared<Sent<'env, E>>>,
}

impl<'env, E: 'env> Nursery<'env, E> {
    /// Spawns a child. It begins when the nursery is polled next.
    ///
    /// It fails alone: what it comes to, be it an error, goes to whoever awaits the handle. But if it panics, its
    /// siblings are aborted. Dropping the handle lets it run on.
    ///
    /// To spawn a chain of adapters without a second layer of `Result`, write
    /// [`chain.spawn_in(&n)`](crate::Owned::spawn_in).
    ///
    /// ```
    /// # smol::block_on(async {
    /// let answer = tenure::scope(async |n| n.spawn(async { 42 }).await);
    /// assert_eq!(answer.await.unwrap().unwrap(), 42);
    /// # });
    /// ```
    ///
    /// # Panics
    ///
    /// Where the nursery takes no more children, `future` is dropped here: if that panics, the panic goes on.
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'env,
        F::Output: Send + 'env,
    {
        spawn_sent::<_, _, Plain, E>(self, future.owned().into_operation())
    }

    /// Spawns a child whose error aborts its siblings, with [`AbortReason::SiblingFailed`].
    ///
    /// In a [`try_scope`](fn@super::try_scope) the first error is the result, and in a [`scope`](fn@super::scope) its
    /// text is in the reason. The handle of the child that fails is told of the abort.
    ///
    /// ```
    /// # smol::block_on(async {
    /// let failed = tenure::scope(async |n| {
    ///     n.try_spawn(async { Err::<(), _>("no such user") });
    ///     std::future::pending::<()>().await
    /// });
    /// assert_eq!(failed.await.unwrap_err().to_string(), "a sibling failed: no such user");
    /// # });
    /// ```
    ///
    /// # Panics
    ///
    /// As [`spawn`](Self::spawn).
    pub fn try_spawn<F, T, X>(&self, future: F) -> JoinHandle<T>
    where
        F: Future<Output = Result<T, X>> + Send + 'env,
        T: Send + 'env,
        X: fmt::Display,
        E: Takes<X>,
    {
        spawn_sent::<_, _, Trying, E>(self, future.owned().into_operation())
    }

    /// Spawns a child that fails alone, even if it panics: then its handle is told, and the [report](Self::on_close).
    ///
    /// The nursery waits for it as for any other.
    ///
    /// ```
    /// use tenure::AbortReason;
    ///
    /// # smol::block_on(async {
    /// let told = tenure::scope(async |n| {
    ///     n.spawn_background(async { panic!("out of ink") }).await
    /// });
    /// let told: Result<(), _> = told.await.unwrap();
    /// assert!(matches!(told.unwrap_err().reason(), AbortReason::Panicked { .. }));
    /// # });
    /// ```
    ///
    /// # Panics
    ///
    /// As [`spawn`](Self::spawn).
    pub fn spawn_background<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'env,
        F::Output: Send + 'env,
    {
        spawn_sent::<_, _, Background, E>(self, future.owned().into_operation())
    }

    /// Defers clean-up until the body and all children have ended: the last deferred runs first.
    ///
    /// `f` may borrow as children may, and is told why the nursery was aborted, if it was. If it panics, the rest still
    /// runs, and the [report](Self::on_close) tells.
    ///
    /// ```
    /// # smol::block_on(async {
    /// let mut log = Vec::new();
    /// tenure::scope(async |n| {
    ///     n.defer(|aborted| log.push(aborted.is_none()));
    /// })
    /// .await?;
    /// assert_eq!(log, [true]);
    /// # Ok::<(), tenure::Aborted>(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn defer(&self, f: impl FnOnce(Option<Aborted>) + Send + 'env) {
        self.push(Box::pin(Now::new(f)));
    }

    /// Defers async clean-up, in the same order as [`defer`](Self::defer). It is ended after 10 seconds.
    ///
    /// Without the `std` feature and without a timer, nobody could tell when those are over: it is ended at its first
    /// `Pending`.
    ///
    /// ```
    /// # smol::block_on(async {
    /// let said = std::sync::Mutex::new(String::new());
    /// tenure::scope(async |n| {
    ///     n.defer_async(async |_| {
    ///         smol::future::yield_now().await;
    ///         said.lock().unwrap().push_str("goodbye");
    ///     });
    /// })
    /// .await?;
    /// assert_eq!(said.into_inner().unwrap(), "goodbye");
    /// # Ok::<(), tenure::Aborted>(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn defer_async<F, Fut>(&self, f: F)
    where
        F: FnOnce(Option<Aborted>) -> Fut + Send + 'env,
        Fut: Future<Output = ()> + Send + 'env,
    {
        self.defer_async_within(CLEAN_UP, f);
    }

    /// As [`defer_async`](Self::defer_async), with a bound of its own.
    ///
    /// ```
    /// use std::{future::pending, time::Duration};
    ///
    /// # smol::block_on(async {
    /// let mut overran = 0;
    /// tenure::scope(async |n| {
    ///     n.on_close(|report| overran = report.clean_up().overran);
    ///     n.defer_async_within(Duration::from_millis(1), |_| pending());
    /// })
    /// .await?;
    /// assert_eq!(overran, 1);
    /// # Ok::<(), tenure::Aborted>(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn defer_async_within<F, Fut>(&self, bound: Duration, f: F)
    where
        F: FnOnce(Option<Aborted>) -> Fut + Send + 'env,
        Fut: Future<Output = ()> + Send + 'env,
    {
        self.push(Box::pin(Later::new(bound, f)));
    }

    /// Calls `f` with the report when all has ended and is cleaned up; also where the nursery is dropped half-way. One
    /// that is given too late for that is dropped.
    ///
    /// ```
    /// use std::future::pending;
    ///
    /// let mut told = String::new();
    /// let dropped = tenure::scope(async |n| {
    ///     n.on_close(|report| told = report.to_string());
    ///     n.defer_async(|_| async { unreachable!("nobody polls it") });
    ///     pending::<()>().await
    /// });
    /// assert!(smol::block_on(futures::future::select(Box::pin(dropped), std::future::ready(()))).is_right());
    /// assert_eq!(told, "closed: its owner has ended; clean-up: 1 skipped");
    /// # trait IsRight { fn is_right(&self) -> bool; }
    /// # impl<A, B> IsRight for futures::future::Either<A, B> { fn is_right(&self) -> bool { matches!(self, Self::Right(_)) } }
    /// ```
    pub fn on_close(&self, f: impl FnOnce(&Report) + Send + 'env) {
        self.shared.on_close(Box::new(f));
    }

    #[track_caller]
    fn push(&self, step: Pin<Box<dyn Step + Send + 'env>>) {
        self.shared.defer(Deferred { step, at: Location::caller() });
    }

    /// Aborts the body and all children, and tells whether it was this call that did. The first reason wins.
    ///
    /// What the body returns in this very poll is kept.
    ///
    /// ```
    /// # smol::block_on(async {
    /// let first = tenure::scope(async |n| {
    ///     n.spawn(std::future::pending::<()>());
    ///     let first = n.spawn(async { 1 }).await.unwrap();
    ///     n.abort("one is enough");
    ///     first
    /// });
    /// assert_eq!(first.await.unwrap(), 1);
    /// # });
    /// ```
    ///
    /// # Panics
    ///
    /// As [`AbortHandle::abort`].
    pub fn abort(&self, reason: impl Into<AbortReason>) -> bool {
        self.abort_handle().abort(reason)
    }

    /// The handle that aborts it, and with it all that it owns. When the nursery has ended it is aborted, with
    /// [`AbortReason::ScopeEnded`]: what runs elsewhere under it doesn't outlive the nursery.
    ///
    /// ```
    /// # smol::block_on(async {
    /// let live = tenure::scope(async |n| !n.abort_handle().is_aborted());
    /// assert!(live.await.unwrap());
    /// # });
    /// ```
    #[must_use]
    pub fn abort_handle(&self) -> &AbortHandle {
        &self.core().abort
    }

    fn core(&self) -> &Arc<Core> {
        &self.shared.core
    }
}

fn spawn_sent<'env, O, V, K, E>(nursery: &Nursery<'env, E>, op: O) -> JoinHandle<V>
where
    O: Operation + Send + 'env,
    O::State: Send,
    V: Send + 'env,
    K: Kind<O::Output, E, Value = V> + 'env,
    E: 'env,
{
    let (child, handle) = Spawned::<_, _, K>::new(op);
    nursery.shared.admit(Box::pin(child));
    handle
}

impl<E> Owns for Nursery<'_, E> {}

impl<E> sealed::Owns for Nursery<'_, E> {
    fn admit(&self) -> sealed::Admission {
        sealed::Admission { core: self.core().clone(), limit: None }
    }
}

impl<E> Clone for Nursery<'_, E> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<E> fmt::Debug for Nursery<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Nursery").field(self.core()).finish()
    }
}
