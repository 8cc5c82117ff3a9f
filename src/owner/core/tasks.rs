//! What a scope has besides whose members run anywhere, and are polled by others.

mod kin;
mod settings;
mod turn;

use alloc::vec::Vec;
use core::task::Waker;

pub(crate) use kin::Closer;
use kin::Kin;
pub(crate) use settings::Settings;
use turn::CleanUp;
pub(crate) use turn::{Deferral, ToClose};

use super::{Core, Left, Member, Stage};
use crate::{
    abort::{AbortReason, Name},
    slab::Slab,
    sync::{Arc, Mutex, Weak, impl_wake},
    time::{AlarmId, Instant},
    wake::Level,
};

pub(crate) struct Tasks {
    /// Told when the scope is drained, when a turn at the clean-up is over, and when it has closed.
    pub(crate) changed: Level,
    clean_up: Mutex<CleanUp>,
    kin: Mutex<Kin>,
    /// Those that can be called by their names.
    named: Mutex<Slab<Named>>,
    /// Rings at the deadline.
    alarm: Mutex<Option<AlarmId>>,
    /// It has this scope when nobody else has, and so isn't had by it.
    reaper: Option<Weak<Left>>,
}

/// A member that can be called by its name.
#[derive(Debug)]
struct Named {
    name: Name,
    stage: Stage,
}

impl Tasks {
    pub(super) fn new(reaper: Option<Weak<Left>>) -> Self {
        Self {
            changed: Level::default(),
            clean_up: Mutex::new(CleanUp::default()),
            kin: Mutex::new(Kin::default()),
            named: Mutex::new(Slab::default()),
            alarm: Mutex::new(None),
            reaper,
        }
    }

    /// Makes a scope that is new known to its timer and to its parent.
    pub(super) fn begin(core: &Arc<Core>, parent: Option<Arc<Core>>, rings: bool) {
        let Some(tasks) = core.tasks() else { return };
        let member = parent.map(|parent| Member::new(&parent, None));
        if let Some(refused) = member.as_ref().and_then(Member::refusal) {
            // It begins closed.
            core.abort.pass_on(refused);
            tasks.begin_closed(core);
            return;
        }
        if rings {
            tasks.arm(core);
        }
        // Last: from here on it may be closed by who closes the parent.
        if let Some(member) = member {
            tasks.enter(core, member);
        }
    }

    fn arm(&self, core: &Arc<Core>) {
        match (core.deadline, &core.timer) {
            (None, _) => {}
            (Some(_), None) => _ = core.abort.abort(AbortReason::NoTimer),
            (Some(at), Some(timer)) if at <= timer.now() => {
                core.abort.abort(AbortReason::DeadlinePassed { at });
            }
            (Some(Instant::NEVER), Some(_)) => {}
            (Some(at), Some(timer)) => {
                let alarm = Arc::new(Alarm { core: Arc::downgrade(core), at });
                let alarm = timer.timer().wake_at(at, Waker::from(alarm));
                self.alarm.with(|set| *set = Some(alarm));
            }
        }
    }

    /// Takes a member into the list of those that have a name. Its place is to be given back.
    pub(super) fn enlist(&self, name: &Name) -> usize {
        let named = Named { name: name.clone(), stage: Stage::New };
        self.named.with(|all| all.insert(named))
    }

    /// The member at that place has got so far.
    pub(super) fn reach(&self, place: usize, stage: Stage) {
        self.named.with(|all| {
            if let Some(named) = all.get_mut(place) {
                named.stage = stage;
            }
        });
    }

    pub(super) fn strike(&self, place: usize) {
        let struck = self.named.with(|all| all.remove(place));
        drop(struck);
    }

    /// The members that have a name, and how far each has got.
    pub(crate) fn named(&self) -> Vec<(Name, Stage)> {
        self.named
            .with(|all| all.values_mut().map(|named| (named.name.clone(), named.stage)).collect())
    }

    fn disarm(&self, core: &Core) {
        let alarm = self.alarm.with(Option::take);
        if let (Some(alarm), Some(timer), Some(at)) = (alarm, &core.timer, core.deadline) {
            timer.timer().cancel(at, alarm);
        }
    }
}

/// Aborts a scope at its deadline. It keeps no scope alive.
struct Alarm {
    core: Weak<Core>,
    at: Instant,
}

impl Alarm {
    fn ring(&self) {
        if let Some(core) = self.core.upgrade() {
            core.abort.abort(AbortReason::DeadlinePassed { at: self.at });
        }
    }
}

impl_wake!(Alarm, Alarm::ring);
