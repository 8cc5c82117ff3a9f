//! The lattice under four threads, more than loom gets through: each promise holds in ten thousand
//! orders drawn at random, and in ten thousand that preempt at the few points where it may hurt
//! (PCT).
//!
//! `ci/shuttle` runs these, counts the orders, and shows of broken doubles of the lattice that the
//! shapes fail on them. By hand:
//!
//! ```sh
//! RUSTFLAGS='--cfg tenure_shuttle' cargo test --release --test shuttle -- --nocapture
//! ```
//!
//! Seeds are fixed, so what fails once fails again; shuttle prints the schedule. With another
//! `SHUTTLE_RANDOM_SEED` other orders are drawn. Who is left asleep is a deadlock, which shuttle tells.
//!
//! # What shuttle doesn't see
//!
//! It switches threads at its own locks and atomics, and nowhere between.
//!
//! - **Memory orderings** are all taken for `SeqCst`. One that is too weak is found by tests/loom.rs.
//! - **The counts of `Arc`** are the standard one's. A thread changes them where it clones or drops a
//!   handle, and where it goes from a child's `Weak` up to the child. On a walk down or up there is a
//!   lock between any two of these, so they come in each order; only who drops several handles in a
//!   row wouldn't be overtaken between. Here such a thread gives way first (`let_go`).
#![cfg(tenure_shuttle)]

mod support;
mod under_shuttle;

use std::{
    future::{Future, poll_fn},
    task::{Context, Poll},
};

use shuttle::{future::block_on, thread};
use tenure::{
    AbortHandle,
    abort::{Aborted, OnAbort},
};

use support::{Drops, Log, on_wake};
use under_shuttle::{let_go, shape};

/// Several parents, joins, meets, and chains between them.
#[derive(Clone)]
struct Lattice {
    nodes: Vec<AbortHandle>,
    /// The aborts that were the first at their node.
    firsts: Log<(usize, &'static str)>,
}

const A: usize = 0;
const B: usize = 1;
const C: usize = 2;
const BELOW_A: usize = 3;
const EITHER: usize = 4;
const BOTH: usize = 5;
const DEEP: usize = 6;
const MIXED: usize = 7;
const LAST: usize = 8;
/// Where the abort of each may come from.
const ABOVE: [&[usize]; 9] =
    [&[], &[], &[], &[A], &[A, B], &[A, C], &[EITHER], &[BELOW_A, DEEP, BOTH], &[BOTH, DEEP, C]];

impl Lattice {
    fn new() -> Self {
        let [a, b, c] = [(); 3].map(|()| AbortHandle::new());
        let below_a = a.child().child();
        let (either, both) = (a.join(&b), a.meet(&c));
        let deep = either.child().child();
        let mixed = AbortHandle::any([&below_a, &deep, &both]);
        let last = AbortHandle::all([&both, &deep, &c]);
        let nodes = vec![a, b, c, below_a, either, both, deep, mixed, last];
        Self { nodes, firsts: Log::default() }
    }

    fn abort(&self, place: usize, reason: &'static str) {
        if self.nodes[place].abort(reason) {
            self.firsts.note((place, reason));
        }
    }

    fn said(&self, place: usize) -> Option<String> {
        self.nodes[place].reason().map(|reason| reason.to_string())
    }

    /// Sees to it that all were aborted, and that what each says comes from itself or from above.
    fn is_explained(&self) {
        let firsts = self.firsts.all();
        for (place, above) in ABOVE.iter().enumerate() {
            let said = self.said(place).expect("it was aborted");
            let mut own = firsts.iter().filter(|(first, _)| *first == place);
            match own.next() {
                Some((_, reason)) => assert_eq!(said, *reason),
                None => {
                    assert!(above.iter().any(|&above| self.said(above).as_ref() == Some(&said)))
                }
            }
            assert_eq!(own.next(), None, "each was the first");
        }
    }
}

fn text(aborted: &Aborted) -> String {
    aborted.reason().to_string()
}

/// Runs `f` on a thread of its own, which then lets go of one handle after the other.
fn on<R: Send + 'static>(
    lattice: &Lattice,
    f: impl FnOnce(&Lattice) -> R + Send + 'static,
) -> thread::JoinHandle<R> {
    let lattice = lattice.clone();
    thread::spawn(move || {
        let returned = f(&lattice);
        lattice.nodes.into_iter().for_each(let_go);
        returned
    })
}

