use alloc::{
    borrow::{Cow, ToOwned},
    string::String,
};
use core::{error, fmt, time::Duration};

use crate::{sync::Arc, time::Instant};

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
        why: Cow<'static, str>,
    },
    /// Another one in the same scope panicked.
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
        let whose =
            |who: &Option<Name>| who.as_ref().map_or("a sibling".to_owned(), |who| quoted(who));
        match self {
            Self::Requested(why) => f.write_str(why),
            Self::TimedOut { after } => write!(f, "timed out after {after:?}"),
            Self::DeadlinePassed { .. } => f.write_str("the deadline has passed"),
            Self::SiblingFailed { who, error } => write!(f, "{} failed: {error}", whose(who)),
            Self::RaceLost { winner } => write!(f, "lost the race to {}", quoted(winner)),
            Self::ScopeEnded => f.write_str("its owner has ended"),
            Self::OverBudget { budget } => write!(f, "the budget {} is used up", quoted(budget)),
            Self::Rejected { why } => write!(f, "rejected by a limit: {why}"),
            Self::Panicked { who, message } => write!(f, "{} panicked: {message}", whose(who)),
            Self::NoTimer => f.write_str("has to wait, but no timer was given"),
        }
    }
}

fn quoted(name: &str) -> String {
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

impl From<Aborted> for AbortReason {
    fn from(aborted: Aborted) -> Self {
        aborted.inner.reason.clone()
    }
}

/// Where an abort began, seen from the one who asks.
///
/// It is what makes a retry right: an attempt that [timed out](AbortReason::TimedOut) on its own is
/// tried again, but not once the owner of the whole was aborted.
///
/// ```
/// use tenure::{AbortHandle, abort::Position};
///
/// let parent = AbortHandle::new();
/// let child = parent.child();
/// parent.abort("stop");
/// assert_eq!(parent.check().unwrap_err().position(), Position::Here);
/// assert_eq!(child.check().unwrap_err().position(), Position::Above);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Position {
    /// In something that the asker owns: its inner part has run into a limit of its own.
    Below,
    /// At the asker itself: this handle was aborted.
    Here,
    /// In an owner of the asker, or at a [deadline](AbortReason::DeadlinePassed), which no new attempt
    /// can move.
    Above,
}

/// The error of whatever was aborted: its reason, where that began, and what caused it.
///
/// Cheap to clone. Displays the reason and, where it has a name, the owner where it began.
///
/// ```
/// use tenure::Scope;
///
/// let scope = Scope::new("ingest");
/// scope.abort("user hit stop");
///
/// let aborted = scope.abort_handle().check().unwrap_err();
/// assert_eq!(aborted.to_string(), "user hit stop (in `ingest`)");
/// assert_eq!(aborted.origin(), Some("ingest"));
/// ```
#[derive(Clone)]
pub struct Aborted {
    inner: Arc<Inner>,
    position: Position,
}

struct Inner {
    reason: AbortReason,
    origin: Option<Name>,
    cause: Option<Aborted>,
}

/// One by one: a chain of causes may be long, and the stack short.
impl Drop for Inner {
    fn drop(&mut self) {
        let mut next = self.cause.take();
        while let Some(cause) = next {
            next = Arc::into_inner(cause.inner).and_then(|mut inner| inner.cause.take());
        }
    }
}

impl Aborted {
    pub(crate) fn new(reason: AbortReason, origin: Option<Name>, position: Position) -> Self {
        Self { inner: Arc::new(Inner { reason, origin, cause: None }), position }
    }

    /// With `cause`, to a new error only.
    pub(crate) fn because(self, cause: Self) -> Self {
        let Inner { reason, origin, .. } = &*self.inner;
        let inner = Inner { reason: reason.clone(), origin: origin.clone(), cause: Some(cause) };
        Self { inner: Arc::new(inner), position: self.position }
    }

    pub(crate) fn at(mut self, position: Position) -> Self {
        self.position = position;
        self
    }

