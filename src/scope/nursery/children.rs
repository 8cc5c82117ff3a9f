//! The children of a nursery, of which it polls those that are new or were woken.
//!
//! They are polled one after the other in one piece of code that catches a panic, not each in one of its own: after a
//! panic it goes on with the next.

use core::{
    mem,
    task::{Context, Poll, Waker},
};

use super::{
    child::{At, Child},
    outcome::Outcome,
    places::Places,
    shared::{ChildOf, EndedOf, Family, Shared},
    turns::{BODY, Turn, Turns},
};
use crate::{
    abort::Aborted,
    fifo::Fifo,
    owner::{
        Lent,
        core::{Core, Count, Seat},
    },
    sync::Arc,
    wake::caught,
};

pub(super) struct Children<F: Family> {
    /// Those that were polled, and have not ended.
    places: Places<ChildOf<F>>,
    /// Those that have come, and were not polled yet.
    arrivals: Fifo<ChildOf<F>>,
    pub(super) turns: Turns,
    pub(super) lender: Lender,
}

/// Has a seat that nobody else has, to be lent.
#[derive(Default)]
pub(super) struct Lender(Option<Loan>);

/// A seat, and its waker, for a poll.
pub(super) struct Loan {
    seat: Arc<Seat>,
    pub(super) waker: Waker,
}

impl Lender {
    /// Lends a seat to the one with that key.
    #[inline]
    pub(super) fn lend(&mut self, key: u32, core: &Arc<Core>) -> Loan {
        let loan = self.0.take().unwrap_or_else(|| {
            let seat = Seat::new(core, key);
            Loan { waker: Waker::from(seat.clone()), seat }
        });
        loan.seat.lend(key);
        loan
    }

    /// Takes a seat back from one that is pending, or lets it have it, if it has kept the waker. Tells whether it was
    /// woken meanwhile, and isn't in the queue.
    #[inline]
    pub(super) fn take_back(&mut self, loan: Loan) -> bool {
        let woken = loan.seat.take_back();
        if Seat::is_as_new(&loan.seat, 1) {
            self.0 = Some(loan);
            return woken;
        }
        if woken {
            Seat::wake_again(loan.seat);
        }
        false
    }

    /// Takes a seat back from one that has ended.
    #[inline]
    pub(super) fn end(&mut self, loan: Loan) {
        if Seat::is_as_new(&loan.seat, 1) {
            self.0 = Some(loan);
        } else {
            loan.seat.leave();
        }
    }
}

impl<F: Family> Default for Children<F> {
    fn default() -> Self {
        Self {
            places: Places::default(),
            arrivals: Fifo::default(),
            turns: Turns::default(),
            lender: Lender::default(),
        }
    }
}

impl<F: Family> Children<F> {
    /// Those that have begun and have not ended.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Polls those whose turn it is, until it is the body's, which it gives out. It stops where the nursery is aborted.
    pub(super) fn poll_turns(
        &mut self,
        core: &Arc<Core>,
        lent: &Lent<'_>,
        outcome: &mut Outcome<F>,
    ) -> Option<Turn> {
        let mut turn = None;
        while let Err(panic) = caught(|| {
            while !core.abort.is_aborted() {
                turn = self.turns.next();
                let (key, ended) = match &turn {
                    None | Some(Turn::Of(BODY)) => return,
                    Some(Turn::Of(key)) => (*key, self.poll_by_key(*key, core, lent)),
                    Some(Turn::By(seat)) if !seat.begin_poll() => continue,
                    Some(Turn::By(seat)) if seat.key() == BODY => return,
                    Some(Turn::By(seat)) => (seat.key(), self.poll_by_seat(seat, core, lent)),
                };
                if let Poll::Ready(ended) = ended {
                    if let Some(child) = self.places.remove(key) {
                        outcome.ended(core, child, ended);
                    }
                }
            }
            turn = None;
        }) {
            let key = match turn.take() {
                None => None,
                Some(Turn::Of(key)) => Some(key),
                Some(Turn::By(seat)) => {
                    seat.leave();
                    Some(seat.key())
                }
            };
            match key.and_then(|key| self.places.remove(key)) {
                Some(child) => outcome.panicked(core, child, panic, None),
                None => outcome.note_panic(core, None, panic),
            }
        }
        turn
    }

    #[inline]
    fn poll_by_key(&mut self, key: u32, core: &Arc<Core>, lent: &Lent<'_>) -> Poll<EndedOf<F>> {
        let Some(child) = self.places.get_mut(key) else { return Poll::Pending };
        let loan = self.lender.lend(key, core);
        let at = At { core, key };
        let polled = child.as_mut().poll(&mut Context::from_waker(&loan.waker), at, lent);
        if polled.is_ready() {
            self.lender.end(loan);
        } else if self.lender.take_back(loan) {
            self.turns.again(key, &core.queue);
        }
        polled
    }

