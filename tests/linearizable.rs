//! What threads that share a lattice are told has an order that explains it (it is linearizable), as
//! Lincheck shows it of data structures: random programs, each in many random orders, each history
//! held against a sequential model.
//!
//! `ci/shuttle` runs these, counts, and shows that they fail on broken doubles of the lattice. By hand:
//!
//! ```sh
//! RUSTFLAGS='--cfg tenure_shuttle' cargo test --release --test linearizable -- --nocapture
//! ```
//!
//! # What is claimed
//!
//! **Of every program**: there is one order of steps, each at a single node and within the call that
//! makes it, in which the model gives every answer that was given.
//!
//! - To ask, to wait, to register and to take back is one step. So is `abort` at its own node: each
//!   node is a register that is written once, and what it says is what was written first.
//! - An `abort` that was the first at its node then tells each node below, link by link, in any
//!   order; where a node is thereby aborted, what lies below that one as well. It returns no sooner
//!   than the last has been told.
//! - After that, and before it returns, it calls each waker and callback of the nodes that it
//!   aborted, once; one that is taken back meanwhile, or polled, it may call or not.
//! - To make a node is one step for each that lies above it, in the order given. Where that one was
//!   aborted before, whoever makes the node tells it, before it returns. (A child is really put on the
//!   list of the one above when it is first asked. No answer tells the difference.)
//!
//! **Of programs that keep to one node**, asking, waiting and aborting there alone, with one abort at
//! most of each node directly above: whole calls have such an order, with the whole of an abort in
//! one step.
//!
//! More can't be had, as `each_rule_refuses_what_breaks_it` spells out. A walk over many nodes is
//! seen half-way: above it has happened, below not yet. And where another call was the first at a
//! node, an `abort` (one that was too late, too) returns while that call is still on its way down, as
//! [`AbortHandle::abort`](tenure::AbortHandle::abort) says.
//!
//! # How it is shown
//!
//! A program is drawn from a seed, and so are the orders: what fails fails again. The program, the
//! history and the schedule are printed. The search for an order is our own: that of `stateright`,
//! the one kept crate that has any, knows calls of one step only, which an abort isn't. What shuttle
//! can't see is told in tests/shuttle.rs.
#![cfg(tenure_shuttle)]

mod lattice_history;
mod lattice_model;
mod support;
mod under_shuttle;

use std::{
    collections::HashSet,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{Arc, Mutex},
};

use shuttle::scheduler::RandomScheduler;
use tenure::abort::Position;

use lattice_history::{Abort, Answer, Call, Event, Program, Spec, explain, run};
use lattice_model::{Kind, Verdict};
use under_shuttle::SEED;

const PROGRAMS: u8 = 20;
const SCHEDULES: usize = 1_000;

/// Sees to it that each history of each program has an order that explains it.
fn programs(name: &str, draw: fn(u8) -> Program, abort: Abort) {
    for seed in 0..PROGRAMS {
        let program = Arc::new(draw(seed));
        let histories = Arc::new(Mutex::new(HashSet::new()));
        let (seen, spec) = (histories.clone(), Spec { program: program.clone(), abort });
        let scheduler = RandomScheduler::new_from_seed(SEED, SCHEDULES);
        let ran = catch_unwind(AssertUnwindSafe(|| {
            under_shuttle::run(scheduler, SCHEDULES, move || {
                let history = run(&spec.program);
                if let Err(at) = explain(&spec, &history) {
                    let history: String = (0..).zip(&history).map(line).collect();
                    panic!("no order explains event {at}\n{history}");
                }
                seen.lock().unwrap().insert(history);
            })
        }));
        let ran = ran.unwrap_or_else(|panic| {
            eprintln!("the program of seed {seed} is {program:?}");
            resume_unwind(panic)
        });
        let different = histories.lock().unwrap().len();
        println!("{name}, program {seed}: {ran}, {different} different histories");
    }
}

fn line((number, event): (usize, &Event)) -> String {
    format!("{number:4}  {event:?}\n")
}

#[test]
fn each_history_has_an_order_of_steps_at_one_node() {
    programs("any", Program::any, Abort::NodeByNode);
}

#[test]
fn each_history_of_one_node_has_an_order_of_whole_calls() {
    programs("one node", Program::one_node, Abort::AtOnce);
}

use Answer::{Is, Nothing, Says};
use Call::{Abort as Aborts, Check, IsAborted, Make, Register, StopWaiting, TakeBack, Wait};
use Event::{Called, Ran, Returned, Woken};

/// A call that nothing else comes between.
fn alone(thread: usize, call: Call, answer: Answer) -> Vec<Event> {
    vec![Called(thread, call), Returned(thread, answer)]
}

fn by(number: usize, position: Position) -> Verdict {
    Verdict { reason: format!("abort {number}"), origin: None, position }
}

/// Whether there is an order of single steps, and one of whole calls. So many of the nodes are there
/// from the start; at each one listens a waiter or callback of its number.
fn orders(nodes: &[(Kind, &[usize])], made: usize, history: &[Vec<Event>]) -> (bool, bool) {
    let program = Arc::new(Program::shape(nodes, made, (0..nodes.len()).collect()));
    let explains =
        |abort| explain(&Spec { program: program.clone(), abort }, &history.concat()).is_ok();
    (explains(Abort::NodeByNode), explains(Abort::AtOnce))
}

