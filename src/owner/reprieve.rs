//! The time that something is given to end in.

use core::{cell::OnceCell, time::Duration};

use super::{Deadline, End};
use crate::{
    abort::{AbortHandle, Aborted, Position},
    time::Instant,
};

/// What a grace or a shield lends to those below it.
#[derive(Default)]
pub(crate) struct Reprieve {
    /// The handle of those below, once one of them has asked.
    node: OnceCell<AbortHandle>,
    /// Why they are to end, if they are.
    aborted: Option<Aborted>,
    /// When they have to have ended; fixed by the first who asks.
    until: Option<(Deadline, End)>,
}

impl Reprieve {
    /// From now on what is below is to end, by then at the latest.
    pub(crate) fn give(&mut self, aborted: &Aborted, until: Instant) {
        self.aborted = Some(aborted.clone().at(Position::Above));
        self.until = Some((Deadline::open(), End::At(until)));
    }

    /// What is below has so much time, unless it was given some before, and isn't told why. It counts from when
    /// somebody asks for its end.
    pub(crate) fn bound(&mut self, most: Duration) {
        self.until.get_or_insert_with(|| (Deadline::open(), End::after(most)));
    }

    /// Tells those below, if there are any who have asked.
    pub(crate) fn tell(&self, aborted: &Aborted) {
        if let Some(node) = self.node.get() {
            node.pass_on(aborted.clone().at(Position::Above));
        }
    }

    pub(crate) fn aborted(&self) -> Option<&Aborted> {
        self.aborted.as_ref()
    }

    pub(crate) const fn is_bound(&self) -> bool {
        self.until.is_some()
    }

    pub(crate) fn until(&self, now: impl FnOnce() -> Instant) -> Option<Instant> {
        self.until.as_ref().map(|(until, end)| until.fix(*end, now))
    }

    pub(super) fn node(&self, make: impl FnOnce() -> AbortHandle) -> &AbortHandle {
        self.node.get_or_init(make)
    }

    /// As `node`, where those below are told of their end: also those who have not asked before.
    pub(super) fn told_node(&self, make: impl FnOnce() -> AbortHandle) -> &AbortHandle {
        self.node(|| {
            let node = make();
            if let Some(aborted) = &self.aborted {
                node.pass_on(aborted.clone());
            }
            node
        })
    }
}
