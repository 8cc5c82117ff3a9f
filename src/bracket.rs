//! `bracket()`: something is acquired, used, and released again, whatever happens in between.
//!
//! What only has to be dropped needs no bracket: `Drop` sees to it. One whose end has to be awaited, a transaction that
//! is to be rolled back or a lease that is to be given up, is released by [`bracket`]:
//!
//! ```
//! use std::{io, time::Duration};
//! use tenure::{OwnedFuture, bracket::{Exit, bracket}, time::TestClock};
//!
//! struct Transaction<'a>(&'a TestClock);
//!
//! # let clock = &TestClock::new();
//! let (begin, mut ended) = (async { Ok::<_, io::Error>(Transaction(clock)) }, None);
//! let booked = bracket(
//!     begin,
//!     async |transaction| {
//!         transaction.0.sleep(Duration::from_secs(60)).await; // the database is slow today
//!         Ok(())
//!     },
//!     async |transaction, exit| {
//!         transaction.0.sleep(Duration::from_secs(1)).await; // commits, or rolls back
//!         ended = Some(matches!(exit, Exit::Done));
//!     },
//! );
//! let booked = booked.with_timeout(Duration::from_secs(5)).with_timer(clock);
//! assert!(smol::block_on(clock.watch(booked)).unwrap_err().is_timeout());
//! assert_eq!((clock.elapsed(), ended), (Duration::from_secs(6), Some(false)));
//! ```
//!
//! # What it promises
//!
//! | | |
//! |---|---|
//! | acquire | isn't told of an abort, so that nothing is acquired and then not known of |
//! | use | is ended by an abort, as anything else |
//! | release | runs exactly once where something was acquired: on success, failure, abort and panic. It isn't told of an abort either |
//!
//! Acquire and release are bounded instead: by 10 seconds each, unless they are given
//! [other](crate::Owned::acquire_within) [bounds](crate::Owned::release_within). Whoever aborts the whole waits for them.
//! One that is dropped, not aborted, can't release: then what it holds is dropped.

use core::{
    fmt,
    future::Future,
    ops::{Deref, DerefMut},
    pin::Pin,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use alloc::string::String;
use pin_project::pin_project;

use crate::{
    abort::{Aborted, Position},
    future::Owned,
    operation::{LeafState, Operation},
    owner::{Holding, Lent, Link, Reprieve, Told},
    sync::{Arc, Mutex},
    time::Sleep,
    wake::{Panic, Panics, caught, forget, message, resume},
};

/// How long acquiring and releasing may take, unless they are given bounds of their own.
const BOUND: Duration = Duration::from_secs(10);

/// Acquires something, uses it, and releases it, whatever becomes of the use. See the [module](crate::bracket).
///
/// The use is handed what was acquired in a [`Held`], and the release gets it back, along with how the use has ended.
///
/// ```
/// use tenure::bracket::bracket;
///
/// # smol::block_on(async {
/// let mut released = false;
/// let length = bracket(
///     async { Ok::<_, std::fmt::Error>(String::from("lease")) },
///     async |lease| Ok(lease.len()),
///     async |_lease, _exit| released = true,
/// );
/// assert_eq!(length.await.unwrap().unwrap(), 5);
/// assert!(released);
/// # });
/// ```
///
/// # Errors
///
/// That of acquiring or of using it, or [`Aborted`].
///
/// # Panics
///
/// As what it runs; if the use panics, that goes on when it is released. If both do, the first one.
///
/// # Cancel safety
///
/// Dropping it drops what it holds, and releases nothing. An abort, a timeout or a scope around it doesn't drop it.
pub fn bracket<A, R, E, U, Using, T, L, Releasing>(
    acquire: A,
    use_it: U,
    release: L,
) -> Owned<Bracket<A, R, U, Using, L, Releasing>>
where
    A: Future<Output = Result<R, E>>,
    U: FnOnce(Held<R>) -> Using,
    Using: Future<Output = Result<T, E>>,
    L: FnOnce(R, Exit) -> Releasing,
    Releasing: Future<Output = ()>,
{
    Owned::new(Bracket {
        acquire: Some(acquire),
        use_it: Some(use_it),
        using: None,
        release: Some(release),
        releasing: None,
        leaf: LeafState::default(),
        run: Run::default(),
        bounds: Bounds { acquire: BOUND, release: BOUND },
    })
}

/// How the use of what a [`bracket`] has acquired has ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Exit {
    /// It returned `Ok`.
    Done,
    /// It returned an error.
    Failed,
    /// It was aborted, or never begun.
    Aborted(Aborted),
    /// It panicked, and said this.
    Panicked(String),
}

