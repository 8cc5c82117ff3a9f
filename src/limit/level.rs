use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::FusedFuture;

use super::queue::Queue;
use crate::{sync::Arc, wake::Listening};

/// Future made by [`Limit::wait_empty`](super::Limit::wait_empty), [`Limit::wait_idle`](super::Limit::wait_idle) and
/// [`Limit::wait_room`](super::Limit::wait_room): ready as soon as it finds it so.
///
/// What it waits for is a state, not an event: it isn't missed by one who comes late. But it may have passed again by the
/// time that whoever waited looks.
///
/// # Cancel safety
///
/// Dropping it does nothing to the limit.
#[must_use = "a future does nothing until it is awaited or polled"]
pub struct WaitLevel {
    queue: Arc<Queue>,
    goal: Goal,
    place: Option<Listening>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Goal {
    Empty,
    Idle,
    Room(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    New,
    /// The queue knows that somebody waits.
    Watching,
    Done,
}

impl WaitLevel {
    pub(super) const fn new(queue: Arc<Queue>, goal: Goal) -> Self {
        Self { queue, goal, place: None, stage: Stage::New }
    }

    fn end(&mut self) {
        self.place = None;
        if self.stage == Stage::Watching {
            Queue::watch(&self.queue, false);
        }
        self.stage = Stage::Done;
    }
}

impl Future for WaitLevel {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { queue, goal, place, stage } = &mut *self;
        if *stage == Stage::New {
            Queue::watch(queue, true);
            *stage = Stage::Watching;
        }
        ready!(queue.poll_level(place, cx, |waiting, active| match *goal {
            Goal::Empty => waiting == 0,
            Goal::Idle => waiting == 0 && active == 0,
            Goal::Room(most) => waiting < most,
        }));
        self.end();
        Poll::Ready(())
    }
}

impl FusedFuture for WaitLevel {
    fn is_terminated(&self) -> bool {
        self.stage == Stage::Done
    }
}

impl Drop for WaitLevel {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for WaitLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitLevel").field("goal", &self.goal).field("stage", &self.stage).finish()
    }
}
