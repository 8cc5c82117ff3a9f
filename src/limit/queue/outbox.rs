use alloc::vec::Vec;
use core::{mem, task::Waker, time::Duration};

use super::{Alarm, AlarmOf, Queue, WINDOW, holders::Holder, waiters::Waiter};
use crate::{
    sync::Arc,
    time::{Instant, TimerHandle},
    wake::Panics,
};

/// What is to be done once the lock is free: all of it is foreign code.
#[derive(Default)]
pub(in crate::limit) struct Outbox {
    /// Whom to wake. Mostly one.
    first: Option<Waker>,
    more: Vec<Waker>,
    /// The timer on which the alarm of a window is to be set.
    pub(super) window: Option<TimerHandle>,
    pub(super) probe: Option<(TimerHandle, Duration)>,
    pub(super) wait: Option<Instant>,
    /// Somebody waits for a level.
    pub(super) notify: bool,
    /// Nothing has changed but how many those are.
    pub(super) is_watch: bool,
    // What is only to be dropped.
    pub(super) left: Option<Waiter>,
    pub(super) released: Option<Holder>,
    pub(super) old_waker: Option<Waker>,
    pub(super) old_timer: Option<TimerHandle>,
}

impl Outbox {
    pub(super) fn wake(&mut self, waker: Option<Waker>) {
        match waker {
            Some(waker) if self.first.is_none() => self.first = Some(waker),
            waker => self.more.extend(waker),
        }
    }

    #[inline]
    pub(super) fn deliver(mut self, queue: &Arc<Queue>) {
        let alarms = self.window.is_some() || self.probe.is_some() || self.wait.is_some();
        if alarms || self.notify || !self.more.is_empty() {
            return self.deliver_all(queue);
        }
        if let Some(only) = self.first.take() {
            only.wake();
        }
    }

    #[cold]
    fn deliver_all(mut self, queue: &Arc<Queue>) {
        let mut panics = Panics::default();
        if let Some(timer) = self.window.take() {
            set(queue, AlarmOf::Window, &timer, timer_end(&timer, WINDOW), &mut panics);
        }
        if let Some((timer, after)) = self.probe.take() {
            set(queue, AlarmOf::Probe, &timer, timer_end(&timer, after), &mut panics);
        }
        if let (Some(at), Some(clock)) = (self.wait.take(), queue.clock()) {
            set(queue, AlarmOf::Wait, clock, move || at, &mut panics);
        }
        panics.wake_all(self.first.take().into_iter().chain(mem::take(&mut self.more)));
        if self.notify {
            panics.run(|| queue.level.notify());
        }
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
