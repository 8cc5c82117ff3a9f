//! Bad input gives a clear error or has a documented meaning: never a hang, never a panic.

mod executors;
mod support;

use std::{
    cell::Cell,
    future::{pending, poll_fn},
    iter,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use futures_lite::future::yield_now;
use support::{ByHand, CountingTimer, SECOND};
use tenure::{
    AbortHandle, Aborted, Backoff, Limit, OwnedFuture, Scope,
    abort::{AbortReason, Position},
    bracket,
    owner::Key,
    retry::Jitter,
    scope::Nursery,
    time::{Instant, TestClock, Timer},
};

/// How many attempts are made in all.
fn attempts(policy: impl tenure::retry::Policy) -> usize {
    let calls = Cell::new(0);
    let failing = || {
        calls.set(calls.get() + 1);
        async { Err::<(), _>("down") }
    };
    assert_eq!(ByHand::new(failing.retry(policy)).ready().unwrap(), Err("down"));
    calls.get()
}

executors::on_every_executor! {
    async fn nothing_enters_a_limit_of_zero(executor: Executor) {
        let (shut, scope) = (Limit::new(0), Scope::new("scope"));
        let chain = async { unreachable!("it was started") }.limit(&shut).named("job").in_scope(&scope);
        let refused: Result<(), Aborted> = executor.spawn(chain).await;
        assert_eq!(refused.unwrap_err().to_string(), "rejected by a limit: it has no permits (in `job`)");
        assert_eq!((shut.capacity(), shut.active(), shut.waiting()), (0, 0, 0));
        assert_eq!(scope.members(), 0);
    }

    /// It waits for itself. A timeout in it, or an abort, ends that.
    async fn a_member_that_closes_its_own_scope_waits_until_it_is_ended(executor: Executor) {
        let clock = TestClock::new();
        let scope = Scope::builder("scope").timer(&clock).build();
        let (inner, timer) = (scope.clone(), clock.clone());
        let member = async move {
            let waited = inner.close().with_timeout(SECOND).with_timer(&timer).await;
            waited.map(|_| ()).unwrap_err()
        };
        let member = executor.spawn(clock.watch(member.in_scope(&scope)));
        assert!(member.await.unwrap().is_timeout());
        assert_eq!(clock.elapsed(), SECOND);
        assert_eq!(scope.close().await.clean_up().steps, 0);

        let scope = Scope::new("scope");
        let inner = scope.clone();
        let member = executor.spawn(async move { inner.close().await }.in_scope(&scope));
        yield_now().await;
        scope.abort("stop");
        assert!(scope.close().await.aborted().is_some());
        member.await.unwrap_err();
    }
}

#[test]
fn a_limit_of_zero_is_not_tried_again() {
    let (shut, calls) = (Limit::new(0), Cell::new(0));
    let count = || {
        calls.set(calls.get() + 1);
        async { Err::<(), _>("down") }
    };
    let mut chain = ByHand::new(count.limit(&shut).retry(Backoff::fixed(Duration::ZERO)));
    let refused = chain.ready().unwrap_err();
    assert_eq!((refused.position(), calls.get()), (Position::Below, 0));
}

#[test]
fn a_limit_takes_any_number_of_permits() {
    let limit = Limit::new(usize::MAX);
    let held: Vec<_> = (0..1_000).map(|_| ByHand::polled(pending::<()>().limit(&limit))).collect();
    assert_eq!((limit.capacity(), limit.active()), (isize::MAX as usize / 8, 1_000));
    drop(held);
    assert_eq!(limit.active(), 0);
}

#[test]
fn a_timeout_of_zero_gives_one_poll() {
    let timer = CountingTimer::default();
    let now =
        ByHand::new(async { 1 }.with_timeout(Duration::ZERO).with_timer(timer.clone())).ready();
    assert_eq!(now.unwrap(), 1);
    let mut polls = 0;
    let stuck = poll_fn(|_| {
        polls += 1;
        Poll::<()>::Pending
    });
    let mut late = ByHand::new(stuck.with_timeout(Duration::ZERO).with_timer(timer.clone()));
    assert_eq!(
        late.ready().unwrap_err().reason(),
        &AbortReason::TimedOut { after: Duration::ZERO }
    );
    drop(late);
    assert_eq!((polls, timer.set()), (1, 0));
}

#[test]
fn a_timeout_of_max_never_fires_and_sets_no_alarm() {
    let timer = CountingTimer::default();
    timer.advance(SECOND);
    let stuck = pending::<()>().with_timeout(Duration::MAX).with_timer(timer.clone());
    let mut stuck = ByHand::polled(stuck);
    timer.advance(Duration::from_secs(500 * 365 * 86_400));
    assert!(stuck.poll().is_pending());
    assert_eq!((stuck.wakes(), timer.set()), (0, 0));
}

#[test]
fn a_deadline_may_lie_anywhere() {
    let timer = CountingTimer::default();
    timer.advance(SECOND);
    let stuck =
        |at: Instant| ByHand::new(pending::<()>().with_deadline(at).with_timer(timer.clone()));
    let passed = stuck(Instant::START).ready().unwrap_err();
    assert_eq!(passed.reason(), &AbortReason::DeadlinePassed { at: Instant::START });
    let now = timer.now();
    assert!(stuck(now).ready().unwrap_err().is_timeout());
    assert!(stuck(Instant::NEVER).poll().is_pending());
    assert_eq!(timer.set(), 0);
    let ready = async { 1 }.with_deadline(Instant::START).with_timer(timer.clone());
    assert_eq!(ByHand::new(ready).ready().unwrap(), 1, "a value that is ready wins");
}

#[test]
fn a_retry_makes_one_attempt_at_least() {
    let at_once = Backoff::fixed(Duration::ZERO);
    assert_eq!(attempts(at_once.attempts(0)), 1);
    assert_eq!(attempts(at_once.attempts(1)), 1);
    assert_eq!(attempts(at_once.attempts(2)), 2);
    assert_eq!(attempts(iter::empty()), 1);
    assert_eq!(attempts([Duration::ZERO; 3].into_iter()), 4);
}

/// One that never waits gives others a turn all the same.
#[test]
fn a_retry_for_ever_without_a_delay_yields() {
    let failing = || async { Err::<(), _>("down") };
    let for_ever = Backoff::fixed(Duration::ZERO).attempts(u32::MAX);
    let stop = AbortHandle::new();
    let mut chain = ByHand::new(failing.retry(for_ever).with_abort(&stop));
    for polls in 1..100 {
        assert!(chain.poll().is_pending());
        assert_eq!(chain.wakes(), polls);
    }
    stop.abort("stop");
    chain.ready().unwrap_err();
}

#[test]
fn a_back_off_of_max_waits_for_ever_or_not_at_all() {
    let timer = CountingTimer::default();
    let failing = || async { Err::<(), _>("down") };
    let stop = AbortHandle::new();
    let waits = failing.retry(Backoff::fixed(Duration::MAX)).with_abort(&stop);
    let mut waits = ByHand::polled(waits.with_timer(timer.clone()));
    assert_eq!(timer.set(), 0);
    stop.abort("stop");
    assert_eq!(waits.ready().unwrap_err().to_string(), "stop");

    let bounded = failing.retry(Backoff::fixed(Duration::MAX)).with_timeout(SECOND);
    let mut bounded = ByHand::new(bounded.with_timer(timer.clone()));
    assert_eq!(bounded.ready().unwrap(), Err("down"), "it can't be met, so it isn't begun");
    assert_eq!(timer.set(), 0);
}

#[test]
fn factors_and_bounds_without_sense_have_a_meaning() {
    let delays = |backoff: Backoff| backoff.delays().collect::<Vec<_>>();
    let base = Backoff::exponential().first_delay(SECOND);
    for factor in [f64::NAN, f64::NEG_INFINITY, -1.0, -0.0, 0.0, 0.5, 1.0] {
        assert_eq!(delays(base.factor(factor)), [SECOND; 3], "{factor}");
    }
    let longest = 30 * SECOND;
    assert_eq!(delays(base.factor(f64::INFINITY)), [SECOND, longest, longest]);
    assert_eq!(delays(base.factor(f64::MAX)), [SECOND, longest, longest]);
    assert_eq!(delays(base.first_delay(Duration::ZERO).factor(f64::INFINITY)), [Duration::ZERO; 3]);
    let unbounded = base.first_delay(Duration::MAX).max_delay(Duration::MAX);
    assert_eq!(delays(unbounded), [Duration::MAX; 3]);
    assert_eq!(delays(base.min_delay(Duration::MAX)), [longest; 3], "the longest holds");
    assert_eq!(delays(base.max_delay(Duration::ZERO)), [Duration::ZERO; 3]);
    for jitter in [base, base.min_delay(longest), unbounded, base.factor(f64::INFINITY)] {
        for (some, all) in delays(jitter.jitter(Jitter::Full)).into_iter().zip(delays(jitter)) {
            assert!(some <= all);
        }
    }
}

#[test]
fn a_grace_of_max_has_no_end_and_sets_no_alarm() {
    let timer = CountingTimer::default();
    let stop = AbortHandle::new();
    let told = pending::<()>().with_grace(Duration::MAX).with_abort(&stop);
    let untold = pending::<()>().shielded(Duration::MAX).with_abort(&stop);
    let mut spared = [
        ByHand::polled(told.with_timer(timer.clone())),
        ByHand::polled(untold.with_timer(timer.clone())),
    ];
    stop.abort("stop");
    timer.advance(Duration::from_secs(500 * 365 * 86_400));
    for spared in &mut spared {
        assert!(spared.poll().is_pending());
        assert_eq!((timer.set(), spared.wakes()), (0, 1));
    }
}

#[test]
fn a_bracket_may_have_no_time_or_all_of_it() {
    for (most, released) in [(Duration::ZERO, 1), (Duration::MAX, 0)] {
        let (timer, stop) = (CountingTimer::default(), AbortHandle::new());
        let acquire = pending::<Result<(), ()>>();
        let stuck = bracket(acquire, async |_| Ok(()), async |(), _| {}).acquire_within(most);
        let mut stuck = ByHand::polled(stuck.with_abort(&stop).with_timer(timer.clone()));
        let slow = bracket(async { Ok::<_, ()>(()) }, async |_| Ok(7), |(), _| pending());
        let mut slow = ByHand::new(slow.release_within(most).with_timer(timer.clone()));
        stop.abort("stop");
        let ended = [stuck.poll().is_ready(), slow.poll() == Poll::Ready(Ok(Ok(7)))];
        assert_eq!((ended, timer.set()), ([released == 1; 2], 0));
    }
}

/// Nothing is left with it, and nobody waits for it.
#[test]
fn a_nursery_that_is_kept_takes_nothing_once_it_has_ended() {
    fn kept() -> Nursery<'static> {
        ByHand::new(tenure::scope(async |n| n)).ready().unwrap()
    }
    let (n, token) = (kept(), Arc::new(()));
    let (a, b, c) = (token.clone(), token.clone(), token.clone());
    n.defer(move |_| drop(a));
    n.defer_async(move |_| async { drop(b) });
    n.on_close(move |_| drop(c));
    let d = token.clone();
    let mut late = ByHand::new(n.spawn(async move { drop(d) }));
    assert_eq!(late.ready().unwrap_err().reason(), &AbortReason::ScopeEnded);
    assert_eq!(Arc::strong_count(&token), 1);
    let refused = ByHand::new(async {}.in_scope(&n)).ready().unwrap_err();
    assert_eq!(refused.reason(), &AbortReason::ScopeEnded);
    n.abort("too late");

    let child = n.spawn(async {});
    assert!(child.is_finished() && !child.abort("too late"));
}

