use alloc::vec::Vec;
use core::{fmt, panic::Location, time::Duration};

pub use crate::owner::core::FailureKind;
use crate::{
    abort::{Aborted, Name, quoted},
    owner::core::{self as owned, Core, Count, Failures, Tasks},
};

/// What a scope that has closed, or a nursery that has ended, can tell.
///
/// ```
/// use tenure::{OwnedFuture, Scope};
///
/// let scope = Scope::new("ingest");
/// smol::block_on(async {}.in_scope(&scope)).unwrap();
/// scope.defer(|_| {});
/// scope.abort("user hit stop");
///
/// let report = smol::block_on(scope.close());
/// assert_eq!(
///     report.to_string(),
///     "`ingest` closed: user hit stop (in `ingest`); 1 ran; 1 clean-up step"
/// );
/// ```
#[derive(Clone, Debug)]
pub struct Report {
    scope: Option<Name>,
    aborted: Option<Aborted>,
    members: Members,
    clean_up: CleanUp,
    failures: Vec<Failure>,
    more_failures: usize,
    took: Option<Duration>,
}

/// How many members, or children, have ended in which way; each is counted once, but those who overran. A scope in a
/// scope was aborted, or ran.
///
/// ```
/// use tenure::{OwnedFuture, Scope};
///
/// let scope = Scope::new("pair");
/// smol::block_on(async {}.in_scope(&scope)).unwrap();
/// drop(async {}.in_scope(&scope));
///
/// let members = smol::block_on(scope.close()).members();
/// assert_eq!((members.ran, members.never_started), (1, 1));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Members {
    /// They came to their end by themselves.
    pub ran: usize,
    /// They failed where that aborts the siblings, or panicked.
    pub failed: usize,
    /// They had begun, and were ended by an abort.
    pub aborted: usize,
    /// They had begun, and were dropped by whoever had them.
    pub dropped: usize,
    /// They were ended, or dropped, before their first poll.
    pub never_started: usize,
    /// Of those that were aborted, here or in a scope below: they were still at it when their grace was over.
    pub overran: usize,
}

/// What became of the deferred clean-up, piece by piece.
///
/// ```
/// use tenure::Scope;
///
/// let scope = Scope::new("connection");
/// scope.try_defer(|_| Err("not connected any more"));
/// let clean_up = smol::block_on(scope.close()).clean_up();
/// assert_eq!((clean_up.steps, clean_up.failed), (1, 1));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct CleanUp {
    /// So many were begun.
    pub steps: usize,
    /// Of those, they returned an error.
    pub failed: usize,
    /// They panicked.
    pub panicked: usize,
    /// They took longer than they were given, and were dropped.
    pub overran: usize,
    /// They were never polled to their end, for there was nobody to do it, and were dropped.
    pub skipped: usize,
}

/// Something that went wrong in a scope.
///
/// ```
/// use tenure::{OwnedFuture, Scope, scope::FailureKind};
///
/// let scope = Scope::new("pair");
/// let failing = async { Err::<(), _>("no such user") }.named("user").try_in_scope(&scope);
/// smol::block_on(failing).unwrap().unwrap_err();
///
/// let report = smol::block_on(scope.close());
/// let failure = &report.failures()[0];
/// assert_eq!(failure.kind(), FailureKind::Failed);
/// assert_eq!(failure.to_string(), "`user` failed: no such user");
/// ```
#[derive(Clone, Debug)]
pub struct Failure(owned::Failure);

impl Report {
    pub(super) fn of(core: &Core) -> Self {
        let tasks = core.tasks();
        let aborted = tasks.and_then(|tasks| tasks.aborted(core));
        Self::with(core, core.name.as_ref(), aborted, tasks.and_then(Tasks::took))
    }

    /// Of a nursery, which doesn't keep its name, and whose end took so long.
    pub(super) fn of_nursery(core: &Core, name: Option<&Name>, took: Option<Duration>) -> Self {
        Self::with(core, name, core.abort.check().err(), took)
    }

    fn with(
        core: &Core,
        name: Option<&Name>,
        aborted: Option<Aborted>,
        took: Option<Duration>,
    ) -> Self {
        let count = |count| core.tally.get(count);
        let Failures { kept, more } = core.tally.failures();
        Self {
            scope: name.cloned(),
            aborted,
            members: Members {
                ran: count(Count::Ran),
                failed: count(Count::Failed),
                aborted: count(Count::Aborted),
                dropped: count(Count::Dropped),
                never_started: count(Count::NeverStarted),
                overran: count(Count::Overran),
            },
            clean_up: CleanUp {
                steps: count(Count::Steps),
                failed: count(Count::StepsFailed),
                panicked: count(Count::StepsPanicked),
                overran: count(Count::StepsOverran),
                skipped: count(Count::StepsSkipped),
            },
            failures: kept.into_iter().map(Failure).collect(),
            more_failures: more,
            took,
        }
    }

