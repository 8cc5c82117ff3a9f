//! A bracket that runs, stage by stage.

use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project::pin_project;

use super::{Exit, held::Place};
use crate::{
    abort::{Aborted, Position},
    operation::{LeafState, Operation},
    owner::{Holding, Lent, Link, Reprieve},
    sync::Arc,
    time::Sleep,
    wake::{Panic, Panics, caught, discard, message, resume},
};

/// Operation made by [`bracket`](super::bracket()).
#[pin_project]
pub struct Bracket<A, R, Using: Future, Releasing> {
    #[pin]
    acquire: Option<A>,
    #[pin]
    using: Option<Using>,
    #[pin]
    releasing: Option<Releasing>,
    leaf: LeafState,
    place: Arc<Place<R>>,
    run: Run<Using::Output>,
    bounds: Bounds,
}

#[derive(Clone, Copy, Debug)]
struct Bounds {
    acquire: Duration,
    release: Duration,
}

impl<A, R, Using: Future, Releasing> Bracket<A, R, Using, Releasing> {
    pub(super) fn new(
        acquire: A,
        using: Using,
        releasing: Releasing,
        place: Arc<Place<R>>,
        bound: Duration,
    ) -> Self {
        Self {
            acquire: Some(acquire),
            using: Some(using),
            releasing: Some(releasing),
            leaf: LeafState::default(),
            place,
            run: Run::default(),
            bounds: Bounds { acquire: bound, release: bound },
        }
    }

    pub(super) const fn acquire_within(mut self, bound: Duration) -> Self {
        self.bounds.acquire = bound;
        self
    }

    pub(super) const fn release_within(mut self, bound: Duration) -> Self {
        self.bounds.release = bound;
        self
    }
}

/// What a bracket keeps besides.
struct Run<T> {
    stage: Stage,
    /// Why it is to end, if it is.
    aborted: Option<Aborted>,
    /// What the use came to, or what panicked first.
    outcome: Option<Result<T, Panic>>,
    reprieve: Reprieve,
    sleep: Option<Sleep>,
    holding: Holding,
}

#[derive(Debug)]
enum Stage {
    New,
    Acquiring,
    Using,
    /// The use has ended, but something of it has yet to give back what it holds.
    Returning(Exit),
    Releasing,
    Done,
}

impl<T> Default for Run<T> {
    fn default() -> Self {
        Self {
            stage: Stage::New,
            aborted: None,
            outcome: None,
            reprieve: Reprieve::default(),
            sleep: None,
            holding: Holding::default(),
        }
    }
}

impl<T> Run<T> {
    /// Begins the time that the stage has, unless it has begun. `None` where nobody could tell when it is over.
    fn begin_bound(&mut self, most: Duration, lent: &Lent<'_>) -> Option<&mut Sleep> {
        let timer = lent.timer()?;
        self.reprieve.bound(most);
        if self.sleep.is_none() {
            self.sleep = self.reprieve.until(|| timer.now()).map(|until| timer.sleep_until(until));
        }
        self.sleep.as_mut()
    }

    /// Ready when the time is over that the stage has, which begins now if it has not yet.
    fn poll_bound(&mut self, most: Duration, cx: &mut Context<'_>, lent: &Lent<'_>) -> Poll<()> {
        self.begin_bound(most, lent).map_or(Poll::Ready(()), |sleep| Pin::new(sleep).poll(cx))
    }

    fn enter(&mut self, stage: Stage) {
        (self.stage, self.sleep, self.reprieve) = (stage, None, Reprieve::default());
    }

    /// Keeps a panic, unless something has panicked before; and how that ends the use.
    fn keep(&mut self, panic: Panic) -> Exit {
        let exit = Exit::Panicked(message(&panic));
        match self.outcome {
            Some(Err(_)) => discard(panic),
            _ => self.outcome = Some(Err(panic)),
        }
        exit
    }
}

