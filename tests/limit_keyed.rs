//! So many for each key, so many in all, and no key crowds out another.

mod executors;
mod support;
mod works;

use std::{
    collections::BTreeMap,
    future::pending,
    sync::{Arc, Mutex},
};

use futures::{
    FutureExt,
    future::{join, join_all},
};
use futures_lite::future::yield_now;
use support::{ByHand, MILLISECOND, SECOND};
use tenure::{
    AbortReason, KeyedLimit, OwnedFuture,
    limit::{Claim, Order, Rate, Refusal},
    time::TestClock,
};
use works::{Works, drain};

fn counts<K>(limit: &KeyedLimit<K>) -> (usize, usize) {
    (limit.all().active(), limit.all().waiting())
}

executors::on_every_executor! {
    async fn neither_a_key_nor_all_have_more_than_they_may(executor: Executor) {
        #[derive(Default)]
        struct Inside {
            now: BTreeMap<usize, usize>,
            most: BTreeMap<usize, usize>,
            most_in_all: usize,
        }
        let clock = TestClock::new();
        let hosts = tenure::Limit::builder().concurrency(5).timer(&clock).build_keyed(2);
        let inside = Arc::<Mutex<Inside>>::default();
        let tasks: Vec<_> = (0..600_usize)
            .map(|n| {
                let (key, inside) = (n % 4, inside.clone());
                let job = async move {
                    {
                        let Inside { now, most, most_in_all } = &mut *inside.lock().unwrap();
                        let own = now.entry(key).or_default();
                        *own += 1;
                        let most = most.entry(key).or_default();
                        *most = (*most).max(*own);
                        *most_in_all = (*most_in_all).max(now.values().sum());
                    }
                    for _ in 0..n % 3 {
                        yield_now().await;
                    }
                    *inside.lock().unwrap().now.get_mut(&key).unwrap() -= 1;
                };
                executor.spawn(clock.watch(job.limit(hosts.key(key))))
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let inside = inside.lock().unwrap();
        assert!(inside.most.len() == 4 && inside.most.values().all(|most| *most <= 2));
        assert!(inside.most_in_all <= 5, "{}", inside.most_in_all);
        assert_eq!((counts(&hosts), hosts.keys()), ((0, 0), 0));
    }

    async fn keys_take_turns_however_many_wait_for_each(executor: Executor) {
        let works = Works::default();
        let hosts = works.builder().concurrency(1).build_keyed(1);
        // Ten of the first key come before anybody of the others.
        let keys = [0; 10].into_iter().chain([1, 1, 1, 2]);
        let jobs: Vec<_> = keys.map(|key| works.work(key, 10).limit(hosts.key(key))).collect();
        executor.spawn(works.clock.watch(join_all(jobs))).await;
        assert_eq!(works.order(), [0, 0, 1, 2, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0]);
    }
}

#[test]
fn a_key_whose_permits_are_taken_holds_up_nobody_else() {
    let works = Works::default();
    let hosts = works.builder().concurrency(3).build_keyed(1);
    let inside = works.comes(0, hosts.key("a"));
    let row: Vec<_> = (1..100).map(|n| works.comes(n, hosts.key("a"))).collect();
    let mut other = works.comes(100, hosts.key("b"));
    assert_eq!(counts(&hosts), (2, 99), "two are in, of three that may be");
    assert_eq!((hosts.active(&"a"), hosts.active(&"b"), hosts.active(&"c")), (1, 1, 0));
    assert!(other.poll().is_pending());
    assert_eq!(works.order(), [0, 100]);
    // The next of a key is let in when one of that key leaves, and not before.
    drop(other);
    assert!(row.iter().all(|one| one.wakes() == 0));
    drop(inside);
    assert_eq!(row.iter().map(ByHand::wakes).sum::<usize>(), row[0].wakes());
}

#[test]
fn a_key_that_has_rested_saves_up_no_turns() {
    let works = Works::default();
    let hosts = works.builder().concurrency(1).build_keyed(1);
    // One is busy alone for a while.
    let inside = works.comes(0, hosts.key(0));
    drain(inside, (0..20).map(|_| works.comes(0, hosts.key(0))).collect());
    let inside = works.comes(0, hosts.key(0));
    let row = [1, 1, 1, 1, 0, 0, 0, 0].map(|key| works.comes(key, hosts.key(key)));
    drain(inside, row.into());
    let turns = works.order().split_off(22);
    let in_a_row = turns.chunk_by(|one, next| one == next).map(<[usize]>::len).max();
    assert!(in_a_row <= Some(2), "{turns:?}");
}

#[test]
fn a_turn_is_paid_by_weight() {
    let works = Works::default();
    let hosts = works.builder().concurrency(4).build_keyed(4);
    let inside = works.comes(9, hosts.key(9).weight(4));
    let mut row: Vec<_> = (0..4).map(|_| works.comes(0, hosts.key(0).weight(4))).collect();
    row.extend((0..12).map(|_| works.comes(1, hosts.key(1).weight(2))));
    // Let in as they are woken, each for as long as it takes the next.
    let mut held = vec![inside];
    while !row.is_empty() {
        drop(held.remove(0));
        while let Some(woken) = row.iter().position(|one| one.wakes() > 0) {
            let mut one = row.remove(woken);
            assert!(one.poll().is_pending());
            held.push(one);
        }
    }
    let order = works.order().split_off(1);
    let light_before_the_last_heavy = order
        .iter()
        .rposition(|key| *key == 0)
        .map(|last| order[..last].iter().filter(|key| **key == 1).count());
    assert!(light_before_the_last_heavy >= Some(5), "two light ones for each heavy one: {order:?}");
}

#[test]
fn another_order_goes_over_all_keys() {
    let order = |order| {
        let works = Works::default();
        let hosts = works.builder().concurrency(1).order(order).build_keyed(1);
        let inside = works.comes(99, hosts.key(9));
        let keys = [0, 0, 0, 1, 2].into_iter().enumerate();
        let row = keys.map(|(n, key)| works.comes(n, hosts.key(key))).collect();
        drain(inside, row);
        works.order().split_off(1)
    };
    assert_eq!(order(Order::Fair), [0, 3, 4, 1, 2]);
    assert_eq!(order(Order::Fifo), [0, 1, 2, 3, 4]);
    assert_eq!(order(Order::Lifo), [4, 3, 2, 1, 0]);
}

#[test]
fn priorities_count_within_a_key_and_where_it_is_not_fair_over_all() {
    let order = |order| {
        let works = Works::default();
        let hosts = works.builder().concurrency(1).order(order).build_keyed(1);
        works.advance(60_000);
        let inside = works.comes(99, hosts.key(9));
        let row = [(0, 0), (0, 1), (1, 0), (1, 2)].into_iter().enumerate();
        let row = row.map(|(n, (key, priority))| works.comes(n, hosts.key(key).priority(priority)));
        drain(inside, row.collect());
        works.order().split_off(1)
    };
    assert_eq!(order(Order::Fair), [1, 3, 0, 2]);
    assert_eq!(order(Order::Fifo), [3, 1, 0, 2]);
}

#[test]
fn what_asks_for_no_key_asks_for_one_of_all() {
    let works = Works::default();
    let hosts = works.builder().concurrency(2).build_keyed(1);
    let keyless = works.comes(0, hosts.all());
    let keyed = works.comes(1, hosts.key("a"));
    let (more, other) = (works.comes(2, hosts.all()), works.comes(3, hosts.key("b")));
    assert_eq!((counts(&hosts), hosts.active(&"a")), ((2, 2), 1));
    assert!(hosts.all().try_acquire().is_none());
    drop(keyed);
    drain(keyless, vec![more, other]);
    assert_eq!(counts(&hosts), (0, 0));
}

#[test]
fn all_can_be_paused_cleared_closed_and_resized() {
    let works = Works::default();
    let hosts = works.builder().concurrency(1).build_keyed(2);
    let all = hosts.all().clone();
    let inside = works.comes(0, hosts.key("a"));
    let mut row = ["a", "b"].map(|key| works.comes(1, hosts.key(key)));
    all.set_capacity(3);
    row.iter_mut().for_each(|one| assert!(one.poll().is_pending()));
    assert_eq!(counts(&hosts), (3, 0));
    all.pause();
    drop(row);
    let mut waits = works.comes(2, hosts.key("b"));
    assert_eq!(counts(&hosts), (1, 1));
    assert_eq!(all.clear("cleared"), 1);
    assert_eq!(waits.ready().unwrap_err().to_string(), "cleared");
    all.resume();
    all.close();
    let refused = ByHand::new(async {}.limit(hosts.key("c"))).ready().unwrap_err();
    assert_eq!(refused.reason(), &AbortReason::Rejected { why: Refusal::Closed });
    drop(inside);
    assert_eq!((counts(&hosts), hosts.keys()), ((0, 0), 0));
}

#[test]
fn what_weighs_more_than_its_key_may_is_refused() {
    let hosts = KeyedLimit::new(2);
    let refused = |claim: Claim| ByHand::new(async {}.limit(claim)).ready();
    let why = Refusal::TooHeavy { weight: 3, capacity: 2 };
    let reason = AbortReason::Rejected { why };
    assert_eq!(refused(hosts.key("a").weight(3)).unwrap_err().reason(), &reason);
    refused(hosts.key("a").weight(2)).unwrap();
    let shut = KeyedLimit::new(0);
    assert!(refused(shut.key("a")).is_err());
    refused(shut.all().claim()).unwrap();
}

#[test]
fn a_dead_head_holds_up_neither_its_key_nor_another() {
    let works = Works::default();
    let hosts = works.builder().concurrency(1).build_keyed(1);
    let inside = works.comes(0, hosts.key("a"));
    let dead = works.comes(1, hosts.key("a"));
    let mut row = [works.comes(2, hosts.key("b")), works.comes(3, hosts.key("a"))];
    drop(inside);
    // It is the other key's turn, or the dead one's: within three windows both are passed.
    for _ in 0..3 {
        works.advance(1);
        row.iter_mut().filter(|one| one.wakes() > 0).for_each(|one| drop(one.poll()));
    }
    assert_eq!(hosts.all().active(), 1);
    let [other, same] = row;
    drop(other);
    let mut same = same;
    for _ in 0..3 {
        works.advance(1);
        if same.wakes() > 0 {
            drop(same.poll());
        }
    }
    assert_eq!((works.order().len(), hosts.all().active()), (3, 1));
    drop(dead);
}

#[test]
fn a_key_and_a_rate_are_had_together_or_not_at_all() {
    let works = Works::default();
    let hosts = works.builder().rate(Rate::fixed_window(2, SECOND)).build_keyed(1);
    let jobs = ["a", "a", "b", "b"].into_iter().enumerate();
    let jobs = jobs.map(|(n, key)| works.work(n, 100).limit(hosts.key(key)));
    works.run(join(join_all(jobs), async {
        works.sleep(500).await;
        assert_eq!(counts(&hosts), (0, 2), "who waits for the rate holds nothing of its key");
    }));
    assert_eq!(works.starts(), [0, 1000, 0, 1000]);
}

#[test]
fn who_is_inside_may_ask_for_another_key_that_is_free() {
    let works = Works::default();
    let hosts = works.builder().concurrency(2).build_keyed(1);
    let nested = async {
        async {}.limit(hosts.key("b")).await.unwrap();
        let refused = async {}.limit(hosts.key("a")).await.unwrap_err();
        assert_eq!(refused.reason(), &AbortReason::Rejected { why: Refusal::Reentry });
    };
    works.run(nested.limit(hosts.key("a"))).unwrap();
}

#[test]
fn a_key_is_known_for_as_long_as_somebody_has_to_do_with_it() {
    let works = Works::default();
    let hosts = works.builder().concurrency(1).build_keyed(1);
    let claim = hosts.key("a".to_string());
    assert_eq!((hosts.keys(), hosts.clone().keys()), (1, 1));
    let (inside, waits) = (works.comes(0, &claim), works.comes(1, hosts.key("b".into())));
    drop(claim);
    assert_eq!(hosts.keys(), 2);
    drop(inside);
    assert_eq!((hosts.keys(), hosts.active(&"a".into())), (1, 0));
    drop(waits);
    assert_eq!(hosts.keys(), 0);
    // What is known by a key is the same for all who know it.
    let (one, other) = (hosts.key("c".into()), hosts.key("c".into()));
    let inside = works.comes(2, &one);
    let waits = works.comes(3, &other);
    assert_eq!((hosts.keys(), counts(&hosts)), (1, (1, 1)));
    drop((inside, waits, one, other));
    assert_eq!(hosts.keys(), 0);
}

#[test]
fn a_million_keys_leave_no_memory_behind() {
    let hosts = KeyedLimit::new(1);
    let pass = |key: u32| drop(hosts.key(key).acquire().now_or_never().unwrap());
    pass(0);
    let left = allocation_counter::measure(|| (0..1_000_000).for_each(pass));
    assert!(left.bytes_current <= 8 * 1024, "{} bytes", left.bytes_current);
    assert!(left.bytes_max <= 64 * 1024, "{} bytes at once", left.bytes_max);
    assert_eq!(hosts.keys(), 0);

    // Nor those that were all there at once, which were once kept until as many others had come.
    let left = allocation_counter::measure(|| {
        let all: Vec<_> =
            (0..100_000).map(|key| ByHand::polled(pending::<()>().limit(hosts.key(key)))).collect();
        assert_eq!((hosts.keys(), counts(&hosts)), (100_000, (100_000, 0)));
        drop(all);
        (0..100).for_each(pass);
    });
    assert!(left.bytes_current <= 64 * 1024, "{} bytes", left.bytes_current);
}

#[test]
fn what_waits_for_a_key_is_let_in_with_its_claim_gone() {
    let works = Works::default();
    let hosts = works.builder().concurrency(8).timer(&works.clock).build_keyed(1);
    let claim = hosts.key("a");
    let (inside, mut waits) = (works.comes(0, &claim), works.comes(1, &claim));
    drop(claim);
    drop(hosts.clone());
    drop(inside);
    assert_eq!(waits.wakes(), 1);
    assert!(waits.poll().is_pending());
    works.clock.advance(MILLISECOND);
    assert_eq!((hosts.active(&"a"), hosts.keys()), (1, 1));
}
