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

use super::super::{InScope, Owns};
use crate::{
    abort::{AbortHandle, Aborted, Name},
    future::Owned,
    grace::Grace,
    named::Named,
    operation::Operation,
    time::{Instant, TimerHandle},
    timeout::Timeout,
    with_abort::WithAbort,
    with_timer::WithTimer,
};

/// Future made by [`try_scope`](crate::try_scope) and [`try_local_scope`](crate::try_local_scope).
///
/// It resolves to `Result<T, E>`. The adapters that it has wait for its clean-up, and resolve as all others do, to
/// `Result<Result<T, E>, Aborted>`: [`flatten_into`](Owned::flatten_into) makes that one layer again. For those that it
/// hasn't, [`owned`](TryScope::owned) comes first.
///
/// ```
/// use std::{io, time::Duration};
/// use tenure::OwnedFuture;
///
/// # smol::block_on(async {
/// let stuck = tenure::try_scope(async |_n| std::future::pending::<io::Result<()>>().await);
/// let error = stuck.with_timeout(Duration::from_millis(1)).flatten_into::<io::Error>().await.unwrap_err();
/// assert_eq!(error.kind(), io::ErrorKind::TimedOut);
/// # });
/// ```
///
/// # Panics
///
/// When it is polled after it was ready.
///
/// # Cancel safety
///
/// As [`scope`](crate::scope()).
#[must_use = "a future does nothing until it is awaited or polled"]
#[pin_project]
pub struct TryScope<O: Operation> {
    #[pin]
    chain: Owned<O>,
}

impl<O: Operation> TryScope<O> {
    pub(super) const fn new(chain: Owned<O>) -> Self {
        Self { chain }
    }

    /// The chain that it is, to be adapted.
    ///
    /// ```
    /// use tenure::{Limit, OwnedFuture};
    ///
    /// # smol::block_on(async {
    /// let one = tenure::try_scope(async |_n| Ok::<_, std::io::Error>(1));
    /// assert_eq!(one.owned().limit(&Limit::new(1)).flatten().await.unwrap(), 1);
    /// # });
    /// ```
    pub fn owned(self) -> Owned<O> {
        self.chain
    }

    /// See [`Owned::with_timeout`].
    pub fn with_timeout(self, after: Duration) -> Owned<Timeout<O>> {
        self.chain.with_timeout(after)
    }

    /// See [`Owned::with_deadline`].
    pub fn with_deadline(self, at: impl Into<Instant>) -> Owned<Timeout<O>> {
        self.chain.with_deadline(at)
    }

    /// See [`Owned::with_grace`].
    pub fn with_grace(self, most: Duration) -> Owned<Grace<O>> {
        self.chain.with_grace(most)
    }

    /// See [`Owned::shielded`].
    pub fn shielded(self, most: Duration) -> Owned<Grace<O>> {
        self.chain.shielded(most)
    }

    /// See [`Owned::with_abort`].
    pub fn with_abort<H: Borrow<AbortHandle>>(self, handle: H) -> Owned<WithAbort<O, H>> {
        self.chain.with_abort(handle)
    }

    /// See [`Owned::with_timer`].
    pub fn with_timer(self, timer: impl Into<TimerHandle>) -> Owned<WithTimer<O>> {
        self.chain.with_timer(timer)
    }

    /// See [`Owned::in_scope`].
    pub fn in_scope<S: Owns + ?Sized>(self, scope: &S) -> Owned<InScope<O>> {
        self.chain.in_scope(scope)
    }

    /// See [`Owned::named`].
    pub fn named(self, name: impl Into<Name>) -> Owned<Named<O>> {
        self.chain.named(name)
    }
}

impl<O, T, E> Future for TryScope<O>
where
    O: Operation<Output = Result<T, E>>,
    E: From<Aborted>,
{
    type Output = Result<T, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, E>> {
        self.project()
            .chain
            .poll(cx)
            .map(|outcome| outcome.unwrap_or_else(|error| Err(error.into())))
    }
}

impl<O, T, E> FusedFuture for TryScope<O>
where
    O: Operation<Output = Result<T, E>>,
    E: From<Aborted>,
{
    fn is_terminated(&self) -> bool {
        self.chain.is_terminated()
    }
}

impl<O: Operation> fmt::Debug for TryScope<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TryScope").field(&self.chain).finish()
    }
}