/// Polls a part of it: ready with what that came to, and with a panic, when it has ended and been dropped.
fn poll_part<F: Future>(
    mut part: Pin<&mut Option<F>>,
    leaf: &mut LeafState,
    cx: &mut Context<'_>,
    lent: &Lent<'_>,
) -> Poll<(Option<F::Output>, Option<Panic>)> {
    let Some(future) = part.as_mut().as_pin_mut() else { return Poll::Ready((None, None)) };
    let (output, panic) = match caught(|| leaf.poll(future, cx, lent)) {
        Ok(Poll::Pending) => return Poll::Pending,
        Ok(Poll::Ready(output)) => (Some(output), None),
        Err(panic) => (None, Some(panic)),
    };
    let mut panics = Panics::default();
    [panic, drop_part(part, leaf)].into_iter().flatten().for_each(|panic| panics.keep(panic));
    Poll::Ready((output, panics.into_first()))
}

/// Drops a part of it, and gives out the panic, if there is one.
fn drop_part<F>(mut part: Pin<&mut Option<F>>, leaf: &mut LeafState) -> Option<Panic> {
    let mut panics = Panics::default();
    panics.run(|| part.set(None));
    panics.run(|| leaf.clear());
    panics.into_first()
}

impl<A, R, E, Using, T, Releasing> Bracket<A, R, Using, Releasing>
where
    A: Future<Output = Result<R, E>>,
    Using: Future<Output = Result<T, E>>,
    Releasing: Future<Output = ()>,
{
    /// Drives it on: ready when it is released, with what the use came to.
    fn drive(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
    ) -> Poll<Result<Result<T, E>, Aborted>> {
        loop {
            match self.run.stage {
                Stage::New => self.as_mut().project().run.enter(Stage::Acquiring),
                Stage::Acquiring => ready!(self.as_mut().poll_acquire(cx, lent)),
                Stage::Using => ready!(self.as_mut().poll_use(cx, lent)),
                Stage::Returning(_) => ready!(self.as_mut().poll_back(cx, lent)),
                Stage::Releasing => ready!(self.as_mut().poll_release(cx, lent)),
                Stage::Done => break,
            }
        }
        let run = self.project().run;
        Poll::Ready(match run.outcome.take() {
            Some(Ok(output)) => Ok(output),
            Some(Err(panic)) => resume(panic),
            None => Err(run.aborted.take().expect("a bracket was polled after completion")),
        })
    }

    fn poll_acquire(self: Pin<&mut Self>, cx: &mut Context<'_>, lent: &Lent<'_>) -> Poll<()> {
        let mut this = self.project();
        let run = this.run;
        if run.aborted.is_some() {
            run.begin_bound(this.bounds.acquire, lent);
        }
        let below = lent.with(Link::Shield(&run.reprieve));
        let (acquired, panic) = match poll_part(this.acquire.as_mut(), this.leaf, cx, &below) {
            Poll::Ready(ended) => ended,
            Poll::Pending if run.aborted.is_none() => return Poll::Pending,
            Poll::Pending => {
                ready!(run.poll_bound(this.bounds.acquire, cx, lent));
                lent.note_overrun(None);
                (None, drop_part(this.acquire, this.leaf))
            }
        };
        let panicked = panic.map(|panic| run.keep(panic));
        let resource = match acquired {
            Some(Ok(resource)) => resource,
            Some(Err(error)) => {
                if panicked.is_none() {
                    run.outcome = Some(Ok(Err(error)));
                }
                run.enter(Stage::Done);
                return Poll::Ready(());
            }
            None => {
                run.enter(Stage::Done);
                return Poll::Ready(());
            }
        };
        this.place.put(resource);
        // Where it is not used, it is given back as it is.
        let unused = panicked.or_else(|| run.aborted.clone().map(Exit::Aborted));
        run.enter(unused.map_or(Stage::Using, Stage::Returning));
        Poll::Ready(())
    }

    fn poll_use(self: Pin<&mut Self>, cx: &mut Context<'_>, lent: &Lent<'_>) -> Poll<()> {
        let mut this = self.project();
        let run = this.run;
        let below = lent.with(Link::Bracket);
        let exit = if let Some(aborted) = run.aborted.clone() {
            match caught(|| this.leaf.poll_abort(this.using.as_mut(), cx, &below, &aborted)) {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(())) => Exit::Aborted(aborted),
                Err(panic) => {
                    let exit = run.keep(panic);
                    drop_part(this.using, this.leaf).into_iter().for_each(discard);
                    exit
                }
            }
        } else {
            match ready!(poll_part(this.using.as_mut(), this.leaf, cx, &below)) {
                (_, Some(panic)) => run.keep(panic),
                (Some(output), None) => {
                    let exit = if output.is_ok() { Exit::Done } else { Exit::Failed };
                    run.outcome = Some(Ok(output));
                    exit
                }
                (None, None) => Exit::Failed,
            }
        };
        run.enter(Stage::Returning(exit));
        Poll::Ready(())
    }

    fn poll_back(self: Pin<&mut Self>, cx: &mut Context<'_>, lent: &Lent<'_>) -> Poll<()> {
        let this = self.project();
        let run = this.run;
        let Stage::Returning(exit) = &run.stage else { return Poll::Ready(()) };
        if this.place.poll_back(exit, cx).is_ready() {
            run.enter(Stage::Releasing);
            return Poll::Ready(());
        }
        ready!(run.poll_bound(this.bounds.release, cx, lent));
        lent.note_overrun(None);
        run.enter(Stage::Done);
        Poll::Ready(())
    }

    fn poll_release(self: Pin<&mut Self>, cx: &mut Context<'_>, lent: &Lent<'_>) -> Poll<()> {
        let mut this = self.project();
        let run = this.run;
        if lent.has_deadline() {
            // That one isn't meant for it, from its first poll on.
            run.reprieve.bound(this.bounds.release);
        }
        let below = lent.with(Link::Shield(&run.reprieve));
        let panic = match poll_part(this.releasing.as_mut(), this.leaf, cx, &below) {
            Poll::Ready((_, panic)) => panic,
            Poll::Pending => {
                ready!(run.poll_bound(this.bounds.release, cx, lent));
                lent.note_overrun(None);
                drop_part(this.releasing, this.leaf)
            }
        };
        if let Some(panic) = panic {
            run.keep(panic);
        }
        run.enter(Stage::Done);
        Poll::Ready(())
    }
}

