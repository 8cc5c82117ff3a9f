//! However deep scopes lie in one another, and on however many executors their members run: all of them end.

mod support;

use std::{
    future::{Future, pending},
    pin::Pin,
    task::Poll,
    thread,
};

use futures_lite::future::yield_now;
use support::{ByHand, Count, Drops, SECOND};
use tenure::{
    AbortHandle, Aborted, OwnedFuture, Owner, Scope, scope,
    scope::{Nursery, Reaper},
    time::TestClock,
};

const DEEP: usize = 5_000;

/// On a stack that recursion through so many would break.
fn on_a_short_stack(test: impl FnOnce() + Send + 'static) {
    thread::Builder::new().stack_size(256 * 1024).spawn(test).unwrap().join().unwrap();
}

/// Each in the one before it, with a piece of clean-up.
fn nest(root: Scope, cleaned_up: &Count) -> Vec<Scope> {
    let mut scopes = vec![root];
    for _ in 1..DEEP {
        scopes.push(scopes[scopes.len() - 1].child("child"));
    }
    for scope in &scopes {
        let cleaned_up = cleaned_up.clone();
        scope.defer(move |_| _ = cleaned_up.add());
    }
    scopes
}

#[test]
fn an_abort_reaches_the_deepest_and_a_close_comes_back_from_there() {
    on_a_short_stack(|| {
        let cleaned_up = Count::default();
        let scopes = nest(Scope::new("root"), &cleaned_up);
        let mut member = ByHand::polled(pending::<()>().in_scope(scopes.last().unwrap()));
        let mut close = ByHand::polled(scopes[0].close());
        assert!(scopes[0].abort("stop"));
        assert!(close.run().is_pending());
        assert!(scopes.iter().all(Scope::is_aborted));
        assert_eq!(member.ready().unwrap_err().to_string(), "stop (in `root`)");
        drop(member);
        let Poll::Ready(report) = close.run() else { panic!("it has closed") };
        assert_eq!((cleaned_up.get(), report.clean_up().steps), (DEEP, 1));
        assert_eq!(scopes.iter().map(Scope::members).sum::<usize>(), 0);
        assert!(format!("{:?}", scopes.last().unwrap()).contains("stop"));
    });
}

#[test]
fn a_close_that_is_dropped_half_way_down_leaves_all_as_they_are() {
    on_a_short_stack(|| {
        let cleaned_up = Count::default();
        let scopes = nest(Scope::new("root"), &cleaned_up);
        scopes[DEEP / 2].defer_async(|_| async { yield_now().await });
        let close = ByHand::polled(scopes[0].close());
        assert_eq!(cleaned_up.get(), DEEP / 2 - 1, "those below");
        drop(close);
        assert!(ByHand::new(scopes[0].close()).run().is_ready());
        assert_eq!(cleaned_up.get(), DEEP);
    });
}

#[test]
fn they_may_be_dropped_in_any_order() {
    for root_first in [true, false] {
        on_a_short_stack(move || {
            let (cleaned_up, drops) = (Count::default(), Drops::default());
            let mut scopes = nest(Scope::new("root"), &cleaned_up);
            let member = drops.of(pending::<()>()).in_scope(scopes.last().unwrap());
            let member = ByHand::polled(member);
            let deepest = scopes.last().unwrap().abort_handle().clone();
            if !root_first {
                scopes.reverse();
            }
            // One by one, in this order.
            scopes.into_iter().for_each(drop);
            assert!(deepest.is_aborted());
            assert_eq!(cleaned_up.get(), 0, "a member is left, and all are above it");
            drop(member);
            assert_eq!((cleaned_up.get(), drops.live()), (DEEP, 0));
        });
    }
}

#[test]
fn a_reaper_goes_all_the_way_up() {
    on_a_short_stack(|| {
        let (cleaned_up, reaper) = (Count::default(), Reaper::new());
        let mut scopes = nest(Scope::builder("root").reaper(&reaper).build(), &cleaned_up);
        for scope in &scopes {
            scope.defer_async(|_| async { yield_now().await });
        }
        scopes.reverse();
        scopes.into_iter().for_each(drop);
        // Each comes when the one below it is done.
        assert_eq!(reaper.waiting(), 1);
        assert_eq!(ByHand::new(reaper.drain()).run(), Poll::Ready(DEEP));
        assert_eq!(cleaned_up.get(), DEEP);
    });
}

