//! What a scope shares with all that it owns.

mod clean_up;
mod left;
mod member;
mod queue;
mod tally;
mod tasks;

use alloc::boxed::Box;
use core::fmt;

pub(crate) use clean_up::{Deferred, Later, Now, Step};
pub(crate) use left::Left;
pub(crate) use member::{Member, Outcome, Stage};
pub(crate) use queue::{Queue, Seat};
pub use tally::FailureKind;
pub(crate) use tally::{Count, Failure, Failures, Tally};
pub(crate) use tasks::{Closer, Deferral, Settings, Tasks, ToClose};

use super::value::Values;
use crate::{
    abort::{AbortHandle, Name},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Instant, TimerHandle},
};

/// The heart of a scope. Lives as long as the scope or anything that it owns.
pub(crate) struct Core {
    pub(crate) name: Option<Name>,
    pub(crate) abort: AbortHandle,
    pub(crate) timer: Option<TimerHandle>,
    /// On that timer.
    pub(crate) deadline: Option<Instant>,
    pub(crate) values: Values,
    /// `ONE` for each member, and the bits `CLOSING` and `ORPHANED`.
    ///
    /// AcqRel where it changes: what a member did before it left is seen by whoever then finds the
    /// scope drained.
    members: AtomicUsize,
    pub(crate) tally: Tally,
    /// Who is to be polled, of those that a nursery polls.
    pub(crate) queue: Queue,
    /// What a scope has besides whose members run anywhere.
    tasks: Option<Box<Tasks>>,
}

/// Takes no more members.
const CLOSING: usize = 1;
/// The last handle is gone: the last member does the clean-up.
const ORPHANED: usize = 2;
const ONE: usize = 4;

impl Core {
    /// That of a scope whose members run anywhere.
    pub(crate) fn of_tasks(abort: AbortHandle, settings: Settings) -> Arc<Self> {
        let Settings { name, timer, deadline, rings, values, parent, reaper } = settings;
        let core = Arc::new(Self {
            name: Some(name),
            abort,
            timer,
            deadline,
            values,
            members: AtomicUsize::new(0),
            tally: Tally::default(),
            queue: Queue::default(),
            tasks: Some(Box::new(Tasks::new(reaper))),
        });
        Tasks::begin(&core, parent, rings);
        core
    }

    /// That of a nursery, which has its name and its timer from those above it.
    pub(crate) fn of_nursery(abort: AbortHandle) -> Arc<Self> {
        Arc::new(Self {
            name: None,
            abort,
            timer: None,
            deadline: None,
            values: Values::default(),
            members: AtomicUsize::new(0),
            tally: Tally::default(),
            queue: Queue::default(),
            tasks: None,
        })
    }

    /// The timer that it goes by, whatever those above it go by.
    pub(crate) fn own_timer(&self) -> Option<&TimerHandle> {
        self.timer.as_ref().or(TimerHandle::system())
    }

    pub(crate) fn tasks(&self) -> Option<&Tasks> {
        self.tasks.as_deref()
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

    /// As `begin_close`, if it has no member.
    pub(crate) fn close_if_empty(&self) -> bool {
        let closed = self.members.fetch_update(Ordering::AcqRel, Ordering::Acquire, |members| {
            (members < ONE).then_some(members | CLOSING)
        });
        closed.is_ok()
    }

    /// Whether the last handle is gone.
    fn has_no_handle(&self) -> bool {
        self.members.load(Ordering::Acquire) & ORPHANED != 0
    }

    /// Whether the last handle and the last member are gone.
    fn is_orphaned(&self) -> bool {
        let members = self.members.load(Ordering::Acquire);
        members & ORPHANED != 0 && members < ONE
    }

    /// The last handle is gone; tells whether the last member is, too.
    fn orphan(&self) -> bool {
        self.members.fetch_or(CLOSING | ORPHANED, Ordering::AcqRel) < ONE
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("name", &self.name.as_deref().unwrap_or_default())
            .field("abort", &self.abort)
            .field("members", &self.members())
            .field("closing", &self.is_closing())
            .finish()
    }
}
