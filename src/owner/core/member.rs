use core::fmt;

use super::{CLOSING, Core, Count, ONE, ORPHANED, Tasks};
use crate::{
    abort::{AbortReason, Aborted, Name, Position},
    sync::{Arc, atomic::Ordering},
    wake::Panics,
};

/// Membership of a scope: its owner counts it from when it is made until it is dropped.
pub(crate) struct Member {
    pub(crate) core: Arc<Core>,
    /// The scope took no more members.
    refused: bool,
    stage: Stage,
    /// Among those that have a name, if it has one.
    place: Option<usize>,
}

/// How far a member has got.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Stage {
    New,
    Begun,
    Ending,
    Ended(Outcome),
}

/// How a member that had begun has ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Outcome {
    Ran,
    Failed,
    Aborted,
}

impl Member {
    pub(crate) fn new(core: &Arc<Core>, name: Option<&Name>) -> Self {
        let joined = core.members.fetch_update(Ordering::AcqRel, Ordering::Acquire, |members| {
            (members & CLOSING == 0).then_some(members + ONE)
        });
        let refused = joined.is_err();
        let place = match (refused, name, core.tasks()) {
            (false, Some(name), Some(tasks)) => Some(tasks.enlist(name)),
            _ => None,
        };
        Self { core: core.clone(), refused, stage: Stage::New, place }
    }

    /// Why it may not start, if the scope took no more members.
    #[inline]
    pub(crate) fn refusal(&self) -> Option<Aborted> {
        if self.refused { Some(self.core.refusal()) } else { None }
    }

    /// Notes how far it has got.
    #[inline]
    pub(crate) fn reach(&mut self, stage: Stage) {
        if self.stage != stage {
            self.stage = stage;
            if let (Some(place), Some(tasks)) = (self.place, self.core.tasks()) {
                tasks.reach(place, stage);
            }
        }
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.stage != Stage::New
    }
}

impl Core {
    /// Why it takes no more members.
    pub(crate) fn refusal(&self) -> Aborted {
        match self.abort.check() {
            Err(aborted) => aborted.at(Position::Above),
            Ok(()) => Aborted::of(AbortReason::ScopeEnded, self.name.clone(), Position::Above),
        }
    }

    /// One member less. What it has done is done by now. Tells whether nobody has the scope any more.
    fn leave(&self, panics: &mut Panics) -> bool {
        let left = self.members.fetch_sub(ONE, Ordering::AcqRel) - ONE;
        match self.tasks() {
            _ if left >= ONE => false,
            None => {
                panics.run(|| self.queue.notify());
                false
            }
            Some(_) if left & CLOSING == 0 => false,
            Some(tasks) => {
                panics.run(|| tasks.changed.notify());
                left & ORPHANED != 0
            }
        }
    }
}

impl Member {
    /// It leaves; gives out the scope if nobody has that any more.
    pub(super) fn leave(mut self, panics: &mut Panics) -> Option<Arc<Core>> {
        let last = self.strike() && self.core.leave(panics);
        last.then(|| self.core.clone())
    }

    /// Counts how it has ended, and takes it off the list. Tells whether it was on it.
    fn strike(&mut self) -> bool {
        if core::mem::replace(&mut self.refused, true) {
            return false;
        }
        self.core.tally.add(match self.stage {
            Stage::New => Count::NeverStarted,
            Stage::Begun | Stage::Ending => Count::Dropped,
            Stage::Ended(Outcome::Ran) => Count::Ran,
            Stage::Ended(Outcome::Failed) => Count::Failed,
            Stage::Ended(Outcome::Aborted) => Count::Aborted,
        });
        if let (Some(place), Some(tasks)) = (self.place, self.core.tasks()) {
            tasks.strike(place);
        }
        true
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if !self.strike() {
            return;
        }
        let mut panics = Panics::default();
        if self.core.leave(&mut panics) {
            panics.run(|| Tasks::settle(self.core.clone()));
        }
        panics.resume();
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member")
            .field("scope", &self.core)
            .field("refused", &self.refused)
            .field("stage", &self.stage)
            .finish()
    }
}
