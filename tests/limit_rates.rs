//! Rates hold for all that a limit lets in, together with its permits, and all or nothing is had.

mod executors;
mod support;
mod works;

use std::{future::pending, time::Duration};

use futures::future::{join, join_all};
use futures_lite::future::yield_now;
use support::{ByHand, Count, MILLISECOND, NANOSECOND, SECOND};
use tenure::{
    AbortReason, Backoff, Limit, OwnedFuture,
    abort::Position,
    limit::{Builder, Claim, Rate, Refusal},
    time::{Instant, TestClock},
};
use works::{Works, millis, starts};

const NOW: (u32, u32) = (0, 0);

fn rated(rate: Rate) -> impl Fn(Builder) -> Builder {
    move |builder| builder.rate(rate.clone())
}

fn rejected(why: Refusal) -> AbortReason {
    AbortReason::Rejected { why }
}

/// When each of them begins, all of whom come at once and cost so many tokens.
fn starts_of<const N: usize>(settings: impl Fn(Builder) -> Builder, costs: [u64; N]) -> [u128; N] {
    let works = Works::default();
    let limit = settings(works.builder()).build();
    let jobs = costs
        .into_iter()
        .enumerate()
        .map(|(n, cost)| works.work(n, 0).limit(limit.claim().cost("tokens", cost)));
    works.run(join_all(jobs)).into_iter().for_each(|done| assert!(done.is_ok()));
    works.starts().try_into().unwrap()
}

#[test]
fn each_kind_of_rate_lets_in_as_it_says() {
    let bucket = Rate::token_bucket(2, millis(100));
    assert_eq!(starts(rated(bucket.clone()), [NOW; 5]), [0, 0, 50, 100, 150]);
    assert_eq!(starts(rated(bucket.clone().burst(3)), [NOW; 5]), [0, 0, 0, 50, 100]);
    assert_eq!(starts(rated(bucket.clone().burst(1)), [NOW; 4]), [0, 50, 100, 150]);
    assert_eq!(starts(rated(bucket), [NOW, NOW, (90, 0), (90, 0)]), [0, 0, 90, 100]);

    let window = Rate::fixed_window(2, millis(100));
    assert_eq!(starts(rated(window), [NOW; 5]), [0, 0, 100, 100, 200]);
    let window = Rate::sliding_window(2, millis(100));
    assert_eq!(starts(rated(window), [NOW, (50, 0), (50, 0), (50, 0)]), [0, 50, 100, 150]);

    let spacing = Rate::spacing(millis(100));
    assert_eq!(starts(rated(spacing.clone()), [NOW; 4]), [0, 100, 200, 300]);
    // It saves nothing up, and doesn't ask how long anything takes.
    let rested = [(0, 250), (250, 0), (250, 0)];
    assert_eq!(starts(rated(spacing), rested), [0, 250, 350]);
}

#[test]
fn what_is_left_at_the_start_is_as_it_is_told() {
    let bucket = Rate::token_bucket(2, millis(100));
    assert_eq!(starts(rated(bucket.starting_with(0)), [NOW; 3]), [50, 100, 150]);
    let window = Rate::fixed_window(3, millis(100));
    assert_eq!(starts(rated(window.starting_with(1)), [NOW; 3]), [0, 100, 100]);
    let spacing = Rate::spacing(millis(100));
    assert_eq!(starts(rated(spacing.starting_with(0)), [NOW; 2]), [100, 200]);
}

#[test]
fn of_several_rates_each_one_holds() {
    let both = |builder: Builder| {
        let often = Rate::fixed_window(2, millis(100));
        builder.rate(often).rate(Rate::fixed_window(5, millis(1000)))
    };
    assert_eq!(starts(both, [NOW; 8]), [0, 0, 100, 100, 200, 1000, 1000, 1100]);
    let spaced = |builder: Builder| {
        let often = Rate::sliding_window(3, millis(1000));
        builder.rate(Rate::spacing(millis(100))).rate(often)
    };
    assert_eq!(starts(spaced, [NOW; 5]), [0, 100, 200, 1000, 1100]);
    // And the permits besides.
    let all = move |builder: Builder| both(builder.concurrency(1));
    assert_eq!(starts(all, [(0, 60); 4]), [0, 60, 120, 180]);
}

