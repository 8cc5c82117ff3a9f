//! An owner that was aborted starts nothing: no first poll, no call, no permit, no attempt.

mod executors;
mod support;

use std::{future::pending, task::Poll, time::Duration};

use support::{ByHand, Count, CountingTimer, SECOND, for_each_receiver};
use tenure::{
    AbortHandle, AbortReason, Aborted, Backoff, Limit, Owned, OwnedFuture, Owner, Scope,
    abort::Position, bracket, operation::Operation, owner::Key, time::TestClock,
    timeout::TimeoutHandle,
};

static KEY: Key<u8> = Key::new("key");

/// Polls `chain`, which must end at once.
fn ended<O: Operation<Output: std::fmt::Debug>>(chain: Owned<O>) -> Aborted {
    match ByHand::new(chain).poll() {
        Poll::Ready(Err(aborted)) => aborted,
        other => panic!("not aborted: {other:?}"),
    }
}

fn aborted_handle() -> AbortHandle {
    let handle = AbortHandle::new();
    handle.abort("before");
    handle
}

fn aborted_scope() -> Scope {
    let scope = Scope::new("scope");
    scope.abort("before");
    scope
}

fn closed_scope() -> Scope {
    let scope = Scope::new("scope");
    smol::block_on(scope.close());
    scope
}