#[test]
fn one_that_is_in_a_scope_twice_is_two_members() {
    let scope = Scope::new("scope");
    let mut twice =
        ByHand::polled(pending::<Result<(), String>>().in_scope(&scope).try_in_scope(&scope));
    assert_eq!(scope.members(), 2);
    scope.abort("stop");
    assert_eq!(twice.ready().unwrap_err().to_string(), "stop (in `scope`)");
    assert_eq!(scope.members(), 0);
    let members = ByHand::new(scope.close()).ready().members();
    assert_eq!(members.aborted, 2);
}

/// A child that waits for itself, or its body for it, is ended as any other.
#[test]
fn a_child_that_awaits_itself_ends_with_its_nursery() {
    let stop = AbortHandle::new();
    let (give, take) = futures::channel::oneshot::channel();
    let family = tenure::scope(async |n| {
        let own = n.spawn(async move {
            let own: tenure::scope::JoinHandle<()> = take.await.unwrap();
            _ = own.await;
        });
        give.send(own).unwrap();
    });
    let mut family = ByHand::polled(family.with_abort(&stop));
    assert!(family.run().is_pending());
    stop.abort("stop");
    assert_eq!(family.ready().unwrap_err().to_string(), "stop");
    assert_eq!(family.wakers(), 0);
}

