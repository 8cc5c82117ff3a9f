//! Whatever a waker does when it is cloned, woken or dropped, scopes, nurseries, their handles, reapers and brackets
//! hang nowhere, put nobody to sleep, and end all that they own.

mod hostile;
mod support;

use std::{
    future::{Future, pending},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc,
    task::Poll,
    thread,
    time::Duration,
};

use futures::future::LocalBoxFuture;
use hostile::{Hooked, Moment, in_time};
use support::{ByHand, Count, CountingTimer, Drops, SECOND, panic_quietly, poll_once};
use tenure::{
    AbortHandle, Aborted, OwnedFuture, Scope, bracket,
    scope::{Closed, JoinHandle, Nursery, Reaper},
};

const MOMENTS: [Moment; 3] = [Moment::Clone, Moment::Wake, Moment::Drop];

/// A second one, while the first unwinds, would end the process whoever's it is.
fn panic_at_most_once() {
    if !thread::panicking() {
        panic_quietly();
    }
}

/// Runs foreign code, whose panic is its own affair.
fn survive<R>(f: impl FnOnce() -> R) -> Option<R> {
    catch_unwind(AssertUnwindSafe(f)).ok()
}

/// Runs `check` for each moment and each of `acts`.
fn each_act<A: Copy + Send + Sync + 'static>(acts: &'static [A], check: fn(Moment, A, &str)) {
    in_time(move || {
        for moment in MOMENTS {
            for (number, act) in acts.iter().enumerate() {
                check(moment, *act, &format!("{moment:?}, act {number}"));
            }
        }
    });
}

/// Polls those that are woken, until all are ready.
fn all_end<T>(futures: Vec<ByHand<'_, T>>, case: &str) -> Vec<T> {
    let (mut left, mut ended) = (futures, Vec::new());
    for _ in 0..10 {
        let mut pending = Vec::new();
        for mut future in left {
            match future.run() {
                Poll::Ready(value) => ended.push(value),
                Poll::Pending => pending.push(future),
            }
        }
        left = pending;
    }
    assert!(left.is_empty(), "{} wait for ever: {case}", left.len());
    ended
}

type OnScope = fn(&Scope);

/// What foreign code does with the scope.
const WITH_A_SCOPE: &[OnScope] = &[
    |_| panic_at_most_once(),
    |scope| _ = scope.abort("inside"),
    |scope| drop(scope.child("child")),
    |scope| _ = (scope.members(), scope.alive(), format!("{scope:?}")),
    |scope| drop(pending::<()>().named("inside").in_scope(scope)),
    |scope| _ = poll_once(async {}.in_scope(scope)),
    |scope| {
        scope.defer(|_| {});
        scope.defer_async(|_| async {});
        scope.on_close(|_| {});
    },
    |scope| _ = poll_once(scope.close()),
    |scope| {
        _ = (poll_once(scope.close_within(Duration::ZERO)).is_ready(), poll_once(scope.closed()))
    },
];

#[test]
fn a_scope_ends_and_closes_whatever_one_waker_does() {
    each_act(WITH_A_SCOPE, |moment, act, case| {
        let scope = Scope::builder("scope").timer(CountingTimer::default()).build();
        let inside = scope.clone();
        let hooked = Hooked::new(moment, move || act(&inside));
        let member = || ByHand::new(pending::<()>().named("member").in_scope(&scope));
        let [mut before, mut hostile, mut after] = [(); 3].map(|()| member());
        assert!(before.poll().is_pending());
        hooked.armed(|| survive(|| hostile.poll_with(&hooked.waker()).is_pending()));
        let _ = after.poll();
        let [mut first, mut worst, mut last] = [(); 3].map(|()| ByHand::new(scope.close()));
        let within = scope.close_within(SECOND);
        let mut within = ByHand::new(async { within.await.unwrap() });
        let mut told = ByHand::new(scope.closed());
        for closer in [&mut first, &mut last, &mut within, &mut told] {
            let _ = closer.poll();
        }
        hooked.armed(|| survive(|| worst.poll_with(&hooked.waker()).is_pending()));

        hooked.armed(|| survive(|| scope.abort("stop")));
        assert!(scope.is_aborted(), "{case}");
        // Each goes on elsewhere, and lets go of the hostile one.
        for member in [before, hostile, after] {
            hooked.armed(|| survive(move || drop(member)));
        }
        hooked.armed(|| survive(|| worst.poll().is_pending()));
        let reports = all_end(vec![first, last, within, told], case);
        assert!(reports.iter().all(|report| report.aborted().is_some()), "{case}");
        assert_eq!(scope.members(), 0, "{case}");
        drop(worst);
        ByHand::new(scope.close()).ready();
    });
}

