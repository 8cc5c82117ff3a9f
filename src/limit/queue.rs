//! Who waits for a permit, and who is offered one.
//!
//! A free permit belongs to nobody. A waiter that is *offered* one was woken, and claims it when it
//! is polled. An offer is *fresh* for one window, from when an alarm is set until it rings, and then
//! lapses: it can still be taken up while a permit is free, but no longer holds up those behind. One
//! that is made while the alarm is set lapses with the next.
//!
//! Invariants, whenever the lock is free:
//!
//! 1. The permits that are free and those that are held add up to the capacity; after some were taken away
//!    there may be less than none free.
//! 2. Whoever is first in line could not be let in beside those who have fresh offers, or nobody stands in line.
//! 3. Who stands in line claims nothing. A newcomer does while nobody stands in line who could be let in before it,
//!    and only what is left beside the fresh offers.
//! 4. Whoever had an offer and is dropped, or was too late, leaves no trace of it; 2 then finds the
//!    next one.
//! 5. While a permit is free, an offer fresh, and somebody stands in line, the alarm of the window is set.
//!    While a permit is free, no offer fresh, and whoever is first needs more than others might, that of the
//!    probe is. While a rate or a cool-down alone holds up whoever is first, that of its end is. Where there is no
//!    timer to set them, all who stand in line and could be let in are offered what is free.
//!
//! The alarm isn't cancelled when the offer is taken up, so that a busy limit sets it once a window
//! and not at each release. Nor does it matter that others were let in meanwhile: an offer that
//! nobody takes up lapses even while the limit is busy with the rest of its permits.
//!
//! Where permits are all that is asked for and some are free, nobody comes here: see `word`.

mod holders;
mod lane;
mod lanes;
mod line;
mod outbox;
mod probe;
mod seat;
mod state;
mod waiters;
mod word;

use core::{
    task::{Context, Poll, Waker},
    time::Duration,
};

pub(super) use lane::Lane;
pub(super) use seat::Seat;
pub(super) use state::Rules;
pub(super) use word::MOST_PERMITS;

use crate::{
    abort::{AbortReason, Aborted, Name, Position},
    owner::Lent,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, Ordering},
        impl_wake,
    },
    time::{Instant, TimerHandle},
    wake::{Level, Listening},
};
use outbox::Outbox;
use state::State;
use word::Word;

use super::Refusal;

/// How long whoever was offered a permit has it to itself, at least.
const WINDOW: Duration = Duration::from_millis(1);

pub(super) struct Queue {
    word: Word,
    /// The clock is to be read before the lock is taken. Relaxed: where it changes, whoever changes it sets an alarm.
    is_clocked: AtomicBool,
    /// Somebody waits, or did when whoever was last there left. Relaxed: where it isn't so any more, whoever waits has set
    /// an alarm.
    is_waited_for: AtomicBool,
    pub(super) settings: Settings,
    state: Mutex<State>,
    level: Level,
}

/// What doesn't change.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    pub(super) name: Option<Name>,
    /// What everything goes by.
    pub(super) timer: Option<TimerHandle>,
    pub(super) max_wait: Option<Duration>,
    pub(super) tracked: bool,
}

/// Why somebody was not let in.
#[derive(Clone, Debug)]
pub(super) enum Verdict {
    Refused(Refusal),
    /// The limit was cleared.
    Cleared(AbortReason),
    /// It can't be let in before its deadline: a rate, or a cool-down.
    TooLate {
        deadline: Instant,
    },
    NoTimer,
}

impl Verdict {
    fn into_aborted(self, queue: &Queue, lent: &Lent<'_>) -> Aborted {
        let origin = queue.settings.name.as_ref().or(lent.name()).cloned();
        let (reason, position) = match self {
            Self::Refused(why) => (AbortReason::Rejected { why }, Position::Below),
            // Somebody meant all who wait here: it is not to come again.
            Self::Cleared(reason) => (reason, Position::Above),
            Self::NoTimer => (AbortReason::NoTimer, Position::Below),
            Self::TooLate { deadline } => {
                let too_late = AbortReason::DeadlinePassed { at: deadline };
                let why = AbortReason::Rejected { why: Refusal::Throttled };
                return Aborted::of(too_late, lent.name().cloned(), Position::Above)
                    .because(Aborted::of(why, origin, Position::Below));
            }
        };
        Aborted::of(reason, origin, position)
    }
}

impl From<Refusal> for Verdict {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Queue {
    pub(super) fn new(rules: Rules, settings: Settings) -> Self {
        let word = Word::new();
        let mut state = State::new(rules);
        state.open(&word);
        Self {
            word,
            is_clocked: AtomicBool::new(state.goes_by_the_clock()),
            is_waited_for: AtomicBool::new(false),
            settings,
            state: Mutex::new(state),
            level: Level::default(),
        }
    }

    /// What it is known by to those inside.
    pub(super) fn id(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }

    pub(super) fn goes_by_the_clock(&self) -> bool {
        self.is_clocked.load(Ordering::Relaxed)
    }

