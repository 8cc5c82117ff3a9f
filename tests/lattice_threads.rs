//! Threads that abort, drop, wait and build on one lattice at once leave it as if each abort had gone down
//! by the rules of join and meet.
//!
//! There need not be one order of the aborts that explains every node: of two joins of the same two
//! parents, each may be reached by another abort first. So each node is explained by those above it.

mod lattice_model;
mod support;

use std::{
    sync::{
        Arc, Barrier,
        mpsc::{Receiver, channel},
    },
    task::Poll,
    thread,
};

use proptest::{collection::vec, prelude::*, sample::Index, test_runner::TestCaseResult};
use tenure::{
    AbortHandle,
    abort::{OnAbort, WaitAborted},
};

use lattice_model::{Kind, Node, Verdict, below, build, kind, lattice, picks};
use support::{Count, on_wake, poll_once, poll_with};

const THREADS: usize = 4;

#[derive(Clone, Copy, Debug)]
enum Act {
    Abort,
    Drop,
    Wait,
    Register,
    Make(Kind),
}

type Step = (Act, Index, Vec<Index>);

fn step() -> impl Strategy<Value = Step> {
    let act = prop_oneof![
        4 => Just(Act::Abort),
        2 => Just(Act::Drop),
        3 => Just(Act::Wait),
        3 => Just(Act::Register),
        2 => kind().prop_map(Act::Make),
    ];
    (act, any::<Index>(), picks())
}

struct Waiter {
    handle: AbortHandle,
    slept: bool,
    future: WaitAborted,
    wakes: Count,
}

struct Callback {
    handle: AbortHandle,
    guard: OnAbort,
    told: Receiver<Verdict>,
}

/// What a thread did and holds in the end.
#[derive(Default)]
struct Done {
    /// Where it aborted, with which reason, and whether it was told to be the first.
    aborts: Vec<(usize, String, bool)>,
    waiters: Vec<Waiter>,
    callbacks: Vec<Callback>,
    made: Vec<(Node, AbortHandle)>,
}

fn wait(handle: &AbortHandle) -> Waiter {
    let (mut future, wakes) = (handle.aborted(), Count::default());
    let counted = wakes.clone();
    let slept = poll_with(&mut future, &on_wake(move || _ = counted.add())).is_pending();
    Waiter { handle: handle.clone(), slept, future, wakes }
}

fn register(handle: &AbortHandle) -> Callback {
    let (tell, told) = channel();
    // It may run while another thread has taken it back and is gone.
    let guard = handle.on_abort(move |aborted| drop(tell.send(aborted.into())));
    Callback { handle: handle.clone(), guard, told }
}

/// Takes the steps with the handles that a thread holds, each with its place in the lattice.
fn run(thread: usize, steps: &[Step], mut held: Vec<(usize, AbortHandle)>) -> Done {
    let mut done = Done::default();
    for (number, (act, pick, above)) in steps.iter().enumerate() {
        let (place, handle) = pick.get(&held);
        match act {
            Act::Abort => {
                let reason = format!("step {number} of thread {thread}");
                let first = handle.abort(reason.clone());
                done.aborts.push((*place, reason, first));
            }
            Act::Drop if held.len() == 1 => {}
            Act::Drop => drop(held.swap_remove(pick.index(held.len()))),
            Act::Wait => done.waiters.push(wait(handle)),
            Act::Register => done.callbacks.push(register(handle)),
            Act::Make(kind) => {
                let which: Vec<usize> = (0..held.len()).collect();
                let mut node = below(*kind, above, &which);
                let handles: Vec<_> = node.above.iter().map(|&which| &held[which].1).collect();
                let handle = node.make(usize::MAX, &handles);
                node.above.iter_mut().for_each(|above| *above = held[*above].0);
                done.made.push((node, handle));
            }
        }
    }
    done
}

