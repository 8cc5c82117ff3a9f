//! Somebody who polls the clean-up of scopes that nobody closes.

use core::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use futures_core::FusedFuture;

use super::close::Closing;
use crate::{
    abort::AbortHandle,
    fifo::Fifo,
    owner::core::{Core, Left, Seat},
    slab::Slab,
    sync::Arc,
    wake::Listening,
};

/// Takes over the async clean-up of scopes that nobody closes. Clones are the same reaper.
///
/// A [`Scope`](crate::Scope) whose last clone is dropped can't wait for its clean-up: a drop never blocks, and there is
/// nobody to poll. What is async is skipped, then, unless a reaper takes over: a future that the program runs where it
/// likes. It goes on with the first piece that is async, in the same order, each within its bound.
///
/// A scope is given one by [`Builder::reaper`](super::Builder::reaper); with `std`, `install()` is for all
/// that have none.
///
/// ```
/// use tenure::{Scope, scope::Reaper};
///
/// # smol::block_on(async {
/// let reaper = Reaper::new();
/// let reaping = smol::spawn(reaper.run());
///
/// let scope = Scope::builder("connection").reaper(&reaper).build();
/// let closed = scope.closed();
/// scope.defer_async(|_| async { println!("goodbye") });
/// drop(scope); // as when a request is dropped whose client has gone
/// assert_eq!(closed.await.clean_up().skipped, 0);
/// # drop(reaping);
/// # });
/// ```
///
/// # Drop
///
/// A scope doesn't keep its reaper: when the last clone and the last that runs it are gone, what waits for it is
/// skipped, as without one.
#[derive(Clone, Default)]
pub struct Reaper {
    left: Arc<Left>,
}

impl Reaper {
    /// A reaper that nobody runs yet.
    ///
    /// ```
    /// # use tenure::scope::Reaper;
    /// assert_eq!(Reaper::new().waiting(), 0);
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets it take over for all scopes that are given none. Tells whether it is the first: it stays so for as long
    /// as the process runs.
    ///
    /// ```standalone_crate
    /// use tenure::scope::Reaper;
    ///
    /// assert!(Reaper::new().install());
    /// assert!(!Reaper::new().install());
    /// ```
    #[cfg(feature = "std")]
    pub fn install(&self) -> bool {
        Left::install(&self.left)
    }

    /// How many scopes wait for somebody who runs it.
    ///
    /// ```
    /// use tenure::{Scope, scope::Reaper};
    ///
    /// let reaper = Reaper::new();
    /// let scope = Scope::builder("connection").reaper(&reaper).build();
    /// scope.defer_async(|_| async {});
    /// drop(scope);
    /// assert_eq!(reaper.waiting(), 1);
    /// ```
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.left.len()
    }

    /// Cleans up for all who come, for ever. It may be run by several tasks, which share the work.
    ///
    /// # Cancel safety
    ///
    /// Dropping it leaves what it was at to the next who runs the reaper.
    pub fn run(&self) -> Reaping {
        Reaping { crew: Crew::new(self.left.clone()) }
    }

    /// Cleans up for all who have come, and tells how many there were: for the end of a program.
    ///
    /// # Cancel safety
    ///
    /// As [`run`](Self::run).
    pub fn drain(&self) -> Drain {
        Drain { crew: Some(Crew::new(self.left.clone())) }
    }

    pub(super) fn left(&self) -> &Arc<Left> {
        &self.left
    }
}

impl fmt::Debug for Reaper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reaper").field("waiting", &self.waiting()).finish()
    }
}

/// Future made by [`Reaper::run`], which is never ready.
///
/// # Cancel safety
///
/// Dropping it leaves what it was at to the next who runs the reaper.
#[must_use = "a future does nothing until it is awaited or polled"]
pub struct Reaping {
    crew: Crew,
}

/// Future made by [`Reaper::drain`]: how many scopes it has cleaned up for.
///
/// # Panics
///
/// When it is polled after it was ready.
///
/// # Cancel safety
///
/// Dropping it leaves what it was at to the next who runs the reaper.
#[must_use = "a future does nothing until it is awaited or polled"]
pub struct Drain {
    crew: Option<Crew>,
}

/// The scopes that are being cleaned up for, each polled when it is woken.
struct Crew {
    // Dropped first: others go on with it, for as long as there is a reaper.
    at_work: Slab<Job>,
    left: Arc<Left>,
    /// Whose queue tells which of them are to be polled.
    core: Arc<Core>,
    woken: Fifo<Arc<Seat>>,
    place: Option<Listening>,
    done: usize,
}

struct Job {
    // Dropped first: a turn that is given back goes to whoever is next.
    closing: Closing,
    core: Arc<Core>,
}

impl Crew {
    fn new(left: Arc<Left>) -> Self {
        Self {
            left,
            at_work: Slab::default(),
            core: Core::of_nursery(AbortHandle::never()),
            woken: Fifo::default(),
            place: None,
            done: 0,
        }
    }

    /// Does what there is to do; more may come.
    fn work(&mut self, cx: &mut Context<'_>) {
        let Self { left, at_work, core, woken, place, done } = self;
        core.queue.begin(cx.waker());
        while let Poll::Ready(next) = left.came.poll_until(place, cx, || left.next()) {
            let key = at_work.insert(Job { closing: Closing::new(), core: next });
            Seat::give_woken(core, key as u32);
        }
        core.queue.take(woken);
        while let Some(seat) = woken.pop() {
            let key = seat.key() as usize;
            let Some(job) = at_work.get_mut(key).filter(|_| seat.begin_poll()) else { continue };
            let waker = Waker::from(seat.clone());
            if job.closing.poll(&job.core, &mut Context::from_waker(&waker)).is_ready() {
                seat.leave();
                drop(at_work.remove(key));
                *done += 1;
            }
        }
        if core.queue.rest(cx.waker()).is_pending() {
            core.queue.leave();
            cx.waker().wake_by_ref();
        }
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.core.queue.close();
    }
}

impl Future for Reaping {
    type Output = Infallible;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Infallible> {
        self.crew.work(cx);
        Poll::Pending
    }
}

impl Future for Drain {
    type Output = usize;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<usize> {
        let crew = self.crew.as_mut().expect("`Drain` polled after completion");
        crew.work(cx);
        if crew.at_work.len() > 0 {
            return Poll::Pending;
        }
        if crew.left.len() > 0 {
            // A scope that has ended lets the one around it come.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let done = crew.done;
        self.crew = None;
        Poll::Ready(done)
    }
}

impl FusedFuture for Drain {
    fn is_terminated(&self) -> bool {
        self.crew.is_none()
    }
}

impl fmt::Debug for Reaping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reaping").field("at_work", &self.crew.at_work.len()).finish()
    }
}

impl fmt::Debug for Drain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at_work = self.crew.as_ref().map(|crew| crew.at_work.len());
        f.debug_struct("Drain").field("at_work", &at_work).finish()
    }
}
