//! Every adapter, every nursery and bracket, and every two in each order, over every kind of future and every way to
//! end it: what is made, polled, dropped, woken and released is counted, and each count is an equality.

mod support;

use std::{
    future::{Future, pending},
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use support::{ByHand, Count, CountingTimer, Drops, SECOND, Token, panic_quietly};
use tenure::{
    AbortHandle, Aborted, Backoff, Limit, Owned, OwnedFuture, Scope, bracket,
    operation::{Operation, Repeat},
    owner::Key,
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
    TryInScope,
    Abort,
    Named,
    Timer,
    Grace,
    Shield,
    Value,
    // What runs once.
    /// It runs in the body of a nursery.
    Body,
    /// It is a child of a nursery.
    Child,
    /// It uses what a bracket holds.
    Bracket,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    Value,
    Failed,
    Aborted,
    Panicked,
    Unfinished,
}

use Adapter::{
    Abort, Body, Bracket, Child, Grace, Handle, Idle, InScope, Named, Retry, Shield, Timeout,
    Timer, TryInScope, Value, Warn,
};
use Ending::{AbortedAfter, AbortedBefore, AbortedDuring, Dropped, Forgotten, RunsOut};
use Kind::{Fails, PanicsOnDrop, PanicsOnPoll, PendsOnce, Ready};

const KINDS: [Kind; 5] = [Ready, PendsOnce, Fails, PanicsOnPoll, PanicsOnDrop];
const ENDINGS: [Ending; 6] =
    [RunsOut, AbortedBefore, AbortedDuring, AbortedAfter, Dropped, Forgotten];
const ADAPTERS: [Adapter; 15] = [
    Adapter::None,
    Timeout,
    Handle,
    Idle,
    Warn,
    Retry,
    Adapter::Limit,
    InScope,
    TryInScope,
    Abort,
    Named,
    Timer,
    Grace,
    Shield,
    Value,
];
const ONCE: [Adapter; 3] = [Body, Child, Bracket];

/// Two adapters, one over the other.
#[derive(Clone, Copy, Debug)]
struct Pair(Adapter, Adapter);

impl Pair {
    fn count(self, of: &[Adapter]) -> usize {
        [self.0, self.1].iter().filter(|adapter| of.contains(adapter)).count()
    }

    fn has(self, one_of: &[Adapter]) -> bool {
        self.count(one_of) > 0
    }

    /// How many may take their time to end deep in plain code, and so hold that.
    fn holds(self) -> usize {
        let takes_time = [Grace, Shield, Body, Child, Bracket].contains(&self.0);
        usize::from(takes_time && [Body, Bracket].contains(&self.1))
    }
}

/// How many are made, how often they are polled, and how it ends: what must come out.
fn expected(kind: Kind, ending: Ending, pair: Pair) -> (usize, usize, Outcome) {
    let retries = pair.count(&[Retry]);
    let tries = 2_usize.pow(retries as u32);
    // Once it is aborted it is polled on, and then it ends. But a nursery that is told ends what it owns.
    let goes_on = pair.has(&[Grace, Shield]) && !matches!(pair, Pair(Body | Child, Grace));
    let polls = if goes_on { 2 } else { 1 };
    match (ending, kind) {
        (AbortedBefore, _) => (0, 0, Outcome::Aborted),
        // It has ended, but the body, which waits for it, has not.
        (AbortedDuring, Ready | Fails) if pair.has(&[Child]) && pair.1 != Shield => {
            (1, 1, Outcome::Aborted)
        }
        (_, Ready) => (1, 1, Outcome::Value),
        // An aborted owner begins no second attempt, though it would be due at once: if that is told.
        (AbortedDuring, Fails) if retries > 0 && pair.1 != Shield => (1, 1, Outcome::Aborted),
        // Nor does a scope that the first one has aborted.
        (_, Fails) if matches!(pair, Pair(TryInScope, Retry)) => (1, 1, Outcome::Aborted),
        (_, Fails) => (tries, tries, Outcome::Failed),
        (_, PanicsOnPoll) => (1, 1, Outcome::Panicked),
        (RunsOut, PendsOnce) => (1, 2, Outcome::Value),
        (RunsOut, PanicsOnDrop) => (1, 2, Outcome::Panicked),
        (AbortedDuring | AbortedAfter, PendsOnce) => (1, polls, Outcome::Aborted),
        (AbortedDuring | AbortedAfter, PanicsOnDrop) => (1, polls, Outcome::Panicked),
        (Dropped, PanicsOnDrop) => (1, 1, Outcome::Panicked),
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
    released: Count,
    /// That of the poll before, for as long as what was polled lives.
    waker: Arc<Mutex<Option<Waker>>>,
}

struct Inner {
    world: World,
    _token: Token,
}

impl Future for Inner {
    type Output = Ended;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.world.polls.add();
        if self.world.abort_in_poll {
            self.world.stop.abort("in poll");
        }
        let first = self.world.keep(Some(cx.waker().clone())).is_none();
        match self.world.kind {
            PendsOnce | PanicsOnDrop if first => Poll::Pending,
            Fails => Poll::Ready(Err("failed")),
            PanicsOnPoll => panic_quietly(),
            _ => Poll::Ready(Ok(())),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        drop(self.world.keep(None));
        if self.world.kind == PanicsOnDrop {
            panic_quietly();
        }
    }
}

/// How many alarms a pending chain has.
fn alarms(pair: Pair) -> usize {
    // A timeout sets none where one above comes no later.
    let needless = pair.count(&[Timeout, Handle]) == 2;
    pair.count(&[Timeout, Handle, Idle, Warn]) - usize::from(needless)
}

/// How many clones of its task's waker a pending chain has: what runs and the outermost adapter have one each,
/// an alarm has two, one in its timer, and whoever can be told of something has one for that.
fn wakers(pair: Pair) -> usize {
    let told = |adapter| usize::from([Handle, Idle, InScope, TryInScope, Abort].contains(&adapter));
    let of_alarms = 2 * alarms(pair);
    // What runs under an idle timeout has another waker, which alone has one of the task's.
    match pair {
        Pair(_, Idle) => 1 + told(Idle) + 2,
        // What runs in a nursery has the waker of its seat. The nursery has one to be woken by, and one to be told.
        Pair(_, Body | Child) => 1 + 2,
        Pair(Body | Child, second) => 3 + told(second) + of_alarms + pair.holds(),
        Pair(Idle, first) => 1 + told(Idle) + told(first) + of_alarms,
        Pair(first, second) => 2 + told(first) + told(second) + of_alarms + pair.holds(),
    }
}

/// How often a chain was woken before its second poll, or in the first where that was the last.
fn wakes(kind: Kind, ending: Ending, pair: Pair) -> usize {
    match (ending, kind, pair) {
        (_, Ready | Fails | PanicsOnPoll, _) => 0,
        (RunsOut, ..) => 1,
        // A nursery isn't told.
        (AbortedAfter, _, Pair(Body | Child, Shield)) => 1,
        // The outermost adapter is told, and the nursery, and the one in it and what holds that: both have one seat.
        (AbortedAfter, _, Pair(Body | Child, Body)) => 3,
        (AbortedAfter, ..) => 1 + pair.count(&[Body, Child]) + pair.holds(),
        // A nursery sees for itself that it is aborted.
        (AbortedDuring, _, Pair(Body | Child, _)) => 0,
        (AbortedDuring, _, Pair(_, Body | Child | Bracket)) => pair.holds(),
        // A member that panics while it is ended aborts its scope, which wakes all who listen: itself too.
        (AbortedDuring, PanicsOnDrop, _) => pair.count(&[InScope, TryInScope]),
        _ => 0,
    }
}

type Ended = Result<(), &'static str>;
type Chain = Pin<Box<dyn Future<Output = Result<Ended, Aborted>>>>;

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
            released: Count::default(),
            waker: Arc::default(),
        }
    }

    fn keep(&self, waker: Option<Waker>) -> Option<Waker> {
        mem::replace(&mut *self.waker.lock().unwrap(), waker)
    }

    fn wake(&self) {
        let waker = self.waker.lock().unwrap().clone();
        waker.into_iter().for_each(Waker::wake);
    }

    fn chain(&self, first: Adapter, second: Adapter) -> Chain {
        let world = self.clone();
        let make = (move || {
            let token = world.drops.token();
            Inner { world: world.clone(), _token: token }
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
            TryInScope => self.outer(make.try_in_scope(&self.scope), second),
            Named => self.outer(make.named("first"), second),
            Timer => self.outer(make.with_timer(self.timer.clone()), second),
            Grace => self.outer(make.with_grace(SECOND), second),
            Shield => self.outer(make.shielded(SECOND), second),
            Value => self.outer(make.with_value(&KEY, 1), second),
            Body => self.once(self.body(make), second),
            Child => self.once(self.child(make), second),
            Bracket => self.once(self.bracket(make), second),
        }
    }

    fn outer<O>(&self, chain: Owned<O>, second: Adapter) -> Chain
    where
        O: Repeat<Output = Ended> + 'static,
    {
        match second {
            Retry => self.outermost(chain.retry(TWICE)),
            _ => self.once(chain, second),
        }
    }

    fn once<O>(&self, chain: Owned<O>, second: Adapter) -> Chain
    where
        O: Operation<Output = Ended> + 'static,
    {
        match second {
            Adapter::None => self.outermost(chain),
            Timeout => self.outermost(chain.with_timeout(SECOND)),
            Handle => self.outermost(chain.with_timeout_handle(&self.timeout)),
            Idle => self.outermost(chain.with_idle_timeout(SECOND)),
            Warn => self.outermost(chain.warn_after(SECOND, never)),
            Retry => unreachable!("it runs once"),
            Adapter::Limit => self.outermost(chain.limit(&self.limit)),
            InScope => self.outermost(chain.in_scope(&self.scope)),
            Abort => self.outermost(chain.with_abort(self.other.clone())),
            TryInScope => self.outermost(chain.try_in_scope(&self.scope)),
            Named => self.outermost(chain.named("second")),
            Timer => self.outermost(chain.with_timer(self.timer.clone())),
            Grace => self.outermost(chain.with_grace(SECOND)),
            Shield => self.outermost(chain.shielded(SECOND)),
            Value => self.outermost(chain.with_value(&KEY, 2)),
            Body => self.outermost(self.body(chain)),
            Child => self.outermost(self.child(chain)),
            Bracket => self.outermost(self.bracket(chain)),
        }
    }

    fn body<O>(&self, chain: Owned<O>) -> Owned<impl Operation<Output = Ended> + use<O>>
    where
        O: Operation<Output = Ended> + 'static,
    {
        tenure::local_scope(async |_| plain(chain.await).await)
    }

    fn child<O>(&self, chain: Owned<O>) -> Owned<impl Operation<Output = Ended> + use<O>>
    where
        O: Operation<Output = Ended> + 'static,
    {
        tenure::local_scope(async |n| plain(chain.spawn_in(&n).await).await)
    }

    fn bracket<O>(&self, chain: Owned<O>) -> Owned<impl Operation<Output = Ended> + use<O>>
    where
        O: Operation<Output = Ended> + 'static,
    {
        let released = self.released.clone();
        bracket(
            async { Ok(()) },
            async |_| plain(chain.await).await,
            async move |(), _| _ = released.add(),
        )
    }

    fn outermost<O>(&self, chain: Owned<O>) -> Chain
    where
        O: Operation<Output = Ended> + 'static,
    {
        Box::pin(chain.with_abort(self.stop.clone()).with_timer(self.timer.clone()))
    }
}

