//! Drop at the verdict: when `Err(Aborted)` is there, what was aborted is gone, though the future
//! that returned it still lives.

mod executors;
mod support;

use std::{
    future::{Future, pending},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use async_lock::Mutex;
use support::{ByHand, Count, CountingTimer, Drops, Log, SECOND, Token, for_each_receiver};
use tenure::{
    AbortHandle, AbortReason, Aborted, Backoff, Limit, Owned, OwnedFuture, Owner, Scope, bracket,
    operation::Operation,
    owner::Key,
    time::{Instant, TestClock},
    timeout::{Overdue, TimeoutHandle},
};

/// Makes futures that hold a lock, for ever.
#[derive(Clone, Default)]
struct Holder {
    lock: Arc<Mutex<()>>,
    drops: Drops,
}

impl Holder {
    fn hold(&self) -> impl Future<Output = Result<(), &'static str>> + Send + use<> {
        let Self { lock, drops } = self.clone();
        async move {
            let _token = drops.token();
            let _locked = lock.lock_arc().await;
            pending().await
        }
    }

    /// Polls `chain` until it holds the lock, ends it, and looks before the chain is dropped.
    fn assert_let_go<O: Operation, R>(&self, chain: Owned<O>, end: impl FnOnce() -> R) -> Aborted {
        let before = self.drops.dropped();
        let mut chain = ByHand::new(chain);
        assert!(chain.poll().is_pending());
        assert!(self.lock.try_lock().is_none(), "it holds the lock");
        end();
        let Poll::Ready(Err(aborted)) = chain.poll() else { panic!("not aborted") };
        assert_eq!(self.drops.dropped(), before + 1, "what ran is dropped");
        assert!(self.lock.try_lock().is_some(), "its lock is free");
        aborted
    }
}

/// A receiver over a [`Holder`], for each kind.
macro_rules! for_each_holder {
    (|$holder:ident, $work:ident| $check:expr) => {{
        let $holder = Holder::default();
        let holder = $holder.clone();
        for_each_receiver!(move || holder.hold(), |$work| $check)
    }};
}

#[test]
fn with_timeout_drops_first() {
    for_each_holder!(|holder, work| {
        let clock = TestClock::new();
        let chain = work.with_timeout(SECOND).with_timer(&clock);
        assert!(holder.assert_let_go(chain, || clock.advance(SECOND)).is_timeout());
    });
}

#[test]
fn with_deadline_drops_first() {
    for_each_holder!(|holder, work| {
        let clock = TestClock::new();
        let chain = work.with_deadline(Instant::START + SECOND).with_timer(&clock);
        assert!(holder.assert_let_go(chain, || clock.advance(SECOND)).is_timeout());
    });
}

#[test]
fn with_timeout_handle_drops_first_and_leaves_its_handle() {
    for_each_holder!(|holder, work| {
        let (clock, timeout) = (TestClock::new(), TimeoutHandle::new(SECOND));
        let chain = work.with_timeout_handle(&timeout).with_timer(&clock);
        assert!(holder.assert_let_go(chain, || clock.advance(SECOND)).is_timeout());
    });
    for_each_holder!(|holder, work| {
        let (clock, timeout) = (TestClock::new(), TimeoutHandle::new(9 * SECOND));
        let chain = work.with_timeout_handle(&timeout).with_timer(&clock);
        assert!(holder.assert_let_go(chain, || timeout.reset(Duration::ZERO)).is_timeout());
    });

    let (clock, timeout) = (TestClock::new(), TimeoutHandle::new(SECOND));
    let chain = pending::<()>().with_timeout_handle(&timeout).with_timer(&clock);
    let mut chain = ByHand::polled(chain);
    clock.advance(SECOND);
    assert!(chain.poll().is_ready());
    let wakes = chain.wakes();
    timeout.reset(SECOND);
    assert_eq!((chain.wakes(), chain.wakers()), (wakes, 0));
}

#[test]
fn with_idle_timeout_drops_first() {
    for_each_holder!(|holder, work| {
        let clock = TestClock::new();
        let chain = work.with_idle_timeout(SECOND).with_timer(&clock);
        assert!(holder.assert_let_go(chain, || clock.advance(SECOND)).is_timeout());
    });
}

