//! What a scope has besides whose members run anywhere, and are polled by others.

use alloc::{boxed::Box, collections::BTreeMap, string::String, vec::Vec};
use core::{mem, task::Waker, time::Duration};

use super::{Core, Count, Deferred, Failure, FailureKind, Left, Member, Outcome, Stage, Step};
use crate::{
    abort::{AbortReason, Name},
    owner::value::Values,
    slab::Slab,
    sync::{Arc, Mutex, Weak, impl_wake},
    time::{AlarmId, Instant, TimerHandle},
    wake::{Level, Panics, survived},
};

/// With what a scope begins.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) name: Name,
    pub(crate) timer: Option<TimerHandle>,
    pub(crate) deadline: Option<Instant>,
    /// Whether it is aborted at its deadline by an alarm of its own.
    pub(crate) rings: bool,
    pub(crate) values: Values,
    pub(crate) parent: Option<Arc<Core>>,
    pub(crate) reaper: Option<Arc<Left>>,
}

impl Settings {
    pub(crate) fn named(name: Name) -> Self {
        Self {
            name,
            timer: None,
            deadline: None,
            rings: true,
            values: Values::default(),
            parent: None,
            reaper: None,
        }
    }

    /// Takes what it has not from its parent.
    pub(crate) fn inherit(&mut self) {
        let Some(parent) = &self.parent else { return };
        if self.timer.is_none() {
            self.timer = parent.timer.clone();
        }
        self.values = self.values.after(&parent.values);
        if let Some(tasks) = parent.tasks().filter(|_| self.reaper.is_none()) {
            self.reaper = tasks.reaper.clone();
        }
        let is_same = match (&self.timer, &parent.timer) {
            (Some(own), Some(above)) => own.is_same(above),
            _ => false,
        };
        if let Some(above) = parent.deadline.filter(|_| is_same) {
            // Of the two the earlier; where that is the one above, its alarm rings for both.
            self.rings &= self.deadline.is_some_and(|own| own < above);
            self.deadline = Some(self.deadline.map_or(above, |own| own.min(above)));
        }
    }
}

pub(crate) struct Tasks {
    /// Told when the scope is drained, when a turn at the clean-up is over, and when it has closed.
    pub(crate) changed: Level,
    clean_up: Mutex<CleanUp>,
    kin: Mutex<Kin>,
    /// Those that can be called by their names.
    named: Mutex<Slab<Named>>,
    /// Rings at the deadline.
    alarm: Mutex<Option<AlarmId>>,
    reaper: Option<Arc<Left>>,
}

pub(crate) type Deferral = Deferred<dyn Step + Send>;
type OnClose = Box<dyn FnOnce(&Core) + Send>;

/// What is to be done when all members have ended, the last one first.
#[derive(Default)]
struct CleanUp {
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
    on_close: Vec<OnClose>,
}

/// See [`Tasks::next_to_close`].
pub(crate) enum ToClose {
    Child(Arc<Core>),
    /// With the step that has begun, if any.
    Itself(Option<Deferral>),
}

/// The scopes around it.
#[derive(Default)]
struct Kin {
    parent: Option<Parent>,
    /// Those that have not closed, in the order in which they came.
    children: BTreeMap<u64, Weak<Core>>,
    came: u64,
}

/// The scope above, of which this one is a member until it has closed.
struct Parent {
    member: Member,
    /// Its own place among the children.
    number: u64,
}

/// A member that can be called by its name.
#[derive(Debug)]
struct Named {
    name: Name,
    stage: Stage,
}

