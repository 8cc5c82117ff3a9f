use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::FusedFuture;

use super::{Instant, TimerHandle, alarm::Alarm};

/// Future that is ready once its timer has reached a point in time.
///
/// Made by [`TimerHandle::sleep`] and [`TestClock::sleep`](super::TestClock::sleep). It sets its alarm when it is first
/// polled, and only if the point has not been reached.
///
/// ```
/// use std::time::Duration;
/// use tenure::time::TestClock;
///
/// let clock = TestClock::new();
/// smol::block_on(clock.watch(clock.sleep(Duration::from_secs(60))));
/// assert_eq!(clock.elapsed(), Duration::from_secs(60));
/// ```
///
/// # Cancel safety
///
/// Dropping it cancels the alarm. The point in time is fixed when the sleep is made, so one that is
/// polled late is not longer.
#[must_use = "a future does nothing until it is awaited or polled"]
pub struct Sleep {
    timer: TimerHandle,
    at: Instant,
    alarm: Option<Alarm>,
    done: bool,
}

impl Sleep {
    pub(crate) fn new(timer: TimerHandle, at: Instant) -> Self {
        Self { timer, at, alarm: None, done: false }
    }

    /// The point in time that it waits for.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tenure::time::TestClock;
    /// let clock = TestClock::new();
    /// let sleep = clock.sleep(Duration::from_secs(1));
    /// assert_eq!(sleep.deadline(), clock.now() + Duration::from_secs(1));
    /// ```
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.at
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.at == Instant::NEVER {
            return Poll::Pending;
        }
        let Self { timer, at, alarm, done } = &mut *self;
        if *done {
            return Poll::Ready(());
        }
        let waits = match alarm {
            Some(_) => Alarm::poll(alarm, *at, cx).is_pending(),
            None if timer.now() < *at => {
                Alarm::set(alarm, timer, *at, cx);
                alarm.is_some()
            }
            None => false,
        };
        *done = !waits;
        if waits { Poll::Pending } else { Poll::Ready(()) }
    }
}

impl FusedFuture for Sleep {
    fn is_terminated(&self) -> bool {
        self.done
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        Alarm::cancel(&mut self.alarm, self.at);
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").field("deadline", &self.at).field("done", &self.done).finish()
    }
}
