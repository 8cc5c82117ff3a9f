//! What is still alive in a scope can be told at any time, and by whoever gives up closing it.

mod executors;
mod support;

use std::{
    future::{Future, pending, poll_fn},
    task::Poll,
    time::Duration,
};

use futures::future::FusedFuture;
use support::{ByHand, Count, Log, MILLISECOND, SECOND, poll_once};
use tenure::{
    AbortHandle, OwnedFuture, Scope,
    scope::{Alive, Progress},
    time::TestClock,
};

executors::on_every_executor! {
    async fn a_service_shuts_down_in_two_steps(executor: Executor) {
        let clock = TestClock::new();
        let requests = Scope::builder("requests").timer(&clock).build();
        let quick = clock.watch(clock.sleep(10 * SECOND).named("/quick").in_scope(&requests));
        let slow = clock.watch(pending::<()>().named("/slow").in_scope(&requests));
        let deaf = pending::<()>().with_grace(60 * SECOND).named("/deaf").in_scope(&requests);
        let deaf = clock.watch(deaf);
        let (own, hands) = (requests.clone(), clock.clone());
        let down = clock.watch(async move {
            let open = own.close_within(30 * SECOND).await.unwrap_err();
            let first = (open.to_string(), hands.elapsed());
            own.abort("shutting down");
            let stuck = own.close_within(5 * SECOND).await.unwrap_err();
            let second = (stuck.to_string(), hands.elapsed());
            let report = own.close().await;
            (first, second, report.to_string(), hands.elapsed())
        });
        let down = executor.spawn(down);
        let tasks = (executor.spawn(quick), executor.spawn(slow), executor.spawn(deaf));
        let (first, second, report, at) = down.await;
        assert_eq!(first.0, "`requests` is still open: `/slow` is pending, `/deaf` is pending");
        assert_eq!(second.0, "`requests` is still open: `/deaf` takes its time to end");
        assert_eq!((first.1, second.1, at), (30 * SECOND, 35 * SECOND, 90 * SECOND));
        assert_eq!(report, "`requests` closed: shutting down (in `requests`); 1 ran, 2 aborted, 1 overran");
        tasks.0.await.unwrap();
        tasks.1.await.unwrap_err();
        tasks.2.await.unwrap_err();
    }

    async fn who_closes_in_time_gets_the_report(executor: Executor) {
        let clock = TestClock::new();
        let scope = Scope::builder("scope").timer(&clock).build();
        let member = clock.watch(clock.sleep(SECOND).in_scope(&scope));
        let close = clock.watch(scope.close_within(2 * SECOND));
        let (member, close) = (executor.spawn(member), executor.spawn(close));
        assert_eq!(close.await.unwrap().members().ran, 1);
        member.await.unwrap();
    }

    async fn closed_is_a_level(executor: Executor) {
        let scope = Scope::new("scope");
        let early: Vec<_> = (0..8).map(|_| executor.spawn(scope.closed())).collect();
        let steps = Count::default();
        let counted = steps.clone();
        scope.defer_async(move |_| async move {
            futures_lite::future::yield_now().await;
            counted.add();
        });
        assert!(poll_once(scope.closed()).is_pending(), "nobody closes it");
        assert_eq!(scope.close().await.clean_up().steps, 1);
        for closed in early {
            assert_eq!((closed.await.clean_up().steps, steps.get()), (1, 1));
        }
        assert!(poll_once(scope.closed()).is_ready());
        let kept = scope.closed();
        drop(scope);
        assert_eq!(kept.await.clean_up().steps, 1);
    }
}

#[test]
fn how_far_each_has_got_is_told() {
    let (scope, stop) = (Scope::new("scope"), AbortHandle::new());
    let progress = || -> Vec<_> { scope.alive().iter().map(Alive::progress).collect() };
    let _nameless = ByHand::polled(pending::<()>().in_scope(&scope));
    let mut member = ByHand::new(
        pending::<()>().with_grace(SECOND).named("member").in_scope(&scope).with_abort(&stop),
    );
    assert_eq!((progress(), scope.members()), (vec![Progress::NeverPolled], 2));
    assert_eq!(scope.alive()[0].to_string(), "`member` was never polled");
    assert!(member.poll().is_pending());
    assert_eq!(progress(), [Progress::Pending]);
    assert_eq!(scope.alive()[0].to_string(), "`member` is pending");
    stop.abort("stop");
    assert_eq!(progress(), [Progress::Pending], "it was not polled since");
    assert!(member.poll().is_pending());
    assert_eq!(progress(), [Progress::Ending]);
    assert_eq!(scope.alive()[0].to_string(), "`member` takes its time to end");
    drop(member);
    assert!(scope.alive().is_empty());
}

/// What waits for its permit was polled, but has not begun.
#[test]
fn one_that_waits_for_the_permit_of_its_scope_was_never_polled() {
    let limit = tenure::Limit::new(1);
    let scope = Scope::builder("scope").limit(&limit).build();
    let polls = Count::default();
    let _first = ByHand::polled(pending::<()>().named("first").in_scope(&scope));
    let second = polls.polls_of(pending::<()>()).named("second").in_scope(&scope);
    let _second = ByHand::polled(second);
    let alive: Vec<_> = scope.alive().iter().map(ToString::to_string).collect();
    assert_eq!(alive, ["`first` is pending", "`second` was never polled"]);
    assert_eq!((polls.get(), limit.waiting()), (0, 1));
}