#[test]
fn a_cost_is_counted_by_the_rate_of_its_unit() {
    let tokens = |builder: Builder| {
        let tokens = Rate::fixed_window(10, millis(100)).of("tokens");
        builder.rate(tokens).rate(Rate::fixed_window(4, millis(100)))
    };
    assert_eq!(starts_of(tokens, [5, 5, 5, 5, 1]), [0, 0, 100, 100, 200]);
    assert_eq!(starts_of(tokens, [0, 1, 2, 3, 4]), [0, 0, 0, 0, 100], "four calls");
    assert_eq!(starts_of(tokens, [10, 0, 10]), [0, 0, 100], "what costs nothing passes");
    let bucket = |builder: Builder| builder.rate(Rate::token_bucket(10, millis(100)).of("tokens"));
    assert_eq!(starts_of(bucket, [10, 3, 4, 3]), [0, 30, 70, 100]);

    // Who says nothing costs one of each.
    let works = Works::default();
    let limit = tokens(works.builder()).build();
    drop(limit.try_acquire());
    assert_eq!((limit.left("tokens"), limit.left("calls")), (Some(9), Some(3)));
    assert_eq!(limit.left("bytes"), None);
    let mut dear = ByHand::new(limit.claim().cost("calls", 3).cost("tokens", 0).acquire());
    drop(dear.ready());
    assert_eq!((limit.left("tokens"), limit.left("calls")), (Some(9), Some(0)));
}

#[test]
fn who_costs_much_is_not_overtaken_by_those_who_cost_little() {
    let bucket = |builder: Builder| builder.rate(Rate::token_bucket(10, millis(100)).of("tokens"));
    assert_eq!(starts_of(bucket, [5, 10, 1, 1]), [0, 50, 60, 70]);
    // Though it is woken now and then, to see whether anybody polls it.
    let slow = |builder: Builder| builder.rate(Rate::token_bucket(10, millis(10_000)).of("tokens"));
    assert_eq!(starts_of(slow, [5, 10, 1]), [0, 5_000, 6_000]);
}

#[test]
fn who_costs_much_and_is_not_polled_holds_up_nobody_for_ever() {
    let works = Works::default();
    let hourly = Rate::fixed_window(10, 3_600 * SECOND).of("tokens");
    let limit = works.builder().rate(hourly).build();
    let cost = |cost| limit.claim().cost("tokens", cost);
    let _inside = works.comes(0, cost(5));
    let dead = works.comes(1, cost(10));
    let mut live = works.comes(2, cost(1));
    assert_eq!(limit.waiting(), 2);
    works.advance(1);
    assert_eq!((dead.wakes(), live.wakes()), (1, 0), "it is asked first");
    works.advance(1);
    assert_eq!(live.wakes(), 1);
    assert!(live.poll().is_pending());
    assert_eq!((limit.active(), limit.left("tokens")), (2, Some(4)));
    drop(dead);

    // One that is gone holds up nobody at all.
    let gone = works.comes(3, cost(10));
    let mut next = works.comes(4, cost(4));
    assert_eq!(next.wakes(), 0);
    drop(gone);
    assert_eq!(next.wakes(), 1);
    assert!(next.poll().is_pending());
    assert_eq!(limit.left("tokens"), Some(0));
}

#[test]
fn who_is_not_polled_when_its_rate_lets_it_in_is_passed_over() {
    let works = Works::default();
    let limit = works.builder().rate(Rate::fixed_window(1, SECOND)).build();
    drop(limit.try_acquire());
    let dead = works.comes(0, &limit);
    let mut live = works.comes(1, &limit);
    works.advance(1000);
    assert_eq!((dead.wakes(), live.wakes()), (1, 0));
    works.advance(1);
    assert_eq!(live.wakes(), 1);
    assert!(live.poll().is_pending());
    assert_eq!(works.begun(), [(1, 1001)]);
    drop(dead);
    assert!(limit.is_throttled(), "one has passed, not two");
}

