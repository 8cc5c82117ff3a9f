//! Owners of many: [`Scope`], and what it owns.
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
//! A scope isn't a member of another one; the futures are. Put them into both,
//! `.in_scope(&inner).in_scope(&outer)`, and the abort of either one ends them.
//!
//! # Failure
//!
//! [`in_scope`](crate::OwnedFuture::in_scope) owns, and leaves a failure to whoever awaits it.
//! [`try_in_scope`](crate::OwnedFuture::try_in_scope) also aborts the siblings when it fails, as
//! `join` and `try_join` differ in `futures`. A panic always aborts the siblings, and goes on in
//! whoever awaits the future that panicked.

mod close;
mod in_scope;

use alloc::boxed::Box;
use core::{fmt, future::Future, time::Duration};

pub use close::{Close, Report};
pub use in_scope::{InScope, TryInScope};

use crate::{
    abort::{AbortHandle, AbortReason, Aborted, Name},
    future::OwnedFuture,
    owner::core::{Core, Member, Step},
    sync::Arc,
    time::TimerHandle,
};

/// How long a piece of async clean-up may take, unless it is given a bound of its own.
const CLEAN_UP: Duration = Duration::from_secs(10);

/// Owns futures that run anywhere. Clones are the same scope.
///
/// See the [module](crate::scope) for an example.
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
/// Dropping the last clone aborts what is left with [`AbortReason::ScopeEnded`]. When the last
/// member has gone, the sync clean-up runs, in whichever task drops it; async clean-up is dropped
/// unrun, for there is nobody to poll it. To have it run, [`close`](Scope::close).
#[derive(Clone)]
pub struct Scope {
    handle: Arc<Handle>,
}

/// Counts the clones of a scope, apart from its members.
struct Handle {
    core: Arc<Core>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.core.orphan();
    }
}

/// What can own a future: see [`OwnedFuture::in_scope`]. Sealed.
pub trait Owns: sealed::Owns {}

impl Owns for Scope {}

mod sealed {
    use crate::owner::core::Member;

    pub trait Owns {
        fn admit(&self) -> Admission;
    }

    #[derive(Debug)]
    pub struct Admission(pub(crate) Member);
}

impl sealed::Owns for Scope {
    fn admit(&self) -> sealed::Admission {
        sealed::Admission(Member::new(&self.handle.core))
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
        Builder { name: name.into(), timer: None }
    }

    /// The name that it was given.
    ///
    /// ```
    /// # use tenure::Scope;
    /// assert_eq!(Scope::new("ingest").name(), "ingest");
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        &self.handle.core.name
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

    /// How many members it has: futures put into it that have neither ended nor been dropped.
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
    /// Dropping it leaves the scope closing, and a clean-up that has begun where it is: the next
    /// `close()` goes on from there.
    ///
    /// # Deadlock
    ///
    /// A member that isn't polled doesn't end, nor does one that was [forgotten](core::mem::forget).
    /// Awaited inside a member, or in the task that holds one and doesn't poll it, it waits for ever.
    pub fn close(&self) -> Close {
        Close::new(self.clone())
    }

    /// Defers clean-up until all members have ended: the last deferred runs first.
    ///
    /// `f` is told why the scope was aborted, if it was. If it panics, the rest still runs. Let it hold
    /// no clone of this very scope: that would keep the scope alive until it is closed. Its panic isn't
    /// resumed but counted, in [`Report::panicked`]. On a scope that has closed it runs at the next
    /// `close()`, or when the last clone is dropped.
    ///
    /// ```
    /// use tenure::Scope;
    ///
    /// let scope = Scope::new("temporary");
    /// scope.defer(|aborted| println!("cleaning up: {aborted:?}"));
    /// assert_eq!(smol::block_on(scope.close()).steps(), 1);
    /// ```
    pub fn defer(&self, f: impl FnOnce(Option<Aborted>) + Send + 'static) {
        self.push(Step::Now(Box::new(f)));
    }

    /// Defers async clean-up, in the same order as [`defer`](Scope::defer). It is polled by
    /// [`close`](Scope::close) and ended after 10 seconds, on the scope's timer. Without the `std` feature
    /// and without a timer, nobody could tell when those are over: it is ended at its first `Pending`, and
    /// counted in [`Report::overran`].
    ///
    /// ```
    /// use tenure::Scope;
    ///
    /// let scope = Scope::new("connection");
    /// scope.defer_async(|_| async { /* say goodbye */ });
    /// assert_eq!(smol::block_on(scope.close()).steps(), 1);
    /// ```
    pub fn defer_async<F, Fut>(&self, f: F)
    where
        F: FnOnce(Option<Aborted>) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.defer_async_within(CLEAN_UP, f);
    }

    /// As [`defer_async`](Scope::defer_async), with a bound of its own. What overran is in the
    /// [`Report`].
    ///
    /// ```
    /// use std::{future::pending, time::Duration};
    /// use tenure::Scope;
    ///
    /// let scope = Scope::new("connection");
    /// scope.defer_async_within(Duration::from_millis(1), |_| pending());
    /// assert_eq!(smol::block_on(scope.close()).overran(), 1);
    /// ```
    pub fn defer_async_within<F, Fut>(&self, bound: Duration, f: F)
    where
        F: FnOnce(Option<Aborted>) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let timer = self.handle.core.timer.clone();
        self.push(Step::Later(Box::new(move |aborted| {
            let bounded = f(aborted).with_timeout(bound);
            match timer {
                Some(timer) => Box::pin(bounded.with_timer(&timer)),
                None => Box::pin(bounded),
            }
        })));
    }

    fn push(&self, step: Step) {
        self.handle.core.clean_up(|clean_up| clean_up.steps.push(step));
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle.core.fmt(f)
    }
}

/// Settings of a [`Scope`]; made by [`Scope::builder`].
///
/// ```
/// use tenure::{Scope, time::TestClock};
///
/// let scope = Scope::builder("test").timer(&TestClock::new()).build();
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct Builder {
    name: Name,
    timer: Option<TimerHandle>,
}

impl Builder {
    /// The timer that all its members go by, unless they are given another.
    ///
    /// ```
    /// use std::{future::pending, time::Duration};
    /// use tenure::{OwnedFuture, Scope, time::TestClock};
    ///
    /// let clock = TestClock::new();
    /// let scope = Scope::builder("test").timer(&clock).build();
    /// let stuck = pending::<()>().with_timeout(Duration::from_secs(60)).in_scope(&scope);
    /// assert!(smol::block_on(clock.watch(stuck)).unwrap_err().is_timeout()); // at once
    /// ```
    pub fn timer(mut self, timer: impl Into<TimerHandle>) -> Self {
        self.timer = Some(timer.into());
        self
    }

    /// The scope.
    ///
    /// ```
    /// # use tenure::Scope;
    /// assert_eq!(Scope::builder("ingest").build().name(), "ingest");
    /// ```
    #[must_use]
    pub fn build(self) -> Scope {
        Scope { handle: Arc::new(Handle { core: Arc::new(Core::new(self.name, self.timer)) }) }
    }
}