/// What it runs is dropped before it could tell of it.
#[test]
fn warn_after_drops_with_what_is_above() {
    for_each_holder!(|holder, work| {
        let (clock, stop) = (TestClock::new(), AbortHandle::new());
        let chain = work.warn_after(SECOND, |overdue| panic!("{overdue}"));
        let chain = chain.with_abort(&stop).with_timer(&clock);
        let end = || {
            clock.advance(SECOND);
            stop.abort("stop")
        };
        assert_eq!(holder.assert_let_go(chain, end).reason(), &"stop".into());
    });
}

#[test]
fn with_abort_drops_first() {
    for_each_holder!(|holder, work| {
        let stop = AbortHandle::new();
        let aborted = holder.assert_let_go(work.with_abort(&stop), || stop.abort("stop"));
        assert_eq!(aborted.reason(), &"stop".into());
    });
}

#[test]
fn in_scope_drops_first_and_leaves_the_scope() {
    for_each_holder!(|holder, work| {
        let scope = Scope::new("scope");
        let aborted = holder.assert_let_go(work.in_scope(&scope), || scope.abort("stop"));
        assert_eq!(aborted.reason(), &"stop".into());
    });
    for_each_holder!(|holder, work| {
        let scope = Scope::new("scope");
        let aborted = holder.assert_let_go(work.try_in_scope(&scope), || scope.abort("stop"));
        assert_eq!(aborted.reason(), &"stop".into());
    });

    let scope = Scope::new("scope");
    let mut member = ByHand::new(pending::<()>().in_scope(&scope));
    assert!(member.poll().is_pending());
    scope.abort("stop");
    assert_eq!(scope.members(), 1);
    assert!(member.poll().is_ready());
    assert_eq!(scope.members(), 0);
}

#[test]
fn limit_drops_first_and_gives_its_permit_back() {
    for_each_holder!(|holder, work| {
        let (stop, limit) = (AbortHandle::new(), Limit::new(1));
        holder.assert_let_go(work.limit(&limit).with_abort(&stop), || stop.abort("stop"));
        assert_eq!(limit.active(), 0);
    });
}

/// When its time is over: here it is at once.
#[test]
fn with_grace_and_shielded_drop_first() {
    for_each_holder!(|holder, work| {
        let (stop, clock) = (AbortHandle::new(), TestClock::new());
        let chain = work.with_grace(Duration::ZERO).with_abort(&stop).with_timer(&clock);
        assert_eq!(holder.assert_let_go(chain, || stop.abort("stop")).reason(), &"stop".into());
    });
    for_each_holder!(|holder, work| {
        let clock = TestClock::new();
        let chain = work.shielded(Duration::ZERO).with_timeout(SECOND).with_timer(&clock);
        assert!(holder.assert_let_go(chain, || clock.advance(SECOND)).is_timeout());
    });
}

#[test]
fn with_value_drops_what_runs_and_the_value() {
    static TOKEN: Key<Token> = Key::new("token");
    for_each_holder!(|holder, work| {
        let (stop, values) = (AbortHandle::new(), Drops::default());
        let chain = work.with_value(&TOKEN, values.token()).with_abort(&stop);
        holder.assert_let_go(chain, || {
            assert_eq!(values.live(), 1);
            stop.abort("stop")
        });
        assert_eq!(values.live(), 0);
    });
}

/// The body, a child and a chain that is one, in a nursery of either kind.
#[test]
fn a_nursery_drops_first() {
    for_each_holder!(|holder, work| {
        let stop = AbortHandle::new();
        let chain = tenure::scope(async |n| work.owned().spawn_in(&n).await).with_abort(&stop);
        assert_eq!(holder.assert_let_go(chain, || stop.abort("stop")).reason(), &"stop".into());
    });
    for_each_holder!(|holder, work| {
        let scope = Scope::new("scope");
        let chain = tenure::local_scope(async |n| {
            let body = work.owned();
            n.spawn(pending::<()>());
            body.await
        });
        holder.assert_let_go(chain.in_scope(&scope), || scope.abort("stop"));
        assert_eq!(scope.members(), 0);
    });
    // Its own abort, from within; and a failure.
    let (holder, clock) = (Holder::default(), TestClock::new());
    let failing = tenure::scope(async |n| {
        n.try_spawn(async {
            clock.sleep(SECOND).await;
            Err::<(), _>("down")
        });
        n.spawn(holder.hold()).await
    });
    let aborted = holder.assert_let_go(failing, || clock.advance(SECOND));
    assert_eq!(aborted.to_string(), "a sibling failed: down");
}

