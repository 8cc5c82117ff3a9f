use core::time::Duration;

use super::{Reaper, Scope};
use crate::{
    abort::{AbortHandle, Name},
    limit::Limit,
    owner::{
        Key, Value,
        core::{Core, Settings},
    },
    sync::Arc,
    time::{Instant, TimerHandle},
};

/// Settings of a [`Scope`]; made by [`Scope::builder`].
///
/// ```
/// use tenure::{Scope, time::TestClock};
///
/// let scope = Scope::builder("test").timer(&TestClock::new()).build();
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct Builder {
    settings: Settings,
    deadline: Deadline,
    limit: Option<Limit>,
}

#[derive(Clone, Copy, Debug)]
enum Deadline {
    None,
    After(Duration),
    At(Instant),
}

impl Builder {
    pub(super) fn new(name: Name) -> Self {
        Self { settings: Settings::named(name), deadline: Deadline::None, limit: None }
    }

    /// The timer that all its members go by, unless they are given another.
    ///
    /// ```
    /// use std::{future::pending, time::Duration};
    /// use tenure::{OwnedFuture, Scope, time::TestClock};
    ///
    /// let clock = TestClock::new();
    /// let scope = Scope::builder("test").timer(&clock).build();
    /// let stuck = pending::<()>().with_timeout(Duration::from_secs(60)).in_scope(&scope);
    /// assert!(smol::block_on(clock.watch(stuck)).unwrap_err().is_timeout()); // at once
    /// ```
    pub fn timer(mut self, timer: impl Into<TimerHandle>) -> Self {
        self.settings.timer = Some(timer.into());
        self
    }

    /// Aborts it at a point in time, on its timer, with
    /// [`AbortReason::DeadlinePassed`](crate::AbortReason::DeadlinePassed).
    ///
    /// All that it owns knows of it, and begins nothing that it would cut: see
    /// [`Owner::deadline`](crate::Owner::deadline). It costs one alarm, however many members there are. The scope
    /// isn't closed by it.
    ///
    /// ```
    /// use std::{future::pending, time::Duration};
    /// use tenure::{OwnedFuture, Scope, time::TestClock};
    ///
    /// let clock = TestClock::new();
    /// let at = clock.now() + Duration::from_secs(60);
    /// let scope = Scope::builder("batch").timer(&clock).deadline(at).build();
    /// let stuck = pending::<()>().in_scope(&scope);
    /// let aborted = smol::block_on(clock.watch(stuck)).unwrap_err();
    /// assert_eq!(aborted.to_string(), "the deadline has passed (in `batch`)");
    /// ```
    ///
    /// # Errors
    ///
    /// Without the `std` feature and without a timer the scope begins aborted, with
    /// [`AbortReason::NoTimer`](crate::AbortReason::NoTimer).
    pub fn deadline(mut self, at: impl Into<Instant>) -> Self {
        self.deadline = Deadline::At(at.into());
        self
    }

    /// As [`deadline`](Self::deadline), so long after the scope is built.
    ///
    /// ```
    /// use std::{future::pending, time::Duration};
    /// use tenure::{OwnedFuture, Scope, time::TestClock};
    ///
    /// let clock = TestClock::new();
    /// let scope = Scope::builder("batch").timer(&clock).timeout(Duration::from_secs(60)).build();
    /// let stuck = pending::<()>().in_scope(&scope);
    /// assert!(smol::block_on(clock.watch(stuck)).unwrap_err().is_timeout());
    /// assert_eq!(clock.elapsed(), Duration::from_secs(60));
    /// ```
    pub fn timeout(mut self, after: Duration) -> Self {
        self.deadline = Deadline::After(after);
        self
    }

    /// Lets each member run only while it holds a permit of `limit`, as if it stood before each
    /// [`in_scope`](crate::OwnedFuture::in_scope).
    ///
    /// It counts for the members of this very scope, not for those of scopes below it.
    ///
    /// ```
    /// use tenure::{Limit, OwnedFuture, Scope};
    ///
    /// let limit = Limit::new(2);
    /// let scope = Scope::builder("two at a time").limit(&limit).build();
    /// let asks = async { limit.active() };
    /// assert_eq!(smol::block_on(asks.in_scope(&scope)).unwrap(), 1);
    /// ```
    pub fn limit(mut self, limit: &Limit) -> Self {
        self.limit = Some(limit.clone());
        self
    }

    /// Gives its members a value. See [`Key`].
    ///
    /// ```
    /// use tenure::{OwnedFuture, Scope, owner::Key};
    ///
    /// static TENANT: Key<&str> = Key::new("tenant");
    ///
    /// let scope = Scope::builder("tenant").value(&TENANT, "acme").build();
    /// let asks = async { TENANT.get() };
    /// assert_eq!(smol::block_on(asks.in_scope(&scope)).unwrap(), Some("acme"));
    /// ```
    pub fn value<T: Send + Sync + 'static>(mut self, key: &'static Key<T>, value: T) -> Self {
        let values = core::mem::take(&mut self.settings.values);
        self.settings.values = values.with(Value::new(key, value));
        self
    }

    /// Who polls the async clean-up where nobody closes the scope. See [`Reaper`].
    ///
    /// ```
    /// use tenure::{Scope, scope::Reaper};
    ///
    /// let reaper = Reaper::new();
    /// let scope = Scope::builder("connection").reaper(&reaper).build();
    /// scope.defer_async(|_| async { println!("goodbye") });
    /// drop(scope); // nobody closes it
    /// assert_eq!(smol::block_on(reaper.drain()), 1);
    /// ```
    pub fn reaper(mut self, reaper: &Reaper) -> Self {
        self.settings.reaper = Some(Arc::downgrade(reaper.left()));
        self
    }

    /// Puts it into another scope, whose abort reaches it, and whose close closes it first. It goes by the timer, the
    /// deadline, the values and the reaper of that one, but for those that it is given itself; of two deadlines the
    /// earlier holds.
    ///
    /// In a scope that takes no more members it begins closed and aborted.
    ///
    /// ```
    /// use tenure::Scope;
    ///
    /// let service = Scope::new("service");
    /// let request = Scope::builder("request").child_of(&service).build();
    /// service.abort("shutting down");
    /// assert!(request.is_aborted());
    /// ```
    pub fn child_of(mut self, scope: &Scope) -> Self {
        self.settings.parent = Some(scope.core().clone());
        self
    }

    /// The scope.
    ///
    /// ```
    /// # use tenure::Scope;
    /// assert_eq!(Scope::builder("ingest").build().name(), "ingest");
    /// ```
    #[must_use]
    pub fn build(self) -> Scope {
        let Self { mut settings, deadline, limit } = self;
        if !matches!(deadline, Deadline::None) && settings.timer.is_none() {
            // That on which its point in time is.
            let above = settings.parent.as_ref().and_then(|parent| parent.timer.clone());
            settings.timer = above.or_else(|| TimerHandle::system().cloned());
        }
        settings.deadline = match (deadline, &settings.timer) {
            (Deadline::None, _) => None,
            (Deadline::At(at), _) => Some(at),
            (Deadline::After(after), Some(timer)) => Some(timer.now() + after),
            // It begins aborted.
            (Deadline::After(_), None) => Some(Instant::NEVER),
        };
        settings.inherit();
        let name = settings.name.clone();
        let abort = match &settings.parent {
            Some(parent) => parent.abort.named_child(name),
            None => AbortHandle::named(name),
        };
        let core = Core::of_tasks(abort, settings);
        Scope { handle: Arc::new(super::Handle { core, limit }) }
    }
}