fn join_all<R, const N: usize>(threads: [thread::JoinHandle<R>; N]) -> [R; N] {
    threads.map(|thread| thread.join().unwrap())
}

/// Each waker of the future is one of `wakers`.
fn counted<F: Future>(wakers: &Drops, future: F) -> impl Future<Output = F::Output> + use<F> {
    let (wakers, mut future) = (wakers.clone(), Box::pin(future));
    poll_fn(move |cx| {
        let (token, task) = (wakers.token(), cx.waker().clone());
        let waker = on_wake(move || {
            let _ = &token;
            task.wake_by_ref();
        });
        future.as_mut().poll(&mut Context::from_waker(&waker))
    })
}

/// Sleeps until the abort.
fn sleep(wakers: &Drops, handle: &AbortHandle) -> Option<String> {
    Some(text(&block_on(counted(wakers, handle.aborted()))))
}

#[test]
fn who_waits_is_woken_wherever_it_waits() {
    shape(|| {
        let (lattice, wakers) = (Lattice::new(), Drops::default());
        let (of_upper, of_lower) = (wakers.clone(), wakers.clone());
        let threads = [
            on(&lattice, |lattice| {
                lattice.abort(A, "a");
                lattice.abort(B, "b");
            }),
            on(&lattice, |lattice| lattice.abort(C, "c")),
            on(&lattice, move |lattice| {
                for place in [BELOW_A, MIXED, LAST] {
                    let told = sleep(&of_upper, &lattice.nodes[place]);
                    assert_eq!(told, lattice.said(place));
                }
            }),
            on(&lattice, move |lattice| {
                let late = lattice.nodes[LAST].child();
                let met = late.meet(&lattice.nodes[EITHER]);
                assert_eq!(sleep(&of_lower, &late), lattice.said(LAST));
                let told = sleep(&of_lower, &met);
                assert!(told == lattice.said(LAST) || told == lattice.said(EITHER));
            }),
        ];
        join_all(threads);
        lattice.is_explained();
        assert_eq!(wakers.live(), 0);
    });
}

