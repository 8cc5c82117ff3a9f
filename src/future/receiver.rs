use core::{borrow::Borrow, fmt, future::Future, time::Duration};

use super::Owned;
use crate::{
    abort::{AbortHandle, Name},
    grace::Grace,
    limit::{Claim, Limited},
    named::Named,
    operation::{Call, Once, Operation, Repeat, Task},
    owner::{Key, Owner},
    retry::{Policy, Retry},
    scope::{InScope, Owns, TryInScope},
    time::{Instant, TimerHandle},
    timeout::{Idle, Overdue, Timed, Timeout, TimeoutHandle, Warn},
    with_abort::WithAbort,
    with_timer::WithTimer,
    with_value::WithValue,
};

/// Adds adapters to any future, and to any closure that makes one.
///
/// An adapter covers what stands before it, so their order is meaning. Each returns an [`Owned`],
/// which is a plain future of `Result<Output, Aborted>` and has the same adapters again: however
/// many there are, the result stays at one layer.
///
/// ```
/// use std::time::Duration;
/// use tenure::{Backoff, Limit, OwnedFuture, Scope};
///
/// # async fn fetch(url: &str) -> Result<String, std::io::Error> { Ok(url.into()) }
/// # smol::block_on(async {
/// let scope = Scope::new("ingest");
/// let limit = Limit::new(8);
/// let url = "http://example.org";
///
/// let page = (|| fetch(url))                        // a closure makes a fresh future per attempt
///     .with_timeout(Duration::from_secs(2))         // each attempt
///     .retry(Backoff::exponential().attempts(4))    // stops at once when the owner aborts
///     .limit(&limit)                                // the permit is held over all attempts
///     .with_timeout(Duration::from_secs(10))        // all of it, the wait for the permit too
///     .in_scope(&scope)                             // one owner
///     .await??;
/// # assert_eq!(page, url);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
///
/// # Receivers
///
/// The marker `M` is always inferred. It tells apart the three kinds of receiver:
///
/// | | runs |
/// |---|---|
/// | a future | once |
/// | `FnMut() -> Fut`: a closure, an async closure, an `async fn` | once, or per attempt of a retry |
/// | `FnMut(Owner) -> Fut`, with the type written: `\|owner: Owner\| ..` | the same, and sees its [`Owner`] |
///
/// An `async fn` with arguments is wrapped: `|| fetch(7)`.
///
/// # Cancel safety
///
/// Dropping a chain at any point drops all that it runs, gives its permit back, leaves its scope and
/// its queues and cancels its alarms, at once.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a future nor a closure that makes one",
    note = "adapters work on a future, on `|| fetch(&url)`, and on `|owner: Owner| fetch(&url, owner)` (write the type)",
    note = "a closure must make a new future at each call: what it hands over, clone into an `async move` block"
)]
pub trait OwnedFuture<M = FromFuture>: Sized {
    /// What the receiver becomes.
    type Operation: Operation;

    /// Lifts the receiver without adapting it: the way out where another trait has a method of the
    /// same name.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tenure::OwnedFuture;
    ///
    /// let chain = async { 1 }.owned().with_timeout(Duration::from_secs(1));
    /// assert_eq!(smol::block_on(chain).unwrap(), 1);
    /// ```
    fn owned(self) -> Owned<Self::Operation>;

    /// Ends the receiver after so much time. See [`Owned::with_timeout`].
    fn with_timeout(self, after: Duration) -> Owned<Timeout<Self::Operation>> {
        self.owned().with_timeout(after)
    }

    /// Ends the receiver at a point in time. See [`Owned::with_deadline`].
    fn with_deadline(self, at: impl Into<Instant>) -> Owned<Timeout<Self::Operation>> {
        self.owned().with_deadline(at)
    }

    /// Ends the receiver after so much time, which a handle can change. See [`Owned::with_timeout_handle`].
    fn with_timeout_handle(
        self,
        handle: &TimeoutHandle,
    ) -> Owned<Timed<Self::Operation, TimeoutHandle>> {
        self.owned().with_timeout_handle(handle)
    }

