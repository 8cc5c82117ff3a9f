use alloc::{boxed::Box, vec::Vec};
use core::{mem, task::Waker, time::Duration};

use super::{
    Alarm, AlarmOf, Queue, WINDOW,
    holders::Watch,
    waiters::{More, Waiter},
};
use crate::{
    sync::Arc,
    time::{Instant, TimerHandle},
    wake::Panics,
};

/// What is to be done once the lock is free: all of it is foreign code. Mostly it is to wake one.
#[derive(Default)]
pub(in crate::limit) struct Outbox {
    first: Option<Waker>,
    /// Only to be dropped.
    pub(super) old_waker: Option<Waker>,
    /// Somebody waits for a level.
    pub(super) notify: bool,
    /// Neither how many wait has changed nor how many are in: they are left alone. One that waits is polled, and if that
    /// woke who waits for a level in the same task, they would keep each other busy for ever.
    pub(super) is_quiet: bool,
    rest: Option<Box<Rest>>,
}

/// What there is now and then.
#[derive(Default)]
pub(super) struct Rest {
    more: Vec<Waker>,
    /// The timer on which the alarm of a window is to be set.
    pub(super) window: Option<TimerHandle>,
    pub(super) probe: Option<(TimerHandle, Duration)>,
    pub(super) wait: Option<Instant>,
    // Only to be dropped.
    left: Option<Box<More>>,
    pub(super) released: Option<Arc<Watch>>,
    pub(super) old_timer: Option<TimerHandle>,
}

impl Outbox {
    pub(super) fn rest(&mut self) -> &mut Rest {
        self.rest.get_or_insert_default()
    }

    pub(super) fn wake(&mut self, waker: Option<Waker>) {
        match waker {
            Some(waker) if self.first.is_none() => self.first = Some(waker),
            Some(waker) => self.rest().more.push(waker),
            None => {}
        }
    }

    /// What is left of a waiter is to be dropped.
    #[inline]
    pub(super) fn bury(&mut self, waiter: Option<Waiter>) {
        let Some(Waiter { waker, more, .. }) = waiter else { return };
        if let Some(waker) = waker {
            self.old_waker = Some(waker);
        }
        if let Some(more) = more {
            self.rest().left = Some(more);
        }
    }

    #[inline]
    pub(super) fn deliver(mut self, queue: &Arc<Queue>) {
        if self.rest.is_some() || self.notify {
            return self.deliver_all(queue);
        }
        if self.first.is_none() && self.old_waker.is_none() {
            return;
        }
        let mut panics = Panics::default();
        panics.wake_all(self.first.take());
        panics.run(|| drop(self.old_waker.take()));
        panics.resume();
    }

    #[cold]
    fn deliver_all(mut self, queue: &Arc<Queue>) {
        let mut panics = Panics::default();
        let mut rest = self.rest.take().unwrap_or_default();
        if let Some(timer) = rest.window.take() {
            set(queue, AlarmOf::Window, &timer, timer_end(&timer, WINDOW), &mut panics);
        }
        if let Some((timer, after)) = rest.probe.take() {
            set(queue, AlarmOf::Probe, &timer, timer_end(&timer, after), &mut panics);
        }
        if let (Some(at), Some(clock)) = (rest.wait.take(), queue.clock()) {
            set(queue, AlarmOf::Wait, clock, move || at, &mut panics);
        }
        panics.wake_all(self.first.take().into_iter().chain(mem::take(&mut rest.more)));
        if self.notify {
            panics.run(|| queue.level.notify());
        }
        panics.run(move || drop(rest));
        panics.run(move || drop(self));
        panics.resume();
    }
}

fn timer_end(timer: &TimerHandle, after: Duration) -> impl FnOnce() -> Instant {
    let timer = timer.clone();
    move || timer.now() + after
}

/// Sets an alarm. Where the timer panics, it is known that there is none.
fn set(
    queue: &Arc<Queue>,
    of: AlarmOf,
    timer: &TimerHandle,
    at: impl FnOnce() -> Instant,
    panics: &mut Panics,
) {
    let mut is_set = false;
    panics.run(|| {
        timer.timer().wake_at(at(), Alarm::waker(queue, of));
        is_set = true;
    });
    if !is_set {
        queue.state.with(|state| state.forget_alarm(of));
    }
}
