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
    /// A seat whose key is that of the next place: one that is ready at once leaves it as it was.
    spare: Option<(Arc<Seat>, Waker)>,
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

    /// Polls a child for the first time, which is given a place if it is pending. If it isn't, it is given back along with
    /// how it has ended.
    pub(super) fn poll_first(
        &mut self,
        mut child: ChildOf<F>,
        core: &Arc<Core>,
        lent: &Lent<'_>,
    ) -> Option<(ChildOf<F>, End<F>)> {
        let key = self.places.next_key();
        let (seat, waker) = match self.spare.take() {
            Some(spare) if spare.0.key() == key => spare,
            _ => {
                let seat = Seat::new(core, key);
                (seat.clone(), Waker::from(seat))
            }
        };
        match poll::<F>(child.as_mut(), &waker, lent) {
            Poll::Pending => {
                self.places.insert(child);
                None
            }
            Poll::Ready(end) => {
                if Seat::is_as_new(&seat, 1) {
                    self.spare = Some((seat, waker));
                } else {
                    seat.leave();
                }
                Some((child, end))
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
