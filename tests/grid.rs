//! Every adapter, and every two in each order, over every kind of future and every way to end it:
//! what is made, polled, dropped and woken is counted, and each count is an equality.

mod support;

use std::{
    future::Future,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use support::{ByHand, Count, CountingTimer, Drops, SECOND, Token, panic_quietly};
use tenure::{
    AbortHandle, Aborted, Backoff, Limit, Owned, OwnedFuture, Scope,
    operation::Repeat,
    timeout::{Overdue, TimeoutHandle},
};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Ready,
    PendsOnce,
    Fails,
    PanicsOnPoll,
    /// After it was pending once.
    PanicsOnDrop,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Ending {
    RunsOut,
    AbortedBefore,
    /// In the future's own first poll.
    AbortedDuring,
    /// After the first poll.
    AbortedAfter,
    Dropped,
    Forgotten,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Adapter {
    None,
    Timeout,
    Handle,
    Idle,
    Warn,
    Retry,
    Limit,
    InScope,
    Abort,
    Named,
    Timer,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    Value,
    Failed,
    Aborted,
    Panicked,
    Unfinished,
}

use Adapter::{Abort, Handle, Idle, InScope, Named, Retry, Timeout, Timer, Warn};
use Ending::{AbortedAfter, AbortedBefore, AbortedDuring, Dropped, Forgotten, RunsOut};
use Kind::{Fails, PanicsOnDrop, PanicsOnPoll, PendsOnce, Ready};

const KINDS: [Kind; 5] = [Ready, PendsOnce, Fails, PanicsOnPoll, PanicsOnDrop];
const ENDINGS: [Ending; 6] =
    [RunsOut, AbortedBefore, AbortedDuring, AbortedAfter, Dropped, Forgotten];
const ADAPTERS: [Adapter; 11] = [
    Adapter::None,
    Timeout,
    Handle,
    Idle,
    Warn,
    Retry,
    Adapter::Limit,
    InScope,
    Abort,
    Named,
    Timer,
];

/// Who makes how many, polls, and ends how: what must come out.
fn expected(kind: Kind, ending: Ending, retries: u32) -> (usize, usize, Outcome) {
    let tries = 2_usize.pow(retries);
    match (ending, kind) {
        (AbortedBefore, _) => (0, 0, Outcome::Aborted),
        (_, Ready) => (1, 1, Outcome::Value),
        // An aborted owner begins no second attempt, though it would be due at once.
        (AbortedDuring, Fails) if retries > 0 => (1, 1, Outcome::Aborted),
        (_, Fails) => (tries, tries, Outcome::Failed),
        (_, PanicsOnPoll) => (1, 1, Outcome::Panicked),
        (RunsOut, PendsOnce) => (1, 2, Outcome::Value),
        (RunsOut, PanicsOnDrop) => (1, 2, Outcome::Panicked),
        (AbortedDuring | AbortedAfter, PendsOnce) => (1, 1, Outcome::Aborted),
        (AbortedDuring | AbortedAfter | Dropped, PanicsOnDrop) => (1, 1, Outcome::Panicked),
        (Dropped | Forgotten, PendsOnce) | (Forgotten, PanicsOnDrop) => (1, 1, Outcome::Unfinished),
    }
}

/// What a chain may leave something in.
#[derive(Clone)]
struct World {
    kind: Kind,
    abort_in_poll: bool,
    stop: AbortHandle,
    /// Never aborted.
    other: AbortHandle,
    timeout: TimeoutHandle,
    limit: Limit,
    scope: Scope,
    timer: CountingTimer,
    drops: Drops,
    polls: Count,
}

struct Inner {
    world: World,
    kept: Option<Waker>,
    _token: Token,
}

impl Future for Inner {
    type Output = Result<(), ()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.world.polls.add();
        if self.world.abort_in_poll {
            self.world.stop.abort("in poll");
        }
        let first = self.kept.replace(cx.waker().clone()).is_none();
        match self.world.kind {
            PendsOnce | PanicsOnDrop if first => Poll::Pending,
            Fails => Poll::Ready(Err(())),
            PanicsOnPoll => panic_quietly(),
            _ => Poll::Ready(Ok(())),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.world.kind == PanicsOnDrop {
            panic_quietly();
        }
    }
}

/// How many alarms a pending chain has.
fn alarms(first: Adapter, second: Adapter) -> usize {
    // A timeout sets none where one above comes no later.
    let needless = [first, second].iter().all(|adapter| [Timeout, Handle].contains(adapter));
    let sets_one = |adapter| usize::from([Timeout, Handle, Idle, Warn].contains(&adapter));
    sets_one(first) + sets_one(second) - usize::from(needless)
}

/// How many clones of its task's waker a pending chain has: what runs and the outermost adapter have one each,
/// an alarm has two, one in its timer, and whoever can be told of something has one for that.
fn wakers(first: Adapter, second: Adapter) -> usize {
    let told = |adapter| usize::from([Handle, Idle, InScope, Abort].contains(&adapter));
    let of_alarms = 2 * alarms(first, second);
    // What runs under an idle timeout has another waker, which alone has one of the task's.
    match (first, second) {
        (_, Idle) => 1 + told(Idle) + 2,
        (Idle, _) => 1 + told(Idle) + told(second) + of_alarms,
        _ => 2 + told(first) + told(second) + of_alarms,
    }
}

type Chain = Pin<Box<dyn Future<Output = Result<Result<(), ()>, Aborted>>>>;

impl World {
    fn new(kind: Kind, ending: Ending) -> Self {
        Self {
            kind,
            abort_in_poll: ending == AbortedDuring,
            stop: AbortHandle::new(),
            other: AbortHandle::new(),
            timeout: TimeoutHandle::new(SECOND),
            limit: Limit::new(2),
            scope: Scope::new("scope"),
            timer: CountingTimer::default(),
            drops: Drops::default(),
            polls: Count::default(),
        }
    }

    fn chain(&self, first: Adapter, second: Adapter) -> Chain {
        let world = self.clone();
        let make = (move || {
            let token = world.drops.token();
            Inner { world: world.clone(), kept: None, _token: token }
        })
        .owned();
        match first {
            Adapter::None => self.outer(make, second),
            Timeout => self.outer(make.with_timeout(SECOND), second),
            Handle => self.outer(make.with_timeout_handle(&self.timeout), second),
            Idle => self.outer(make.with_idle_timeout(SECOND), second),
            Warn => self.outer(make.warn_after(SECOND, never), second),
            Retry => self.outer(make.retry(TWICE), second),
            Adapter::Limit => self.outer(make.limit(&self.limit), second),
            InScope => self.outer(make.in_scope(&self.scope), second),
            Abort => self.outer(make.with_abort(self.other.clone()), second),
            Named => self.outer(make.named("first"), second),
            Timer => self.outer(make.with_timer(self.timer.clone()), second),
        }
    }

    fn outer<O>(&self, chain: Owned<O>, second: Adapter) -> Chain
    where
        O: Repeat<Output = Result<(), ()>> + 'static,
    {
        match second {
            Adapter::None => self.outermost(chain),
            Timeout => self.outermost(chain.with_timeout(SECOND)),
            Handle => self.outermost(chain.with_timeout_handle(&self.timeout)),
            Idle => self.outermost(chain.with_idle_timeout(SECOND)),
            Warn => self.outermost(chain.warn_after(SECOND, never)),
            Retry => self.outermost(chain.retry(TWICE)),
            Adapter::Limit => self.outermost(chain.limit(&self.limit)),
            InScope => self.outermost(chain.in_scope(&self.scope)),
            Abort => self.outermost(chain.with_abort(self.other.clone())),
            Named => self.outermost(chain.named("second")),
            Timer => self.outermost(chain.with_timer(self.timer.clone())),
        }
    }

    fn outermost<O>(&self, chain: Owned<O>) -> Chain
    where
        O: Repeat<Output = Result<(), ()>> + 'static,
    {
        Box::pin(chain.with_abort(self.stop.clone()).with_timer(self.timer.clone()))
    }
}

/// No time passes.
fn never(overdue: &Overdue<'_>) {
    unreachable!("{overdue}");
}

const TWICE: Backoff = Backoff::fixed(Duration::ZERO).attempts(2);

fn caught<R>(f: impl FnOnce() -> R) -> Option<R> {
    catch_unwind(AssertUnwindSafe(f)).ok()
}

fn check(kind: Kind, ending: Ending, first: Adapter, second: Adapter) {
    let case = format!("{kind:?} {ending:?} {first:?} {second:?}");
    let world = World::new(kind, ending);
    let mut chain = ByHand::new(world.chain(first, second));
    let task = chain.task();
    let retries = [first, second].iter().filter(|adapter| **adapter == Retry).count() as u32;
    let (made, polls, outcome) = expected(kind, ending, retries);

    if ending == AbortedBefore {
        world.stop.abort("before");
    }
    let mut polled = caught(|| chain.poll());
    let pending = matches!(polled, Some(Poll::Pending));
    if pending {
        assert_eq!(world.timer.live(), alarms(first, second), "alarms: {case}");
        assert_eq!(chain.wakers(), wakers(first, second), "wakers: {case}");
    }
    if pending && ending == AbortedAfter {
        world.stop.abort("after");
    }
    // A member that panics while it is ended aborts its scope, which wakes all who listen: itself too.
    let members = [first, second].iter().filter(|adapter| **adapter == InScope).count();
    let ended_by_panic = kind == PanicsOnDrop && polled.is_none() && ending == AbortedDuring;
    let by_itself = if ended_by_panic { members } else { 0 };
    let wakes = by_itself + usize::from(pending && ending == AbortedAfter);
    assert_eq!(chain.wakes(), wakes, "wakes: {case}");
    if pending && matches!(ending, RunsOut | AbortedAfter) {
        polled = caught(|| chain.poll());
    }
    if matches!(polled, Some(Poll::Ready(_))) {
        assert_eq!(world.drops.live(), 0, "at the verdict: {case}");
        assert_eq!((world.limit.active(), chain.wakers()), (0, 0), "at the verdict: {case}");
    }
    let ended = match ending {
        Forgotten if pending => {
            mem::forget(chain);
            Some(())
        }
        _ => caught(|| drop(chain)),
    };
    let came_out = match (polled, ended) {
        (None, _) | (_, None) => Outcome::Panicked,
        (Some(Poll::Pending), _) => Outcome::Unfinished,
        (Some(Poll::Ready(Ok(Ok(())))), _) => Outcome::Value,
        (Some(Poll::Ready(Ok(Err(())))), _) => Outcome::Failed,
        (Some(Poll::Ready(Err(_))), _) => Outcome::Aborted,
    };
    let counted = (world.drops.made(), world.polls.get(), came_out);
    assert_eq!(counted, (made, polls, outcome), "{case}");
    if ending == Forgotten && pending {
        assert_eq!(world.drops.dropped(), 0, "{case}");
        return;
    }
    assert_eq!(world.drops.dropped(), made, "drops: {case}");
    assert_eq!(task.wakers(), 0, "wakers: {case}");
    assert_eq!((world.limit.active(), world.limit.waiting()), (0, 0), "permits: {case}");
    assert_eq!(
        (world.scope.members(), world.timer.outstanding()),
        (0, 0),
        "members, alarms: {case}"
    );
}

#[test]
fn each_adapter_and_each_two_of_them_count_as_they_should() {
    let mut cases = 0;
    for first in ADAPTERS {
        for second in ADAPTERS {
            for kind in KINDS {
                for ending in ENDINGS {
                    check(kind, ending, first, second);
                    cases += 1;
                }
            }
        }
    }
    assert_eq!(cases, 11 * 11 * 5 * 6);
}
