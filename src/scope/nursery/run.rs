//! What drives a nursery: its body, its children, and its end.

use core::{
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use super::{
    super::Report,
    body::Body,
    children::Children,
    judges::Judges,
    outcome::{First, Outcome},
    shared::{Family, Idle, Shared, StepOf},
    turns::{BODY, Turn},
};
use crate::{
    abort::{AbortReason, Aborted, OnAbort, Position, WaitAborted},
    owner::{
        Lent, Link,
        core::{Core, Count, Seat},
    },
    sync::Arc,
    time::Instant,
    wake::{Panics, discard},
};

/// What a nursery keeps while it runs.
pub(super) struct Run<F: Family> {
    pub(super) children: Children<F>,
    stage: Stage<F>,
    pub(super) outcome: Outcome<F>,
    /// Hears of an abort from above, where there is somebody.
    above: Option<OnAbort>,
    /// Woken when it is aborted, once it has rested.
    waiting: Option<WaitAborted>,
    /// When it began to end, where somebody is to be told.
    since: Option<Instant>,
}

enum Stage<F: Family> {
    New,
    Running,
    /// All that it owns is being ended.
    Ending(Aborted),
    /// All of it has ended, but for the clean-up.
    CleaningUp(Option<StepOf<F>>),
}

/// In one poll whoever was woken is polled; those that this wakes, once more; then other tasks have a turn.
const PASSES: usize = 2;
/// So often it looks in one poll for those that have come, spawned by those that came before.
const GENERATIONS: usize = 32;

impl<F: Family> Default for Run<F> {
    fn default() -> Self {
        Self {
            children: Children::default(),
            stage: Stage::New,
            outcome: Outcome::default(),
            above: None,
            waiting: None,
            since: None,
        }
    }
}

impl<F: Family> Run<F> {
    /// It is polled for the first time: now it is known who is above.
    fn begin(&mut self, core: &Arc<Core>, lent: &Lent<'_>) {
        if let Some(name) = lent.own_name() {
            core.abort.set_name(name.clone());
        }
        if let Some(above) = lent.above() {
            let below = core.abort.clone();
            let pass_on = move |aborted: &Aborted| {
                below.pass_on(aborted.clone().at(Position::Above));
            };
            self.above = Some(above.on_abort(pass_on));
        }
        self.children.turns.again(BODY, &core.queue);
        self.stage = Stage::Running;
    }

    /// Drives all of it on: ready when all has ended, and the clean-up is done.
    #[inline]
    pub(super) fn poll<Fut: Future>(
        &mut self,
        shared: &Shared<F>,
        body: &mut Body<'_, Fut>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
    ) -> Poll<()>
    where
        F::Error: Judges<Fut::Output>,
    {
        let core = &shared.core;
        let below = lent.with(Link::Child(core));
        match self.stage {
            Stage::New => self.begin(core, lent),
            _ => core.queue.enter(),
        }
        for _ in 0..PASSES {
            let mut more = false;
            if let Stage::Running = self.stage {
                if !core.abort.is_aborted() {
                    more = self.poll_running(shared, body, &below);
                }
                if core.abort.is_aborted() {
                    self.begin_end(shared, body, cx, &below);
                } else if !body.is_running() && self.children.len() == 0 {
                    match shared.close_if_idle() {
                        Idle::Busy => {}
                        Idle::CleanUp => self.begin_clean_up(shared, &below),
                        Idle::Nothing => return Poll::Ready(()),
                    }
                }
            }
            if let Stage::Ending(aborted) = &self.stage {
                let aborted = aborted.clone();
                self.poll_ending(body, core, &below, &aborted);
                if !body.is_running() && self.children.len() == 0 && core.members() == 0 {
                    self.begin_clean_up(shared, &below);
                }
            }
            if let Stage::CleaningUp(begun) = &mut self.stage {
                let cleaned = core.poll_clean_up(begun, || shared.next_step(), cx, lent);
                match cleaned {
                    Poll::Pending => core.queue.leave(),
                    Poll::Ready(()) => self.finish(shared, lent),
                }
                return cleaned;
            }
            let rests = !more && !self.children.turns.is_due();
            if rests && core.queue.rest(cx.waker()).is_ready() {
                self.wait_for_abort(core, cx);
                return Poll::Pending;
            }
        }
        // There is more to do, after others.
        core.queue.leave();
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn wait_for_abort(&mut self, core: &Core, cx: &mut Context<'_>) {
        if let Stage::Running = self.stage {
            let waiting = self.waiting.get_or_insert_with(|| core.abort.aborted());
            if Pin::new(waiting).poll(cx).is_ready() {
                self.waiting = None;
                cx.waker().wake_by_ref();
            }
        }
    }

    /// Polls those that were woken, and those that are new, for as long as it isn't aborted. Tells whether it has left
    /// some.
    #[inline]
    fn poll_running<Fut: Future>(
        &mut self,
        shared: &Shared<F>,
        body: &mut Body<'_, Fut>,
        lent: &Lent<'_>,
    ) -> bool
    where
        F::Error: Judges<Fut::Output>,
    {
        let core = &shared.core;
        self.children.turns.begin(&core.queue);
        while let Some(turn) = self.children.poll_turns(core, lent, &mut self.outcome) {
            match turn {
                Turn::By(seat) => {
                    let waker = Waker::from(seat.clone());
                    let mut cx = Context::from_waker(&waker);
                    if body.poll(core, &mut cx, lent, &mut self.outcome) {
                        seat.leave();
                    }
                }
                Turn::Of(key) => {
                    let loan = self.children.lender.lend(key, core);
                    let mut cx = Context::from_waker(&loan.waker);
                    if body.poll(core, &mut cx, lent, &mut self.outcome) {
                        self.children.lender.end(loan);
                    } else if self.children.lender.take_back(loan) {
                        self.children.turns.again(key, &core.queue);
                    }
                }
            }
        }
        for _ in 0..GENERATIONS {
            let none = !self.children.poll_arrivals(shared, lent, &mut self.outcome);
            if none || core.abort.is_aborted() {
                return false;
            }
        }
        true
    }

    /// All that it owns is to end now.
    fn begin_end<Fut: Future>(
        &mut self,
        shared: &Shared<F>,
        body: &mut Body<'_, Fut>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
    ) {
        let core = &shared.core;
        let aborted = core.refusal();
        self.since = Self::now(shared, lent);
        body.drop_output(core, &mut self.outcome);
        self.children.abort(core, cx, lent, &aborted, &mut self.outcome);
        if body.is_running() && body.poll_abort(core, cx, lent, &aborted, &mut self.outcome) {
            Seat::give_woken(core, BODY);
        }
        self.turn_away(shared, &aborted);
        self.stage = Stage::Ending(aborted);
    }

    /// Lets nobody in any more; those that never were polled are told why.
    fn turn_away(&mut self, shared: &Shared<F>, aborted: &Aborted) {
        let never_started = self.children.take_arrivals().chain(shared.close());
        self.outcome.drop_each(&shared.core, never_started, Count::NeverStarted, aborted);
    }

    /// Polls those that were woken, of those that take their time.
    fn poll_ending<Fut: Future>(
        &mut self,
        body: &mut Body<'_, Fut>,
        core: &Arc<Core>,
        lent: &Lent<'_>,
        aborted: &Aborted,
    ) {
        self.children.turns.begin(&core.queue);
        while let Some(seat) = self.children.poll_ending(core, lent, aborted, &mut self.outcome) {
            if body.is_running() {
                let waker = Waker::from(seat);
                let mut cx = Context::from_waker(&waker);
                body.poll_abort(core, &mut cx, lent, aborted, &mut self.outcome);
            }
        }
    }

    fn begin_clean_up(&mut self, shared: &Shared<F>, lent: &Lent<'_>) {
        self.since = self.since.or_else(|| Self::now(shared, lent));
        self.stage = Stage::CleaningUp(None);
    }

    /// The present, where somebody is to be told how long the end took.
    fn now(shared: &Shared<F>, lent: &Lent<'_>) -> Option<Instant> {
        if shared.tells() { lent.timer().map(|timer| timer.now()) } else { None }
    }

    /// All is done: tells those who are to be told.
    fn finish(&mut self, shared: &Shared<F>, lent: &Lent<'_>) {
        let on_close = shared.finish();
        if on_close.is_empty() {
            return;
        }
        shared.core.tally.add_many(Count::Ran, mem::take(&mut self.outcome.ran));
        let took = self.since.zip(lent.timer()).map(|(since, timer)| timer.now() - since);
        let report = Report::of_nursery(&shared.core, lent.own_name(), took);
        let mut panics = Panics::default();
        panics.run_each(on_close, |f| f(&report));
        // There is nobody to be told of what those do who are told.
        panics.into_first().into_iter().for_each(discard);
    }

    /// It is dropped half-way: what runs elsewhere is told, the clean-up that is sync is run, and what is async is
    /// skipped.
    pub(super) fn end_at_once<Fut: Future>(mut self, shared: &Shared<F>, body: &mut Body<'_, Fut>) {
        let core = &shared.core;
        let mut panics = Panics::default();
        panics.run(|| {
            core.abort.abort(AbortReason::ScopeEnded);
        });
        let aborted = core.refusal();
        // What has failed before is nobody's result any more.
        match self.outcome.first.take() {
            Some(First::Error(error)) => panics.run(|| drop(error)),
            Some(First::Panic(panic)) => discard(panic),
            Some(First::Body) | None => {}
        }
        let mut of_body = Panics::default();
        body.drop(&mut of_body);
        self.outcome.note_panics(core, of_body);
        self.outcome.drop_each(core, self.children.take_all(), Count::Dropped, &aborted);
        self.turn_away(shared, &aborted);
        if let Some(First::Panic(panic)) = self.outcome.first.take() {
            panics.keep(panic);
        }
        let mut next = match mem::replace(&mut self.stage, Stage::Running) {
            Stage::CleaningUp(begun) => begun,
            _ => None,
        };
        while let Some(step) = next.take().or_else(|| shared.next_step()) {
            core.clean_up_unpolled(step);
        }
        panics.run(|| self.finish(shared, Lent::ROOT));
        panics.run(|| core.queue.close());
        panics.resume();
    }

    /// How far it has got.
    pub(super) fn stage(&self) -> &'static str {
        match self.stage {
            Stage::New => "new",
            Stage::Running => "running",
            Stage::Ending(_) => "ending",
            Stage::CleaningUp(_) => "cleaning up",
        }
    }
}
