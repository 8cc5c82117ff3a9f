use core::{future::Future, pin::Pin, task::Context};

use super::{Lent, leaf::Hold};
use crate::abort::{Aborted, WaitAborted};

/// What an operation keeps that takes its time to end, where it may stand deep in plain code.
///
/// Nobody tells it there by [`poll_abort`](crate::operation::Operation::poll_abort): it sees for itself that the
/// user's own future is being ended, and holds that until it is done. Then it is pending for good, so that no more
/// of the plain code around it runs, and is dropped along with that.
#[derive(Debug, Default)]
pub(crate) struct Holding {
    hold: Option<Hold>,
    waiting: Option<WaitAborted>,
    done: bool,
}

/// What an operation that holds is to do.
pub(crate) enum Told {
    /// Go on.
    Nothing,
    /// End, and [let go](Holding::let_go) then.
    ToEnd(Aborted),
    /// Nothing any more.
    ToWait,
}

impl Holding {
    /// To be called before each poll.
    pub(crate) fn told(&self) -> Told {
        match &self.hold {
            _ if self.done => Told::ToWait,
            Some(hold) => hold.ending().map_or(Told::Nothing, Told::ToEnd),
            None => Told::Nothing,
        }
    }

    /// To be called when it is pending: from now on it holds, and is woken when it is to end.
    pub(crate) fn keep(&mut self, cx: &mut Context<'_>, lent: &Lent<'_>) {
        if !lent.is_held_by(self.hold.as_ref()) {
            self.hold = lent.hold();
            self.waiting = self.hold.as_ref().map(|hold| hold.handle().aborted());
        }
        if let Some(waiting) = &mut self.waiting {
            if Pin::new(waiting).poll(cx).is_ready() {
                // Those above have yet to tell why: they look after this poll.
                self.waiting = None;
            }
        }
    }

    /// It has ended as it was told: nothing is held any more.
    pub(crate) fn let_go(&mut self) {
        (self.hold, self.waiting, self.done) = (None, None, true);
    }

    /// It has ended by itself.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }
}