#[test]
fn one_that_is_aborted_alone_is_dropped_before_its_handle_tells() {
    let holder = Holder::default();
    let told = tenure::scope(async |n| {
        let child = n.spawn(holder.hold());
        futures_lite::future::yield_now().await;
        assert!(holder.lock.try_lock().is_none() && child.abort("alone"));
        let aborted = child.await.unwrap_err();
        assert!(holder.lock.try_lock().is_some());
        aborted.to_string()
    });
    assert_eq!(smol::block_on(told).unwrap(), "alone");
}

#[test]
fn bracket_drops_the_use_and_then_what_was_released() {
    for_each_holder!(|holder, work| {
        let (stop, acquired) = (AbortHandle::new(), Drops::default());
        let held = bracket(
            async { Ok::<_, &str>(acquired.token()) },
            async |_held| work.owned().await.unwrap_or(Err("aborted")),
            async |token: Token, _| {
                assert!(holder.lock.try_lock().is_some(), "the use is gone");
                drop(token);
            },
        );
        holder.assert_let_go(held.with_abort(&stop), || {
            assert_eq!(acquired.live(), 1);
            stop.abort("stop")
        });
        assert_eq!(acquired.live(), 0);
    });
}

/// A retry needs what can run again, so there are two kinds of receiver.
#[test]
fn retry_drops_first() {
    let policy = Backoff::fixed(SECOND).attempts(u32::MAX);
    let holder = Holder::default();
    let hold = || {
        let holder = holder.clone();
        move || holder.hold()
    };
    let hold_owned = |_: Owner| holder.hold();

    let stop = AbortHandle::new();
    holder.assert_let_go(hold().retry(policy).with_abort(&stop), || stop.abort("stop"));
    let stop = AbortHandle::new();
    holder.assert_let_go(hold_owned.retry(policy).with_abort(&stop), || stop.abort("stop"));
    let scope = Scope::new("scope");
    holder.assert_let_go(hold().retry(policy).in_scope(&scope), || scope.abort("stop"));
    let clock = TestClock::new();
    let chain = hold_owned.retry(policy).with_timeout(SECOND).with_timer(&clock);
    holder.assert_let_go(chain, || clock.advance(SECOND));
    // No further attempt follows the first one's timeout.
    let chain = hold().with_timeout(SECOND).retry([].into_iter()).with_timer(&clock);
    holder.assert_let_go(chain, || clock.advance(SECOND));
}

#[test]
fn the_whole_chain_drops_first() {
    let holder = Holder::default();
    let hold = holder.clone();
    let (clock, limit) = (TestClock::new(), Limit::new(1));
    let scope = Scope::builder("scope").timer(&clock).build();
    let chain = (move || hold.hold())
        .with_timeout(2 * SECOND)
        .with_idle_timeout(SECOND)
        .retry(Backoff::exponential())
        .warn_after(5 * SECOND, |_| {})
        .with_grace(Duration::ZERO)
        .limit(&limit)
        .with_timeout(10 * SECOND)
        .with_timeout_handle(&TimeoutHandle::new(20 * SECOND))
        .in_scope(&scope);
    holder.assert_let_go(chain, || scope.abort("stop"));
    assert_eq!((limit.active(), scope.members()), (0, 0));
}

#[test]
fn an_attempt_is_dropped_before_its_retry_is_told() {
    let (clock, holder, told) = (TestClock::new(), Holder::default(), Count::default());
    let (hold, look, tell) = (holder.clone(), holder.clone(), told.clone());
    let chain = (move || hold.hold())
        .with_timeout(SECOND)
        .retry(Backoff::fixed(Duration::ZERO).attempts(3))
        .on_retry(move |_| {
            assert_eq!(look.drops.dropped(), tell.add() + 1);
            assert!(look.lock.try_lock().is_some());
        })
        .with_timer(&clock);
    let aborted = smol::block_on(clock.watch(chain)).unwrap_err();
    assert!(aborted.is_timeout());
    assert_eq!((told.get(), holder.drops.dropped()), (2, 3));
}

