//! A nursery that runs: its body, its children, and its end.

use core::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use pin_project::{pin_project, pinned_drop};

use super::{
    super::Report,
    children::Children,
    outcome::{First, Outcome},
    shared::{Family, Shared, StepOf},
    turns::{BODY, Turn},
};
use crate::{
    abort::{AbortHandle, AbortReason, Aborted, OnAbort, Position, WaitAborted},
    operation::{LeafState, Operation},
    owner::{
        Holding, Lent, Link, Told,
        core::{Core, Count, Seat, Step},
    },
    sync::Arc,
    time::Instant,
    wake::{Panics, caught, forget, resume, survived},
};

/// Operation made by [`scope`](crate::scope()) and its like: the body of a nursery, and its children.
#[pin_project(PinnedDrop)]
pub struct Nursed<Fut: Future, F: Family> {
    #[pin]
    body: Option<Fut>,
    leaf: LeafState,
    output: Option<Fut::Output>,
    /// Until its end.
    run: Option<Run<F>>,
    holding: Holding,
}

/// What a nursery keeps while it runs.
struct Run<F: Family> {
    shared: Arc<Shared<F>>,
    children: Children<F>,
    body: BodyStage,
    stage: Stage<F>,
    outcome: Outcome<F>,
    /// Hears of an abort from above, where there is somebody.
    above: Option<OnAbort>,
    /// Woken when it is aborted.
    waiting: WaitAborted,
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

#[derive(PartialEq)]
enum BodyStage {
    Running,
    /// It has returned; was the nursery aborted by then?
    Returned {
        aborted: bool,
    },
    /// It has come to nothing.
    Gone,
}

/// In one poll whoever was woken is polled; those that this wakes, once more; then other tasks have a turn.
const PASSES: usize = 2;
/// So often it looks in one poll for those that have come, spawned by those that came before.
const GENERATIONS: usize = 32;

/// What the error of a nursery makes of what its body returned.
pub trait Judges<T>: sealed::Judges<T> {}

impl<T, E: sealed::Judges<T>> Judges<T> for E {}

mod sealed {
    use alloc::string::{String, ToString};
    use core::fmt;

    use super::super::child::AnyError;
    use crate::abort::Aborted;

    pub trait Judges<T>: Sized {
        /// What its error displays, if that is one.
        fn failure(output: &T) -> Option<String>;

        /// The result, where a child has failed.
        fn result(self) -> Option<T>;
    }

    impl<T> Judges<T> for AnyError {
        fn failure(_: &T) -> Option<String> {
            None
        }

        fn result(self) -> Option<T> {
            None
        }
    }

    impl<T, E: fmt::Display + From<Aborted>> Judges<Result<T, E>> for E {
        fn failure(output: &Result<T, E>) -> Option<String> {
            output.as_ref().err().map(E::to_string)
        }

        fn result(self) -> Option<Result<T, E>> {
            Some(Err(self))
        }
    }
}

/// The part of a nursery that is the body's.
struct Body<'a, Fut: Future> {
    future: Pin<&'a mut Option<Fut>>,
    leaf: &'a mut LeafState,
    output: &'a mut Option<Fut::Output>,
}

impl<Fut: Future> Body<'_, Fut> {
    fn reborrow(&mut self) -> Body<'_, Fut> {
        Body { future: self.future.as_mut(), leaf: self.leaf, output: self.output }
    }

    /// Drops the future, if that is still there.
    fn drop(&mut self, panics: &mut Panics) {
        let dropped = caught(|| {
            self.future.set(None);
            self.leaf.clear();
        });
        if let Err(panic) = dropped {
            panics.keep(panic);
            panics.run(|| self.leaf.clear());
        }
    }
}

impl<F: Family> Run<F> {
    fn new() -> Self {
        let abort = AbortHandle::new();
        let waiting = abort.aborted();
        Self {
            shared: Shared::new(Core::of_nursery(abort)),
            children: Children::default(),
            body: BodyStage::Running,
            stage: Stage::New,
            outcome: Outcome::default(),
            above: None,
            waiting,
            since: None,
        }
    }

