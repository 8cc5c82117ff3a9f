//! What the models have in common.

#![allow(dead_code, reason = "not every model needs all of it")]

use std::{
    any::type_name,
    sync::{
        Arc,
        atomic::{AtomicUsize as Count, Ordering::Relaxed},
    },
    task::{Wake, Waker},
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

pub(crate) fn join<R>(thread: thread::JoinHandle<R>) -> R {
    thread.join().unwrap()
}

pub(crate) fn join_all<R, const N: usize>(threads: [thread::JoinHandle<R>; N]) -> Vec<R> {
    threads.into_iter().map(join).collect()
}
