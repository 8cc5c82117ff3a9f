//! However many come before and after, and however it ends: what comes after the end never runs, the close returns, and
//! nobody and nothing is missing. Each count is an equality.

mod executors;
mod support;

use std::{
    future::{Future, pending, ready},
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::{FutureExt, future::join_all};
use futures_lite::future::yield_now;
use support::{Count, Drops, Log, SECOND, panic_quietly};
use tenure::{
    AbortHandle, AbortReason, Aborted, Limit, OwnedFuture, Scope, scope,
    scope::{Members, Nursery},
    time::TestClock,
};

const MOST: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Failure,
    Timeout,
    Abort,
    Drop,
    Panic,
}

const ENDS: [End; 5] = [End::Failure, End::Timeout, End::Abort, End::Drop, End::Panic];

/// What may be missing afterwards.
#[derive(Clone)]
struct World {
    clock: TestClock,
    limit: Limit,
    stop: AbortHandle,
    drops: Drops,
    /// How often one was polled that comes too late.
    late: Count,
    cleaned_up: Count,
}

impl World {
    fn new() -> Self {
        Self {
            clock: TestClock::new(),
            limit: Limit::new(2),
            stop: AbortHandle::new(),
            drops: Drops::default(),
            late: Count::default(),
            cleaned_up: Count::default(),
        }
    }

    /// One that never ends by itself: of four kinds, of which one waits for a permit that few of them get.
    fn stuck(
        &self,
        n: usize,
    ) -> impl Future<Output = Result<(), Aborted>> + Send + 'static + use<> {
        let stuck = self.drops.of(pending::<()>());
        let limit = (n % 4 == 1).then(|| self.limit.clone());
        let grace = (n % 4 == 2).then_some(Duration::ZERO);
        let stop = (n % 4 == 3).then(|| self.stop.clone());
        async move {
            match (limit, grace, stop) {
                (Some(limit), ..) => stuck.limit(&limit).await,
                (_, Some(grace), _) => stuck.with_grace(grace).await,
                (_, _, Some(stop)) => stuck.with_abort(stop).await,
                _ => stuck.owned().await,
            }
        }
    }

    fn too_late(&self) -> impl Future<Output = u32> + Send + 'static + use<> {
        self.drops.of(self.late.polls_of(ready(1)))
    }

    /// Nothing is left of it, and nobody holds anything.
    fn assert_nothing_is_left(&self, case: &str) {
        assert_eq!(self.late.get(), 0, "polled too late: {case}");
        assert_eq!(self.drops.live(), 0, "futures: {case}");
        let (active, waiting) = (self.limit.active(), self.limit.waiting());
        assert_eq!((active, waiting), (0, 0), "permits: {case}");
        assert_eq!(self.cleaned_up.get(), 1, "clean-up: {case}");
    }
}

fn sum(members: Members) -> usize {
    let Members { ran, failed, aborted, dropped, never_started, .. } = members;
    ran + failed + aborted + dropped + never_started
}

type Kept = Arc<Mutex<Option<Nursery<'static>>>>;

async fn end_nursery(executor: &executors::Executor, before: usize, after: usize, end: End) {
    let case = format!("{end:?}, {before} before, {after} after");
    let (world, kept, told) = (World::new(), Kept::default(), Log::default());
    let (inside, keep, tell) = (world.clone(), kept.clone(), told.clone());
    let nursery = scope(async move |n| {
        *keep.lock().unwrap() = Some(n.clone());
        n.on_close(move |report| tell.note(report.members()));
        let cleaned_up = inside.cleaned_up.clone();
        n.defer(move |_| _ = cleaned_up.add());
        for child in 0..before {
            drop(n.spawn(inside.stuck(child)));
        }
        yield_now().await;
        match end {
            End::Failure => drop(n.try_spawn(ready(Err::<(), _>("down")))),
            End::Panic => drop(n.spawn(async { panic_quietly() })),
            End::Abort => _ = n.abort("stop"),
            End::Timeout | End::Drop => {}
        }
        if end == End::Abort {
            // In the very poll that has ended it.
            (0..after).for_each(|_| drop(n.spawn(inside.too_late())));
        }
        pending::<()>().await
    });
    let nursery = nursery.with_timeout(SECOND).with_timer(&world.clock);
    let ended = match end {
        End::Drop => {
            let mut nursery = Box::pin(nursery);
            let half_way = async move {
                for _ in 0..3 {
                    assert!(futures::poll!(nursery.as_mut()).is_pending());
                    yield_now().await;
                }
            };
            executor.spawn(half_way).await;
            None
        }
        _ => {
            let nursery = AssertUnwindSafe(world.clock.watch(nursery)).catch_unwind();
            executor.spawn(nursery).await.ok()
        }
    };
    match (end, ended.map(|ended: Result<(), _>| ended.unwrap_err().into())) {
        (End::Failure, Some(AbortReason::SiblingFailed { who: None, error })) => {
            assert_eq!(error, "down");
        }
        (End::Timeout, Some(AbortReason::TimedOut { after: SECOND })) => {}
        (End::Abort, Some(AbortReason::Requested(_))) => {}
        (End::Drop | End::Panic, None) => {}
        (_, ended) => panic!("{ended:?}: {case}"),
    }

    let n = kept.lock().unwrap().take().unwrap();
    let late: Vec<_> = (0..after).map(|_| n.spawn(world.too_late())).collect();
    for late in late {
        assert!(late.await.is_err(), "{case}");
    }
    assert!(world.too_late().in_scope(&n).await.is_err());
    let of_its_own = usize::from(matches!(end, End::Failure | End::Panic));
    let in_time = before + of_its_own + if end == End::Abort { after } else { 0 };
    assert_eq!((told.all().len(), sum(told.all()[0])), (1, in_time), "children: {case}");
    assert_eq!(told.all()[0].failed, of_its_own, "{case}");
    world.assert_nothing_is_left(&case);
}