type OnNursery = fn(&Nursery<'static>);

/// What foreign code does with the nursery.
const WITH_A_NURSERY: &[OnNursery] = &[
    |_| panic_at_most_once(),
    |n| _ = n.abort("inside"),
    |n| drop(n.spawn(async {})),
    |n| _ = n.spawn(pending::<()>()).abort("inside"),
    |n| _ = poll_once(n.spawn(pending::<()>())),
    |n| {
        n.defer(|_| {});
        n.defer_async(|_| async {});
        n.on_close(|_| {});
    },
    |n| _ = poll_once(async {}.in_scope(n)),
    |n| _ = format!("{n:?}"),
];

type Told = (Nursery<'static>, [JoinHandle<()>; 3]);

#[test]
fn a_nursery_and_its_handles_end_whatever_one_waker_does() {
    each_act(WITH_A_NURSERY, |moment, act, case| {
        let (give, take) = mpsc::channel::<Told>();
        let drops = Drops::default();
        let child = drops.clone();
        let mut family = ByHand::new(tenure::scope(async move |n: Nursery<'static>| {
            let children = [(); 3].map(|()| n.spawn(child.of(pending::<()>())));
            give.send((n.clone(), children)).unwrap();
            child.of(pending::<()>()).await
        }));
        assert!(family.poll().is_pending());
        let (n, [alone, worst, last]) = take.try_recv().unwrap();
        let inside = n.clone();
        let hooked = Hooked::new(moment, move || act(&inside));
        assert!(worst.abort("alone") || worst.is_finished());
        let [alone, mut worst, last] = [alone, worst, last].map(ByHand::new);
        let polled = hooked.armed(|| survive(|| family.poll_with(&hooked.waker()).is_ready()));
        let wait = |mut child: ByHand<'static, _>| child.poll().is_pending().then_some(child);
        let waiting = [alone, last].into_iter().filter_map(wait).collect();
        hooked.armed(|| survive(|| worst.poll_with(&hooked.waker()).is_pending()));
        let mut ended = polled == Some(true) || family.poll_with(&hooked.waker()).is_ready();

        // A child that comes, and the end, are told of.
        let woken = hooked.wakes();
        hooked.armed(|| survive(|| drop(n.spawn(async {}))));
        assert!(n.abort_handle().is_aborted() || hooked.wakes() > woken, "{case}");
        hooked.armed(|| survive(|| n.abort("stop")));
        assert!(n.abort_handle().is_aborted(), "{case}");

        // It goes on elsewhere, and lets go of the hostile one.
        ended = ended || hooked.armed(|| survive(|| family.run().is_ready())) == Some(true);
        // Where it had ended, or a panic has ended it, it can't be polled any more.
        ended = ended || survive(|| family.run().is_ready()) != Some(false);
        assert!(ended, "{case}");
        assert_eq!((drops.live(), family.wakers()), (0, 0), "{case}");
        drop(worst);
        for told in all_end(waiting, case) {
            assert!(told.is_err(), "{case}");
        }
        let mut late = ByHand::new(n.spawn(async {}));
        assert!(late.ready().is_err(), "{case}");
    });
}

type OnReaper = fn(&Reaper);

/// What foreign code does with the reaper.
const WITH_A_REAPER: &[OnReaper] = &[
    |_| panic_at_most_once(),
    |reaper| _ = poll_once(reaper.drain()),
    |reaper| _ = poll_once(reaper.run()),
    |reaper| drop(left(reaper, &Drops::default())),
    |reaper| _ = (reaper.waiting(), format!("{reaper:?}")),
];

/// A scope that is left to the reaper, with something to clean up that takes a turn.
fn left(reaper: &Reaper, drops: &Drops) -> Closed {
    let scope = Scope::builder("left").reaper(reaper).build();
    let token = drops.token();
    scope.defer_async(|_| async {
        futures_lite::future::yield_now().await;
        drop(token);
    });
    scope.closed()
}

#[test]
fn a_reaper_cleans_up_whatever_one_waker_does() {
    each_act(WITH_A_REAPER, |moment, act, case| {
        let (reaper, drops) = (Reaper::new(), Drops::default());
        // Whoever comes whenever one has come would never come to an end.
        let (inside, acts) = (reaper.clone(), Count::default());
        let hooked = Hooked::new(moment, move || {
            if acts.add() < 9 {
                act(&inside);
            }
        });
        let (mut before, mut worst) = (ByHand::new(reaper.run()), ByHand::new(reaper.run()));
        assert!(before.poll().is_pending());
        hooked.armed(|| survive(|| worst.poll_with(&hooked.waker()).is_pending()));
        let closed = [(); 3].map(|()| {
            let closed = hooked.armed(|| survive(|| left(&reaper, &drops)));
            hooked.armed(|| survive(|| worst.poll_with(&hooked.waker()).is_pending()));
            closed
        });
        assert!(before.run().is_pending());
        // What it was at is left to the other one.
        hooked.armed(|| survive(|| drop(worst)));
        assert!(before.run().is_pending());
        assert_eq!((drops.live(), reaper.waiting()), (0, 0), "{case}");
        let closed = closed.into_iter().flatten().map(ByHand::new).collect();
        for report in all_end(closed, case) {
            assert_eq!(report.clean_up().skipped, 0, "{case}");
        }
    });
}

type OnHandle = fn(&AbortHandle);

/// What foreign code does with the handle that ends it.
const WITH_A_HANDLE: &[OnHandle] =
    &[|_| panic_at_most_once(), |stop| _ = stop.abort("stop"), |stop| _ = format!("{stop:?}")];

type Work = Result<(), String>;

/// What takes its time to end, in a chain and deep in plain code.
fn takes_time(drops: &Drops) -> Vec<LocalBoxFuture<'static, Work>> {
    let stuck = || drops.of(pending::<Work>());
    let held = |using: LocalBoxFuture<'static, Work>| {
        let token = drops.token();
        bracket(
            async { Ok(token) },
            async |_| using.await,
            async |_, _| {
                futures_lite::future::yield_now().await;
            },
        )
    };
    let family = || {
        let child = drops.of(pending::<()>());
        tenure::local_scope(async |n| {
            n.defer_async(|_| futures_lite::future::yield_now());
            n.spawn(child.with_grace(Duration::ZERO)).await.unwrap().unwrap();
            Ok(())
        })
    };
    async fn plain(chain: impl Future<Output = Result<Work, Aborted>>) -> Work {
        chain.await.unwrap_or_else(|aborted| Err(aborted.to_string()))
    }
    vec![
        Box::pin(plain(stuck().with_grace(Duration::ZERO))),
        Box::pin(plain(stuck().shielded(Duration::ZERO))),
        Box::pin(plain(held(Box::pin(stuck())))),
        Box::pin(plain(family())),
        Box::pin(plain(held(Box::pin(plain(family()))).named("deep").shielded(Duration::ZERO))),
    ]
}

#[test]
fn what_takes_its_time_to_end_ends_whatever_the_waker_does() {
    each_act(WITH_A_HANDLE, |moment, act, case| {
        let kinds = takes_time(&Drops::default()).len();
        for kind in 0..kinds {
            let (drops, stop) = (Drops::default(), AbortHandle::new());
            let work = takes_time(&drops).swap_remove(kind);
            let chain = work.with_abort(stop.clone()).with_timer(CountingTimer::default());
            let mut chain = ByHand::new(chain);
            let inside = stop.clone();
            let hooked = Hooked::new(moment, move || act(&inside));
            for _ in 0..3 {
                hooked.armed(|| survive(|| chain.poll_with(&hooked.waker()).is_pending()));
            }
            hooked.armed(|| survive(|| stop.abort("stop")));
            assert!(stop.is_aborted());
            let ended = hooked.armed(|| survive(|| chain.run().is_ready())) == Some(true);
            // Where it had ended, or a panic has ended it, it can't be polled any more.
            let ended = ended || survive(|| chain.run().is_ready()) != Some(false);
            assert!(ended, "kind {kind}: {case}");
            drop(chain);
            assert_eq!(drops.live(), 0, "kind {kind}: {case}");
        }
    });
}
