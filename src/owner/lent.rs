mod aborts;
mod time;

use alloc::{collections::BTreeSet, vec::Vec};
use core::fmt;

pub(crate) use aborts::Standing;

use super::{
    LeafState, Owner, ambient,
    core::Core,
    deadline::{Deadline, End},
    reprieve::Reprieve,
    value::{Value, Values},
};
use crate::{
    abort::{AbortHandle, Name},
    time::TimerHandle,
};

/// What the owner of an operation lends it for the length of one poll.
///
/// A chain of references on the stack, one link for each adapter above that has something to say. It
/// costs nothing until somebody asks, and the answers are then found by walking up.
///
/// See [`Operation`](crate::operation::Operation) for how it is handed down.
pub struct Lent<'a> {
    up: Option<&'a Lent<'a>>,
    link: Link<'a>,
}

/// What one adapter says.
#[derive(Clone, Copy)]
pub(crate) enum Link<'a> {
    Root,
    Name(&'a Name),
    Abort(&'a AbortHandle),
    Timer(&'a TimerHandle),
    Deadline(&'a Deadline, End),
    Attempt(u32),
    Value(&'a Value),
    /// It is a member of a scope.
    Member(&'a Core),
    /// It runs in a nursery, which is below all that is above here.
    Child(&'a Core),
    /// It runs in a user's own future.
    Leaf(&'a LeafState),
    /// Once it is to end, it is told so and has time for it.
    Grace(&'a Reprieve),
    /// Once it is to end, it isn't told so for a time.
    Shield(&'a Reprieve),
    /// It runs in a bracket, which ends it when it is to end.
    Bracket,
    /// It holds a permit.
    Permit(Permitted),
    /// It cleans up for a scope: neither an abort nor a deadline above is meant for it.
    CleanUp(&'a Core),
}

/// Of which limit somebody holds a permit, and by what note.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Permitted {
    pub(crate) limit: usize,
    pub(crate) holder: Option<usize>,
}

impl Link<'_> {
    /// Whether it is told of its end, and ends what is below.
    const fn is_told(&self) -> bool {
        matches!(
            self,
            Self::Child(_) | Self::Grace(_) | Self::Shield(_) | Self::Bracket | Self::CleanUp(_)
        )
    }
}

impl<'a> Lent<'a> {
    /// What is lent where nobody is above.
    pub(crate) const ROOT: &'static Lent<'static> = &Lent { up: None, link: Link::Root };

    pub(crate) const fn with(&'a self, link: Link<'a>) -> Self {
        Self { up: Some(self), link }
    }

    /// Hands `f` what the future that this thread polls was lent; in plain code, far below it, too.
    #[inline]
    pub(crate) fn current<R>(f: impl for<'b> FnOnce(&'b Lent<'b>) -> R) -> R {
        ambient::lent(f)
    }

    /// Itself, and all that is above.
    fn all(&self) -> impl Iterator<Item = &Lent<'a>> {
        core::iter::successors(Some(self), |lent| lent.up)
    }

    fn links(&self) -> impl Iterator<Item = &Link<'a>> {
        self.all().map(|lent| &lent.link)
    }

    /// An owned view, to be kept beyond the poll.
    ///
    /// It has a node of its own in the lattice, below all owners above. Whoever asks for it aborts
    /// that node when what it owns has ended.
    #[must_use]
    pub fn owner(&self) -> Owner {
        self.owner_with(self.child())
    }

    pub(super) fn owner_with(&self, abort: AbortHandle) -> Owner {
        let limit = self.limit_since(None);
        Owner {
            abort,
            deadline: limit.map(|limit| limit.at),
            deadline_of: limit.and_then(|limit| limit.name.cloned()),
            timer: self.timer().cloned(),
            attempt: self.attempt(),
            name: self.name().cloned(),
            values: self.values(),
        }
    }

    /// Which attempt of the nearest retry above this is, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        let attempt = self.links().find_map(|link| match link {
            Link::Attempt(attempt) => Some(*attempt),
            _ => None,
        });
        attempt.unwrap_or(1)
    }

    /// The permits that are held above, those of the nearest limit first.
    pub(crate) fn permits(&self) -> impl Iterator<Item = Permitted> {
        self.links().filter_map(|link| match link {
            Link::Permit(permitted) => Some(*permitted),
            _ => None,
        })
    }

    /// The name given to this operation from above, below any scope and in its own chain.
    pub(crate) fn own_name(&self) -> Option<&'a Name> {
        let ends = |link: &&Link<'a>| {
            matches!(link, Link::Name(_) | Link::Member(_) | Link::Child(_) | Link::Leaf(_))
        };
        match self.links().find(ends)? {
            Link::Name(name) => Some(*name),
            _ => None,
        }
    }

    /// The nearest name above.
    #[must_use]
    pub fn name(&self) -> Option<&'a Name> {
        self.links().find_map(|link| match link {
            Link::Name(name) => Some(*name),
            Link::Member(scope) | Link::CleanUp(scope) => scope.name.as_ref(),
            _ => None,
        })
    }

    /// The values that are given above.
    pub(super) fn values(&self) -> Values {
        // The uppermost list is shared, what is below it is put before it.
        let (mut below, mut uppermost) = (Vec::new(), None::<&Values>);
        for link in self.links() {
            match link {
                Link::Value(value) => {
                    below.extend(uppermost.take().into_iter().flat_map(Values::iter));
                    below.push(*value);
                }
                Link::Member(scope) | Link::CleanUp(scope) if !scope.values.is_empty() => {
                    let passed = uppermost.replace(&scope.values);
                    below.extend(passed.into_iter().flat_map(Values::iter));
                }
                _ => {}
            }
        }
        let shared = uppermost.cloned().unwrap_or_default();
        below.into_iter().rev().fold(shared, |values, value| values.with(value.clone()))
    }

    /// The nearest value that `find` finds.
    #[cfg(feature = "std")]
    pub(super) fn value<R>(&self, mut find: impl FnMut(&'a Value) -> Option<R>) -> Option<R> {
        self.links().find_map(|link| match link {
            Link::Value(value) => find(value),
            Link::Member(scope) | Link::CleanUp(scope) => scope.values.iter().find_map(&mut find),
            _ => None,
        })
    }

    /// The scopes above that this belongs to, the nearest first.
    pub(crate) fn scopes(&self) -> impl Iterator<Item = &'a Core> {
        let ends = |link: &&Link<'a>| !matches!(link, Link::CleanUp(_));
        self.links().take_while(ends).filter_map(|link| match link {
            Link::Member(scope) | Link::Child(scope) => Some(*scope),
            _ => None,
        })
    }

    /// Notes, in all scopes that this belongs to and in those above them, that it has overrun the time it had to end.
    pub(crate) fn note_overrun(&self, name: Option<&Name>) {
        let who = name.or_else(|| self.own_name());
        let mut noted = BTreeSet::new();
        self.scopes().for_each(|scope| scope.note_overrun(who, &mut noted));
    }

    /// The user's own futures that this runs in, one in the other, the nearest first, and what each is lent. Those
    /// above somebody who is told of their end are that one's business.
    pub(super) fn leaves(&self) -> impl Iterator<Item = (&'a LeafState, &'a Lent<'a>)> {
        let below = self.all().take_while(|lent| !lent.link.is_told());
        below.filter_map(|Lent { up, link }| match link {
            Link::Leaf(leaf) => up.map(|up| (*leaf, up)),
            _ => None,
        })
    }

    /// The owner of the user's own future that is the nearest, if there is one. Clean-up belongs to none of those
    /// above.
    #[cfg(feature = "std")]
    pub(super) fn owner_of_leaf(&self) -> Option<Owner> {
        let mut below = self.all().take_while(|lent| !matches!(lent.link, Link::CleanUp(_)));
        let leaf = below.find_map(|lent| match lent.link {
            Link::Leaf(leaf) => Some((leaf, lent)),
            _ => None,
        });
        leaf.map(|(leaf, lent)| leaf.owner(lent.up.unwrap_or(Lent::ROOT)))
    }
}

impl fmt::Debug for Lent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lent")
            .field("name", &self.name())
            .field("attempt", &self.attempt())
            .finish_non_exhaustive()
    }
}
