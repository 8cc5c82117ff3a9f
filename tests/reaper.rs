//! Scopes that nobody closes hand their async clean-up over, in order, each piece once, whoever runs the reaper.

mod executors;
mod support;

use std::{
    future::pending,
    sync::{Arc, Mutex},
    task::Poll,
};

use futures::future::FusedFuture;
use futures_lite::future::yield_now;
use support::{
    ByHand, Count, Drops, Log, SECOND, message, on_wake, panic_of, panic_quietly, poll_once,
    poll_with,
};
use tenure::{OwnedFuture, Owner, Scope, scope::Reaper, time::TestClock};

fn scope_with(reaper: &Reaper) -> Scope {
    Scope::builder("scope").reaper(reaper).build()
}

/// Defers six pieces, sync and async by turns, the last one sync.
fn defer_six(scope: &Scope, log: &Log<usize>) {
    for n in 0..6 {
        let log = log.clone();
        match n % 2 {
            1 => scope.defer(move |_| log.note(n)),
            _ => scope.defer_async(move |_| async move {
                yield_now().await;
                log.note(n);
            }),
        }
    }
}

executors::on_every_executor! {
    async fn what_is_async_is_handed_over_in_order(executor: Executor) {
        let (reaper, log) = (Reaper::new(), Log::default());
        let reaping = executor.spawn(reaper.run());
        let scope = scope_with(&reaper);
        defer_six(&scope, &log);
        let closed = scope.closed();
        drop(scope);
        let report = closed.await;
        assert_eq!(log.all(), [5, 4, 3, 2, 1, 0]);
        let clean_up = report.clean_up();
        assert_eq!((clean_up.steps, clean_up.skipped, reaper.waiting()), (6, 0, 0));
        drop(reaping);
    }

    async fn several_share_the_work_and_none_of_it_is_done_twice(executor: Executor) {
        let (reaper, log) = (Reaper::new(), Log::default());
        for _ in 0..4 {
            drop(executor.spawn(reaper.clone().run()));
        }
        let closed: Vec<_> = (0..200)
            .map(|n| {
                let (scope, log) = (scope_with(&reaper), log.clone());
                scope.defer_async(move |_| async move {
                    yield_now().await;
                    log.note(n);
                });
                let closed = scope.closed();
                drop(executor.spawn(async move { drop(scope) }));
                closed
            })
            .collect();
        for closed in closed {
            assert_eq!(closed.await.clean_up().skipped, 0);
        }
        let mut done = log.all();
        done.sort_unstable();
        assert_eq!(done, (0..200).collect::<Vec<_>>());
    }

    async fn a_drain_cleans_up_for_all_who_have_come(executor: Executor) {
        let (reaper, log) = (Reaper::new(), Log::default());
        for n in 0..50 {
            let (scope, log) = (scope_with(&reaper), log.clone());
            scope.defer_async(move |_| async move {
                for _ in 0..n % 7 {
                    yield_now().await;
                }
                log.note(n);
            });
        }
        assert_eq!(reaper.waiting(), 50);
        assert_eq!(executor.spawn(reaper.drain()).await, 50);
        assert_eq!((log.all().len(), reaper.waiting()), (50, 0));
        assert_eq!(executor.spawn(reaper.drain()).await, 0);
    }

    async fn members_that_live_on_are_waited_for(executor: Executor) {
        let (reaper, clock, log) = (Reaper::new(), TestClock::new(), Log::default());
        let scope = Scope::builder("scope").reaper(&reaper).timer(&clock).build();
        let (noted, seen) = (log.clone(), clock.clone());
        scope.defer_async(move |aborted| async move {
            noted.note((aborted.unwrap().to_string(), seen.elapsed()));
        });
        let member = pending::<()>().with_grace(3 * SECOND).in_scope(&scope);
        let (member, closed) = (clock.watch(member), clock.watch(scope.closed()));
        let reaping = executor.spawn(clock.watch(reaper.run()));
        let hands = clock.clone();
        let drops = clock.watch(async move {
            hands.sleep(SECOND).await;
            drop(scope);
        });
        let (member, closed) = (executor.spawn(member), executor.spawn(closed));
        executor.spawn(drops).await;
        let report = closed.await;
        assert!(member.await.is_err());
        assert_eq!(log.all(), [("its owner has ended (in `scope`)".to_owned(), 4 * SECOND)]);
        assert_eq!(report.members().overran, 1);
        drop(reaping);
    }
}

