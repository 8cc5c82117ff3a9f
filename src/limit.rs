//! `.limit()`: so many at once, first come, first served.
//!
//! ```
//! use tenure::{Limit, OwnedFuture};
//!
//! let limit = Limit::new(2);
//! let jobs = (1..=5).map(|n| async move { n * n }.limit(&limit));
//! let squares = smol::block_on(futures::future::try_join_all(jobs)).unwrap();
//! assert_eq!(squares, [1, 4, 9, 16, 25]);
//! assert_eq!(limit.active(), 0);
//! ```
//!
//! # Order is meaning
//!
//! The permit is held for what stands before `.limit()`: `.limit(&l).retry(p)` gives it back while a
//! retry waits, `.retry(p).limit(&l)` keeps it over all attempts. A timeout after it counts the wait
//! for the permit, one before it doesn't.
//!
//! # Fairness
//!
//! A permit is claimed by being polled. Who waits first is woken first, and newcomers don't overtake.
//! But one that was woken and isn't polled, because its task waits for something else, must not hold
//! up those behind it (the deadlock called
//! [futurelock](https://rfd.shared.oxide.computer/rfd/0609)): after about a millisecond the next one
//! is woken too, after as much again the next two, and so on, and whoever is polled first has the
//! permit. That takes one alarm a limit, only while somebody waits; where there is no timer, a permit
//! that comes free wakes all.

mod queue;

use core::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project::pin_project;

use crate::{
    abort::{AbortReason, Aborted, Name, Position},
    operation::{Operation, Repeat},
    owner::{Lent, Standing},
    sync::Arc,
};

use queue::{Queue, Ticket};

/// How many may run at once. Clones share their permits.
///
/// See the [module](crate::limit) for what it promises.
///
/// ```
/// use tenure::Limit;
///
/// let limit = Limit::new(2);
/// let same = limit.clone();
/// assert_eq!((same.capacity(), same.active(), same.waiting()), (2, 0, 0));
/// ```
#[derive(Clone)]
pub struct Limit {
    queue: Arc<Queue>,
}

impl Limit {
    /// A limit of `permits` at once.
    ///
    /// Nothing can enter a limit of 0: what asks it is aborted at once, with
    /// [`AbortReason::Rejected`].
    ///
    /// ```
    /// use tenure::{Limit, OwnedFuture};
    ///
    /// let shut = Limit::new(0);
    /// let refused = smol::block_on(async { 7 }.limit(&shut)).unwrap_err();
    /// assert_eq!(refused.to_string(), "rejected by a limit: it has no permits");
    /// ```
    #[must_use]
    pub fn new(permits: usize) -> Self {
        Self { queue: Arc::new(Queue::new(permits)) }
    }

    /// How many may hold a permit at once.
    ///
    /// ```
    /// # use tenure::Limit;
    /// assert_eq!(Limit::new(3).capacity(), 3);
    /// ```
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.queue.capacity()
    }

    /// How many hold a permit now.
    ///
    /// ```
    /// use futures::FutureExt;
    /// use tenure::{Limit, OwnedFuture};
    ///
    /// let limit = Limit::new(2);
    /// let mut endless = Box::pin(std::future::pending::<()>().limit(&limit));
    /// assert!((&mut endless).now_or_never().is_none()); // polled once
    /// assert_eq!(limit.active(), 1);
    /// drop(endless);
    /// assert_eq!(limit.active(), 0);
    /// ```
    #[must_use]
    pub fn active(&self) -> usize {
        self.queue.active()
    }

    /// How many wait for a permit now. One that was never polled doesn't wait yet.
    ///
    /// ```
    /// use futures::FutureExt;
    /// use tenure::{Limit, OwnedFuture};
    ///
    /// let limit = Limit::new(1);
    /// let mut both = [(); 2].map(|()| Box::pin(std::future::pending::<()>().limit(&limit)));
    /// for endless in &mut both {
    ///     assert!(endless.now_or_never().is_none()); // polled once
    /// }
    /// assert_eq!((limit.active(), limit.waiting()), (1, 1));
    /// ```
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.waiting()
    }
}

impl fmt::Debug for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limit")
            .field("capacity", &self.capacity())
            .field("active", &self.active())
            .field("waiting", &self.waiting())
            .finish()
    }
}

/// Operation made by [`OwnedFuture::limit`](crate::OwnedFuture::limit).
#[pin_project]
#[derive(Debug)]
pub struct Limited<O> {
    // Dropped first: what ran is gone before its permit is free.
    #[pin]
    op: O,
    gate: Gate,
}

/// What lets one at a time in where it has a permit.
#[derive(Debug)]
pub(crate) struct Gate {
    /// The place in the queue, then the permit.
    ticket: Option<Ticket>,
    limit: Limit,
}

impl Gate {
    pub(crate) const fn new(limit: Limit) -> Self {
        Self { ticket: None, limit }
    }

    /// Ready while what is behind it may run.
    #[inline]
    pub(crate) fn poll_enter(
        &mut self,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
    ) -> Poll<Result<(), Aborted>> {
        if self.limit.capacity() == 0 {
            let reason = AbortReason::Rejected { why: "it has no permits".into() };
            return Poll::Ready(Err(Aborted::of(reason, lent.name().cloned(), Position::Below)));
        }
        let ticket = self.ticket.get_or_insert_with(|| Ticket::new(self.limit.queue.clone()));
        let waited = ticket.is_waiting();
        let claimed = ticket.poll_permit(cx, lent);
        if waited {
            let has_it = claimed.is_ready();
            match if has_it { lent.standing_now() } else { lent.standing() } {
                Standing::InGrace(aborted) => {
                    self.leave();
                    return Poll::Ready(Err(aborted));
                }
                // A permit that came too late is to start nothing: whoever it is over for ends this, in this
                // very poll.
                Standing::Over if has_it => return Poll::Pending,
                _ => {}
            }
        }
        claimed.map(Ok)
    }

    /// Gives the permit back.
    #[inline]
    pub(crate) fn leave(&mut self) {
        self.ticket = None;
    }
}

impl<O> Limited<O> {
    pub(crate) const fn new(op: O, limit: Limit) -> Self {
        Self { op, gate: Gate::new(limit) }
    }
}

impl<O: Operation> Operation for Limited<O> {
    type Output = O::Output;
    type State = O::State;

    #[inline]
    fn poll(
        self: Pin<&mut Self>,
        state: Pin<&mut O::State>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
    ) -> Poll<Result<O::Output, Aborted>> {
        let this = self.project();
        if let Err(aborted) = ready!(this.gate.poll_enter(cx, lent)) {
            return Poll::Ready(Err(aborted));
        }
        let outcome = ready!(this.op.poll(state, cx, lent));
        this.gate.leave();
        Poll::Ready(outcome)
    }

    fn poll_abort(
        self: Pin<&mut Self>,
        state: Pin<&mut O::State>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
        aborted: &Aborted,
    ) -> Poll<()> {
        let this = self.project();
        ready!(this.op.poll_abort(state, cx, lent, aborted));
        this.gate.leave();
        Poll::Ready(())
    }

    fn name(&self) -> Option<&Name> {
        self.op.name()
    }
}

#[diagnostic::do_not_recommend]
impl<O: Repeat> Repeat for Limited<O> {}
