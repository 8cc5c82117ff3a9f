//! The turn at the clean-up of a scope, which one has at a time.

use alloc::{boxed::Box, vec::Vec};
use core::{mem, time::Duration};

use super::{Tasks, kin::LeftTo};
use crate::{
    abort::{AbortReason, Aborted},
    owner::core::{Core, Deferred, Left, Member, Step},
    sync::Arc,
    time::{Instant, TimerHandle},
    wake::Panics,
};

pub(crate) type Deferral = Deferred<dyn Step + Send>;
type OnClose = Box<dyn FnOnce(&Core) + Send>;

/// What is to be done when all members have ended, the last one first.
#[derive(Default)]
pub(super) struct CleanUp {
    steps: Vec<Deferral>,
    /// A step that has begun, while nobody polls it.
    begun: Option<Deferral>,
    /// Somebody is at it.
    taken: bool,
    /// It has been done once, and nothing was left.
    closed: bool,
    /// When the close was first asked for.
    since: Option<Instant>,
    took: Option<Duration>,
    /// When it closed: whether it was aborted by then.
    aborted: Option<Result<(), Aborted>>,
    on_close: Vec<OnClose>,
}

impl CleanUp {
    /// Its turn is over.
    fn give_back(&mut self, begun: Option<Deferral>) {
        (self.taken, self.begun) = (false, begun);
    }
}

/// See [`Tasks::next_to_close`].
pub(crate) enum ToClose {
    Child(Arc<Core>),
    /// With the step that has begun, if any.
    Itself(Option<Deferral>),
}

impl Tasks {
    pub(crate) fn defer(&self, step: Deferral) {
        self.clean_up.with(|clean_up| clean_up.steps.push(step));
    }

    /// Calls `f` when it has closed; at once where it has.
    pub(crate) fn on_close(&self, core: &Core, f: OnClose) {
        let mut f = Some(f);
        self.clean_up.with(|clean_up| {
            if !clean_up.closed {
                clean_up.on_close.extend(f.take());
            }
        });
        if let Some(f) = f {
            f(core);
        }
    }

    /// Takes no more members from now on.
    pub(crate) fn begin_close(core: &Arc<Core>) {
        core.begin_close();
        let Some(tasks) = core.tasks() else { return };
        let now = core.own_timer().map(TimerHandle::now);
        tasks.clean_up.with(|clean_up| clean_up.since = clean_up.since.or(now));
    }

    /// How long the close took, if it was asked for and is done.
    pub(crate) fn took(&self) -> Option<Duration> {
        self.clean_up.with(|clean_up| clean_up.took)
    }

    /// Why it was aborted before it closed, if it was; until then, why it is.
    pub(crate) fn aborted(&self, core: &Core) -> Option<Aborted> {
        let kept = self.clean_up.with(|clean_up| clean_up.aborted.clone());
        kept.unwrap_or_else(|| core.abort.check()).err()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.clean_up.with(|clean_up| clean_up.closed)
    }

    /// It begins closed, and nothing was ever in it.
    pub(super) fn begin_closed(&self, core: &Core) {
        core.begin_close();
        let aborted = Some(core.abort.check());
        self.clean_up.with(|clean_up| (clean_up.closed, clean_up.aborted) = (true, aborted));
    }

    /// What is to be done next by one who closes the scope: a scope in it is to be closed first, and then it is to be
    /// cleaned up, once it is drained and nobody else is at that.
    pub(crate) fn next_to_close(&self, core: &Core) -> Option<ToClose> {
        match self.last_child() {
            Some(child) => Some(ToClose::Child(child)),
            None => self.take_turn(core).map(ToClose::Itself),
        }
    }

    /// Lets one who closes the scope do the clean-up, once it is drained and nobody else is at it:
    /// with the step that has begun, if any.
    fn take_turn(&self, core: &Core) -> Option<Option<Deferral>> {
        if core.members() > 0 {
            return None;
        }
        self.clean_up.with(|clean_up| {
            if mem::replace(&mut clean_up.taken, true) {
                return None;
            }
            Some(clean_up.begun.take())
        })
    }

    pub(crate) fn next_step(&self) -> Option<Deferral> {
        self.clean_up.with(|clean_up| clean_up.steps.pop())
    }

    fn next_step_if_sync(&self) -> Option<Deferral> {
        self.clean_up.with(|clean_up| {
            let is_sync = clean_up.steps.last().is_some_and(|next| next.step.is_sync());
            if is_sync { clean_up.steps.pop() } else { None }
        })
    }

