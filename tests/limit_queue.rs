//! Who waits for a limit, for how long, and in what order.

mod executors;
mod support;
mod works;

use std::{
    future::{pending, poll_fn},
    task::{Poll, Waker},
    time::Duration,
};

use futures::future::{join, join_all};
use futures_lite::future::yield_now;
use support::{ByHand, Count, Log, MILLISECOND, NANOSECOND, SECOND};
use tenure::{
    AbortReason, Aborted, Backoff, Limit, OwnedFuture,
    abort::Position,
    limit::{Order, Overflow, Rate, Refusal},
    time::{Instant, TestClock},
};
use works::{Works, drain, millis};

fn counts(limit: &Limit) -> (usize, usize) {
    (limit.active(), limit.waiting())
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(result: Result<T, Aborted>, why: Refusal) {
    assert_eq!(result.unwrap_err().reason(), &AbortReason::Rejected { why });
}

#[test]
fn a_low_priority_waits_longer_but_not_for_ever() {
    // One of priority 1 comes each second, and each takes one: there is always one that waits.
    let low_begins = |ageing: Option<Duration>| {
        let works = Works::default();
        let builder = works.builder().concurrency(1);
        let limit = ageing.into_iter().fold(builder, tenure::limit::Builder::ageing).build();
        let low = async {
            works.sleep(1).await;
            works.work(1, 1000).limit(&limit).await.unwrap();
        };
        let high = (2..32).map(|n| {
            let (works, limit) = (&works, &limit);
            async move {
                works.sleep(1000 * (n as u32 - 2) + 500).await;
                works.work(n, 1000).limit(limit.claim().priority(1)).await.unwrap();
            }
        });
        works.run(join(works.work(0, 1000).limit(&limit), join(low, join_all(high)))).0.unwrap();
        let order = works.order();
        let high: Vec<_> = order.iter().filter(|n| **n > 1).collect();
        assert!(high.is_sorted(), "first come, first served");
        works.starts()[1]
    };
    assert_eq!(low_begins(None), 11_000, "ten seconds for a level");
    assert_eq!(low_begins(Some(5 * SECOND)), 6_000);
    assert_eq!(low_begins(Some(Duration::ZERO)), 1_000, "priorities mean nothing");
    assert_eq!(low_begins(Some(Duration::MAX)), 31_000, "as long as there is a higher one");
}

#[test]
fn each_order_is_as_it_says() {
    let order = |order: Order, priorities: &[i32]| {
        let works = Works::default();
        let limit = works.builder().concurrency(1).order(order).build();
        let inside = works.comes(0, &limit);
        let row = priorities.iter().enumerate().map(|(n, priority)| {
            works.advance(1);
            works.comes(n + 1, limit.claim().priority(*priority))
        });
        drain(inside, row.collect());
        works.order().split_off(1)
    };
    assert_eq!(order(Order::Fifo, &[0, 0, 0, 0]), [1, 2, 3, 4]);
    assert_eq!(order(Order::Fifo, &[0, 2, -1, 2, 1]), [2, 4, 5, 1, 3]);
    assert_eq!(order(Order::Lifo, &[0, 0, 0, 0]), [4, 3, 2, 1]);
    assert_eq!(order(Order::Lifo, &[0, 2, -1, 2, 1]), [4, 2, 5, 1, 3]);
    assert_eq!(order(Order::Fair, &[0, 2, -1, 2, 1]), [2, 4, 5, 1, 3], "without keys");
    let extremes = [i32::MIN, i32::MAX, 0, i32::MAX, i32::MIN];
    assert_eq!(order(Order::Fifo, &extremes), [2, 4, 3, 1, 5]);
}

#[test]
fn the_first_priority_of_all_does_not_disturb_those_who_came_before() {
    let works = Works::default();
    let limit = works.limit(1);
    let inside = works.comes(0, &limit);
    let mut row: Vec<_> = (1..4).map(|n| works.comes(n, &limit)).collect();
    works.advance(60_000);
    row.push(works.comes(4, limit.claim().priority(1)));
    row.push(works.comes(5, &limit));
    drain(inside, row);
    assert_eq!(works.order(), [0, 4, 1, 2, 3, 5]);
}

/// The first one found the limit without a clock: whoever had come before was then taken to have waited since the clock
/// began, and the second one had to stand behind.
#[test]
fn the_first_priorities_of_all_are_ahead_of_whoever_has_just_come() {
    let works = Works::default();
    let limit = works.limit(1);
    works.advance(60_000);
    let inside = works.comes(0, &limit);
    let row = [(1, 0), (2, 1), (3, 1), (4, 2), (5, 0)]
        .map(|(n, priority)| works.comes(n, limit.claim().priority(priority)));
    drain(inside, row.into());
    assert_eq!(works.order(), [0, 4, 2, 3, 1, 5]);
}

/// Places were changed in the line and not in the tree that it is kept in, where nobody was found again.
#[test]
fn a_line_that_some_have_come_back_to_can_begin_to_know_priorities() {
    for by_change in [false, true] {
        let works = Works::default();
        let limit = works.builder().concurrency(1).tracked().build();
        works.advance(1_000);
        let inside = works.comes(0, &limit);
        let mut row: Vec<_> =
            (1..6).map(|n| works.comes(n, limit.claim().named(n.to_string()))).collect();
        drop(inside);
        works.advance(1); // the first lets it lapse, and the next two are offered the permit
        let mut second = row.remove(1);
        assert!(second.poll().is_pending());
        row.iter_mut().take(2).for_each(|one| assert!(one.poll().is_pending()));
        assert_eq!(counts(&limit), (1, 4));
        works.advance(1_000);
        if by_change {
            limit.set_priority("5", 1);
        } else {
            row.push(works.comes(9, limit.claim().priority(1)));
        }
        drop(row.remove(0));
        drop(second);
        let (mut order, mut numbers) = (Vec::new(), vec![3, 4, 5, 9]);
        numbers.truncate(row.len());
        // All are polled, one of whom is let in, and goes.
        while !row.is_empty() {
            row.iter_mut().for_each(|one| drop(one.poll()));
            let inside = limit.running()[0].name.clone();
            let inside = inside.map_or(9, |name| name.parse::<usize>().unwrap());
            order.push(inside);
            row.remove(numbers.iter().position(|n| *n == inside).unwrap());
            numbers.retain(|n| *n != inside);
        }
        assert_eq!(order, if by_change { vec![5, 3, 4] } else { vec![9, 3, 4, 5] });
    }
}

#[test]
fn a_priority_can_be_changed_in_either_order_of_waiting() {
    for (order, expected) in [(Order::Fifo, [0, 2, 3, 1]), (Order::Lifo, [0, 2, 1, 3])] {
        let works = Works::default();
        let limit = works.builder().concurrency(1).order(order).build();
        let inside = works.comes(0, &limit);
        let names = ["a", "b", "c"].into_iter().enumerate();
        let row: Vec<_> =
            names.map(|(n, name)| works.comes(n + 1, limit.claim().named(name))).collect();
        assert_eq!(limit.set_priority("b", 5), 1);
        let lower = if order == Order::Lifo { "c" } else { "a" };
        assert_eq!(limit.set_priority(lower, -1), 1);
        let queued: Vec<_> = limit.queued().iter().map(|one| one.priority).collect();
        assert_eq!(queued.iter().filter(|priority| **priority != 0).count(), 2);
        drain(inside, row);
        assert_eq!(works.order(), expected);
    }
}

#[test]
fn all_of_one_name_change_their_priority_even_while_they_are_offered_a_permit() {
    let works = Works::default();
    let limit = works.limit(1);
    let inside = works.comes(0, &limit);
    let mut offered = works.comes(1, limit.claim().named("same"));
    let [other, same] = [works.comes(2, &limit), works.comes(3, limit.claim().named("same"))];
    drop(inside);
    assert_eq!(offered.wakes(), 1);
    assert_eq!(limit.set_priority("same", 1), 2);
    assert!(offered.poll().is_pending());
    assert_eq!(limit.set_priority("same", 2), 1, "who is inside doesn't wait");
    drain(offered, vec![other, same]);
    assert_eq!(works.order(), [0, 1, 3, 2]);
}

#[test]
fn one_too_many_is_dealt_with_as_it_says() {
    // What each of those who come says: who then waits, and who was refused.
    let case = |overflow, order, priorities: &[i32]| {
        let works = Works::default();
        let builder = works.builder().concurrency(1).order(order);
        let limit = builder.max_waiting(2, overflow).build();
        let _inside = works.comes(99, &limit);
        let mut full = Vec::new();
        let mut row = Vec::new();
        for (n, priority) in priorities.iter().enumerate() {
            works.advance(1);
            let mut one = ByHand::new(pending::<()>().limit(limit.claim().priority(*priority)));
            match one.poll() {
                Poll::Pending => row.push((n, one)),
                Poll::Ready(refused) => {
                    assert_refused(refused, Refusal::QueueFull { most: 2 });
                    full.push(n);
                }
            }
        }
        let mut displaced = Vec::new();
        for (n, one) in &mut row {
            if one.wakes() > 0 {
                assert_refused(one.ready(), Refusal::Displaced { most: 2 });
                displaced.push(*n);
            }
        }
        assert_eq!(counts(&limit), (1, 2));
        (full, displaced)
    };
    let fifo = |overflow, priorities: &[i32]| case(overflow, Order::Fifo, priorities);
    assert_eq!(fifo(Overflow::Reject, &[0, 0, 9, 0]), (vec![2, 3], vec![]));
    assert_eq!(fifo(Overflow::DropOldest, &[0, 0, 0, 0]), (vec![], vec![0, 1]));
    assert_eq!(fifo(Overflow::DropOldest, &[9, 0, 0, -1]), (vec![], vec![0, 1]));
    assert_eq!(fifo(Overflow::DropLowest, &[0, 0, 0]), (vec![2], vec![]), "none is lower");
    assert_eq!(fifo(Overflow::DropLowest, &[1, 0, 0, 1]), (vec![2], vec![1]));
    assert_eq!(fifo(Overflow::DropLowest, &[0, 0, 1, 1, 1]), (vec![4], vec![0, 1]));
    assert_eq!(fifo(Overflow::DropLowest, &[5, 5, 1]), (vec![2], vec![]));
    // The order in which they wait is another matter.
    let lifo = |overflow, priorities: &[i32]| case(overflow, Order::Lifo, priorities);
    assert_eq!(lifo(Overflow::DropOldest, &[0, 0, 0, 0]), (vec![], vec![0, 1]));
    assert_eq!(lifo(Overflow::DropOldest, &[9, 0, 0, 3]), (vec![], vec![0, 1]));
    assert_eq!(lifo(Overflow::DropLowest, &[0, 0, 1]), (vec![], vec![1]), "the last of the lowest");
}

#[test]
fn who_can_be_let_in_is_never_one_too_many() {
    for overflow in [Overflow::Reject, Overflow::DropOldest, Overflow::DropLowest] {
        let works = Works::default();
        let limit = works.builder().concurrency(1).max_waiting(0, overflow).build();
        let inside = works.comes(0, &limit);
        assert_eq!(counts(&limit), (1, 0));
        let refused = ByHand::new(async {}.limit(&limit)).ready();
        assert_refused(refused, Refusal::QueueFull { most: 0 });
        drop(inside);
        ByHand::new(async {}.limit(&limit)).ready().unwrap();
    }
}

#[test]
fn one_that_was_refused_for_want_of_room_can_be_tried_again() {
    let works = Works::default();
    let limit = works.builder().concurrency(1).max_waiting(0, Overflow::Reject).build();
    let tries = Count::default();
    let inside = works.work(0, 2500).limit(&limit);
    let again = (|| async { Ok::<_, &str>(tries.add()) })
        .limit(&limit)
        .retry(Backoff::fixed(SECOND).attempts(9))
        .with_timer(&works.clock);
    let (_, again) = works.run(join(inside, again));
    assert_eq!((again, tries.get(), works.millis()), (Ok(Ok(0)), 1, 3000));
}

#[test]
fn one_that_is_displaced_is_told_at_once_and_counts_no_more() {
    let works = Works::default();
    let limit = works.builder().concurrency(1).max_waiting(1, Overflow::DropOldest).build();
    let inside = works.comes(0, &limit);
    let old = works.comes(1, &limit);
    let new = works.comes(2, &limit);
    assert_eq!((old.wakes(), counts(&limit)), (1, (1, 1)), "though it has not heard of it yet");
    assert_eq!(limit.queued().len(), 1);
    drain(inside, vec![new]);
    drop(old);
    assert_eq!((works.order(), counts(&limit)), (vec![0, 2], (0, 0)));
}

#[test]
fn a_wait_is_no_longer_than_it_may_be() {
    // What the limit says, what the claim says, and which of them it is.
    let cases =
        [(Some(5), None, 5), (Some(5), Some(2), 2), (Some(2), Some(5), 5), (None, Some(3), 3)];
    for (of_all, own, most) in cases {
        let works = Works::default();
        let builder = works.builder().name("api").concurrency(1);
        let builder = of_all.into_iter().fold(builder, |it, most| it.max_wait(millis(most)));
        let limit = builder.build();
        let claim = own.into_iter().fold(limit.claim(), |it, most| it.max_wait(millis(most)));
        let _inside = limit.try_acquire();
        let mut waits = ByHand::new(async {}.limit(claim));
        // It counts from when it begins to wait.
        works.advance(1000);
        assert!(waits.poll().is_pending());
        works.clock.advance(millis(most) - NANOSECOND);
        assert_eq!(waits.wakes(), 0);
        works.clock.advance(NANOSECOND);
        assert_eq!(waits.wakes(), 1);
        let late = waits.ready();
        assert_eq!(late.as_ref().unwrap_err().origin(), Some("api"));
        assert_eq!(late.as_ref().unwrap_err().position(), Position::Below);
        assert_refused(late, Refusal::WaitedTooLong { after: millis(most) });
        assert_eq!(counts(&limit), (1, 0));
    }
}

#[test]
fn patience_is_for_the_wait_and_not_for_what_runs() {
    let works = Works::default();
    let limit = works.builder().concurrency(1).max_wait(millis(150)).build();
    let jobs = (0..3).map(|n| works.work(n, 100).limit(&limit));
    let all = works.run(join_all(jobs));
    assert_eq!(all[..2], [Ok(0), Ok(1)]);
    assert_refused(all[2].clone(), Refusal::WaitedTooLong { after: millis(150) });
    assert_eq!((works.starts(), works.millis()), (vec![0, 100], 200));
}

#[test]
fn a_permit_that_comes_as_patience_ends_is_taken() {
    let works = Works::default();
    let limit = works.builder().concurrency(1).max_wait(millis(5)).build();
    let inside = works.comes(0, &limit);
    let mut waits = works.comes(1, &limit);
    works.advance(5);
    drop(inside);
    assert!(waits.poll().is_pending());
    assert_eq!((works.order(), counts(&limit)), (vec![0, 1], (1, 0)));
}

#[test]
fn who_has_no_patience_does_not_wait() {
    let works = Works::default();
    let limit = works.limit(1);
    let claim = limit.claim().max_wait(Duration::ZERO);
    let mut now = ByHand::new(pending::<()>().limit(&claim));
    assert!(now.poll().is_pending());
    assert_eq!(counts(&limit), (1, 0), "it is in");
    let never = ByHand::new(async {}.limit(&claim)).ready();
    assert_refused(never, Refusal::WaitedTooLong { after: Duration::ZERO });
    assert_eq!(counts(&limit), (1, 0));
}

#[test]
fn one_that_gives_up_makes_way() {
    let works = Works::default();
    let limit = works.limit(2);
    let _inside = works.comes(0, &limit);
    let mut heavy = works.comes(1, limit.claim().weight(2).max_wait(MILLISECOND / 2));
    let mut light = works.comes(2, &limit);
    assert_eq!((counts(&limit), light.wakes()), ((1, 2), 0));
    works.clock.advance(MILLISECOND / 2);
    heavy.ready().unwrap_err();
    assert_eq!(light.wakes(), 1);
    assert!(light.poll().is_pending());
    assert_eq!(counts(&limit), (2, 0));
}

#[test]
fn to_clear_tells_each_why_and_lets_newcomers_in() {
    let works = Works::default();
    let limit = works.builder().name("api").concurrency(1).build();
    let inside = works.comes(0, &limit);
    let mut row: Vec<_> = (1..4).map(|n| works.comes(n, &limit)).collect();
    let mut newcomer = {
        let reason = AbortReason::OverBudget { budget: "money".into() };
        assert_eq!(limit.clear(reason), 3);
        assert_eq!(limit.clear("again"), 0, "they are gone");
        works.comes(4, &limit)
    };
    assert_eq!(counts(&limit), (1, 1));
    for one in &mut row {
        let cleared = one.ready().unwrap_err();
        assert_eq!(cleared.to_string(), "the budget `money` is used up (in `api`)");
        assert_eq!(cleared.position(), Position::Above);
    }
    drop(inside);
    assert!(newcomer.poll().is_pending());
    assert_eq!(works.order(), [0, 4]);
}

#[test]
fn who_was_cleared_is_not_tried_again() {
    let works = Works::default();
    let limit = works.limit(1);
    let _inside = limit.try_acquire();
    let calls = Count::default();
    let job = (|| async { Err::<(), _>(calls.add()) })
        .limit(&limit)
        .retry(Backoff::fixed(SECOND).attempts(5))
        .with_timer(&works.clock);
    let (cleared, _) = works.run(join(job, async {
        works.sleep(1).await;
        limit.clear("user hit stop");
    }));
    assert_eq!(cleared.unwrap_err().to_string(), "user hit stop");
    assert_eq!((calls.get(), works.millis()), (0, 1));
}

#[test]
fn one_that_was_offered_a_permit_can_still_be_cleared() {
    let works = Works::default();
    let limit = works.limit(1);
    let inside = works.comes(0, &limit);
    let mut offered = works.comes(1, &limit);
    drop(inside);
    assert_eq!(limit.clear("cleared"), 1);
    assert_eq!(offered.ready().unwrap_err().to_string(), "cleared");
    ByHand::new(async {}.limit(&limit)).ready().unwrap();
}

#[test]
fn a_closed_limit_lets_in_who_waits_and_nobody_else() {
    let works = Works::default();
    let limit = works.limit(1);
    let inside = works.comes(0, &limit);
    let waits = works.comes(1, &limit);
    limit.close();
    assert!(limit.is_closed() && limit.clone().is_closed());
    assert_refused(ByHand::new(async {}.limit(&limit)).ready(), Refusal::Closed);
    assert_refused(ByHand::new(limit.acquire()).ready().map(drop), Refusal::Closed);
    assert_eq!(counts(&limit), (1, 1));
    drain(inside, vec![waits]);
    assert_eq!((works.order(), counts(&limit)), (vec![0, 1], (0, 0)));
    assert!(limit.try_acquire().is_none(), "though all are free");
    limit.resume();
    limit.set_capacity(5);
    assert_refused(ByHand::new(async {}.limit(&limit)).ready(), Refusal::Closed);
}

#[test]
fn to_close_and_clear_ends_all_who_wait() {
    let works = Works::default();
    let limit = works.limit(1);
    let inside = works.comes(0, &limit);
    let mut waits = works.comes(1, &limit);
    limit.close();
    assert_eq!(limit.clear(AbortReason::ScopeEnded), 1);
    assert_eq!(waits.ready().unwrap_err().reason(), &AbortReason::ScopeEnded);
    assert_eq!(counts(&limit), (1, 0), "who is in goes on");
    drop(inside);
    works.run(limit.wait_idle());
}

#[test]
fn heavy_and_light_share_the_permits() {
    let works = Works::default();
    let limit = works.limit(5);
    let jobs = [(1, 100), (3, 200), (1, 100), (4, 50), (5, 10), (0, 1)];
    let jobs = jobs
        .into_iter()
        .enumerate()
        .map(|(n, (weight, millis))| works.work(n, millis).limit(limit.claim().weight(weight)));
    works.run(join(join_all(jobs), async {
        works.sleep(50).await;
        assert_eq!(limit.active(), 5);
        works.sleep(100).await;
        assert_eq!(limit.active(), 3, "two are free, and the next needs four");
        works.sleep(75).await;
        assert_eq!(limit.active(), 4);
    }));
    // One that takes none has its turn all the same, and then needs not wait.
    assert_eq!(works.starts(), [0, 0, 0, 200, 250, 250]);
    assert_eq!(counts(&limit), (0, 0));
}

#[test]
fn a_heavy_one_is_not_starved_by_light_ones() {
    let works = Works::default();
    let limit = works.limit(4);
    let light = (0..40).map(|n| {
        let (works, limit) = (&works, &limit);
        async move {
            if n > 2 {
                works.sleep(10 * n as u32).await;
            }
            works.work(n, 25 + 10 * n as u32 % 30).limit(limit).await.unwrap();
        }
    });
    let heavy = async {
        works.sleep(15).await;
        works.work(99, 20).limit(limit.claim().weight(4)).await.unwrap();
    };
    works.run(join(join_all(light), heavy));
    // Who was in when it came has left by then, and nobody came in after it.
    let heavy_at = works.begun().iter().find(|(n, _)| *n == 99).unwrap().1;
    let last = works.begun().iter().take_while(|(n, _)| *n != 99).last().copied();
    assert_eq!((heavy_at, last), (45, Some((2, 0))));
}

#[test]
fn a_heavy_one_that_nobody_polls_holds_up_the_light_ones_for_a_while_only() {
    let works = Works::default();
    let limit = works.limit(4);
    let _inside = works.comes(0, &limit);
    let mut heavy = works.comes(1, limit.claim().weight(4));
    let mut row = [2, 3, 4].map(|n| works.comes(n, &limit));
    assert!(limit.try_acquire().is_none(), "nobody overtakes it");
    works.advance(1);
    assert_eq!((heavy.wakes(), row[0].wakes()), (1, 0), "it is asked");
    works.advance(1);
    for one in &mut row {
        assert_eq!(one.wakes(), 1);
        assert!(one.poll().is_pending());
    }
    assert_eq!(counts(&limit), (4, 1));
    // Once somebody polls it, it has its old place again, before those who came later.
    assert!(heavy.poll().is_pending());
    let later = works.comes(5, &limit);
    drop(row);
    assert_eq!((heavy.wakes(), later.wakes(), limit.active()), (1, 0, 1));
    drop(_inside);
    assert_eq!(heavy.wakes(), 2);
    assert!(heavy.poll().is_pending());
    assert_eq!(works.order(), [0, 2, 3, 4, 1]);
}

#[test]
fn a_heavy_one_that_is_polled_is_asked_ever_more_seldom() {
    let works = Works::default();
    let limit = works.limit(2);
    let _inside = works.comes(0, &limit);
    let mut heavy = works.comes(1, limit.claim().weight(2));
    let light = works.comes(2, &limit);
    for _ in 0..60_000 {
        works.advance(1);
        if heavy.poll().is_ready() {
            unreachable!("it lacks a permit");
        }
    }
    assert!(heavy.wakes() < 40, "{} times in a minute", heavy.wakes());
    assert_eq!(light.wakes(), 0, "and is not overtaken");
}

#[test]
fn what_weighs_too_much_is_refused() {
    let works = Works::default();
    let limit = works.limit(2);
    let too_heavy = |weight, capacity| Refusal::TooHeavy { weight, capacity };
    for weight in [3, usize::MAX] {
        let refused = ByHand::new(async {}.limit(limit.claim().weight(weight))).ready();
        assert_refused(refused, too_heavy(weight, 2));
    }
    // Also who waits already, when there are fewer.
    let inside = works.comes(0, limit.claim().weight(2));
    let mut heavy = works.comes(1, limit.claim().weight(2));
    let mut light = works.comes(2, &limit);
    limit.set_capacity(1);
    assert_eq!((heavy.wakes(), light.wakes(), counts(&limit)), (1, 0, (2, 1)));
    assert_refused(heavy.ready(), too_heavy(2, 1));
    drop(inside);
    assert!(light.poll().is_pending());
    assert_eq!(counts(&limit), (1, 0));
}

#[test]
fn as_many_are_woken_as_there_are_permits_for() {
    let works = Works::default();
    let limit = works.limit(1);
    let inside = works.comes(0, &limit);
    let mut row: Vec<_> = (1..6).map(|n| works.comes(n, &limit)).collect();
    let wakes = |row: &[ByHand<'_, _>]| row.iter().map(ByHand::wakes).collect::<Vec<_>>();
    limit.set_capacity(3);
    assert_eq!(wakes(&row), [1, 1, 0, 0, 0]);
    row.iter_mut().take(2).for_each(|one| assert!(one.poll().is_pending()));
    assert_eq!(counts(&limit), (3, 3));
    limit.set_capacity(0);
    assert_eq!(wakes(&row), [1, 1, 1, 1, 1], "told that there are none");
    drop(inside);
    limit.set_capacity(usize::MAX);
    assert_eq!((limit.active(), limit.capacity()), (2, (isize::MAX / 8) as usize));
    assert_refused(row[2].ready(), Refusal::TooHeavy { weight: 1, capacity: 0 });
}

#[test]
fn who_tries_never_overtakes() {
    let works = Works::default();
    let limit = works.limit(2);
    let inside = works.comes(0, &limit);
    let other = limit.try_acquire().expect("one is free");
    let mut first = works.comes(1, &limit);
    drop(other);
    assert!(limit.try_acquire().is_none(), "it is offered to the first");
    assert!(first.poll().is_pending());
    let heavy = works.comes(2, limit.claim().weight(2));
    drop(first);
    assert!(limit.try_acquire().is_none(), "it would not be enough for who waits");
    assert_eq!(counts(&limit), (1, 1));
    drop(heavy);
    assert!(limit.try_acquire().is_some());
    drop(inside);
}

#[test]
fn who_is_inside_may_have_another_permit_but_not_wait_for_it() {
    let works = Works::default();
    let limit = works.limit(3);
    let nested = async {
        assert_eq!(limit.active(), 1);
        async {
            assert_eq!(limit.active(), 2);
            let third = limit.acquire().await.unwrap();
            assert_refused(limit.acquire().await.map(drop), Refusal::Reentry);
            drop(third);
            assert!(limit.try_acquire().is_some());
            assert_refused(async {}.limit(limit.claim().weight(2)).await, Refusal::Reentry);
            // Another limit is another matter.
            async {}.limit(works.limit(1)).await.unwrap();
        }
        .limit(&limit)
        .await
        .unwrap();
    };
    works.run(nested.limit(&limit)).unwrap();
    assert_eq!(counts(&limit), (0, 0));
    // Nor behind others who wait, though one is free.
    let limit = works.limit(2);
    let asks = async {
        works.sleep(2).await;
        assert_eq!(counts(&limit), (1, 1));
        assert_refused(async {}.limit(&limit).await, Refusal::Reentry);
    };
    let waits = async {
        works.sleep(1).await;
        async {}.limit(limit.claim().weight(2)).await
    };
    assert_eq!(works.run(join(asks.limit(&limit), waits)), (Ok(()), Ok(())));
}

#[test]
fn those_who_wait_are_listed_as_they_came() {
    let works = Works::default();
    let limit = works.builder().concurrency(2).tracked().build();
    let _inside = works.comes(0, limit.claim().weight(2));
    let claim = limit.claim().weight(2).priority(-3).named("heavy");
    let heavy = works.comes(1, claim);
    works.advance(7);
    let chain = async {}.named("chain").limit(&limit).named("whole").with_timer(&works.clock);
    let chain = ByHand::polled(chain);
    works.advance(7);
    let nameless = ByHand::polled(async {}.limit(&limit));
    let list: Vec<_> = limit
        .queued()
        .into_iter()
        .map(|one| {
            let since = one.since.unwrap() - Instant::START;
            (one.name.map(|name| name.to_string()), one.weight, one.priority, since.as_millis())
        })
        .collect();
    assert_eq!(
        list,
        [(Some("heavy".into()), 2, -3, 0), (Some("chain".into()), 1, 0, 7), (None, 1, 0, 14),],
    );
    drop((heavy, chain, nameless));
    assert!(limit.queued().is_empty());
}

#[test]
fn a_limit_that_is_not_tracked_knows_the_names_of_claims_alone() {
    let works = Works::default();
    let limit = works.limit(1);
    let _inside = works.comes(0, limit.claim().named("inside"));
    let _claim = works.comes(1, limit.claim().named("claim"));
    let _chain = ByHand::polled(async {}.named("chain").limit(&limit));
    let names: Vec<_> = limit.queued().into_iter().map(|one| one.name).collect();
    assert_eq!(names, [Some("claim".into()), None]);
    assert!(limit.running().is_empty(), "it is not noted who runs");
}

#[test]
fn who_holds_a_permit_and_is_woken_but_not_polled_is_found() {
    let works = Works::default();
    let limit = works.builder().concurrency(4).tracked().build();
    let task = Log::<Waker>::default();
    let waits = |name: &'static str| {
        let own = task.clone();
        ByHand::polled(
            poll_fn(move |cx| {
                own.note(cx.waker().clone());
                Poll::<()>::Pending
            })
            .named(name)
            .limit(&limit),
        )
    };
    let (mut stuck, quiet) = (waits("stuck"), waits("quiet"));
    let permit = ByHand::new(limit.claim().named("permit").acquire()).ready().unwrap();
    works.advance(5_000);
    assert!(limit.stalled(Duration::ZERO).is_empty(), "nobody was woken");

    task.all()[0].wake_by_ref();
    assert_eq!((stuck.wakes(), quiet.wakes()), (1, 0));
    assert!(limit.stalled(Duration::ZERO).is_empty(), "just now");
    works.advance(1_000);
    // Again, which doesn't make it any younger.
    task.all()[0].wake_by_ref();
    works.advance(1_000);
    let found = limit.stalled(millis(1_999));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].name.as_deref(), Some("stuck"));
    assert_eq!(found[0].woken_since, Some(Instant::START + 5 * SECOND));
    assert!(limit.stalled(2 * SECOND).is_empty(), "not longer than that");

    assert!(stuck.poll().is_pending());
    works.advance(10_000);
    assert!(limit.stalled(Duration::ZERO).is_empty(), "it was polled");
    let woken: Vec<_> = limit.running().iter().map(|one| one.woken_since).collect();
    assert_eq!(woken, [None, None, None]);
    drop((quiet, permit));
    assert_eq!(limit.running().len(), 1);
}

