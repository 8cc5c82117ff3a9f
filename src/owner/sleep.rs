use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_core::FusedFuture;

use super::Owner;
use crate::{
    abort::{AbortHandle, AbortReason, Aborted, Position, WaitAborted},
    time::Sleep,
};

/// Future made by [`Owner::sleep`].
///
/// # Panics
///
/// When it is polled after it was ready.
///
/// # Cancel safety
///
/// Dropping it cancels the alarm. The point in time is fixed when it is made, so one that is polled late
/// is not longer.
#[must_use = "a future does nothing until it is awaited or polled"]
pub struct OwnerSleep {
    stage: Stage,
}

enum Stage {
    Sleeping {
        sleep: Sleep,
        abort: WaitAborted,
    },
    /// It would not be over in time, or never.
    Futile {
        verdict: Aborted,
        abort: AbortHandle,
    },
    Done,
}

impl OwnerSleep {
    pub(super) fn new(owner: &Owner, after: Duration) -> Self {
        let futile = |reason, name: &Option<_>| Stage::Futile {
            verdict: Aborted::of(reason, name.clone(), Position::Above),
            abort: owner.abort.clone(),
        };
        let stage = match &owner.timer {
            None => futile(AbortReason::NoTimer, &owner.name),
            Some(timer) => {
                let end = timer.now() + after;
                match owner.deadline {
                    Some(at) if end >= at => {
                        futile(AbortReason::DeadlinePassed { at }, &owner.deadline_of)
                    }
                    _ => Stage::Sleeping { sleep: timer.sleep_until(end), abort: owner.aborted() },
                }
            }
        };
        Self { stage }
    }
}

impl Future for OwnerSleep {
    type Output = Result<(), Aborted>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = match &mut self.stage {
            Stage::Sleeping { sleep, abort } => match Pin::new(abort).poll(cx) {
                Poll::Ready(aborted) => Err(aborted),
                Poll::Pending if Pin::new(sleep).poll(cx).is_pending() => return Poll::Pending,
                Poll::Pending => Ok(()),
            },
            Stage::Futile { verdict, abort } => abort.check().and_then(|()| Err(verdict.clone())),
            Stage::Done => panic!("`OwnerSleep` polled after completion"),
        };
        self.stage = Stage::Done;
        Poll::Ready(outcome)
    }
}

impl FusedFuture for OwnerSleep {
    fn is_terminated(&self) -> bool {
        matches!(self.stage, Stage::Done)
    }
}

impl fmt::Debug for OwnerSleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let deadline = match &self.stage {
            Stage::Sleeping { sleep, .. } => Some(sleep.deadline()),
            _ => None,
        };
        f.debug_struct("OwnerSleep")
            .field("until", &deadline)
            .field("done", &self.is_terminated())
            .finish()
    }
}
