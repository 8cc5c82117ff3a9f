//! How full a limit is, as a state that can be waited for.

mod executors;
mod support;
mod works;

use std::{future::Future, pin::Pin};

use futures::{
    FutureExt,
    future::{FusedFuture, join, join_all},
};
use futures_lite::future::yield_now;
use support::{ByHand, Log};
use tenure::{Limit, OwnedFuture, limit::Rate};
use works::{Works, millis};

fn counts(limit: &Limit) -> (usize, usize) {
    (limit.active(), limit.waiting())
}

executors::on_every_executor! {
    async fn each_level_is_reached_when_it_is(executor: Executor) {
        let works = Works::default();
        let limit = works.limit(1);
        let jobs: Vec<_> = (0..5).map(|n| works.work(n, 100).limit(&limit)).collect();
        let waits = {
            let (works, limit) = (works.clone(), limit.clone());
            async move {
                yield_now().await;
                let mut seen = Vec::new();
                for most in [4, 2, 10, 1] {
                    limit.wait_room(most).await;
                    seen.push((works.millis(), counts(&limit)));
                }
                limit.wait_empty().await;
                seen.push((works.millis(), counts(&limit)));
                limit.wait_idle().await;
                seen.push((works.millis(), counts(&limit)));
                seen
            }
        };
        let (_, seen) = executor.spawn(works.clock.watch(join(join_all(jobs), waits))).await;
        let expected = [
            (100, (1, 3)),
            (300, (1, 1)),
            (300, (1, 1)),
            (400, (1, 0)),
            (400, (1, 0)),
            (500, (0, 0)),
        ];
        assert_eq!(seen, expected);
    }

    async fn one_task_waits_for_what_others_do(executor: Executor) {
        let limit = Limit::new(3);
        let tasks: Vec<_> = (0..200)
            .map(|_| executor.spawn(async { yield_now().await }.limit(&limit)))
            .collect();
        let own = limit.clone();
        executor.spawn(async move {
            for _ in 0..20 {
                own.wait_room(10).await;
                own.wait_empty().await;
                own.wait_idle().await;
            }
        }).await;
        join_all(tasks).await;
        limit.wait_idle().await;
        assert_eq!(counts(&limit), (0, 0));
    }

    async fn work_is_made_no_faster_than_it_is_done(executor: Executor) {
        let works = Works::default();
        let limit = works.limit(2);
        let most = Log::default();
        let producer = {
            let (works, limit, most) = (works.clone(), limit.clone(), most.clone());
            async move {
                let mut all = futures::stream::FuturesUnordered::new();
                for n in 0..50 {
                    let room = limit.wait_room(3);
                    let mut room = std::pin::pin!(room);
                    // What is made runs on while it waits for room.
                    std::future::poll_fn(|cx| {
                        while let std::task::Poll::Ready(Some(_)) =
                            futures::Stream::poll_next(Pin::new(&mut all), cx)
                        {}
                        room.as_mut().poll(cx)
                    })
                    .await;
                    all.push(works.work(n, 10).limit(&limit));
                    most.note(limit.waiting());
                }
                use futures::StreamExt;
                while all.next().await.is_some() {}
            }
        };
        executor.spawn(works.clock.watch(producer)).await;
        assert_eq!(most.all().into_iter().max(), Some(2));
        assert_eq!((works.begun().len(), works.most(), works.millis()), (50, 2, 250));
    }
}

#[test]
fn a_level_that_is_reached_already_is_ready_at_once() {
    let limit = Limit::new(1);
    for _ in 0..2 {
        assert_eq!(limit.wait_empty().now_or_never(), Some(()));
        assert_eq!(limit.wait_idle().now_or_never(), Some(()));
        assert_eq!(limit.wait_room(1).now_or_never(), Some(()));
    }
    // Those who run wait for nothing.
    let held = limit.try_acquire();
    assert_eq!(limit.wait_empty().now_or_never(), Some(()));
    assert_eq!(limit.wait_room(1).now_or_never(), Some(()));
    assert_eq!(limit.wait_idle().now_or_never(), None);
    drop(held);
    assert_eq!(limit.wait_room(0).now_or_never(), None, "fewer than none never wait");
}

