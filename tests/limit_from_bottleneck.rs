//! What the users of Bottleneck rely on, on a clock that jumps, as far as it is about one process.

mod executors;
mod support;
mod works;

use std::time::Duration;

use futures::future::{join, join_all};
use support::{Count, SECOND};
use tenure::{
    AbortReason, Backoff, KeyedLimit, Limit, OwnedFuture,
    limit::{Overflow, Rate, Refusal},
};
use works::{Works, millis};

fn refusal<T: std::fmt::Debug>(result: &Result<T, tenure::Aborted>) -> Refusal {
    match result.as_ref().unwrap_err().reason() {
        AbortReason::Rejected { why } => why.clone(),
        other => panic!("{other:?}"),
    }
}

executors::on_every_executor! {
    async fn a_spacing_and_a_number_of_permits_hold_together_with_priorities(executor: Executor) {
        let works = Works::default();
        let limit = works.builder().concurrency(1).rate(Rate::spacing(millis(100))).build();
        let priorities = [0, 0, 0, 0, 4].into_iter().enumerate();
        let jobs = priorities.map(|(n, priority)| {
            works.work(n + 1, 50).limit(limit.claim().priority(priority))
        });
        let jobs: Vec<_> = jobs.collect();
        executor.spawn(works.clock.watch(join_all(jobs))).await;
        assert_eq!(works.begun(), [(1, 0), (5, 100), (2, 200), (3, 300), (4, 400)]);
        assert_eq!(works.millis(), 450);
    }

    async fn one_limit_within_another_is_asked_last(executor: Executor) {
        // How many both together may run, and when each job ends.
        for (shared, ends) in [(3, [100, 100, 100, 200, 200, 300]), (2, [100, 100, 200, 200, 300, 300])] {
            let works = Works::default();
            let (shared, narrow, wide) = (works.limit(shared), works.limit(1), works.limit(2));
            let jobs: Vec<_> = (1..7)
                .map(|n| {
                    let own = if n < 4 { &narrow } else { &wide };
                    works.work(n, 100).limit(&shared).limit(own)
                })
                .collect();
            executor.spawn(works.clock.watch(join_all(jobs))).await;
            let ended: Vec<_> = works.ended().into_iter().map(|(_, at)| at).collect();
            assert_eq!(ended, ends);
            let mut first: Vec<_> = works.order()[..2].to_vec();
            first.sort();
            assert_eq!((first, *works.order().last().unwrap()), (vec![1, 4], 3));
        }
    }
}

#[test]
fn what_runs_is_counted_by_weight() {
    let works = Works::default();
    let limit = works.limit(5);
    let jobs = [(1, 100), (3, 200), (1, 100)].into_iter().enumerate();
    let jobs =
        jobs.map(|(n, (weight, millis))| works.work(n, millis).limit(limit.claim().weight(weight)));
    works.run(join(join_all(jobs), async {
        let mut seen = Vec::new();
        for pause in [50, 75, 100] {
            works.sleep(pause).await;
            seen.push(limit.active());
        }
        assert_eq!(seen, [5, 3, 0]);
    }));
}

#[test]
fn a_heavy_one_waits_its_turn_and_so_do_those_behind_it() {
    let works = Works::default();
    let limit = works.limit(2);
    let too_heavy = works.run(async {}.limit(limit.claim().weight(3)));
    assert_eq!(refusal(&too_heavy), Refusal::TooHeavy { weight: 3, capacity: 2 });
    let jobs = [(1, 100), (2, 200), (1, 100), (1, 100), (0, 100)].into_iter().enumerate();
    let jobs =
        jobs.map(|(n, (weight, millis))| works.work(n, millis).limit(limit.claim().weight(weight)));
    works.run(join_all(jobs));
    assert_eq!(works.starts(), [0, 100, 300, 300, 300]);
    assert_eq!((works.order(), works.millis()), (vec![0, 1, 2, 3, 4], 400));
}

#[test]
fn what_is_over_the_mark_goes_as_the_strategy_says() {
    // How many may wait, what becomes of one too many, who comes with which priority, and who runs.
    let cases: [(usize, Overflow, &[i32], &[usize]); 6] = [
        (0, Overflow::Reject, &[0, 0, 0, 0], &[1]),
        (0, Overflow::DropOldest, &[0, 0, 0, 0], &[1]),
        (1, Overflow::DropOldest, &[0, 0, 0, 0], &[1, 4]),
        (3, Overflow::DropOldest, &[0, 0, 0, 0, 1, 1], &[1, 5, 6, 4]),
        (2, Overflow::Reject, &[0, 0, 0, 0, 1, 1], &[1, 2, 3]),
        (2, Overflow::DropLowest, &[0, 0, 0, 0, 1, 1], &[1, 5, 6]),
    ];
    for (most, overflow, priorities, expected) in cases {
        let works = Works::default();
        let limit = works.builder().concurrency(1).max_waiting(most, overflow).build();
        let jobs = priorities
            .iter()
            .enumerate()
            .map(|(n, priority)| works.work(n + 1, 50).limit(limit.claim().priority(*priority)));
        let all = works.run(join_all(jobs));
        assert_eq!(works.order(), expected, "{most}, {overflow:?}");
        let dropped = all.iter().filter(|job| job.is_err());
        assert!(dropped.clone().all(|dropped| refusal(dropped).may_pass()));
        assert_eq!(dropped.count(), priorities.len() - expected.len(), "each one is told");
    }
}