static VALUE: Key<u8> = Key::new("value");

/// Looks, when it is dropped, at how many permits of a limit are held and how many members a scope has.
struct Looks(Limit, Scope, Log<(usize, usize)>);

impl Drop for Looks {
    fn drop(&mut self) {
        self.2.note((self.0.active(), self.1.members()));
    }
}

/// Whatever the order of the chain, and whoever ends it.
#[test]
fn what_runs_is_dropped_before_its_permit_and_its_place_are_given_up() {
    let (limit, seen) = (Limit::new(1), Log::default());
    let stop = AbortHandle::new();
    let scope = || Scope::new("scope");
    let looks = |scope: &Scope| {
        let looks = Looks(limit.clone(), scope.clone(), seen.clone());
        async move {
            let _looks = looks;
            pending::<()>().await
        }
    };
    fn assert_ends<O: Operation>(chain: Owned<O>, end: impl FnOnce() -> bool) {
        let mut chain = ByHand::new(chain);
        assert!(chain.poll().is_pending());
        assert!(end());
        assert!(matches!(chain.poll(), Poll::Ready(Err(_))));
    }

    let inside = scope();
    assert_ends(looks(&inside).limit(&limit).in_scope(&inside), || inside.abort("stop"));
    let outside = scope();
    assert_ends(looks(&outside).in_scope(&outside).limit(&limit), || outside.abort("stop"));
    let both = scope();
    let chain = looks(&both).in_scope(&both).limit(&limit).with_abort(&stop);
    assert_ends(chain, || stop.abort("stop"));
    let spared = scope();
    let chain = looks(&spared).with_grace(Duration::ZERO).shielded(Duration::ZERO);
    let chain = chain.with_value(&VALUE, 7).limit(&limit).in_scope(&spared);
    assert_ends(chain, || spared.abort("stop"));
    let around = scope();
    let family = tenure::local_scope(async |n| n.spawn(looks(&around)).await);
    assert_ends(family.limit(&limit).in_scope(&around), || around.abort("stop"));
    let held = scope();
    let using = async |_| {
        looks(&held).await;
        Ok::<_, ()>(())
    };
    let chain = bracket(async { Ok(()) }, using, async |_, _| {});
    assert_ends(chain.limit(&limit).in_scope(&held), || held.abort("stop"));
    assert_eq!(seen.all(), [(1, 1); 6]);
}

#[test]
fn what_ran_is_dropped_when_a_value_is_ready() {
    let (captured, dropped) = (Drops::default(), Drops::default());
    let make = |dropped: &Drops| dropped.of(async { Ok::<_, &str>("value") });
    // Looks while the chain itself still lives.
    let counts = || (captured.dropped(), dropped.dropped());
    fn run<O: Operation>(chain: Owned<O>, counts: impl Fn() -> (usize, usize)) -> (usize, usize) {
        let mut chain = ByHand::new(chain);
        assert!(matches!(chain.poll(), Poll::Ready(Ok(_))));
        counts()
    }

    assert_eq!(run(make(&dropped).with_timeout(SECOND), counts), (0, 1));
    let timeout = TimeoutHandle::new(SECOND);
    assert_eq!(run(make(&dropped).with_timeout_handle(&timeout), counts), (0, 2));
    assert_eq!(run(make(&dropped).with_idle_timeout(SECOND), counts), (0, 3));
    let capture = captured.token();
    let tell = move |_: &Overdue<'_>| _ = &capture;
    assert_eq!(run(make(&dropped).warn_after(SECOND, tell), counts), (1, 4));

    let (drops, capture) = (dropped.clone(), captured.token());
    let call = move || {
        let _: &Token = &capture;
        make(&drops)
    };
    let chain = call.with_timeout(SECOND).retry(Backoff::exponential()).limit(Limit::new(1));
    assert_eq!(run(chain, counts), (2, 5));

    let (drops, capture) = (dropped.clone(), captured.token());
    let task = move |_: Owner| {
        let _: &Token = &capture;
        make(&drops)
    };
    let scope = Scope::new("scope");
    let chain = task.in_scope(&scope).with_abort(AbortHandle::new());
    assert_eq!(run(chain, counts), (3, 6));

    assert_eq!(run(make(&dropped).with_grace(SECOND).shielded(SECOND), counts), (3, 7));
    let (drops, capture) = (dropped.clone(), captured.token());
    let children = tenure::scope(async move |n| {
        n.defer(move |_| _ = &capture);
        n.spawn(make(&drops)).await
    });
    assert_eq!(run(children, counts), (4, 8));
    let (drops, capture) = (dropped.clone(), captured.token());
    let held = async move |held: tenure::bracket::Held<Token>| {
        let _: &Token = &held;
        make(&drops).await
    };
    assert_eq!(run(bracket(async { Ok(capture) }, held, async |_, _| {}), counts), (5, 9));
}