#[test]
fn a_level_is_reached_by_whatever_makes_it_so() {
    // How it begins, what happens, and how many then run and wait.
    type Change = fn(&Limit);
    let more: Change = |limit| {
        limit.set_capacity(4);
        limit.resume();
    };
    let cleared: Change = |limit| assert_eq!(limit.clear("cleared"), 5);
    let cases: [(&str, usize, Change, (usize, usize)); 4] = [
        ("resumed", 3, Limit::resume, (3, 2)),
        ("more permits", 1, more, (4, 1)),
        ("cleared", 1, cleared, (0, 0)),
        ("no permits", 1, |limit| limit.set_capacity(0), (0, 0)),
    ];
    for (name, permits, change, then) in cases {
        let works = Works::default();
        let limit = works.builder().concurrency(permits).paused().build();
        let mut row: Vec<_> = (0..5).map(|n| works.comes(n, &limit)).collect();
        let mut waits = ByHand::polled(limit.wait_room(3));
        assert_eq!(waits.wakes(), 0);
        change(&limit);
        row.iter_mut().filter(|one| one.wakes() > 0).for_each(|one| drop(one.poll()));
        assert_eq!(counts(&limit), then, "{name}");
        assert!(waits.wakes() > 0, "{name}");
        waits.ready();
        assert_eq!(waits.wakers(), 0, "{name}");
    }
}

#[test]
fn a_rate_that_lets_somebody_in_makes_room() {
    let works = Works::default();
    let limit = works.builder().rate(Rate::fixed_window(2, millis(100))).build();
    let jobs = (0..5).map(|n| works.work(n, 1000).limit(&limit));
    works.run(join(join_all(jobs), async {
        yield_now().await;
        assert_eq!(counts(&limit), (2, 3));
        limit.wait_room(3).await;
        assert_eq!((works.millis(), counts(&limit)), (100, (4, 1)));
        limit.wait_empty().await;
        assert_eq!((works.millis(), counts(&limit)), (200, (5, 0)));
    }));
}

#[test]
fn all_who_wait_for_levels_are_told_by_one_change() {
    let works = Works::default();
    let limit = works.builder().concurrency(4).paused().build();
    let mut row: Vec<_> = (0..6).map(|n| works.comes(n, &limit)).collect();
    let mut rooms = [5, 4, 3, 2].map(|most| ByHand::polled(limit.wait_room(most)));
    limit.resume();
    row.iter_mut().filter(|one| one.wakes() > 0).for_each(|one| drop(one.poll()));
    assert_eq!(counts(&limit), (4, 2));
    let reached = rooms.each_mut().map(|room| room.poll().is_ready());
    assert_eq!(reached, [true, true, true, false]);
}

#[test]
fn who_was_cleared_or_displaced_waits_no_more() {
    let works = Works::default();
    let limit = works.limit(1);
    let inside = works.comes(0, &limit);
    let row = [1, 2].map(|n| works.comes(n, &limit));
    let (mut empty, mut idle) =
        (ByHand::polled(limit.wait_empty()), ByHand::polled(limit.wait_idle()));
    limit.clear("cleared");
    empty.ready();
    assert!(idle.poll().is_pending(), "one runs still");
    drop(inside);
    idle.ready();
    drop(row);
}

#[test]
fn a_level_that_has_passed_again_is_waited_for_on() {
    let works = Works::default();
    let limit = works.limit(1);
    let first = works.comes(0, &limit);
    let mut idle = ByHand::polled(limit.wait_idle());
    drop(first);
    assert_eq!(idle.wakes(), 1);
    let second = works.comes(1, &limit);
    assert!(idle.poll().is_pending(), "it is not so any more");
    drop(second);
    assert_eq!(idle.wakes(), 2);
    idle.ready();
}

/// Each one that began to wait, or ceased to, once woke all the others.
#[test]
fn who_begins_or_ceases_to_wait_for_a_level_wakes_nobody() {
    let works = Works::default();
    let limit = works.limit(1);
    let inside = works.comes(0, &limit);
    let mut first = ByHand::polled(limit.wait_idle());
    let others = [(); 3].map(|()| ByHand::polled(limit.wait_idle()));
    limit.wait_empty().now_or_never().unwrap();
    drop(others);
    assert_eq!(first.wakes(), 0);
    drop(inside);
    assert_eq!(first.wakes(), 1);
    first.ready();
}

