//! The scopes around a scope: the one above, of which it is a member, and those in it.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec::Vec,
};
use core::mem;

use super::Tasks;
use crate::{
    abort::Name,
    owner::core::{Core, Count, Failure, FailureKind, Member, Outcome, Stage},
    sync::{Arc, Weak},
    wake::{Panics, survived},
};

#[derive(Default)]
pub(super) struct Kin {
    parent: Option<Parent>,
    /// Those that have not closed, in the order in which they came.
    children: BTreeMap<u64, Weak<Core>>,
    came: u64,
    /// How many are closing it.
    closers: usize,
    /// Those below of which nobody has a handle any more, and which those will close, or those who come after them.
    left: Vec<Arc<Core>>,
}

/// The scope above, of which this one is a member until it has closed.
struct Parent {
    member: Member,
    /// Its own place among the children.
    number: u64,
}

/// Somebody who closes a scope, and all those below.
pub(crate) struct Closer(Arc<Core>);

impl Closer {
    /// From now on they take no more members, and those that are left below with clean-up to be polled are left to this
    /// one.
    pub(crate) fn new(core: &Arc<Core>) -> Self {
        if let Some(tasks) = core.tasks() {
            tasks.kin.with(|kin| kin.closers += 1);
        }
        Tasks::family(core).iter().for_each(Tasks::begin_close);
        Self(core.clone())
    }
}

impl Drop for Closer {
    fn drop(&mut self) {
        let Some(tasks) = self.0.tasks() else { return };
        let is_last = tasks.kin.with(|kin| {
            kin.closers -= 1;
            kin.closers == 0
        });
        if is_last {
            tasks.settle_left();
        }
    }
}

/// Who is to close a scope of which nobody has a handle any more.
#[derive(Clone, Copy)]
pub(super) enum LeftTo {
    /// One who closes it, or one above.
    Closer,
    /// One who closes one above that is closing, and of which there are handles: nobody does now, but somebody may.
    NextCloser,
}

impl LeftTo {
    fn takes(self, above: &Core, kin: &Kin) -> bool {
        match self {
            Self::Closer => kin.closers > 0,
            Self::NextCloser => above.is_closing() && !above.has_no_handle(),
        }
    }
}

impl Tasks {
    /// Puts it below its parent, whose member it is.
    pub(super) fn enter(&self, core: &Arc<Core>, member: Member) {
        let parent = member.core.clone();
        let Some(above) = parent.tasks() else { return };
        let number = above.kin.with(|kin| {
            kin.came += 1;
            kin.came
        });
        // First: whoever finds it among the children can take it out of there.
        self.kin.with(|kin| kin.parent = Some(Parent { member, number }));
        let child = Arc::downgrade(core);
        above.kin.with(|kin| _ = kin.children.insert(number, child));
        // Who closes the parent may have begun, and have looked for its children, before.
        if parent.is_closing() {
            Self::begin_close(core);
            survived(|| above.changed.notify());
        }
    }

    /// It has closed. Gives out the scope above, which is to be left.
    pub(super) fn take_out(&self, core: &Core) -> Option<Member> {
        let (above, number) = self.kin.with(|kin| {
            let Parent { member, number } = kin.parent.as_ref()?;
            Some((member.core.clone(), *number))
        })?;
        // Before it leaves, whoever else does the same: who closes the one above would find it again and again.
        if let Some(above) = above.tasks() {
            let child = above.kin.with(|kin| kin.children.remove(&number));
            drop(child);
        }
        let Parent { mut member, .. } = self.kin.with(|kin| kin.parent.take())?;
        let outcome = if core.abort.is_aborted() { Outcome::Aborted } else { Outcome::Ran };
        member.reach(Stage::Ended(outcome));
        Some(member)
    }

    /// The child that came last, of those that have not closed.
    pub(super) fn last_child(&self) -> Option<Arc<Core>> {
        self.kin.with(|kin| kin.children.values().rev().find_map(Weak::upgrade))
    }

    /// All scopes below, and `core` itself first.
    pub(crate) fn family(core: &Arc<Core>) -> Vec<Arc<Core>> {
        let mut all = Vec::from([core.clone()]);
        let mut next = 0;
        while let Some(core) = all.get(next).cloned() {
            next += 1;
            if let Some(tasks) = core.tasks() {
                tasks.kin.with(|kin| all.extend(kin.children.values().filter_map(Weak::upgrade)));
            }
        }
        all
    }

    /// Leaves a scope of which nobody has a handle any more to `whom`; tells whether there is somebody.
    pub(super) fn leave_to(whom: LeftTo, core: &Arc<Core>) -> bool {
        let mut next = Some(core.clone());
        while let Some(above) = next {
            let Some(tasks) = above.tasks() else { break };
            let taken = tasks.kin.with(|kin| {
                let taken = whom.takes(&above, kin);
                if taken {
                    kin.left.push(core.clone());
                }
                taken
            });
            if taken {
                return true;
            }
            next = above.above();
        }
        false
    }

    /// Those that were left to the ones who close it are left to others.
    pub(super) fn settle_left(&self) {
        let left = self.kin.with(|kin| mem::take(&mut kin.left));
        let mut panics = Panics::default();
        panics.run_each(left, Self::settle);
        panics.resume();
    }
}

impl Core {
    fn above(&self) -> Option<Arc<Self>> {
        let kin = &self.tasks()?.kin;
        kin.with(|kin| kin.parent.as_ref().map(|parent| parent.member.core.clone()))
    }

    /// One below has overrun its grace: that is told here, and in all scopes above, but not again in those that were
    /// told.
    pub(crate) fn note_overrun(&self, who: Option<&Name>, noted: &mut BTreeSet<*const Self>) {
        if !noted.insert(self) {
            return;
        }
        self.note_own_overrun(who);
        let mut above = self.above();
        while let Some(core) = above.filter(|core| noted.insert(Arc::as_ptr(core))) {
            core.note_own_overrun(who);
            above = core.above();
        }
    }

    fn note_own_overrun(&self, who: Option<&Name>) {
        self.tally.add(Count::Overran);
        let (kind, who) = (FailureKind::Overran, who.cloned());
        self.tally.note(Failure { kind, who, deferred_at: None, what: String::new() });
    }
}