#[test]
fn who_lacks_tokens_holds_no_permit_and_is_charged_nothing() {
    let works = Works::default();
    let limit = works
        .builder()
        .concurrency(2)
        .rate(Rate::fixed_window(100, SECOND).of("tokens"))
        .rate(Rate::fixed_window(10, SECOND))
        .build();
    let cost = |cost| limit.claim().cost("tokens", cost);
    let first = works.comes(0, cost(80));
    let mut lacks = works.comes(1, cost(50));
    assert_eq!((limit.active(), limit.waiting()), (1, 1));
    assert_eq!((limit.left("tokens"), limit.left("calls")), (Some(20), Some(9)));
    // The permit that is free goes to nobody who comes later, either.
    assert!(limit.try_acquire().is_none());
    works.advance(1000);
    assert!(lacks.poll().is_pending());
    assert_eq!((limit.active(), limit.waiting()), (2, 0));
    assert_eq!((limit.left("tokens"), limit.left("calls")), (Some(50), Some(9)));
    drop(first);
}

#[test]
fn who_lacks_a_permit_is_charged_nothing() {
    let works = Works::default();
    let limit = works.builder().concurrency(1).rate(Rate::fixed_window(3, SECOND)).build();
    let first = works.comes(0, &limit);
    let (waits, goes) = (works.comes(1, &limit), works.comes(2, &limit));
    assert_eq!(limit.left("calls"), Some(2));
    drop(goes);
    assert_eq!(limit.left("calls"), Some(2));
    // Offered, and gone before it looks.
    drop(first);
    assert_eq!(waits.wakes(), 1);
    drop(waits);
    assert_eq!((limit.left("calls"), limit.active()), (Some(2), 0));
}

#[test]
fn what_is_on_offer_is_not_offered_twice() {
    let works = Works::default();
    let limit = works.builder().rate(Rate::fixed_window(3, SECOND).of("tokens")).build();
    let cost = |cost| limit.claim().cost("tokens", cost);
    drop(works.comes(0, cost(3)));
    works.clock.advance(SECOND - MILLISECOND / 2);
    let mut row = [2, 1, 1].map(|tokens| works.comes(1, cost(tokens)));
    works.clock.advance(MILLISECOND / 2);
    assert_eq!(row.each_ref().map(ByHand::wakes), [1, 1, 0], "three tokens");
    // A newcomer gets nothing of what is on offer.
    assert!(limit.try_acquire().is_none());
    row.iter_mut().for_each(|one| assert!(one.poll().is_pending()));
    assert_eq!((limit.active(), limit.waiting(), limit.left("tokens")), (2, 1, Some(0)));

    // Of a spacing there is one at a time.
    let limit = works.builder().rate(Rate::spacing(SECOND)).build();
    drop(limit.try_acquire());
    let mut row = [(); 3].map(|()| works.comes(2, &limit));
    works.advance(1000);
    assert_eq!(row.each_ref().map(ByHand::wakes), [1, 0, 0]);
    assert!(row[0].poll().is_pending());
    works.advance(1000);
    assert_eq!(row.each_ref().map(ByHand::wakes), [1, 1, 0]);
}

#[test]
fn a_permit_that_is_tried_for_is_counted_as_well() {
    let works = Works::default();
    let limit = works.builder().rate(Rate::fixed_window(2, SECOND)).build();
    let both = [limit.try_acquire(), limit.try_acquire()];
    assert!(both.iter().all(Option::is_some));
    drop(both);
    assert!(limit.try_acquire().is_none(), "what was given back has passed all the same");
    works.advance(1000);
    assert!(limit.try_acquire().is_some());
}

