//! A scope's close waits for all that it owns, tells everybody who waits, and leaks nothing.

mod executors;
mod support;

use std::{
    future::{Future, pending},
    sync::Arc,
    task::Poll,
};

use futures_lite::future::yield_now;
use support::{ByHand, Count, Drops, Log, SECOND};
use tenure::{AbortHandle, OwnedFuture, Owner, Scope, abort::AbortReason, time::TestClock};

executors::on_every_executor! {
    async fn close_waits_until_all_have_ended_and_been_dropped(executor: Executor) {
        let (scope, drops) = (Scope::new("scope"), Drops::default());
        for n in 0..50 {
            let work = drops.of(async move {
                for _ in 0..n {
                    yield_now().await;
                }
            });
            drop(executor.spawn(work.in_scope(&scope)));
        }
        let report = scope.close().await;
        assert_eq!((drops.made(), drops.live(), scope.members()), (50, 0, 0));
        assert!(report.aborted().is_none());
    }

    async fn a_thousand_members_end_with_one_abort(executor: Executor) {
        let (scope, drops) = (Scope::new("scope"), Drops::default());
        let tasks: Vec<_> = (0..1_000)
            .map(|_| {
                let work = drops.of(pending::<()>());
                executor.spawn(work.in_scope(&scope))
            })
            .collect();
        assert!(scope.abort("stop"));
        let report = scope.close().await;
        assert_eq!((drops.live(), scope.members()), (0, 0));
        assert_eq!(report.aborted().unwrap().to_string(), "stop (in `scope`)");
        for task in tasks {
            assert_eq!(task.await.unwrap_err().to_string(), "stop (in `scope`)");
        }
    }

    async fn all_who_close_get_the_report(executor: Executor) {
        let (scope, runs) = (Scope::new("scope"), Count::default());
        let counted = runs.clone();
        scope.defer_async(move |_| async move {
            yield_now().await;
            counted.add();
        });
        let stop = AbortHandle::new();
        let member = executor.spawn(pending::<()>().with_abort(stop.clone()).in_scope(&scope));
        let closing: Vec<_> = (0..8).map(|_| executor.spawn(scope.close())).collect();
        yield_now().await;
        stop.abort("done");
        for close in closing {
            let report = close.await;
            assert_eq!((report.clean_up().steps, runs.get()), (1, 1));
        }
        assert_eq!(scope.close().await.clean_up().steps, 1);
        member.await.unwrap_err();
    }

    async fn a_closed_scope_starts_nothing(executor: Executor) {
        let scope = Scope::new("scope");
        scope.close().await;
        let late = async { unreachable!("it was started") }.in_scope(&scope);
        let refused: Result<(), _> = executor.spawn(late).await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.reason(), &AbortReason::ScopeEnded);
        assert_eq!(refused.origin(), Some("scope"));

        let scope = Scope::new("aborted");
        scope.abort("stop");
        scope.close().await;
        let late = async { unreachable!("it was started") }.in_scope(&scope);
        let refused: Result<(), _> = executor.spawn(late).await;
        assert_eq!(refused.unwrap_err().to_string(), "stop (in `aborted`)");
    }

    async fn a_clean_up_dropped_half_way_is_taken_up_by_the_next(executor: Executor) {
        let (scope, clock) = (Scope::new("scope"), TestClock::new());
        let steps = Log::default();
        for n in 0..2 {
            let (steps, sleep) = (steps.clone(), clock.clone());
            scope.defer_async(move |_| async move {
                steps.note(format!("{n} begins"));
                sleep.sleep(SECOND).await;
                steps.note(format!("{n} ends"));
            });
        }
        let mut first = ByHand::polled(scope.close());
        // One who waits already hears that the turn is free.
        let second = ByHand::polled(scope.close());
        assert_eq!(steps.all(), ["1 begins"]);
        assert!(first.poll().is_pending());
        drop(first);
        assert_eq!(second.wakes(), 1);
        drop(second);
        let report = executor.spawn(clock.watch(scope.close())).await;
        assert_eq!(steps.all(), ["1 begins", "1 ends", "0 begins", "0 ends"]);
        let clean_up = report.clean_up();
        assert_eq!((clean_up.steps, clean_up.overran, clean_up.panicked), (2, 0, 0));
    }

    async fn an_empty_scope_closes_at_once(executor: Executor) {
        let report = executor.spawn(Scope::new("empty").close()).await;
        assert_eq!(report.to_string(), "`empty` closed");
    }
}

