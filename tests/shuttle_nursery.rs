//! A nursery that one thread polls while four others spawn in it, wake, abort and are told: more than loom gets
//! through. How it is run, and what shuttle doesn't see of it, is told in tests/shuttle.rs.
#![cfg(tenure_shuttle)]

mod support;
mod under_shuttle;

use std::future::{Future, pending};

use shuttle::{
    future::{block_on, yield_now},
    thread,
};
use tenure::{
    Owned, OwnedFuture, Owner,
    scope::{AnyError, JoinHandle, Nursed, Nursery, Sent},
    time::TestClock,
};

use support::{Count, Drops, SECOND};
use under_shuttle::{let_go, shape};

/// A nursery, and a handle of it for other threads.
fn nursery<F: Future>(
    body: impl FnOnce(&Nursery<'static>) -> F,
) -> (Owned<Nursed<F, Sent<'static, AnyError>>>, Nursery<'static>) {
    let mut handle = None;
    let running = tenure::scope(|n| {
        handle = Some(n.clone());
        body(&n)
    });
    (running, handle.unwrap())
}

/// Runs `f` with the nursery on each of four threads.
fn on_four<R: Send + 'static>(
    n: &Nursery<'static>,
    f: impl Fn(usize, &Nursery<'static>) -> R + Clone + Send + 'static,
) -> Vec<thread::JoinHandle<R>> {
    let spawn = |number| {
        let (n, f) = (n.clone(), f.clone());
        thread::spawn(move || {
            let returned = f(number, &n);
            let_go(n);
            returned
        })
    };
    (0..4).map(spawn).collect()
}

fn join_all<R>(threads: Vec<thread::JoinHandle<R>>) -> Vec<R> {
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

async fn yields(times: usize) {
    for _ in 0..times {
        yield_now().await;
    }
}

#[test]
fn what_four_threads_spawn_while_a_nursery_ends_runs_or_is_told() {
    shape(|| {
        let (running, n) = nursery(|_| async {});
        let (alive, ran) = (Drops::default(), Count::default());
        let (at_work, runs) = (alive.clone(), ran.clone());
        let spawning = on_four(&n, move |number, n| {
            let run = |times| {
                let runs = runs.clone();
                let work = async move {
                    yields(times).await;
                    runs.add();
                };
                block_on(n.spawn(at_work.of(work))).is_ok()
            };
            // One after the other: the nursery may end after each.
            [number % 2, 1, 0].into_iter().filter(|times| run(*times)).count()
        });
        block_on(running).unwrap();
        let by_now = ran.get();
        let told: usize = join_all(spawning).into_iter().sum();
        assert_eq!((by_now, ran.get(), alive.live()), (told, told, 0));
    });
}

#[test]
fn what_four_threads_spawn_and_put_into_a_nursery_that_is_aborted_ends() {
    shape(|| {
        let (running, n) = nursery(|_| pending::<()>());
        let alive = Drops::default();
        let at_work = alive.clone();
        let spawning = on_four(&n, move |number, n| {
            if number == 3 {
                assert!(n.abort("stop"));
                return;
            }
            // It lives once it is polled, which it isn't where it is refused.
            let work = || {
                let alive = at_work.clone();
                async move { alive.of(pending::<()>()).await }
            };
            let (child, member) = (n.spawn(work()), work().in_scope(n));
            for ended in [block_on(member), block_on(child)] {
                assert_eq!(ended.unwrap_err().to_string(), "stop");
            }
        });
        assert_eq!(block_on(running).unwrap_err().to_string(), "stop");
        assert_eq!(alive.live(), 0);
        join_all(spawning);
        assert_eq!(alive.live(), 0);
    });
}

#[test]
fn children_whose_handles_are_aborted_have_their_time_to_end() {
    shape(|| {
        let (clock, alive) = (TestClock::new(), Drops::default());
        let (begun, saved) = (Count::default(), Count::default());
        let (running, n) = nursery(|_| yields(1));
        let children: Vec<_> = (0..4)
            .map(|number| {
                let (begun, saved) = (begun.clone(), saved.clone());
                let work = async move {
                    begun.add();
                    Owner::current().unwrap().aborted().await;
                    yields(number % 2).await;
                    saved.add();
                };
                alive.of(work).with_grace(SECOND).with_timer(&clock).spawn_in(&n)
            })
            .collect();
        let aborting: Vec<_> = children
            .into_iter()
            .enumerate()
            .map(|(number, child): (usize, JoinHandle<()>)| {
                thread::spawn(move || {
                    assert!(child.abort("enough"));
                    // Half of them aren't waited for.
                    match number % 2 {
                        0 => let_go(child),
                        _ => assert_eq!(block_on(child).unwrap_err().to_string(), "enough"),
                    }
                })
            })
            .collect();
        let_go(n);
        block_on(running).unwrap();
        assert_eq!((saved.get(), alive.live()), (begun.get(), 0));
        join_all(aborting);
    });
}
