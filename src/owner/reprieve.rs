//! The time that something is given to end in.

use core::cell::OnceCell;

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
    /// When they have to have ended.
    until: Option<Instant>,
}

impl Reprieve {
    /// From now on what is below is to end, by then at the latest.
    pub(crate) fn give(&mut self, aborted: &Aborted, until: Instant) {
        self.aborted = Some(aborted.clone().at(Position::Above));
        self.until = Some(until);
    }

    /// What is below has until then, and isn't told why.
    pub(crate) fn bound(&mut self, until: Instant) {
        self.until = Some(until);
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

    pub(crate) fn until(&self) -> Option<Instant> {
        self.until
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
