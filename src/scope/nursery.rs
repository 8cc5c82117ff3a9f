//! Children that run inside of their scope's own future, and so may borrow.

mod child;
mod children;
mod join;
mod run;
mod shared;
mod try_scope;

use alloc::boxed::Box;
use core::{fmt, future::Future, panic::Location, time::Duration};

pub use child::{AnyError, Takes};
pub use join::JoinHandle;
pub use run::{Judges, Nursed};
pub use shared::{Family, Kept, Sent};
pub use try_scope::TryScope;

use super::{CLEAN_UP, Owns, Report, sealed};
use crate::{
    abort::{AbortHandle, AbortReason, Aborted},
    future::{Owned, OwnedFuture},
    operation::Operation,
    owner::core::{Core, Deferred, Later, Now, Step},
    sync::Arc,
};
use child::{Background, Kind, Plain, Spawned, Trying};
use shared::Shared;

/// Runs a body and the children that it spawns, as one future that ends when all of them have.
///
/// The body is given a [`Nursery`] to spawn by. Children run inside of this future, all of them as one task, and may
/// borrow whatever lives outside of it. It is ready when the body has returned, the last child has ended and been
/// dropped, and the deferred clean-up has run. So nothing outlives it:
///
/// ```
/// use std::time::Duration;
/// use tenure::OwnedFuture;
///
/// # smol::block_on(async {
/// let urls = ["http://a.example", "http://b.example"];
/// let fetched = std::sync::Mutex::new(Vec::new());
///
/// tenure::scope(async |n| {
///     for url in &urls {
///         let fetched = &fetched;
///         n.spawn(async move { fetched.lock().unwrap().push(url.len()) });
///     }
/// })
/// .with_timeout(Duration::from_secs(10))
/// .await?;
/// assert_eq!(fetched.into_inner().unwrap(), [16, 16]);
/// # Ok::<(), tenure::Aborted>(())
/// # }).unwrap();
/// ```
///
/// It is a chain like any other: what stands after it covers it as a whole, and waits for its clean-up. It is
/// `Send` where the body and the children are, so it can be spawned. Where futures aren't `Send` there is
/// [`local_scope`]; where the first error ends all of it, [`try_scope`].
///
/// Children borrow what lives outside of the scope, not the locals of its body: hand those over, in an
/// `async move` block.
///
/// # How it ends
///
/// | | |
/// |---|---|
/// | the body returns | the children run to their ends |
/// | [`n.abort(..)`](Nursery::abort), or an abort from above | the body and the children are ended: at once, or in their [grace](crate::grace) |
/// | a child that was spawned by [`try_spawn`](Nursery::try_spawn) fails | the same, with [`AbortReason::SiblingFailed`] |
/// | the body or a child panics | the same, with [`AbortReason::Panicked`], and the panic goes on in whoever awaits this |
///
/// A value that the body returns in the poll in which it aborts the nursery is kept.
///
/// # Errors
///
/// [`Aborted`], where it was aborted before the body had returned, or children were cut off after it had.
///
/// # Panics
///
/// As the first of the body and the children that does, when all of them have ended. Without the `std` feature a
/// panic isn't caught.
///
/// # Cancel safety
///
/// Dropping it half-way drops the body and the children, aborts what runs elsewhere, and runs what is sync of the
/// clean-up; what is async is skipped, and told to [`on_close`](Nursery::on_close). An abort, a timeout or a scope
/// around it doesn't drop it: it waits for the clean-up.
///
/// # Fairness
///
/// The body and the children are polled when they are woken, in that order, and none keeps the others, or other
/// tasks, from having their turn: not even while the body waits for something else.
pub fn scope<'env, B, Fut>(body: B) -> Owned<Nursed<Fut, Sent<'env, AnyError>>>
where
    B: FnOnce(Nursery<'env>) -> Fut,
    Fut: Future,
{
    Owned::new(Nursed::new(body))
}

/// As [`scope`], which the first error ends: that of the body, or of a child that was spawned by
/// [`try_spawn`](Nursery::try_spawn).
///
/// ```
/// use tenure::{Aborted, OwnedFuture};
///
/// # #[derive(Debug)]
/// # struct AppError(String);
/// # impl std::fmt::Display for AppError {
/// #     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(&self.0) }
/// # }
/// # impl From<std::num::ParseIntError> for AppError {
/// #     fn from(error: std::num::ParseIntError) -> Self { Self(error.to_string()) }
/// # }
/// # impl From<Aborted> for AppError {
/// #     fn from(error: Aborted) -> Self { Self(error.to_string()) }
/// # }
/// # smol::block_on(async {
/// let numbers = ["1", "2", "x"].map(String::from);
/// let sum = tenure::try_scope(async |n| {
///     let parsed = numbers.each_ref().map(|number| n.try_spawn(async { number.parse::<u32>() }));
///     let mut sum = 0;
///     for number in parsed {
///         sum += number.await?;
///     }
///     Ok::<_, AppError>(sum)
/// });
/// let error = sum.await.unwrap_err();
/// assert_eq!(error.to_string(), "invalid digit found in string");
/// # });
/// ```
///
/// It resolves to `Result<T, E>`, one layer, so that `?` does what one expects. To adapt it, chain on it as on any
/// other: see [`TryScope`].
///
/// # Errors
///
/// The first error, or what `E` makes of [`Aborted`].
///
/// # Panics
///
/// As [`scope`].
///
/// # Cancel safety
///
/// As [`scope`].
pub fn try_scope<'env, B, Fut, T, E>(body: B) -> TryScope<Nursed<Fut, Sent<'env, E>>>
where
    B: FnOnce(Nursery<'env, E>) -> Fut,
    Fut: Future<Output = Result<T, E>>,
    E: From<Aborted> + fmt::Display + 'env,
{
    TryScope::new(Owned::new(Nursed::new(body)))
}

/// As [`scope`], for futures that aren't `Send`.
///
/// ```
/// use std::{cell::Cell, rc::Rc};
///
/// let sum = Rc::new(Cell::new(0));
/// let summed = tenure::local_scope(async |n| {
///     for number in 1..=3 {
///         let sum = sum.clone();
///         n.spawn(async move { sum.set(sum.get() + number) });
///     }
/// });
/// smol::block_on(summed).unwrap();
/// assert_eq!(sum.get(), 6);
/// ```
///
/// # Errors
///
/// As [`scope`].
///
/// # Panics
///
/// As [`scope`].
///
/// # Cancel safety
///
/// As [`scope`].
pub fn local_scope<'env, B, Fut>(body: B) -> Owned<Nursed<Fut, Kept<'env, AnyError>>>
where
    B: FnOnce(LocalNursery<'env>) -> Fut,
    Fut: Future,
{
    Owned::new(Nursed::new(body))
}

/// As [`try_scope`], for futures that aren't `Send`.
///
/// ```
/// use std::rc::Rc;
///
/// let text = Rc::new("7".to_owned());
/// let parsed = tenure::try_local_scope(async |n| {
///     let text = text.clone();
///     let number = n.try_spawn(async move { text.parse::<u32>().map_err(std::io::Error::other) });
///     Ok::<_, std::io::Error>(number.await?)
/// });
/// assert_eq!(smol::block_on(parsed).unwrap(), 7);
/// ```
///
/// # Errors
///
/// As [`try_scope`].
///
/// # Panics
///
/// As [`scope`].
///
/// # Cancel safety
///
/// As [`scope`].
pub fn try_local_scope<'env, B, Fut, T, E>(body: B) -> TryScope<Nursed<Fut, Kept<'env, E>>>
where
    B: FnOnce(LocalNursery<'env, E>) -> Fut,
    Fut: Future<Output = Result<T, E>>,
    E: From<Aborted> + fmt::Display + 'env,
{
    TryScope::new(Owned::new(Nursed::new(body)))
}

/// What the body of a [`scope`] or a [`try_scope`] spawns its children by. Clones are the same nursery, and children may
/// have one.
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
pub struct Nursery<'env, E: 'env = AnyError> {
    shared: Arc<Shared<Sent<'env, E>>>,
}

/// What the body of a [`local_scope`] or a [`try_local_scope`] spawns its children by: a [`Nursery`] whose children
/// needn't be `Send`.
///
/// ```
/// # smol::block_on(async {
/// let local = std::rc::Rc::new(7);
/// let seven = tenure::local_scope(async |n| n.spawn(async { *local }).await.unwrap());
/// assert_eq!(seven.await.unwrap(), 7);
/// # });
/// ```
pub struct LocalNursery<'env, E: 'env = AnyError> {
    shared: Arc<Shared<Kept<'env, E>>>,
}

impl<'env, E: 'env> Nursery<'env, E> {
    /// Spawns a child. It begins when the nursery is polled next.
    ///
    /// It fails alone: what it comes to, be it an error, goes to whoever awaits the handle. But if it panics, its siblings
    /// are aborted. Dropping the handle lets it run on.
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
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'env,
        F::Output: Send + 'env,
    {
        spawn_sent::<_, _, Plain, E>(self, future.owned().into_operation())
    }

    /// Spawns a child whose error aborts its siblings, with [`AbortReason::SiblingFailed`].
    ///
    /// In a [`try_scope`] the first error is the result, and in a [`scope`] its text is in the reason. The handle of the
    /// child that fails is told of the abort.
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
    fn push(&self, step: core::pin::Pin<Box<dyn Step + Send + 'env>>) {
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

    /// The handle that aborts it, and with it all that it owns.
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

fn spawn_kept<'env, O, V, K, E>(nursery: &LocalNursery<'env, E>, op: O) -> JoinHandle<V>
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

impl<'env, E: 'env> LocalNursery<'env, E> {
    /// As [`Nursery::spawn`].
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'env,
        F::Output: 'env,
    {
        spawn_kept::<_, _, Plain, E>(self, future.owned().into_operation())
    }

    /// As [`Nursery::try_spawn`].
    pub fn try_spawn<F, T, X>(&self, future: F) -> JoinHandle<T>
    where
        F: Future<Output = Result<T, X>> + 'env,
        T: 'env,
        X: fmt::Display,
        E: Takes<X>,
    {
        spawn_kept::<_, _, Trying, E>(self, future.owned().into_operation())
    }

    /// As [`Nursery::spawn_background`].
    pub fn spawn_background<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'env,
        F::Output: 'env,
    {
        spawn_kept::<_, _, Background, E>(self, future.owned().into_operation())
    }

    /// As [`Nursery::defer`].
    #[track_caller]
    pub fn defer(&self, f: impl FnOnce(Option<Aborted>) + 'env) {
        self.push(Box::pin(Now::new(f)));
    }

    /// As [`Nursery::defer_async`].
    #[track_caller]
    pub fn defer_async<F, Fut>(&self, f: F)
    where
        F: FnOnce(Option<Aborted>) -> Fut + 'env,
        Fut: Future<Output = ()> + 'env,
    {
        self.defer_async_within(CLEAN_UP, f);
    }

    /// As [`Nursery::defer_async_within`].
    #[track_caller]
    pub fn defer_async_within<F, Fut>(&self, bound: Duration, f: F)
    where
        F: FnOnce(Option<Aborted>) -> Fut + 'env,
        Fut: Future<Output = ()> + 'env,
    {
        self.push(Box::pin(Later::new(bound, f)));
    }

    /// As [`Nursery::on_close`].
    pub fn on_close(&self, f: impl FnOnce(&Report) + 'env) {
        self.shared.on_close(Box::new(f));
    }

    #[track_caller]
    fn push(&self, step: core::pin::Pin<Box<dyn Step + 'env>>) {
        self.shared.defer(Deferred { step, at: Location::caller() });
    }

    /// As [`Nursery::abort`].
    pub fn abort(&self, reason: impl Into<AbortReason>) -> bool {
        self.abort_handle().abort(reason)
    }

    /// As [`Nursery::abort_handle`].
    #[must_use]
    pub fn abort_handle(&self) -> &AbortHandle {
        &self.core().abort
    }

    fn core(&self) -> &Arc<Core> {
        &self.shared.core
    }
}

/// A nursery that a chain can be spawned in: see [`Owned::spawn_in`](crate::Owned::spawn_in). Sealed.
pub trait Spawns<O: Operation>: spawns::Spawns<O> {}

impl<O: Operation, N: spawns::Spawns<O>> Spawns<O> for N {}

/// As [`Spawns`], for a chain whose failure aborts its siblings.
pub trait TrySpawns<O: Operation, T>: spawns::TrySpawns<O, T> {}

impl<O: Operation, T, N: spawns::TrySpawns<O, T>> TrySpawns<O, T> for N {}

mod spawns {
    use core::fmt;

    use super::{
        JoinHandle, LocalNursery, Nursery, Operation, Plain, Takes, Trying, spawn_kept, spawn_sent,
    };

    pub trait Spawns<O: Operation> {
        fn spawn_operation(&self, op: O) -> JoinHandle<O::Output>;
    }

    pub trait TrySpawns<O: Operation, T> {
        fn try_spawn_operation(&self, op: O) -> JoinHandle<T>;
    }

    impl<'env, O, E> Spawns<O> for Nursery<'env, E>
    where
        O: Operation<Output: Send + 'env, State: Send> + Send + 'env,
    {
        fn spawn_operation(&self, op: O) -> JoinHandle<O::Output> {
            spawn_sent::<_, _, Plain, E>(self, op)
        }
    }

    impl<'env, O, E> Spawns<O> for LocalNursery<'env, E>
    where
        O: Operation<Output: 'env> + 'env,
    {
        fn spawn_operation(&self, op: O) -> JoinHandle<O::Output> {
            spawn_kept::<_, _, Plain, E>(self, op)
        }
    }

    impl<'env, O, T, X, E> TrySpawns<O, T> for Nursery<'env, E>
    where
        O: Operation<Output = Result<T, X>, State: Send> + Send + 'env,
        T: Send + 'env,
        X: fmt::Display,
        E: Takes<X>,
    {
        fn try_spawn_operation(&self, op: O) -> JoinHandle<T> {
            spawn_sent::<_, _, Trying, E>(self, op)
        }
    }

    impl<'env, O, T, X, E> TrySpawns<O, T> for LocalNursery<'env, E>
    where
        O: Operation<Output = Result<T, X>> + 'env,
        T: 'env,
        X: fmt::Display,
        E: Takes<X>,
    {
        fn try_spawn_operation(&self, op: O) -> JoinHandle<T> {
            spawn_kept::<_, _, Trying, E>(self, op)
        }
    }
}

impl<E> Owns for Nursery<'_, E> {}

impl<E> sealed::Owns for Nursery<'_, E> {
    fn admit(&self) -> sealed::Admission {
        sealed::Admission { core: self.core().clone(), limit: None }
    }
}

impl<E> Owns for LocalNursery<'_, E> {}

impl<E> sealed::Owns for LocalNursery<'_, E> {
    fn admit(&self) -> sealed::Admission {
        sealed::Admission { core: self.core().clone(), limit: None }
    }
}

impl<E> Clone for Nursery<'_, E> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<E> Clone for LocalNursery<'_, E> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<E> fmt::Debug for Nursery<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Nursery").field(self.core()).finish()
    }
}

impl<E> fmt::Debug for LocalNursery<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LocalNursery").field(self.core()).finish()
    }
}
