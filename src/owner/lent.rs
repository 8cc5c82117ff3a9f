use alloc::vec::Vec;
use core::fmt;

use super::{
    LeafState, Owner, ambient,
    core::Core,
    deadline::{Deadline, End, TimeLimit},
    leaf::Hold,
    reprieve::Reprieve,
    value::{Value, Values},
};
use crate::{
    abort::{AbortHandle, Aborted, Name},
    time::{Instant, TimerHandle},
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
    /// It cleans up for a scope: neither an abort nor a deadline above is meant for it.
    CleanUp(&'a Core),
}

/// Where an operation stands that is about to begin something anew in the midst of a poll.
#[derive(Debug)]
pub(crate) enum Standing {
    Live,
    /// Whoever it is over for ends it in this very poll: it is to be pending.
    Over,
    /// It is being polled on in its grace, which is to end what runs, not to begin more: it had best end itself.
    InGrace(Aborted),
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
                Link::Grace(grace) => (Some(grace.node(|| lent.child_of_up())), true),
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

    /// As `standing`, and it is over, too, where the deadline has passed. It reads the clock where there is one.
    pub(crate) fn standing_now(&self) -> Standing {
        let has_passed = || {
            let now = self.timer()?.now();
            Some(self.deadline_since(Some(now))? <= now)
        };
        match self.standing() {
            Standing::Live if self.has_deadline() && has_passed().unwrap_or(false) => {
                Standing::Over
            }
            standing => standing,
        }
    }

    /// Whether, since the poll began, an owner above was aborted or the deadline has passed. It reads
    /// the clock where there is a deadline.
    #[must_use]
    pub fn is_over(&self) -> bool {
        !matches!(self.standing_now(), Standing::Live)
    }

    #[inline]
    fn has_deadline(&self) -> bool {
        self.links().any(|link| match link {
            Link::Deadline(..) => true,
            Link::Member(scope) => scope.deadline.is_some(),
            Link::Grace(reprieve) | Link::Shield(reprieve) => reprieve.until().is_some(),
            _ => false,
        })
    }

    /// The earliest deadline above, on this owner's [`timer`](Self::timer). Those above a change of
    /// timer don't count: their instants mean nothing here.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline_since(None)
    }

    /// As `deadline`, where the caller has just asked the clock.
    pub(crate) fn deadline_since(&self, now: Option<Instant>) -> Option<Instant> {
        self.limit_since(now).map(|limit| limit.at)
    }

    /// The earliest deadline above, and whose it is. Of two that are the same, the outer one.
    #[inline]
    pub(crate) fn limit_since(&self, now: Option<Instant>) -> Option<TimeLimit<'a>> {
        // Asked at each first `Pending`, and mostly there is none.
        if self.has_deadline() { self.find_limit(now, false) } else { None }
    }

    /// The earliest deadline above in the same chain, where the caller may have just asked the clock. What is above
    /// the user's own future rings for that, but perhaps nobody polls what is in it: it may block the thread.
    #[inline]
    pub(crate) fn deadline_in_chain(&self, now: Option<Instant>) -> Option<Instant> {
        if self.has_deadline() { self.find_limit(now, true).map(|limit| limit.at) } else { None }
    }

    fn find_limit(&self, now: Option<Instant>, in_chain: bool) -> Option<TimeLimit<'a>> {
        let timer = self.timer()?;
        let mut now = now;
        let mut earliest: Option<TimeLimit<'a>> = None;
        let mut note = |at, name| {
            if at != Instant::NEVER && earliest.is_none_or(|earliest| at <= earliest.at) {
                earliest = Some(TimeLimit { at, name });
            }
        };
        let mut name = None;
        let mut lent = Some(self);
        while let Some(Lent { up, link }) = lent {
            match link {
                Link::Name(below) => name = Some(*below),
                Link::Deadline(deadline, end) => {
                    let at = deadline.fix(*end, || *now.get_or_insert_with(|| timer.now()));
                    note(at, name.or_else(|| up.and_then(Lent::name)));
                }
                Link::Timer(_) | Link::Member(_) => {
                    if let Link::Member(Core { deadline: Some(at), timer: own, name, .. }) = link {
                        if own.as_ref().is_some_and(|own| own.is_same(timer)) {
                            note(*at, name.as_ref());
                        }
                    }
                    let above = up.and_then(|up| up.timer());
                    if !above.is_some_and(|above| above.is_same(timer)) {
                        break;
                    }
                }
                Link::Grace(reprieve) | Link::Shield(reprieve) => {
                    if let Some(until) = reprieve.until() {
                        note(until, name.or_else(|| up.and_then(Lent::name)));
                        break;
                    }
                }
                Link::Leaf(leaf) if in_chain || leaf.is_ending() => break,
                Link::CleanUp(_) => break,
                _ => {}
            }
            lent = *up;
        }
        earliest
    }

    /// The nearest timer above; with `std`, the process's own where none was given.
    #[inline]
    #[must_use]
    pub fn timer(&self) -> Option<&'a TimerHandle> {
        let given = self.links().find_map(|link| match link {
            Link::Timer(timer) => Some(*timer),
            Link::Member(scope) | Link::CleanUp(scope) => scope.timer.as_ref(),
            _ => None,
        });
        given.or(TimerHandle::system())
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
        let mut own = Vec::new();
        let mut inherited = None;
        for link in self.links() {
            match link {
                Link::Value(value) => own.push(*value),
                Link::Member(scope) | Link::CleanUp(scope) if !scope.values.is_empty() => {
                    inherited = Some(&scope.values);
                    break;
                }
                _ => {}
            }
        }
        let inherited = inherited.cloned().unwrap_or_default();
        own.into_iter().rev().fold(inherited, |values, value| values.with(value.clone()))
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

    /// The nearest scope above that this belongs to.
    pub(crate) fn scope(&self) -> Option<&'a Core> {
        self.links().find_map(|link| match link {
            Link::Member(scope) | Link::Child(scope) => Some(*scope),
            _ => None,
        })
    }

    /// The user's own future that this runs in, if nobody between the two is told of its end.
    fn leaf(&self) -> Option<(&'a LeafState, &'a Lent<'a>)> {
        for Lent { up, link } in self.all() {
            match link {
                Link::Leaf(leaf) => return up.map(|up| (*leaf, up)),
                Link::Child(_) | Link::Grace(_) | Link::Shield(_) | Link::CleanUp(_) => break,
                _ => {}
            }
        }
        None
    }

    /// Keeps the user's own future that this runs in from being dropped at once when it is to end; `kept` is what
    /// was kept the last time.
    pub(super) fn hold(&self, kept: Option<Hold>) -> Option<Hold> {
        let (leaf, above) = self.leaf()?;
        kept.filter(|hold| hold.is_of(leaf)).or_else(|| Some(leaf.hold(above)))
    }

    /// The owner of the user's own future that is the nearest, if there is one.
    #[cfg(feature = "std")]
    pub(super) fn owner_of_leaf(&self) -> Option<Owner> {
        let leaf = self.all().find_map(|lent| match lent.link {
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