#[test]
fn a_value_that_is_given_twice_or_to_nobody_harms_nobody() {
    static KEY: Key<u8> = Key::new("");
    let inner = async { KEY.get() }.with_value(&KEY, 1).with_value(&KEY, 2);
    assert_eq!(ByHand::new(inner).ready().unwrap(), Some(1));
    assert_eq!(ByHand::new(async { KEY.get() }.named("")).ready().unwrap(), None);
    assert_eq!(KEY.get(), None);
}

#[test]
fn an_empty_name_is_a_name() {
    let (clock, scope) = (TestClock::new(), Scope::new(""));
    assert_eq!(scope.name(), "");
    assert_eq!(ByHand::new(scope.close()).ready().to_string(), "`` closed");
    let stuck = pending::<()>().with_timeout(Duration::ZERO).named("").with_timer(&clock);
    let aborted = ByHand::new(stuck).ready().unwrap_err();
    assert_eq!(aborted.to_string(), "timed out after 0ns (in ``)");
    assert_eq!(aborted.origin(), Some(""));
}

#[test]
fn what_is_aborted_already_starts_nothing() {
    let stop = AbortHandle::new();
    stop.abort("stop");
    let never = || async { unreachable!("it was started") };
    let limit = Limit::new(1);
    let timer = CountingTimer::default();
    let mut chain = ByHand::new(
        never
            .limit(&limit)
            .with_timeout(Duration::ZERO)
            .with_abort(&stop)
            .with_timer(timer.clone()),
    );
    let aborted: Aborted = chain.ready().map(|(): ()| ()).unwrap_err();
    assert_eq!((aborted.to_string().as_str(), aborted.position()), ("stop", Position::Above));
    assert_eq!((limit.active(), timer.set()), (0, 0));

    let scope = Scope::new("scope");
    scope.abort("closed");
    let refused: Aborted =
        ByHand::new(never.in_scope(&scope)).ready().map(|(): ()| ()).unwrap_err();
    assert_eq!(refused.to_string(), "closed (in `scope`)");
    assert_eq!(refused.position(), Position::Above);
}

