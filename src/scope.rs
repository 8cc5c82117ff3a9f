//! Owners of many: nothing that they own outlives them.
//!
//! There are two kinds, for children can't both borrow and run anywhere:
//!
//! | | a nursery, made by [`scope`](crate::scope()) | a [`Scope`] |
//! |---|---|---|
//! | children run | inside of its own future, as one task | anywhere: on any task, any executor |
//! | they may borrow | what lives outside of it | nothing that isn't `'static`, when they are spawned |
//! | it lives | as long as it is awaited | as a value, which can be kept and cloned |
//! | it ends | when its body and its children have | when it is [closed](Scope::close) |
//! | begin with | `tenure::scope(async \|n\| ..)` | `Scope::new("name")` |
//!
//! Both own, abort, clean up and report in the same way. [`try_scope`] is a nursery that the first error
//! ends, [`local_scope`] one for futures that aren't `Send`.
//!
//! # Nurseries
//!
//! ```
//! use std::time::Duration;
//! use tenure::{Aborted, OwnedFuture};
//!
//! # #[derive(Debug)]
//! # struct AppError;
//! # impl From<Aborted> for AppError { fn from(_: Aborted) -> Self { AppError } }
//! # impl std::fmt::Display for AppError {
//! #     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str("app") }
//! # }
//! # struct Db;
//! # async fn load_user(_: &Db) -> Result<&str, AppError> { Ok("ada") }
//! # async fn load_plan(_: &Db) -> Result<&str, AppError> { Ok("basic") }
//! const SECOND: Duration = Duration::from_secs(1);
//!
//! # smol::block_on(async {
//! # let db = Db;
//! // Two at once, each with a second. If either fails, the other one is aborted, and gone before this returns.
//! let (user, plan) = tenure::try_scope(async |n| {
//!     let user = load_user(&db).with_timeout(SECOND).spawn_in(&n);
//!     let plan = load_plan(&db).with_timeout(SECOND).spawn_in(&n);
//!     Ok::<_, AppError>((user.await??, plan.await??))
//! })
//! .await?;
//! # assert_eq!((user, plan), ("ada", "basic"));
//! # Ok::<_, AppError>(())
//! # }).unwrap();
//! ```
//!
//! # Scopes of tasks
//!
//! A [`Scope`] owns futures that run anywhere: on one task or many, on several executors at once. It
//! doesn't run them, and it never spawns. Aborting it ends all of them with a typed reason; closing
//! it waits until the last one has ended and been dropped, and then runs the deferred clean-up.
//!
//! ```
//! use tenure::{OwnedFuture, Scope};
//!
//! # smol::block_on(async {
//! let scope = Scope::new("ingest");
//! let worker = smol::spawn(std::future::pending::<()>().in_scope(&scope));
//!
//! scope.abort("user hit stop");
//! scope.close().await; // the worker has ended by now
//!
//! let aborted = worker.await.unwrap_err();
//! assert_eq!(aborted.to_string(), "user hit stop (in `ingest`)");
//! # });
//! ```
//!
//! # Scopes in scopes
//!
//! [`scope.child("name")`](Scope::child) makes a scope in a scope, which is aborted and closed with it. One that has
//! two owners may be put into both, `.in_scope(&one).in_scope(&other)`: the abort of either ends it.
//!
//! # Failure
//!
//! | | its error | its panic |
//! |---|---|---|
//! | [`in_scope`](crate::OwnedFuture::in_scope), [`n.spawn`](Nursery::spawn) | goes to whoever awaits it | aborts the siblings, and goes on in whoever awaits it, or the nursery |
//! | [`try_in_scope`](crate::OwnedFuture::try_in_scope), [`n.try_spawn`](Nursery::try_spawn) | aborts the siblings, too | the same |
//! | [`n.spawn_background`](Nursery::spawn_background) | goes to whoever awaits it | is told to that one, and to the report |
//!
//! The first failure is what the siblings are told, by [`AbortReason::SiblingFailed`]. What fails later is kept, too:
//! the [`Report`] has a list of it.
//!
//! # Soft, then hard
//!
//! What is aborted is dropped at once, unless it asked for time to end: [`grace`](crate::grace) teaches how. Whoever
//! ends a scope waits for that, and for its clean-up.
//!
//! # Clean-up
//!
//! What [`defer`](Scope::defer) puts off runs when all that the scope owns has ended, the last deferred first. Each
//! piece is told why the scope was aborted, and has a bound. One that fails, panics or hangs stops no other, and
//! hides no failure. A drop never blocks: a scope that is dropped, and not closed, runs what is sync of it at once,
//! and skips what is async, unless a [`Reaper`] takes over. For one thing that is acquired and to be released, there
//! is [`bracket`](crate::bracket()).

