//! What the users of p-limit rely on, on a clock that jumps.

mod executors;
mod support;
mod works;

use std::{
    collections::BTreeSet,
    future::{Future, pending},
    pin::Pin,
};

use futures::future::{join, join_all, try_join, try_join_all};
use futures_lite::future::yield_now;
use support::{ByHand, Log, SECOND, panic_of};
use tenure::{AbortReason, Limit, Owned, OwnedFuture, limit::Refusal};
use works::Works;

fn counts(limit: &Limit) -> (usize, usize) {
    (limit.active(), limit.waiting())
}

/// Between 30 and 200, and not in order.
fn odd_times(jobs: u32) -> impl Iterator<Item = u32> {
    (0..jobs).map(|n| 30 + n * 37 % 171)
}

executors::on_every_executor! {
    async fn with_one_permit_each_runs_after_the_other(executor: Executor) {
        let works = Works::default();
        let limit = works.limit(1);
        let jobs = [(10, 300), (20, 200), (30, 100)]
            .map(|(n, millis)| works.work(n, millis).limit(&limit));
        let all = executor.spawn(works.clock.watch(try_join_all(jobs))).await;
        assert_eq!(all.unwrap(), [10, 20, 30]);
        assert_eq!(works.begun(), [(10, 0), (20, 300), (30, 500)]);
        assert_eq!(works.millis(), 600);
    }

    async fn at_each_start_no_more_run_than_may(executor: Executor) {
        let works = Works::default();
        let limit = works.limit(5);
        let jobs = odd_times(100).enumerate().map(|(n, millis)| works.work(n, millis).limit(&limit));
        let all = executor.spawn(works.clock.watch(try_join_all(jobs.collect::<Vec<_>>()))).await;
        assert!(all.unwrap().into_iter().eq(0..100), "and they come out as they went in");
        assert_eq!(works.most(), 5);
        // Nor fewer than may: each begins as soon as the first of the five that run has ended.
        let mut free = [0; 5];
        let expected = odd_times(100).map(|millis| {
            let first = free.iter_mut().min().unwrap();
            let start = *first;
            *first += u128::from(millis);
            start
        });
        assert!(works.starts().into_iter().eq(expected));
    }

    async fn what_waits_starts_as_soon_as_more_may_run(executor: Executor) {
        let works = Works::default();
        let limit = works.limit(2);
        let jobs: Vec<_> = (0..10).map(|n| works.work(n, 50).limit(&limit)).collect();
        let changed = {
            let (works, limit) = (works.clone(), limit.clone());
            async move {
                works.sleep(10).await;
                limit.set_capacity(4);
            }
        };
        executor.spawn(works.clock.watch(join(join_all(jobs), changed))).await;
        assert_eq!((works.beside.all()[..4].to_vec(), works.most()), (vec![1, 2, 3, 4], 4));
        assert_eq!(works.starts(), [0, 0, 10, 10, 50, 50, 60, 60, 100, 100]);
    }
}

#[test]
fn with_fewer_permits_none_is_let_in_until_as_many_have_left() {
    let works = Works::default();
    let limit = works.limit(4);
    let jobs = (0..10).map(|n| works.work(n, 50).limit(&limit));
    works.run(join(join_all(jobs), async {
        yield_now().await;
        assert_eq!(counts(&limit), (4, 6));
        limit.set_capacity(2);
        assert_eq!((counts(&limit), limit.capacity()), ((4, 6), 2), "nobody is thrown out");
    }));
    let beside = works.beside.all();
    assert_eq!((&beside[..4], beside[4..].iter().max()), (&[1, 2, 3, 4][..], Some(&2)));
    assert_eq!(works.starts(), [0, 0, 0, 0, 50, 50, 100, 100, 150, 150]);
}

#[test]
fn what_is_ready_at_once_passes_as_well() {
    let limit = Limit::new(1);
    assert_eq!(ByHand::new(std::future::ready(7).limit(&limit)).ready().unwrap(), 7);
    let plain = (|| std::future::ready("no async at all")).limit(&limit);
    assert_eq!(ByHand::new(plain).ready().unwrap(), "no async at all");
    assert_eq!(counts(&limit), (0, 0));
}

#[test]
fn a_panic_in_one_does_not_stop_the_others() {
    let works = Works::default();
    let limit = works.limit(1);
    let mut broken = ByHand::new(async { panic!("broken") }.limit(&limit));
    let held = works.comes(0, &limit);
    assert!(broken.poll().is_pending());
    let mut next = ByHand::polled(works.work(1, 0).limit(&limit));
    drop(held);
    panic_of(|| broken.poll());
    drop(broken);
    assert_eq!(next.wakes(), 1);
    assert_eq!(next.ready().unwrap(), 1);
}

