//! Scopes in scopes: aborts go down, closes go up, and nobody is left behind.

mod executors;
mod support;

use std::{future::pending, sync::mpsc, task::Poll, thread};

use futures::future::join;
use futures_lite::future::yield_now;
use support::{ByHand, Drops, Log, SECOND, poll_once};
use tenure::{
    AbortReason, OwnedFuture, Scope,
    abort::Position,
    scope::{Closed, Report},
    time::TestClock,
};

executors::on_every_executor! {
    async fn an_abort_goes_down_and_never_up(executor: Executor) {
        let root = Scope::new("root");
        let (left, right) = (root.child("left"), root.child("right"));
        let below = left.child("below");
        let stuck = |scope: &Scope| executor.spawn(pending::<()>().in_scope(scope));
        let tasks = [stuck(&root), stuck(&left), stuck(&right), stuck(&below)];

        assert!(left.abort("only the left"));
        let [in_root, in_left, in_right, in_below] = tasks;
        for ended in [in_left.await, in_below.await] {
            let aborted = ended.unwrap_err();
            assert_eq!(aborted.to_string(), "only the left (in `left`)");
            assert_eq!(aborted.position(), Position::Above);
        }
        assert!(below.is_aborted() && !root.is_aborted() && !right.is_aborted());

        assert!(root.abort("all of it"));
        for ended in [in_root.await, in_right.await] {
            assert_eq!(ended.unwrap_err().to_string(), "all of it (in `root`)");
        }
        let reports = (root.close().await, left.close().await, below.close().await);
        let why = |report: &tenure::scope::Report| report.aborted().unwrap().to_string();
        assert_eq!(why(&reports.0), "all of it (in `root`)");
        assert_eq!([why(&reports.1), why(&reports.2)], ["only the left (in `left`)"; 2]);
    }

    async fn the_last_child_is_closed_first_and_each_when_it_is_drained(executor: Executor) {
        let (clock, log) = (TestClock::new(), Log::default());
        let root = Scope::builder("root").timer(&clock).build();
        let mut tasks = Vec::new();
        let mut scopes = vec![root.clone()];
        for (name, above, seconds) in [("a", 0, 3), ("b", 0, 1), ("b1", 2, 2), ("b2", 2, 4)] {
            let above: &Scope = &scopes[above];
            scopes.push(above.child(name));
            let sleep = clock.sleep(seconds * SECOND);
            tasks.push(clock.watch(sleep.in_scope(scopes.last().unwrap())));
        }
        for scope in &scopes {
            let (name, clock, log) = (scope.name().to_owned(), clock.clone(), log.clone());
            scope.defer_async(move |_| async move {
                yield_now().await;
                log.note((name, clock.elapsed()));
            });
        }
        let close = executor.spawn(clock.watch(root.close()));
        let tasks: Vec<_> = tasks.into_iter().map(|task| executor.spawn(task)).collect();
        let report = close.await;
        let order = [("b2", 4), ("b1", 4), ("b", 4), ("a", 4), ("root", 4)];
        assert_eq!(log.all(), order.map(|(name, at)| (name.to_owned(), at * SECOND)));
        assert_eq!(report.took(), Some(4 * SECOND));
        assert_eq!(scopes.iter().map(Scope::members).sum::<usize>(), 0);
        for task in tasks {
            task.await.unwrap();
        }
        for scope in &scopes {
            assert_eq!(scope.closed().await.clean_up().steps, 1);
        }
    }

    async fn one_that_its_owner_closes_is_closed_once(executor: Executor) {
        for _ in 0..20 {
            let (root, log) = (Scope::new("root"), Log::default());
            let child = root.child("child");
            for (scope, name) in [(&child, "child"), (&root, "root")] {
                for step in 0..3 {
                    let log = log.clone();
                    scope.defer_async(move |_| async move {
                        yield_now().await;
                        log.note((name, step));
                    });
                }
            }
            let closing = [executor.spawn(child.close()), executor.spawn(root.close()), executor.spawn(child.close())];
            let [own, above, again] = closing;
            let (own, above, again) = (own.await, above.await, again.await);
            assert_eq!([&own, &above, &again].map(|report| report.clean_up().steps), [3, 3, 3]);
            let steps = [2, 1, 0];
            let order: Vec<_> = steps.map(|n| ("child", n)).into_iter().chain(steps.map(|n| ("root", n))).collect();
            assert_eq!(log.all(), order);
        }
    }

    async fn an_orphan_is_waited_for(executor: Executor) {
        let (clock, drops) = (TestClock::new(), Drops::default());
        let root = Scope::builder("root").timer(&clock).build();
        let child = root.child("child");
        // It takes a second to end.
        let member = drops.of(pending::<()>()).with_grace(SECOND).in_scope(&child);
        let member = clock.watch(member);
        let (close, hands) = (root.close(), clock.clone());
        let close = clock.watch(async move {
            hands.sleep(SECOND).await;
            drop(child);
            let report = close.await;
            (report, hands.elapsed())
        });
        let (member, close) = (executor.spawn(member), executor.spawn(close));
        let (report, at) = close.await;
        assert_eq!((at, drops.live(), root.members()), (2 * SECOND, 0, 0));
        assert!(report.aborted().is_none(), "only the child was");
        assert_eq!(member.await.unwrap_err().reason(), &AbortReason::ScopeEnded);
    }

    async fn a_failure_stays_in_its_scope(executor: Executor) {
        let root = Scope::new("root");
        let (left, right) = (root.child("left"), root.child("right"));
        let sibling = executor.spawn(pending::<()>().in_scope(&left));
        let neighbour = executor.spawn(pending::<()>().in_scope(&right));
        let failing = async { Err::<(), _>("down") }.named("it").try_in_scope(&left);
        assert_eq!(executor.spawn(failing).await.unwrap(), Err("down"));
        assert_eq!(sibling.await.unwrap_err().to_string(), "`it` failed: down (in `left`)");
        assert!(!root.is_aborted() && !right.is_aborted());
        root.abort("done");
        assert_eq!(neighbour.await.unwrap_err().to_string(), "done (in `root`)");
        root.close().await;
    }

    async fn what_is_in_two_scopes_ends_with_either(executor: Executor) {
        for first in [true, false] {
            let (one, other) = (Scope::new("one"), Scope::new("other"));
            let inner = one.child("inner");
            let work = executor.spawn(pending::<()>().in_scope(&inner).in_scope(&other));
            let ends = if first { &one } else { &other };
            ends.abort("enough");
            let expected = format!("enough (in `{}`)", ends.name());
            assert_eq!(work.await.unwrap_err().to_string(), expected);
            join(one.close(), other.close()).await;
            assert_eq!((inner.members(), other.members()), (0, 0));
        }
    }
}

