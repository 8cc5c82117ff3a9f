use alloc::vec::Vec;
use core::{cell::Cell, fmt, time::Duration};

use super::{Owner, core::Core};
use crate::{
    abort::{AbortHandle, AbortReason, Aborted, Name, Position},
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
    Scope(&'a Core),
}

/// When a deadline is, as it was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    /// So many nanoseconds on.
    After(u64),
    At(Instant),
}

impl End {
    /// What is longer than 584 years never comes, so that its exact length is never told.
    #[inline]
    pub(crate) const fn after(after: Duration) -> Self {
        Self::After(Instant::START.saturating_add(after).as_nanos())
    }
}

/// A deadline that is fixed by the first who asks.
#[derive(Debug)]
pub(crate) struct Deadline(Cell<Instant>);

impl Deadline {
    /// Stands where it is still open. No deadline is ever fixed there: a nanosecond before the end of
    /// time, it is [`Instant::NEVER`] instead.
    const OPEN: Instant = Instant::from_nanos(Instant::NEVER.as_nanos() - 1);

    pub(crate) const fn open() -> Self {
        Self(Cell::new(Self::OPEN))
    }

    #[inline]
    pub(crate) fn fix(&self, end: End, now: impl FnOnce() -> Instant) -> Instant {
        if self.0.get() == Self::OPEN {
            self.move_to(match end {
                End::After(nanos) => now().saturating_add_nanos(nanos),
                End::At(at) => at,
            });
        }
        self.0.get()
    }

    pub(crate) fn move_to(&self, at: Instant) {
        self.0.set(if at == Self::OPEN { Instant::NEVER } else { at });
    }

    /// Where it was fixed, if it was.
    pub(crate) fn fixed(&self) -> Option<Instant> {
        Some(self.0.get()).filter(|at| *at != Self::OPEN)
    }
}

/// A deadline, and the name of the operation that it is set for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeLimit<'a> {
    pub(crate) at: Instant,
    pub(crate) name: Option<&'a Name>,
}

impl TimeLimit<'_> {
    /// The end of what could not be done in time.
    pub(crate) fn passed(self) -> Aborted {
        let reason = AbortReason::DeadlinePassed { at: self.at };
        Aborted::of(reason, self.name.cloned(), Position::Above)
    }
}

impl<'a> Lent<'a> {
    /// What is lent where nobody is above.
    pub(crate) const ROOT: &'static Lent<'static> = &Lent { up: None, link: Link::Root };

    pub(crate) const fn with(&'a self, link: Link<'a>) -> Self {
        Self { up: Some(self), link }
    }

    fn links(&self) -> impl Iterator<Item = &Link<'a>> {
        core::iter::successors(Some(self), |lent| lent.up).map(|lent| &lent.link)
    }

    /// An owned view, to be kept beyond the poll.
    ///
    /// It has a node of its own in the lattice, below all owners above. Whoever asks for it aborts
    /// that node when what it owns has ended.
    #[must_use]
    pub fn owner(&self) -> Owner {
        let limit = self.limit_since(None);
        Owner {
            abort: self.child(),
            deadline: limit.map(|limit| limit.at),
            deadline_of: limit.and_then(|limit| limit.name.cloned()),
            timer: self.timer().cloned(),
            attempt: self.attempt(),
            name: self.name().cloned(),
        }
    }

    /// A new node below the handles and scopes above.
    ///
    /// Timeouts and other adapters above aren't part of it: when they end what runs below, it is
    /// told by [`poll_abort`](crate::operation::Operation::poll_abort).
    #[must_use]
    pub fn child(&self) -> AbortHandle {
        let mut above = self.links().filter_map(|link| match link {
            Link::Abort(handle) => Some(*handle),
            Link::Scope(scope) => Some(&scope.abort),
            _ => None,
        });
        match (above.next(), above.next()) {
            (None, _) => AbortHandle::new(),
            (Some(only), None) => only.child(),
            (Some(first), Some(second)) => {
                let all: Vec<_> = [first, second].into_iter().chain(above).collect();
                AbortHandle::any(all)
            }
        }
    }

    /// Whether a handle or a scope above was aborted, since the poll began. Whoever would start
    /// something anew in the same poll asks first, and is pending instead.
    #[must_use]
    pub fn is_aborted(&self) -> bool {
        self.links().any(|link| match link {
            Link::Abort(handle) => handle.is_aborted(),
            Link::Scope(scope) => scope.abort.is_aborted(),
            _ => false,
        })
    }

    /// Whether, since the poll began, an owner above was aborted or the deadline has passed. It reads
    /// the clock where there is a deadline.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let has_passed = || {
            let now = self.timer()?.now();
            Some(self.deadline_since(Some(now))? <= now)
        };
        self.is_aborted() || self.has_deadline() && has_passed().unwrap_or(false)
    }

    #[inline]
    fn has_deadline(&self) -> bool {
        self.links().any(|link| matches!(link, Link::Deadline(..)))
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
        if self.has_deadline() { self.find_limit(now) } else { None }
    }

    fn find_limit(&self, now: Option<Instant>) -> Option<TimeLimit<'a>> {
        let timer = self.timer()?;
        let mut now = now;
        let mut earliest: Option<TimeLimit<'a>> = None;
        let mut name = None;
        let mut lent = Some(self);
        while let Some(Lent { up, link }) = lent {
            match link {
                Link::Name(below) => name = Some(*below),
                Link::Deadline(deadline, end) => {
                    let at = deadline.fix(*end, || *now.get_or_insert_with(|| timer.now()));
                    if at != Instant::NEVER && earliest.is_none_or(|earliest| at <= earliest.at) {
                        let name = name.or_else(|| up.and_then(Lent::name));
                        earliest = Some(TimeLimit { at, name });
                    }
                }
                Link::Timer(_) | Link::Scope(_) => {
                    let above = up.and_then(|up| up.timer());
                    if !above.is_some_and(|above| above.is_same(timer)) {
                        break;
                    }
                }
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
            Link::Scope(scope) => scope.timer.as_ref(),
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

    /// The name given to this operation from above, below any scope.
    pub(crate) fn own_name(&self) -> Option<&'a Name> {
        let named = self.links().find(|link| matches!(link, Link::Name(_) | Link::Scope(_)))?;
        match named {
            Link::Name(name) => Some(*name),
            _ => None,
        }
    }

    /// The nearest name above.
    #[must_use]
    pub fn name(&self) -> Option<&'a Name> {
        self.links().find_map(|link| match link {
            Link::Name(name) => Some(*name),
            Link::Scope(scope) => Some(&scope.name),
            _ => None,
        })
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