impl Tasks {
    pub(super) fn new(reaper: Option<Arc<Left>>) -> Self {
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
            core.begin_close();
            tasks.clean_up.with(|clean_up| clean_up.closed = true);
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

    /// Puts it below its parent, whose member it is.
    fn enter(&self, core: &Arc<Core>, member: Member) {
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

    pub(crate) fn is_closed(&self) -> bool {
        self.clean_up.with(|clean_up| clean_up.closed)
    }

    /// The child that came last, of those that have not closed.
    fn last_child(&self) -> Option<Arc<Core>> {
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

    /// Whoever did the clean-up goes, and leaves the step that it hasn't finished.
    pub(crate) fn give_turn_back(core: &Arc<Core>, begun: Option<Deferral>) {
        let Some(tasks) = core.tasks() else { return };
        tasks.clean_up.with(|clean_up| {
            clean_up.taken = false;
            clean_up.begun = begun;
        });
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
        // It has closed when there is nobody left to be told: who waits for that finds all of them told.
        loop {
            let on_close = tasks.clean_up.with(|clean_up| {
                let took = clean_up.since.zip(now).map(|(since, now)| now - since);
                clean_up.took = clean_up.took.or(took);
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
        let (above, number) = tasks.kin.with(|kin| {
            let Parent { member, number } = kin.parent.as_ref()?;
            Some((member.core.clone(), *number))
        })?;
        // Before it leaves, whoever else does the same: who closes the one above would find it again and again.
        if let Some(above) = above.tasks() {
            let child = above.kin.with(|kin| kin.children.remove(&number));
            drop(child);
        }
        let Parent { mut member, .. } = tasks.kin.with(|kin| kin.parent.take())?;
        let outcome = if core.abort.is_aborted() { Outcome::Aborted } else { Outcome::Ran };
        member.reach(Stage::Ended(outcome));
        Some(member)
    }

    fn disarm(&self, core: &Core) {
        let alarm = self.alarm.with(Option::take);
        if let (Some(alarm), Some(timer), Some(at)) = (alarm, &core.timer, core.deadline) {
            timer.timer().cancel(at, alarm);
        }
    }

    /// The last handle is gone.
    pub(crate) fn orphan(core: &Arc<Core>) {
        let mut panics = Panics::default();
        // First, so that the last member finds the reason when it does the clean-up.
        panics.run(|| {
            core.abort.abort(AbortReason::ScopeEnded);
        });
        if core.orphan() {
            panics.run(|| Self::settle(core.clone()));
        }
        panics.resume();
    }

    /// Cleans up where the last handle and the last member are gone, and then, perhaps, in the scopes above: one by
    /// one, for they may be nested deeper than the stack.
    pub(super) fn settle(core: Arc<Core>) {
        let mut panics = Panics::default();
        let mut next = Some(core);
        while let Some(core) = next.take() {
            let above = Self::clean_up_orphan(&core, &mut panics);
            next = above.and_then(|member| member.leave(&mut panics));
        }
        panics.resume();
    }

    /// What is sync of the clean-up is run; what is async goes to a reaper, along with what comes after it, or is
    /// dropped. Gives out the scope above, which is to be left.
    fn clean_up_orphan(core: &Arc<Core>, panics: &mut Panics) -> Option<Member> {
        let tasks = core.tasks()?;
        // One who closes a scope above may be at it; then that one leaves nothing.
        let mut next = tasks.take_turn(core)?;
        while let Some(step) = next.take().or_else(|| tasks.next_step()) {
            match (Left::of(&tasks.reaper), step.step.is_sync()) {
                (_, true) => core.clean_up_now(step, panics),
                (None, false) => core.skip(step),
                (Some(reaper), false) => {
                    tasks.clean_up.with(|clean_up| {
                        clean_up.taken = false;
                        clean_up.begun = Some(step);
                    });
                    panics.run(|| reaper.take_over(core.clone()));
                    return None;
                }
            }
        }
        Self::finish(core, panics)
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

impl Core {
    /// A member has overrun its grace: that is told here, and in all scopes above.
    pub(crate) fn note_overrun(&self, who: Option<&Name>) {
        let mut above = self.note_own_overrun(who);
        while let Some(core) = above {
            above = core.note_own_overrun(who);
        }
    }

    /// Gives out the scope above.
    fn note_own_overrun(&self, who: Option<&Name>) -> Option<Arc<Self>> {
        self.tally.add(Count::Overran);
        let (kind, who) = (FailureKind::Overran, who.cloned());
        self.tally.note(Failure { kind, who, deferred_at: None, what: String::new() });
        let kin = &self.tasks()?.kin;
        kin.with(|kin| kin.parent.as_ref().map(|parent| parent.member.core.clone()))
    }
}