    /// It is polled for the first time: now it is known who is above.
    fn begin(&mut self, lent: &Lent<'_>) {
        let core = &self.shared.core;
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
    fn poll<Fut: Future>(
        &mut self,
        mut body: Body<'_, Fut>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
    ) -> Poll<()>
    where
        F::Error: Judges<Fut::Output>,
    {
        let core = self.shared.core.clone();
        let below = lent.with(Link::Child(&core));
        if let Stage::New = self.stage {
            self.begin(lent);
        }
        core.queue.enter(cx.waker());
        for _ in 0..PASSES {
            let mut more = false;
            if let Stage::Running = self.stage {
                if !core.abort.is_aborted() {
                    more = self.poll_running(body.reborrow(), &core, &below);
                }
                if core.abort.is_aborted() {
                    self.begin_end(body.reborrow(), &core, cx, &below);
                } else if self.body != BodyStage::Running
                    && self.children.len() == 0
                    && self.shared.close_if_idle()
                {
                    self.begin_clean_up(&below);
                }
            }
            if let Stage::Ending(aborted) = &self.stage {
                let aborted = aborted.clone();
                self.poll_ending(body.reborrow(), &core, &below, &aborted);
                if self.body != BodyStage::Running
                    && self.children.len() == 0
                    && core.members() == 0
                {
                    self.begin_clean_up(&below);
                }
            }
            if let Stage::CleaningUp(begun) = &mut self.stage {
                let next = || self.shared.next_step();
                let cleaned = core.poll_clean_up(begun, next, cx, lent);
                core.queue.leave();
                return cleaned;
            }
            if !more && !self.children.turns.is_due() && core.queue.rest().is_ready() {
                return self.wait_for_abort(cx);
            }
        }
        // There is more to do, after others.
        core.queue.leave();
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn wait_for_abort(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Stage::Running = self.stage {
            if Pin::new(&mut self.waiting).poll(cx).is_ready() {
                self.waiting = self.shared.core.abort.aborted();
                cx.waker().wake_by_ref();
            }
        }
        Poll::Pending
    }

    /// Polls those that were woken, and those that are new, for as long as it isn't aborted. Tells whether it has left
    /// some.
    fn poll_running<Fut: Future>(
        &mut self,
        mut body: Body<'_, Fut>,
        core: &Arc<Core>,
        lent: &Lent<'_>,
    ) -> bool
    where
        F::Error: Judges<Fut::Output>,
    {
        self.children.turns.begin(&core.queue);
        while let Some(turn) = self.children.poll_turns(core, lent, &mut self.outcome) {
            match turn {
                Turn::By(seat) => {
                    if self.poll_body(body.reborrow(), core, &Waker::from(seat.clone()), lent) {
                        seat.leave();
                    }
                }
                Turn::Of(key) => {
                    let loan = self.children.lender.lend(key, core);
                    if self.poll_body(body.reborrow(), core, &loan.waker, lent) {
                        self.children.lender.end(loan);
                    } else if self.children.lender.take_back(loan) {
                        self.children.turns.again(key, &core.queue);
                    }
                }
            }
        }
        for _ in 0..GENERATIONS {
            let none = !self.children.poll_arrivals(&self.shared, lent, &mut self.outcome);
            if none || core.abort.is_aborted() {
                return false;
            }
        }
        true
    }

    /// Polls the body, and tells whether it has ended.
    fn poll_body<Fut: Future>(
        &mut self,
        mut body: Body<'_, Fut>,
        core: &Core,
        waker: &Waker,
        lent: &Lent<'_>,
    ) -> bool
    where
        F::Error: Judges<Fut::Output>,
    {
        let Some(future) = body.future.as_mut().as_pin_mut() else { return true };
        let polled = match caught(|| body.leaf.poll(future, &mut Context::from_waker(waker), lent))
        {
            Ok(Poll::Pending) => return false,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(panic) => Err(panic),
        };
        let aborted = core.abort.is_aborted();
        let mut panics = Panics::default();
        match polled {
            Err(panic) => {
                self.body = BodyStage::Gone;
                panics.keep(panic);
            }
            Ok(output) => {
                self.body = BodyStage::Returned { aborted };
                panics.run(|| {
                    if let Some(text) = <F::Error as sealed::Judges<_>>::failure(&output) {
                        // It is kept, whatever comes after it.
                        self.body = BodyStage::Returned { aborted: true };
                        self.outcome.first.get_or_insert(First::Body);
                        core.abort_for_failure(None, &text);
                    }
                });
                *body.output = Some(output);
            }
        }
        body.drop(&mut panics);
        self.outcome.note_panics(core, panics);
        true
    }

    /// All that it owns is to end now.
    fn begin_end<Fut: Future>(
        &mut self,
        mut body: Body<'_, Fut>,
        core: &Arc<Core>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
    ) {
        let aborted = core.refusal();
        self.since = self.now(lent);
        if self.body != (BodyStage::Returned { aborted: true }) {
            let mut panics = Panics::default();
            panics.run(|| *body.output = None);
            self.outcome.note_panics(core, panics);
        }
        self.children.abort(core, cx, lent, &aborted, &mut self.outcome);
        if self.body == BodyStage::Running && self.end_body(&mut body, core, cx, lent, &aborted) {
            // It has been polled with the waker of the task; from now on it has its own.
            Waker::from(Seat::new(core, BODY)).wake();
        }
        let never_started = self.children.take_arrivals().chain(self.shared.close());
        self.outcome.drop_each(core, never_started, Count::NeverStarted, &aborted);
        self.stage = Stage::Ending(aborted);
    }

    /// Tells whether it takes its time.
    fn end_body<Fut: Future>(
        &mut self,
        body: &mut Body<'_, Fut>,
        core: &Core,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
        aborted: &Aborted,
    ) -> bool {
        let ended = caught(|| body.leaf.poll_abort(body.future.as_mut(), cx, lent, aborted));
        if let Ok(Poll::Pending) = ended {
            return true;
        }
        self.body = BodyStage::Gone;
        if let Err(panic) = ended {
            let mut panics = Panics::default();
            panics.keep(panic);
            body.drop(&mut panics);
            self.outcome.note_panics(core, panics);
        }
        false
    }

    /// Polls those that were woken, of those that take their time.
    fn poll_ending<Fut: Future>(
        &mut self,
        mut body: Body<'_, Fut>,
        core: &Arc<Core>,
        lent: &Lent<'_>,
        aborted: &Aborted,
    ) {
        self.children.turns.begin(&core.queue);
        while let Some(seat) = self.children.poll_ending(core, lent, aborted, &mut self.outcome) {
            if self.body == BodyStage::Running {
                let waker = Waker::from(seat);
                self.end_body(&mut body, core, &mut Context::from_waker(&waker), lent, aborted);
            }
        }
    }

    fn begin_clean_up(&mut self, lent: &Lent<'_>) {
        self.since = self.since.or_else(|| self.now(lent));
        self.stage = Stage::CleaningUp(None);
    }

    /// The present, where somebody is to be told how long the end took.
    fn now(&self, lent: &Lent<'_>) -> Option<Instant> {
        if self.shared.tells() { lent.timer().map(|timer| timer.now()) } else { None }
    }

    /// All is done: tells those who are to be told.
    fn finish(&mut self, lent: &Lent<'_>) {
        let on_close = self.shared.finish();
        if on_close.is_empty() {
            return;
        }
        self.shared.core.tally.add_many(Count::Ran, mem::take(&mut self.outcome.ran));
        let took = self.since.zip(lent.timer()).map(|(since, timer)| timer.now() - since);
        let report = Report::of_named(&self.shared.core, lent.own_name(), took);
        let mut panics = Panics::default();
        panics.run_each(on_close, |f| f(&report));
        // There is nobody to be told of what those do who are told.
        if let Some(panic) = panics.into_first() {
            forget(panic);
        }
    }
}

impl<Fut: Future, F: Family> Nursed<Fut, F> {
    /// What `begin` makes of its nursery is called for here, so that only that is kept: with a type parameter for
    /// `begin`, the compiler would find whoever awaits this to be no longer `Send`.
    pub(super) fn new(begin: impl FnOnce(F::Nursery) -> Fut) -> Self {
        let run = Run::new();
        let nursery = F::nursery(run.shared.clone());
        let mut new = Self {
            body: None,
            leaf: LeafState::default(),
            output: None,
            run: Some(run),
            holding: Holding::default(),
        };
        // Where it panics, what it has spawned is dropped along.
        new.body = Some(begin(nursery));
        new
    }
}

impl<Fut, F> Nursed<Fut, F>
where
    Fut: Future,
    F: Family<Error: Judges<Fut::Output>>,
{
    /// Drives it on, once it has begun: ready with the result.
    fn drive(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
    ) -> Poll<Result<Fut::Output, Aborted>> {
        let this = self.project();
        let run = this.run.as_mut().expect("a nursery was polled after completion");
        let body = Body { future: this.body, leaf: this.leaf, output: this.output };
        ready!(run.poll(body, cx, lent));
        run.finish(lent);
        let mut core = run.shared.core.clone();
        let first = run.outcome.first.take();
        *this.run = None;
        core.queue.close();
        core.tell_of_end();
        let by_child = match first {
            Some(First::Panic(panic)) => resume(panic),
            Some(First::Error(error)) => sealed::Judges::result(error),
            Some(First::Body) | None => None,
        };
        Poll::Ready(match by_child.or_else(|| this.output.take()) {
            Some(output) => Ok(output),
            None => Err(core.end()),
        })
    }
}

impl Core {
    /// A nursery has ended, and nothing below its handle outlives it. Where nobody could notice, nothing is done.
    fn tell_of_end(self: &mut Arc<Self>) {
        if Arc::get_mut(self).is_none_or(|core| core.abort.is_watched_mut()) {
            // Of what those do who are told there is nobody to be told.
            survived(|| self.abort.abort(AbortReason::ScopeEnded));
        }
    }

    /// Why a nursery has come to nothing, as those see it who await it.
    fn end(&self) -> Aborted {
        match self.abort.check() {
            Err(aborted) if aborted.position() == Position::Here => aborted.at(Position::Below),
            _ => self.refusal(),
        }
    }
}

impl<Fut, F> Operation for Nursed<Fut, F>
where
    Fut: Future,
    F: Family<Error: Judges<Fut::Output>>,
{
    type Output = Fut::Output;
    type State = ();

    fn poll(
        mut self: Pin<&mut Self>,
        state: Pin<&mut ()>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
    ) -> Poll<Result<Fut::Output, Aborted>> {
        match self.as_mut().project().holding.told(lent) {
            Told::Nothing => {}
            Told::ToEnd(aborted) => {
                // Pending for good, once that is done.
                _ = self.poll_abort(state, cx, lent, &aborted);
                return Poll::Pending;
            }
            Told::ToWait => return Poll::Pending,
        }
        let polled = self.as_mut().drive(cx, lent);
        let holding = self.project().holding;
        match polled {
            Poll::Pending => holding.keep(cx, lent),
            Poll::Ready(_) => holding.clear(),
        }
        polled
    }

    fn poll_abort(
        mut self: Pin<&mut Self>,
        _: Pin<&mut ()>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
        aborted: &Aborted,
    ) -> Poll<()> {
        if let Told::ToWait = self.as_mut().project().holding.told(lent) {
            return Poll::Pending;
        }
        if let Some(run) = self.as_mut().project().run {
            run.shared.core.abort.pass_on(aborted.clone().at(Position::Above));
            // A value that comes now comes too late.
            drop(ready!(self.as_mut().drive(cx, lent)));
        }
        self.project().holding.poll_end(lent)
    }
}

/// What is dropped half-way ends at once: what runs elsewhere is told, the clean-up that is sync is run, and what is
/// async is skipped.
#[pinned_drop]
impl<Fut: Future, F: Family> PinnedDrop for Nursed<Fut, F> {
    fn drop(self: Pin<&mut Self>) {
        let this = self.project();
        let Some(mut run) = this.run.take() else { return };
        let core = run.shared.core.clone();
        let mut panics = Panics::default();
        panics.run(|| {
            core.abort.abort(AbortReason::ScopeEnded);
        });
        let aborted = core.refusal();
        // What has failed before is nobody's result any more.
        match run.outcome.first.take() {
            Some(First::Error(error)) => panics.run(|| drop(error)),
            Some(First::Panic(panic)) => forget(panic),
            Some(First::Body) | None => {}
        }
        let mut of_body = Panics::default();
        Body { future: this.body, leaf: this.leaf, output: this.output }.drop(&mut of_body);
        run.outcome.note_panics(&core, of_body);
        run.outcome.drop_each(&core, run.children.take_all(), Count::Dropped, &aborted);
        let never_started = run.children.take_arrivals().chain(run.shared.close());
        run.outcome.drop_each(&core, never_started, Count::NeverStarted, &aborted);
        if let Some(First::Panic(panic)) = run.outcome.first.take() {
            panics.keep(panic);
        }
        let mut next = match mem::replace(&mut run.stage, Stage::Running) {
            Stage::CleaningUp(begun) => begun,
            _ => None,
        };
        while let Some(step) = next.take().or_else(|| run.shared.next_step()) {
            match step.step.is_sync() {
                true => core.clean_up_now(step, &mut panics),
                false => core.skip(step),
            }
        }
        panics.run(|| run.finish(Lent::ROOT));
        panics.run(|| core.queue.close());
        panics.resume();
    }
}

impl<Fut: Future, F: Family> fmt::Debug for Nursed<Fut, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match &self.run {
            None => "ended",
            Some(run) => match run.stage {
                Stage::New => "new",
                Stage::Running => "running",
                Stage::Ending(_) => "ending",
                Stage::CleaningUp(_) => "cleaning up",
            },
        };
        let mut f = f.debug_struct("Nursed");
        f.field("stage", &stage);
        if let Some(run) = &self.run {
            f.field("children", &run.children.len()).field("scope", &run.shared.core);
        }
        f.finish_non_exhaustive()
    }
}