/// What `retry` and its friends were given goes, too.
#[test]
fn captures_are_dropped_when_an_abort_is_ready() {
    let (captured, stop) = (Drops::default(), AbortHandle::new());
    let (a, b, c, d, e) =
        (captured.token(), captured.token(), captured.token(), captured.token(), captured.token());
    let policy = std::iter::from_fn(move || {
        let _: &Token = &a;
        Some(SECOND)
    });
    let work = move || {
        let _: &Token = &b;
        pending::<Result<(), &str>>()
    };
    let chain = work
        .retry(policy)
        .when(move |_| {
            let _: &Token = &c;
            true
        })
        .on_retry(move |_| {
            let _: &Token = &d;
        })
        .warn_after(SECOND, move |_| {
            let _: &Token = &e;
        })
        .with_abort(&stop);
    let mut chain = ByHand::new(chain);
    assert!(chain.poll().is_pending());
    stop.abort("stop");
    assert_eq!(captured.dropped(), 0);
    assert!(chain.poll().is_ready());
    assert_eq!(captured.dropped(), 5);
}

/// Also where the whole is dropped.
#[test]
fn what_runs_is_dropped_before_the_alarm_and_the_seat_are_given_up() {
    struct Alarms(CountingTimer, TimeoutHandle, Log<(usize, bool)>);
    impl Drop for Alarms {
        fn drop(&mut self) {
            let seated = format!("{:?}", self.1).contains("running: 1");
            self.2.note((self.0.outstanding(), seated));
        }
    }
    let (timer, timeout, seen) =
        (CountingTimer::default(), TimeoutHandle::new(SECOND), Log::default());
    let work = || {
        let alarms = (timer.clone(), timeout.clone(), seen.clone());
        let runs = move || {
            let (timer, timeout, seen) = alarms.clone();
            let alarms = Alarms(timer, timeout, seen);
            async move {
                let _alarms = alarms;
                pending::<()>().await
            }
        };
        let chain = runs.with_idle_timeout(2 * SECOND).with_timeout_handle(&timeout);
        chain.warn_after(SECOND, |_| {}).with_timer(timer.clone())
    };
    drop(ByHand::polled(work()));
    let stop = AbortHandle::new();
    let mut aborted = ByHand::polled(work().with_abort(&stop));
    stop.abort("stop");
    assert!(aborted.poll().is_ready());
    assert_eq!(seen.all(), [(3, true); 2]);
    assert_eq!(timer.outstanding(), 0);
}

executors::on_every_executor! {
    /// Whoever awaits it can take the lock at once, on the same task.
    async fn a_lock_is_free_when_the_timeout_is_reported(executor: Executor) {
        let clock = TestClock::new();
        let holder = Holder::default();
        let hands = clock.clone();
        let task = async move {
            let aborted = holder.hold().with_timeout(SECOND).with_timer(&hands).await.unwrap_err();
            assert_eq!(aborted.reason(), &AbortReason::TimedOut { after: SECOND });
            assert!(holder.lock.try_lock().is_some());
            // Not awaited in place: the future itself lives on.
            let chain = holder.hold().with_timeout(SECOND).with_timer(&hands);
            let mut chain = std::pin::pin!(chain);
            assert!(chain.as_mut().await.is_err());
            assert!(holder.lock.try_lock().is_some());
        };
        executor.spawn(clock.watch(task)).await;
        assert_eq!(clock.elapsed(), 2 * SECOND);
    }
}