#[test]
fn who_comes_first_is_in_whatever_its_priority() {
    let works = Works::default();
    let limit = works.limit(1);
    let jobs = [-6, -5, -4, -3].into_iter().enumerate();
    let jobs = jobs.map(|(n, priority)| works.work(n, 50).limit(limit.claim().priority(priority)));
    works.run(join_all(jobs));
    assert_eq!(works.order(), [0, 3, 2, 1]);
}

#[test]
fn a_reservoir_lets_in_as_much_as_is_in_it() {
    let works = Works::default();
    let limit = works.builder().rate(Rate::fixed_window(3, Duration::MAX).of("weight")).build();
    let cost = |cost| limit.claim().cost("weight", cost);
    let (first, second, third) =
        (works.comes(1, cost(1)), works.comes(2, cost(2)), works.comes(3, cost(1)));
    assert_eq!((limit.left("weight"), limit.waiting()), (Some(0), 1));
    // What costs nothing doesn't pass who waits, but isn't held up by what is left.
    drop((first, second, third));
    let free = works.comes(4, cost(0));
    assert_eq!((limit.active(), limit.left("weight")), (1, Some(0)));
    drop(free);
}

#[test]
fn a_reservoir_is_filled_again_in_time() {
    let refreshed =
        |builder: tenure::limit::Builder| builder.rate(Rate::fixed_window(2, millis(150)));
    assert_eq!(works::starts(refreshed, [(0, 0); 4]), [0, 0, 150, 150]);
    let increased =
        |builder: tenure::limit::Builder| builder.rate(Rate::token_bucket(2, millis(150)).burst(3));
    assert_eq!(works::starts(increased, [(0, 0); 5]), [0, 0, 0, 75, 150]);
}

#[test]
fn one_that_expires_makes_way() {
    let works = Works::default();
    let limit = works.limit(1);
    let expires = works.work(0, 75).with_timeout(millis(50)).limit(&limit);
    let next = works.work(1, 100).limit(&limit);
    let (expired, _) = works.run(join(expires.with_timer(&works.clock), next));
    assert_eq!(expired.unwrap_err().reason(), &AbortReason::TimedOut { after: millis(50) });
    assert_eq!((works.starts(), works.ended()), (vec![0, 50], vec![(1, 150)]));
}

#[test]
fn what_is_tried_again_keeps_its_permit() {
    let works = Works::default();
    let limit = works.builder().concurrency(1).rate(Rate::spacing(10 * SECOND)).build();
    let calls = Count::default();
    let flaky = || async { if calls.add() < 2 { Err("boom") } else { Ok("done") } };
    let told = Count::default();
    let flaky = flaky
        .retry(Backoff::fixed(millis(50)).attempts(5))
        .on_retry(|_| {
            told.add();
        })
        .limit(&limit)
        .with_timer(&works.clock);
    let (done, ()) = works.run(join(flaky, async {
        works.sleep(75).await;
        assert_eq!(limit.active(), 1);
    }));
    // Another attempt is no other start.
    assert_eq!((done, calls.get(), told.get(), works.millis()), (Ok(Ok("done")), 3, 2, 100));

    // Or not at all, where it is said so.
    let calls = Count::default();
    let boom = || async { Err::<(), _>(calls.add()) };
    let boom = boom.retry(Backoff::fixed(millis(50))).when(|_| false).limit(Limit::new(1));
    assert_eq!(works.run(boom), Ok(Err(0)));
}

#[test]
fn to_stop_lets_those_who_run_end_and_nobody_else() {
    for drops_those_who_wait in [true, false] {
        let works = Works::default();
        let limit = works.limit(1);
        let jobs = (0..4).map(|n| works.work(n, 100).limit(&limit));
        let (all, ()) = works.run(join(join_all(jobs), async {
            works.sleep(125).await;
            limit.close();
            if drops_those_who_wait {
                assert_eq!(limit.clear("dropped"), 2);
            }
            let late = async {}.limit(&limit).await;
            assert_eq!(refusal(&late), Refusal::Closed);
            limit.wait_idle().await;
            assert_eq!(works.millis(), if drops_those_who_wait { 200 } else { 400 });
        }));
        assert_eq!(
            all.iter().filter(|job| job.is_err()).count(),
            2 * usize::from(drops_those_who_wait)
        );
        assert!(all.iter().flat_map(|job| job.as_ref().err()).all(|e| e.to_string() == "dropped"));
    }
}

#[test]
fn the_limits_of_a_group_have_nothing_to_do_with_each_other() {
    let works = Works::default();
    let group: KeyedLimit<&str> = works.builder().build_keyed(1);
    let jobs = [("a", 1), ("a", 2), ("a", 3), ("b", 4), ("c", 5)];
    let jobs = jobs.map(|(key, n)| works.work(n, 50).limit(group.key(key)));
    assert_eq!(group.keys(), 3);
    works.run(join_all(jobs));
    assert_eq!(works.starts(), [0, 50, 100, 0, 0]);
    assert_eq!(group.keys(), 0, "each is gone with the last who had to do with it");
}