/// What a [`bracket`] has acquired, for as long as it is used.
///
/// It is given back when this is dropped: the release waits for that, so to give it away is to put the release off.
///
/// ```
/// use tenure::bracket::bracket;
///
/// # smol::block_on(async {
/// let sum = bracket(
///     async { Ok::<_, ()>(vec![1]) },
///     async |mut numbers| {
///         numbers.push(2);
///         Ok(numbers.iter().sum::<i32>())
///     },
///     async |numbers, _| assert_eq!(numbers, [1, 2]),
/// );
/// assert_eq!(sum.await.unwrap(), Ok(3));
/// # });
/// ```
pub struct Held<R> {
    /// Always there, until it is dropped.
    value: Option<R>,
    place: Arc<Place<R>>,
}

/// Where it is given back.
struct Place<R>(Mutex<Back<R>>);

struct Back<R> {
    value: Option<R>,
    task: Option<Waker>,
}

impl<R> Place<R> {
    fn hold(value: R) -> (Arc<Self>, Held<R>) {
        let place = Arc::new(Self(Mutex::new(Back { value: None, task: None })));
        (place.clone(), Held { value: Some(value), place })
    }

    /// Ready when it has been given back.
    fn poll_back(&self, cx: &Context<'_>) -> Poll<R> {
        let mut task = Some(cx.waker().clone());
        let value = self.0.with(|back| {
            core::mem::swap(&mut back.task, &mut task);
            back.value.take()
        });
        drop(task);
        value.map_or(Poll::Pending, Poll::Ready)
    }
}

impl<R> Deref for Held<R> {
    type Target = R;

    fn deref(&self) -> &R {
        self.value.as_ref().expect("it is there until it is dropped")
    }
}

impl<R> DerefMut for Held<R> {
    fn deref_mut(&mut self) -> &mut R {
        self.value.as_mut().expect("it is there until it is dropped")
    }
}

impl<R> Drop for Held<R> {
    fn drop(&mut self) {
        let mut value = self.value.take();
        let task = self.place.0.with(|back| {
            core::mem::swap(&mut back.value, &mut value);
            back.task.take()
        });
        let mut panics = Panics::default();
        panics.wake_all(task);
        panics.resume();
    }
}

impl<R> fmt::Debug for Held<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").finish_non_exhaustive()
    }
}

/// Operation made by [`bracket`].
#[pin_project]
pub struct Bracket<A: Future, R, U, Using: Future, L, Releasing> {
    #[pin]
    acquire: Option<A>,
    use_it: Option<U>,
    #[pin]
    using: Option<Using>,
    release: Option<L>,
    #[pin]
    releasing: Option<Releasing>,
    leaf: LeafState,
    run: Run<R, Using::Output>,
    bounds: Bounds,
}

#[derive(Clone, Copy, Debug)]
struct Bounds {
    acquire: Duration,
    release: Duration,
}