    /// Why the scope was aborted, if it was.
    ///
    /// ```
    /// # use tenure::Scope;
    /// let scope = Scope::new("ingest");
    /// scope.abort("user hit stop");
    /// let report = smol::block_on(scope.close());
    /// assert_eq!(report.aborted().unwrap().reason().to_string(), "user hit stop");
    /// ```
    #[must_use]
    pub fn aborted(&self) -> Option<&Aborted> {
        self.aborted.as_ref()
    }

    /// What became of those that it owned.
    #[must_use]
    pub fn members(&self) -> Members {
        self.members
    }

    /// What became of the deferred clean-up.
    #[must_use]
    pub fn clean_up(&self) -> CleanUp {
        self.clean_up
    }

    /// What went wrong, in its order: the first sixteen.
    #[must_use]
    pub fn failures(&self) -> &[Failure] {
        &self.failures
    }

    /// How much more went wrong.
    #[must_use]
    pub fn more_failures(&self) -> usize {
        self.more_failures
    }

    /// How long the close took: from when it was first asked for, or for a nursery from when it began to end, on the
    /// scope's timer. `None` where nobody closed it, and where there is no timer.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tenure::{Scope, time::TestClock};
    ///
    /// let (clock, minute) = (TestClock::new(), Duration::from_secs(60));
    /// let scope = Scope::builder("slow").timer(&clock).build();
    /// let sleep = clock.sleep(minute);
    /// scope.defer_async_within(2 * minute, |_| sleep);
    /// assert_eq!(smol::block_on(clock.watch(scope.close())).took(), Some(minute));
    /// ```
    #[must_use]
    pub fn took(&self) -> Option<Duration> {
        self.took
    }
}

impl Failure {
    /// In which way.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        self.0.kind
    }

    /// The name of the member, where it is one and has a name.
    #[must_use]
    pub fn who(&self) -> Option<&str> {
        self.0.who.as_deref()
    }

    /// Where it was deferred, where it is a piece of clean-up.
    ///
    /// ```
    /// # use std::{future::pending, time::Duration};
    /// # use tenure::Scope;
    /// let scope = Scope::new("connection");
    /// scope.defer_async_within(Duration::ZERO, |_| pending());
    /// let report = smol::block_on(scope.close());
    /// assert!(report.failures()[0].deferred_at().is_some());
    /// ```
    #[must_use]
    pub fn deferred_at(&self) -> Option<&'static Location<'static>> {
        self.0.deferred_at
    }

    /// What the error displays, or the panic says; empty where nothing does.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.0.what
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.who(), self.0.deferred_at) {
            (Some(who), _) => f.write_str(&quoted(who))?,
            (None, Some(at)) => write!(f, "the clean-up deferred at {at}")?,
            (None, None) => f.write_str("a member")?,
        }
        f.write_str(match self.0.kind {
            FailureKind::Failed => " failed",
            FailureKind::Panicked => " panicked",
            FailureKind::Overran => " overran",
            FailureKind::Skipped => " was skipped",
        })?;
        match self.what() {
            "" => Ok(()),
            what => write!(f, ": {what}"),
        }
    }
}

/// One line, with what there is to tell.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.scope {
            Some(scope) => write!(f, "{} closed", quoted(scope))?,
            None => f.write_str("closed")?,
        }
        if let Some(reason) = &self.aborted {
            write!(f, ": {reason}")?;
        }
        let Members { ran, failed, aborted, dropped, never_started, overran } = self.members;
        let members = [
            (ran, "ran"),
            (failed, "failed"),
            (aborted, "aborted"),
            (dropped, "dropped"),
            (never_started, "never started"),
            (overran, "overran"),
        ];
        list(f, "; ", members)?;
        let CleanUp { steps, failed, panicked, overran, skipped } = self.clean_up;
        list(f, "; ", [(steps, if steps == 1 { "clean-up step" } else { "clean-up steps" })])?;
        let separator = if steps > 0 { ", " } else { "; clean-up: " };
        let steps = [
            (failed, "failed"),
            (panicked, "panicked"),
            (overran, "overran"),
            (skipped, "skipped"),
        ];
        list(f, separator, steps)
    }
}

/// Of all that is counted, what there is, after the separator.
fn list<const N: usize>(
    f: &mut fmt::Formatter<'_>,
    separator: &str,
    counts: [(usize, &str); N],
) -> fmt::Result {
    let mut separator = separator;
    for (count, what) in counts.into_iter().filter(|(count, _)| *count > 0) {
        write!(f, "{separator}{count} {what}")?;
        separator = ", ";
    }
    Ok(())
}
