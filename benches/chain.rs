//! What the composed chain costs on a future that is ready at once, against that future alone.
//!
//! `cargo bench --bench chain` prints a line for each subject, tab-separated: its name, the median
//! and the least nanoseconds of one run (make, poll, drop), its size in bytes, and how often it
//! allocates. `-- --quick` takes a few rounds only.

mod runs;
mod side_by_side;

use std::future::Future;

use runs::{EachChain, for_each_chain, ready_at_once};
use side_by_side::{Contest, Options, allocator, each};

const RUNS: usize = 1_000;

fn main() {
    let options = Options::of_command_line();
    let mut chains = Chains { contest: Contest::new("chain"), memory: Vec::new() };
    for_each_chain(&mut chains);
    println!("subject\tmedian ns\tleast ns\tbytes\tallocations");
    let outcomes = chains.contest.run(options.effort());
    for (subject, memory) in outcomes[0].subjects.iter().zip(chains.memory) {
        println!(
            "{}\t{:.1}\t{:.1}\t{}\t{}",
            subject.name,
            subject.median(),
            subject.least(),
            memory.size,
            memory.allocations
        );
    }
}

struct Chains {
    contest: Contest<'static>,
    memory: Vec<Memory>,
}

struct Memory {
    size: usize,
    allocations: f64,
}

impl EachChain for Chains {
    fn chain<F: Future + 'static>(&mut self, name: &'static str, make: impl Fn() -> F + 'static) {
        let run = ready_at_once(make);
        let ((), requested) = allocator::count(|| (0..RUNS).for_each(|_| run()));
        let allocations = requested.calls as f64 / RUNS as f64;
        self.memory.push(Memory { size: size_of::<F>(), allocations });
        self.contest.add(name, each(run));
    }
}