#[test]
fn what_turns_out_to_cost_more_delays_those_who_come_next() {
    for settled_by_permit in [false, true] {
        let works = Works::default();
        let limit = works.builder().rate(Rate::fixed_window(10, millis(100)).of("tokens")).build();
        let estimate = || limit.claim().cost("tokens", 4);
        if settled_by_permit {
            let mut permit = works.run(estimate().acquire()).unwrap();
            assert!(permit.settle("tokens", 25));
        } else {
            let settles = async { limit.settle("tokens", 25) }.limit(estimate());
            assert_eq!(works.run(settles), Ok(true));
        }
        assert_eq!((limit.left("tokens"), limit.is_throttled()), (Some(0), true));
        // Ten are paid in each of two windows, and five of the third.
        works.run(works.work(0, 0).limit(limit.claim().cost("tokens", 5))).unwrap();
        works.run(works.work(1, 0).limit(limit.claim().cost("tokens", 1))).unwrap();
        assert_eq!(works.starts(), [200, 300]);
    }
}

#[test]
fn what_turns_out_to_cost_less_lets_in_at_once_who_waits_for_it() {
    for settled_by_permit in [false, true] {
        let works = Works::default();
        let limit = works.builder().rate(Rate::fixed_window(10, SECOND).of("tokens")).build();
        let estimate = || limit.claim().cost("tokens", 10);
        let waits = works.work(0, 0).limit(limit.claim().cost("tokens", 7));
        let settles = async {
            if settled_by_permit {
                let mut permit = estimate().acquire().await.unwrap();
                works.sleep(50).await;
                assert!(permit.settle("tokens", 3));
            } else {
                let settles = async {
                    works.sleep(50).await;
                    assert!(limit.settle("tokens", 3));
                };
                settles.limit(estimate()).await.unwrap();
            }
        };
        works.run(join(settles, waits)).1.unwrap();
        assert_eq!(works.starts(), [50]);
        assert_eq!(limit.left("tokens"), Some(0));
    }
}

#[test]
fn only_what_is_charged_can_be_settled() {
    let works = Works::default();
    let tokens = || Rate::fixed_window(10, SECOND).of("tokens");
    let (limit, other) =
        (works.builder().rate(tokens()).build(), works.builder().rate(tokens()).build());
    let unrated = works.limit(1);
    assert!(!limit.settle("tokens", 5), "from outside");
    let inside = async {
        assert!(!limit.settle("bytes", 5), "what no rate counts");
        assert!(!unrated.settle("tokens", 5));
        assert!(!other.settle("tokens", 5), "of a limit that it isn't in");
        // One limit within the other: each knows its own.
        async {
            assert!(limit.settle("tokens", 3));
            assert!(other.settle("tokens", 8));
        }
        .limit(&other)
        .await
        .unwrap();
    };
    works.run(inside.limit(&limit)).unwrap();
    assert_eq!((limit.left("tokens"), other.left("tokens")), (Some(7), Some(2)));
    assert!(!limit.settle("tokens", 0), "it is over");
    let mut permit = ByHand::new(unrated.acquire()).ready().unwrap();
    assert!(!permit.settle("tokens", 1));
}

#[test]
fn it_is_settled_at_the_end_of_a_window_or_not_at_all() {
    let works = Works::default();
    let limit = works.builder().rate(Rate::fixed_window(10, millis(100)).of("tokens")).build();
    let mut permit = ByHand::new(limit.claim().cost("tokens", 10).acquire()).ready().unwrap();
    works.advance(100);
    let next = ByHand::new(limit.claim().cost("tokens", 10).acquire()).ready();
    assert!(permit.settle("tokens", 0));
    assert_eq!(limit.left("tokens"), Some(0), "its window is over: the next one gains nothing");
    drop(next);
}