/// In one task, the one woke the other without end.
#[test]
fn to_poll_one_that_waits_wakes_nobody_who_waits_for_a_level() {
    let works = Works::default();
    let limit = works.limit(1);
    let inside = works.comes(0, &limit);
    let mut waits = works.comes(1, &limit);
    let idle = ByHand::polled(limit.wait_idle());
    assert!(waits.poll().is_pending());
    assert!(waits.poll_elsewhere().is_pending());
    assert_eq!(idle.wakes(), 0);
    drop(inside);
}

#[test]
fn who_stops_to_wait_for_a_level_leaves_nothing_behind() {
    let works = Works::default();
    let limit = works.limit(1);
    let inside = works.comes(0, &limit);
    let waits = [(); 3].map(|()| ByHand::polled(limit.wait_idle()));
    let tasks = waits.each_ref().map(ByHand::task);
    assert!(waits.iter().all(|waits| waits.wakers() > 0));
    drop(waits);
    assert!(tasks.iter().all(|task| task.wakers() == 0));
    // Nor does one that was never polled, or was ready.
    drop(limit.wait_idle());
    let mut moved = ByHand::polled(limit.wait_idle());
    assert!(moved.poll_elsewhere().is_pending());
    drop(inside);
    assert_eq!(moved.wakes(), 1, "it is woken where it was polled last");
    moved.ready();
    assert_eq!(moved.wakers(), 0);
}

#[test]
fn a_level_is_over_when_it_was_ready() {
    let limit = Limit::new(1);
    let mut idle = limit.wait_idle();
    assert!(!idle.is_terminated());
    assert_eq!((&mut idle).now_or_never(), Some(()));
    assert!(idle.is_terminated());
}

#[test]
fn the_limit_may_be_gone_while_somebody_waits_for_its_level() {
    let works = Works::default();
    let limit = works.limit(1);
    let inside = works.comes(0, &limit);
    let mut idle = ByHand::polled(limit.wait_idle());
    drop(limit);
    drop(inside);
    assert_eq!(idle.wakes(), 1);
    idle.ready();
}

#[test]
fn it_is_saturated_while_all_permits_are_held() {
    let works = Works::default();
    let limit = works.limit(2);
    let mut seen = vec![limit.is_saturated()];
    let mut row = Vec::new();
    for n in 0..3 {
        row.push(works.comes(n, &limit));
        seen.push(limit.is_saturated());
    }
    limit.set_capacity(1);
    seen.push(limit.is_saturated());
    drop(row);
    seen.push(limit.is_saturated());
    assert_eq!(seen, [false, false, true, true, true, false]);
    // One that is paused has its permits, and keeps them.
    limit.pause();
    assert!(!limit.is_saturated());
    assert!(!works.builder().rate(Rate::per_minute(0)).build().is_saturated());
}

#[test]
fn it_is_throttled_while_a_rate_or_a_cool_down_lets_nobody_in() {
    let works = Works::default();
    let limit = works.builder().concurrency(1).rate(Rate::spacing(millis(100))).build();
    assert!(!limit.is_throttled());
    let inside = works.comes(0, &limit);
    assert!(limit.is_throttled() && limit.is_saturated());
    works.advance(100);
    assert!(!limit.is_throttled() && limit.is_saturated());
    drop(inside);
    assert!(limit.cool_down(millis(50)));
    assert!(limit.is_throttled() && !limit.is_saturated());
    works.advance(49);
    assert!(limit.is_throttled());
    works.advance(1);
    assert!(!limit.is_throttled());
    assert!(works.builder().rate(Rate::per_minute(0)).build().is_throttled(), "for ever");
    assert!(!works.limit(0).is_throttled(), "it has no rate");
}

#[test]
fn levels_count_permits_in_hand_as_well() {
    let limit = Limit::new(3);
    let permit = ByHand::new(limit.claim().weight(3).acquire()).ready().unwrap();
    let mut idle = ByHand::polled(limit.wait_idle());
    let mut waits = ByHand::polled(async {}.limit(&limit));
    let mut empty = ByHand::polled(limit.wait_empty());
    drop(permit);
    assert!(empty.poll().is_pending(), "it is offered the permit, and waits until it is polled");
    waits.ready().unwrap();
    empty.ready();
    idle.ready();
}
