//! What a nursery comes to, as its body and its children end.

use super::{
    child::{Child, Ended},
    shared::{ChildOf, Family},
};
use crate::{
    abort::{AbortReason, Aborted, Name, Position},
    owner::core::{Core, Count, FailureKind},
    wake::{Panic, Panics, caught, discard, message},
};

pub(super) struct Outcome<F: Family> {
    /// What went wrong first.
    pub(super) first: Option<First<F::Error>>,
    /// Children that have run. They are counted here, since most are, and told at the end.
    pub(super) ran: usize,
}

/// The first failure, which is the result.
pub(super) enum First<E> {
    Error(E),
    Panic(Panic),
}

impl<F: Family> Default for Outcome<F> {
    fn default() -> Self {
        Self { first: None, ran: 0 }
    }
}

impl<F: Family> Outcome<F> {
    /// A child has ended by itself; what is left of it is dropped. That is foreign code, whose panic the caller catches.
    #[inline]
    pub(super) fn ended(&mut self, core: &Core, child: ChildOf<F>, ended: Ended<F::Error>) {
        match ended {
            Ended::Ran => {
                self.ran += 1;
                drop(child);
            }
            other => self.ended_otherwise(core, child, other),
        }
    }

    #[cold]
    fn ended_otherwise(&mut self, core: &Core, mut child: ChildOf<F>, ended: Ended<F::Error>) {
        match ended {
            Ended::Ran => {}
            Ended::Aborted => core.tally.add(Count::Aborted),
            Ended::Failed(error, text) => {
                core.tally.add(Count::Failed);
                if self.first.is_none() {
                    self.first = Some(First::Error(error));
                }
                core.abort_for_failure(child.name().cloned(), &text);
                child.as_mut().tell(&core.refusal());
            }
        }
    }

    /// A child has panicked. Its handle is told so, unless it is told `why` it has ended.
    #[cold]
    pub(super) fn panicked(
        &mut self,
        core: &Core,
        mut child: ChildOf<F>,
        panic: Panic,
        why: Option<&Aborted>,
    ) {
        let who = child.name().cloned();
        match why {
            Some(aborted) => {
                self.note_panic(core, who, child.is_background(), panic);
                child.as_mut().tell(aborted);
            }
            None => {
                let reason = AbortReason::Panicked { who: who.clone(), message: message(&panic) };
                self.note_panic(core, who, child.is_background(), panic);
                child.as_mut().tell(&Aborted::of(reason, None, Position::Above));
            }
        }
        if let Err(panic) = caught(|| drop(child)) {
            self.note_panic(core, None, false, panic);
        }
    }

    pub(super) fn note_panics(&mut self, core: &Core, panics: Panics) {
        if let Some(panic) = panics.into_first() {
            self.note_panic(core, None, false, panic);
        }
    }

    pub(super) fn note_panic(
        &mut self,
        core: &Core,
        who: Option<Name>,
        is_background: bool,
        panic: Panic,
    ) {
        core.tally.add(Count::Failed);
        if is_background {
            core.note(FailureKind::Panicked, who, message(&panic));
            discard(panic);
            return;
        }
        core.abort_for_panic(who, &panic);
        match self.first {
            None => self.first = Some(First::Panic(panic)),
            Some(_) => discard(panic),
        }
    }
}