#[test]
fn the_first_reason_wins_everywhere_below() {
    fn all_seen(lattice: &Lattice) -> Vec<Option<String>> {
        (0..ABOVE.len()).map(|place| lattice.said(place)).collect()
    }
    fn abort_all(lattice: &Lattice, aborts: [(usize, &'static str); 2]) {
        for (place, reason) in aborts {
            lattice.abort(place, reason);
            let seen = all_seen(lattice);
            assert!(seen[place].is_some());
            for (before, now) in seen.iter().zip(all_seen(lattice)) {
                assert!(before.is_none() || *before == now, "{before:?} became {now:?}");
            }
        }
    }
    shape(|| {
        let lattice = Lattice::new();
        let threads = [
            on(&lattice, |lattice| abort_all(lattice, [(A, "a by one"), (DEEP, "deep")])),
            on(&lattice, |lattice| abort_all(lattice, [(EITHER, "either"), (A, "a by two")])),
            on(&lattice, |lattice| abort_all(lattice, [(B, "b"), (BOTH, "both")])),
            on(&lattice, |lattice| abort_all(lattice, [(C, "c"), (MIXED, "mixed")])),
        ];
        join_all(threads);
        lattice.is_explained();
    });
}

#[test]
fn callbacks_run_once_with_what_their_node_says() {
    fn register(lattice: &Lattice, told: &Log<(usize, String)>) -> Vec<OnAbort> {
        let register = |(place, handle): (usize, &AbortHandle)| {
            let told = told.clone();
            handle.on_abort(move |aborted| told.note((place, text(aborted))))
        };
        lattice.nodes.iter().enumerate().map(register).collect()
    }
    shape(|| {
        let (lattice, kept, fleeting) = (Lattice::new(), Log::default(), Log::default());
        let (to_keep, to_take_back) = (kept.clone(), fleeting.clone());
        let below_a = lattice.nodes[BELOW_A].clone();
        let guard = lattice.nodes[A]
            .on_abort(move |_| assert!(below_a.is_aborted(), "all below is marked before"));
        let keeping = on(&lattice, move |lattice| register(lattice, &to_keep));
        let threads = [
            on(&lattice, |lattice| {
                lattice.abort(A, "a");
                lattice.abort(B, "b");
            }),
            on(&lattice, |lattice| lattice.abort(C, "c")),
            on(&lattice, move |lattice| {
                register(lattice, &to_take_back).into_iter().for_each(let_go);
            }),
        ];
        join_all(threads);
        let guards = (join_all([keeping]), guard);
        lattice.is_explained();

        let places = |log: &Log<(usize, String)>| {
            let mut places = Vec::new();
            for (place, told) in log.all() {
                assert_eq!(Some(told), lattice.said(place));
                places.push(place);
            }
            places.sort_unstable();
            places
        };
        assert_eq!(places(&kept), Vec::from_iter(0..ABOVE.len()));
        assert!(places(&fleeting).is_sorted_by(|a, b| a < b), "one ran twice");
        drop(guards);
    });
}

#[test]
fn a_lattice_dropped_while_it_aborts_leaves_nothing() {
    fn build_and_leave(lattice: &Lattice, alive: &Drops) {
        for (above, beside) in lattice.nodes.iter().zip(lattice.nodes.iter().rev()) {
            let made = [above.child(), above.join(beside), above.meet(beside)];
            let mut waiting = made.each_ref().map(|handle| {
                let token = alive.token();
                handle.on_abort(move |_| drop(token)).detach();
                Box::pin(counted(alive, handle.aborted()))
            });
            block_on(poll_fn(|cx| {
                for waiting in &mut waiting {
                    _ = waiting.as_mut().poll(cx);
                }
                Poll::Ready(())
            }));
            made.into_iter().for_each(let_go);
            waiting.into_iter().for_each(let_go);
        }
    }
    shape(|| {
        let (lattice, alive) = (Lattice::new(), Drops::default());
        for handle in &lattice.nodes {
            let token = alive.token();
            handle.on_abort(move |_| drop(token)).detach();
        }
        let (first, second) = (alive.clone(), alive.clone());
        let threads = [
            on(&lattice, |lattice| lattice.abort(A, "a")),
            on(&lattice, |lattice| lattice.abort(C, "c")),
            on(&lattice, move |lattice| build_and_leave(lattice, &first)),
            on(&lattice, move |lattice| build_and_leave(lattice, &second)),
        ];
        lattice.nodes.into_iter().rev().for_each(let_go);
        join_all(threads);
        assert_eq!(alive.live(), 0);
    });
}

#[test]
fn callbacks_that_abort_each_other_in_a_ring_end() {
    shape(|| {
        let (lattice, wakers) = (Lattice::new(), Drops::default());
        for (place, next) in [(A, B), (B, C), (C, A)] {
            let (next, last) = (lattice.nodes[next].clone(), lattice.nodes[LAST].clone());
            let passing_on = move |_: &Aborted| {
                next.abort("passed on");
                drop(last.on_abort(|_| {}));
                drop(last.child().join(&next));
            };
            lattice.nodes[place].on_abort(passing_on).detach();
        }
        let asleep = wakers.clone();
        let threads = [
            on(&lattice, |lattice| _ = lattice.nodes[A].abort("a")),
            on(&lattice, |lattice| _ = lattice.nodes[B].abort("b")),
            on(&lattice, |lattice| _ = lattice.nodes[C].abort("c")),
            on(&lattice, move |lattice| _ = sleep(&asleep, &lattice.nodes[LAST])),
        ];
        join_all(threads);
        assert!(lattice.nodes.iter().all(AbortHandle::is_aborted));
        assert_eq!(wakers.live(), 0);
    });
}
