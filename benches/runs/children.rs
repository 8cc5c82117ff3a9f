//! What a scope runs in the benches: many futures of one size, polled through the wakers that it gives them.

use std::{
    fmt,
    future::Future,
    num::NonZero,
    pin::{Pin, pin},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::Instant,
};

use tenure::Aborted;

use super::{Wakes, counting_waker};

/// A child of a scope, of 32 bytes, as one that is small but does something has.
pub(crate) trait Child: Future<Output = Answer> + Default + Send + 'static {}

impl<F: Future<Output = Answer> + Default + Send + 'static> Child for F {}

/// Of 8 bytes.
pub(crate) type Answer = Result<NonZero<u64>, Failed>;

/// Ready when it is polled for that time; until then it wakes itself, and so yields.
#[derive(Default)]
pub(crate) struct Yielding<const POLLS: u64> {
    polled: u64,
    state: [u64; 3],
}

impl<const POLLS: u64> Future for Yielding<POLLS> {
    type Output = Answer;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        self.polled += 1;
        if self.polled < POLLS {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(NonZero::new(1 + self.state.iter().sum::<u64>()).ok_or(Failed))
    }
}

/// Waits for ever, and keeps the waker that it is given, as if for somebody to wake it by. One of them fails, some
/// polls after all the others wait.
#[derive(Default)]
pub(crate) struct Sibling {
    waker: Option<Waker>,
    fails: Option<u32>,
    state: u32,
}

#[derive(Debug)]
pub(crate) struct Failed;

/// What becomes of the siblings of one scope at a time: they don't refer to it, so that they pay for nothing
/// but what they are.
static SIBLINGS: Siblings = Siblings {
    waiting: AtomicUsize::new(0),
    left: AtomicUsize::new(0),
    failed: Mutex::new(None),
    ended: Mutex::new(None),
};

struct Siblings {
    waiting: AtomicUsize,
    left: AtomicUsize,
    /// When the one failed.
    failed: Mutex<Option<Instant>>,
    /// When the last of them was dropped.
    ended: Mutex<Option<Instant>>,
}

impl Sibling {
    pub(crate) fn failing() -> Self {
        Self { waker: None, fails: Some(2), state: 0 }
    }

    /// From now on there are to be `n`, and one that fails.
    pub(crate) fn expect(n: usize) {
        SIBLINGS.waiting.store(n, Relaxed);
        SIBLINGS.left.store(n, Relaxed);
    }

    pub(crate) fn all_wait() -> bool {
        SIBLINGS.waiting.load(Relaxed) == 0
    }

    /// When the one failed, and when the last of the others was dropped.
    pub(crate) fn times() -> [Instant; 2] {
        let time = |at: &Mutex<Option<Instant>>| at.lock().unwrap().take();
        assert_eq!(SIBLINGS.left.load(Relaxed), 0, "some were not dropped");
        [&SIBLINGS.failed, &SIBLINGS.ended].map(|at| time(at).expect("all of it is over"))
    }
}

impl Future for Sibling {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        match self.fails {
            Some(0) => {
                *SIBLINGS.failed.lock().unwrap() = Some(Instant::now());
                return Poll::Ready(Err(Failed));
            }
            Some(polls) if Self::all_wait() => {
                self.fails = Some(polls - 1);
                cx.waker().wake_by_ref();
            }
            Some(_) => cx.waker().wake_by_ref(),
            None if self.waker.is_none() => {
                self.state += 1;
                self.waker = Some(cx.waker().clone());
                // One thread: nobody comes between.
                SIBLINGS.waiting.store(SIBLINGS.waiting.load(Relaxed).wrapping_sub(1), Relaxed);
            }
            None => {}
        }
        Poll::Pending
    }
}

impl Drop for Sibling {
    fn drop(&mut self) {
        if self.fails.is_some() {
            return;
        }
        // As above.
        let left = SIBLINGS.left.load(Relaxed).wrapping_sub(1);
        SIBLINGS.left.store(left, Relaxed);
        if left == 0 {
            *SIBLINGS.ended.lock().unwrap() = Some(Instant::now());
        }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("failed")
    }
}

impl From<Aborted> for Failed {
    fn from(_: Aborted) -> Self {
        Self
    }
}

const _: () = assert!(size_of::<Yielding<1>>() == 32 && size_of::<Sibling>() == 32);
const _: () = assert!(size_of::<Answer>() == 8);

/// Polls a future by hand until it is ready: each time as soon as it was woken, and not otherwise.
pub(crate) fn driven<F: Future>(future: F) -> F::Output {
    let (waker, wakes) = counting_waker();
    let mut future = pin!(future);
    loop {
        let before = wakes.count();
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        assert!(wakes.count() > before, "nobody woke it");
    }
}

/// Polls a future by hand until it has to wait.
pub(crate) fn at_rest<F: Future>(future: F) -> Pin<Box<F>> {
    let (waker, wakes) = counting_waker();
    let mut future = Box::pin(future);
    loop {
        let before = wakes.count();
        assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        if wakes.count() == before {
            return future;
        }
    }
}