mod builder;
mod close;
mod defer;
mod failure;
mod in_scope;
mod nursery;
mod open;
mod reaper;
mod report;

use alloc::vec::Vec;
use core::{fmt, future::Future, time::Duration};

pub use builder::Builder;
pub use close::{Close, CloseWithin, Closed};
pub use in_scope::{InScope, TryInScope};
pub use nursery::{
    AnyError, Family, JoinHandle, Judges, Kept, LocalNursery, Nursed, Nursery, Sent, Spawns, Takes,
    TryScope, TrySpawns, local_scope, scope, try_local_scope, try_scope,
};
pub use open::{Alive, Progress, StillOpen};
pub use reaper::{Drain, Reaper, Reaping};
pub use report::{CleanUp, Failure, FailureKind, Members, Report};

use crate::{
    abort::{AbortHandle, AbortReason, Name},
    future::{Owned, OwnedFuture},
    limit::Limit,
    operation::Once,
    owner::core::{Core, Tasks},
    sync::Arc,
};

/// How long a piece of async clean-up may take, unless it is given a bound of its own.
const CLEAN_UP: Duration = Duration::from_secs(10);

/// Owns futures that run anywhere. Clones are the same scope.
///
/// See the [module](mod@crate::scope) for an example.
///
/// ```
/// use tenure::{OwnedFuture, Scope};
///
/// let scope = Scope::new("short-lived");
/// let endless = std::future::pending::<()>().in_scope(&scope);
/// drop(scope);
/// assert_eq!(smol::block_on(endless).unwrap_err().reason().to_string(), "its owner has ended");
/// ```
///
/// # Drop
///
/// Dropping the last clone aborts what is left with [`AbortReason::ScopeEnded`]. When the last member has gone, the
/// sync clean-up runs, in whichever task drops it: a panic in it is told in the report, and not resumed there. Async
/// clean-up is left to who closes a scope above at that time, or to a [`Reaper`], or to the next who closes one above
/// that is to be closed; where there is none of these, it is dropped unrun, for there is nobody to poll it. To have
/// it run, [`close`](Scope::close).
#[derive(Clone)]
pub struct Scope {
    handle: Arc<Handle>,
}

/// Counts the clones of a scope, apart from its members.
struct Handle {
    core: Arc<Core>,
    limit: Option<Limit>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        Tasks::orphan(&self.core);
    }
}

/// What can own a future: see [`OwnedFuture::in_scope`]. Sealed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no scope",
    label = "owns no futures",
    note = "give it a reference to a `Scope`, or to what `tenure::scope(async |n| ..)` hands out"
)]
pub trait Owns: sealed::Owns {}

impl Owns for Scope {}

mod sealed {
    use crate::{limit::Limit, owner::core::Core, sync::Arc};

    pub trait Owns {
        fn admit(&self) -> Admission;
    }

    /// Whose member it is, and what its members need.
    #[derive(Debug)]
    pub struct Admission {
        pub(crate) core: Arc<Core>,
        pub(crate) limit: Option<Limit>,
    }
}

impl sealed::Owns for Scope {
    fn admit(&self) -> sealed::Admission {
        let Handle { core, limit } = &*self.handle;
        sealed::Admission { core: core.clone(), limit: limit.clone() }
    }
}

impl Scope {
    /// A scope, by the name that aborts and reports call it.
    ///
    /// ```
    /// # use tenure::Scope;
    /// assert_eq!(Scope::new("ingest").members(), 0);
    /// ```
    #[must_use]
    pub fn new(name: impl Into<Name>) -> Self {
        Self::builder(name).build()
    }

    /// A scope with settings of its own.
    ///
    /// ```
    /// use tenure::{Scope, time::TestClock};
    ///
    /// let clock = TestClock::new();
    /// let scope = Scope::builder("test").timer(&clock).build();
    /// assert_eq!(scope.name(), "test");
    /// ```
    pub fn builder(name: impl Into<Name>) -> Builder {
        Builder::new(name.into())
    }

    /// A scope in this one: see [`Builder::child_of`].
    ///
    /// It is a member of this one until it has closed, or was dropped and has ended. The close of this one closes it
    /// first, the last child first.
    ///
    /// ```
    /// use tenure::Scope;
    ///
    /// # smol::block_on(async {
    /// let service = Scope::new("service");
    /// let request = service.child("request");
    /// request.defer(|aborted| println!("hung up: {aborted:?}"));
    /// service.abort("shutting down");
    /// service.close().await; // and with it the request, which has cleaned up by now
    /// assert_eq!(request.closed().await.clean_up().steps, 1);
    /// # });
    /// ```
    #[must_use]
    pub fn child(&self, name: impl Into<Name>) -> Self {
        Self::builder(name).child_of(self).build()
    }