/// No piece waits for the reaper that needs nobody to poll it, and none overtakes.
#[test]
fn what_is_sync_before_the_first_async_piece_runs_in_the_drop() {
    let (reaper, log) = (Reaper::new(), Log::default());
    let scope = scope_with(&reaper);
    defer_six(&scope, &log);
    drop(scope);
    assert_eq!((log.all(), reaper.waiting()), (vec![5], 1));
    assert_eq!(ByHand::new(reaper.drain()).run(), Poll::Ready(1));
    assert_eq!(log.all(), [5, 4, 3, 2, 1, 0]);

    // One that has nothing async needs no reaper.
    let scope = scope_with(&reaper);
    let noted = log.clone();
    scope.defer(move |_| noted.note(7));
    drop(scope);
    assert_eq!((log.all().last(), reaper.waiting()), (Some(&7), 0));
}

#[test]
fn without_a_reaper_what_is_async_is_skipped_and_told() {
    let (log, drops, told) = (Log::default(), Drops::default(), Log::default());
    let scope = Scope::new("scope");
    defer_six(&scope, &log);
    let token = drops.token();
    scope.defer_async(move |_| async move { drop(token) });
    let tell = told.clone();
    scope.on_close(move |report| tell.note(report.to_string()));
    let mut closed = ByHand::polled(scope.closed());
    drop(scope);
    assert_eq!((log.all(), drops.live()), (vec![5, 3, 1], 0));
    let report = closed.ready();
    assert_eq!((report.clean_up().steps, report.clean_up().skipped), (3, 4));
    let failures: Vec<_> = report.failures().iter().map(ToString::to_string).collect();
    assert_eq!(failures.len(), 4);
    assert!(failures.iter().all(|failure| failure.ends_with(" was skipped")));
    assert!(failures[0].starts_with("the clean-up deferred at tests/reaper.rs:"));
    assert_eq!(told.all(), [report.to_string()]);
}

/// The next one goes on where it was, in the midst of a piece.
#[test]
fn a_runner_that_is_dropped_leaves_its_work_to_the_next() {
    let (reaper, clock, log) = (Reaper::new(), TestClock::new(), Log::default());
    let scope = Scope::builder("scope").reaper(&reaper).timer(&clock).build();
    for n in 0..2 {
        let (log, sleep) = (log.clone(), clock.clone());
        scope.defer_async(move |_| async move {
            log.note((n, "begins"));
            sleep.sleep(SECOND).await;
            log.note((n, "ends"));
        });
    }
    drop(scope);
    let first = ByHand::polled(reaper.run());
    assert_eq!((log.all(), reaper.waiting()), (vec![(1, "begins")], 0));
    let second = ByHand::polled(reaper.run());
    drop(first);
    assert_eq!((second.wakes(), reaper.waiting()), (1, 1));
    drop(second);
    let mut last = ByHand::polled(reaper.drain());
    clock.advance(SECOND);
    assert!(last.run().is_pending());
    clock.advance(SECOND);
    assert_eq!(last.run(), Poll::Ready(1));
    assert_eq!(log.all(), [(1, "begins"), (1, "ends"), (0, "begins"), (0, "ends")]);
}

#[test]
fn one_that_was_never_polled_has_taken_nothing() {
    let (reaper, log) = (Reaper::new(), Log::default());
    let scope = scope_with(&reaper);
    defer_six(&scope, &log);
    drop(scope);
    drop((reaper.run(), reaper.drain()));
    assert_eq!(reaper.waiting(), 1);
    assert_eq!(ByHand::new(reaper.drain()).run(), Poll::Ready(1));
    assert_eq!(log.all().len(), 6);
}