    #[inline]
    fn poll_by_seat(
        &mut self,
        seat: &Arc<Seat>,
        core: &Arc<Core>,
        lent: &Lent<'_>,
    ) -> Poll<EndedOf<F>> {
        let at = At { core, key: seat.key() };
        let Some(child) = self.places.get_mut(at.key) else { return Poll::Pending };
        let waker = Waker::from(seat.clone());
        let polled = child.as_mut().poll(&mut Context::from_waker(&waker), at, lent);
        if polled.is_ready() {
            seat.leave();
        }
        polled
    }

    /// Polls those that have come since, for the first time; those that are pending are given a place. Tells whether
    /// there were any. It stops where the nursery is aborted.
    pub(super) fn poll_arrivals(
        &mut self,
        shared: &Shared<F>,
        lent: &Lent<'_>,
        outcome: &mut Outcome<F>,
    ) -> bool {
        let core = &shared.core;
        if !shared.has_arrivals() {
            return false;
        }
        shared.take_arrivals(&mut self.arrivals);
        let mut child = None;
        while let Err(panic) = caught(|| {
            while !core.abort.is_aborted() {
                child = self.arrivals.pop();
                let Some(new) = &mut child else { return };
                let key = self.places.next_key();
                let loan = self.lender.lend(key, core);
                let at = At { core, key };
                let polled = new.as_mut().poll(&mut Context::from_waker(&loan.waker), at, lent);
                match (polled, child.take()) {
                    (Poll::Ready(ended), Some(child)) => {
                        self.lender.end(loan);
                        outcome.ended(core, child, ended);
                    }
                    (Poll::Pending, Some(child)) => {
                        self.places.insert(child);
                        if self.lender.take_back(loan) {
                            self.turns.again(key, &core.queue);
                        }
                    }
                    (_, None) => {}
                }
            }
        }) {
            match child.take() {
                Some(child) => outcome.panicked(core, child, panic, None),
                None => outcome.note_panic(core, None, panic),
            }
        }
        true
    }

    /// Begins to end all of them. Most have ended and are gone when it returns; the others are to be polled by
    /// [`poll_ending`](Self::poll_ending).
    pub(super) fn abort(
        &mut self,
        core: &Arc<Core>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
        aborted: &Aborted,
        outcome: &mut Outcome<F>,
    ) {
        self.turns.clear();
        let mut ended = 0;
        let mut next = 0;
        while let Err(panic) = caught(|| {
            while next < self.places.end() {
                let key = next;
                next += 1;
                let Some(child) = self.places.get_mut(key) else { continue };
                if child.as_mut().poll_abort(cx, lent, aborted).is_pending() {
                    Seat::give_woken(core, key);
                    continue;
                }
                ended += 1;
                drop(self.places.remove(key));
            }
        }) {
            match self.places.remove(next - 1) {
                Some(child) => outcome.panicked(core, child, panic, Some(aborted)),
                None => outcome.note_panic(core, None, panic),
            }
        }
        core.tally.add_many(Count::Aborted, ended);
    }

    /// Polls those whose turn it is, of those that take their time to end, until it is the body's, which it gives out.
    pub(super) fn poll_ending(
        &mut self,
        core: &Arc<Core>,
        lent: &Lent<'_>,
        aborted: &Aborted,
        outcome: &mut Outcome<F>,
    ) -> Option<Arc<Seat>> {
        let mut seat = None;
        while let Err(panic) = caught(|| {
            loop {
                // By key nobody comes any more.
                seat = match self.turns.next() {
                    Some(Turn::By(seat)) => Some(seat),
                    Some(Turn::Of(_)) | None => None,
                };
                let Some(seat) = &seat else { return };
                if !seat.begin_poll() {
                    continue;
                }
                if seat.key() == BODY {
                    return;
                }
                let Some(child) = self.places.get_mut(seat.key()) else { continue };
                let waker = Waker::from(seat.clone());
                let mut cx = Context::from_waker(&waker);
                if child.as_mut().poll_abort(&mut cx, lent, aborted).is_ready() {
                    seat.leave();
                    core.tally.add(Count::Aborted);
                    drop(self.places.remove(seat.key()));
                }
            }
        }) {
            let child = seat.take().and_then(|seat| {
                seat.leave();
                self.places.remove(seat.key())
            });
            match child {
                Some(child) => outcome.panicked(core, child, panic, Some(aborted)),
                None => outcome.note_panic(core, None, panic),
            }
        }
        seat
    }

    /// Gives out those that have come and never were polled.
    pub(super) fn take_arrivals(&mut self) -> Fifo<ChildOf<F>> {
        mem::take(&mut self.arrivals)
    }

    /// Gives out all that have begun, to be dropped.
    pub(super) fn take_all(&mut self) -> Fifo<ChildOf<F>> {
        let mut all = Fifo::default();
        for key in 0..self.places.end() {
            self.places.remove(key).into_iter().for_each(|child| all.push(child));
        }
        all
    }
}