/// Sees to it that the node's state and verdict follow from the aborts of itself and of those above.
fn explain(
    place: usize,
    node: &Node,
    says: Option<&Verdict>,
    done: &[Done],
    above: &[Option<Verdict>],
) -> TestCaseResult {
    let aborts = || done.iter().flat_map(|done| &done.aborts).filter(|abort| abort.0 == place);
    let firsts: Vec<_> = aborts().filter(|(_, _, first)| *first).collect();
    let due = node.is_due(|above_it| above[above_it].is_some());
    let was_aborted = node.kind != Kind::Never && aborts().next().is_some();
    prop_assert_eq!(says.is_some(), due || was_aborted);
    prop_assert!(firsts.len() <= 1, "each of {:?} was the first", firsts);

    let Some(says) = says else { return Ok(()) };
    if let Some((_, reason, _)) = firsts.first() {
        prop_assert_eq!(says, &node.verdict(place, reason));
    } else if !node.above.is_empty() {
        let mut above = node.above.iter().filter_map(|&above_it| above[above_it].as_ref());
        prop_assert!(due, "none was the first, and nothing above aborted it");
        prop_assert!(above.any(|above| above.seen_from_below() == *says), "whose is it?");
    }
    Ok(())
}

/// Sees to it that whoever waited was told once, and the verdict that the node still reports.
fn told(waiters: Vec<Waiter>, callbacks: Vec<Callback>) -> TestCaseResult {
    for Waiter { handle, slept, mut future, wakes } in waiters {
        let said = match poll_once(&mut future) {
            Poll::Ready(aborted) => Some(Verdict::from(&aborted)),
            Poll::Pending => None,
        };
        prop_assert_eq!(wakes.get(), usize::from(slept && handle.is_aborted()));
        prop_assert_eq!(said, Verdict::of(&handle));
    }
    for Callback { handle, guard, told } in callbacks {
        let told: Vec<Verdict> = told.try_iter().collect();
        prop_assert_eq!(told, Verdict::of(&handle).into_iter().collect::<Vec<_>>());
        drop(guard);
    }
    Ok(())
}

proptest! {
    // A race that is shrunk may not come again.
    #![proptest_config(ProptestConfig { cases: 400, max_shrink_iters: 100, ..Default::default() })]

    #[test]
    fn aborts_at_once_leave_each_node_as_the_rules_explain(
        mut lattice in lattice(12),
        programs in vec(vec(step(), 1..8), THREADS),
    ) {
        let (handles, _) = build(&lattice)?;
        let (mut waiters, mut callbacks): (Vec<_>, Vec<_>) =
            handles.iter().map(|handle| (wait(handle), register(handle))).unzip();
        let start = Barrier::new(THREADS);
        let mut done: Vec<Done> = thread::scope(|scope| {
            let threads: Vec<_> = programs.iter().enumerate().map(|(thread, steps)| {
                let held = handles.iter().cloned().enumerate().collect();
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    run(thread, steps, held)
                })
            }).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });

        let mut says: Vec<_> = handles.iter().map(Verdict::of).collect();
        for done in &mut done {
            for (node, handle) in done.made.drain(..) {
                says.push(Verdict::of(&handle));
                lattice.push(node);
            }
            waiters.append(&mut done.waiters);
            callbacks.append(&mut done.callbacks);
        }
        for (place, node) in lattice.iter().enumerate() {
            explain(place, node, says[place].as_ref(), &done, &says)?;
        }
        told(waiters, callbacks)?;
    }

    /// The last handle of a node may go on one thread while an abort comes down to it on another.
    #[test]
    fn a_lattice_that_is_dropped_while_it_aborts_is_gone_in_the_end(
        lattice in lattice(12),
        programs in vec(vec(step(), 1..8), THREADS),
    ) {
        let (handles, _) = build(&lattice)?;
        let token = Arc::new(());
        for handle in &handles {
            let held = token.clone();
            handle.on_abort(move |_| drop(held)).detach();
        }
        let start = Barrier::new(THREADS);
        let held: Vec<_> = (0..THREADS)
            .map(|_| handles.iter().cloned().enumerate().collect())
            .collect();
        drop(handles);
        thread::scope(|scope| {
            for (thread, (steps, held)) in programs.iter().zip(held).enumerate() {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    drop(run(thread, steps, held));
                });
            }
        });
        prop_assert_eq!(Arc::strong_count(&token), 1, "a node is left");
    }
}
