//! What the models have in common.

#![allow(dead_code, reason = "not every model needs all of it")]

use std::{
    any::type_name,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize as Count, Ordering::Relaxed},
    },
    task::{Context, Poll, Wake, Waker},
    vec::Vec,
};

use loom::{alloc::Track, sync::Notify, thread};

/// Runs `threads` in all orders, and says in how many.
pub(crate) fn model<F: Fn() + Send + Sync + 'static>(threads: F) {
    let orders = Arc::new(Count::new(0));
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(3);
    let count = orders.clone();
    builder.check(move || {
        count.fetch_add(1, Relaxed);
        threads();
    });
    let name = type_name::<F>().rsplit("::").nth(1).unwrap_or("?");
    std::println!("{name}: Completed in {} iterations", orders.load(Relaxed));
}

/// A waker to sleep by.
pub(crate) struct Bell {
    pub(crate) rings: Notify,
    _tracked: Track<()>,
}

impl Bell {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { rings: Notify::new(), _tracked: Track::new(()) })
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.rings.notify();
    }
}

/// A waker that runs `f`.
struct Calls<F>(F, #[allow(dead_code, reason = "it is dropped along")] Track<()>);

impl<F: Fn() + Send + Sync + 'static> Wake for Calls<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

pub(crate) fn calls(f: impl Fn() + Send + Sync + 'static) -> Waker {
    Waker::from(Arc::new(Calls(f, Track::new(()))))
}

pub(crate) fn poll<F: Future + ?Sized>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

/// Sleeps until woken, as often as it takes.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let bell = Bell::new();
    let waker = Waker::from(bell.clone());
    loop {
        if let Poll::Ready(value) = poll(future.as_mut(), &waker) {
            return value;
        }
        bell.rings.wait();
    }
}

/// Pending once, and woken at once.
pub(crate) fn pending_once() -> impl Future<Output = ()> {
    let mut polled = false;
    poll_fn(move |cx| {
        if polled {
            return Poll::Ready(());
        }
        polled = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}

/// How many are at work, and how often something was done. Clones count together.
#[derive(Clone, Default)]
pub(crate) struct Counted(Arc<Count>);

impl Counted {
    pub(crate) fn get(&self) -> usize {
        self.0.load(Relaxed)
    }

    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    pub(crate) fn take(&self) {
        self.0.fetch_sub(1, Relaxed);
    }

    /// Counted for as long as it is there.
    pub(crate) fn guard(&self) -> Guard {
        self.add();
        Guard(self.clone())
    }

    /// Pending once, and counted from its first poll until it is dropped.
    pub(crate) fn work(&self) -> impl Future<Output = ()> + Send + use<> {
        let counted = self.clone();
        async move {
            let _guard = counted.guard();
            pending_once().await;
        }
    }
}

pub(crate) struct Guard(Counted);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.take();
    }
}

pub(crate) fn join<R>(thread: thread::JoinHandle<R>) -> R {
    thread.join().unwrap()
}

pub(crate) fn join_all<R, const N: usize>(threads: [thread::JoinHandle<R>; N]) -> Vec<R> {
    threads.into_iter().map(join).collect()
}
