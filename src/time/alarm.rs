//! The alarm of one who waits: set when it is first needed, moved from task to task along with the future,
//! and cancelled with it.

use core::{
    fmt,
    task::{Context, Poll, Waker},
};

use super::{AlarmId, Instant, TimerHandle};
#[cfg(feature = "std")]
use super::{
    system::{Armed, SystemTimer},
    task_id::TaskId,
};

/// An alarm that was set. Whoever keeps it also keeps the point in time that it was set for, and
/// [cancels](Alarm::cancel) it.
///
/// It lies in each timeout, so it is small: with `std`, one on a timer of somebody's own has a box.
#[derive(Debug)]
pub(crate) enum Alarm {
    #[cfg(feature = "std")]
    OnWheel {
        shard: u8,
        /// How often it was asked since the clock was read.
        asked: u8,
        number: u32,
        /// Of whom it wakes: its two parts, so that they lie beside the others.
        data: usize,
        vtable: u8,
    },
    OnTimer(OnTimer),
}

#[cfg(feature = "std")]
type OnTimer = alloc::boxed::Box<Set>;
#[cfg(not(feature = "std"))]
type OnTimer = Set;

/// An alarm on a timer of somebody's own.
pub(crate) struct Set {
    timer: TimerHandle,
    id: AlarmId,
    task: Waker,
}

/// The clock is read when an alarm was asked so often, if it has not rung by then: where the thread of
/// the bell gets no turn, for a task that is always ready to run again has it, time runs out all the same.
#[cfg(feature = "std")]
const ASKED_MOST: u8 = 16;

impl Alarm {
    /// Sets an alarm for the task where there is none, unless its time has come meanwhile. In place: to move it
    /// would cost as much as the rest.
    #[inline]
    pub(crate) fn set(this: &mut Option<Self>, timer: &TimerHandle, at: Instant, cx: &Context<'_>) {
        let waker = cx.waker().clone();
        #[cfg(feature = "std")]
        if timer.is_system() {
            // Of the clone, which is the one that is kept: it may be told from what it was cloned from.
            let task = TaskId::of(&waker);
            if let Ok(Armed { shard, number }) = SystemTimer::get().arm(at, waker) {
                let TaskId { data, vtable } = task;
                *this = Some(Self::OnWheel { shard, asked: 0, number, data, vtable });
            }
            return;
        }
        let id = timer.timer().wake_at(at, waker.clone());
        let set = Set { timer: timer.clone(), id, task: waker };
        #[cfg(feature = "std")]
        let set = set.into();
        *this = Some(Self::OnTimer(set));
    }

    /// Ready when its time has come: there is none then anymore. Until then it wakes the task that asked last.
    ///
    /// On the process's own timer, one that has not rung and was set for the same task is told by its own that
    /// it has not and was: no lock is taken and no clock read.
    #[inline]
    pub(crate) fn poll(this: &mut Option<Self>, at: Instant, cx: &Context<'_>) -> Poll<()> {
        #[cfg(feature = "std")]
        if let Some(Self::OnWheel { asked, data, vtable, .. }) = this {
            // One that has not rung has its waker still: what looks like it is it.
            if *asked < ASKED_MOST
                && !SystemTimer::get().has_reached(at)
                && (TaskId { data: *data, vtable: *vtable }).is_of(cx.waker())
            {
                *asked += 1;
                return Poll::Pending;
            }
        }
        Self::look(this, at, cx)
    }

    fn look(this: &mut Option<Self>, at: Instant, cx: &Context<'_>) -> Poll<()> {
        let Some(alarm) = this else { return Poll::Ready(()) };
        let timer = alarm.timer().clone();
        if timer.now() >= at {
            Self::cancel(this, at);
            return Poll::Ready(());
        }
        if !alarm.wakes(cx.waker()) {
            Self::cancel(this, at);
            Self::set(this, &timer, at, cx);
        }
        if this.is_some() { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Whether it was set for that task; `at` has not been reached. An alarm that was asked that often is as new.
    fn wakes(&mut self, waker: &Waker) -> bool {
        match self {
            #[cfg(feature = "std")]
            Self::OnWheel { asked, data, vtable, .. } => {
                *asked = 0;
                (TaskId { data: *data, vtable: *vtable }).is_of(waker)
            }
            Self::OnTimer(set) => set.task.will_wake(waker),
        }
    }

    fn timer(&self) -> &TimerHandle {
        match self {
            #[cfg(feature = "std")]
            Self::OnWheel { .. } => TimerHandle::system().expect("there is one with `std`"),
            Self::OnTimer(set) => &set.timer,
        }
    }

    /// Cancels what was set for `at`, if anything was.
    #[inline]
    pub(crate) fn cancel(this: &mut Option<Self>, at: Instant) {
        match this.take() {
            None => {}
            #[cfg(feature = "std")]
            Some(Self::OnWheel { shard, number, .. }) => {
                SystemTimer::get().disarm(at, Armed { shard, number });
            }
            Some(Self::OnTimer(set)) => set.timer.timer().cancel(at, set.id),
        }
    }
}

impl fmt::Debug for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Set").field("timer", &self.timer).field("id", &self.id).finish()
    }
}
