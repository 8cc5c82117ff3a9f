mod in_time;

use core::{
    borrow::Borrow,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_core::FusedFuture;
use pin_project::pin_project;

use super::{Flatten, FlattenInto};
use crate::{
    abort::{AbortHandle, Aborted, Name},
    grace::Grace,
    limit::{Claim, Limited},
    named::Named,
    operation::{Operation, Repeat},
    owner::{Key, Lent, Value},
    retry::{Notify, Policy, Retry, Retrying, When},
    scope::{InScope, JoinHandle, Owns, Spawns, TryInScope, TrySpawns},
    time::TimerHandle,
    with_abort::WithAbort,
    with_timer::WithTimer,
    with_value::WithValue,
};

/// A future under an owner: what the adapters of [`OwnedFuture`](crate::OwnedFuture) return, and
/// what they can be chained on again.
///
/// It resolves to `Result<Output, Aborted>`, one layer however many adapters stand in the chain. It
/// does nothing until it is polled: until then it is a description, and holds all that it will need
/// in one place. When it is ready, all that it ran has been dropped. To poll it by reference,
/// [`pin!`](core::pin::pin) it first.
///
/// ```
/// use std::time::Duration;
/// use tenure::OwnedFuture;
///
/// let answer = async { 42 }.with_timeout(Duration::from_secs(1)).named("answer");
/// assert_eq!(smol::block_on(answer).unwrap(), 42);
/// ```
///
/// # Panics
///
/// When it is polled after it was ready.
///
/// # Cancel safety
///
/// Dropping it at any point drops all that it runs, gives its permit back, leaves its scope and its
/// queues and cancels its alarms, at once.
#[must_use = "a future does nothing until it is awaited or polled"]
#[pin_project(!Unpin)]
pub struct Owned<O: Operation> {
    #[pin]
    chain: Chain<O, O::State>,
}

#[pin_project(project = ChainProj)]
enum Chain<O, S> {
    Live {
        // Dropped in this order: what runs, then what it was given to run with.
        #[pin]
        state: S,
        #[pin]
        op: O,
    },
    Done,
}

impl<O: Operation> Owned<O> {
    /// Makes a future of an operation, for adapters of your own.
    ///
    /// See [`Operation`] for one.
    pub fn new(op: O) -> Self {
        Self { chain: Chain::Live { state: O::State::default(), op } }
    }

    /// The operation that the chain describes, for adapters of your own.
    ///
    /// A chain that was polled can't come here: it is pinned.
    ///
    /// ```
    /// use tenure::{Owned, OwnedFuture};
    ///
    /// let operation = async { 42 }.owned().into_operation();
    /// assert_eq!(smol::block_on(Owned::new(operation)).unwrap(), 42);
    /// ```
    #[inline]
    pub fn into_operation(self) -> O {
        match self.chain {
            Chain::Live { op, .. } => op,
            Chain::Done => unreachable!("only a pinned chain is ever done"),
        }
    }

    /// Itself: a chain needs no lifting.
    pub fn owned(self) -> Self {
        self
    }

    /// Tries what stands before it again when it fails, as `policy` says.
    ///
    /// The receiver must be able to run again: a closure that makes a future, or a chain over one.
    /// Mind the [trap](crate::retry#the-trap) of a closure that returns a chain.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tenure::{Backoff, OwnedFuture};
    ///
    /// let mut calls = 0;
    /// let third_time_lucky = || {
    ///     calls += 1;
    ///     let lucky = calls == 3;
    ///     async move { lucky.then_some("done").ok_or("not yet") }
    /// };
    /// let done = third_time_lucky.retry(Backoff::fixed(Duration::from_millis(1)));
    /// assert_eq!(smol::block_on(done).unwrap(), Ok("done"));
    /// ```
    ///
    /// # Errors
    ///
    /// The last attempt's, or [`Aborted`]. See [`retry`](crate::retry#what-is-tried-again). Without the
    /// `std` feature and without a timer, [`AbortReason::NoTimer`](crate::abort::AbortReason::NoTimer)
    /// where it would have to wait.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the attempt that runs, or the back-off; no further attempt is made.
    pub fn retry<P: Policy, T, E>(self, policy: P) -> Owned<Retry<O, P>>
    where
        O: Repeat<Output = Result<T, E>>,
    {
        Owned::new(Retry::new(self.into_operation(), policy))
    }

    /// Runs what stands before it while it holds what it claims: a permit of a limit, `&limit`, or what a
    /// [`Claim`] says. See [`limit`](crate::limit).
    ///
    /// ```
    /// use tenure::{Limit, OwnedFuture};
    ///
    /// let one_at_a_time = Limit::new(1);
    /// let save = async { "saved" }.limit(&one_at_a_time);
    /// assert_eq!(smol::block_on(save).unwrap(), "saved");
    /// ```
    ///
    /// # Errors
    ///
    /// What the limit [refuses](crate::limit#errors).
    ///
    /// # Cancel safety
    ///
    /// Dropping it while it waits gives its place to the next; while it runs, its permit.
    ///
    /// # Fairness
    ///
    /// First come, first served, among those that are polled, unless the limit has another
    /// [order](crate::limit::Order).
    pub fn limit(self, claim: impl Into<Claim>) -> Owned<Limited<O>> {
        Owned::new(Limited::new(self.into_operation(), claim.into()))
    }

    /// Makes what stands before it a member of `scope`: it ends when the scope is aborted, and the
    /// scope's `close()` waits for it. See [`scope`](mod@crate::scope).
    ///
    /// It is a member from now on, also while nobody polls it, until it is ready or dropped.
    ///
    /// ```
    /// use tenure::{OwnedFuture, Scope};
    ///
    /// let scope = Scope::new("ingest");
    /// let endless = std::future::pending::<()>().in_scope(&scope);
    /// scope.abort("user hit stop");
    /// assert_eq!(smol::block_on(endless).unwrap_err().origin(), Some("ingest"));
    /// ```
    ///
    /// # Errors
    ///
    /// [`Aborted`], with the scope's reason. In a scope that is closed or aborted it starts nothing.
    ///
    /// # Panics
    ///
    /// If it panics, the scope is aborted with
    /// [`AbortReason::Panicked`](crate::abort::AbortReason::Panicked), and the panic goes on.
    pub fn in_scope<S: Owns + ?Sized>(self, scope: &S) -> Owned<InScope<O>> {
        Owned::new(InScope::new(self.into_operation(), scope))
    }

    /// As [`in_scope`](Self::in_scope); and if it fails, the scope is aborted with
    /// [`AbortReason::SiblingFailed`](crate::abort::AbortReason::SiblingFailed), which names it and
    /// says what the error displays.
    ///
    /// It fails by an `Err` of its own or by an abort from below, its own timeout. The error itself
    /// goes to whoever awaits this future. Put it after `.retry()`: before it, the first attempt that
    /// fails aborts the scope.
    ///
    /// ```
    /// use tenure::{OwnedFuture, Scope};
    ///
    /// let scope = Scope::new("pair");
    /// let sibling = std::future::pending::<()>().in_scope(&scope);
    /// let failing = async { Err::<(), _>("no such user") }.named("user").try_in_scope(&scope);
    ///
    /// let (sibling, failed) = smol::block_on(futures::future::join(sibling, failing));
    /// assert_eq!(failed.unwrap(), Err("no such user"));
    /// assert_eq!(sibling.unwrap_err().to_string(), "`user` failed: no such user (in `pair`)");
    /// ```
    ///
    /// # Errors
    ///
    /// As [`in_scope`](Self::in_scope), and its own.
    ///
    /// # Panics
    ///
    /// As [`in_scope`](Self::in_scope); also if the error panics when it is displayed.
    pub fn try_in_scope<S, T, E>(self, scope: &S) -> Owned<TryInScope<O>>
    where
        S: Owns + ?Sized,
        O: Operation<Output = Result<T, E>>,
        E: fmt::Display,
    {
        Owned::new(TryInScope::new(self.into_operation(), scope))
    }

    /// Ends what stands before it when `handle` is aborted.
    ///
    /// Lend the handle, `&handle`, where the chain stays with you, which costs nothing; hand it over,
    /// `handle.clone()`, where it goes elsewhere, to be spawned.
    ///
    /// ```
    /// use tenure::{OwnedFuture, abort::AbortHandle};
    ///
    /// let stop = AbortHandle::new();
    /// let endless = std::future::pending::<()>().with_abort(&stop);
    /// stop.abort("user hit stop");
    /// assert_eq!(smol::block_on(endless).unwrap_err().to_string(), "user hit stop");
    /// ```
    ///
    /// # Errors
    ///
    /// [`Aborted`], with the handle's reason.
    pub fn with_abort<H: Borrow<AbortHandle>>(self, handle: H) -> Owned<WithAbort<O, H>> {
        Owned::new(WithAbort::new(self.into_operation(), handle))
    }

    /// Lets `timer` be the one that what stands before it goes by: a
    /// [`TestClock`](crate::time::TestClock), or your own.
    ///
    /// ```
    /// use std::{future::pending, time::Duration};
    /// use tenure::{OwnedFuture, time::TestClock};
    ///
    /// let clock = TestClock::new();
    /// let stuck = pending::<()>().with_timeout(Duration::from_secs(60)).with_timer(&clock);
    /// assert!(smol::block_on(clock.watch(stuck)).unwrap_err().is_timeout()); // at once
    /// ```
    pub fn with_timer(self, timer: impl Into<TimerHandle>) -> Owned<WithTimer<O>> {
        Owned::new(WithTimer::new(self.into_operation(), timer.into()))
    }

    /// Gives what stands before it time to end once it is aborted, and tells it; see [`grace`](crate::grace).
    ///
    /// Those above wait for it, for so long at the most. [`Duration::ZERO`] gives one poll. It has no time where it has
    /// not begun, and where nobody could tell when that is over, without the `std` feature and without a timer.
    ///
    /// ```
    /// use std::{future::pending, time::Duration};
    /// use tenure::{Owner, OwnedFuture, time::TestClock};
    ///
    /// let clock = TestClock::new();
    /// let polite = async {
    ///     Owner::current().unwrap().aborted().await;
    ///     clock.sleep(Duration::from_secs(1)).await; // says goodbye
    /// };
    /// let polite = polite.with_grace(Duration::from_secs(5)).with_timeout(Duration::from_secs(9));
    /// assert!(smol::block_on(clock.watch(polite.with_timer(&clock))).unwrap_err().is_timeout());
    /// assert_eq!(clock.elapsed(), Duration::from_secs(10));
    /// ```
    ///
    /// # Cancel safety
    ///
    /// What is dropped, not aborted, has no time.
    pub fn with_grace(self, most: Duration) -> Owned<Grace<O>> {
        Owned::new(Grace::told(self.into_operation(), most))
    }

    /// Holds an abort back from what stands before it, for so long at the most: until then it isn't told, and runs on.
    /// See [`grace`](crate::grace).
    ///
    /// ```
    /// use std::time::Duration;
    /// use tenure::{OwnedFuture, time::TestClock};
    ///
    /// let clock = TestClock::new();
    /// let mut written = false;
    /// let write = async {
    ///     clock.sleep(Duration::from_secs(3)).await;
    ///     written = true;
    /// };
    /// let write = write.shielded(Duration::from_secs(5)).with_timeout(Duration::from_secs(1));
    /// assert!(smol::block_on(clock.watch(write.with_timer(&clock))).unwrap_err().is_timeout());
    /// assert_eq!((clock.elapsed(), written), (Duration::from_secs(3), true));
    /// ```
    ///
    /// # Cancel safety
    ///
    /// What is dropped, not aborted, is dropped.
    pub fn shielded(self, most: Duration) -> Owned<Grace<O>> {
        Owned::new(Grace::shielded(self.into_operation(), most))
    }

    /// Gives what stands before it, and all that it owns, a value. See [`Key`].
    ///
    /// ```
    /// use tenure::{OwnedFuture, owner::Key};
    ///
    /// static REQUEST: Key<u32> = Key::new("request");
    ///
    /// let asks = async { REQUEST.get() };
    /// assert_eq!(smol::block_on(asks.with_value(&REQUEST, 7)).unwrap(), Some(7));
    /// ```
    pub fn with_value<T: Send + Sync + 'static>(
        self,
        key: &'static Key<T>,
        value: T,
    ) -> Owned<WithValue<O>> {
        Owned::new(WithValue::new(self.into_operation(), Value::new(key, value)))
    }

    /// Spawns the chain as a child of a nursery, whose handle has no second layer of `Result`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tenure::OwnedFuture;
    ///
    /// # smol::block_on(async {
    /// let answer = tenure::scope(async |n| {
    ///     let child = async { 42 }.with_timeout(Duration::from_secs(1)).spawn_in(&n);
    ///     child.await
    /// });
    /// assert_eq!(answer.await.unwrap(), Ok(42));
    /// # });
    /// ```
    pub fn spawn_in<N: Spawns<O> + ?Sized>(self, nursery: &N) -> JoinHandle<O::Output> {
        nursery.spawn_operation(self.into_operation())
    }

    /// As [`spawn_in`](Self::spawn_in); and if it fails, by an error or by a timeout of its own, its siblings are
    /// aborted, as by [`try_spawn`](crate::scope::Nursery::try_spawn).
    ///
    /// ```
    /// use std::{future::pending, time::Duration};
    /// use tenure::OwnedFuture;
    ///
    /// # smol::block_on(async {
    /// let failed = tenure::scope(async |n| {
    ///     let stuck = pending::<Result<(), String>>().with_timeout(Duration::from_millis(1));
    ///     drop(stuck.named("query").try_spawn_in(&n));
    ///     pending::<()>().await
    /// });
    /// let aborted = failed.await.unwrap_err();
    /// assert_eq!(aborted.to_string(), "`query` failed: timed out after 1ms (in `query`)");
    /// # });
    /// ```
    pub fn try_spawn_in<N, T>(self, nursery: &N) -> JoinHandle<T>
    where
        N: TrySpawns<O, T> + ?Sized,
    {
        nursery.try_spawn_operation(self.into_operation())
    }

    /// Gives what stands before it a name, by which errors call it.
    ///
    /// ```
    /// use std::{future::pending, time::Duration};
    /// use tenure::OwnedFuture;
    ///
    /// let stuck = pending::<()>().with_timeout(Duration::from_millis(1)).named("login");
    /// let aborted = smol::block_on(stuck).unwrap_err();
    /// assert_eq!(aborted.to_string(), "timed out after 1ms (in `login`)");
    /// ```
    pub fn named(self, name: impl Into<Name>) -> Owned<Named<O>> {
        Owned::new(Named::new(self.into_operation(), name.into()))
    }

    /// Ends the chain with one `Result` for both kinds of failure: `Result<T, Error<E>>`.
    ///
    /// [`Error<E>`](crate::Error) is a [`core::error::Error`] where `E` is one; for others, such as
    /// `&str`, there is [`flatten_into`](Self::flatten_into).
    ///
    /// ```
    /// use tenure::{Error, OwnedFuture};
    ///
    /// let chain = async { "7".parse::<u32>() }.named("number");
    /// assert_eq!(smol::block_on(chain.flatten()).unwrap(), 7);
    /// ```
    pub fn flatten<T, E>(self) -> Flatten<O>
    where
        O: Operation<Output = Result<T, E>>,
    {
        Flatten::new(self)
    }

    /// Ends the chain with an error type of your own that both kinds of failure convert into.
    ///
    /// ```
    /// use std::io;
    /// use tenure::OwnedFuture;
    ///
    /// let chain = async { Ok::<_, io::Error>(7) }.named("read");
    /// let read: Result<u32, io::Error> = smol::block_on(chain.flatten_into());
    /// assert_eq!(read.unwrap(), 7);
    /// ```
    pub fn flatten_into<X>(self) -> FlattenInto<O, X>
    where
        FlattenInto<O, X>: Future,
    {
        FlattenInto::new(self)
    }
}

