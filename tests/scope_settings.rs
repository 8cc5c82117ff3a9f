//! What a scope is given counts for all in it; what a scope in a scope isn't given, it takes from that.

mod executors;
mod support;

use std::{future::pending, time::Duration};

use futures::future::join_all;
use support::{ByHand, Count, CountingTimer, Log, NANOSECOND, SECOND, poll_once};
use tenure::{
    AbortReason, Limit, OwnedFuture, Owner, Scope,
    abort::Position,
    scope::Reaper,
    time::{Instant, TestClock},
};

fn at(seconds: u32) -> Instant {
    Instant::START + seconds * SECOND
}

executors::on_every_executor! {
    async fn its_deadline_ends_all_in_it_at_once(executor: Executor) {
        let clock = TestClock::new();
        let scope = Scope::builder("batch").timer(&clock).deadline(at(5)).build();
        let inner = scope.child("inner");
        let members = [&scope, &inner, &inner].map(|scope| clock.watch(pending::<()>().in_scope(scope)));
        let members = members.map(|member| executor.spawn(member));
        for ended in join_all(members).await {
            let aborted = ended.unwrap_err();
            assert_eq!(aborted.reason(), &AbortReason::DeadlinePassed { at: at(5) });
            assert_eq!((aborted.origin(), aborted.position()), (Some("batch"), Position::Above));
        }
        assert_eq!(clock.elapsed(), 5 * SECOND);
        // It isn't closed by that.
        assert!(poll_once(scope.closed()).is_pending());
        scope.close().await;
    }

    async fn its_limit_counts_for_its_own_members_alone(executor: Executor) {
        let limit = Limit::new(2);
        let scope = Scope::builder("scope").limit(&limit).build();
        let inner = scope.child("inner");
        let (most, now) = (Log::default(), Count::default());
        let job = |now: &Count| {
            let (most, now, limit) = (most.clone(), now.clone(), limit.clone());
            async move {
                now.add();
                for _ in 0..5 {
                    most.note(limit.active());
                    futures_lite::future::yield_now().await;
                }
            }
        };
        let jobs = (0..20).map(|_| executor.spawn(job(&now).in_scope(&scope)));
        let ended = join_all(jobs.collect::<Vec<_>>()).await;
        assert!(ended.iter().all(Result::is_ok));
        assert_eq!((now.get(), limit.active(), limit.waiting()), (20, 0, 0));
        assert!(most.all().iter().all(|active| (1..=2).contains(active)));
        let seen = limit.clone();
        let asks = async move { seen.active() }.in_scope(&inner);
        assert_eq!(executor.spawn(asks).await.unwrap(), 0);
    }
}

#[test]
fn a_timeout_counts_from_when_it_is_built_on_the_timer_that_it_has_then() {
    let clock = TestClock::new();
    let builder = Scope::builder("scope").timeout(5 * SECOND).timer(&clock);
    clock.advance(SECOND);
    let scope = builder.build();
    let asks = async { Owner::current().unwrap().deadline() };
    assert_eq!(ByHand::new(asks.in_scope(&scope)).ready().unwrap(), Some(at(6)));
    clock.advance(5 * SECOND - NANOSECOND);
    assert!(!scope.is_aborted());
    clock.advance(NANOSECOND);
    assert!(scope.is_aborted());

    // The last one given counts.
    let scope = Scope::builder("scope").timer(&clock).deadline(at(100)).timeout(SECOND).build();
    clock.advance(SECOND);
    assert!(scope.is_aborted());
    let scope = Scope::builder("scope").timer(&clock).timeout(SECOND).deadline(at(100)).build();
    clock.advance(SECOND);
    assert!(!scope.is_aborted());
}

#[test]
fn a_deadline_that_has_passed_begins_aborted_and_one_that_never_comes_sets_no_alarm() {
    let timer = CountingTimer::default();
    timer.advance(2 * SECOND);
    let build = |at: Instant| Scope::builder("scope").timer(timer.clone()).deadline(at).build();
    for passed in [Instant::START, at(1), at(2)] {
        let scope = build(passed);
        assert_eq!(scope.abort_handle().reason(), Some(AbortReason::DeadlinePassed { at: passed }));
    }
    assert!(!build(Instant::NEVER).is_aborted());
    let timeouts = [Duration::MAX, Duration::ZERO].map(|after| {
        Scope::builder("scope").timer(timer.clone()).timeout(after).build().is_aborted()
    });
    assert_eq!((timeouts, timer.set()), ([false, true], 0));
}

/// However many members and scopes are in it.
#[test]
fn a_deadline_costs_one_alarm_which_is_taken_back() {
    let timer = CountingTimer::default();
    let build = || Scope::builder("scope").timer(timer.clone()).timeout(5 * SECOND).build();
    let scope = build();
    let children: Vec<_> = (0..10).map(|_| scope.child("child")).collect();
    let later = Scope::builder("later").timeout(9 * SECOND).child_of(&scope).build();
    let members: Vec<_> = children.iter().map(|scope| pending::<()>().in_scope(scope)).collect();
    let members: Vec<_> = members.into_iter().map(ByHand::polled).collect();
    assert_eq!((timer.set(), timer.live()), (1, 1));
    let earlier = Scope::builder("earlier").timeout(SECOND).child_of(&scope).build();
    assert_eq!((timer.set(), timer.live()), (2, 2));
    ByHand::new(earlier.close()).ready();
    assert_eq!(timer.live(), 1, "by its close");
    drop(members);
    drop((children, later, earlier));
    drop(scope);
    assert_eq!(timer.outstanding(), 0, "by its drop");

    let scope = build();
    timer.advance(5 * SECOND);
    assert_eq!((timer.live(), scope.is_aborted()), (0, true));
    let scope = build();
    scope.abort("stop");
    ByHand::new(scope.close()).ready();
    assert_eq!(timer.live(), 0);
}