/// Work that counts its calls and its polls; both must stay at 0.
macro_rules! for_each_idle_receiver {
    (|$work:ident| $check:expr) => {{
        let (calls, polls) = (Count::default(), Count::default());
        let (counted, polled) = (calls.clone(), polls.clone());
        let make = move || {
            counted.add();
            polled.polls_of(async { Ok::<_, &'static str>(()) })
        };
        for_each_receiver!(make, |$work| $check);
        // A future receiver is made by the test itself, by one call.
        let made_by_the_test = 1;
        assert_eq!((calls.get(), polls.get()), (made_by_the_test, 0));
    }};
}

#[test]
fn an_aborted_handle_starts_nothing() {
    for_each_idle_receiver!(|work| {
        let aborted = ended(work.with_abort(aborted_handle()));
        assert_eq!(aborted.reason(), &"before".into());
        assert_eq!(aborted.position(), Position::Above);
    });
}

#[test]
fn an_aborted_scope_starts_nothing() {
    for_each_idle_receiver!(|work| {
        let scope = aborted_scope();
        let aborted = ended(work.in_scope(&scope));
        assert_eq!((aborted.reason(), aborted.origin()), (&"before".into(), Some("scope")));
        assert_eq!(aborted.position(), Position::Above);
    });
    for_each_idle_receiver!(|work| {
        let aborted = ended(work.try_in_scope(&aborted_scope()));
        assert_eq!(aborted.reason(), &"before".into());
        assert_eq!(aborted.position(), Position::Above);
    });
}

#[test]
fn a_scope_that_aborts_before_the_first_poll_starts_nothing() {
    for_each_idle_receiver!(|work| {
        let scope = Scope::new("scope");
        let chain = work.in_scope(&scope);
        scope.abort("meanwhile");
        let aborted = ended(chain);
        assert_eq!(aborted.reason(), &"meanwhile".into());
        assert_eq!(aborted.position(), Position::Above);
    });
}

#[test]
fn a_closed_scope_starts_nothing() {
    for_each_idle_receiver!(|work| {
        let scope = closed_scope();
        let aborted = ended(work.in_scope(&scope));
        assert_eq!(aborted.reason(), &AbortReason::ScopeEnded);
        assert_eq!((aborted.origin(), aborted.position()), (Some("scope"), Position::Above));
        assert_eq!(scope.members(), 0);
    });
}

#[test]
fn a_scope_without_a_handle_starts_nothing() {
    for_each_idle_receiver!(|work| {
        let chain = work.in_scope(&Scope::new("temporary"));
        assert_eq!(ended(chain).reason(), &AbortReason::ScopeEnded);
    });
}

#[test]
fn nothing_below_starts_whatever_stands_between() {
    for_each_idle_receiver!(|work| {
        let (limit, timeout) = (Limit::new(1), TimeoutHandle::new(Duration::ZERO));
        let between = work
            .with_timeout(Duration::ZERO)
            .with_grace(SECOND)
            .with_timeout_handle(&timeout)
            .with_idle_timeout(Duration::ZERO)
            .shielded(SECOND)
            .with_value(&KEY, 7)
            .limit(&limit)
            .named("between")
            .in_scope(&Scope::new("live"))
            .warn_after(Duration::ZERO, |overdue| panic!("{overdue}"))
            .with_timeout(SECOND)
            .with_abort(aborted_handle());
        assert_eq!(ended(between).reason(), &"before".into());
        assert_eq!((limit.active(), limit.waiting()), (0, 0));
    });
    for_each_idle_receiver!(|work| {
        let limit = Limit::new(1);
        let between = work.limit(&limit).with_abort(AbortHandle::new()).in_scope(&aborted_scope());
        assert_eq!(ended(between).reason(), &"before".into());
    });
}

/// Nor the body, nor what uses what a bracket would hold, nor what would acquire it.
#[test]
fn nothing_in_a_nursery_or_a_bracket_starts() {
    for_each_idle_receiver!(|work| {
        let family = tenure::scope(|n| {
            drop(work.owned().spawn_in(&n));
            async { unreachable!("the body was started") }
        });
        let aborted = ended(family.with_abort(aborted_handle()));
        assert_eq!(aborted.reason(), &"before".into());
    });
    for_each_idle_receiver!(|work| {
        let held = bracket(
            async { work.owned().await.unwrap() },
            async |_| -> Result<(), _> { unreachable!("it was used") },
            async |_, _| unreachable!("it was released"),
        );
        assert_eq!(ended(held.in_scope(&aborted_scope())).reason(), &"before".into());
    });
}

#[test]
fn a_nursery_that_was_aborted_or_has_ended_starts_nothing() {
    for_each_idle_receiver!(|work| {
        let family = tenure::scope(async |n| {
            n.abort("enough");
            let child = work.owned().spawn_in(&n);
            (n, child)
        });
        let (_n, child) = smol::block_on(family).unwrap();
        assert_eq!(smol::block_on(child).unwrap_err().reason(), &"enough".into());
    });
    for_each_idle_receiver!(|work| {
        let n = smol::block_on(tenure::scope(async |n| n)).unwrap();
        let aborted = smol::block_on(work.owned().spawn_in(&n)).unwrap_err();
        assert_eq!(aborted.reason(), &AbortReason::ScopeEnded);
        assert_eq!(aborted.position(), Position::Above);
    });
    for_each_idle_receiver!(|work| {
        let n = smol::block_on(tenure::scope(async |n| n)).unwrap();
        assert_eq!(ended(work.in_scope(&n)).reason(), &AbortReason::ScopeEnded);
    });
}

/// A scope in a scope that was aborted, or has closed, begins so.
#[test]
fn a_scope_in_one_that_has_ended_starts_nothing() {
    for_each_idle_receiver!(|work| {
        let child = aborted_scope().child("child");
        assert_eq!(ended(work.in_scope(&child)).reason(), &"before".into());
    });
    for_each_idle_receiver!(|work| {
        let child = closed_scope().child("child");
        assert_eq!(ended(work.try_in_scope(&child)).reason(), &AbortReason::ScopeEnded);
    });
}

#[test]
fn no_permit_is_claimed_and_nobody_waits_for_one() {
    let limit = Limit::new(1);
    let mut holder = ByHand::new(pending::<()>().limit(&limit));
    assert!(holder.poll().is_pending());
    ended(async {}.limit(&limit).with_abort(aborted_handle()));
    ended(async {}.limit(&limit).in_scope(&aborted_scope()));
    assert_eq!((limit.active(), limit.waiting()), (1, 0));
}

#[test]
fn no_attempt_is_made() {
    let attempts = Count::default();
    let counted = attempts.clone();
    let fails = move || {
        counted.add();
        async { Err::<(), _>("down") }
    };
    let policy = Backoff::fixed(Duration::ZERO);
    ended(fails.clone().retry(policy).with_abort(aborted_handle()));
    ended(fails.clone().retry(policy).in_scope(&aborted_scope()));
    ended(fails.clone().in_scope(&closed_scope()).retry(policy));
    ended(fails.clone().with_abort(aborted_handle()).retry(policy));
    let timeout = TimeoutHandle::new(SECOND);
    let watched = fails.clone().with_timeout_handle(&timeout).with_idle_timeout(SECOND);
    let watched = watched.warn_after(SECOND, |overdue| panic!("{overdue}"));
    ended(watched.retry(policy).with_abort(aborted_handle()));
    ended(
        (move |_: Owner| fails()).retry(policy).limit(Limit::new(1)).with_abort(aborted_handle()),
    );
    assert_eq!(attempts.get(), 0);
}

/// No clock is read and no alarm is set, either.
#[test]
fn no_timer_is_asked() {
    let timer = CountingTimer::default();
    let chain = pending::<()>().with_timeout(SECOND).with_abort(aborted_handle());
    ended(chain.with_timer(timer.clone()));
    let chain = pending::<()>().with_timeout(SECOND).with_timeout(SECOND).in_scope(&closed_scope());
    ended(chain.with_timer(timer.clone()));
    let timeout = TimeoutHandle::new(SECOND);
    let watched = || {
        let chain = pending::<()>().with_timeout_handle(&timeout).with_idle_timeout(SECOND);
        chain.warn_after(SECOND, |overdue| panic!("{overdue}"))
    };
    ended(watched().with_abort(aborted_handle()).with_timer(timer.clone()));
    let spared = watched().with_grace(SECOND).with_timeout(SECOND).shielded(SECOND);
    ended(spared.with_abort(aborted_handle()).with_timer(timer.clone()));
    let held = bracket(async { Ok::<_, ()>(()) }, async |_| Ok(()), async |(), _| {});
    ended(held.with_timeout(SECOND).in_scope(&closed_scope()).with_timer(timer.clone()));
    ended(watched().in_scope(&closed_scope()).with_timer(timer.clone()));
    assert_eq!((timer.reads(), timer.set()), (0, 0));
}

/// The first attempt aborts the owner, and fails: the second, due at once, isn't made.
#[test]
fn an_attempt_that_aborts_the_owner_is_the_last() {
    let (attempts, stop) = (Count::default(), AbortHandle::new());
    let (counted, own) = (attempts.clone(), stop.clone());
    let fails = move || {
        counted.add();
        own.abort("enough");
        async { Err::<(), _>("down") }
    };
    let chain = fails.retry(Backoff::fixed(SECOND).attempts(5)).with_abort(&stop);
    let aborted = smol::block_on(chain).unwrap_err();
    assert_eq!(aborted.reason(), &"enough".into());
    assert_eq!(attempts.get(), 1);
}

executors::on_every_executor! {
    /// Every attempt fails; up to 8 retries, 50 ms apart; aborted from outside while it sleeps.
    async fn scenario_05_a_retry_that_is_aborted_while_it_sleeps_makes_no_more_attempts(executor: Executor) {
        const STEP: Duration = Duration::from_millis(50);
        for abort_at in [STEP / 2, STEP + STEP / 2, 3 * STEP + STEP / 2] {
            let (clock, attempts, stop) = (TestClock::new(), Count::default(), AbortHandle::new());
            let counted = attempts.clone();
            let retry = (move || {
                counted.add();
                async { Err::<(), _>("down") }
            })
            .retry(Backoff::fixed(STEP).attempts(9))
            .with_abort(stop.clone())
            .with_timer(&clock);

            let (hands, seen) = (clock.clone(), attempts.clone());
            let outside = async move {
                hands.sleep(abort_at).await;
                let before = seen.get();
                assert!(stop.abort("user hit stop"));
                before
            };
            // Both are watched before either runs, or the clock would run ahead for the first.
            let (outside, retry) = (clock.watch(outside), clock.watch(retry));
            let (outside, retry) = (executor.spawn(outside), executor.spawn(retry));

            let before = outside.await;
            let aborted = retry.await.expect_err("ended as failed");
            assert_eq!(aborted.reason(), &AbortReason::Requested("user hit stop".into()));
            assert_eq!(clock.elapsed(), abort_at);
            assert_eq!(before as u128, 1 + abort_at.as_millis() / STEP.as_millis());
            assert_eq!(attempts.get(), before);
        }
    }

    async fn scenario_05_ends_with_the_scope(executor: Executor) {
        let (clock, attempts) = (TestClock::new(), Count::default());
        let scope = Scope::builder("scope").timer(&clock).build();
        let counted = attempts.clone();
        let retry = (move |_: Owner| {
            counted.add();
            async { Err::<(), _>("down") }
        })
        .retry(Backoff::fixed(SECOND).attempts(9))
        .in_scope(&scope);
        let hands = clock.clone();
        let outside = async move {
            hands.sleep(SECOND / 2).await;
            scope.abort("user hit stop");
        };
        let (outside, retry) = (clock.watch(outside), clock.watch(retry));
        let outside = executor.spawn(outside);
        let aborted = executor.spawn(retry).await.unwrap_err();
        outside.await;
        assert_eq!(aborted.to_string(), "user hit stop (in `scope`)");
        assert_eq!((attempts.get(), clock.elapsed()), (1, SECOND / 2));
    }
}