/// What a bracket keeps besides.
struct Run<R, T> {
    stage: Stage,
    place: Option<Arc<Place<R>>>,
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

impl<R, T> Default for Run<R, T> {
    fn default() -> Self {
        Self {
            stage: Stage::New,
            place: None,
            aborted: None,
            outcome: None,
            reprieve: Reprieve::default(),
            sleep: None,
            holding: Holding::default(),
        }
    }
}

impl<R, T> Run<R, T> {
    /// Ready when the time is over that the stage has, which begins now if it has not yet.
    fn poll_bound(&mut self, most: Duration, cx: &mut Context<'_>, lent: &Lent<'_>) -> Poll<()> {
        // Without a timer nobody could tell when it is.
        let Some(timer) = lent.timer() else { return Poll::Ready(()) };
        let sleep = self.sleep.get_or_insert_with(|| timer.sleep(most));
        self.reprieve.bound(sleep.deadline());
        Pin::new(sleep).poll(cx)
    }

    fn enter(&mut self, stage: Stage) {
        (self.stage, self.sleep, self.reprieve) = (stage, None, Reprieve::default());
    }

    /// Keeps a panic, unless something has panicked before; and how that ends the use.
    fn keep(&mut self, panic: Panic) -> Exit {
        let exit = Exit::Panicked(message(&panic));
        match self.outcome {
            Some(Err(_)) => forget(panic),
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

impl<A, R, E, U, Using, T, L, Releasing> Bracket<A, R, U, Using, L, Releasing>
where
    A: Future<Output = Result<R, E>>,
    U: FnOnce(Held<R>) -> Using,
    Using: Future<Output = Result<T, E>>,
    L: FnOnce(R, Exit) -> Releasing,
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
        run.place = None;
        Poll::Ready(match run.outcome.take() {
            Some(Ok(output)) => Ok(output),
            Some(Err(panic)) => resume(panic),
            None => Err(run.aborted.take().expect("a bracket was polled after completion")),
        })
    }

    fn poll_acquire(self: Pin<&mut Self>, cx: &mut Context<'_>, lent: &Lent<'_>) -> Poll<()> {
        let mut this = self.project();
        let run = this.run;
        let below = lent.with(Link::Shield(&run.reprieve));
        let (acquired, panic) = match poll_part(this.acquire.as_mut(), this.leaf, cx, &below) {
            Poll::Ready(ended) => ended,
            Poll::Pending if run.aborted.is_none() => return Poll::Pending,
            Poll::Pending => {
                ready!(run.poll_bound(this.bounds.acquire, cx, lent));
                note_overrun(lent);
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
        let (place, held) = Place::hold(resource);
        run.place = Some(place);
        let unused = panicked.or_else(|| run.aborted.clone().map(Exit::Aborted));
        let exit = match unused {
            // It is given back at once.
            Some(exit) => exit,
            None => match caught(|| this.use_it.take().map(|use_it| use_it(held))) {
                Ok(using) => {
                    this.using.set(using);
                    run.enter(Stage::Using);
                    return Poll::Ready(());
                }
                Err(panic) => run.keep(panic),
            },
        };
        run.enter(Stage::Returning(exit));
        Poll::Ready(())
    }

    fn poll_use(self: Pin<&mut Self>, cx: &mut Context<'_>, lent: &Lent<'_>) -> Poll<()> {
        let mut this = self.project();
        let run = this.run;
        let exit = if let Some(aborted) = run.aborted.clone() {
            match caught(|| this.leaf.poll_abort(this.using.as_mut(), cx, lent, &aborted)) {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(())) => Exit::Aborted(aborted),
                Err(panic) => run.keep(panic),
            }
        } else {
            match ready!(poll_part(this.using.as_mut(), this.leaf, cx, lent)) {
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
        let mut this = self.project();
        let run = this.run;
        let back = run.place.as_ref().map_or(Poll::Pending, |place| place.poll_back(cx));
        let Poll::Ready(resource) = back else {
            ready!(run.poll_bound(this.bounds.release, cx, lent));
            note_overrun(lent);
            run.enter(Stage::Done);
            return Poll::Ready(());
        };
        if let Stage::Returning(exit) = core::mem::replace(&mut run.stage, Stage::New) {
            match caught(|| this.release.take().map(|release| release(resource, exit))) {
                Ok(releasing) => this.releasing.set(releasing),
                Err(panic) => drop(run.keep(panic)),
            }
        }
        run.enter(Stage::Releasing);
        Poll::Ready(())
    }

    fn poll_release(self: Pin<&mut Self>, cx: &mut Context<'_>, lent: &Lent<'_>) -> Poll<()> {
        let mut this = self.project();
        let run = this.run;
        let below = lent.with(Link::Shield(&run.reprieve));
        let panic = match poll_part(this.releasing.as_mut(), this.leaf, cx, &below) {
            Poll::Ready((_, panic)) => panic,
            Poll::Pending => {
                ready!(run.poll_bound(this.bounds.release, cx, lent));
                note_overrun(lent);
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

fn note_overrun(lent: &Lent<'_>) {
    if let Some(scope) = lent.scope() {
        scope.note_overrun(lent.own_name().cloned());
    }
}

impl<A, R, E, U, Using, T, L, Releasing> Operation for Bracket<A, R, U, Using, L, Releasing>
where
    A: Future<Output = Result<R, E>>,
    U: FnOnce(Held<R>) -> Using,
    Using: Future<Output = Result<T, E>>,
    L: FnOnce(R, Exit) -> Releasing,
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
        match self.run.holding.told() {
            Told::Nothing => {}
            Told::ToEnd(aborted) => {
                ready!(self.as_mut().poll_abort(state, cx, lent, &aborted));
                self.project().run.holding.let_go();
                return Poll::Pending;
            }
            Told::ToWait => return Poll::Pending,
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
        if run.aborted.is_none() {
            run.aborted = Some(aborted.clone().at(Position::Above));
        }
        if let Stage::New = run.stage {
            run.enter(Stage::Done);
        }
        // A value that comes now comes too late.
        drop(ready!(self.as_mut().drive(cx, lent)));
        self.project().run.holding.clear();
        Poll::Ready(())
    }
}

impl<A: Future, R, U, Using: Future, L, Releasing> Owned<Bracket<A, R, U, Using, L, Releasing>>
where
    Bracket<A, R, U, Using, L, Releasing>: Operation,
{
    /// How long acquiring may take once the whole is to end: 10 seconds, unless it is set. Write it right after
    /// [`bracket`].
    ///
    /// ```
    /// use std::{future::pending, time::Duration};
    /// use tenure::{OwnedFuture, bracket::bracket};
    ///
    /// let second = Duration::from_millis(1);
    /// let stuck = bracket(pending::<Result<(), ()>>(), async |_| Ok(()), async |(), _| {});
    /// let stuck = stuck.acquire_within(second).with_timeout(second);
    /// assert!(smol::block_on(stuck).unwrap_err().is_timeout());
    /// ```
    pub fn acquire_within(self, bound: Duration) -> Self {
        let mut bracket = self.into_operation();
        bracket.bounds.acquire = bound;
        Self::new(bracket)
    }

    /// How long releasing may take: 10 seconds, unless it is set. What takes longer is dropped. Write it right after
    /// [`bracket`].
    ///
    /// ```
    /// use std::{future::pending, time::Duration};
    /// use tenure::bracket::bracket;
    ///
    /// let stuck = bracket(async { Ok::<_, ()>(()) }, async |_| Ok(1), |(), _| pending());
    /// assert_eq!(smol::block_on(stuck.release_within(Duration::from_millis(1))).unwrap(), Ok(1));
    /// ```
    pub fn release_within(self, bound: Duration) -> Self {
        let mut bracket = self.into_operation();
        bracket.bounds.release = bound;
        Self::new(bracket)
    }
}

impl<A: Future, R, U, Using: Future, L, Releasing> fmt::Debug
    for Bracket<A, R, U, Using, L, Releasing>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bracket").field("stage", &self.run.stage).finish_non_exhaustive()
    }
}