#[test]
fn those_that_live_on_are_told_whether_they_have_a_name_or_not() {
    let clock = TestClock::new();
    let scope = Scope::builder("scope").timer(&clock).build();
    let open = |within| {
        let mut close = ByHand::polled(scope.close_within(within));
        clock.advance(within);
        close.ready().unwrap_err()
    };
    let inner = scope.child("inner");
    let _members = [
        pending::<()>().in_scope(&inner),
        pending::<()>().in_scope(&scope),
        pending::<()>().in_scope(&scope),
    ];
    let told = open(SECOND);
    assert_eq!((told.members(), told.alive().len()), (3, 0));
    assert_eq!(told.to_string(), "`scope` is still open: 3 members without a name");
    drop(_members);

    let scope = Scope::builder("scope").timer(&clock).build();
    let inner = scope.child("inner");
    let _named = ["a", "b"].map(|name| pending::<()>().named(name).in_scope(&inner));
    let _nameless = pending::<()>().in_scope(&scope);
    let mut close = ByHand::polled(scope.close_within(SECOND));
    clock.advance(SECOND);
    let told = close.ready().unwrap_err();
    assert_eq!((told.members(), told.alive().len()), (3, 2));
    let expected = "`scope` is still open: `a` was never polled, `b` was never polled, 1 member without a name";
    assert_eq!(told.to_string(), expected);
}

#[test]
fn clean_up_that_takes_too_long_is_told_and_goes_on_at_the_next_close() {
    let clock = TestClock::new();
    let scope = Scope::builder("scope").timer(&clock).build();
    let (sleep, log) = (clock.clone(), Log::default());
    let noted = log.clone();
    scope.defer_async(move |_| async move {
        noted.note("begins");
        sleep.sleep(5 * SECOND).await;
        noted.note("ends");
    });
    let mut close = ByHand::polled(scope.close_within(SECOND));
    clock.advance(SECOND);
    let open = close.ready().unwrap_err();
    assert_eq!(open.to_string(), "`scope` is still open: its clean-up is not done");
    assert!(close_is_done(&scope, &clock));
    assert_eq!(log.all(), ["begins", "ends"]);
}

fn close_is_done(scope: &Scope, clock: &TestClock) -> bool {
    let mut close = ByHand::polled(scope.close());
    clock.advance(4 * SECOND);
    close.run().is_ready()
}

#[test]
fn no_time_gives_one_poll_and_a_closed_scope_needs_no_more() {
    let clock = TestClock::new();
    let scope = Scope::builder("scope").timer(&clock).build();
    let member = pending::<()>().in_scope(&scope);
    assert!(matches!(poll_once(scope.close_within(Duration::ZERO)), Poll::Ready(Err(_))));
    drop(member);
    assert!(matches!(poll_once(scope.close_within(Duration::ZERO)), Poll::Ready(Ok(_))));
    let mut close = scope.close_within(MILLISECOND);
    assert!(!close.is_terminated());
    assert!(poll_once(&mut close).is_ready() && close.is_terminated());
}

#[test]
fn whoever_is_told_of_the_close_is_told_once_and_in_order() {
    let (scope, log) = (Scope::new("scope"), Log::default());
    let handle = scope.clone();
    for n in 0..3 {
        let (log, handle) = (log.clone(), handle.clone());
        scope.on_close(move |report| {
            log.note((n, report.members().ran));
            // It asks the scope: nothing is locked.
            assert_eq!(handle.members(), 0);
        });
    }
    drop(handle);
    ByHand::new(async {}.in_scope(&scope)).ready().unwrap();
    assert!(log.all().is_empty());
    ByHand::new(scope.close()).ready();
    ByHand::new(scope.close()).ready();
    assert_eq!(log.all(), [(0, 1), (1, 1), (2, 1)]);
    let late = log.clone();
    scope.on_close(move |_| late.note((9, 9)));
    assert_eq!(log.all()[3], (9, 9));
}

/// Of what one does who is told, nobody is told.
#[test]
fn one_that_panics_when_it_is_told_stops_no_other() {
    let (scope, log) = (Scope::new("scope"), Log::default());
    scope.on_close(|_| support::panic_quietly());
    let noted = log.clone();
    scope.on_close(move |_| noted.note("told"));
    let mut waits = ByHand::polled(scope.closed());
    ByHand::new(scope.close()).ready();
    assert_eq!((log.all(), waits.wakes()), (vec!["told"], 1));
    waits.ready();
}

/// In the very poll in which the last member ends.
#[test]
fn a_member_that_closes_its_scope_is_waited_for() {
    let scope = Scope::new("scope");
    let own = scope.clone();
    let mut close = None;
    let member = poll_fn(|cx| {
        let close = close.get_or_insert_with(|| Box::pin(own.close()));
        assert!(close.as_mut().poll(cx).is_pending(), "it is a member itself");
        Poll::Ready(())
    });
    ByHand::new(member.in_scope(&scope)).ready().unwrap();
    assert!(ByHand::new(close.unwrap()).run().is_ready());
}