/// It keeps no scope alive.
#[test]
fn an_alarm_that_rings_for_a_scope_that_has_gone_rings_in_vain() {
    let clock = TestClock::new();
    let scope = Scope::builder("scope").timer(&clock).timeout(SECOND).build();
    let (handle, member) = (scope.abort_handle().clone(), pending::<()>().in_scope(&scope));
    drop(scope);
    assert_eq!(handle.reason(), Some(AbortReason::ScopeEnded));
    drop(member);
    clock.advance(SECOND);
    assert_eq!(handle.reason(), Some(AbortReason::ScopeEnded));
}

#[test]
fn of_two_deadlines_the_earlier_holds_whoever_has_it() {
    for (outer, inner, whose) in [(5, 9, "outer"), (9, 5, "inner"), (5, 5, "outer")] {
        let clock = TestClock::new();
        let scope = Scope::builder("outer").timer(&clock).deadline(at(outer)).build();
        let child = Scope::builder("inner").deadline(at(inner)).child_of(&scope).build();
        let asks = async {
            let owner = Owner::current().unwrap();
            let deadline = owner.deadline();
            (deadline, owner.sleep(20 * SECOND).await.unwrap_err().origin().map(str::to_owned))
        };
        let told = ByHand::new(asks.in_scope(&child)).ready().unwrap();
        assert_eq!(told.0, Some(at(5)));
        clock.advance(5 * SECOND);
        assert!(child.is_aborted());
        assert_eq!(child.abort_handle().check().unwrap_err().origin(), Some(whose));
        assert_eq!(scope.is_aborted(), whose == "outer");
    }
}

#[test]
fn a_deadline_on_another_timer_is_no_deadline_but_its_abort_still_comes() {
    let (clock, other) = (TestClock::new(), TestClock::new());
    let scope = Scope::builder("outer").timer(&clock).deadline(at(1)).build();
    let child = Scope::builder("inner").timer(&other).child_of(&scope).build();
    let asks = async { Owner::current().unwrap().deadline() };
    assert_eq!(ByHand::new(asks.in_scope(&child)).ready().unwrap(), None);
    other.advance(9 * SECOND);
    assert!(!child.is_aborted());
    clock.advance(SECOND);
    assert!(child.is_aborted());
}

/// Its clean-up goes by it, too.
#[test]
fn the_timer_goes_down() {
    let clock = TestClock::new();
    let scope = Scope::builder("outer").timer(&clock).build();
    let child = scope.child("child");
    let grandchild = child.child("grandchild");
    for scope in [&grandchild, &child] {
        let late = pending::<()>().with_timeout(SECOND).in_scope(scope);
        assert!(smol::block_on(clock.watch(late)).unwrap_err().is_timeout());
        scope.defer_async_within(SECOND, |_| pending());
        let report = smol::block_on(clock.watch(scope.close()));
        assert_eq!((report.clean_up().overran, report.took()), (1, Some(SECOND)));
    }
    assert_eq!(clock.elapsed(), 4 * SECOND);
}

#[test]
fn the_reaper_goes_down() {
    let (reaper, log) = (Reaper::new(), Log::default());
    let scope = Scope::builder("outer").reaper(&reaper).build();
    let between = scope.child("between");
    let child = between.child("inner");
    let noted = log.clone();
    child.defer_async(move |_| async move { noted.note("cleaned up") });
    drop(child);
    drop(between);
    assert_eq!((reaper.waiting(), scope.members()), (1, 1));
    assert_eq!(ByHand::new(reaper.drain()).ready(), 1);
    assert_eq!((log.all(), scope.members()), (vec!["cleaned up"], 0));

    // One of its own comes first.
    let own = Reaper::new();
    let child = Scope::builder("inner").reaper(&own).child_of(&scope).build();
    child.defer_async(|_| async {});
    drop(child);
    assert_eq!((reaper.waiting(), own.waiting()), (0, 1));
}

/// As if it stood right before each `.in_scope()`.
#[test]
fn its_limit_is_held_until_a_member_has_ended_and_been_dropped() {
    let (clock, limit) = (TestClock::new(), Limit::new(1));
    let scope = Scope::builder("scope").timer(&clock).limit(&limit).build();
    let mut first = ByHand::polled(pending::<()>().with_grace(SECOND).in_scope(&scope));
    let mut second = ByHand::polled(async { 7 }.in_scope(&scope));
    assert_eq!((limit.active(), limit.waiting()), (1, 1));
    scope.abort("stop");
    assert!(first.run().is_pending());
    assert!(second.ready().is_err());
    assert_eq!((limit.active(), limit.waiting()), (1, 0), "it takes its time");
    clock.advance(SECOND);
    assert!(first.run().is_ready());
    assert_eq!(limit.active(), 0);

    let shut = Scope::builder("shut").limit(&Limit::new(0)).build();
    let refused = ByHand::new(async { 7 }.in_scope(&shut)).ready().unwrap_err();
    assert!(matches!(refused.reason(), AbortReason::Rejected { .. }));
}

#[test]
fn a_builder_can_be_used_again() {
    let clock = TestClock::new();
    let builder = Scope::builder("twin").timer(&clock).timeout(SECOND);
    let twins = [builder.clone().build(), builder.build()];
    twins[0].abort("only this one");
    assert!(!twins[1].is_aborted());
    clock.advance(SECOND);
    assert!(twins[1].is_aborted());
}