/// What is aborted in the midst of a poll ends what it runs, and goes on until it is pending. Then it is dropped.
async fn plain(ended: Result<Ended, Aborted>) -> Ended {
    match ended {
        Ok(ended) => ended,
        Err(_) => pending().await,
    }
}

static KEY: Key<u8> = Key::new("key");

/// No time passes.
fn never(overdue: &Overdue<'_>) {
    unreachable!("{overdue}");
}

const TWICE: Backoff = Backoff::fixed(Duration::ZERO).attempts(2);

fn caught<R>(f: impl FnOnce() -> R) -> Option<R> {
    catch_unwind(AssertUnwindSafe(f)).ok()
}

fn check(kind: Kind, ending: Ending, first: Adapter, second: Adapter) {
    let pair = Pair(first, second);
    let case = format!("{kind:?} {ending:?} {first:?} {second:?}");
    let world = World::new(kind, ending);
    let mut chain = ByHand::new(world.chain(first, second));
    let task = chain.task();
    let (made, polls, outcome) = expected(kind, ending, pair);

    if ending == AbortedBefore {
        world.stop.abort("before");
    }
    let mut polled = caught(|| chain.poll());
    let pending = matches!(polled, Some(Poll::Pending));
    if pending && ending != AbortedDuring {
        assert_eq!(world.timer.live(), alarms(pair), "alarms: {case}");
        assert_eq!(chain.wakers(), wakers(pair), "wakers: {case}");
    }
    if pending && ending == AbortedAfter {
        world.stop.abort("after");
    }
    if pending && ending == RunsOut {
        world.wake();
    }
    assert_eq!(chain.wakes(), wakes(kind, ending, pair), "wakes: {case}");
    if pending && matches!(ending, RunsOut | AbortedAfter) {
        polled = caught(|| chain.poll());
    }
    // A nursery that isn't told waits for what it runs to be woken.
    if matches!((polled.as_ref(), ending), (Some(Poll::Pending), AbortedDuring | AbortedAfter)) {
        assert!(matches!(pair, Pair(Body | Child, Shield)), "{case}");
        world.wake();
        polled = caught(|| chain.poll());
    }
    let acquired = if made > 0 { pair.count(&[Bracket]) } else { 0 };
    let released = if matches!(polled, Some(Poll::Pending)) { 0 } else { acquired };
    assert_eq!(world.released.get(), released, "released: {case}");
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
        (Some(Poll::Ready(Ok(Err(_)))), _) => Outcome::Failed,
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
    for first in ADAPTERS.into_iter().chain(ONCE) {
        for second in ADAPTERS.into_iter().chain(ONCE) {
            if ONCE.contains(&first) && second == Retry {
                continue;
            }
            for kind in KINDS {
                for ending in ENDINGS {
                    check(kind, ending, first, second);
                    cases += 1;
                }
            }
        }
    }
    assert_eq!(cases, (18 * 18 - 3) * 5 * 6);
}