#[test]
fn an_error_comes_out_as_it_is_and_the_others_go_on() {
    let works = Works::default();
    let limit = works.limit(1);
    let job = |n, millis, outcome: Result<(), &'static str>| {
        let work = works.work(n, millis);
        async move {
            work.await;
            outcome
        }
        .limit(&limit)
    };
    let jobs = [job(0, 30, Ok(())), job(1, 80, Err("down")), job(2, 50, Ok(()))];
    let all = works.run(join_all(jobs));
    assert_eq!(all.map_all(), [Ok(()), Err("down"), Ok(())]);
    assert_eq!(works.ended(), [(0, 30), (1, 110), (2, 160)]);

    // Who wants the first error alone gives up the rest, which are dropped.
    let jobs = [job(3, 30, Ok(())), job(4, 80, Err("down")), job(5, 50, Ok(()))];
    let first = works.run(try_join_all(jobs.map(|job| async { job.await.unwrap() })));
    assert_eq!(first, Err("down"));
    assert_eq!((works.millis(), counts(&limit)), (160 + 110, (0, 0)));
}

trait MapAll<T> {
    fn map_all(self) -> Vec<T>;
}

impl<T> MapAll<T> for Vec<Result<T, tenure::Aborted>> {
    fn map_all(self) -> Vec<T> {
        self.into_iter().map(Result::unwrap).collect()
    }
}

/// Unlike there, a job that nobody awaits yet doesn't count either.
#[test]
fn nothing_runs_before_it_is_polled() {
    let (limit, log) = (Limit::new(3), Log::default());
    let job = |name| {
        let log = log.clone();
        async move { log.note(name) }.limit(&limit)
    };
    let jobs = [job("first"), job("second")];
    assert_eq!((counts(&limit), log.all().len()), ((0, 0), 0));
    log.note("whoever made them goes on first");
    smol::block_on(join_all(jobs));
    assert_eq!(log.all(), ["whoever made them goes on first", "first", "second"]);
}

#[test]
fn who_runs_and_who_waits_is_counted_at_each_moment() {
    let works = Works::default();
    let limit = works.limit(5);
    assert_eq!(counts(&limit), (0, 0));
    let job = |n| works.work(n, 1000).limit(&limit);
    let one = job(0);
    works
        .run(join(one, async {
            yield_now().await;
            assert_eq!(counts(&limit), (1, 0));
        }))
        .0
        .unwrap();
    assert_eq!(counts(&limit), (0, 0));

    works.run(join(join_all((1..9).map(job)), async {
        works.sleep(1).await;
        assert_eq!(counts(&limit), (5, 3));
        works.sleep(1000).await;
        assert_eq!(counts(&limit), (3, 0));
    }));
    assert_eq!((counts(&limit), works.millis()), ((0, 0), 3000));
}

/// There, what waited is pending for ever unless that is turned on: here nobody is left without an answer.
#[test]
fn to_clear_ends_all_who_wait_and_none_who_runs() {
    let works = Works::default();
    let limit = works.limit(1);
    let jobs = (0..4).map(|n| works.work(n, 100).limit(&limit));
    let (all, cleared) = works.run(join(join_all(jobs), async {
        works.sleep(10).await;
        assert_eq!(counts(&limit), (1, 3));
        let cleared = limit.clear("no longer wanted");
        assert_eq!(counts(&limit), (1, 0), "at once");
        cleared
    }));
    assert_eq!(cleared, 3);
    assert_eq!(all[0], Ok(0));
    for cleared in &all[1..] {
        let reason = AbortReason::Requested("no longer wanted".into());
        assert_eq!(cleared.as_ref().unwrap_err().reason(), &reason);
    }
    assert_eq!((works.begun(), works.millis()), (vec![(0, 0)], 100));
    assert_eq!(works.run(works.work(9, 0).limit(&limit)), Ok(9), "it can be used as before");
}

#[test]
fn whatever_can_be_iterated_can_be_mapped_in_order() {
    let limit = Limit::new(2);
    let map = |items: &mut dyn Iterator<Item = u32>| {
        let jobs = items.enumerate().map(|(place, n)| {
            async move {
                yield_now().await;
                (place, n * 2)
            }
            .limit(&limit)
        });
        smol::block_on(try_join_all(jobs.collect::<Vec<_>>())).unwrap()
    };
    let doubled = [(0, 2), (1, 4), (2, 6), (3, 8)];
    assert_eq!(map(&mut [1, 2, 3, 4].into_iter()), doubled, "an array");
    assert_eq!(map(&mut BTreeSet::from([4, 3, 2, 1]).into_iter()), doubled, "a set");
    let mut left = 0;
    let mut once = std::iter::from_fn(|| {
        left += 1;
        (left < 5).then_some(left)
    });
    assert_eq!(map(&mut once), doubled, "what can be read once");
}