#[test]
fn any_of_none_never_aborts_and_all_of_none_has() {
    let any = AbortHandle::any([]);
    assert!(!any.is_aborted());
    assert!(any.abort("by hand"), "it is a node of its own");
    let all = AbortHandle::all([]);
    assert!(all.is_aborted() && !all.abort("again"));
    let never = AbortHandle::never();
    assert!(!AbortHandle::any([&never]).is_aborted());
    let stop = AbortHandle::new();
    let all = AbortHandle::all([&stop, &never]);
    stop.abort("stop");
    assert!(!all.is_aborted(), "never never does");
}

#[test]
fn the_second_abort_changes_nothing() {
    let (stop, scope) = (AbortHandle::new(), Scope::new("scope"));
    let mut chain = ByHand::polled(pending::<()>().with_abort(&stop));
    assert!(stop.abort("first"));
    assert!(!stop.abort("second"));
    assert_eq!(chain.wakes(), 1);
    assert_eq!(chain.ready().unwrap_err().to_string(), "first");
    assert!(scope.abort("first") && !scope.abort("second"));
}

#[test]
fn an_abort_in_its_own_drop_is_heard() {
    struct Aborts(AbortHandle, Scope);
    impl Drop for Aborts {
        fn drop(&mut self) {
            self.0.abort("in drop");
            self.1.abort("in drop");
        }
    }
    let (stop, scope) = (AbortHandle::new(), Scope::new("scope"));
    let chain = || {
        let aborts = Aborts(stop.clone(), scope.clone());
        let stuck = async move {
            let _aborts = aborts;
            pending::<()>().await
        };
        stuck.with_abort(&stop).in_scope(&scope)
    };
    drop(ByHand::polled(chain()));
    assert!(stop.is_aborted() && scope.is_aborted());
    assert_eq!(scope.members(), 0);
    drop(ByHand::new(chain()));

    // A value that is ready is kept, though its future's drop aborts.
    let (stop, scope) = (AbortHandle::new(), Scope::new("scope"));
    let aborts = Aborts(stop.clone(), scope.clone());
    let ready = poll_fn(move |_| {
        let _aborts = &aborts;
        Poll::Ready(1)
    });
    assert_eq!(ByHand::new(ready.with_abort(&stop).in_scope(&scope)).ready().unwrap(), 1);
}

