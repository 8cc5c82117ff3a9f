use alloc::vec::Vec;
use core::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use super::{
    Lent,
    leaf::{Hold, Woken},
};
use crate::{
    abort::{Aborted, WaitAborted},
    sync::{Arc, impl_wake},
};

/// What an operation keeps that takes its time to end, where it may stand deep in plain code.
///
/// Nobody tells it there by [`poll_abort`](crate::operation::Operation::poll_abort): it sees for itself that one of the
/// user's own futures that it runs in is being ended, and holds that until it is done. Then it is pending for good, so
/// that no more of the plain code around it runs, and is dropped along with that.
#[derive(Debug, Default)]
pub(crate) struct Holding {
    /// One in the other, the nearest first.
    held: Vec<Held>,
    /// Of those that are being ended; there is none before the first is.
    woken: Option<Arc<Woken>>,
    done: bool,
}

#[derive(Debug)]
struct Held {
    hold: Hold,
    /// Wakes it when that is to end.
    waiting: Option<WaitAborted>,
}

impl Holding {
    /// To be called before each poll: why it is to end, as by `poll_abort`, if it is. Pending where it is to do nothing
    /// any more.
    pub(crate) fn poll_told(&mut self, lent: &Lent<'_>) -> Poll<Option<Aborted>> {
        if self.done { Poll::Pending } else { Poll::Ready(self.ending(lent)) }
    }

    /// To be called before each poll by which it ends: the waker for that. Pending as `poll_told`.
    pub(crate) fn poll_waker(&mut self, task: &Waker, lent: &Lent<'_>) -> Poll<Waker> {
        let told = ready!(self.poll_told(lent));
        Poll::Ready(match self.woken.as_ref().filter(|_| told.is_some()) {
            Some(woken) => {
                Waker::from(Arc::new(Waking { woken: woken.clone(), task: task.clone() }))
            }
            None => task.clone(),
        })
    }

    /// Why it is to end, if one of those that it holds is being ended. Where it was moved, it is none of the business
    /// of those whom it has left.
    fn ending(&mut self, lent: &Lent<'_>) -> Option<Aborted> {
        let held = self.held.iter_mut().zip(lent.leaves());
        let held = held.take_while(|(held, (leaf, _))| held.hold.is_of(leaf));
        let woken = &mut self.woken;
        woken.iter().for_each(|woken| woken.clear());
        // Each of them is to know that it is waited for.
        held.fold(None, |ending, (held, _)| {
            let own = held.hold.ending(woken);
            ending.or(own)
        })
    }

    /// To be called when it is pending: from now on it holds, and is woken when it is to end.
    pub(crate) fn keep(&mut self, cx: &mut Context<'_>, lent: &Lent<'_>) {
        let known = self.held.iter().zip(lent.leaves());
        let known = known.take_while(|(held, (leaf, _))| held.hold.is_of(leaf)).count();
        self.held.truncate(known);
        let new: Vec<_> = lent.leaves().skip(known).collect();
        // The outermost first, so that the handle of each is below that of the next.
        let new: Vec<_> = new.into_iter().rev().map(|(leaf, above)| leaf.hold(above)).collect();
        self.held.extend(new.into_iter().rev().map(|hold| {
            let waiting = Some(hold.handle().aborted());
            Held { hold, waiting }
        }));
        for Held { waiting, .. } in &mut self.held {
            if let Some(Poll::Ready(_)) = waiting.as_mut().map(|waiting| Pin::new(waiting).poll(cx))
            {
                // Those above have yet to tell why: they look after this poll.
                *waiting = None;
            }
        }
    }

    /// It has ended as it was told, by `poll_abort` or here. Ready, unless no more of the plain code around it is to
    /// run.
    pub(crate) fn poll_end(&mut self, lent: &Lent<'_>) -> Poll<()> {
        let told = self.ending(lent).is_some();
        *self = Self { done: told, ..Self::default() };
        if told { Poll::Pending } else { Poll::Ready(()) }
    }

    /// It has ended by itself.
    #[inline]
    pub(crate) fn clear(&mut self) {
        if !self.held.is_empty() {
            *self = Self::default();
        }
    }
}

/// Wakes the task, which finds that this was one of those that it waits for.
struct Waking {
    woken: Arc<Woken>,
    task: Waker,
}

impl Waking {
    fn wake(&self) {
        self.woken.set();
        self.task.wake_by_ref();
    }
}

impl_wake!(Waking, Waking::wake);
