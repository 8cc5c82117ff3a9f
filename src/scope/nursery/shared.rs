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
    sync::{Arc, Mutex},
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
    arrivals: Mutex<Arrivals<F>>,
    later: Mutex<Later<F>>,
}

/// Those who have come and were not polled yet.
struct Arrivals<F: Family> {
    children: Fifo<ChildOf<F>>,
    /// Nobody is let in any more.
    closed: bool,
}

/// What is to be done when all have ended.
struct Later<F: Family> {
    steps: Vec<StepOf<F>>,
    on_close: Vec<OnCloseOf<F>>,
    /// It has been done.
    done: bool,
}

impl<F: Family> Shared<F> {
    pub(super) fn new(core: Arc<Core>) -> Arc<Self> {
        Arc::new(Self {
            core,
            arrivals: Mutex::new(Arrivals { children: Fifo::default(), closed: false }),
            later: Mutex::new(Later { steps: Vec::new(), on_close: Vec::new(), done: false }),
        })
    }

    /// Lets a child in, or tells its handle why not.
    pub(super) fn admit(&self, child: ChildOf<F>) {
        let mut child = Some(child);
        let is_first = self.arrivals.with(|arrivals| {
            let is_first = arrivals.children.is_empty();
            if !arrivals.closed {
                child.take().into_iter().for_each(|child| arrivals.children.push(child));
            }
            is_first
        });
        match child {
            Some(mut child) => {
                self.core.tally.add(Count::NeverStarted);
                child.as_mut().tell(&self.core.refusal());
                drop(child);
            }
            None if is_first => self.core.queue.notify(),
            None => {}
        }
    }

    /// Takes out who has come, into a list that is empty.
    pub(super) fn take_arrivals(&self, into: &mut Fifo<ChildOf<F>>) {
        self.arrivals.with(|arrivals| mem::swap(&mut arrivals.children, into));
    }

    /// Lets nobody in any more, if nobody has come; with the members that run elsewhere in one step.
    pub(super) fn close_if_idle(&self) -> bool {
        self.arrivals.with(|arrivals| {
            arrivals.closed = arrivals.children.is_empty() && self.core.close_if_empty();
            arrivals.closed
        })
    }

    /// Lets nobody in any more. Gives out those who have come, and never were polled.
    pub(super) fn close(&self) -> Fifo<ChildOf<F>> {
        self.core.begin_close();
        self.arrivals.with(|arrivals| {
            arrivals.closed = true;
            mem::take(&mut arrivals.children)
        })
    }

    /// Puts a piece of clean-up off, if it isn't too late for that.
    pub(super) fn defer(&self, step: StepOf<F>) {
        let mut step = Some(step);
        self.later.with(|later| {
            if !later.done {
                later.steps.extend(step.take());
            }
        });
        if let Some(step) = step {
            self.core.skip(step);
        }
    }

    pub(super) fn on_close(&self, f: OnCloseOf<F>) {
        let mut f = Some(f);
        self.later.with(|later| {
            if !later.done {
                later.on_close.extend(f.take());
            }
        });
        drop(f);
    }

    /// What is to be done next. Once there is nothing, it is too late for more.
    pub(super) fn next_step(&self) -> Option<StepOf<F>> {
        self.later.with(|later| {
            let step = later.steps.pop();
            later.done = step.is_none();
            step
        })
    }

    /// Whether somebody is to be told of the end.
    pub(super) fn tells(&self) -> bool {
        self.later.with(|later| !later.on_close.is_empty())
    }

    /// The clean-up is done. Gives out whom to tell.
    pub(super) fn finish(&self) -> Vec<OnCloseOf<F>> {
        self.later.with(|later| mem::take(&mut later.on_close))
    }
}

pub(super) type EndedOf<F> = Ended<<F as sealed::Family>::Error>;

impl<F: Family> fmt::Debug for Shared<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.core.fmt(f)
    }
}
