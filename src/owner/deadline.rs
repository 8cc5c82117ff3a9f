//! When time runs out: as it was asked for, and as it was then fixed.

use core::{cell::Cell, time::Duration};

use crate::{
    abort::{AbortReason, Aborted, Name, Position},
    time::Instant,
};

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