#[test]
fn a_cool_down_holds_back_all_but_those_who_are_in() {
    let works = Works::default();
    let limit = works.limit(4);
    let asked = works.work(0, 500).limit(&limit);
    let told = async {
        works.sleep(100).await;
        assert!(limit.cool_down(20 * SECOND));
        assert!(limit.cool_down(SECOND), "which doesn't end the longer one");
        assert!(limit.is_throttled() && limit.try_acquire().is_none());
        join_all((1..4).map(|n| works.work(n, 0).limit(&limit))).await;
        assert!(!limit.is_throttled());
    };
    works.run(join(asked, told)).0.unwrap();
    assert_eq!(works.starts(), [0, 20_100, 20_100, 20_100]);
    assert_eq!(works.ended()[0], (0, 500));
    // Afterwards all is as it was.
    assert!(limit.try_acquire().is_some());
    assert!(limit.cool_down(Duration::ZERO));
    assert!(limit.try_acquire().is_some());
}

#[test]
fn a_cool_down_comes_on_top_of_the_rates_and_can_be_prolonged() {
    let works = Works::default();
    let limit = works.builder().rate(Rate::fixed_window(1, millis(100))).build();
    let jobs = join_all((0..3).map(|n| works.work(n, 0).limit(&limit)));
    works.run(join(jobs, async {
        works.sleep(50).await;
        limit.cool_down(millis(100));
        works.sleep(50).await;
        limit.cool_down(millis(200));
    }));
    assert_eq!(works.starts(), [0, 300, 400]);
    assert_eq!(works.order(), [0, 1, 2]);
}

#[test]
fn a_deadline_that_the_rate_cannot_meet_fails_at_once() {
    let clock = TestClock::new();
    let api =
        Limit::builder().name("api").rate(Rate::fixed_window(1, 60 * SECOND)).timer(&clock).build();
    let cooled = Limit::builder().name("api").timer(&clock).build();
    drop(api.try_acquire());
    cooled.cool_down(60 * SECOND);
    for limit in [&api, &cooled] {
        let begun = Count::default();
        let job = |within| {
            let begun = begun.clone();
            async move { begun.add() }
                .limit(limit)
                .named("call")
                .with_timeout(within)
                .with_timer(&clock)
        };
        let hopeless = ByHand::new(job(60 * SECOND)).ready().unwrap_err();
        let at = Instant::START + 60 * SECOND;
        assert_eq!(hopeless.reason(), &AbortReason::DeadlinePassed { at });
        let cause = hopeless.cause().unwrap();
        assert_eq!(cause.reason(), &rejected(Refusal::Throttled));
        assert_eq!(cause.origin(), Some("api"));
        assert_eq!((begun.get(), limit.waiting(), clock.elapsed()), (0, 0, Duration::ZERO));

        // A nanosecond more, and it waits.
        let just = ByHand::polled(job(60 * SECOND + NANOSECOND));
        assert_eq!(limit.waiting(), 1);
        drop(just);
    }
    let call = async {}.limit(&api).with_timeout(60 * SECOND + NANOSECOND).with_timer(&clock);
    smol::block_on(clock.watch(call)).unwrap();
    assert_eq!(clock.elapsed(), 60 * SECOND);
}

#[test]
fn a_retry_within_the_deadline_does_not_ask_a_throttled_limit_again() {
    let clock = TestClock::new();
    let limit = Limit::builder().rate(Rate::spacing(60 * SECOND)).timer(&clock).build();
    drop(limit.try_acquire());
    let calls = Count::default();
    let job = (|| async { Err::<(), _>(calls.add()) })
        .limit(&limit)
        .retry(Backoff::fixed(SECOND).attempts(5))
        .with_timeout(30 * SECOND)
        .with_timer(&clock);
    let late = smol::block_on(clock.watch(job)).unwrap_err();
    assert_eq!(late.cause().unwrap().reason(), &rejected(Refusal::Throttled));
    assert_eq!((calls.get(), clock.elapsed()), (0, Duration::ZERO));
}

