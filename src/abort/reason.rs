use alloc::{borrow::Cow, string::String};
use core::{fmt, time::Duration};

use crate::{limit::Refusal, time::Instant};

/// The name of an owner: text that is free where it is a literal.
///
/// ```
/// use tenure::abort::Name;
///
/// let literal: Name = "ingest".into();
/// let made: Name = format!("worker {}", 7).into();
/// assert_eq!((&*literal, &*made), ("ingest", "worker 7"));
/// ```
pub type Name = Cow<'static, str>;

/// Why something was aborted.
///
/// A text is a reason too, so that [`abort`](crate::AbortHandle::abort) reads well:
///
/// ```
/// use tenure::abort::{AbortHandle, AbortReason};
///
/// let handle = AbortHandle::new();
/// handle.abort("user hit stop");
/// assert_eq!(handle.reason(), Some(AbortReason::Requested("user hit stop".into())));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AbortReason {
    /// Somebody asked for it, and said why.
    Requested(Cow<'static, str>),
    /// It took longer than it was given, counted from when it first had to wait.
    TimedOut {
        /// What it was given.
        after: Duration,
    },
    /// It made no progress for as long as it may go without: nothing woke it.
    Idle {
        /// How long it may.
        after: Duration,
    },
    /// It wasn't done at a given point in time, or could not have been.
    DeadlinePassed {
        /// The point in time, on the owner's timer.
        at: Instant,
    },
    /// Another one in the same scope failed.
    SiblingFailed {
        /// The name of the one that failed, where it has one.
        who: Option<Name>,
        /// What its error displays.
        error: String,
    },
    /// Another one of the same race was first.
    RaceLost {
        /// The name of the winner, or its place in the race.
        winner: Name,
    },
    /// The owner has ended, and nothing outlives it.
    ScopeEnded,
    /// A budget was used up.
    OverBudget {
        /// Which budget.
        budget: Name,
    },
    /// A limit refused to let it in.
    Rejected {
        /// Why the limit refused.
        why: Refusal,
    },
    /// It panicked, or another one in the same scope did.
    Panicked {
        /// The name of the one that panicked, where it has one.
        who: Option<Name>,
        /// The message of the panic.
        message: String,
    },
    /// It had to wait for a point in time, but its owner has no timer. Without the `std` feature
    /// there is none unless one is given.
    NoTimer,
}

impl fmt::Display for AbortReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requested(why) => f.write_str(why),
            Self::TimedOut { after } => write!(f, "timed out after {after:?}"),
            Self::Idle { after } => write!(f, "made no progress for {after:?}"),
            Self::DeadlinePassed { .. } => f.write_str("the deadline has passed"),
            Self::SiblingFailed { who: Some(who), error } => {
                write!(f, "{} failed: {error}", quoted(who))
            }
            Self::SiblingFailed { who: None, error } => write!(f, "a sibling failed: {error}"),
            Self::RaceLost { winner } => write!(f, "lost the race to {}", quoted(winner)),
            Self::ScopeEnded => f.write_str("its owner has ended"),
            Self::OverBudget { budget } => write!(f, "the budget {} is used up", quoted(budget)),
            Self::Rejected { why } => write!(f, "rejected by a limit: {why}"),
            Self::Panicked { who: Some(who), message } => {
                write!(f, "{} panicked: {message}", quoted(who))
            }
            // It may be told to the one itself.
            Self::Panicked { who: None, message } => write!(f, "panicked: {message}"),
            Self::NoTimer => f.write_str("has to wait, but no timer was given"),
        }
    }
}

pub(crate) fn quoted(name: &str) -> String {
    alloc::format!("`{name}`")
}

impl From<&'static str> for AbortReason {
    fn from(why: &'static str) -> Self {
        Self::Requested(why.into())
    }
}

impl From<String> for AbortReason {
    fn from(why: String) -> Self {
        Self::Requested(why.into())
    }
}

impl From<Cow<'static, str>> for AbortReason {
    fn from(why: Cow<'static, str>) -> Self {
        Self::Requested(why)
    }
}