#[test]
fn a_child_is_a_member_until_it_has_closed_or_was_dropped_and_has_ended() {
    let root = Scope::new("root");
    let (closed, dropped, held) = (root.child("closed"), root.child("dropped"), root.child("held"));
    assert_eq!(root.members(), 3);
    ByHand::new(closed.close()).ready();
    assert_eq!(root.members(), 2);
    drop(closed);
    drop(dropped);
    assert_eq!(root.members(), 1);
    let member = pending::<()>().in_scope(&held);
    drop(held);
    assert_eq!(root.members(), 1, "a member of it is left");
    drop(member);
    assert_eq!(root.members(), 0);
}

/// They were told as members that never started.
#[test]
fn a_report_counts_the_scopes_in_it_by_how_they_ended() {
    let root = Scope::new("root");
    let scopes = ["ran", "aborted", "dropped"].map(|name| root.child(name));
    let [ran, aborted, dropped] = scopes;
    ByHand::new(async {}.in_scope(&ran)).ready().unwrap();
    aborted.abort("enough");
    drop(dropped);
    let report = ByHand::new(root.close()).ready();
    assert_eq!((report.members().ran, report.members().aborted), (1, 2));
    assert_eq!(report.to_string(), "`root` closed; 1 ran, 2 aborted");
}

#[test]
fn a_child_of_a_scope_that_closes_or_has_closed_begins_closed() {
    let root = Scope::new("root");
    let member = pending::<()>().in_scope(&root);
    let mut close = ByHand::polled(root.close());
    let late = root.child("late");
    assert!(late.is_aborted());
    let aborted = late.abort_handle().check().unwrap_err();
    assert_eq!((aborted.reason(), aborted.origin()), (&AbortReason::ScopeEnded, Some("root")));
    let refused = ByHand::new(async { unreachable!("it was started") }.in_scope(&late)).ready();
    assert!(refused.map(|(): ()| ()).is_err());
    assert_eq!((root.members(), late.members()), (1, 0));
    // It is closed as any other is: at once.
    assert!(poll_once(late.closed()).is_ready());
    let told = Log::default();
    let tell = told.clone();
    late.on_close(move |report| tell.note(report.to_string()));
    assert_eq!(told.all(), ["`late` closed: its owner has ended (in `root`)"]);
    drop(member);
    close.ready();

    root.abort("stop");
    let later = root.child("later");
    assert_eq!(later.abort_handle().check().unwrap_err().to_string(), "stop (in `root`)");
    assert!(poll_once(later.close()).is_ready());
    // And what is in that one, too.
    assert!(poll_once(later.child("below").closed()).is_ready());
}