#[test]
fn one_scope_owns_tasks_of_two_executors() {
    let (scope, drops) = (Scope::new("both"), Drops::default());
    let work = |turns| {
        drops.of(async move {
            for _ in 0..turns {
                yield_now().await;
            }
            if turns == 0 {
                pending::<()>().await;
            }
        })
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let mut tokio_tasks = Vec::new();
    let mut smol_tasks = Vec::new();
    for n in 0..20 {
        tokio_tasks.push(runtime.spawn(work(n).in_scope(&scope)));
        smol_tasks.push(smol::spawn(work(n).in_scope(&scope)));
    }
    smol::block_on(async {
        for task in tokio_tasks.split_off(1) {
            task.await.unwrap().unwrap();
        }
        for task in smol_tasks.split_off(1) {
            task.await.unwrap();
        }
        assert_eq!(scope.members(), 2);
        scope.abort("stop");
        scope.close().await;
        assert_eq!(drops.live(), 0);
    });
}

#[test]
fn a_member_that_is_never_polled_holds_the_close_until_it_is_dropped() {
    let scope = Scope::new("scope");
    let member = async {}.in_scope(&scope);
    let mut close = ByHand::polled(scope.close());
    scope.abort("stop");
    assert!(close.run().is_pending());
    assert_eq!(scope.members(), 1);
    drop(member);
    assert_eq!(close.wakes(), 1);
    assert_eq!(close.ready().aborted().unwrap().to_string(), "stop (in `scope`)");
}

#[test]
fn close_aborts_nothing() {
    let scope = Scope::new("scope");
    let mut member = ByHand::polled(pending::<()>().in_scope(&scope));
    let mut close = ByHand::polled(scope.close());
    assert!(member.poll().is_pending());
    assert!(!scope.is_aborted());
    assert!(close.poll().is_pending());
    drop(member);
    close.ready();
}

#[test]
fn a_member_that_was_let_in_before_the_close_still_runs() {
    let scope = Scope::new("scope");
    let mut member = ByHand::new(async { 7 }.in_scope(&scope));
    let mut close = ByHand::polled(scope.close());
    assert_eq!(member.ready().unwrap(), 7);
    close.ready();
}

/// A report once looked at the scope again, and told of an abort that came after the close.
#[test]
fn a_report_stays_as_it_was_given() {
    let scope = Scope::new("scope");
    let report = ByHand::new(scope.close()).ready();
    scope.abort("too late");
    assert!(report.aborted().is_none());
    assert_eq!(report.to_string(), "`scope` closed");
}

/// A report once kept its scope from ending.
/// What happens to its handle later is not the scope's any more.
#[test]
fn all_reports_of_a_scope_say_the_same() {
    let scope = Scope::new("scope");
    let handle = scope.abort_handle().clone();
    let mut closed = ByHand::new(scope.closed());
    assert_eq!(ByHand::new(scope.close()).ready().aborted(), None);
    handle.abort("late");
    assert_eq!(ByHand::new(scope.close()).ready().aborted(), None);
    drop(scope);
    assert_eq!(closed.ready().aborted(), None);

    let scope = Scope::new("scope");
    scope.on_close({
        let handle = scope.abort_handle().clone();
        move |report| assert!(report.aborted().is_none() && handle.abort("told"))
    });
    for _ in 0..2 {
        assert_eq!(ByHand::new(scope.close()).ready().aborted(), None);
    }
}

#[test]
fn a_report_does_not_keep_the_scope() {
    let scope = Scope::new("scope");
    let handle = scope.abort_handle().clone();
    let report = ByHand::new(scope.close()).ready();
    drop(scope);
    assert!(handle.is_aborted());
    assert_eq!(report.to_string(), "`scope` closed");
}

#[test]
fn the_last_handle_ends_what_is_left() {
    let (scope, drops) = (Scope::new("scope"), Drops::default());
    let steps = Log::default();
    let (first, token) = (steps.clone(), drops.token());
    scope.defer(move |aborted| {
        drop(token);
        first.note(aborted.unwrap().to_string());
    });
    let (never, token) = (steps.clone(), drops.token());
    scope.defer_async(move |_| {
        never.note("async".to_owned());
        async move { drop(token) }
    });
    let mut members: Vec<_> =
        (0..3).map(|_| ByHand::polled(pending::<()>().in_scope(&scope))).collect();

    let clone = scope.clone();
    drop(scope);
    assert_eq!(members[0].wakes(), 0, "a clone is left");
    drop(clone);
    for mut member in members.drain(..) {
        assert!(steps.all().is_empty(), "members are left");
        assert_eq!(member.wakes(), 1);
        assert_eq!(member.ready().unwrap_err().reason(), &AbortReason::ScopeEnded);
    }
    assert_eq!(steps.all(), ["its owner has ended (in `scope`)"]);
    assert_eq!(drops.live(), 0);
}

#[test]
fn the_last_handle_of_an_empty_scope_cleans_up_at_once() {
    let (scope, drops) = (Scope::new("scope"), Drops::default());
    let token = drops.token();
    scope.defer(move |_| drop(token));
    drop(scope);
    assert_eq!(drops.live(), 0);
}

#[test]
fn a_member_may_hold_the_last_handle() {
    let (scope, drops) = (Scope::new("scope"), Drops::default());
    let token = drops.token();
    scope.defer(move |_| drop(token));
    let inner = scope.clone();
    let member = async move { inner.members() }.in_scope(&scope);
    drop(scope);
    assert_eq!(ByHand::new(member).ready().unwrap(), 1);
    assert_eq!(drops.live(), 0);
}

#[test]
fn nothing_is_left_of_a_scope() {
    let (clock, drops) = (TestClock::new(), Drops::default());
    let token = Arc::new(drops.token());
    let scope = Scope::builder("scope").timer(&clock).build();
    for _ in 0..10 {
        let (kept, deferred) = (token.clone(), token.clone());
        scope.defer(move |_| drop(deferred));
        let work = |owner: Owner| {
            let kept = kept.clone();
            async move {
                let _kept = kept;
                owner.aborted().await
            }
        };
        let mut ended = ByHand::polled(work.with_timeout(SECOND).in_scope(&scope));
        clock.advance(SECOND);
        ended.ready().unwrap_err();
        drop(ByHand::polled(work.in_scope(&scope)));
        let half = ByHand::polled(pending::<()>().in_scope(&scope));
        drop(half);
    }
    let close = scope.close();
    let mut half_way = ByHand::new(scope.close());
    assert!(matches!(half_way.poll(), Poll::Ready(report) if report.clean_up().steps == 10));
    drop((close, half_way, scope));
    assert_eq!(Arc::strong_count(&token), 1);
}

fn _close_is_a_future_that_can_be_spawned(scope: &Scope) -> impl Future + Send + 'static + use<> {
    scope.close()
}