    fn core(&self) -> &Arc<Core> {
        &self.handle.core
    }

    /// The name that it was given.
    ///
    /// ```
    /// # use tenure::Scope;
    /// assert_eq!(Scope::new("ingest").name(), "ingest");
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        self.handle.core.name.as_deref().unwrap_or_default()
    }

    /// Aborts all that it owns, and tells whether it was this call that did. The first reason wins.
    ///
    /// What it owns is woken here and ends as soon as it is polled; to wait for that,
    /// [`close`](Scope::close) the scope. From now on it starts nothing.
    ///
    /// ```
    /// use tenure::Scope;
    ///
    /// let scope = Scope::new("ingest");
    /// assert!(scope.abort("user hit stop"));
    /// assert!(!scope.abort("again"));
    /// ```
    ///
    /// # Panics
    ///
    /// As [`AbortHandle::abort`].
    pub fn abort(&self, reason: impl Into<AbortReason>) -> bool {
        self.handle.core.abort.abort(reason)
    }

    /// Whether it was aborted. One atomic load.
    ///
    /// ```
    /// # use tenure::Scope;
    /// let scope = Scope::new("ingest");
    /// scope.abort("user hit stop");
    /// assert!(scope.is_aborted());
    /// ```
    #[must_use]
    pub fn is_aborted(&self) -> bool {
        self.handle.core.abort.is_aborted()
    }

    /// The handle that aborts it, and with it all that it owns.
    ///
    /// ```
    /// use tenure::Scope;
    ///
    /// let (outer, inner) = (Scope::new("outer"), Scope::new("inner"));
    /// let below = inner.abort_handle().clone();
    /// outer.abort_handle().on_abort(move |aborted| { below.abort(aborted.clone()); }).detach();
    /// outer.abort("all of it");
    /// assert!(inner.is_aborted());
    /// ```
    #[must_use]
    pub fn abort_handle(&self) -> &AbortHandle {
        &self.handle.core.abort
    }

    /// How many members it has: futures put into it that have neither ended nor been dropped, and scopes in it.
    ///
    /// ```
    /// use tenure::{OwnedFuture, Scope};
    ///
    /// let scope = Scope::new("pair");
    /// let (a, b) = (async {}.in_scope(&scope), async {}.in_scope(&scope));
    /// assert_eq!(scope.members(), 2);
    /// smol::block_on(a).unwrap();
    /// drop(b);
    /// assert_eq!(scope.members(), 0);
    /// ```
    #[must_use]
    pub fn members(&self) -> usize {
        self.handle.core.members()
    }

    /// Takes no more members, waits until each one has ended and been dropped, and runs the deferred
    /// clean-up. It doesn't abort anything: for that, [`abort`](Scope::abort) first.
    ///
    /// It may be awaited by several tasks; each gets the report once all is done. It begins when it
    /// is first polled.
    ///
    /// ```
    /// use tenure::{OwnedFuture, Scope};
    ///
    /// # smol::block_on(async {
    /// let scope = Scope::new("batch");
    /// let job = smol::spawn(async { 1 }.in_scope(&scope));
    /// let report = scope.close().await;
    /// assert!(report.aborted().is_none()); // nobody aborted it
    ///
    /// // Now it is closed, it starts nothing.
    /// let late = async { 2 }.in_scope(&scope).await;
    /// assert_eq!(late.unwrap_err().to_string(), "its owner has ended (in `batch`)");
    /// # job.await.unwrap();
    /// # });
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Dropping it leaves the scope closing, and a clean-up that has begun where it is: the next `close()` goes on
    /// from there. So it is with the scopes below of which nobody has a handle any more, for as long as there is one
    /// of this scope.
    ///
    /// # Deadlock
    ///
    /// A member that isn't polled doesn't end, nor does one that was [forgotten](core::mem::forget). Awaited inside a
    /// member, in the scope's own clean-up, or in the task that holds a member and doesn't poll it, it waits for
    /// ever, or for as long as that has:
    ///
    /// ```
    /// use std::{future::pending, pin::pin, time::Duration};
    /// use tenure::{OwnedFuture, Scope, scope::Progress};
    ///
    /// # smol::block_on(async {
    /// let scope = Scope::new("ingest");
    /// let reader = pin!(pending::<()>().named("reader").in_scope(&scope));
    /// scope.abort("enough");
    /// // `scope.close().await` waits for ever: only this task could poll the reader, and it is busy closing.
    /// let open = scope.close_within(Duration::from_millis(1)).await.unwrap_err();
    /// assert_eq!(open.to_string(), "`ingest` is still open: `reader` was never polled");
    /// # drop(reader);
    /// # });
    /// ```
    pub fn close(&self) -> Close {
        Close::new(self.clone())
    }

    /// As [`close`](Scope::close), but not for longer than this: what is still alive then is named.
    ///
    /// It aborts nothing, neither before nor after: a service lets its requests end by themselves for a while, aborts
    /// what is left, and gives that a moment to end:
    ///
    /// ```
    /// use std::{future::pending, time::Duration};
    /// use tenure::{OwnedFuture, Scope, time::TestClock};
    ///
    /// const SECOND: Duration = Duration::from_secs(1);
    ///
    /// async fn shut_down(requests: &Scope) {
    ///     if let Err(open) = requests.close_within(30 * SECOND).await {
    ///         println!("{open}"); // `requests` is still open: `/report` is pending
    ///         requests.abort("shutting down");
    ///         if let Err(stuck) = requests.close_within(5 * SECOND).await {
    ///             println!("{stuck}");
    ///         }
    ///     }
    /// }
    ///
    /// let clock = TestClock::new();
    /// let requests = Scope::builder("requests").timer(&clock).build();
    /// let report = clock.watch(pending::<()>().named("/report").in_scope(&requests));
    /// let down = clock.watch(shut_down(&requests));
    /// let (report, ()) = smol::block_on(futures::future::join(report, down));
    /// assert_eq!(report.unwrap_err().to_string(), "shutting down (in `requests`)");
    /// assert_eq!(clock.elapsed(), 30 * SECOND);
    /// ```
    ///
    /// # Errors
    ///
    /// [`StillOpen`], with the names of those that live on and how far each has got. The scope stays closing.
    /// Without the `std` feature and without a timer the time is over at the first `Pending`.
    ///
    /// # Cancel safety
    ///
    /// As [`close`](Scope::close).
    pub fn close_within(&self, within: Duration) -> CloseWithin {
        CloseWithin::new(self.clone(), within)
    }

    /// Ready, with the report, once the scope has closed and its clean-up is done, whoever closes it; at once where it
    /// has. It doesn't close it: somebody must, or drop its last clone.
    ///
    /// It is no clone of the scope, and so keeps that from nothing.
    ///
    /// ```
    /// use tenure::{OwnedFuture, Scope};
    ///
    /// # smol::block_on(async {
    /// let scope = Scope::new("batch");
    /// let closed = smol::spawn(scope.closed());
    /// let job = smol::spawn(async { 1 }.in_scope(&scope));
    /// job.await.unwrap();
    /// drop(scope);
    /// assert_eq!(closed.await.members().ran, 1);
    /// # });
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Dropping it has no effect.
    pub fn closed(&self) -> Closed {
        Closed::new(self.core().clone())
    }

    /// The members that have a name, and how far each has got. A member without a name is in
    /// [`members`](Scope::members) alone.
    ///
    /// ```
    /// use tenure::{OwnedFuture, Scope};
    ///
    /// let scope = Scope::new("pair");
    /// let _pair = ["a", "b"].map(|name| async {}.named(name).in_scope(&scope));
    /// let alive: Vec<_> = scope.alive().iter().map(|member| member.name().to_owned()).collect();
    /// assert_eq!(alive, ["a", "b"]);
    /// ```
    #[must_use]
    pub fn alive(&self) -> Vec<Alive> {
        Alive::of(self.core()).collect()
    }

    /// Spawns `future` as a member, with what spawns on your executor.
    ///
    /// `scope.spawn_on(f, future)` is `f(future.in_scope(&scope))`, to be read in the order in which one thinks of it.
    ///
    /// ```
    /// use tenure::Scope;
    ///
    /// # smol::block_on(async {
    /// let scope = Scope::new("pair");
    /// let answer = scope.spawn_on(smol::spawn, async { 42 });
    /// assert_eq!(answer.await.unwrap(), 42);
    /// # });
    /// ```
    pub fn spawn_on<F: Future, R>(
        &self,
        spawn: impl FnOnce(Owned<InScope<Once<F>>>) -> R,
        future: F,
    ) -> R {
        spawn(future.in_scope(self))
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle.core.fmt(f)
    }
}