    /// Ends the receiver when it makes no progress for so long. See [`Owned::with_idle_timeout`].
    fn with_idle_timeout(self, after: Duration) -> Owned<Timed<Self::Operation, Idle>> {
        self.owned().with_idle_timeout(after)
    }

    /// Tells once that the receiver has not ended after so much time. See [`Owned::warn_after`].
    fn warn_after<F>(self, after: Duration, tell: F) -> Owned<Timed<Self::Operation, Warn<F>>>
    where
        F: FnMut(&Overdue<'_>),
    {
        self.owned().warn_after(after, tell)
    }

    /// Tries the receiver again when it fails. See [`Owned::retry`].
    fn retry<P: Policy, T, E>(self, policy: P) -> Owned<Retry<Self::Operation, P>>
    where
        Self::Operation: Repeat<Output = Result<T, E>>,
    {
        self.owned().retry(policy)
    }

    /// Runs the receiver while it holds a permit, or what it claims of a limit. See [`Owned::limit`].
    fn limit(self, claim: impl Into<Claim>) -> Owned<Limited<Self::Operation>> {
        self.owned().limit(claim)
    }

    /// Makes the receiver a member of a scope. See [`Owned::in_scope`].
    fn in_scope<S: Owns + ?Sized>(self, scope: &S) -> Owned<InScope<Self::Operation>> {
        self.owned().in_scope(scope)
    }

    /// Makes the receiver a member of a scope that its failure aborts. See [`Owned::try_in_scope`].
    fn try_in_scope<S, T, E>(self, scope: &S) -> Owned<TryInScope<Self::Operation>>
    where
        S: Owns + ?Sized,
        Self::Operation: Operation<Output = Result<T, E>>,
        E: fmt::Display,
    {
        self.owned().try_in_scope(scope)
    }

    /// Ends the receiver when a handle is aborted. See [`Owned::with_abort`].
    fn with_abort<H: Borrow<AbortHandle>>(self, handle: H) -> Owned<WithAbort<Self::Operation, H>> {
        self.owned().with_abort(handle)
    }

    /// Lets the receiver go by another timer. See [`Owned::with_timer`].
    fn with_timer(self, timer: impl Into<TimerHandle>) -> Owned<WithTimer<Self::Operation>> {
        self.owned().with_timer(timer)
    }

    /// Gives the receiver time to end, and tells it. See [`Owned::with_grace`].
    fn with_grace(self, most: Duration) -> Owned<Grace<Self::Operation>> {
        self.owned().with_grace(most)
    }

    /// Holds aborts back from the receiver for a time. See [`Owned::shielded`].
    fn shielded(self, most: Duration) -> Owned<Grace<Self::Operation>> {
        self.owned().shielded(most)
    }

    /// Gives the receiver, and all that it owns, a value. See [`Owned::with_value`].
    fn with_value<T: Send + Sync + 'static>(
        self,
        key: &'static Key<T>,
        value: T,
    ) -> Owned<WithValue<Self::Operation>> {
        self.owned().with_value(key, value)
    }

    /// Gives the receiver a name for errors to call it by. See [`Owned::named`].
    fn named(self, name: impl Into<Name>) -> Owned<Named<Self::Operation>> {
        self.owned().named(name)
    }
}

/// Marks a receiver that is a future.
#[derive(Clone, Copy, Debug)]
pub struct FromFuture;

/// Marks a receiver that is a closure without arguments.
#[derive(Clone, Copy, Debug)]
pub struct FromCall;

/// Marks a receiver that is a closure over its [`Owner`].
#[derive(Clone, Copy, Debug)]
pub struct FromTask;

impl<F: Future> OwnedFuture<FromFuture> for F {
    type Operation = Once<F>;

    fn owned(self) -> Owned<Once<F>> {
        Owned::new(Once::new(self))
    }
}

impl<F: FnMut() -> Fut, Fut: Future> OwnedFuture<FromCall> for F {
    type Operation = Call<F>;

    fn owned(self) -> Owned<Call<F>> {
        Owned::new(Call::new(self))
    }
}

impl<F: FnMut(Owner) -> Fut, Fut: Future> OwnedFuture<FromTask> for F {
    type Operation = Task<F>;

    fn owned(self) -> Owned<Task<F>> {
        Owned::new(Task::new(self))
    }
}