    fn is_done(&self) -> bool {
        self.clean_up.with(|clean_up| clean_up.steps.is_empty())
    }

    /// Whoever did the clean-up goes, and leaves the step that it hasn't finished.
    pub(crate) fn give_turn_back(core: &Arc<Core>, begun: Option<Deferral>) {
        let Some(tasks) = core.tasks() else { return };
        tasks.clean_up.with(|clean_up| clean_up.give_back(begun));
        let mut panics = Panics::default();
        panics.run(|| tasks.changed.notify());
        if core.is_orphaned() {
            panics.run(|| Self::settle(core.clone()));
        }
        panics.resume();
    }

    /// All is done, and the turn at the clean-up over. Gives out the scope above, which is to be left.
    pub(crate) fn finish(core: &Arc<Core>, panics: &mut Panics) -> Option<Member> {
        let tasks = core.tasks()?;
        let now = core.own_timer().map(TimerHandle::now);
        let mut aborted = Some(core.abort.check());
        // It has closed when there is nobody left to be told: who waits for that finds all of them told.
        loop {
            let on_close = tasks.clean_up.with(|clean_up| {
                let took = clean_up.since.zip(now).map(|(since, now)| now - since);
                clean_up.took = clean_up.took.or(took);
                clean_up.aborted = clean_up.aborted.take().or_else(|| aborted.take());
                if clean_up.on_close.is_empty() {
                    (clean_up.closed, clean_up.taken) = (true, false);
                }
                mem::take(&mut clean_up.on_close)
            });
            if on_close.is_empty() {
                break;
            }
            panics.run_each(on_close, |f| f(core));
        }
        panics.run(|| tasks.changed.notify());
        panics.run(|| tasks.disarm(core));
        tasks.take_out(core)
    }

    /// The last handle is gone.
    pub(crate) fn orphan(core: &Arc<Core>) {
        let mut panics = Panics::default();
        // First, so that the last member finds the reason when it does the clean-up.
        panics.run(|| {
            core.abort.abort(AbortReason::ScopeEnded);
        });
        let has_no_member = core.orphan();
        // Nobody can close it any more.
        panics.run(|| core.tasks().into_iter().for_each(Self::settle_left));
        if has_no_member {
            panics.run(|| Self::settle(core.clone()));
        }
        panics.resume();
    }

    /// Cleans up where the last handle and the last member are gone, and then, perhaps, in the scopes above: one by
    /// one, for they may be nested deeper than the stack.
    pub(in crate::owner::core) fn settle(core: Arc<Core>) {
        let mut panics = Panics::default();
        let mut next = Some(core);
        while let Some(core) = next.take() {
            let above = Self::clean_up_orphan(&core, &mut panics);
            next = above.and_then(|member| member.leave(&mut panics));
        }
        panics.resume();
    }

    /// What is sync of the clean-up is run; what is async is left, along with what comes after it, to who closes the
    /// scope or one above, or to a reaper, or is dropped. Gives out the scope above, which is to be left.
    fn clean_up_orphan(core: &Arc<Core>, panics: &mut Panics) -> Option<Member> {
        let tasks = core.tasks()?;
        let mut begun = tasks.take_turn(core)?;
        loop {
            while begun.is_none() {
                let Some(step) = tasks.next_step_if_sync() else { break };
                core.clean_up_now(step);
            }
            if begun.is_none() && tasks.is_done() {
                return Self::finish(core, panics);
            }
            // First, so that they find it.
            tasks.clean_up.with(|clean_up| clean_up.give_back(begun.take()));
            if Self::leave_to(LeftTo::Closer, core) {
                panics.run(|| tasks.changed.notify());
                return None;
            }
            if let Some(reaper) = Left::of(tasks.reaper.as_ref()) {
                panics.run(|| reaper.take_over(core.clone()));
                return None;
            }
            if Self::leave_to(LeftTo::NextCloser, core) {
                // One may have begun meanwhile, and have looked before.
                panics.run(|| tasks.changed.notify());
                return None;
            }
            // Whoever has the turn meanwhile does the same, or better.
            begun = tasks.take_turn(core)?;
            if let Some(step) = begun.take().or_else(|| tasks.next_step()) {
                core.clean_up_unpolled(step);
            }
        }
    }
}