    /// What rates and cool-downs go by, and what is tracked.
    pub(super) fn clock(&self) -> Option<&TimerHandle> {
        self.settings.timer.as_ref().or(TimerHandle::system())
    }

    /// What the wait of somebody who is lent that goes by.
    fn timer<'a>(&'a self, lent: &Lent<'a>) -> Option<&'a TimerHandle> {
        self.settings.timer.as_ref().or(lent.timer())
    }

    pub(super) fn now_if_asked(&self) -> Option<Instant> {
        match self.goes_by_the_clock() {
            true => self.clock().map(TimerHandle::now),
            false => None,
        }
    }

    /// As `change`, where the time matters only to those who wait.
    pub(super) fn leave(this: &Arc<Self>, f: impl FnOnce(&mut State, &mut Outbox)) {
        let now = match this.is_waited_for.load(Ordering::Relaxed) {
            true => this.now_if_asked(),
            false => None,
        };
        Self::change_at(this, now, |state, _, out| f(state, out));
    }

    /// Looks at what the lock guards.
    pub(super) fn look<R>(&self, f: impl FnOnce(&State, &Word) -> R) -> R {
        self.state.with(|state| f(state, &self.word))
    }

    /// Changes the queue, then offers what is free.
    pub(super) fn change<R>(
        this: &Arc<Self>,
        f: impl FnOnce(&mut State, Option<Instant>, &mut Outbox) -> R,
    ) -> R {
        Self::change_at(this, this.now_if_asked(), f)
    }

    pub(super) fn change_at<R>(
        this: &Arc<Self>,
        now: Option<Instant>,
        f: impl FnOnce(&mut State, Option<Instant>, &mut Outbox) -> R,
    ) -> R {
        let Self { word, is_clocked, is_waited_for, state, .. } = &**this;
        let mut out = Outbox::default();
        let result = state.with(|state| {
            // Before anybody looks for a permit: see `word`.
            state.shut(word);
            let result = f(state, now, &mut out);
            state.serve(now, &mut out);
            state.open(word);
            let waited_for = state.waiters.len() > 0;
            if is_waited_for.load(Ordering::Relaxed) != waited_for {
                is_waited_for.store(waited_for, Ordering::Relaxed);
            }
            if let Some(news) = state.news_of_clock() {
                is_clocked.store(news, Ordering::Relaxed);
            }
            out.notify = state.watchers > 0 && !out.is_quiet;
            result
        });
        out.deliver(this);
        result
    }

    /// Holds everybody back for that long, on the clock. `false` where there is none.
    pub(super) fn cool_down(this: &Arc<Self>, length: Duration) -> bool {
        let Some(clock) = this.clock() else { return false };
        let now = clock.now();
        Self::change_at(this, Some(now), |state, _, _| state.cool_down(now + length));
        true
    }

    /// Corrects what the holder with that note was charged.
    pub(super) fn settle(this: &Arc<Self>, holder: usize, unit: &str, actual: u64) -> bool {
        let Some(clock) = this.clock() else { return false };
        let now = clock.now();
        Self::change_at(this, Some(now), |state, _, _| state.settle(holder, unit, actual, now))
    }

    /// Ready as soon as the number of those who wait and that of the permits that are held are such.
    pub(super) fn poll_level(
        &self,
        place: &mut Option<Listening>,
        cx: &mut Context<'_>,
        is_such: impl Fn(usize, usize) -> bool,
    ) -> Poll<()> {
        self.level.poll_until(place, cx, || {
            let (waiting, active) = self.look(|state, word| (state.waiting(), state.held(word)));
            is_such(waiting, active).then_some(())
        })
    }

    /// One more waits for a level, or one less: while there are any, all who come and go tell.
    pub(super) fn watch(this: &Arc<Self>, more: bool) {
        Self::change(this, |state, _, out| {
            out.is_quiet = true;
            match more {
                true => state.watchers += 1,
                false => state.watchers -= 1,
            }
        });
    }
}

/// What a timer wakes. It holds the queue weakly, for the queue holds the timer.
struct Alarm {
    queue: Weak<Queue>,
    of: AlarmOf,
}

/// What an alarm is set for the end of.
#[derive(Clone, Copy, Debug)]
enum AlarmOf {
    Window,
    Probe,
    /// What holds up whoever is first.
    Wait,
}

impl Alarm {
    fn waker(queue: &Arc<Queue>, of: AlarmOf) -> Waker {
        Waker::from(Arc::new(Self { queue: Arc::downgrade(queue), of }))
    }

    fn ring(this: &Arc<Self>) {
        let Some(queue) = this.queue.upgrade() else { return };
        Queue::change(&queue, |state, now, out| match this.of {
            AlarmOf::Window => state.end_window(now, out),
            AlarmOf::Probe => state.end_probe(out),
            AlarmOf::Wait => state.end_wait(),
        });
    }
}

impl_wake!(Alarm, Alarm::ring);
