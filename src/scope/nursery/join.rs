//! What becomes of a child: the handle that its result comes by.

use core::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use futures_core::FusedFuture;

use crate::{
    abort::{AbortReason, Aborted, Position},
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
    slot: Arc<Slot<T>>,
    /// Its task is to be woken.
    waits: bool,
}

/// What a child and its handle share.
pub(super) struct Slot<T> {
    /// `ABORTED` and `KNOWN`. Release where it is set, with Acquire where it is read: the reason is there by then.
    flags: AtomicU8,
    state: Mutex<State<T>>,
}

/// The handle wants the child to end.
const ABORTED: u8 = 1;
/// The handle can wake the child.
const KNOWN: u8 = 2;

enum State<T> {
    /// As `Open`, with nothing in it.
    New,
    Open(Open),
    Filled(Result<T, Aborted>),
    Taken,
}

#[derive(Default)]
struct Open {
    handle: Option<Waker>,
    child: Option<Waker>,
    aborted: Option<Aborted>,
}

impl<T> State<T> {
    /// What is kept until it is filled.
    fn open(&mut self) -> Option<&mut Open> {
        if let Self::New = self {
            *self = Self::Open(Open::default());
        }
        match self {
            Self::Open(open) => Some(open),
            _ => None,
        }
    }
}

impl<T> Default for Slot<T> {
    #[inline]
    fn default() -> Self {
        Self { flags: AtomicU8::new(0), state: Mutex::new(State::New) }
    }
}

impl<T> Slot<T> {
    pub(super) fn new() -> (Arc<Self>, JoinHandle<T>) {
        // It is made in its place so.
        let slot = Arc::<Self>::default();
        (slot.clone(), JoinHandle { slot, waits: false })
    }

    /// Whether the handle is gone.
    pub(super) fn is_alone(this: &Arc<Self>) -> bool {
        Arc::strong_count(this) == 1
    }

    /// Whether the handle is gone, and has not aborted the child before: perhaps while that was polled.
    pub(super) fn is_given_up(this: &mut Arc<Self>) -> bool {
        let is_live = |slot: &mut Self| match slot.state.get_mut() {
            State::New => true,
            State::Open(open) => open.aborted.is_none(),
            State::Filled(_) | State::Taken => false,
        };
        Self::is_alone(this) && Arc::get_mut(this).is_some_and(is_live)
    }

    /// Why the handle wants the child to end, if it does.
    #[inline]
    pub(super) fn aborted(&self) -> Option<Aborted> {
        if self.flags.load(Ordering::Acquire) & ABORTED == 0 {
            return None;
        }
        self.state.with(|state| match state {
            State::Open(open) => open.aborted.clone(),
            _ => None,
        })
    }

    /// Whether the child has been polled, and was pending.
    pub(super) fn has_begun(&self) -> bool {
        // Relaxed: only the child sets it.
        self.flags.load(Ordering::Relaxed) & KNOWN != 0
    }

    /// The child is pending: from now on the handle wakes it by `waker`. Tells whether it has asked it to end
    /// meanwhile.
    pub(super) fn introduce(&self, waker: &Waker) -> bool {
        if self.has_begun() {
            return false;
        }
        let mut new = Some(waker.clone());
        let is_aborted = self.state.with(|state| {
            self.flags.fetch_or(KNOWN, Ordering::Relaxed);
            state.open().is_some_and(|open| {
                mem::swap(&mut open.child, &mut new);
                open.aborted.is_some()
            })
        });
        drop(new);
        is_aborted
    }

    /// Hands over what the child came to, or what came of it.
    pub(super) fn fill(&self, result: Result<T, Aborted>) {
        let before = self.state.with(|state| mem::replace(state, State::Filled(result)));
        if let State::Open(Open { handle, child, aborted }) = before {
            let mut panics = Panics::default();
            panics.run(|| drop((child, aborted)));
            panics.wake_all(handle);
            // It is none of the child's doing.
            survived(|| panics.resume());
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
        let mut reason = Some(Aborted::of(reason.into(), None, Position::Above));
        let child = self.slot.state.with(|state| {
            let open = state.open().filter(|open| open.aborted.is_none())?;
            open.aborted = reason.take();
            self.slot.flags.fetch_or(ABORTED, Ordering::Release);
            open.child.take()
        });
        if let Some(child) = child {
            child.wake();
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
        self.slot.state.with(|state| !matches!(state, State::New | State::Open(_)))
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, Aborted>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        enum Found<T> {
            Ready(Result<T, Aborted>),
            Known,
            Pending,
        }
        let found = self.slot.state.with(|state| match state {
            State::Open(Open { handle: Some(known), .. }) if known.will_wake(cx.waker()) => {
                Found::Known
            }
            State::New | State::Open(_) => Found::Pending,
            State::Filled(_) => match mem::replace(state, State::Taken) {
                State::Filled(result) => Found::Ready(result),
                _ => unreachable!("it was looked at"),
            },
            State::Taken => panic!("`JoinHandle` polled after completion"),
        });
        match found {
            Found::Ready(result) => return Poll::Ready(result),
            Found::Known => return Poll::Pending,
            Found::Pending => {}
        }
        let mut new = Some(cx.waker().clone());
        let ready = self.slot.state.with(|state| {
            if let Some(open) = state.open() {
                mem::swap(&mut open.handle, &mut new);
            }
            match mem::replace(state, State::Taken) {
                State::Filled(result) => Some(result),
                open => {
                    *state = open;
                    None
                }
            }
        });
        drop(new);
        self.waits = ready.is_none();
        ready.map_or(Poll::Pending, Poll::Ready)
    }
}

impl<T> FusedFuture for JoinHandle<T> {
    fn is_terminated(&self) -> bool {
        self.slot.state.with(|state| matches!(state, State::Taken))
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        if !self.waits {
            return;
        }
        let waker = self.slot.state.with(|state| match state {
            State::Open(open) => open.handle.take(),
            _ => None,
        });
        let mut panics = Panics::default();
        panics.run(|| drop(waker));
        panics.resume();
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("finished", &self.is_finished()).finish()
    }
}