/// What is deferred then runs with its next close, or its last clone, as on any that has closed.
#[test]
fn one_that_begins_closed_still_cleans_up() {
    let root = Scope::new("root");
    ByHand::new(root.close()).ready();
    let (late, log) = (root.child("late"), Log::default());
    let noted = log.clone();
    late.defer(move |_| noted.note("sync"));
    drop(late);
    assert_eq!(log.all(), ["sync"]);
}

#[test]
fn a_clean_up_that_its_owner_gave_up_is_taken_up_by_the_one_above() {
    let (root, log) = (Scope::new("root"), Log::default());
    let child = root.child("child");
    for step in 0..3 {
        let log = log.clone();
        child.defer_async(move |_| async move {
            log.note((step, "begins"));
            yield_now().await;
            log.note((step, "ends"));
        });
    }
    let mut own = ByHand::polled(child.close());
    let mut above = ByHand::polled(root.close());
    assert!(own.poll().is_pending());
    assert_eq!(log.all().len(), 3);
    drop(own);
    assert_eq!(above.wakes(), 1);
    let Poll::Ready(report) = above.run() else { panic!("it has closed") };
    let steps = [2, 1, 0].into_iter().flat_map(|step| [(step, "begins"), (step, "ends")]);
    assert_eq!(log.all(), steps.collect::<Vec<_>>());
    assert_eq!((report.clean_up().steps, child.members()), (0, 0));
    assert_eq!(ByHand::new(child.closed()).ready().clean_up().steps, 3);
}

/// And the other way round.
#[test]
fn a_clean_up_that_the_one_above_gave_up_is_taken_up_by_its_owner() {
    let (root, log) = (Scope::new("root"), Log::default());
    let child = root.child("child");
    let noted = log.clone();
    child.defer_async(move |_| async move {
        yield_now().await;
        noted.note("done");
    });
    let above = ByHand::polled(root.close());
    let mut own = ByHand::polled(child.close());
    drop(above);
    assert!(own.run().is_ready());
    assert_eq!((log.all(), root.members()), (vec!["done"], 0));
    assert!(ByHand::new(root.close()).poll().is_ready());
}

/// Nobody closes them: the sync clean-up runs from the inside out, in whichever order their handles go.
#[test]
fn dropped_scopes_clean_up_from_the_inside_out() {
    for inner_first in [true, false] {
        let log = Log::default();
        let root = Scope::new("root");
        let middle = root.child("middle");
        let inner = middle.child("inner");
        for scope in [&root, &middle, &inner] {
            let (name, log) = (scope.name().to_owned(), log.clone());
            scope.defer(move |_| log.note(name));
        }
        let scopes = match inner_first {
            true => [inner, middle, root],
            false => [root, middle, inner],
        };
        scopes.into_iter().for_each(drop);
        assert_eq!(log.all(), ["inner", "middle", "root"], "inner first: {inner_first}");
    }
}

/// A scope that came while the one above it began to close on another thread once was in nobody's hands.
#[test]
fn scopes_that_come_while_those_above_close_are_closed_too() {
    let (give, given) = mpsc::channel::<Scope>();
    let closer = thread::spawn(move || {
        for scope in given {
            smol::block_on(scope.close());
            assert_eq!(scope.members(), 0);
        }
    });
    for _ in 0..2_000 {
        let root = Scope::new("root");
        give.send(root.clone()).unwrap();
        let children: Vec<_> = (0..4).map(|_| root.child("child")).collect();
        // Whoever made them holds them until the close is done, and doesn't close them.
        let report = smol::block_on(root.closed());
        assert!(report.aborted().is_none());
        drop(children);
    }
    drop(give);
    closer.join().unwrap();
}

/// In `root`, where `inner` is in `child`: the last member of both goes once `closing` has begun, and both handles have
/// gone before. Notes whose clean-up ran, which is async.
fn left_while_closing<'a>(log: &Log<&'static str>) -> (Scope, ByHand<'a, Report>, [Closed; 2]) {
    let root = Scope::new("root");
    let child = root.child("child");
    let inner = child.child("inner");
    for (scope, name) in [(&root, "root"), (&child, "child"), (&inner, "inner")] {
        let log = log.clone();
        scope.defer_async(move |_| async move {
            yield_now().await;
            log.note(name);
        });
    }
    let closed = [inner.closed(), child.closed()];
    let member = ByHand::polled(pending::<()>().in_scope(&inner));
    let closing = ByHand::polled(root.close());
    drop((child, inner));
    drop(member);
    (root, closing, closed)
}

