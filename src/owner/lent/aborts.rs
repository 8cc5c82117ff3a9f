use alloc::vec::Vec;

use super::{Lent, Link};
use crate::abort::{AbortHandle, Aborted};

/// Where an operation stands that is about to begin something anew in the midst of a poll.
#[derive(Debug)]
pub(crate) enum Standing {
    Live,
    /// Whoever it is over for ends it in this very poll: it is to be pending.
    Over,
    /// It is being polled on in its grace, which is to end what runs, not to begin more: it had best end itself.
    InGrace(Aborted),
}

/// What aborts it.
impl Lent<'_> {
    /// A new node below the handles and scopes above.
    ///
    /// Timeouts and other adapters above aren't part of it: when they end what runs below, it is
    /// told by [`poll_abort`](crate::operation::Operation::poll_abort).
    #[must_use]
    pub fn child(&self) -> AbortHandle {
        match self.handles() {
            (None, _) => AbortHandle::new(),
            (Some(only), more) if more.is_empty() => only.child(),
            (Some(first), more) => AbortHandle::any(core::iter::once(first).chain(more)),
        }
    }

    /// A handle that is aborted with those above, where there is one.
    pub(crate) fn above(&self) -> Option<AbortHandle> {
        let (first, more) = self.handles();
        first.map(|first| match more.is_empty() {
            true => first.clone(),
            false => AbortHandle::any(core::iter::once(first).chain(more)),
        })
    }

    /// The handles above that are needed to hear of all aborts above: the first one, and what more there are.
    fn handles(&self) -> (Option<&AbortHandle>, Vec<&AbortHandle>) {
        let mut above = None;
        let mut more = Vec::new();
        for lent in self.all() {
            // Some are below all that is above them: whoever asks need look no further.
            let (handle, is_below_all) = match lent.link {
                Link::Abort(handle) => (Some(handle), false),
                Link::Member(scope) => (Some(&scope.abort), false),
                Link::Child(nursery) => (Some(&nursery.abort), true),
                Link::Leaf(leaf) => (leaf.handle(), leaf.handle().is_some()),
                Link::Grace(grace) => (Some(grace.told_node(|| lent.child_of_up())), true),
                Link::Shield(shield) => (Some(shield.node(AbortHandle::new)), true),
                Link::CleanUp(_) => (None, true),
                _ => (None, false),
            };
            match (handle, above) {
                (Some(_), None) => above = handle,
                (Some(handle), Some(_)) => more.push(handle),
                (None, _) => {}
            }
            if is_below_all {
                break;
            }
        }
        (above, more)
    }

    fn child_of_up(&self) -> AbortHandle {
        self.up.map_or_else(AbortHandle::new, Lent::child)
    }

    /// Whether a handle or a scope above was aborted, since the poll began. Whoever would start
    /// something anew in the same poll asks first, and is pending instead.
    #[must_use]
    pub fn is_aborted(&self) -> bool {
        !matches!(self.standing(), Standing::Live)
    }

    pub(crate) fn standing(&self) -> Standing {
        for link in self.links() {
            let (handle, is_below_all) = match link {
                Link::Abort(handle) => (Some(*handle), false),
                Link::Member(scope) => (Some(&scope.abort), false),
                Link::Child(nursery) => (Some(&nursery.abort), true),
                Link::Leaf(leaf) if leaf.is_ending() => return Standing::Over,
                Link::Leaf(leaf) => (leaf.handle(), leaf.handle().is_some()),
                Link::Grace(grace) => {
                    if let Some(aborted) = grace.aborted() {
                        return Standing::InGrace(aborted.clone());
                    }
                    (None, false)
                }
                Link::Shield(_) | Link::CleanUp(_) => (None, true),
                _ => (None, false),
            };
            if handle.is_some_and(AbortHandle::is_aborted) {
                return Standing::Over;
            }
            if is_below_all {
                break;
            }
        }
        Standing::Live
    }
}
