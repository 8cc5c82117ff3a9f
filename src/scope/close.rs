use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::FusedFuture;

use super::Scope;
use crate::{
    abort::{Aborted, Name},
    owner::core::{Begun, Done, Step},
    wake::{Listening, survived},
};

/// Future made by [`Scope::close`].
///
/// # Panics
///
/// When it is polled after it was ready.
///
/// # Cancel safety
///
/// Dropping it leaves the scope closing, and a clean-up that has begun where it is: the next
/// `close()` goes on from there. One that is [forgotten](core::mem::forget) while it cleans up keeps
/// the others waiting.
#[must_use = "a future does nothing until it is awaited or polled"]
pub struct Close {
    scope: Scope,
    stage: Stage,
}

enum Stage {
    /// Waiting until the scope is drained and nobody else is at the clean-up.
    Waiting(Option<Listening>),
    /// At the clean-up, with the step that has begun.
    CleaningUp(Option<Begun>),
    Closed,
}

/// What a scope that has closed can tell.
///
/// ```
/// use tenure::Scope;
///
/// let scope = Scope::new("ingest");
/// scope.defer(|_| {});
/// scope.abort("user hit stop");
///
/// let report = smol::block_on(scope.close());
/// assert_eq!(report.to_string(), "`ingest` closed: user hit stop (in `ingest`); 1 clean-up step");
/// ```
#[derive(Clone, Debug)]
pub struct Report {
    scope: Name,
    aborted: Option<Aborted>,
    done: Done,
}

impl Report {
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

    /// How many pieces of clean-up have run.
    ///
    /// ```
    /// # use tenure::Scope;
    /// let scope = Scope::new("ingest");
    /// scope.defer(|_| {});
    /// assert_eq!(smol::block_on(scope.close()).steps(), 1);
    /// ```
    #[must_use]
    pub fn steps(&self) -> usize {
        self.done.steps
    }

    /// How many of them took longer than they were given, and were dropped.
    ///
    /// ```
    /// # use std::{future::pending, time::Duration};
    /// # use tenure::Scope;
    /// let scope = Scope::new("ingest");
    /// scope.defer_async_within(Duration::ZERO, |_| pending());
    /// assert_eq!(smol::block_on(scope.close()).overran(), 1);
    /// ```
    #[must_use]
    pub fn overran(&self) -> usize {
        self.done.overran
    }

    /// How many of them panicked.
    ///
    /// ```
    /// # use tenure::Scope;
    /// let scope = Scope::new("ingest");
    /// scope.defer(|_| panic!("while cleaning up"));
    /// assert_eq!(smol::block_on(scope.close()).panicked(), 1);
    /// ```
    #[must_use]
    pub fn panicked(&self) -> usize {
        self.done.panicked
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Done { steps, overran, panicked } = self.done;
        write!(f, "`{}` closed", self.scope)?;
        if let Some(reason) = &self.aborted {
            write!(f, ": {reason}")?;
        }
        if steps > 0 {
            write!(f, "; {steps} clean-up step{}", if steps == 1 { "" } else { "s" })?;
        }
        if overran > 0 {
            write!(f, ", {overran} overran")?;
        }
        if panicked > 0 {
            write!(f, ", {panicked} panicked")?;
        }
        Ok(())
    }
}

impl Close {
    pub(super) const fn new(scope: Scope) -> Self {
        Self { scope, stage: Stage::Waiting(None) }
    }
}

impl Future for Close {
    type Output = Report;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Report> {
        let Self { scope, stage } = &mut *self;
        let core = &scope.handle.core;
        if let Stage::Waiting(place) = stage {
            core.begin_close();
            let begun = ready!(core.changed.poll_until(place, cx, || core.take_turn()));
            *stage = Stage::CleaningUp(begun);
        }
        let Stage::CleaningUp(begun) = stage else {
            panic!("`Close` polled after completion");
        };
        loop {
            if let Some(running) = begun {
                let outcome = match survived(|| running.as_mut().poll(cx)) {
                    Some(polled) => Some(ready!(polled)),
                    None => None,
                };
                let dropped = survived(|| *begun = None);
                core.clean_up(|clean_up| {
                    clean_up.done.overran += usize::from(matches!(outcome, Some(Err(_))));
                    clean_up.done.panicked += usize::from(outcome.is_none() || dropped.is_none());
                });
            }
            let Some(step) = core.next_step() else { break };
            let reason = core.abort.check().err();
            let started = survived(|| match step {
                Step::Now(step) => step(reason),
                Step::Later(step) => *begun = Some(step(reason)),
            });
            core.clean_up(|clean_up| {
                clean_up.done.steps += 1;
                clean_up.done.panicked += usize::from(started.is_none());
            });
        }
        *stage = Stage::Closed;
        let done = core.give_turn_back(None);
        Poll::Ready(Report { scope: core.name.clone(), aborted: core.abort.check().err(), done })
    }
}

impl FusedFuture for Close {
    fn is_terminated(&self) -> bool {
        matches!(self.stage, Stage::Closed)
    }
}

impl Drop for Close {
    fn drop(&mut self) {
        if let Stage::CleaningUp(begun) = &mut self.stage {
            self.scope.handle.core.give_turn_back(begun.take());
        }
    }
}

impl fmt::Debug for Close {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match self.stage {
            Stage::Waiting(_) => "waiting",
            Stage::CleaningUp(_) => "cleaning up",
            Stage::Closed => "closed",
        };
        f.debug_struct("Close").field("scope", &self.scope).field("stage", &stage).finish()
    }
}
