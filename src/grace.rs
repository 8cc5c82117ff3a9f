//! `.with_grace()` and `.shielded()`: what stands before them has time to end.
//!
//! An abort drops a plain future at once. That is right for most: what it holds is given back by being dropped. One
//! that has a last word to say, to finish a message or to save where it was, is given time for it:
//!
//! | | once it is to end |
//! |---|---|
//! | [`with_grace`](crate::OwnedFuture::with_grace) | it is told, and runs on for so long |
//! | [`shielded`](crate::OwnedFuture::shielded) | it isn't told, and runs on for so long |
//!
//! and is dropped then. Whoever ends it waits for that, be it a timeout, a scope or a handle; what it was ended for
//! is the result, and a value that it comes to meanwhile is dropped.
//!
//! ```
//! use std::time::Duration;
//! use tenure::{Owner, OwnedFuture, time::TestClock};
//!
//! const SECOND: Duration = Duration::from_secs(1);
//!
//! let clock = TestClock::new();
//! let (mut served, mut saved) = (0, false);
//! let serving = async {
//!     let owner = Owner::current().unwrap();
//!     while !owner.is_aborted() {
//!         clock.sleep(4 * SECOND).await;
//!         served += 1;
//!     }
//!     saved = true;
//! };
//! let serving = serving.with_grace(3 * SECOND).with_timeout(10 * SECOND).with_timer(&clock);
//!
//! let aborted = smol::block_on(clock.watch(serving)).unwrap_err();
//! assert_eq!(aborted.to_string(), "timed out after 10s");
//! assert_eq!(clock.elapsed(), 12 * SECOND); // it was not cut off in the midst of it
//! assert_eq!((served, saved), (3, true));
//! ```
//!
//! # What it is told by
//!
//! Its handle, [`Owner::is_aborted`](crate::Owner::is_aborted) and its like, and what waits by its owner:
//! [`Owner::sleep`](crate::Owner::sleep), `checkpoint()`. A scope or a nursery in it is aborted, too.
//! A retry makes no further attempt, and what waits for a permit gets none. Until the time is over, it may begin
//! what it likes, and its [deadline](crate::Owner::deadline) is the end of that time.
//!
//! What is dropped by hand, or by a `select!`, has no time.

use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use pin_project::pin_project;

use crate::{
    abort::{Aborted, Name},
    operation::{Operation, Repeat},
    owner::{Holding, Lent, Link, Reprieve},
    time::Sleep,
};

/// Operation made by [`OwnedFuture::with_grace`](crate::OwnedFuture::with_grace) and
/// [`OwnedFuture::shielded`](crate::OwnedFuture::shielded).
#[pin_project]
#[derive(Debug)]
pub struct Grace<O> {
    #[pin]
    op: O,
    most: Duration,
    manner: Manner,
}

#[derive(Clone, Copy, Debug)]
enum Manner {
    Tell,
    Shield,
}

/// What a [`Grace`] keeps while it runs.
#[pin_project]
pub struct GraceState<S> {
    #[pin]
    inner: S,
    run: Run,
}

#[derive(Default)]
struct Run {
    stage: Stage,
    reprieve: Reprieve,
    holding: Holding,
}

#[derive(Debug, Default)]
enum Stage {
    #[default]
    New,
    Running,
    /// It is to end, and has time for it.
    Given(Sleep),
    /// Its time is over.
    Ending,
}

impl<O> Grace<O> {
    pub(crate) const fn told(op: O, most: Duration) -> Self {
        Self { op, most, manner: Manner::Tell }
    }

    pub(crate) const fn shielded(op: O, most: Duration) -> Self {
        Self { op, most, manner: Manner::Shield }
    }
}

impl<S: Default> Default for GraceState<S> {
    fn default() -> Self {
        Self { inner: S::default(), run: Run::default() }
    }
}

impl Run {
    const fn link(&self, manner: Manner) -> Link<'_> {
        match manner {
            Manner::Tell => Link::Grace(&self.reprieve),
            Manner::Shield => Link::Shield(&self.reprieve),
        }
    }

    /// What ran has ended: makes it as new.
    fn poll_end(&mut self, lent: &Lent<'_>) -> Poll<()> {
        (self.stage, self.reprieve) = (Stage::New, Reprieve::default());
        self.holding.poll_end(lent)
    }

    /// Begins the time that it is given, if that can be measured.
    fn give(&mut self, most: Duration, manner: Manner, lent: &Lent<'_>, aborted: &Aborted) {
        let Some(timer) = lent.timer() else {
            self.stage = Stage::Ending;
            return;
        };
        let sleep = timer.sleep(most);
        self.reprieve.give(aborted, sleep.deadline());
        if let Manner::Tell = manner {
            self.reprieve.tell(aborted);
        }
        self.stage = Stage::Given(sleep);
    }
}

impl<O: Operation> Operation for Grace<O> {
    type Output = O::Output;
    type State = GraceState<O::State>;

    fn poll(
        self: Pin<&mut Self>,
        mut state: Pin<&mut Self::State>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
    ) -> Poll<Result<O::Output, Aborted>> {
        if let Some(aborted) = ready!(state.as_mut().project().run.holding.poll_told(lent)) {
            // Pending for good, once that is done.
            _ = self.poll_abort(state, cx, lent, &aborted);
            return Poll::Pending;
        }
        let (this, parts) = (self.project(), state.project());
        if let Stage::New = parts.run.stage {
            parts.run.stage = Stage::Running;
        }
        let polled = this.op.poll(parts.inner, cx, &lent.with(parts.run.link(*this.manner)));
        match polled {
            Poll::Pending => parts.run.holding.keep(cx, lent),
            Poll::Ready(_) => *parts.run = Run::default(),
        }
        polled
    }

    fn poll_abort(
        self: Pin<&mut Self>,
        state: Pin<&mut Self::State>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
        aborted: &Aborted,
    ) -> Poll<()> {
        let mut this = self.project();
        let mut state = state.project();
        let run = state.run;
        let waker = ready!(run.holding.poll_waker(cx.waker(), lent));
        let cx = &mut Context::from_waker(&waker);
        match run.stage {
            Stage::New => run.stage = Stage::Ending,
            Stage::Running => run.give(*this.most, *this.manner, lent, aborted),
            Stage::Given(_) | Stage::Ending => {}
        }
        if let Stage::Given(_) = run.stage {
            let below = lent.with(run.link(*this.manner));
            let polled = this.op.as_mut().poll(state.inner.as_mut(), cx, &below);
            if polled.is_ready() {
                // A value that comes now comes too late.
                drop(polled);
                return run.poll_end(lent);
            }
            if let Stage::Given(sleep) = &mut run.stage {
                ready!(Pin::new(sleep).poll(cx));
            }
            lent.note_overrun(this.op.name());
            run.stage = Stage::Ending;
        }
        let below = lent.with(run.link(*this.manner));
        ready!(this.op.poll_abort(state.inner, cx, &below, aborted));
        run.poll_end(lent)
    }

    fn name(&self) -> Option<&Name> {
        self.op.name()
    }
}

#[diagnostic::do_not_recommend]
impl<O: Repeat> Repeat for Grace<O> {}

impl<S> fmt::Debug for GraceState<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraceState").field("stage", &self.run.stage).finish_non_exhaustive()
    }
}
