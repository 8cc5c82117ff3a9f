//! Waking many, safely.
//!
//! A waker, a callback or a `Drop` is foreign code: it may panic, and it may call straight back
//! into whatever woke it. So the crate takes such things out under its lock, lets go of the lock,
//! and only then runs them, each one even when an earlier one panicked. The first panic goes on
//! once all have run.

use alloc::{string::String, vec::Vec};
use core::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use event_listener::{Event, EventListener};

use crate::sync::{Arc, RelayMutex, impl_wake};

/// Runs foreign code and catches its panic. Without `std` there is nothing that could.
pub(crate) fn caught<R>(f: impl FnOnce() -> R) -> Result<R, Panic> {
    #[cfg(feature = "std")]
    return std::panic::catch_unwind(core::panic::AssertUnwindSafe(f));
    #[cfg(not(feature = "std"))]
    Ok(f())
}

#[cfg(feature = "std")]
pub(crate) type Panic = alloc::boxed::Box<dyn core::any::Any + Send>;
#[cfg(not(feature = "std"))]
#[derive(Debug)]
pub(crate) enum Panic {}

/// Runs foreign code whose panic nobody here can be told of: the panic hook has reported it.
pub(crate) fn survived<R>(f: impl FnOnce() -> R) -> Option<R> {
    caught(f).map_err(discard).ok()
}

/// Drops a panic. That is foreign code again, which may panic: with what, is left where it is.
pub(crate) fn discard(panic: Panic) {
    #[cfg(feature = "std")]
    caught(|| drop(panic)).unwrap_or_else(core::mem::forget);
    #[cfg(not(feature = "std"))]
    match panic {}
}

/// Lets a panic go on.
pub(crate) fn resume(panic: Panic) -> ! {
    #[cfg(feature = "std")]
    std::panic::resume_unwind(panic);
    #[cfg(not(feature = "std"))]
    match panic {}
}

/// What a panic says.
pub(crate) fn message(panic: &Panic) -> String {
    #[cfg(feature = "std")]
    return match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(message), _) => (*message).into(),
        (_, Some(message)) => message.clone(),
        _ => "a value that isn't text".into(),
    };
    #[cfg(not(feature = "std"))]
    match *panic {}
}

/// What a panic says, which ends here.
pub(crate) fn told(panic: Panic) -> String {
    let what = message(&panic);
    discard(panic);
    what
}

/// Runs foreign code piece by piece and keeps the first panic for later.
#[derive(Default)]
pub(crate) struct Panics {
    first: Option<Panic>,
}

impl Panics {
    pub(crate) fn run(&mut self, f: impl FnOnce()) {
        if let Err(panic) = caught(f) {
            self.keep(panic);
        }
    }

    /// Keeps a panic for later, if it is the first.
    pub(crate) fn keep(&mut self, panic: Panic) {
        match self.first {
            None => self.first = Some(panic),
            Some(_) => discard(panic),
        }
    }

    /// Runs `f` with each item, whatever it does with the others.
    pub(crate) fn run_each<T>(&mut self, items: impl IntoIterator<Item = T>, mut f: impl FnMut(T)) {
        let mut items = items.into_iter();
        let mut done = false;
        // After a panic, on with the next.
        while !done {
            self.run(|| {
                items.by_ref().for_each(&mut f);
                done = true;
            });
        }
    }

    /// Wakes each of `wakers`, whatever the others do.
    pub(crate) fn wake_all(&mut self, wakers: impl IntoIterator<Item = Waker>) {
        self.run_each(wakers, Waker::wake);
    }

    /// The first panic, if there was one.
    pub(crate) fn into_first(self) -> Option<Panic> {
        self.first
    }

    /// Lets the first panic go on, unless the thread is unwinding already: a second one would end
    /// the process.
    #[inline]
    pub(crate) fn resume(self) {
        if let Some(panic) = self.first {
            if is_unwinding() { discard(panic) } else { resume(panic) }
        }
    }
}

fn is_unwinding() -> bool {
    #[cfg(feature = "std")]
    return std::thread::panicking();
    #[cfg(not(feature = "std"))]
    false
}

/// A condition that any number of tasks wait for, again and again: a scope has run empty, a turn
/// is free.
///
/// The queue is event-listener's. That one wakes under its own lock and stops at a panic, so it is
/// never handed a task's waker, but a relay that merely moves the task's waker to the outbox;
/// [`notify`](Level::notify) empties that afterwards, with no lock held. Without `std` its lock spins,
/// which in an interrupt would be for ever, so it is called in critical sections only.
#[derive(Debug, Default)]
pub(crate) struct Level {
    event: Event,
    outbox: Arc<RelayMutex<Vec<Waker>>>,
}

impl Level {
    /// Wakes all who wait. What they wait for must have been changed before.
    pub(crate) fn notify(&self) {
        self.outbox.unrivalled(|| self.event.notify(usize::MAX));
        let mut panics = Panics::default();
        panics.wake_all(self.outbox.with(core::mem::take));
        panics.resume();
    }

    /// Registers with the level. To be called before the condition is looked at, and to be polled
    /// only if that doesn't hold.
    fn listen(&self) -> Listening {
        let relay = Arc::new(Relay { task: RelayMutex::new(None), outbox: self.outbox.clone() });
        Listening { event: Some(self.outbox.unrivalled(|| self.event.listen())), relay }
    }

    /// Ready as soon as `look` finds what it looks for. `place` is the caller's among those who wait.
    pub(crate) fn poll_until<R>(
        &self,
        place: &mut Option<Listening>,
        cx: &mut Context<'_>,
        mut look: impl FnMut() -> Option<R>,
    ) -> Poll<R> {
        loop {
            if let Some(found) = look() {
                *place = None;
                return Poll::Ready(found);
            }
            match place {
                // What changes from now on is heard of; what has changed meanwhile is seen.
                None => *place = Some(self.listen()),
                Some(listening) => {
                    ready!(Pin::new(listening).poll(cx));
                    *place = None;
                }
            }
        }
    }
}

/// A place in the queue of a [`Level`]: ready at the next [`Level::notify`].
#[derive(Debug)]
pub(crate) struct Listening {
    /// Always there, until it is dropped.
    event: Option<EventListener>,
    relay: Arc<Relay>,
}

impl Future for Listening {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let task = cx.waker().clone();
        let Self { event, relay } = &mut *self;
        let replaced =
            relay.outbox.unrivalled(|| relay.task.with_unseen(|slot| slot.replace(task)));
        drop(replaced);
        let waker = Waker::from(relay.clone());
        let event = Pin::new(event.as_mut().expect("it is there until it is dropped"));
        relay.outbox.unrivalled(|| event.poll(&mut Context::from_waker(&waker)))
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.relay.outbox.unrivalled(|| self.event = None);
    }
}

/// The waker that event-listener sees.
#[derive(Debug)]
struct Relay {
    task: RelayMutex<Option<Waker>>,
    outbox: Arc<RelayMutex<Vec<Waker>>>,
}

impl Relay {
    fn pass_on(&self) {
        if let Some(task) = self.task.with_unseen(Option::take) {
            self.outbox.with_unseen(|outbox| outbox.push(task));
        }
    }
}

impl_wake!(Relay, Relay::pass_on);
