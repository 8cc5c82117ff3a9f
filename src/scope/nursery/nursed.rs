//! A nursery as an operation: what it is polled by, what comes of it, and how it is dropped.

use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project::{pin_project, pinned_drop};

use super::{
    body::{Body, BodyStage},
    judges::{Judges, sealed},
    outcome::First,
    run::Run,
    shared::{Family, Shared},
};
use crate::{
    abort::{AbortHandle, AbortReason, Aborted, Position},
    operation::{LeafState, Operation},
    owner::{Holding, Lent, core::Core},
    sync::Arc,
    wake::{resume, survived},
};

/// Operation made by [`scope`](crate::scope()) and its like: the body of a nursery, and its children.
#[pin_project(PinnedDrop)]
pub struct Nursed<Fut: Future, F: Family> {
    #[pin]
    body: Option<Fut>,
    leaf: LeafState,
    output: Option<Fut::Output>,
    stage: BodyStage,
    shared: Arc<Shared<F>>,
    /// Until its end.
    run: Option<Run<F>>,
    holding: Holding,
}

impl<Fut: Future, F: Family> Nursed<Fut, F> {
    /// What `begin` makes of its nursery is called for here, so that only that is kept: with a type parameter for
    /// `begin`, the compiler would find whoever awaits this to be no longer `Send`.
    pub(super) fn new(begin: impl FnOnce(F::Nursery) -> Fut) -> Self {
        let shared = Shared::new(Core::of_nursery(AbortHandle::new()));
        let nursery = F::nursery(shared.clone());
        let mut new = Self {
            body: None,
            leaf: LeafState::default(),
            output: None,
            stage: BodyStage::default(),
            shared,
            run: Some(Run::default()),
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
        let (future, leaf, output) = (this.body, this.leaf, this.output);
        let mut body = Body { future, leaf, output, stage: this.stage };
        ready!(run.poll(this.shared, &mut body, cx, lent));
        let first = run.outcome.first.take();
        *this.run = None;
        let core = &this.shared.core;
        core.queue.close();
        Shared::tell_of_end(this.shared);
        let by_child = match first {
            Some(First::Panic(panic)) => resume(panic),
            Some(First::Error(error)) => sealed::Judges::result(error),
            Some(First::Body) | None => None,
        };
        Poll::Ready(match by_child.or_else(|| body.output.take()) {
            Some(output) => Ok(output),
            None => Err(core.end()),
        })
    }
}

impl<F: Family> Shared<F> {
    /// A nursery has ended, and nothing below its handle outlives it. Where nobody could notice, nothing is done.
    fn tell_of_end(this: &Arc<Self>) {
        let core = &this.core;
        let is_shared = Arc::strong_count(this) > 1 || Arc::strong_count(core) > 1;
        if is_shared || core.abort.is_watched() {
            // Of what those do who are told there is nobody to be told.
            survived(|| core.abort.abort(AbortReason::ScopeEnded));
        }
    }
}

impl Core {
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
        if let Some(aborted) = ready!(self.as_mut().project().holding.poll_told(lent)) {
            // Pending for good, once that is done.
            _ = self.poll_abort(state, cx, lent, &aborted);
            return Poll::Pending;
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
        let waker = ready!(self.as_mut().project().holding.poll_waker(cx.waker(), lent));
        let cx = &mut Context::from_waker(&waker);
        let this = self.as_mut().project();
        if this.run.is_some() {
            this.shared.core.abort.pass_on(aborted.clone().at(Position::Above));
            // A value that comes now comes too late.
            drop(ready!(self.as_mut().drive(cx, lent)));
        }
        self.project().holding.poll_end(lent)
    }
}

/// What is dropped half-way ends at once.
#[pinned_drop]
impl<Fut: Future, F: Family> PinnedDrop for Nursed<Fut, F> {
    fn drop(self: Pin<&mut Self>) {
        let this = self.project();
        if let Some(run) = this.run.take() {
            let (future, leaf, output) = (this.body, this.leaf, this.output);
            let mut body = Body { future, leaf, output, stage: this.stage };
            run.end_at_once(this.shared, &mut body);
        }
    }
}

impl<Fut: Future, F: Family> fmt::Debug for Nursed<Fut, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("Nursed");
        f.field("stage", &self.run.as_ref().map_or("ended", Run::stage));
        if let Some(run) = &self.run {
            f.field("children", &run.children.len()).field("scope", &self.shared.core);
        }
        f.finish_non_exhaustive()
    }
}