async fn end_scope(executor: &executors::Executor, before: usize, after: usize, end: End) {
    let case = format!("{end:?}, {before} before, {after} after");
    let world = World::new();
    let owner = Scope::builder("scope").timer(&world.clock).timeout(SECOND).build();
    let (told, cleaned_up) = (Log::default(), world.cleaned_up.clone());
    let tell = told.clone();
    owner.defer(move |_| _ = cleaned_up.add());
    owner.on_close(move |report| tell.note(report.members()));
    let tasks: Vec<_> =
        (0..before).map(|n| executor.spawn(world.stuck(n).in_scope(&owner))).collect();
    // Let in before the end, they are polled only after it.
    let slow: Vec<_> = (0..after).map(|_| world.too_late().in_scope(&owner)).collect();
    let closed = owner.closed();
    let failing = match end {
        End::Failure => {
            let failing = ready(Err::<(), _>("down")).try_in_scope(&owner);
            assert_eq!(executor.spawn(failing).await, Ok(Err("down")));
            1
        }
        End::Panic => {
            let panics = AssertUnwindSafe(async { panic_quietly() }.in_scope(&owner));
            let panicked: Result<Result<(), _>, _> = executor.spawn(panics.catch_unwind()).await;
            assert!(panicked.is_err());
            1
        }
        End::Timeout => {
            world.clock.advance(SECOND);
            0
        }
        End::Abort => {
            assert!(owner.abort("stop"));
            0
        }
        End::Drop => 0,
    };
    let aborted = owner.abort_handle().clone();
    if end == End::Drop {
        drop(owner);
        assert!(aborted.is_aborted());
        for late in slow {
            assert!(executor.spawn(late).await.is_err(), "{case}");
        }
    } else {
        assert!(aborted.is_aborted());
        let mut late: Vec<_> = (0..after).map(|_| world.too_late().in_scope(&owner)).collect();
        late.extend(slow);
        for late in late {
            assert!(executor.spawn(late).await.is_err(), "{case}");
        }
        owner.close().await;
        let refused = world.too_late().in_scope(&owner);
        assert!(refused.await.is_err());
        assert_eq!(owner.members(), 0, "members: {case}");
    }
    let members = closed.await.members();
    // One that is aborted and not closed takes members, which never begin.
    let late = if end == End::Drop { after } else { 2 * after };
    assert_eq!(sum(members), before + late + failing, "members: {case}");
    assert_eq!((members.failed, told.all().as_slice()), (failing, &[members][..]), "{case}");
    for ended in join_all(tasks).await {
        assert!(ended.is_err(), "{case}");
    }
    world.assert_nothing_is_left(&case);
}

executors::on_every_executor! {
    async fn nurseries_end_whole(executor: Executor) {
        for before in 0..=MOST {
            for after in 0..=MOST {
                for end in ENDS {
                    end_nursery(&executor, before, after, end).await;
                }
            }
        }
    }

    async fn scopes_end_whole(executor: Executor) {
        for before in 0..=MOST {
            for after in 0..=MOST {
                for end in ENDS {
                    end_scope(&executor, before, after, end).await;
                }
            }
        }
    }
}