impl<A, R, E, Using, T, Releasing> Operation for Bracket<A, R, Using, Releasing>
where
    A: Future<Output = Result<R, E>>,
    Using: Future<Output = Result<T, E>>,
    Releasing: Future<Output = ()>,
{
    type Output = Result<T, E>;
    type State = ();

    fn poll(
        mut self: Pin<&mut Self>,
        state: Pin<&mut ()>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
    ) -> Poll<Result<Result<T, E>, Aborted>> {
        if let Some(aborted) = ready!(self.as_mut().project().run.holding.poll_told(lent)) {
            // Pending for good, once that is done.
            _ = self.poll_abort(state, cx, lent, &aborted);
            return Poll::Pending;
        }
        let polled = self.as_mut().drive(cx, lent);
        let holding = &mut self.project().run.holding;
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
        let run = self.as_mut().project().run;
        let waker = ready!(run.holding.poll_waker(cx.waker(), lent));
        let cx = &mut Context::from_waker(&waker);
        if run.aborted.is_none() {
            run.aborted = Some(aborted.clone().at(Position::Above));
        }
        if let Stage::New = run.stage {
            run.enter(Stage::Done);
        }
        // A value that comes now comes too late.
        drop(ready!(self.as_mut().drive(cx, lent)));
        self.project().run.holding.poll_end(lent)
    }
}

impl<A, R, Using: Future, Releasing> fmt::Debug for Bracket<A, R, Using, Releasing> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bracket").field("stage", &self.run.stage).finish_non_exhaustive()
    }
}
