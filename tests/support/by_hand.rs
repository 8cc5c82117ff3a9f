use std::{
    future::Future,
    pin::{Pin, pin},
    sync::{Arc, Weak},
    task::{Context, Poll, Wake, Waker},
};

use super::Count;

/// A future that is polled only when the test says so, by a task whose wakes and wakers are counted.
/// It always has the same waker, until it goes elsewhere.
pub(crate) struct ByHand<'a, T> {
    future: Pin<Box<dyn Future<Output = T> + 'a>>,
    task: TaskOf,
    waker: Waker,
}

/// Outlives the future, to see what still holds its waker.
#[derive(Clone)]
pub(crate) struct TaskOf(Weak<Task>);

impl TaskOf {
    /// How many wakers there are.
    pub(crate) fn wakers(&self) -> usize {
        self.0.strong_count()
    }
}

#[derive(Default)]
struct Task {
    wakes: Count,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.wakes.add();
    }
}

fn new_task() -> (TaskOf, Waker) {
    let task = Arc::<Task>::default();
    (TaskOf(Arc::downgrade(&task)), Waker::from(task))
}

impl<'a, T> ByHand<'a, T> {
    pub(crate) fn new(future: impl Future<Output = T> + 'a) -> Self {
        let (task, waker) = new_task();
        Self { future: Box::pin(future), task, waker }
    }

    /// As `new`, and polled once.
    pub(crate) fn polled(future: impl Future<Output = T> + 'a) -> Self {
        let mut polled = Self::new(future);
        assert!(polled.poll().is_pending());
        polled
    }

    pub(crate) fn poll(&mut self) -> Poll<T> {
        poll_with(self.future.as_mut(), &self.waker)
    }

    /// Polls once as another task would, which has no part in what is counted.
    pub(crate) fn poll_with(&mut self, waker: &Waker) -> Poll<T> {
        poll_with(self.future.as_mut(), waker)
    }

    /// Goes on in a new task, and is polled there. What is counted from now on is that task's.
    pub(crate) fn poll_elsewhere(&mut self) -> Poll<T> {
        (self.task, self.waker) = new_task();
        self.poll()
    }

    /// What it is ready with, now.
    pub(crate) fn ready(&mut self) -> T {
        match self.poll() {
            Poll::Ready(value) => value,
            Poll::Pending => panic!("it is pending"),
        }
    }

    /// Polls for as long as it is woken, as a task is.
    pub(crate) fn run(&mut self) -> Poll<T> {
        loop {
            let seen = self.wakes();
            match self.poll() {
                Poll::Pending if self.wakes() > seen => {}
                polled => return polled,
            }
        }
    }

    /// How often it was woken so far.
    pub(crate) fn wakes(&self) -> usize {
        self.task.0.upgrade().expect("it holds a waker itself").wakes.get()
    }

    /// How many clones of its waker are held by others.
    pub(crate) fn wakers(&self) -> usize {
        self.task.wakers() - 1
    }

    pub(crate) fn task(&self) -> TaskOf {
        self.task.clone()
    }
}

/// Polls `future` once. It may be a reference to one that lives on.
pub(crate) fn poll_with<F: Future>(future: F, waker: &Waker) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(waker))
}

/// As `poll_with`, with a waker that does nothing.
pub(crate) fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    poll_with(future, Waker::noop())
}
