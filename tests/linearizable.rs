//! draft
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

use lattice_history::{Abort, Event, Program, Spec, explain, run};
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
                    panic!("no order explains event {at} of\n{history}");
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
