//! How a failure in a scope reaches its siblings, and how far.

mod executors;
mod support;

use std::{
    future::{Future, pending},
    time::Duration,
};

use futures_lite::future::yield_now;
use support::{ByHand, Count, Drops, Log, MILLISECOND, on_wake};
use tenure::{
    Aborted, Backoff, Limit, OwnedFuture, Scope,
    abort::{AbortReason, Position},
    time::TestClock,
};

fn sibling_failed(who: Option<&'static str>, error: &str) -> AbortReason {
    AbortReason::SiblingFailed { who: who.map(Into::into), error: error.into() }
}

executors::on_every_executor! {
    /// A succeeds at 50 ms, B fails at 30, C succeeds at 100.
    async fn scenario_01_all_with_a_failure(executor: Executor) {
        let clock = TestClock::new();
        let scope = Scope::builder("all").timer(&clock).build();
        let log = Log::default();
        let polls_after = Count::default();
        let closed = Count::default();

        struct CleansUp(&'static str, TestClock, Log<String>);
        impl Drop for CleansUp {
            fn drop(&mut self) {
                let at = self.1.elapsed().as_millis();
                self.2.note(format!("{} cleaned up at {at}", self.0));
            }
        }
        let child = |name, after: u32, result: Result<&'static str, &'static str>| {
            let guard = CleansUp(name, clock.clone(), log.clone());
            let mut work = Box::pin(clock.sleep(after * MILLISECOND));
            let (polls_after, closed) = (polls_after.clone(), closed.clone());
            let work = std::future::poll_fn(move |cx| {
                let _guard = &guard;
                polls_after.add_all(closed.get());
                work.as_mut().poll(cx).map(|()| result)
            });
            let child = work.named(name).try_in_scope(&scope);
            executor.spawn(clock.watch(child))
        };
        // Nobody runs off before all have been made.
        let pause = clock.pause();
        let a = child("a", 50, Ok("a"));
        let b = child("b", 30, Err("b is down"));
        let c = child("c", 100, Ok("c"));
        drop(pause);

        let report = clock.watch(scope.close()).await;
        closed.add();
        assert_eq!(clock.elapsed(), 30 * MILLISECOND);
        let mut cleaned = log.all();
        cleaned.sort();
        assert_eq!(cleaned, ["a cleaned up at 30", "b cleaned up at 30", "c cleaned up at 30"]);
        assert_eq!(report.aborted().unwrap().reason(), &sibling_failed(Some("b"), "b is down"));

        assert_eq!(b.await.unwrap(), Err("b is down"));
        for sibling in [a.await, c.await] {
            let aborted = sibling.unwrap_err();
            assert_eq!(aborted.reason(), &sibling_failed(Some("b"), "b is down"));
            assert_eq!(aborted.origin(), Some("all"));
        }
        clock.advance(100 * MILLISECOND);
        yield_now().await;
        assert_eq!(polls_after.get(), 0);
    }

    async fn the_first_failure_ends_a_hundred_siblings(executor: Executor) {
        let (scope, drops) = (Scope::new("scope"), Drops::default());
        let siblings: Vec<_> = (0..100)
            .map(|_| {
                let work = drops.of(pending::<Result<(), &str>>());
                executor.spawn(work.try_in_scope(&scope))
            })
            .collect();
        let failing = executor.spawn(async { Err::<(), _>("down") }.try_in_scope(&scope));
        assert_eq!(failing.await.unwrap(), Err("down"));
        scope.close().await;
        assert_eq!(drops.live(), 0);
        for sibling in siblings {
            assert_eq!(sibling.await.unwrap_err().reason(), &sibling_failed(None, "down"));
        }
    }
}

fn stuck<'a>(scope: &Scope) -> ByHand<'a, Result<(), Aborted>> {
    ByHand::polled(pending().in_scope(scope))
}

#[test]
fn the_second_failure_changes_nothing() {
    let scope = Scope::new("scope");
    let fail =
        |name| ByHand::new(async move { Err::<(), _>(name) }.named(name).try_in_scope(&scope));
    let (mut first, mut second) = (fail("first"), fail("second"));
    assert_eq!(first.ready().unwrap(), Err("first"));
    // It had not begun, so it never does.
    assert_eq!(second.ready().unwrap_err().reason(), &sibling_failed(Some("first"), "first"));
    assert_eq!(scope.abort_handle().reason(), Some(sibling_failed(Some("first"), "first")));
}

#[test]
fn siblings_see_the_abort_from_above() {
    let scope = Scope::new("scope");
    let mut sibling = stuck(&scope);
    ByHand::new(async { Err::<(), _>("down") }.try_in_scope(&scope)).ready().unwrap().unwrap_err();
    assert_eq!(sibling.wakes(), 1);
    let aborted = sibling.ready().unwrap_err();
    assert_eq!((aborted.position(), aborted.origin()), (Position::Above, Some("scope")));
    assert_eq!(aborted.to_string(), "a sibling failed: down (in `scope`)");
}

#[test]
fn a_timeout_of_its_own_is_a_failure() {
    let (clock, scope) = (TestClock::new(), Scope::new("scope"));
    let mut sibling = stuck(&scope);
    let late = pending::<Result<(), &str>>()
        .with_timeout(MILLISECOND)
        .named("late")
        .try_in_scope(&scope)
        .with_timer(&clock);
    let mut late = ByHand::polled(late);
    clock.advance(MILLISECOND);
    assert!(late.ready().unwrap_err().is_timeout());
    let error = "timed out after 1ms (in `late`)";
    assert_eq!(sibling.ready().unwrap_err().reason(), &sibling_failed(Some("late"), error));
}

#[test]
fn an_abort_from_above_is_no_failure() {
    let (scope, handle) = (Scope::new("scope"), tenure::AbortHandle::new());
    let mut sibling = stuck(&scope);
    let work = pending::<Result<(), &str>>();
    let mut child = ByHand::polled(work.try_in_scope(&scope).with_abort(&handle));
    handle.abort("not you");
    child.ready().unwrap_err();
    assert!(!scope.is_aborted());
    assert!(sibling.poll().is_pending());

    let mut child = ByHand::polled(pending::<Result<(), &str>>().try_in_scope(&scope));
    scope.abort("all of you");
    child.ready().unwrap_err();
    assert_eq!(scope.abort_handle().reason(), Some("all of you".into()));
}

#[test]
fn in_scope_leaves_the_siblings_alone() {
    let (clock, scope) = (TestClock::new(), Scope::new("scope"));
    let mut sibling = stuck(&scope);
    let mut failing = ByHand::new(async { Err::<(), _>("down") }.in_scope(&scope));
    assert_eq!(failing.ready().unwrap(), Err("down"));
    let late = pending::<()>().with_timeout(MILLISECOND).in_scope(&scope).with_timer(&clock);
    let mut late = ByHand::polled(late);
    clock.advance(MILLISECOND);
    late.ready().unwrap_err();
    assert!(sibling.poll().is_pending());
    assert!(!scope.is_aborted());
}

#[test]
fn a_name_counts_inside_and_outside() {
    let failed = |chain: &dyn Fn(&Scope)| {
        let scope = Scope::new("scope");
        chain(&scope);
        scope.abort_handle().reason().unwrap()
    };
    let down = || async { Err::<(), _>("down") };
    let inside = failed(&|scope| drop(ByHand::new(down().named("it").try_in_scope(scope)).ready()));
    assert_eq!(inside, sibling_failed(Some("it"), "down"));
    let outside =
        failed(&|scope| drop(ByHand::new(down().try_in_scope(scope).named("it")).ready()));
    assert_eq!(outside, sibling_failed(Some("it"), "down"));
    let both = failed(&|scope| {
        drop(ByHand::new(down().named("inner").try_in_scope(scope).named("outer")).ready());
    });
    assert_eq!(both, sibling_failed(Some("inner"), "down"));
    let far = failed(&|scope| {
        let named = down().named("it").with_timeout(MILLISECOND).try_in_scope(scope);
        drop(ByHand::new(named).ready());
    });
    assert_eq!(far, sibling_failed(Some("it"), "down"));
}

#[test]
fn a_failure_ends_its_own_scope_alone() {
    let (outer, inner) = (Scope::new("outer"), Scope::new("inner"));
    let mut cousin = stuck(&outer);
    let mut sibling = stuck(&inner);
    let failing = async { Err::<(), _>("down") }.try_in_scope(&inner).in_scope(&outer);
    assert_eq!(ByHand::new(failing).ready().unwrap(), Err("down"));
    assert!(inner.is_aborted() && !outer.is_aborted());
    assert_eq!(sibling.ready().unwrap_err().origin(), Some("inner"));
    assert!(cousin.poll().is_pending());
}

/// The scope around it has a name too, but isn't the one that failed.
#[test]
fn a_child_without_a_name_fails_as_a_sibling_and_not_as_its_outer_scope() {
    let (outer, inner) = (Scope::new("outer"), Scope::new("inner"));
    let failing = async { Err::<(), _>("down") }.try_in_scope(&inner).in_scope(&outer);
    assert_eq!(ByHand::new(failing).ready().unwrap(), Err("down"));
    assert_eq!(inner.abort_handle().reason(), Some(sibling_failed(None, "down")));
}

#[test]
fn an_outer_abort_reaches_what_lies_in_an_inner_scope() {
    let (outer, inner) = (Scope::new("outer"), Scope::new("inner"));
    let work = pending::<Result<(), &str>>().try_in_scope(&inner).in_scope(&outer);
    let mut nested = ByHand::polled(work);
    let mut sibling = stuck(&inner);
    outer.abort("stop");
    assert_eq!(nested.ready().unwrap_err().to_string(), "stop (in `outer`)");
    assert_eq!((outer.members(), inner.members()), (0, 1), "it has left both");
    assert!(!inner.is_aborted());
    assert!(sibling.poll().is_pending());
}

#[test]
fn a_retry_fails_when_its_last_attempt_does() {
    let scope = Scope::new("scope");
    let mut calls = 0;
    let flaky = || {
        calls += 1;
        async move { Err::<(), _>(calls) }
    };
    let thrice = Backoff::fixed(Duration::ZERO).attempts(3);
    let mut failing = ByHand::new(flaky.retry(thrice).try_in_scope(&scope));
    assert_eq!(failing.ready().unwrap(), Err(3));
    assert_eq!(scope.abort_handle().reason(), Some(sibling_failed(None, "3")));
}

#[test]
fn being_rejected_by_its_own_limit_is_a_failure() {
    let scope = Scope::new("pair");
    let rejected = async { Ok::<_, &str>(()) }.limit(Limit::new(0)).try_in_scope(&scope);
    assert_eq!(ByHand::new(rejected).ready().unwrap_err().position(), Position::Below);
    let error = "rejected by a limit: it has no permits (in `pair`)";
    assert_eq!(scope.abort_handle().reason(), Some(sibling_failed(None, error)));
}

/// On another thread one that waited for the permit began, when the scope was not aborted yet.
#[test]
fn a_permit_of_the_scope_comes_free_when_the_failure_is_known() {
    let limit = Limit::new(1);
    let scope = Scope::builder("scope").limit(&limit).build();
    let failing = async {
        yield_now().await;
        Err::<(), _>("down")
    };
    let mut failing = ByHand::polled(failing.try_in_scope(&scope));
    let mut waits = ByHand::new(async { unreachable!("it was started") }.in_scope(&scope));
    let seen = Log::default();
    let (noted, asks) = (seen.clone(), scope.clone());
    let waker = on_wake(move || noted.note((asks.is_aborted(), limit.active())));
    assert!(waits.poll_with(&waker).is_pending());
    assert_eq!(failing.ready().unwrap(), Err("down"));
    assert_eq!(seen.all(), [(true, 1), (true, 0)], "by the abort, then by the permit");
    let aborted: Aborted = waits.ready().map(|(): ()| ()).unwrap_err();
    assert_eq!(aborted.reason(), &sibling_failed(None, "down"));
}
