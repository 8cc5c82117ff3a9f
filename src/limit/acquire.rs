use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::FusedFuture;

use super::{
    Claim, Limit,
    queue::{Queue, Seat},
};
use crate::{abort::Aborted, owner::Lent, sync::Arc};

/// Future made by [`Limit::acquire`] and [`Claim::acquire`]: ready with a [`Permit`].
///
/// # Panics
///
/// When it is polled after it was ready.
///
/// # Cancel safety
///
/// Dropping it gives its place to the next.
#[must_use = "a future does nothing until it is awaited or polled"]
pub struct Acquire<'a> {
    /// Until it is ready.
    permit: Option<Permit<'a>>,
}

/// What one may hold of a [`Limit`], until it is dropped.
///
/// Mind that a permit is held for as long as this lives, also while nobody polls the future that it lives in: where
/// that can be said with [`.limit()`](crate::OwnedFuture::limit), do so.
///
/// ```
/// use tenure::Limit;
///
/// let limit = Limit::new(1);
/// let permit = limit.try_acquire();
/// assert!(permit.is_some() && limit.try_acquire().is_none());
/// drop(permit);
/// assert!(limit.try_acquire().is_some());
/// ```
///
/// # Drop
///
/// Gives the permit back, and wakes whoever is next.
#[must_use = "it is given back when it is dropped"]
pub struct Permit<'a> {
    seat: Seat,
    queue: Lender<'a>,
}

enum Lender<'a> {
    Lent(&'a Arc<Queue>),
    Owned(Arc<Queue>),
}

impl Lender<'_> {
    fn queue(&self) -> &Arc<Queue> {
        match self {
            Self::Lent(queue) => queue,
            Self::Owned(queue) => queue,
        }
    }
}

impl<'a> Acquire<'a> {
    pub(super) const fn of(limit: &'a Limit) -> Self {
        Self { permit: Some(Permit::none_of(limit)) }
    }
}

impl Acquire<'static> {
    pub(super) fn owned(claim: Claim) -> Self {
        let (seat, queue) = (Seat::new(claim.terms), Lender::Owned(claim.limit.queue));
        Self { permit: Some(Permit { seat, queue }) }
    }
}

impl<'a> Permit<'a> {
    const fn none_of(limit: &'a Limit) -> Self {
        Self { seat: Seat::new(None), queue: Lender::Lent(&limit.queue) }
    }

    pub(super) fn try_of(limit: &'a Limit) -> Option<Self> {
        let mut permit = Self::none_of(limit);
        permit.seat.try_take(&limit.queue).then_some(permit)
    }

    /// Corrects what was charged for it in this unit, and tells whether the limit has a rate that counts it. See
    /// `Limit::settle`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tenure::{Limit, limit::Rate};
    ///
    /// let api = Limit::builder().rate(Rate::fixed_window(1_000, Duration::from_secs(60)).of("tokens")).build();
    /// smol::block_on(async {
    ///     let mut permit = api.claim().cost("tokens", 900).acquire().await?;
    ///     assert!(permit.settle("tokens", 300)); // it was less
    ///     api.claim().cost("tokens", 700).acquire().await?; // at once
    ///     Ok::<_, tenure::Aborted>(())
    /// }).unwrap();
    /// ```
    pub fn settle(&mut self, unit: &str, actual: u64) -> bool {
        let queue = self.queue.queue();
        match self.seat.permitted(queue).holder {
            Some(holder) => Queue::settle(queue, holder, unit, actual),
            None => false,
        }
    }
}

impl<'a> Future for Acquire<'a> {
    type Output = Result<Permit<'a>, Aborted>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let permit = self.permit.as_mut().expect("`Acquire` polled after completion");
        let queue = permit.queue.queue();
        let entered = Lent::current(|lent| permit.seat.poll(queue, None, cx, lent));
        let entered = ready!(entered);
        let permit = self.permit.take().expect("it was there above");
        Poll::Ready(entered.map(|()| permit))
    }
}

impl FusedFuture for Acquire<'_> {
    fn is_terminated(&self) -> bool {
        self.permit.is_none()
    }
}

impl Drop for Permit<'_> {
    #[inline]
    fn drop(&mut self) {
        self.seat.leave(self.queue.queue());
    }
}

impl fmt::Debug for Acquire<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquire").field("done", &self.is_terminated()).finish()
    }
}

impl fmt::Debug for Permit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Permit").field(&self.seat).finish()
    }
}
