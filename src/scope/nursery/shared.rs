//! What a nursery shares with those that have its handle.

use alloc::{boxed::Box, vec::Vec};
use core::{fmt, mem, pin::Pin};

use super::{
    super::Report,
    LocalNursery, Nursery,
    child::{Child, Ended},
};
use crate::{
    fifo::Fifo,
    owner::core::{Core, Count, Deferred, Step},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

/// Whether the children of a nursery go to other threads along with it, and what its error is. Sealed.
pub trait Family: sealed::Family {}

impl<F: sealed::Family> Family for F {}

pub(super) mod sealed {
    use super::{Arc, Child, Report, Shared, Step};

    pub trait Family: Sized {
        type Error;
        type Nursery;
        type Child: ?Sized + Child<Self::Error>;
        type Step: ?Sized + Step;
        type OnClose: ?Sized + FnOnce(&Report);

        fn nursery(shared: Arc<Shared<Self>>) -> Self::Nursery;
    }
}

/// Children that may be sent to other threads.
#[derive(Debug)]
pub struct Sent<'env, E>(core::marker::PhantomData<fn(&'env E) -> &'env E>);

/// Children that stay on their thread.
#[derive(Debug)]
pub struct Kept<'env, E>(core::marker::PhantomData<fn(&'env E) -> &'env E>);

impl<'env, E: 'env> sealed::Family for Sent<'env, E> {
    type Error = E;
    type Nursery = Nursery<'env, E>;
    type Child = dyn Child<E> + Send + 'env;
    type Step = dyn Step + Send + 'env;
    type OnClose = dyn FnOnce(&Report) + Send + 'env;

    fn nursery(shared: Arc<Shared<Self>>) -> Nursery<'env, E> {
        Nursery { shared }
    }
}

impl<'env, E: 'env> sealed::Family for Kept<'env, E> {
    type Error = E;
    type Nursery = LocalNursery<'env, E>;
    type Child = dyn Child<E> + 'env;
    type Step = dyn Step + 'env;
    type OnClose = dyn FnOnce(&Report) + 'env;

    fn nursery(shared: Arc<Shared<Self>>) -> LocalNursery<'env, E> {
        LocalNursery { shared }
    }
}

pub(super) type ChildOf<F> = Pin<Box<<F as sealed::Family>::Child>>;
pub(super) type StepOf<F> = Deferred<<F as sealed::Family>::Step>;
pub(super) type OnCloseOf<F> = Box<<F as sealed::Family>::OnClose>;

pub struct Shared<F: Family> {
    pub(super) core: Arc<Core>,
    /// Whether somebody has come who was not taken out. Changed under the lock. Relaxed where it is read without: who
    /// is missed there is noted in the queue, which is looked at before the nursery rests.
    has_arrivals: AtomicBool,
    state: Mutex<State<F>>,
}

struct State<F: Family> {
    /// Those who have come and were not polled yet.
    arrivals: Fifo<ChildOf<F>>,
    /// Nobody is let in any more.
    closed: bool,
    /// What is to be done when all have ended, where there is something.
    later: Option<Box<Later<F>>>,
    /// It has been done.
    done: bool,
}

struct Later<F: Family> {
    steps: Vec<StepOf<F>>,
    on_close: Vec<OnCloseOf<F>>,
}

impl<F: Family> State<F> {
    /// What is put off, if it isn't too late for more.
    fn later(&mut self) -> Option<&mut Later<F>> {
        let new = || Box::new(Later { steps: Vec::new(), on_close: Vec::new() });
        if self.done { None } else { Some(self.later.get_or_insert_with(new)) }
    }
}

/// What a nursery in which nobody runs any more has to do.
pub(super) enum Idle {
    /// Somebody has come, or is there elsewhere.
    Busy,
    CleanUp,
    Nothing,
}

