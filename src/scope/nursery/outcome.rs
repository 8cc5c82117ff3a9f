//! What a nursery comes to, as its body and its children end.

use super::{
    child::{Child, Ended},
    shared::{ChildOf, Family},
};
use crate::{
    abort::{AbortReason, Aborted, Position},
    owner::core::{Core, Count, FailureKind},
    wake::{Panic, Panics, discard, message},
};

pub(super) struct Outcome<F: Family> {
    /// What went wrong first.
    pub(super) first: Option<First<F::Error>>,
    /// Children that have run. They are counted here, since most are, and told at the end.
    pub(super) ran: usize,
}

/// The first failure, which is the result.
pub(super) enum First<E> {
    /// The body's error, which is in what that returned.
    Body,
    /// A child's.
    Error(E),
    Panic(Panic),
}

impl<F: Family> Default for Outcome<F> {
    fn default() -> Self {
        Self { first: None, ran: 0 }
    }
}

impl<F: Family> Outcome<F> {
    /// A child has ended by itself.
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
            Ended::NeverStarted => core.tally.add(Count::NeverStarted),
            Ended::Failed(error, text) => {
                core.tally.add(Count::Failed);
                let mut panics = Panics::default();
                match self.first {
                    None => self.first = Some(First::Error(error)),
                    Some(_) => panics.run(|| drop(error)),
                }
                core.abort_for_failure(child.name().cloned(), &text);
                panics.run(|| child.as_mut().tell(&core.refusal()));
                self.note_panics_of(core, &child, panics);
            }
        }
    }

    /// A child has panicked, and is dropped if it has not ended yet. Its handle is told so, unless it is told `why`
    /// it has ended.
    #[cold]
    pub(super) fn panicked(
        &mut self,
        core: &Core,
        mut child: ChildOf<F>,
        panic: Panic,
        why: Option<&Aborted>,
    ) {
        core.tally.add(Count::Failed);
        let aborted = why.cloned().unwrap_or_else(|| {
            let (who, message) = (child.name().cloned(), message(&panic));
            Aborted::of(AbortReason::Panicked { who, message }, None, Position::Above)
        });
        self.note_panic(core, Some(&child), panic);
        self.tell(core, &mut child, &aborted);
    }

    /// Drops `children`, which are counted so, and tells their handles why.
    pub(super) fn drop_each(
        &mut self,
        core: &Core,
        children: impl IntoIterator<Item = ChildOf<F>>,
        count: Count,
        aborted: &Aborted,
    ) {
        for mut child in children {
            core.tally.add(count);
            self.tell(core, &mut child, aborted);
        }
    }

    fn tell(&mut self, core: &Core, child: &mut ChildOf<F>, aborted: &Aborted) {
        let mut panics = Panics::default();
        panics.run(|| child.as_mut().tell(aborted));
        self.note_panics_of(core, child, panics);
    }

    fn note_panics_of(&mut self, core: &Core, child: &ChildOf<F>, panics: Panics) {
        if let Some(panic) = panics.into_first() {
            self.note_panic(core, Some(child), panic);
        }
    }

    /// Of the body, or of nobody.
    pub(super) fn note_panics(&mut self, core: &Core, panics: Panics) {
        if let Some(panic) = panics.into_first() {
            self.note_panic(core, None, panic);
        }
    }

    /// Something of that child has panicked, or of the body. It isn't counted here: it may not be the first thing that
    /// becomes of the child.
    pub(super) fn note_panic(&mut self, core: &Core, child: Option<&ChildOf<F>>, panic: Panic) {
        let who = child.and_then(|child| child.name().cloned());
        if child.is_some_and(|child| child.is_background()) {
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