    /// Why.
    ///
    /// ```
    /// use tenure::{AbortHandle, AbortReason};
    ///
    /// let handle = AbortHandle::new();
    /// handle.abort(AbortReason::ScopeEnded);
    /// assert_eq!(handle.check().unwrap_err().reason(), &AbortReason::ScopeEnded);
    /// ```
    #[must_use]
    pub fn reason(&self) -> &AbortReason {
        &self.inner.reason
    }

    /// The name of where the abort began: of the handle or the scope that was aborted, or the nearest to
    /// what ran out of time. `None` where that has no name.
    ///
    /// ```
    /// # use tenure::AbortHandle;
    /// let shutdown = AbortHandle::named("shutdown");
    /// let request = shutdown.child();
    /// shutdown.abort("got SIGTERM");
    /// assert_eq!(request.check().unwrap_err().origin(), Some("shutdown"));
    /// ```
    #[must_use]
    pub fn origin(&self) -> Option<&str> {
        self.inner.origin.as_deref()
    }

    /// Where it began, seen from the one who asked.
    ///
    /// ```
    /// use std::{future::pending, time::Duration};
    /// use tenure::{OwnedFuture, abort::Position};
    ///
    /// let stuck = pending::<()>().with_timeout(Duration::ZERO);
    /// assert_eq!(smol::block_on(stuck).unwrap_err().position(), Position::Below);
    /// ```
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// The earlier abort that led to this one.
    ///
    /// ```
    /// use tenure::abort::AbortHandle;
    ///
    /// let (upstream, job) = (AbortHandle::new(), AbortHandle::new());
    /// upstream.abort("link is down");
    /// job.abort_because("nothing to read from", upstream.check().unwrap_err());
    ///
    /// let aborted = job.check().unwrap_err();
    /// assert_eq!(aborted.cause().unwrap().to_string(), "link is down");
    /// ```
    #[must_use]
    pub fn cause(&self) -> Option<&Aborted> {
        self.inner.cause.as_ref()
    }

    /// Whether time ran out: [`AbortReason::TimedOut`] or [`AbortReason::DeadlinePassed`].
    ///
    /// ```
    /// use std::{future::pending, time::Duration};
    /// use tenure::OwnedFuture;
    ///
    /// let stuck = pending::<()>().with_timeout(Duration::ZERO);
    /// assert!(smol::block_on(stuck).unwrap_err().is_timeout());
    /// ```
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self.reason(), AbortReason::TimedOut { .. } | AbortReason::DeadlinePassed { .. })
    }
}

impl fmt::Display for Aborted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason().fmt(f)?;
        match self.origin() {
            Some(origin) => write!(f, " (in {})", quoted(origin)),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Aborted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aborted")
            .field("reason", self.reason())
            .field("origin", &self.origin())
            .field("position", &self.position)
            .field("cause", &self.cause().map(Self::reason))
            .finish()
    }
}

/// Whether reason, origin, position and all causes are equal.
impl PartialEq for Aborted {
    fn eq(&self, other: &Self) -> bool {
        // One by one: a chain of causes may be long, and the stack short.
        let mut pair = Some((self, other));
        while let Some((a, b)) = pair {
            let same = Arc::ptr_eq(&a.inner, &b.inner);
            if a.position != b.position
                || !same && (a.reason() != b.reason() || a.origin() != b.origin())
            {
                return false;
            }
            pair = match (same, a.cause(), b.cause()) {
                (true, ..) | (_, None, None) => None,
                (_, Some(a), Some(b)) => Some((a, b)),
                _ => return false,
            };
        }
        true
    }
}

impl Eq for Aborted {}

impl error::Error for Aborted {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.cause().map(|cause| cause as _)
    }
}

/// Keeps the abort as the inner error. The kind is `TimedOut` where time ran out, else `Other`:
/// never `Interrupted`, which readers take as an invitation to try again.
#[cfg(feature = "std")]
impl From<Aborted> for std::io::Error {
    fn from(aborted: Aborted) -> Self {
        let kind = match aborted.is_timeout() {
            true => std::io::ErrorKind::TimedOut,
            false => std::io::ErrorKind::Other,
        };
        Self::new(kind, aborted)
    }
}
