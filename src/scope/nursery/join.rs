//! What becomes of a child: the handle that its result comes by.

use core::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use futures_core::FusedFuture;

use super::child::At;
use crate::{
    abort::{AbortReason, Aborted, Position},
    owner::core::{Core, Seat},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU8, Ordering},
    },
    wake::{Panics, survived},
};

/// A child of a nursery, to be awaited or aborted; made by [`Nursery::spawn`](super::Nursery::spawn) and its like.
///
/// It resolves to what the child came to, or to [`Aborted`] where it was aborted, alone or with its siblings.
///
/// ```
/// # smol::block_on(async {
/// let sum = tenure::scope(async |n| {
///     let one = n.spawn(async { 1 });
///     let two = n.spawn(async { 2 });
///     one.await.unwrap() + two.await.unwrap()
/// });
/// assert_eq!(sum.await.unwrap(), 3);
/// # });
/// ```
///
/// # Panics
///
/// When it is polled after it was ready. Where the child panics, the handle resolves to [`Aborted`] with
/// [`AbortReason::Panicked`], and the panic goes on in whoever awaits the nursery.
///
/// # Cancel safety
///
/// Dropping it lets the child run on, and what that comes to is dropped. A handle that is kept and never polled, or
/// [forgotten](core::mem::forget), holds up nobody.
pub struct JoinHandle<T> {
    /// Until it was ready.
    slot: Option<Arc<Slot<T>>>,
}

/// What a child and its handle share.
pub(super) struct Slot<T> {
    /// Changed under the lock. Release where it is, with Acquire where it is read by the other of the two: what goes
    /// with it is there by then.
    flags: AtomicU8,
    state: Mutex<State<T>>,
}

/// The handle wants the child to end.
const ABORTED: u8 = 1;
/// The child has begun, and was pending.
const BEGUN: u8 = 2;
/// The child has ended.
const FILLED: u8 = 4;
/// The task of the handle is to be woken.
const WAITS: u8 = 8;

enum State<T> {
    Open { handle: Option<Waker>, child: Known },
    Filled(Result<T, Aborted>),
    Taken,
}

/// What a handle knows of its child.
enum Known {
    Nothing,
    /// Where it is to be found.
    Key(Arc<Core>, u32),
    /// The handle wants it to end.
    Aborted(Aborted),
}

impl<T> Default for Slot<T> {
    #[inline]
    fn default() -> Self {
        let state = State::Open { handle: None, child: Known::Nothing };
        Self { flags: AtomicU8::new(0), state: Mutex::new(state) }
    }
}

impl<T> Slot<T> {
    pub(super) fn new() -> (Arc<Self>, JoinHandle<T>) {
        // It is made in its place so.
        let slot = Arc::<Self>::default();
        (slot.clone(), JoinHandle { slot: Some(slot) })
    }

    /// Under the lock.
    fn raise(&self, flag: u8) {
        self.flags.store(self.flags.load(Ordering::Relaxed) | flag, Ordering::Release);
    }

    fn has(&self, flag: u8) -> bool {
        self.flags.load(Ordering::Acquire) & flag != 0
    }

    /// Whether the handle is gone.
    pub(super) fn is_alone(this: &Arc<Self>) -> bool {
        Arc::strong_count(this) == 1
    }

    /// Drops what is shared with nobody: the handle is gone, perhaps while the child was polled, and has not aborted it
    /// before.
    #[inline]
    pub(super) fn give_up(place: &mut Option<Arc<Self>>) {
        let Some(this) = place.take_if(|this| Self::is_alone(this)) else { return };
        match Arc::try_unwrap(this) {
            Ok(mut slot) => {
                if let State::Open { child: Known::Aborted(_), .. } = slot.state.get_mut() {
                    *place = Some(Arc::new(slot));
                }
            }
            Err(this) => *place = Some(this),
        }
    }

    /// Why the handle wants the child to end, if it does.
    #[inline]
    pub(super) fn aborted(&self) -> Option<Aborted> {
        if self.has(ABORTED) { self.reason() } else { None }
    }

    #[cold]
    fn reason(&self) -> Option<Aborted> {
        self.state.with(|state| match state {
            State::Open { child: Known::Aborted(aborted), .. } => Some(aborted.clone()),
            _ => None,
        })
    }

    /// Whether the child has been polled, and was pending.
    pub(super) fn has_begun(&self) -> bool {
        // Relaxed: only the child sets it.
        self.flags.load(Ordering::Relaxed) & BEGUN != 0
    }