#[test]
fn results_come_in_the_order_of_the_items_whoever_ends_first() {
    let works = Works::default();
    let limit = works.limit(3);
    let jobs = (0..5).map(|n| {
        let work = works.work(n, 5 * (5 - n as u32));
        async move { 10 + work.await }.limit(&limit)
    });
    assert_eq!(works.run(try_join_all(jobs)).unwrap(), [10, 11, 12, 13, 14]);
    // 0, 1 and 2 take 25, 20 and 15; 3 takes 10 from 15 on, 4 takes 5 from 20 on.
    assert_eq!(works.ended().iter().map(|(_, at)| *at).collect::<Vec<_>>(), [15, 20, 25, 25, 25]);
    assert_eq!(works.order(), [0, 1, 2, 3, 4]);
}

#[test]
fn a_clone_is_the_same_limit() {
    let works = Works::default();
    let limit = works.limit(1);
    let map = limit.clone();
    let direct = works.work(2, 10).limit(limit);
    let mapped = try_join_all([4, 6].map(|n| works.work(n, 10).limit(&map)));
    let (direct, mapped) = works.run(try_join(direct, mapped)).unwrap();
    assert_eq!((direct, mapped), (2, vec![4, 6]));
    assert_eq!((works.most(), works.millis()), (1, 30));
}

#[test]
fn both_ways_to_make_a_limit_make_the_same() {
    for limit in [Limit::new(1), Limit::builder().concurrency(1).build()] {
        let works = Works::default();
        let jobs = [1, 2].map(|n| works.work(n, 50).limit(&limit).with_timer(&works.clock));
        assert_eq!(works.run(try_join_all(jobs)).unwrap(), [1, 2]);
        assert_eq!((limit.capacity(), works.millis()), (1, 100));
    }
}

/// Less than that can't be said, nor a fraction.
#[test]
fn a_limit_of_nothing_refuses_at_once() {
    let limit = Limit::new(0);
    let refused = ByHand::new(async {}.limit(&limit)).ready().unwrap_err();
    let why = Refusal::TooHeavy { weight: 1, capacity: 0 };
    assert_eq!(refused.reason(), &AbortReason::Rejected { why });

    // Also those who wait already.
    let limit = Limit::new(1);
    let held = ByHand::polled(pending::<()>().limit(&limit));
    let mut waits = ByHand::polled(async {}.limit(&limit));
    limit.set_capacity(0);
    assert_eq!(waits.wakes(), 1);
    assert!(waits.ready().is_err());
    drop(held);
    assert!(ByHand::new(async {}.limit(&limit)).ready().is_err());
}

#[test]
fn any_number_may_run_where_none_is_said() {
    let works = Works::default();
    let limit = works.builder().build();
    works.run(join_all((0..1000).map(|n| works.work(n, 50).limit(&limit))));
    assert_eq!((works.most(), works.millis()), (1000, 50));
}

#[test]
fn a_function_can_have_a_limit_of_its_own() {
    type Job = Pin<Box<dyn Future<Output = usize> + Send>>;
    fn limited<F: Fn(usize) -> Job>(
        limit: Limit,
        f: F,
    ) -> impl Fn(usize) -> Owned<tenure::limit::Limited<tenure::operation::Once<Job>>> {
        move |n| f(n).limit(&limit)
    }
    let works = Works::default();
    let own = works.clone();
    let f = limited(works.limit(5), move |n| Box::pin(own.work(n, 30 + n as u32 * 37 % 171)));
    assert!(works.run(try_join_all((0..100).map(f))).unwrap().into_iter().eq(0..100));
    assert_eq!(works.most(), 5);
}

/// There it is a deadlock.
#[test]
fn who_is_inside_and_asks_again_is_told() {
    let works = Works::default();
    let limit = works.limit(1);
    let again = async {}.limit(&limit);
    let refused = works.run(again.limit(&limit).with_timeout(SECOND)).unwrap_err();
    assert_eq!(refused.reason(), &AbortReason::Rejected { why: Refusal::Reentry });
    let own = limit.clone();
    let nested = async move { async {}.limit(&own).await };
    let refused = works.run(nested.limit(&limit).with_timeout(SECOND)).unwrap().unwrap_err();
    assert_eq!(refused.reason(), &AbortReason::Rejected { why: Refusal::Reentry });
    assert_eq!((works.millis(), counts(&limit)), (0, (0, 0)));
}
