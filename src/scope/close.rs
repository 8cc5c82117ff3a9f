//! Closing a scope: by itself, within a time, or along with the scopes around it.

use alloc::vec::Vec;
use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_core::FusedFuture;

use super::{Report, Scope, StillOpen};
use crate::{
    owner::{
        Lent,
        core::{Closer, Core, Deferral, Tasks, ToClose},
    },
    sync::Arc,
    time::Sleep,
    wake::{Listening, Panics, survived},
};

/// Closes a scope, and those below it first: a list of those that are being closed, and no recursion, for they may be
/// nested deeper than the stack.
pub(super) struct Closing {
    /// The innermost last.
    turns: Vec<Turn>,
    // Dropped after them: what they leave unfinished is left to it once more.
    closer: Option<Closer>,
}

/// One scope that is being closed.
struct Turn {
    core: Arc<Core>,
    stage: Stage,
}

enum Stage {
    /// Waiting until the scope is drained and nobody else is at the clean-up.
    Waiting(Option<Listening>),
    /// At the clean-up, with the step that has begun.
    CleaningUp(Option<Deferral>),
}

impl Turn {
    const fn new(core: Arc<Core>) -> Self {
        Self { core, stage: Stage::Waiting(None) }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Stage::CleaningUp(begun) = &mut self.stage {
            Tasks::give_turn_back(&self.core, begun.take());
        }
    }
}

impl Closing {
    pub(super) const fn new() -> Self {
        Self { turns: Vec::new(), closer: None }
    }

    fn is_at_it(&self) -> bool {
        self.turns.iter().any(|turn| matches!(turn.stage, Stage::CleaningUp(_)))
    }

    pub(super) fn poll(&mut self, core: &Arc<Core>, cx: &mut Context<'_>) -> Poll<Report> {
        if self.turns.is_empty() {
            self.closer = Some(Closer::new(core));
            self.turns.push(Turn::new(core.clone()));
        }
        while let Some(turn) = self.turns.last_mut() {
            let Some(tasks) = turn.core.tasks() else { break };
            if let Stage::Waiting(place) = &mut turn.stage {
                let next = || tasks.next_to_close(&turn.core);
                match ready!(tasks.changed.poll_until(place, cx, next)) {
                    ToClose::Child(child) => {
                        // It may have come since the others were told.
                        Tasks::begin_close(&child);
                        self.turns.push(Turn::new(child));
                        continue;
                    }
                    ToClose::Itself(begun) => turn.stage = Stage::CleaningUp(begun),
                }
            }
            if let Stage::CleaningUp(begun) = &mut turn.stage {
                let next = || tasks.next_step();
                ready!(turn.core.poll_clean_up(begun, next, cx, Lent::ROOT));
            }
            let mut panics = Panics::default();
            // From here on it is nobody's turn.
            turn.stage = Stage::Waiting(None);
            let above = Tasks::finish(&turn.core, &mut panics);
            panics.run(|| drop(above));
            // Of what those do who are told there is nobody to be told.
            survived(|| panics.resume());
            self.turns.pop();
        }
        Poll::Ready(Report::of(core))
    }
}

/// Future made by [`Scope::close`].
///
/// # Panics
///
/// When it is polled after it was ready.
///
/// # Cancel safety
///
/// Dropping it leaves the scope closing, and a clean-up that has begun where it is: the next `close()` goes on from
/// there, also in the scopes below. One that is [forgotten](core::mem::forget) while it cleans up keeps the others
/// waiting.
#[must_use = "a future does nothing until it is awaited or polled"]
pub struct Close {
    // Dropped first: a turn is given back while there is a handle.
    closing: Option<Closing>,
    scope: Scope,
}

impl Close {
    pub(super) const fn new(scope: Scope) -> Self {
        Self { scope, closing: Some(Closing::new()) }
    }
}

impl Future for Close {
    type Output = Report;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Report> {
        let Self { scope, closing } = &mut *self;
        let at_it = closing.as_mut().expect("`Close` polled after completion");
        let report = ready!(at_it.poll(scope.core(), cx));
        *closing = None;
        Poll::Ready(report)
    }
}

impl FusedFuture for Close {
    fn is_terminated(&self) -> bool {
        self.closing.is_none()
    }
}

impl fmt::Debug for Close {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match &self.closing {
            None => "done",
            Some(closing) if closing.is_at_it() => "cleaning up",
            Some(_) => "waiting",
        };
        f.debug_struct("Close").field("scope", &self.scope).field("stage", &stage).finish()
    }
}

/// Future made by [`Scope::close_within`].
///
/// # Panics
///
/// When it is polled after it was ready.
///
/// # Cancel safety
///
/// As that of [`Close`].
#[must_use = "a future does nothing until it is awaited or polled"]
#[derive(Debug)]
pub struct CloseWithin {
    close: Close,
    within: Duration,
    sleep: Option<Sleep>,
}

impl CloseWithin {
    pub(super) const fn new(scope: Scope, within: Duration) -> Self {
        Self { close: Close::new(scope), within, sleep: None }
    }
}

impl Future for CloseWithin {
    type Output = Result<Report, StillOpen>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        assert!(!self.is_terminated(), "`CloseWithin` polled after completion");
        let Self { close, within, sleep } = &mut *self;
        if let Poll::Ready(report) = Pin::new(&mut *close).poll(cx) {
            *sleep = None;
            return Poll::Ready(Ok(report));
        }
        // Without a timer nobody could tell when the time is over: it is.
        if let Some(timer) = close.scope.core().own_timer() {
            let sleep = sleep.get_or_insert_with(|| timer.sleep(*within));
            ready!(Pin::new(sleep).poll(cx));
        }
        (close.closing, *sleep) = (None, None);
        Poll::Ready(Err(StillOpen::of(close.scope.core())))
    }
}

impl FusedFuture for CloseWithin {
    fn is_terminated(&self) -> bool {
        self.close.is_terminated()
    }
}

/// Future made by [`Scope::closed`].
///
/// # Panics
///
/// When it is polled after it was ready.
///
/// # Cancel safety
///
/// Dropping it has no effect.
#[must_use = "a future does nothing until it is awaited or polled"]
pub struct Closed {
    core: Arc<Core>,
    place: Option<Listening>,
    done: bool,
}

impl Closed {
    pub(super) const fn new(core: Arc<Core>) -> Self {
        Self { core, place: None, done: false }
    }
}

impl Future for Closed {
    type Output = Report;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Report> {
        let Self { core, place, done } = &mut *self;
        assert!(!*done, "`Closed` polled after completion");
        if let Some(tasks) = core.tasks() {
            ready!(tasks.changed.poll_until(place, cx, || tasks.is_closed().then_some(())));
        }
        *done = true;
        Poll::Ready(Report::of(core))
    }
}

impl FusedFuture for Closed {
    fn is_terminated(&self) -> bool {
        self.done
    }
}

impl fmt::Debug for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closed").field("scope", &self.core).field("done", &self.done).finish()
    }
}