impl<F: Family> Shared<F> {
    pub(super) fn new(core: Arc<Core>) -> Arc<Self> {
        let state = State { arrivals: Fifo::default(), closed: false, later: None, done: false };
        Arc::new(Self { core, has_arrivals: AtomicBool::new(false), state: Mutex::new(state) })
    }

    /// Lets a child in, or tells its handle why not.
    pub(super) fn admit(&self, child: ChildOf<F>) {
        let mut child = Some(child);
        let is_first = self.state.with(|state| {
            if !state.closed {
                child.take().into_iter().for_each(|child| state.arrivals.push(child));
                return !self.replace_has_arrivals(true);
            }
            false
        });
        match child {
            Some(child) => self.refuse(child),
            None if is_first => self.core.queue.notify(),
            None => {}
        }
    }

    #[cold]
    fn refuse(&self, mut child: ChildOf<F>) {
        self.core.tally.add(Count::NeverStarted);
        child.as_mut().tell(&self.core.refusal());
        drop(child);
    }

    pub(super) fn has_arrivals(&self) -> bool {
        self.has_arrivals.load(Ordering::Relaxed)
    }

    /// Under the lock.
    fn replace_has_arrivals(&self, has_arrivals: bool) -> bool {
        let before = self.has_arrivals();
        self.has_arrivals.store(has_arrivals, Ordering::Relaxed);
        before
    }

    /// Takes out who has come, into a list that is empty.
    pub(super) fn take_arrivals(&self, into: &mut Fifo<ChildOf<F>>) {
        self.state.with(|state| {
            self.replace_has_arrivals(false);
            mem::swap(&mut state.arrivals, into);
        });
    }

    /// Lets nobody in any more, if nobody has come; with the members that run elsewhere in one step. Where nothing is
    /// to be done then, it is too late for more.
    pub(super) fn close_if_idle(&self) -> Idle {
        self.state.with(|state| {
            state.closed = state.arrivals.is_empty() && self.core.close_if_empty();
            if !state.closed {
                return Idle::Busy;
            }
            state.done = state.later.is_none();
            if state.done { Idle::Nothing } else { Idle::CleanUp }
        })
    }

    /// Lets nobody in any more. Gives out those who have come, and never were polled.
    pub(super) fn close(&self) -> Fifo<ChildOf<F>> {
        self.core.begin_close();
        self.state.with(|state| {
            state.closed = true;
            mem::take(&mut state.arrivals)
        })
    }

    /// Puts a piece of clean-up off, if it isn't too late for that.
    pub(super) fn defer(&self, step: StepOf<F>) {
        let mut step = Some(step);
        self.state.with(|state| {
            if let Some(later) = state.later() {
                later.steps.extend(step.take());
            }
        });
        if let Some(step) = step {
            self.core.skip(step);
        }
    }

    pub(super) fn on_close(&self, f: OnCloseOf<F>) {
        let mut f = Some(f);
        self.state.with(|state| {
            if let Some(later) = state.later() {
                later.on_close.extend(f.take());
            }
        });
        drop(f);
    }

    /// What is to be done next. Once there is nothing, it is too late for more.
    pub(super) fn next_step(&self) -> Option<StepOf<F>> {
        self.state.with(|state| {
            let step = state.later.as_mut().and_then(|later| later.steps.pop());
            state.done = step.is_none();
            step
        })
    }

    /// Whether somebody is to be told of the end.
    pub(super) fn tells(&self) -> bool {
        self.state
            .with(|state| state.later.as_ref().is_some_and(|later| !later.on_close.is_empty()))
    }

    /// The clean-up is done. Gives out whom to tell.
    pub(super) fn finish(&self) -> Vec<OnCloseOf<F>> {
        let later = self.state.with(|state| state.later.take());
        later.map(|later| later.on_close).unwrap_or_default()
    }
}

pub(super) type EndedOf<F> = Ended<<F as sealed::Family>::Error>;

impl<F: Family> fmt::Debug for Shared<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.core.fmt(f)
    }
}