#[test]
fn an_abort_during_its_own_poll_ends_it_in_that_poll() {
    let (stop, scope) = (AbortHandle::new(), Scope::new("scope"));
    let inner = stop.clone();
    let stuck = poll_fn(move |_| {
        inner.abort("in poll");
        Poll::<()>::Pending
    });
    assert_eq!(ByHand::new(stuck.with_abort(&stop)).ready().unwrap_err().to_string(), "in poll");
    let inner = scope.clone();
    let stuck = poll_fn(move |_| {
        inner.abort("in poll");
        Poll::<()>::Pending
    });
    let mut stuck = ByHand::new(stuck.in_scope(&scope));
    assert_eq!(stuck.ready().unwrap_err().to_string(), "in poll (in `scope`)");

    let stop = AbortHandle::new();
    let inner = stop.clone();
    let ready = poll_fn(move |_| {
        inner.abort("in poll");
        Poll::Ready(1)
    });
    assert_eq!(ByHand::new(ready.with_abort(&stop)).ready().unwrap(), 1, "the value wins");
}

#[test]
fn a_clean_up_bound_of_zero_gives_one_poll() {
    let scope = Scope::builder("scope").timer(CountingTimer::default()).build();
    let ran = Arc::new(());
    let kept = ran.clone();
    scope.defer_async_within(Duration::ZERO, move |_| async move { drop(kept) });
    scope.defer_async_within(Duration::ZERO, |_| pending());
    let report = ByHand::new(scope.close()).ready();
    assert_eq!((report.clean_up().steps, report.clean_up().overran), (2, 1));
    assert_eq!(Arc::strong_count(&ran), 1);
}

#[test]
fn a_scope_may_have_all_the_time() {
    let timer = CountingTimer::default();
    let scope = Scope::builder("scope").timer(timer.clone()).timeout(Duration::MAX).build();
    let member = ByHand::polled(pending::<()>().in_scope(&scope));
    scope.defer_async_within(Duration::MAX, |_| pending());
    let mut close = ByHand::polled(scope.close_within(Duration::MAX));
    timer.advance(Duration::from_secs(500 * 365 * 86_400));
    assert!(close.poll().is_pending());
    drop(member);
    assert!(close.poll().is_pending(), "its clean-up has all the time, too");
    assert_eq!((timer.set(), scope.is_aborted()), (0, false));
    drop(close);
    drop(scope);
}

/// It waits for itself, for as long as it may.
#[test]
fn clean_up_that_closes_its_own_scope_is_ended_at_its_bound() {
    let clock = TestClock::new();
    let scope = Scope::builder("scope").timer(&clock).build();
    let own = scope.clone();
    scope.defer_async_within(SECOND, move |_| async move { _ = own.close().await });
    let report = smol::block_on(clock.watch(scope.close()));
    assert_eq!((report.clean_up().overran, clock.elapsed()), (1, SECOND));
    assert_eq!(ByHand::new(scope.closed()).ready().clean_up().steps, 1);
}
