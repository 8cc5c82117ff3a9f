//! Deferred clean-up runs after the last member, last in, first out, bounded, and tells what went
//! wrong.

mod executors;
mod support;

use std::{
    future::pending,
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use futures_lite::future::yield_now;
use support::{ByHand, Count, Drops, Log, SECOND, poll_once};
use tenure::{OwnedFuture, Scope, owner::Key, time::TestClock};

static REQUEST: Key<u32> = Key::new("request");

executors::on_every_executor! {
    async fn the_last_deferred_runs_first(executor: Executor) {
        let (scope, log) = (Scope::new("scope"), Log::default());
        for n in 0..6 {
            let log = log.clone();
            if n % 2 == 0 {
                scope.defer(move |_| log.note(n.to_string()));
            } else {
                scope.defer_async(move |_| async move {
                    yield_now().await;
                    log.note(n.to_string());
                });
            }
        }
        let member = log.clone();
        let work = async move {
            yield_now().await;
            member.note("member".to_owned());
        };
        let member = executor.spawn(work.in_scope(&scope));
        let report = executor.spawn(scope.close()).await;
        assert_eq!(log.all(), ["member", "5", "4", "3", "2", "1", "0"]);
        assert_eq!(report.to_string(), "`scope` closed; 1 ran; 6 clean-up steps");
        member.await.unwrap();
    }

    async fn a_step_that_overruns_is_dropped_at_its_bound(executor: Executor) {
        let (clock, log, drops) = (TestClock::new(), Log::default(), Drops::default());
        let scope = Scope::builder("scope").timer(&clock).build();
        let note = |name: &'static str| {
            let (log, clock) = (log.clone(), clock.clone());
            move || log.note(format!("{name} at {}", clock.elapsed().as_millis()))
        };
        let last = note("last");
        scope.defer(move |_| last());
        let (default, stuck) = (note("default"), drops.of(pending()));
        scope.defer_async(move |_| {
            default();
            stuck
        });
        let (bounded, stuck) = (note("bounded"), drops.of(pending()));
        scope.defer_async_within(2 * SECOND, move |_| {
            bounded();
            stuck
        });
        let sleep = clock.clone();
        scope.defer_async_within(SECOND, move |_| async move { sleep.sleep(SECOND / 2).await });

        let report = executor.spawn(clock.watch(scope.close())).await;
        assert_eq!(log.all(), ["bounded at 500", "default at 2500", "last at 12500"]);
        let clean_up = report.clean_up();
        assert_eq!((clean_up.steps, clean_up.overran, clean_up.panicked), (4, 2, 0));
        assert_eq!(report.to_string(), "`scope` closed; 4 clean-up steps, 2 overran");
        assert_eq!(drops.live(), 0);
    }

    async fn a_step_that_goes_wrong_stops_no_other(executor: Executor) {
        let (clock, log) = (TestClock::new(), Log::default());
        let scope = Scope::builder("scope").timer(&clock).build();
        struct Panics;
        impl Drop for Panics {
            fn drop(&mut self) {
                panic!("in drop");
            }
        }
        for n in 0..6 {
            let noted = log.clone();
            scope.defer(move |_| noted.note(n));
            match n {
                0 => scope.defer(|_| panic!("sync")),
                1 => scope.defer_async(|_| -> std::future::Ready<()> { panic!("before its future") }),
                2 => scope.defer_async(|_| async { panic!("at its first poll") }),
                3 => scope.defer_async(|_| async {
                    yield_now().await;
                    panic!("later")
                }),
                4 => scope.defer_async(|_| pending()),
                _ => scope.defer_async(|_| async {
                    let _panics = Panics;
                    pending().await
                }),
            }
        }
        let report = executor.spawn(clock.watch(scope.close())).await;
        assert_eq!(log.all(), [5, 4, 3, 2, 1, 0]);
        assert_eq!((report.clean_up().steps, report.clean_up().panicked), (12, 5));
        assert_eq!(clock.elapsed(), 20 * SECOND);
    }

    async fn each_step_is_told_why(executor: Executor) {
        let told = |abort: bool| {
            let (scope, log) = (Scope::new("scope"), Log::default());
            let (sync, later) = (log.clone(), log.clone());
            scope.defer(move |aborted| sync.note(format!("{:?}", aborted.map(|a| a.to_string()))));
            scope.defer_async(move |aborted| async move {
                later.note(format!("{:?}", aborted.map(|a| a.to_string())));
            });
            if abort {
                scope.abort("stop");
            }
            (executor.spawn(scope.close()), log)
        };
        let (close, log) = told(false);
        assert!(close.await.aborted().is_none());
        assert_eq!(log.all(), ["None", "None"]);
        let (close, log) = told(true);
        let report = close.await;
        assert_eq!(log.all(), [r#"Some("stop (in `scope`)")"#; 2]);
        assert_eq!(report.to_string(), "`scope` closed: stop (in `scope`); 2 clean-up steps");
    }
}

#[test]
fn a_step_is_dropped_before_the_next_begins() {
    let (scope, drops) = (Scope::new("scope"), Drops::default());
    let seen = drops.clone();
    let live = Arc::new(Mutex::new(None));
    let told = live.clone();
    scope.defer(move |_| *told.lock().unwrap() = Some(seen.live()));
    let token = drops.token();
    scope.defer_async(move |_| async move { drop(token) });
    ByHand::new(scope.close()).ready();
    assert_eq!(*live.lock().unwrap(), Some(0));
}

#[test]
fn clean_up_may_defer_more() {
    let (scope, log) = (Scope::new("scope"), Log::default());
    let (handle, first, more) = (scope.clone(), log.clone(), log.clone());
    scope.defer(move |_| {
        first.note("first");
        handle.defer(move |_| more.note("more"));
    });
    let report = ByHand::new(scope.close()).ready();
    assert_eq!(log.all(), ["first", "more"]);
    assert_eq!(report.clean_up().steps, 2);
}

#[test]
fn what_is_deferred_after_the_close_runs_at_the_next_or_with_the_last_handle() {
    let (scope, log) = (Scope::new("scope"), Log::default());
    assert_eq!(ByHand::new(scope.close()).ready().clean_up().steps, 0);
    let late = log.clone();
    scope.defer(move |_| late.note("late"));
    assert_eq!(ByHand::new(scope.close()).ready().clean_up().steps, 1);
    let later = log.clone();
    scope.defer(move |_| later.note("later"));
    drop(scope);
    assert_eq!(log.all(), ["late", "later"]);
}

/// It found those of whoever closed the scope, or dropped its last handle.
#[test]
fn clean_up_that_is_sync_finds_the_values_of_its_scope() {
    let log = Log::default();
    let deferring = || {
        let scope = Scope::builder("scope").value(&REQUEST, 7).build();
        let noted = log.clone();
        scope.defer(move |_| noted.note(("deferred", REQUEST.get())));
        scope
    };
    let dropping = async {
        deferring().close().await;
        drop(deferring());
    };
    assert!(ByHand::new(dropping.with_value(&REQUEST, 99)).ready().is_ok());
    assert_eq!(log.all(), [("deferred", Some(7)); 2]);

    let scope = Scope::builder("scope").value(&REQUEST, 8).build();
    let (began, ran) = (log.clone(), log.clone());
    scope.defer_async(move |_| {
        began.note(("begun", REQUEST.get()));
        async move { ran.note(("run", REQUEST.get())) }
    });
    ByHand::new(scope.close().with_value(&REQUEST, 99)).ready().unwrap();
    assert_eq!(log.all()[2..], [("begun", Some(8)), ("run", Some(8))]);
}

#[test]
fn a_panic_with_the_last_handle_stops_no_other_step_and_is_told() {
    let (scope, log) = (Scope::new("scope"), Log::default());
    let closed = scope.closed();
    let first = log.clone();
    scope.defer(move |_| first.note("first"));
    scope.defer(|_| panic!("second"));
    let third = log.clone();
    scope.defer(move |_| third.note("third"));
    drop(scope);
    assert_eq!(log.all(), ["third", "first"]);
    let report = ByHand::new(closed).ready();
    assert_eq!((report.clean_up().panicked, report.failures()[0].what()), (1, "second"));
}

#[test]
fn a_report_counts_one_step_in_the_singular() {
    let scope = Scope::new("one");
    scope.defer(|_| panic!("oh no"));
    let report = ByHand::new(scope.close()).ready();
    assert_eq!(report.to_string(), "`one` closed; 1 clean-up step, 1 panicked");
    let clean_up = report.clean_up();
    assert_eq!((clean_up.steps, clean_up.overran, clean_up.panicked), (1, 0, 1));
}

/// The last member leaves on one thread while the last handle does on another.
#[test]
fn clean_up_after_the_last_handle_is_always_told_that_the_scope_has_ended() {
    let untold = Arc::new(AtomicUsize::new(0));
    for _ in 0..5_000 {
        let scope = Scope::new("short-lived");
        let count = untold.clone();
        scope.defer(move |aborted| {
            count.fetch_add(usize::from(aborted.is_none()), Ordering::SeqCst);
        });
        let member = pending::<()>().in_scope(&scope);
        let barrier = Arc::new(Barrier::new(2));
        let other = barrier.clone();
        let thread = thread::spawn(move || {
            other.wait();
            drop(member);
        });
        barrier.wait();
        drop(scope);
        thread.join().unwrap();
    }
    assert_eq!(untold.load(Ordering::SeqCst), 0);
}

#[test]
fn it_has_closed_when_all_are_told_who_asked_for_that() {
    let (scope, told) = (Scope::new("scope"), Count::default());
    let mut closed = scope.closed();
    let (again, first, next) = (scope.clone(), told.clone(), told.clone());
    scope.on_close(move |_| {
        assert!(poll_once(&mut closed).is_pending());
        first.add();
        again.on_close(move |_| _ = next.add());
    });
    let mut closed = ByHand::polled(scope.closed());
    ByHand::new(scope.close()).ready();
    assert_eq!((told.get(), closed.wakes()), (2, 1));
    closed.ready();
}

#[test]
fn what_is_sync_behind_a_step_that_is_left_half_way_still_runs() {
    let (scope, ran) = (Scope::new("scope"), Count::default());
    let counted = ran.clone();
    scope.defer(move |_| _ = counted.add());
    scope.defer_async(|_| pending());
    let closed = scope.closed();
    let closing = ByHand::polled(scope.close());
    drop(scope);
    assert_eq!(ran.get(), 0, "there is one before it");
    drop(closing);
    let clean_up = ByHand::new(closed).ready().clean_up();
    assert_eq!((clean_up.steps, clean_up.skipped, ran.get()), (2, 1, 1));
}