#[test]
fn a_piece_that_hangs_or_panics_stops_no_other() {
    let (reaper, clock, log) = (Reaper::new(), TestClock::new(), Log::default());
    let build = || Scope::builder("scope").reaper(&reaper).timer(&clock).build();
    let (stuck, panics, fine) = (build(), build(), build());
    let told = Log::default();
    for scope in [&stuck, &panics, &fine] {
        let (first, last, tell) = (log.clone(), log.clone(), told.clone());
        scope.defer_async(move |_| async move { last.note("last") });
        match scope {
            _ if std::ptr::eq(scope, &stuck) => scope.defer_async_within(5 * SECOND, |_| pending()),
            _ if std::ptr::eq(scope, &panics) => scope.defer_async(|_| async {
                yield_now().await;
                panic_quietly()
            }),
            _ => {}
        }
        scope.defer_async(move |_| async move { first.note("first") });
        scope.on_close(move |report| {
            let clean_up = report.clean_up();
            tell.note((clean_up.steps, clean_up.overran, clean_up.panicked, clean_up.skipped));
        });
    }
    drop((stuck, panics, fine));
    let mut drain = ByHand::new(reaper.drain());
    assert!(drain.run().is_pending());
    assert_eq!(log.all(), ["first", "first", "first", "last", "last"], "but for the stuck one");
    clock.advance(5 * SECOND);
    assert_eq!(drain.run(), Poll::Ready(3));
    assert_eq!(told.all(), [(2, 0, 0, 0), (3, 0, 1, 0), (3, 1, 0, 0)]);
}

/// The reaper wakes those that were woken, and no others.
#[test]
fn only_what_is_woken_is_polled() {
    let (reaper, clock, polls) = (Reaper::new(), TestClock::new(), Count::default());
    for seconds in 1..=5 {
        let scope = Scope::builder("scope").reaper(&reaper).timer(&clock).build();
        let (sleep, counted) = (clock.clone(), polls.clone());
        scope.defer_async(move |_| {
            counted.polls_of(async move { sleep.sleep(seconds * SECOND).await })
        });
    }
    let mut drain = ByHand::polled(reaper.drain());
    assert_eq!(polls.get(), 5);
    for seconds in 1..=5 {
        clock.advance(SECOND);
        let drained = drain.run();
        assert_eq!((polls.get(), drained.is_ready()), (5 + seconds, seconds == 5));
    }
}

#[test]
fn a_scope_that_comes_while_it_runs_wakes_it() {
    let (reaper, log) = (Reaper::new(), Log::default());
    let mut reaping = ByHand::polled(reaper.run());
    for n in 1..=3 {
        let (scope, noted) = (scope_with(&reaper), log.clone());
        scope.defer_async(move |_| async move { noted.note(n) });
        let before = reaping.wakes();
        drop(scope);
        assert_eq!(reaping.wakes(), before + 1);
        assert!(reaping.run().is_pending());
        assert_eq!(log.all().len(), n);
    }
}

/// A close above comes first; then there is nothing left to do, and it is done once.
#[test]
fn a_close_above_takes_over_what_waits_for_the_reaper() {
    let (reaper, log) = (Reaper::new(), Log::default());
    let root = Scope::builder("root").reaper(&reaper).build();
    let child = root.child("child");
    defer_six(&child, &log);
    drop(child);
    assert_eq!((reaper.waiting(), root.members()), (1, 1));
    let mut close = ByHand::new(root.close());
    assert!(close.run().is_ready());
    assert_eq!((log.all(), root.members()), (vec![5, 4, 3, 2, 1, 0], 0));
    assert_eq!(ByHand::new(reaper.drain()).run(), Poll::Ready(1));
    assert_eq!(log.all().len(), 6);

    // Whoever is at it is waited for.
    let child = root.child("late");
    assert!(child.is_aborted());
    let root = Scope::builder("root").reaper(&reaper).build();
    let child = root.child("child");
    defer_six(&child, &log);
    drop(child);
    let mut reaping = ByHand::polled(reaper.run());
    let mut close = ByHand::polled(root.close());
    assert!(reaping.run().is_pending());
    assert!(close.run().is_ready());
    assert_eq!(log.all().len(), 12);
}

/// The clean-up has its scope's owner, and not that of whoever runs the reaper.
#[test]
fn clean_up_belongs_to_its_scope() {
    let (reaper, clock, log) = (Reaper::new(), TestClock::new(), Log::default());
    let scope = Scope::builder("scope").reaper(&reaper).timer(&clock).build();
    let noted = log.clone();
    scope.defer_async(move |_| async move {
        let owner = Owner::current().unwrap();
        noted.note((owner.name().map(str::to_owned), owner.is_aborted(), owner.deadline()));
    });
    drop(scope);
    let drain = reaper.drain().named("drain").with_timeout(SECOND).with_timer(&clock);
    assert_eq!(ByHand::new(drain).ready().unwrap(), 1);
    assert_eq!(log.all(), [(Some("scope".to_owned()), false, None)]);
}

