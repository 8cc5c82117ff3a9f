use core::{error, fmt};

use super::{AbortReason, Name, reason::quoted};
use crate::sync::Arc;

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

/// An [`Aborted`] but for its position, for those who know that.
#[derive(Clone)]
pub(crate) struct Why(Arc<Inner>);

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
    /// An abort from [below](Position::Below), for adapters of your own that end what they run.
    ///
    /// ```
    /// use tenure::{AbortReason, Aborted};
    ///
    /// let aborted = Aborted::new(AbortReason::OverBudget { budget: "tokens".into() });
    /// assert_eq!(aborted.to_string(), "the budget `tokens` is used up");
    /// ```
    #[must_use]
    pub fn new(reason: impl Into<AbortReason>) -> Self {
        Self::of(reason.into(), None, Position::Below)
    }

    pub(crate) fn of(reason: AbortReason, origin: Option<Name>, position: Position) -> Self {
        Self { inner: Arc::new(Inner { reason, origin, cause: None }), position }
    }

    pub(crate) fn into_why(self) -> Why {
        Why(self.inner)
    }

    pub(crate) fn from_why(Why(inner): Why, position: Position) -> Self {
        Self { inner, position }
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

    /// Whether time ran out: [`AbortReason::TimedOut`], [`AbortReason::Idle`] or
    /// [`AbortReason::DeadlinePassed`].
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
        matches!(
            self.reason(),
            AbortReason::TimedOut { .. }
                | AbortReason::Idle { .. }
                | AbortReason::DeadlinePassed { .. }
        )
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

impl fmt::Debug for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.reason.fmt(f)
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

impl From<Aborted> for AbortReason {
    fn from(aborted: Aborted) -> Self {
        aborted.inner.reason.clone()
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
