use std::{
    future::{Future, poll_fn},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// A shared number. Clones are the same number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Count(Arc<AtomicUsize>);

impl Count {
    /// Adds one and tells how many there were before.
    pub(crate) fn add(&self) -> usize {
        self.add_all(1)
    }

    /// Adds `n` and tells how many there were before.
    pub(crate) fn add_all(&self, n: usize) -> usize {
        self.0.fetch_add(n, Ordering::SeqCst)
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// Counts how often `future` is polled.
    pub(crate) fn polls_of<F: Future>(
        &self,
        future: F,
    ) -> impl Future<Output = F::Output> + use<F> {
        let count = self.clone();
        let mut future = Box::pin(future);
        poll_fn(move |cx| {
            count.add();
            future.as_mut().poll(cx)
        })
    }
}
