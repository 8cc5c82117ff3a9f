use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use super::Timekeeper;
use crate::{
    abort::{AbortReason, Name},
    owner::Lent,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        impl_wake,
    },
    time::{Instant, Sleep},
};

/// How long an operation may go without progress: what
/// [`OwnedFuture::with_idle_timeout`](crate::OwnedFuture::with_idle_timeout) puts beside it.
#[derive(Clone, Copy, Debug)]
pub struct Idle {
    after: Duration,
}

/// What an [`Idle`] keeps while its operation runs.
#[derive(Default)]
pub struct IdleRun {
    bell: Option<Bell>,
    /// Set for when time would have run out as it was then; it may have run on since.
    sleep: Option<Sleep>,
    at: Option<Instant>,
}

/// What the operation is polled with, to see whether it was woken.
struct Bell {
    shared: Arc<Shared>,
    waker: Waker,
}

#[derive(Default)]
struct Shared {
    /// Release where it is set, with Acquire where it is taken: what woke it is seen along.
    woken: AtomicBool,
    task: Mutex<Option<Waker>>,
}

impl Idle {
    pub(crate) const fn after(after: Duration) -> Self {
        Self { after }
    }
}

impl Default for Bell {
    fn default() -> Self {
        let shared = Arc::<Shared>::default();
        Self { waker: shared.clone().into(), shared }
    }
}

/// Whoever still has the waker wakes nobody.
impl Drop for Bell {
    fn drop(&mut self) {
        let task = self.shared.task.with(Option::take);
        drop(task);
    }
}

impl Shared {
    fn ring(&self) {
        self.woken.store(true, Ordering::Release);
        if let Some(task) = self.task.with(Option::take) {
            task.wake();
        }
    }

    /// Passes what wakes it on to `task` from now on.
    fn pass_on_to(&self, task: &Waker) {
        let knows = |old: &mut Option<Waker>| old.as_ref().is_some_and(|old| old.will_wake(task));
        if !self.task.with(knows) {
            let task = task.clone();
            let replaced = self.task.with(|old| old.replace(task));
            drop(replaced);
        }
    }
}

impl_wake!(Shared, Shared::ring);

impl Timekeeper for Idle {
    type Run = IdleRun;

    fn poll_within<R>(
        &self,
        run: &mut IdleRun,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
        poll: impl FnOnce(&mut Context<'_>, &Lent<'_>) -> R,
    ) -> R {
        let bell = run.bell.get_or_insert_default();
        bell.shared.pass_on_to(cx.waker());
        // Before the poll: what wakes it meanwhile is for the next one.
        if bell.shared.woken.swap(false, Ordering::Acquire) {
            run.at = None;
        }
        poll(&mut Context::from_waker(&bell.waker), lent)
    }

    fn poll_end(
        &mut self,
        run: &mut IdleRun,
        _: Option<&Name>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
    ) -> Poll<AbortReason> {
        let Some(timer) = lent.timer() else {
            return Poll::Ready(AbortReason::NoTimer);
        };
        let at = *run.at.get_or_insert_with(|| timer.now() + self.after);
        loop {
            // The alarm isn't moved each time there is progress: it is looked at when it rings.
            let sleep = run.sleep.get_or_insert_with(|| timer.sleep_until(at));
            ready!(Pin::new(&mut *sleep).poll(cx));
            if sleep.deadline() >= at {
                return Poll::Ready(AbortReason::Idle { after: self.after });
            }
            run.sleep = None;
        }
    }
}

impl fmt::Debug for IdleRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdleRun").field("until", &self.at).finish_non_exhaustive()
    }
}