#[test]
fn one_that_is_in_many_scopes_is_known_to_each() {
    let scopes: Vec<_> = (0..100).map(|_| Scope::new("scope")).collect();
    let mut work: Pin<Box<dyn Future<Output = Result<(), Aborted>>>> =
        Box::pin(pending::<()>().owned());
    for scope in &scopes {
        work = Box::pin(work.in_scope(scope).flatten_into::<Aborted>());
    }
    let mut work = ByHand::polled(work);
    assert!(scopes.iter().all(|scope| scope.members() == 1));
    scopes[50].abort("enough");
    assert_eq!(work.ready().unwrap_err().to_string(), "enough (in `scope`)");
    assert!(scopes.iter().all(|scope| scope.members() == 0));
}

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A nursery in a nursery in a nursery; the innermost does `then`.
fn nested(depth: usize, cleaned_up: Count, then: Boxed<()>) -> Boxed<()> {
    Box::pin(async move {
        let nursery = scope(async move |n: Nursery<'static>| {
            n.defer(move |_| _ = cleaned_up.clone().add());
            match depth {
                0 => then.await,
                _ => n.spawn(nested(depth - 1, Count::default(), then)).await.unwrap_or_default(),
            }
        });
        // What comes of an abort is the business of whoever aborts.
        nursery.await.unwrap_or_default();
    })
}

/// Each is polled within the poll of the one around it, as any future that awaits another: that takes a stack as deep
/// as they are nested, some kilobytes each without optimization.
fn on_a_deep_stack(test: impl FnOnce() + Send + 'static) {
    thread::Builder::new().stack_size(1 << 30).spawn(test).unwrap().join().unwrap();
}

#[test]
fn nurseries_may_be_nested_as_deep_as_the_stack_allows() {
    on_a_deep_stack(|| {
        let cleaned_up = Count::default();
        let (drops, found) = (Drops::default(), support::Log::default());
        let innermost = || -> Boxed<()> {
            let (noted, work) = (found.clone(), drops.of(pending::<()>()));
            Box::pin(async move {
                noted.note(Owner::current().unwrap().abort_handle().clone());
                work.await
            })
        };
        // Run to the end,
        let mut nursery = ByHand::new(nested(DEEP, cleaned_up.clone(), Box::pin(yield_now())));
        assert!(nursery.run().is_ready());
        assert_eq!(cleaned_up.get(), 1);
        // aborted,
        let stop = AbortHandle::new();
        let chain = nested(DEEP, cleaned_up.clone(), innermost()).with_abort(&stop);
        let mut nursery = ByHand::new(chain);
        assert!(nursery.run().is_pending());
        assert_eq!(drops.live(), 1);
        stop.abort("stop");
        assert!(found.all()[0].is_aborted(), "at once, before anything is polled");
        let Poll::Ready(ended) = nursery.run() else { panic!("it was aborted") };
        assert_eq!((ended.unwrap_err().to_string().as_str(), drops.live()), ("stop", 0));
        assert_eq!(cleaned_up.get(), 2);
        // and dropped.
        let mut nursery = ByHand::new(nested(DEEP, cleaned_up.clone(), innermost()));
        assert!(nursery.run().is_pending());
        assert_eq!(drops.live(), 1);
        drop(nursery);
        assert_eq!((drops.live(), cleaned_up.get()), (0, 3));
    });
}

/// Its members run on tokio, on smol and on async-std, and its clean-up in whoever closes it.
#[test]
fn one_scope_owns_tasks_of_three_executors_at_once() {
    let clock = TestClock::new();
    let (scope, drops) = (Scope::builder("all").timer(&clock).build(), Drops::default());
    let (inner, begun) = (scope.child("inner"), Count::default());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let work = |scope: &Scope| {
        let counted = begun.clone();
        let work = async move {
            counted.add();
            pending::<()>().await
        };
        drops.of(work).with_grace(SECOND).in_scope(scope)
    };
    let mut tasks: Vec<Boxed<Result<(), Aborted>>> = Vec::new();
    for n in 0..30 {
        let scope = if n % 2 == 0 { &scope } else { &inner };
        let on_tokio = runtime.spawn(work(scope));
        tasks.push(Box::pin(async move { on_tokio.await.unwrap() }));
        tasks.push(Box::pin(smol::spawn(work(scope))));
        tasks.push(Box::pin(async_std::task::spawn(work(scope))));
    }
    while begun.get() < 90 {
        thread::yield_now();
    }
    assert_eq!((scope.members(), inner.members(), drops.live()), (46, 45, 90));
    let mut close = ByHand::polled(scope.close());
    assert!(scope.abort("stop"));
    // They take their time, which nobody lets pass before each has begun to.
    while scope.members() + inner.members() > 0 {
        clock.advance(SECOND);
        let _ = close.run();
        thread::yield_now();
    }
    let report = smol::block_on(inner.close());
    assert_eq!((report.members().aborted, report.members().overran), (45, 45));
    let report = smol::block_on(scope.close());
    // Those in the scope below are among these.
    assert_eq!((report.members().aborted, report.members().overran), (46, 90));
    assert_eq!(drops.live(), 0);
    for task in tasks {
        assert_eq!(smol::block_on(task).unwrap_err().to_string(), "stop (in `all`)");
    }
}
