use core::{
    error, fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::FusedFuture;
use pin_project::pin_project;

use super::Owned;
use crate::{abort::Aborted, operation::Operation};

/// The error of a chain that was [flattened](Owned::flatten): its own, or an abort.
///
/// Transparent: it displays what it holds, and its source is the source of that.
///
/// ```
/// use tenure::{Error, OwnedFuture};
///
/// let chain = async { "x".parse::<u32>() }.named("number");
/// match smol::block_on(chain.flatten()) {
///     Err(Error::Failed(error)) => println!("not a number: {error}"),
///     Err(Error::Aborted(aborted)) => println!("aborted: {aborted}"),
///     Ok(number) => println!("{number}"),
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error<E> {
    /// It ran, and failed by itself.
    Failed(E),
    /// It was aborted.
    Aborted(Aborted),
}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => error.fmt(f),
            Self::Aborted(aborted) => aborted.fmt(f),
        }
    }
}

impl<E: error::Error> error::Error for Error<E> {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Failed(error) => error.source(),
            Self::Aborted(aborted) => aborted.source(),
        }
    }
}

impl<E> From<Aborted> for Error<E> {
    fn from(aborted: Aborted) -> Self {
        Self::Aborted(aborted)
    }
}

/// Future made by [`Owned::flatten`].
///
/// # Panics
///
/// When it is polled after it was ready.
///
/// # Cancel safety
///
/// As that of [`Owned`].
#[must_use = "a future does nothing until it is awaited or polled"]
#[pin_project]
#[derive(Debug)]
pub struct Flatten<O: Operation> {
    #[pin]
    chain: Owned<O>,
}

impl<O: Operation> Flatten<O> {
    pub(super) const fn new(chain: Owned<O>) -> Self {
        Self { chain }
    }
}

impl<O: Operation<Output = Result<T, E>>, T, E> Future for Flatten<O> {
    type Output = Result<T, Error<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().chain.poll(cx).map(|outcome| match outcome {
            Ok(result) => result.map_err(Error::Failed),
            Err(aborted) => Err(Error::Aborted(aborted)),
        })
    }
}

impl<O: Operation<Output = Result<T, E>>, T, E> FusedFuture for Flatten<O> {
    fn is_terminated(&self) -> bool {
        self.chain.is_terminated()
    }
}

/// Future made by [`Owned::flatten_into`].
///
/// # Panics
///
/// When it is polled after it was ready.
///
/// # Cancel safety
///
/// As that of [`Owned`].
#[must_use = "a future does nothing until it is awaited or polled"]
#[pin_project]
pub struct FlattenInto<O: Operation, X> {
    #[pin]
    chain: Owned<O>,
    error: PhantomData<fn() -> X>,
}

impl<O: Operation, X> FlattenInto<O, X> {
    pub(super) const fn new(chain: Owned<O>) -> Self {
        Self { chain, error: PhantomData }
    }
}

impl<O, X, T, E> Future for FlattenInto<O, X>
where
    O: Operation<Output = Result<T, E>>,
    X: From<E> + From<Aborted>,
{
    type Output = Result<T, X>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().chain.poll(cx).map(|outcome| Ok(outcome??))
    }
}

impl<O, X, T, E> FusedFuture for FlattenInto<O, X>
where
    O: Operation<Output = Result<T, E>>,
    X: From<E> + From<Aborted>,
{
    fn is_terminated(&self) -> bool {
        self.chain.is_terminated()
    }
}

impl<O: Operation, X> fmt::Debug for FlattenInto<O, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlattenInto").field("chain", &self.chain).finish()
    }
}