impl<O, P: Policy, W, N, T, E> Owned<Retry<O, P, W, N>>
where
    O: Repeat<Output = Result<T, E>>,
    W: When<E>,
    N: Notify<E>,
{
    /// Tries again only after errors for which `when` returns `true`. Write it right after `.retry()`.
    ///
    /// ```
    /// use std::{io, time::Duration};
    /// use tenure::{Backoff, OwnedFuture};
    ///
    /// let mut calls = 0;
    /// let denied = || {
    ///     calls += 1;
    ///     async { Err::<(), _>(io::Error::from(io::ErrorKind::PermissionDenied)) }
    /// };
    /// let result = denied
    ///     .retry(Backoff::fixed(Duration::ZERO))
    ///     .when(|error| error.kind() != io::ErrorKind::PermissionDenied);
    /// assert!(smol::block_on(result).unwrap().is_err());
    /// assert_eq!(calls, 1);
    /// ```
    pub fn when<F: FnMut(&E) -> bool>(self, when: F) -> Owned<Retry<O, P, F, N>> {
        Owned::new(self.into_operation().when(when))
    }

    /// Calls `notify` before each back-off, for a log or a count. Write it right after `.retry()`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tenure::{Backoff, OwnedFuture};
    ///
    /// let mut log = Vec::new();
    /// let failing = (|| async { Err::<(), _>("down") })
    ///     .retry(Backoff::fixed(Duration::ZERO).attempts(3))
    ///     .on_retry(|retrying| log.push(format!("{}: {}", retrying.attempt, retrying.error)));
    /// assert_eq!(smol::block_on(failing).unwrap(), Err("down"));
    /// assert_eq!(log, ["1: down", "2: down"]);
    /// ```
    pub fn on_retry<F>(self, notify: F) -> Owned<Retry<O, P, W, F>>
    where
        F: FnMut(&Retrying<'_, E>),
    {
        Owned::new(self.into_operation().on_retry(notify))
    }
}

impl<O: Operation> Future for Owned<O> {
    type Output = Result<O::Output, Aborted>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut chain = self.project().chain;
        let ChainProj::Live { state, op } = chain.as_mut().project() else {
            panic!("`Owned` polled after completion");
        };
        // Taken apart, or the value would be copied with what an error takes around it.
        match Lent::current(|lent| op.poll(state, cx, lent)) {
            Poll::Ready(Ok(value)) => {
                chain.set(Chain::Done);
                Poll::Ready(Ok(value))
            }
            Poll::Ready(Err(aborted)) => {
                chain.set(Chain::Done);
                Poll::Ready(Err(aborted))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<O: Operation> FusedFuture for Owned<O> {
    fn is_terminated(&self) -> bool {
        matches!(self.chain, Chain::Done)
    }
}

impl<O: Operation> fmt::Debug for Owned<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = if self.is_terminated() { "done" } else { "live" };
        f.debug_struct("Owned").field("stage", &stage).finish_non_exhaustive()
    }
}
