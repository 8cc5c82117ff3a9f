//! The children of a nursery, of which it polls those that were woken.

use core::{
    pin::Pin,
    task::{Context, Poll, Waker},
};

use super::{
    child::Child,
    places::Places,
    shared::{ChildOf, EndedOf, Family},
};
use crate::{
    abort::Aborted,
    fifo::Fifo,
    owner::{
        Lent,
        core::{Core, Seat},
    },
    sync::Arc,
    wake::{Panic, caught},
};

/// Those that were polled, and have not ended.
pub(super) struct Children<F: Family> {
    places: Places<ChildOf<F>>,
    /// A seat that nobody has, to be lent.
    spare: Option<Loan>,
}

/// A seat, and its waker, for a poll.
pub(super) struct Loan {
    seat: Arc<Seat>,
    pub(super) waker: Waker,
}

/// What came of a poll by key.
pub(super) enum Polled<F: Family> {
    Pending,
    /// It has been woken meanwhile, and is to be polled again, by its key.
    Again(u32),
    Ended(ChildOf<F>, End<F>),
}

/// How a child has ended.
pub(super) enum End<F: Family> {
    Ended(EndedOf<F>),
    Panicked(Panic),
}

impl<F: Family> Default for Children<F> {
    fn default() -> Self {
        Self { places: Places::default(), spare: None }
    }
}

impl<F: Family> Children<F> {
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Lends a seat to the one with that key.
    pub(super) fn lend(&mut self, key: u32, core: &Arc<Core>) -> Loan {
        let loan = self.spare.take().unwrap_or_else(|| {
            let seat = Seat::new(core, key);
            Loan { waker: Waker::from(seat.clone()), seat }
        });
        loan.seat.lend(key);
        loan
    }

    /// Takes a seat back from one that is pending, or lets it have it, if it has kept the waker. Tells whether it was woken
    /// meanwhile, and isn't in the queue.
    pub(super) fn take_back(&mut self, loan: Loan) -> bool {
        let woken = loan.seat.take_back();
        if Seat::is_as_new(&loan.seat, 1) {
            self.spare = Some(loan);
            return woken;
        }
        if woken {
            Seat::wake_again(loan.seat);
        }
        false
    }

    /// Takes a seat back from one that has ended.
    pub(super) fn end(&mut self, loan: Loan) {
        if Seat::is_as_new(&loan.seat, 1) {
            self.spare = Some(loan);
        } else {
            loan.seat.leave();
        }
    }

    /// Polls a child for the first time, which is given a place if it is pending.
    pub(super) fn poll_first(
        &mut self,
        mut child: ChildOf<F>,
        core: &Arc<Core>,
        lent: &Lent<'_>,
    ) -> Polled<F> {
        let key = self.places.next_key();
        let loan = self.lend(key, core);
        match poll::<F>(child.as_mut(), &loan.waker, lent) {
            Poll::Pending => {
                self.places.insert(child);
                if self.take_back(loan) { Polled::Again(key) } else { Polled::Pending }
            }
            Poll::Ready(end) => {
                self.end(loan);
                Polled::Ended(child, end)
            }
        }
    }

    /// Polls the child with that key, which has no seat. If it has ended, it is taken out.
    pub(super) fn poll_again(&mut self, key: u32, core: &Arc<Core>, lent: &Lent<'_>) -> Polled<F> {
        let loan = self.lend(key, core);
        let Some(child) = self.places.get_mut(key) else { return Polled::Pending };
        match poll::<F>(child.as_mut(), &loan.waker, lent) {
            Poll::Pending => {
                if self.take_back(loan) {
                    Polled::Again(key)
                } else {
                    Polled::Pending
                }
            }
            Poll::Ready(end) => {
                self.end(loan);
                match self.places.remove(key) {
                    Some(child) => Polled::Ended(child, end),
                    None => Polled::Pending,
                }
            }
        }
    }

    /// Polls the child that was woken by a seat. If it has ended, it is taken out.
    pub(super) fn poll_woken(
        &mut self,
        seat: Arc<Seat>,
        lent: &Lent<'_>,
    ) -> Option<(ChildOf<F>, End<F>)> {
        let key = seat.key();
        let child = self.places.get_mut(key)?;
        let waker = Waker::from(seat.clone());
        let Poll::Ready(end) = poll::<F>(child.as_mut(), &waker, lent) else { return None };
        seat.leave();
        self.places.remove(key).map(|child| (child, end))
    }

    /// As [`poll_woken`](Self::poll_woken), where all are being ended.
    pub(super) fn poll_abort_woken(
        &mut self,
        seat: Arc<Seat>,
        lent: &Lent<'_>,
        aborted: &Aborted,
    ) -> Option<(ChildOf<F>, Result<(), Panic>)> {
        let key = seat.key();
        let child = self.places.get_mut(key)?;
        let waker = Waker::from(seat.clone());
        let mut cx = Context::from_waker(&waker);
        let ended = match caught(|| child.as_mut().poll_abort(&mut cx, lent, aborted)) {
            Ok(Poll::Pending) => return None,
            Ok(Poll::Ready(())) => Ok(()),
            Err(panic) => Err(panic),
        };
        seat.leave();
        self.places.remove(key).map(|child| (child, ended))
    }

    /// Begins to end all of them, and gives out those that have ended, as most do at once: the futures are gone by now.
    /// The others are to be polled by [`poll_abort_woken`](Self::poll_abort_woken); each is woken, to begin with.
    pub(super) fn abort(
        &mut self,
        core: &Arc<Core>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
        aborted: &Aborted,
        mut panicked: impl FnMut(&F::Child, Panic),
    ) -> Fifo<ChildOf<F>> {
        let mut ended = Fifo::default();
        for key in 0..self.places.end() {
            let Some(child) = self.places.get_mut(key) else { continue };
            match caught(|| child.as_mut().poll_abort(cx, lent, aborted)) {
                Ok(Poll::Ready(())) => {}
                Ok(Poll::Pending) => {
                    // It has been polled with the waker of the task; from now on it has its own.
                    Waker::from(Seat::new(core, key)).wake();
                    continue;
                }
                Err(panic) => panicked(child, panic),
            }
            self.places.remove(key).into_iter().for_each(|child| ended.push(child));
        }
        ended
    }

    /// Gives out all of them, to be dropped.
    pub(super) fn take_all(&mut self) -> Fifo<ChildOf<F>> {
        let mut all = Fifo::default();
        for key in 0..self.places.end() {
            self.places.remove(key).into_iter().for_each(|child| all.push(child));
        }
        all
    }
}

/// Polls a child with its own waker.
#[inline]
fn poll<F: Family>(child: Pin<&mut F::Child>, waker: &Waker, lent: &Lent<'_>) -> Poll<End<F>> {
    match caught(|| child.poll(&mut Context::from_waker(waker), lent)) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(ended)) => Poll::Ready(End::Ended(ended)),
        Err(panic) => Poll::Ready(End::Panicked(panic)),
    }
}
