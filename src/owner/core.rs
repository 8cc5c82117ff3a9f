//! What a scope shares with all that it owns.

use alloc::{boxed::Box, vec::Vec};
use core::{fmt, future::Future, pin::Pin};

use crate::{
    abort::{AbortHandle, AbortReason, Aborted, Name, Position},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::TimerHandle,
    wake::{Level, Panics},
};

/// The heart of a scope. Lives as long as the scope or anything that it owns.
pub(crate) struct Core {
    pub(crate) name: Name,
    pub(crate) abort: AbortHandle,
    pub(crate) timer: Option<TimerHandle>,
    /// `ONE` for each member, and the bits `CLOSING` and `ORPHANED`.
    ///
    /// AcqRel where it changes: what a member did before it left is seen by whoever then finds the
    /// scope drained.
    members: AtomicUsize,
    /// Told when the scope is drained, and when a turn at the clean-up is over.
    pub(crate) changed: Level,
    clean_up: Mutex<CleanUp>,
}

/// Takes no more members.
const CLOSING: usize = 1;
/// The last handle is gone: the last member does the clean-up.
const ORPHANED: usize = 2;
const ONE: usize = 4;

/// What is to be done when all members have ended, the last one first.
#[derive(Default)]
pub(crate) struct CleanUp {
    pub(crate) steps: Vec<Step>,
    /// A step that has begun, while nobody polls it.
    pub(crate) begun: Option<Begun>,
    /// Somebody is at it.
    pub(crate) taken: bool,
    pub(crate) done: Done,
}

/// What has been done of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Done {
    pub(crate) steps: usize,
    pub(crate) overran: usize,
    pub(crate) panicked: usize,
}

pub(crate) type Begun = Pin<Box<dyn Future<Output = Result<(), Aborted>> + Send>>;

/// One piece of deferred clean-up, told why the scope was aborted, if it was.
pub(crate) enum Step {
    Now(Box<dyn FnOnce(Option<Aborted>) + Send>),
    Later(Box<dyn FnOnce(Option<Aborted>) -> Begun + Send>),
}

impl Core {
    pub(crate) fn new(name: Name, timer: Option<TimerHandle>) -> Self {
        Self {
            abort: AbortHandle::named(name.clone()),
            name,
            timer,
            members: AtomicUsize::new(0),
            changed: Level::default(),
            clean_up: Mutex::new(CleanUp::default()),
        }
    }

    pub(crate) fn clean_up<R>(&self, f: impl FnOnce(&mut CleanUp) -> R) -> R {
        self.clean_up.with(f)
    }

    pub(crate) fn members(&self) -> usize {
        self.members.load(Ordering::Acquire) / ONE
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.members.load(Ordering::Acquire) & CLOSING != 0
    }

    /// Takes no more members from now on.
    pub(crate) fn begin_close(&self) {
        self.members.fetch_or(CLOSING, Ordering::AcqRel);
    }

    /// The last handle is gone.
    pub(crate) fn orphan(&self) {
        let mut panics = Panics::default();
        // First, so that the last member finds the reason when it does the clean-up.
        panics.run(|| {
            self.abort.abort(AbortReason::ScopeEnded);
        });
        let before = self.members.fetch_or(CLOSING | ORPHANED, Ordering::AcqRel);
        if before < ONE {
            panics.run(|| self.clean_up_now());
        }
        panics.resume();
    }

    /// Lets one who closes the scope do the clean-up, once it is drained and nobody else is at it:
    /// with the step that has begun, if any.
    pub(crate) fn take_turn(&self) -> Option<Option<Begun>> {
        if self.members() > 0 {
            return None;
        }
        self.clean_up.with(|clean_up| {
            if core::mem::replace(&mut clean_up.taken, true) {
                return None;
            }
            Some(clean_up.begun.take())
        })
    }

    pub(crate) fn next_step(&self) -> Option<Step> {
        self.clean_up.with(|clean_up| clean_up.steps.pop())
    }

    /// Whoever did the clean-up goes, and leaves the step that it hasn't finished.
    pub(crate) fn give_turn_back(&self, begun: Option<Begun>) -> Done {
        let done = self.clean_up.with(|clean_up| {
            clean_up.taken = false;
            clean_up.begun = begun;
            clean_up.done
        });
        self.changed.notify();
        done
    }

    /// Runs what is sync of the clean-up; what is async is dropped.
    fn clean_up_now(&self) {
        let reason = self.abort.check().err();
        let mut panics = Panics::default();
        while let Some(step) = self.next_step() {
            panics.run(|| match step {
                Step::Now(step) => step(reason.clone()),
                Step::Later(step) => drop(step),
            });
        }
        panics.resume();
    }
}

/// Membership of a scope: its owner counts it from when it is made until it is dropped.
pub(crate) struct Member {
    pub(crate) core: Arc<Core>,
    /// The scope took no more members.
    pub(crate) refused: bool,
}

impl Member {
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        let joined = core.members.fetch_update(Ordering::AcqRel, Ordering::Acquire, |members| {
            (members & CLOSING == 0).then_some(members + ONE)
        });
        Self { core: core.clone(), refused: joined.is_err() }
    }

    /// Why it may not start, if the scope took no more members.
    pub(crate) fn refusal(&self) -> Option<Aborted> {
        self.refused.then(|| match self.core.abort.check() {
            Err(aborted) => aborted.at(Position::Above),
            Ok(()) => {
                let name = Some(self.core.name.clone());
                Aborted::of(AbortReason::ScopeEnded, name, Position::Above)
            }
        })
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if self.refused {
            return;
        }
        let left = self.core.members.fetch_sub(ONE, Ordering::AcqRel) - ONE;
        if left >= ONE || left & CLOSING == 0 {
            return;
        }
        let mut panics = Panics::default();
        panics.run(|| self.core.changed.notify());
        if left & ORPHANED != 0 {
            panics.run(|| self.core.clean_up_now());
        }
        panics.resume();
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member").field("scope", &self.core).field("refused", &self.refused).finish()
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("name", &self.name)
            .field("abort", &self.abort)
            .field("members", &self.members())
            .field("closing", &self.is_closing())
            .finish()
    }
}
