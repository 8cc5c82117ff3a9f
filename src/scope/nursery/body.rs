//! The body of a nursery, which is polled among its children.

use core::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use super::{
    judges::{Judges, sealed},
    outcome::{First, Outcome},
    shared::Family,
};
use crate::{
    abort::Aborted,
    operation::LeafState,
    owner::{Lent, core::Core},
    wake::{Panics, caught},
};

/// The part of a nursery that is the body's.
pub(super) struct Body<'a, Fut: Future> {
    pub(super) future: Pin<&'a mut Option<Fut>>,
    pub(super) leaf: &'a mut LeafState,
    pub(super) output: &'a mut Option<Fut::Output>,
    pub(super) stage: &'a mut BodyStage,
}

#[derive(Default, PartialEq)]
pub(super) enum BodyStage {
    #[default]
    Running,
    /// It has returned; was the nursery aborted by then?
    Returned { aborted: bool },
    /// It has come to nothing.
    Gone,
}

impl<Fut: Future> Body<'_, Fut> {
    pub(super) fn is_running(&self) -> bool {
        *self.stage == BodyStage::Running
    }

    /// Polls it, and tells whether it has ended.
    pub(super) fn poll<F>(
        &mut self,
        core: &Core,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
        outcome: &mut Outcome<F>,
    ) -> bool
    where
        F: Family<Error: Judges<Fut::Output>>,
    {
        let Some(future) = self.future.as_mut().as_pin_mut() else { return true };
        let polled = match caught(|| self.leaf.poll(future, cx, lent)) {
            Ok(Poll::Pending) => return false,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(panic) => Err(panic),
        };
        let aborted = core.abort.is_aborted();
        let mut panics = Panics::default();
        match polled {
            Err(panic) => {
                *self.stage = BodyStage::Gone;
                panics.keep(panic);
            }
            Ok(output) => {
                *self.stage = BodyStage::Returned { aborted };
                panics.run(|| {
                    if let Some(text) = <F::Error as sealed::Judges<_>>::failure(&output) {
                        // It is kept, whatever comes after it.
                        *self.stage = BodyStage::Returned { aborted: true };
                        outcome.first.get_or_insert(First::Body);
                        core.abort_for_failure(None, &text);
                    }
                });
                *self.output = Some(output);
            }
        }
        self.drop(&mut panics);
        outcome.note_panics(core, panics);
        true
    }

    /// The nursery is aborted: what it has returned before that comes to nothing.
    pub(super) fn drop_output<F: Family>(&mut self, core: &Core, outcome: &mut Outcome<F>) {
        if *self.stage != (BodyStage::Returned { aborted: true }) {
            let mut panics = Panics::default();
            panics.run(|| *self.output = None);
            outcome.note_panics(core, panics);
        }
    }

    /// Ends it, and tells whether it takes its time.
    pub(super) fn poll_abort<F: Family>(
        &mut self,
        core: &Core,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
        aborted: &Aborted,
        outcome: &mut Outcome<F>,
    ) -> bool {
        let ended = caught(|| self.leaf.poll_abort(self.future.as_mut(), cx, lent, aborted));
        if let Ok(Poll::Pending) = ended {
            return true;
        }
        *self.stage = BodyStage::Gone;
        if let Err(panic) = ended {
            let mut panics = Panics::default();
            panics.keep(panic);
            self.drop(&mut panics);
            outcome.note_panics(core, panics);
        }
        false
    }

    /// Drops the future, if that is still there.
    #[inline]
    pub(super) fn drop(&mut self, panics: &mut Panics) {
        let dropped = caught(|| {
            self.future.set(None);
            self.leaf.clear();
        });
        if let Err(panic) = dropped {
            panics.keep(panic);
            panics.run(|| self.leaf.clear());
        }
    }
}