#[test]
fn a_deadline_that_may_be_met_is_waited_for() {
    let works = Works::default();
    let limit = works.builder().concurrency(1).rate(Rate::spacing(MILLISECOND)).build();
    let _inside = works.comes(0, &limit);
    // Nobody knows when a permit comes.
    let waits = works.work(1, 0).limit(&limit).with_timeout(SECOND).with_timer(&works.clock);
    let late = works.run(waits).unwrap_err();
    assert_eq!((late.reason(), works.millis()), (&AbortReason::TimedOut { after: SECOND }, 1000));

    // On another clock a deadline says nothing of this one.
    let (limit, elsewhere) =
        (works.builder().rate(Rate::spacing(60 * SECOND)).build(), TestClock::new());
    drop(limit.try_acquire());
    let waits = ByHand::polled(async {}.limit(&limit).with_timeout(SECOND).with_timer(&elsewhere));
    assert_eq!(limit.waiting(), 1);
    drop(waits);
}

#[test]
fn what_can_never_pass_is_refused_at_once() {
    let works = Works::default();
    let limit = works
        .builder()
        .name("api")
        .rate(Rate::per_minute(100).of("tokens"))
        .rate(Rate::per_minute(5))
        .build();
    let refused = |claim: Claim| {
        let refused = ByHand::new(pending::<()>().limit(claim)).ready().unwrap_err();
        assert_eq!((refused.origin(), refused.position()), (Some("api"), Position::Below));
        refused.reason().clone()
    };
    let unit = Some("tokens".into());
    let costly = Refusal::TooCostly { unit, cost: 101, most: 100 };
    assert_eq!(refused(limit.claim().cost("tokens", 101)), rejected(costly));
    let costly = Refusal::TooCostly { unit: None, cost: 6, most: 5 };
    assert_eq!(refused(limit.claim().cost("calls", 6)), rejected(costly));
    let unknown = Refusal::NoSuchUnit { unit: "bytes".into() };
    assert_eq!(refused(limit.claim().cost("bytes", 0)), rejected(unknown));
    assert_eq!((limit.left("tokens"), limit.left("calls")), (Some(100), Some(5)));

    let shut = works.builder().name("api").rate(Rate::per_minute(0)).build();
    let costly = Refusal::TooCostly { unit: None, cost: 1, most: 0 };
    assert_eq!(refused(shut.claim()), rejected(costly));
}

executors::on_every_executor! {
    async fn tasks_that_share_a_rate_keep_to_it(executor: Executor) {
        let works = Works::default();
        let limit = works.builder().rate(Rate::token_bucket(10, SECOND).burst(5)).build();
        let hold = works.clock.pause();
        let tasks: Vec<_> = (0..25)
            .map(|n| executor.spawn(works.clock.watch(works.work(n, 5).limit(&limit))))
            .collect();
        while limit.waiting() < 20 {
            yield_now().await;
        }
        drop(hold);
        join_all(tasks).await;
        let mut starts = works.starts();
        starts.sort();
        let expected = [0; 5].into_iter().chain((1..=20).map(|n| n * 100));
        assert!(starts.iter().copied().eq(expected), "{starts:?}");
    }

    async fn who_waits_for_a_rate_can_be_dropped_and_aborted(executor: Executor) {
        let works = Works::default();
        let limit = works.builder().rate(Rate::fixed_window(1, SECOND)).build();
        drop(limit.try_acquire());
        let late = works.work(0, 0).limit(&limit).with_timeout(SECOND / 2);
        // On the process's own clock it would not know when the window ends.
        let late = executor.spawn(works.clock.watch(late.with_timer(&works.clock))).await;
        assert!(matches!(late.unwrap_err().reason(), AbortReason::DeadlinePassed { .. }));
        let mut dropped = Box::pin(works.work(1, 0).limit(&limit));
        assert!(futures::poll!(dropped.as_mut()).is_pending());
        drop(dropped);
        let next = executor.spawn(works.clock.watch(works.work(2, 0).limit(&limit))).await;
        assert_eq!((next, works.begun()), (Ok(2), vec![(2, 1000)]));
    }
}
