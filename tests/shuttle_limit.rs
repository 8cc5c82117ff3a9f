//! A limit that four threads claim, abort, clear, hold back and resize at once, more than loom gets through:
//! no permit is lost or made, and nobody is left asleep, in ten thousand orders drawn at random and ten
//! thousand by PCT.
//!
//! How it is run, and what shuttle doesn't see of it, is told in tests/shuttle.rs. The clock stands still: no window
//! ever ends, so whoever isn't woken by what others do is left asleep.
#![cfg(tenure_shuttle)]

mod support;
mod under_shuttle;

use std::{
    future::{Future, pending},
    pin::pin,
    task::{Context, Waker},
};

use shuttle::{
    future::{block_on, yield_now},
    rand::{Rng, thread_rng},
    thread,
};
use tenure::{
    AbortHandle, KeyedLimit, Limit, OwnedFuture,
    limit::{Builder, Claim},
    time::TestClock,
};

use support::{Count, Drops};
use under_shuttle::{let_go, shape};

fn builder(permits: usize) -> Builder {
    Limit::builder().concurrency(permits).timer(&TestClock::new())
}

fn one_in(most: u32) -> bool {
    thread_rng().gen_range(0..most) == 0
}

/// Polled a few times, and dropped.
fn given_up(waiting: impl Future) {
    let mut waiting = pin!(waiting);
    for _ in 0..thread_rng().gen_range(1..3) {
        if waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            return;
        }
        thread::yield_now();
    }
}

/// What holds as many permits as it says while it works.
async fn work(inside: Drops, weight: usize, most: usize) {
    let _tokens = (0..weight).map(|_| inside.token()).collect::<Vec<_>>();
    assert!(inside.live() <= most, "more are in than may");
    yield_now().await;
    assert!(inside.live() <= most, "more are in than may");
}

/// One that comes: it is let in, given up, or aborted.
fn come(claim: &Claim, inside: &Drops, weight: usize, most: usize) {
    match thread_rng().gen_range(0..4) {
        0 => given_up(work(inside.clone(), weight, most).limit(claim)),
        1 => {
            let handle = AbortHandle::new();
            let endless = async {
                work(inside.clone(), weight, most).await;
                pending::<()>().await;
            };
            let aborting = handle.clone();
            let aborting = thread::spawn(move || aborting.abort("stop"));
            assert!(block_on(endless.limit(claim).with_abort(&handle)).is_err());
            assert!(aborting.join().unwrap());
        }
        _ => _ = block_on(work(inside.clone(), weight, most).limit(claim)),
    }
}

/// Nobody is in, nobody waits, and all permits can be had again, and no more.
fn all_are_free(limit: &Limit) {
    assert_eq!((limit.active(), limit.waiting()), (0, 0));
    let permits: Vec<_> = (0..limit.capacity()).map(|_| limit.try_acquire()).collect();
    assert!(permits.iter().all(Option::is_some), "a permit is lost");
    assert!(limit.try_acquire().is_none(), "there is one permit more");
}

fn four(f: impl Fn(usize) + Clone + Send + 'static) {
    let threads: Vec<_> = (0..4)
        .map(|number| {
            let f = f.clone();
            thread::spawn(move || f(number))
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn what_four_threads_claim_is_all_given_back() {
    shape(|| {
        let (limit, inside) = (builder(2).build(), Drops::default());
        let claimed = limit.clone();
        four(move |number| {
            for _ in 0..2 {
                let weight = 1 + number % 2;
                come(&claimed.claim().weight(weight), &inside, weight, 2);
            }
        });
        all_are_free(&limit);
    });
}

#[test]
fn what_four_threads_claim_while_it_is_resized_and_held_back_is_all_given_back() {
    shape(|| {
        let (limit, inside) = (builder(2).build(), Drops::default());
        let (claimed, told) = (limit.clone(), Count::default());
        let counted = told.clone();
        let cleared = Count::default();
        let clears = cleared.clone();
        four(move |number| {
            if number == 0 {
                for _ in 0..2 {
                    match thread_rng().gen_range(0..3) {
                        0 => claimed.set_capacity(thread_rng().gen_range(1..4)),
                        1 => _ = clears.add_all(claimed.clear("stop")),
                        _ => {
                            claimed.pause();
                            claimed.resume();
                        }
                    }
                }
                return claimed.set_capacity(2);
            }
            for _ in 0..2 {
                if one_in(3) {
                    come(&claimed.claim(), &inside, 1, 3);
                } else if let Err(why) = block_on(work(inside.clone(), 1, 3).limit(&claimed)) {
                    assert_eq!(why.to_string(), "stop");
                    counted.add();
                }
            }
        });
        assert!(told.get() <= cleared.get());
        all_are_free(&limit);
    });
}

#[test]
fn what_four_threads_claim_by_two_keys_is_all_given_back() {
    shape(|| {
        let keyed: KeyedLimit<usize> = builder(2).build_keyed(1);
        let (claimed, inside) = (keyed.clone(), [Drops::default(), Drops::default()]);
        four(move |number| {
            for round in 0..2 {
                let key = (number + round) % 2;
                let claim = claimed.key(key);
                come(&claim, &inside[key], 1, 1);
                let_go(claim);
            }
        });
        assert_eq!((keyed.keys(), keyed.all().active(), keyed.all().waiting()), (0, 0, 0));
        let both = [0, 1].map(|key| block_on(keyed.key(key).acquire()).unwrap());
        assert_eq!(keyed.all().active(), both.len());
    });
}