/// It was skipped: whoever left last had nobody to poll it.
#[test]
fn who_closes_a_scope_sees_to_the_async_clean_up_of_those_in_it_that_are_left_meanwhile() {
    let log = Log::default();
    let (root, mut closing, closed) = left_while_closing(&log);
    assert_eq!(log.all(), [""; 0]);
    let Poll::Ready(report) = closing.run() else { panic!("it hangs") };
    assert_eq!(log.all(), ["inner", "child", "root"]);
    assert_eq!((report.members().aborted, root.members()), (1, 0));
    for closed in closed {
        let clean_up = ByHand::new(closed).ready().clean_up();
        assert_eq!((clean_up.steps, clean_up.skipped), (1, 0));
    }
}

#[test]
fn they_are_left_to_the_next_close_when_one_is_dropped_before_it_gets_to_them() {
    for polls in 0..3 {
        let log = Log::default();
        let (root, mut closing, closed) = left_while_closing(&log);
        (0..polls).for_each(|_| assert!(closing.poll().is_pending()));
        drop(closing);
        assert_eq!(root.members(), 1);
        let Poll::Ready(report) = ByHand::new(root.close()).run() else { panic!("it hangs") };
        assert_eq!((report.clean_up().skipped, log.all()), (0, vec!["inner", "child", "root"]));
        for closed in closed {
            let clean_up = ByHand::new(closed).ready().clean_up();
            assert_eq!((clean_up.steps, clean_up.skipped), (1, 0));
        }
    }
}

#[test]
fn they_are_skipped_when_the_close_is_dropped_and_nobody_can_close_it_again() {
    for polls in 0..2 {
        let log = Log::default();
        let (root, mut closing, closed) = left_while_closing(&log);
        let last = root.closed();
        drop(root);
        (0..polls).for_each(|_| assert!(closing.poll().is_pending()));
        drop(closing);
        for closed in closed.into_iter().chain([last]) {
            assert_eq!(ByHand::new(closed).ready().clean_up().skipped, 1);
        }
        assert_eq!(log.all(), [""; 0]);
    }
}

/// Those who come late are left to it like those who went while it was waited for.
#[test]
fn a_scope_that_is_to_be_closed_again_has_what_is_left_below_it_meanwhile() {
    let (clock, log) = (TestClock::new(), Log::default());
    let root = Scope::builder("root").timer(&clock).build();
    let children = [root.child("early"), root.child("late")];
    for child in &children {
        let (log, clock, name) = (log.clone(), clock.clone(), child.name().to_owned());
        child.defer_async(move |_| async move {
            clock.sleep(5 * SECOND).await;
            log.note(name);
        });
    }
    let work = |child: &Scope, seconds| {
        let clock = clock.clone();
        ByHand::polled(async move { clock.sleep(seconds * SECOND).await }.in_scope(child))
    };
    let (mut early, mut late) = (work(&children[0], 1), work(&children[1], 3));
    let closed = children.each_ref().map(Scope::closed);
    let mut first = ByHand::polled(root.close_within(2 * SECOND));
    drop(children);
    clock.advance(SECOND);
    assert!(early.run().is_ready() && first.run().is_pending());
    clock.advance(SECOND);
    assert!(matches!(first.run(), Poll::Ready(Err(_))));
    clock.advance(SECOND);
    assert!(late.run().is_ready());
    let again = clock.watch(root.close());
    assert_eq!(smol::block_on(again).clean_up().skipped, 0);
    for closed in closed {
        assert_eq!(ByHand::new(closed).ready().clean_up().skipped, 0);
    }
    assert_eq!(log.all(), ["late", "early"]);
}

/// It runs in each of them, by its chain or by the scope's own place, or both.
#[test]
fn one_that_overruns_is_counted_once_in_each_scope_above() {
    let clock = TestClock::new();
    let scopes = {
        let outer = Scope::builder("outer").timer(&clock).build();
        let middle = outer.child("middle");
        [middle.child("inner"), middle, outer]
    };
    let inner = pending::<()>().with_grace(SECOND).in_scope(&scopes[0]);
    let middle = async move { inner.await.unwrap_err() }.in_scope(&scopes[1]);
    let mut outer = ByHand::polled(async move { middle.await.unwrap_err() }.in_scope(&scopes[2]));
    scopes[2].abort("stop");
    assert!(outer.run().is_pending());
    clock.advance(SECOND);
    assert!(outer.run().is_ready());
    for scope in &scopes {
        let report = ByHand::new(scope.close()).ready();
        assert_eq!((report.members().overran, report.failures().len()), (1, 1), "{report}");
    }
}
