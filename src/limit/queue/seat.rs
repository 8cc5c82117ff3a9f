use alloc::boxed::Box;
use core::{
    fmt, mem,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use super::{
    Queue, Verdict,
    holders::{Held, Watch},
    state::{Arrival, Claimed, Entry},
};
use crate::{
    abort::{Aborted, Name},
    limit::{Refusal, claim::Terms},
    owner::{Lent, Permitted},
    sync::Arc,
    time::{Sleep, TimerHandle},
};

/// The place of one in a queue, and then its permit.
///
/// The queue isn't kept here: whoever has a seat has that as well, its own or lent, and gives the seat
/// [back](Seat::leave).
pub(in crate::limit) struct Seat {
    terms: Option<Arc<Terms>>,
    stage: Stage,
    /// How long it may wait, where it may not for ever.
    patience: Option<Box<Patience>>,
}

#[derive(Debug)]
enum Stage {
    New,
    Waiting(usize),
    Holding(Option<Held>),
}

struct Patience {
    most: Duration,
    sleep: Sleep,
}

impl Seat {
    pub(in crate::limit) const fn new(terms: Option<Arc<Terms>>) -> Self {
        Self { terms, stage: Stage::New, patience: None }
    }

    #[inline]
    pub(in crate::limit) const fn is_waiting(&self) -> bool {
        matches!(self.stage, Stage::Waiting(_))
    }

    /// Ready while it holds what it asks for. `name` is its own.
    #[inline]
    pub(in crate::limit) fn poll(
        &mut self,
        queue: &Arc<Queue>,
        name: Option<&Name>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
    ) -> Poll<Result<(), Aborted>> {
        let has_it = match self.stage {
            Stage::Holding(_) => true,
            Stage::New => self.take_at_once(queue),
            Stage::Waiting(_) => false,
        };
        if has_it { Poll::Ready(Ok(())) } else { self.poll_queue(queue, name, cx, lent) }
    }

    /// Whether it asks for permits, and nothing else.
    #[inline]
    fn is_plain(&self) -> bool {
        self.terms.as_ref().is_none_or(|terms| terms.is_plain())
    }

    /// Holds what it asks for, if that is free and nothing else is to be looked at.
    #[inline]
    fn take_at_once(&mut self, queue: &Queue) -> bool {
        let taken = self.is_plain() && queue.word.try_take(Terms::weight_of(self.terms.as_deref()));
        if taken {
            self.stage = Stage::Holding(None);
        }
        taken
    }

    /// Holds what it asks for, if that can be had without waiting.
    pub(in crate::limit) fn try_take(&mut self, queue: &Arc<Queue>) -> bool {
        if self.take_at_once(queue) {
            return true;
        }
        let Self { terms, stage, .. } = self;
        Queue::change(queue, |state, now, _| {
            if let Ok(entry) = state.enter(terms.as_ref(), None, now) {
                Self::note(stage, entry);
            }
        });
        matches!(self.stage, Stage::Holding(_))
    }

    #[inline(never)]
    fn poll_queue(
        &mut self,
        queue: &Arc<Queue>,
        name: Option<&Name>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
    ) -> Poll<Result<(), Aborted>> {
        let refused = match self.stage {
            Stage::Waiting(key) => self.poll_waiting(key, queue, cx, lent),
            _ => self.enter(queue, name, cx, lent),
        };
        if let Some(verdict) = refused {
            self.patience = None;
            return Poll::Ready(Err(verdict.into_aborted(queue, lent)));
        }
        if let Stage::Holding(_) = self.stage {
            self.patience = None;
            return Poll::Ready(Ok(()));
        }
        let verdict = ready!(self.poll_patience(queue, cx, lent));
        self.leave(queue);
        Poll::Ready(Err(verdict.into_aborted(queue, lent)))
    }

    fn enter(
        &mut self,
        queue: &Arc<Queue>,
        name: Option<&Name>,
        cx: &Context<'_>,
        lent: &Lent<'_>,
    ) -> Option<Box<Verdict>> {
        let clock = queue.clock();
        if clock.is_none() && queue.goes_by_the_clock() {
            return Some(Box::new(Verdict::NoTimer));
        }
        let name = if queue.settings.tracked { name.or_else(|| lent.own_name()) } else { None };
        let waker = cx.waker().clone();
        let timer = queue.timer(lent);
        let deadline = match (clock, lent.timer()) {
            (Some(clock), Some(timer)) if queue.goes_by_the_clock() && clock.is_same(timer) => {
                lent.deadline()
            }
            _ => None,
        };
        let is_inside = lent.permits().any(|permitted| permitted.limit == queue.id());
        let Self { terms, stage, .. } = self;
        let has_priority = Terms::priority_of(terms.as_deref()) != 0;
        let now = if has_priority { clock.map(TimerHandle::now) } else { queue.now_if_asked() };
        // The stage is set under the lock: whatever panics later, it is known what this one has.
        Queue::change_at(queue, now, |state, now, out| {
            let admission = match state.enter(terms.as_ref(), name, now) {
                Err(admission) => admission,
                Ok(entry) => {
                    out.old_waker = Some(waker);
                    return Self::note(stage, entry);
                }
            };
            let name = name.cloned();
            let arrival =
                Arrival { terms: terms.as_ref(), name, waker, timer, deadline, is_inside };
            Self::note(stage, state.line_up(arrival, admission, now, out))
        })
    }

    fn poll_waiting(
        &mut self,
        key: usize,
        queue: &Arc<Queue>,
        cx: &Context<'_>,
        lent: &Lent<'_>,
    ) -> Option<Box<Verdict>> {
        let stage = &mut self.stage;
        let claimed =
            Queue::change(queue, |state, now, out| match state.claim(key, cx.waker(), now, out) {
                Claimed::Over(entry) => Ok(Self::note(stage, entry)),
                Claimed::InLine => {
                    out.is_quiet = true;
                    Ok(None)
                }
                Claimed::InVain => {
                    out.is_quiet = true;
                    Err(())
                }
            });
        if let Ok(refused) = claimed {
            return refused;
        }
        let waker = cx.waker().clone();
        let timer = queue.timer(lent);
        Queue::change(queue, |state, now, out| {
            // Much may have happened since the lock was free.
            if let Claimed::Over(entry) = state.claim(key, &waker, now, out) {
                out.old_waker = Some(waker);
                return Self::note(stage, entry);
            }
            out.is_quiet = true;
            state.wait_on(key, waker, timer, out);
            None
        })
    }

    /// What has become of it, and why where it is refused.
    #[inline]
    fn note(stage: &mut Stage, entry: Entry) -> Option<Box<Verdict>> {
        *stage = match entry {
            Entry::Holding(held) => Stage::Holding(held),
            Entry::Waiting(key) => Stage::Waiting(key),
            Entry::Refused(verdict) => {
                *stage = Stage::New;
                return Some(verdict);
            }
        };
        None
    }

    /// Ready, with the reason, when it has waited for too long.
    fn poll_patience(
        &mut self,
        queue: &Queue,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
    ) -> Poll<Verdict> {
        if self.patience.is_none() {
            let own = self.terms.as_ref().and_then(|terms| terms.max_wait);
            let Some(most) = own.or(queue.settings.max_wait) else { return Poll::Pending };
            let Some(timer) = queue.timer(lent) else {
                return Poll::Ready(Verdict::NoTimer);
            };
            self.patience = Some(Box::new(Patience { most, sleep: timer.sleep(most) }));
        }
        let Some(patience) = &mut self.patience else { return Poll::Pending };
        ready!(Pin::new(&mut patience.sleep).poll(cx));
        Poll::Ready(Refusal::WaitedTooLong { after: patience.most }.into())
    }

    /// What whoever is in there is lent.
    #[inline]
    pub(in crate::limit) fn permitted(&self, queue: &Queue) -> Permitted {
        let holder = match &self.stage {
            Stage::Holding(Some(held)) => Some(held.key),
            _ => None,
        };
        Permitted { limit: queue.id(), holder }
    }

    /// What whoever is in there is to be polled with, where it is to be seen whether it is.
    #[inline]
    pub(in crate::limit) fn watched(&self, waker: &Waker) -> Option<Waker> {
        match &self.stage {
            Stage::Holding(Some(Held { watch: Some(watch), .. })) => Some(Watch::see(watch, waker)),
            _ => None,
        }
    }

    /// Gives the permit back, or the place.
    #[inline]
    pub(in crate::limit) fn leave(&mut self, queue: &Arc<Queue>) {
        match mem::replace(&mut self.stage, Stage::New) {
            Stage::New => {}
            Stage::Holding(None) if self.is_plain() => {
                let weight = Terms::weight_of(self.terms.as_deref());
                if !queue.word.try_put_back(weight) {
                    Queue::leave(queue, |state, _| state.put_back(weight));
                }
            }
            stage => self.leave_queue(queue, stage),
        }
    }

    #[inline(never)]
    fn leave_queue(&mut self, queue: &Arc<Queue>, stage: Stage) {
        self.patience = None;
        Queue::leave(queue, |state, out| match &stage {
            Stage::New => {}
            Stage::Waiting(key) => state.leave(*key, out),
            Stage::Holding(held) => {
                let holder = held.as_ref().map(|held| held.key);
                state.release(self.terms.as_deref(), holder, out);
            }
        });
    }
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Seat").field(&self.stage).finish()
    }
}
