//! A scope of eight on several threads, and a tree of scopes, more than loom gets through: it closes only
//! when all its members are gone, cleans up once, and leaves nobody asleep, in ten thousand orders drawn
//! at random and ten thousand by PCT.
//!
//! How it is run, and what shuttle doesn't see of it, is told in tests/shuttle.rs. One thing more:
//! event-listener, by which [`Scope::close`] sleeps, has the standard lock. A thread that was
//! switched out while it holds that would keep the others waiting for ever. It holds it over one
//! thing of ours, the relay of `src/wake.rs`, whose locks are therefore hidden from shuttle; a thread
//! may be switched out before and after.
#![cfg(tenure_shuttle)]

mod support;
mod under_shuttle;

use std::{
    future::{Future, pending, poll_fn},
    task::Poll,
};

use shuttle::{
    future::{JoinHandle, block_on, spawn, yield_now},
    thread,
};
use tenure::{OwnedFuture, Scope, scope::Reaper, time::TestClock};

use support::{ByHand, Count, Drops};
use under_shuttle::{let_go, shape};

/// Eight tasks, which come to the scope as they are made.
fn eight<F>(member: impl Fn(usize) -> F) -> Vec<JoinHandle<F::Output>>
where
    F: Future<Output: Send> + Send + 'static,
{
    (0..8).map(|number| spawn(member(number))).collect()
}

fn outputs<T>(tasks: Vec<JoinHandle<T>>) -> Vec<T> {
    tasks.into_iter().map(|task| block_on(task).unwrap()).collect()
}

/// Defers a step that finds no member left, and counts itself.
fn defer(scope: &Scope, alive: &Drops) -> Count {
    let (alive, runs) = (alive.clone(), Count::default());
    let counted = runs.clone();
    scope.defer(move |_| {
        assert_eq!(alive.live(), 0, "cleaned up before all are gone");
        counted.add();
    });
    runs
}

/// Closes the scope on a thread of its own, and tells how many steps of clean-up have been run, and how
/// many members are there.
fn closing(scope: &Scope, alive: &Drops) -> thread::JoinHandle<(usize, usize)> {
    let (scope, alive) = (scope.clone(), alive.clone());
    thread::spawn(move || {
        let steps = block_on(scope.close()).clean_up().steps;
        (steps, alive.live())
    })
}

fn closed<const N: usize>(closing: [thread::JoinHandle<(usize, usize)>; N]) {
    for close in closing {
        assert_eq!(close.join().unwrap(), (1, 0));
    }
}

#[test]
fn a_scope_closes_once_its_eight_members_are_gone() {
    shape(|| {
        let (scope, alive) = (Scope::new("scope"), Drops::default());
        let runs = defer(&scope, &alive);
        let members = eight(|number| {
            let work = async move {
                for _ in 0..number % 3 {
                    yield_now().await;
                }
                number
            };
            alive.of(work).in_scope(&scope)
        });
        closed([closing(&scope, &alive), closing(&scope, &alive)]);
        assert_eq!((scope.members(), runs.get()), (0, 1));
        let outputs: Vec<_> = outputs(members).into_iter().map(Result::unwrap).collect();
        assert_eq!(outputs, Vec::from_iter(0..8));
    });
}

#[test]
fn an_abort_ends_eight_members_that_would_wait_for_ever() {
    shape(|| {
        let (scope, alive) = (Scope::new("scope"), Drops::default());
        let runs = defer(&scope, &alive);
        let members = eight(|_| alive.of(pending::<()>()).in_scope(&scope));
        let aborting = scope.clone();
        let abort = thread::spawn(move || aborting.abort("stop"));
        closed([closing(&scope, &alive), closing(&scope, &alive)]);
        assert!(abort.join().unwrap());
        assert_eq!((scope.members(), runs.get()), (0, 1));
        for output in outputs(members) {
            assert_eq!(output.unwrap_err().to_string(), "stop (in `scope`)");
        }
    });
}

#[test]
fn the_failure_of_one_ends_the_other_seven() {
    shape(|| {
        let (scope, alive) = (Scope::new("scope"), Drops::default());
        let runs = defer(&scope, &alive);
        let members = eight(|number| {
            let work = async move {
                yield_now().await;
                // Two of them, at once: one is the first.
                if number < 2 { Err(number) } else { pending().await }
            };
            alive.of(work).try_in_scope(&scope)
        });
        closed([closing(&scope, &alive)]);
        assert_eq!((scope.members(), runs.get()), (0, 1));
        let why = scope.abort_handle().reason().unwrap().to_string();
        assert!(["a sibling failed: 0", "a sibling failed: 1"].contains(&why.as_str()), "{why}");
        let mut failed = 0;
        for (number, output) in outputs(members).into_iter().enumerate() {
            match output {
                Ok(error) => {
                    assert_eq!(error, Err::<(), _>(number));
                    failed += 1;
                }
                Err(aborted) => assert_eq!(aborted.reason().to_string(), why),
            }
        }
        assert!((1..=2).contains(&failed));
    });
}

#[test]
fn who_comes_while_a_scope_closes_runs_or_is_refused() {
    shape(|| {
        let (scope, alive) = (Scope::new("scope"), Drops::default());
        let (runs, started) = (defer(&scope, &alive), Count::default());
        let coming: Vec<_> = (0..4)
            .map(|_| {
                let (scope, alive, started) = (scope.clone(), alive.clone(), started.clone());
                thread::spawn(move || {
                    [1, 2].map(|_| {
                        let (work, alive) = (started.polls_of(yield_now()), alive.clone());
                        // It lives once it is polled, which it isn't where it is refused.
                        let member = async move { alive.of(work).await }.in_scope(&scope);
                        block_on(member).is_ok()
                    })
                })
            })
            .collect();
        closed([closing(&scope, &alive)]);
        let by_now = started.get();
        let ran: Vec<_> = coming.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        // Each one that ran was polled twice, and none of them once it was closed.
        let ran = ran.into_iter().filter(|ran| *ran).count();
        assert_eq!((started.get(), by_now), (2 * ran, 2 * ran));
        assert_eq!((scope.members(), runs.get()), (0, 1));
    });
}

