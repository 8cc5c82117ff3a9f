use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Waker},
};

use super::{Wakes, counting_waker};

/// Some who wait, each a task of its own that was polled once, and what ends their wait.
pub(crate) struct Fan<W> {
    tasks: Vec<Task<W>>,
    abort: Box<dyn FnMut()>,
}

struct Task<W> {
    future: Pin<Box<W>>,
    waker: Waker,
    wakes: Arc<Wakes>,
}

impl<W: Future> Fan<W> {
    pub(crate) fn new(waiting: impl IntoIterator<Item = W>, abort: impl FnMut() + 'static) -> Self {
        Self { tasks: waiting.into_iter().map(Task::new).collect(), abort: Box::new(abort) }
    }

    pub(crate) fn abort(&mut self) {
        (self.abort)();
    }

    /// As `abort`, and then each is polled to its end and dropped.
    pub(crate) fn run_out(&mut self) {
        self.abort();
        self.tasks.drain(..).for_each(Task::finish);
    }

    /// To be called where nothing is timed: whoever is left has been woken, and is ready.
    pub(crate) fn check(self) {
        self.tasks.into_iter().for_each(Task::finish);
    }
}

impl<W: Future> Task<W> {
    fn new(future: W) -> Self {
        let (waker, wakes) = counting_waker();
        Self { future: super::waiting(future, &waker), waker, wakes }
    }
    fn finish(mut self) {
        assert_eq!(self.wakes.count(), 1);
        assert!(self.future.as_mut().poll(&mut Context::from_waker(&self.waker)).is_ready());
    }
}
