//! Shapes too big for loom, on many threads at once: each promise holds in ten thousand orders drawn at
//! random, and in ten thousand that preempt at the few points where it may hurt (PCT).
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
//! - **Memory orderings** are all taken for `SeqCst`. What is too weak is found by tests/loom.rs.
//! - **The counts of `Arc`**, which are the standard one's. Several threads change a count only where they
//!   clone, drop, or go from a child's `Weak` up to the child. Between two of these a thread of the
//!   lattice takes a lock, at which it can be overtaken; where a test drops handle after handle, it gives way first
//!   (`Alive::drop`), so that each of them may be the last one.
//! - **event-listener**, whose lock is the standard one too. No thread may be switched out while it holds
//!   that, or the next one at it would wait for ever. It calls back in one place, the relay of
//!   `src/wake.rs`, whose locks are therefore hidden from shuttle; before and after there is a point at which it may
//!   switch.
#![cfg(tenure_shuttle)]

use std::{
    any::type_name,
    future::{Future, pending, poll_fn},
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize as Count, Ordering::Relaxed},
    },
    task::{Context, Wake, Waker},
};

use shuttle::{
    Config, Runner,
    future::{block_on, spawn, yield_now},
    scheduler::{PctScheduler, RandomScheduler, Scheduler},
    thread,
};
use tenure::{AbortHandle, AbortReason, OwnedFuture, Scope};

const SCHEDULES: usize = 10_000;
const SEED: u64 = 1;
/// How many preemptions PCT plans, and one: bugs of lattices and queues need few.
const DEPTH: usize = 4;

/// Runs `threads` in many orders, and says in how many.
fn shape<F: Fn() + Send + Sync + 'static>(threads: F) {
    let threads = Arc::new(threads);
    let name = type_name::<F>().split("::").nth(1).unwrap_or("?");
    run(name, "random", RandomScheduler::new_from_seed(SEED, SCHEDULES), threads.clone());
    run(name, "PCT", PctScheduler::new_from_seed(SEED, DEPTH, SCHEDULES), threads);
}

fn run<F: Fn() + Send + Sync + 'static>(
    name: &str,
    order: &str,
    scheduler: impl Scheduler + 'static,
    threads: Arc<F>,
) {
    let mut config = Config::new();
    config.silence_warnings = true;
    let ran = Runner::new(scheduler, config).run(move || threads());
    println!("{name}, {order}: Completed {ran} of {SCHEDULES} schedules");
    assert_eq!(ran, SCHEDULES);
}

#[test]
fn a_scope_closes_once_its_eight_members_are_gone() {
    shape(|| {
        let scope = Scope::new("scope");
        let gone = Arc::new(Count::new(0));
        let seen = gone.clone();
        scope.defer(move |_| assert_eq!(seen.load(Relaxed), 8));
        let members: Vec<_> = (0..8)
            .map(|n| {
                let gone = gone.clone();
                let work = async move {
                    if n % 2 == 0 {
                        yield_now().await;
                    }
                    gone.fetch_add(1, Relaxed);
                };
                spawn(work.in_scope(&scope))
            })
            .collect();
        let closing = [1, 2].map(|_| {
            let scope = scope.clone();
            thread::spawn(move || block_on(scope.close()).steps())
        });
        let steps = closing.map(|close| close.join().unwrap());
        assert_eq!(steps, [1, 1]);
        for member in members {
            block_on(member).unwrap().unwrap();
        }
    });
}