    /// The child is pending: from now on the handle finds it. Tells whether it has asked it to end meanwhile.
    pub(super) fn introduce(&self, at: At<'_>) -> bool {
        if self.has_begun() {
            return false;
        }
        self.state.with(|state| {
            self.raise(BEGUN);
            match state {
                State::Open { child: Known::Aborted(_), .. } => true,
                State::Open { child, .. } => {
                    *child = Known::Key(at.core.clone(), at.key);
                    false
                }
                State::Filled(_) | State::Taken => false,
            }
        })
    }

    /// Hands over what the child came to, or what came of it.
    pub(super) fn fill(this: Arc<Self>, result: Result<T, Aborted>) {
        let before = this.state.with(|state| {
            this.raise(FILLED);
            mem::replace(state, State::Filled(result))
        });
        let mut panics = Panics::default();
        if let State::Open { handle: Some(handle), .. } = before {
            // So that whoever is woken finds itself to be the only one that has it.
            panics.run(|| drop(this));
            // It is none of the child's doing.
            survived(|| handle.wake());
        }
        panics.resume();
    }

    /// Whoever fills it wakes `task`, unless it is filled.
    fn register(&self, task: &Waker) -> Poll<()> {
        let is_known = self.has(WAITS)
            && self.state.with(|state| match state {
                State::Open { handle, .. } => {
                    handle.as_ref().is_some_and(|known| known.will_wake(task))
                }
                _ => false,
            });
        if is_known {
            return Poll::Pending;
        }
        let mut new = Some(task.clone());
        let polled = self.state.with(|state| match state {
            State::Open { handle, .. } => {
                self.raise(WAITS);
                mem::swap(handle, &mut new);
                Poll::Pending
            }
            State::Filled(_) | State::Taken => Poll::Ready(()),
        });
        drop(new);
        polled
    }

    /// Takes the waker of the handle back.
    #[cold]
    fn forget(&self) {
        let waker = self.state.with(|state| match state {
            State::Open { handle, .. } => handle.take(),
            _ => None,
        });
        let mut panics = Panics::default();
        panics.run(|| drop(waker));
        panics.resume();
    }

    /// What the child came to, which is there.
    fn take(this: Arc<Self>) -> Result<T, Aborted> {
        let state = match Arc::try_unwrap(this) {
            Ok(slot) => slot.state.into_inner(),
            Err(this) => this.state.with(|state| mem::replace(state, State::Taken)),
        };
        match state {
            State::Filled(result) => result,
            _ => unreachable!("it is taken once"),
        }
    }
}

impl<T> JoinHandle<T> {
    /// Aborts the child, and it alone. Tells whether it was this call that did.
    ///
    /// It ends as soon as the nursery is polled, which this sees to; one that has not begun never does.
    ///
    /// ```
    /// # smol::block_on(async {
    /// let aborted = tenure::scope(async |n| {
    ///     let child = n.spawn(std::future::pending::<()>());
    ///     child.abort("not needed any more");
    ///     child.await.unwrap_err()
    /// });
    /// assert_eq!(aborted.await.unwrap().to_string(), "not needed any more");
    /// # });
    /// ```
    pub fn abort(&self, reason: impl Into<AbortReason>) -> bool {
        let Some(slot) = &self.slot else { return false };
        let mut reason = Some(Aborted::of(reason.into(), None, Position::Above));
        let known = slot.state.with(|state| match state {
            State::Open { child: Known::Aborted(_), .. } | State::Filled(_) | State::Taken => None,
            State::Open { child, .. } => {
                slot.raise(ABORTED);
                reason.take().map(|reason| mem::replace(child, Known::Aborted(reason)))
            }
        });
        if let Some(Known::Key(core, key)) = known {
            Seat::give_woken(&core, key);
        }
        reason.is_none()
    }

    /// Whether the child has ended, so that awaiting the handle is ready at once.
    ///
    /// ```
    /// # smol::block_on(async {
    /// tenure::scope(async |n| {
    ///     let child = n.spawn(async {});
    ///     assert!(!child.is_finished());
    ///     smol::future::yield_now().await;
    ///     assert!(child.is_finished());
    /// })
    /// .await?;
    /// # Ok::<(), tenure::Aborted>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.slot.as_ref().is_none_or(|slot| slot.has(FILLED))
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, Aborted>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let slot = self.slot.as_ref().expect("`JoinHandle` polled after completion");
        if !slot.has(FILLED) {
            ready!(slot.register(cx.waker()));
        }
        self.slot.take().map_or(Poll::Pending, |slot| Poll::Ready(Slot::take(slot)))
    }
}

impl<T> FusedFuture for JoinHandle<T> {
    fn is_terminated(&self) -> bool {
        self.slot.is_none()
    }
}

impl<T> Drop for JoinHandle<T> {
    #[inline]
    fn drop(&mut self) {
        if let Some(slot) = self.slot.as_ref().filter(|slot| slot.has(WAITS)) {
            slot.forget();
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("finished", &self.is_finished()).finish()
    }
}