#[test]
fn a_scope_that_is_dropped_ends_its_eight_members_and_cleans_up_once() {
    shape(|| {
        let (scope, alive) = (Scope::new("scope"), Drops::default());
        let runs = defer(&scope, &alive);
        let members = eight(|_| alive.of(pending::<()>()).in_scope(&scope));
        let clones = [scope.clone(), scope].map(|scope| thread::spawn(move || let_go(scope)));
        clones.into_iter().for_each(|clone| clone.join().unwrap());
        for output in outputs(members) {
            assert_eq!(output.unwrap_err().to_string(), "its owner has ended (in `scope`)");
        }
        assert_eq!((alive.live(), runs.get()), (0, 1));
    });
}

#[test]
fn a_clean_up_that_is_given_up_is_gone_on_with_by_the_next() {
    shape(|| {
        let (clock, alive) = (TestClock::new(), Drops::default());
        let scope = Scope::builder("scope").timer(&clock).build();
        let runs = Count::default();
        let counted = runs.clone();
        scope.defer_async(move |_| async move {
            yield_now().await;
            yield_now().await;
            counted.add();
        });
        let members = eight(|_| alive.of(yield_now()).in_scope(&scope));
        let fleeting = scope.clone();
        let given_up = thread::spawn(move || {
            let mut close = ByHand::new(fleeting.close());
            for _ in 0..3 {
                thread::yield_now();
                if close.poll().is_ready() {
                    return;
                }
            }
            let_go(close);
        });
        closed([closing(&scope, &alive), closing(&scope, &alive)]);
        given_up.join().unwrap();
        assert_eq!((scope.members(), runs.get()), (0, 1));
        outputs(members).into_iter().for_each(|output| output.unwrap());
    });
}

#[test]
fn a_tree_of_scopes_closes_from_below_while_members_come_and_go() {
    shape(|| {
        let (root, alive) = (Scope::new("root"), Drops::default());
        let middle = [root.child("left"), root.child("right")];
        let leaves: Vec<_> =
            middle.iter().flat_map(|above| [(); 2].map(|()| above.child("leaf"))).collect();
        let (below, above) = (Count::default(), Count::default());
        for leaf in &leaves {
            let counted = below.clone();
            leaf.defer(move |_| _ = counted.add());
        }
        for (scope, leaves) in [(&middle[0], 2), (&middle[1], 2), (&root, 4)] {
            let (below, above) = (below.clone(), above.clone());
            // It isn't counted where it panics.
            scope.defer(move |_| {
                assert!(below.get() >= leaves);
                above.add();
            });
        }
        let coming: Vec<_> = leaves
            .into_iter()
            .map(|leaf| {
                let alive = alive.clone();
                thread::spawn(move || {
                    // It lives once it is polled, which it isn't where it is refused.
                    let member = || {
                        let alive = alive.clone();
                        async move { alive.of(yield_now()).await }
                    };
                    _ = block_on(member().in_scope(&leaf));
                    let late = leaf.child("late");
                    _ = block_on(member().in_scope(&late));
                    let_go(leaf);
                    // Kept until all is over.
                    late
                })
            })
            .collect();
        let fleeting = root.clone();
        let given_up = thread::spawn(move || {
            let mut close = ByHand::new(fleeting.close());
            for _ in 0..2 {
                if close.poll().is_ready() {
                    return;
                }
                thread::yield_now();
            }
            let_go(close);
        });
        block_on(root.close());
        assert_eq!((alive.live(), root.members()), (0, 0));
        assert_eq!((below.get(), above.get()), (4, 3));
        for thread in coming {
            let late = alive.of(yield_now()).in_scope(&thread.join().unwrap());
            assert!(block_on(late).is_err());
        }
        given_up.join().unwrap();
    });
}

#[test]
fn a_reaper_cleans_up_for_scopes_that_are_dropped_on_several_threads() {
    shape(|| {
        let (clock, reaper) = (TestClock::new(), Reaper::new());
        let cleaned = Count::default();
        let mut closed = Vec::new();
        let mut dropping = Vec::new();
        for _ in 0..3 {
            let scope = Scope::builder("scope").timer(&clock).reaper(&reaper).build();
            closed.push(Box::pin(scope.closed()));
            let (counted, alive) = (cleaned.clone(), Drops::default());
            let none_left = alive.clone();
            scope.defer_async(move |_| async move {
                assert_eq!(none_left.live(), 0);
                yield_now().await;
                counted.add();
            });
            let member = alive.of(yield_now()).in_scope(&scope);
            dropping.push(thread::spawn(move || _ = block_on(member)));
            dropping.push(thread::spawn(move || let_go(scope)));
        }
        let mut reaping = Box::pin(reaper.run());
        block_on(poll_fn(|cx| {
            assert!(reaping.as_mut().poll(cx).is_pending());
            closed.retain_mut(|closed| closed.as_mut().poll(cx).is_pending());
            if closed.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        }));
        assert_eq!(cleaned.get(), 3);
        dropping.into_iter().for_each(|thread| thread.join().unwrap());
    });
}