/// A reaper and a scope that waited for it once kept each other for ever.
#[test]
fn what_nobody_cleans_up_is_skipped_when_the_reaper_goes() {
    for (began, skipped) in [(false, 2), (true, 2)] {
        let (reaper, token, log) = (Reaper::new(), Arc::new(()), Log::default());
        let scope = scope_with(&reaper);
        let (first, last, noted) = (token.clone(), token.clone(), log.clone());
        scope.defer_async(move |_| async move { drop(first) });
        scope.defer(move |_| noted.note("sync"));
        scope.defer_async(move |_| async move {
            let _last = last;
            pending::<()>().await
        });
        let mut closed = ByHand::polled(scope.closed());
        drop(scope);
        assert!(closed.poll().is_pending());
        if began {
            drop(ByHand::polled(reaper.run()));
        }
        drop(reaper);
        let report = closed.ready();
        assert_eq!((report.clean_up().skipped, log.all()), (skipped, vec!["sync"]));
        drop(closed);
        assert_eq!(Arc::strong_count(&token), 1);
    }
}

/// As that of a temporary.
#[test]
fn a_scope_whose_reaper_has_gone_has_none() {
    let scope = scope_with(&Reaper::new());
    scope.defer_async(|_| async { unreachable!("nobody polls it") });
    let mut closed = ByHand::polled(scope.closed());
    drop(scope);
    assert_eq!(closed.ready().clean_up().skipped, 1);
}

/// It once waited for the reaper, which perhaps nobody runs.
#[test]
fn a_close_above_that_came_during_the_drop_is_woken_when_that_hands_over() {
    let (reaper, log) = (Reaper::new(), Log::default());
    let root = Scope::builder("root").reaper(&reaper).build();
    let child = root.child("child");
    let wakes = Count::default();
    let counted = wakes.clone();
    let waker = on_wake(move || _ = counted.add());
    let close = Arc::new(Mutex::new(Box::pin(root.close())));
    let noted = log.clone();
    child.defer_async(move |_| async move { noted.note("cleaned up") });
    let (polls, polled) = (close.clone(), waker.clone());
    child.defer(move |_| {
        let mut close = polls.lock().unwrap();
        assert!(poll_with(close.as_mut(), &polled).is_pending());
    });
    drop(child);
    assert!(wakes.get() > 0);
    assert!(poll_with(close.lock().unwrap().as_mut(), &waker).is_ready());
    assert_eq!((log.all(), root.members()), (vec!["cleaned up"], 0));
}

#[test]
fn a_drain_that_has_ended_says_so() {
    let reaper = Reaper::new();
    let mut drain = reaper.drain();
    assert!(!drain.is_terminated());
    assert_eq!(poll_once(&mut drain), Poll::Ready(0));
    assert!(drain.is_terminated());
    let panic = panic_of(|| poll_once(&mut drain));
    assert_eq!(message(&*panic), "`Drain` polled after completion");
}

#[test]
fn what_waits_for_a_reaper_that_goes_away_is_skipped() {
    let (log, told) = (Log::default(), Log::default());
    let leave = |reaper: &Reaper| {
        let (scope, tell) = (scope_with(reaper), told.clone());
        scope.on_close(move |report| {
            tell.note((report.clean_up().steps, report.clean_up().skipped))
        });
        defer_six(&scope, &log);
    };
    let reaper = Reaper::new();
    leave(&reaper);
    let reaping = ByHand::polled(reaper.run());
    leave(&reaper);
    drop(reaper);
    assert!(told.all().is_empty(), "somebody runs it, still");
    drop(reaping);
    assert_eq!(told.all(), [(3, 3), (4, 3)], "a piece that had begun is skipped, too");

    // Those who come later find nobody.
    let reaper = Reaper::new();
    let scope = scope_with(&reaper);
    defer_six(&scope, &log);
    drop(reaper);
    let closed = scope.closed();
    drop(scope);
    assert_eq!(ByHand::new(closed).ready().clean_up().skipped, 3);
}

#[test]
fn a_scope_has_the_reaper_of_the_one_above_unless_it_is_given_its_own() {
    let (reaper, own) = (Reaper::new(), Reaper::new());
    let root = scope_with(&reaper);
    let child = root.child("child");
    let other = Scope::builder("other").child_of(&root).reaper(&own).build();
    for scope in [&child, &other] {
        scope.defer_async(|_| async {});
    }
    drop((child, other));
    assert_eq!((reaper.waiting(), own.waiting()), (1, 1));
    drop(own);
    assert_eq!((reaper.waiting(), root.members()), (1, 1), "what had its own has closed");
}