#[test]
fn each_rule_refuses_what_breaks_it() {
    const CHAIN: [(Kind, &[usize]); 3] =
        [(Kind::Root, &[]), (Kind::Child, &[0]), (Kind::Child, &[1])];
    let begun = |thread, call| vec![Called(thread, call)];
    let ended = |thread, answer| vec![Returned(thread, answer)];
    let is = |place, is| alone(7, IsAborted(place), Is(is));
    let abort = |number, place, first| alone(number, Aborts(place, number), Is(first));
    let begin = |number, place| begun(number, Aborts(place, number));
    let waits = |node| alone(8, Wait(node), Says(None));
    let registers = |node| alone(9, Register(node), Nothing);
    let [above, here] = [Position::Above, Position::Here].map(|position| by(1, position));
    let chain = |history: &[Vec<Event>]| orders(&CHAIN, 3, history);

    let (all, steps, none) = ((true, true), (true, false), (false, false));
    // It was the first, so it is aborted, and stays so.
    assert_eq!(chain(&[abort(1, 0, true), is(0, true)]), all);
    assert_eq!(chain(&[abort(1, 0, true), is(0, false)]), none);
    assert_eq!(chain(&[begin(1, 0), is(0, true), is(0, true), ended(1, Is(true))]), all);
    assert_eq!(chain(&[begin(1, 0), is(0, true), is(0, false), ended(1, Is(true))]), none);
    // Not before somebody began to.
    assert_eq!(chain(&[is(0, true), abort(1, 0, true)]), none);
    // One is the first.
    assert_eq!(chain(&[begin(1, 0), abort(2, 0, false), ended(1, Is(true))]), all);
    assert_eq!(chain(&[begin(1, 0), abort(2, 0, true), ended(1, Is(true))]), none);
    assert_eq!(chain(&[begin(1, 0), abort(2, 0, false), ended(1, Is(false))]), none);
    // Its reason stays.
    let says = |verdict: &Verdict| alone(7, Check(0), Says(Some(verdict.clone())));
    let both = [begin(1, 0), begin(2, 0)].concat();
    assert_eq!(chain(&[both.clone(), says(&here), says(&here)]), all);
    assert_eq!(chain(&[both, says(&here), says(&by(2, Position::Here))]), none);
    assert_eq!(chain(&[begin(1, 0), says(&above)]), none);
    // It goes down, is seen half-way, and has arrived when it returns.
    assert_eq!(chain(&[abort(1, 0, true), is(2, false)]), none);
    assert_eq!(chain(&[begin(1, 0), is(0, true), is(2, false), ended(1, Is(true))]), steps);
    assert_eq!(chain(&[begin(1, 0), is(2, true), is(0, true), ended(1, Is(true))]), all);
    assert_eq!(chain(&[begin(1, 0), is(2, true), is(0, false), ended(1, Is(true))]), none);
    assert_eq!(chain(&[begin(1, 0), is(2, true), is(1, false), ended(1, Is(true))]), none);
    // Unless another was there before, which may not have arrived; nor need who came too late wait
    // for it.
    assert_eq!(chain(&[begin(2, 1), abort(1, 0, true), is(2, false), ended(2, Is(true))]), steps);
    assert_eq!(chain(&[abort(2, 1, true), abort(1, 0, true), is(2, false)]), none);
    assert_eq!(chain(&[begin(2, 0), abort(1, 0, false), is(1, false), ended(2, Is(true))]), steps);
    // Who sleeps is woken, before it returns, after all is marked, once.
    assert_eq!(chain(&[waits(0), begin(1, 0), vec![Woken(0)], ended(1, Is(true))]), all);
    assert_eq!(chain(&[waits(0), abort(1, 0, true)]), none);
    assert_eq!(chain(&[waits(0), vec![Woken(0)], abort(1, 0, true)]), none);
    assert_eq!(chain(&[waits(0), begin(1, 0), vec![Woken(0)], is(2, false)]), none);
    assert_eq!(chain(&[waits(0), begin(1, 0), vec![Woken(0); 2]]), none);
    // Unless it has left.
    let leaves = alone(8, StopWaiting(0), Nothing);
    assert_eq!(chain(&[waits(0), leaves.clone(), abort(1, 0, true)]), all);
    assert_eq!(chain(&[waits(0), leaves.clone(), begin(1, 0), vec![Woken(0)]]), none);
    assert_eq!(chain(&[waits(0), begin(1, 0), leaves.clone(), vec![Woken(0)]]), all);
    assert_eq!(chain(&[waits(0), begin(1, 0), leaves, ended(1, Is(true))]), all);
    // A callback hears what the node says; from whoever registers it where it was aborted before.
    let ran = |verdict: &Verdict| vec![Ran(1, verdict.clone())];
    assert_eq!(chain(&[registers(1), begin(1, 0), ran(&above), ended(1, Is(true))]), all);
    assert_eq!(chain(&[registers(1), begin(1, 0), ran(&here), ended(1, Is(true))]), none);
    assert_eq!(chain(&[abort(1, 0, true), registers(1)]), none);
    let late = [begun(9, Register(1)), ran(&above), ended(9, Nothing)].concat();
    assert_eq!(chain(&[abort(1, 0, true), late]), all);
    let taken_back = alone(9, TakeBack(1), Nothing);
    assert_eq!(chain(&[registers(1), taken_back, begin(1, 0), ran(&above)]), none);
    // What is made meanwhile hears of it too: from the abort, or from whoever makes it.
    let made = |history: &[Vec<Event>]| orders(&CHAIN, 1, history);
    let make = || alone(6, Make(1), Nothing);
    assert_eq!(made(&[abort(1, 0, true), make(), is(1, true)]), all);
    assert_eq!(made(&[begin(1, 0), is(0, true), make(), is(1, false)]), none);
    assert_eq!(made(&[make(), begin(1, 0), is(0, true), is(1, false)]), steps);
    assert_eq!(made(&[make(), abort(1, 0, true), is(1, false)]), none);
}