#[test]
fn what_is_tracked_is_woken_by_the_task_that_polled_it_last() {
    let works = Works::default();
    let limit = works.builder().concurrency(1).tracked().build();
    let mut moves = ByHand::polled(works.work(0, 10).limit(&limit));
    assert!(moves.poll_elsewhere().is_pending());
    works.advance(10);
    assert_eq!(moves.wakes(), 1);
    moves.ready().unwrap();
    assert_eq!((moves.wakers(), counts(&limit)), (0, (0, 0)));
}

executors::on_every_executor! {
    async fn a_busy_limit_of_all_kinds_loses_nobody(executor: Executor) {
        let works = Works::default();
        let limit = works
            .builder()
            .concurrency(4)
            .rate(Rate::token_bucket(1_000, SECOND).burst(7).of("tokens"))
            .ageing(20 * MILLISECOND)
            .tracked()
            .build();
        let tasks: Vec<_> = (0..300_usize)
            .map(|n| {
                let claim = limit
                    .claim()
                    .weight(n % 5)
                    .priority(n as i32 % 3 - 1)
                    .cost("tokens", n as u64 % 4);
                let work = works.work(n, n as u32 % 7);
                let job = work.limit(claim).with_timer(&works.clock);
                executor.spawn(works.clock.watch(job))
            })
            .collect();
        for (n, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.await, Ok(n));
        }
        assert_eq!((counts(&limit), limit.running().len()), ((0, 0), 0));
    }

    async fn permits_in_hand_are_passed_on_in_turn(executor: Executor) {
        let (clock, limit, order) = (TestClock::new(), Limit::new(1), Log::default());
        let first = limit.acquire().await.unwrap();
        let mut tasks = Vec::new();
        for n in 0..20 {
            let (own, order) = (limit.clone(), order.clone());
            let job = async move {
                let permit = own.acquire().await.unwrap();
                order.note(n);
                yield_now().await;
                drop(permit);
            };
            tasks.push(executor.spawn(job.with_timer(&clock)));
            while limit.waiting() <= n {
                yield_now().await;
            }
        }
        drop(first);
        join_all(tasks).await;
        assert!(order.all().into_iter().eq(0..20));
    }

    async fn a_pause_holds_for_every_task(executor: Executor) {
        let works = Works::default();
        let limit = works.builder().concurrency(3).paused().build();
        let hold = works.clock.pause();
        let tasks: Vec<_> = (0..6)
            .map(|n| executor.spawn(works.clock.watch(works.work(n, 10).limit(&limit))))
            .collect();
        while limit.waiting() < 6 {
            yield_now().await;
        }
        assert_eq!((limit.active(), works.begun()), (0, vec![]));
        drop(hold);
        works.clock.watch(async {
            works.sleep(100).await;
            limit.resume();
        }).await;
        join_all(tasks).await;
        assert_eq!(works.begun().iter().filter(|(_, at)| *at == 100).count(), 3);
        assert_eq!((works.millis(), works.most()), (120, 3));
    }
}
