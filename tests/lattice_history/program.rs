//! What each of some threads does, drawn from a seed.

use proptest::{
    collection::vec,
    prelude::*,
    sample::Index,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use crate::lattice_model::{Kind, Node, below};

/// The number of a waiter or a callback.
pub(crate) type Listener = usize;

/// Handles are known by their places in the list of nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Call {
    Make(usize),
    Drop(usize),
    /// The number tells it from all others of the program.
    Abort(usize, usize),
    IsAborted(usize),
    Check(usize),
    /// Begins to wait, and polls once.
    Wait(Listener),
    PollAgain(Listener),
    StopWaiting(Listener),
    Register(Listener),
    TakeBack(Listener),
}

#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) nodes: Vec<Node>,
    /// So many of them are there from the start; the threads make the others.
    pub(crate) made: usize,
    /// At which node each listens.
    pub(crate) listeners: Vec<usize>,
    pub(crate) threads: Vec<Vec<Call>>,
    aborts: usize,
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Make(Kind),
    Drop,
    Abort,
    IsAborted,
    Check,
    Wait,
    PollAgain,
    StopWaiting,
    Register,
    TakeBack,
}

type Step = (Act, Index, Vec<Index>);

/// The most steps of a thread.
const MOST: usize = 5;

fn asking() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => Just(Act::IsAborted),
        3 => Just(Act::Check),
        3 => Just(Act::Wait),
        2 => Just(Act::PollAgain),
        1 => Just(Act::StopWaiting),
        2 => Just(Act::Register),
        1 => Just(Act::TakeBack),
    ]
}

/// Many children: theirs is the short way.
fn below_others() -> impl Strategy<Value = Kind> {
    prop_oneof![4 => Just(Kind::Child), 1 => Just(Kind::Any), 1 => Just(Kind::All)]
}

/// One at least: a meet of none begins aborted.
fn parents() -> impl Strategy<Value = Vec<Index>> {
    vec(any::<Index>(), 1..4)
}

fn root() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Root), Just(Kind::Named)]
}

fn steps(act: impl Strategy<Value = Act>) -> impl Strategy<Value = Vec<Vec<Step>>> {
    vec(vec((act, any::<Index>(), parents()), 2..=MOST), 3..=4)
}

fn draw<T>(seed: u8, from: impl Strategy<Value = T>) -> T {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    match from.new_tree(&mut runner) {
        Ok(tree) => tree.current(),
        Err(why) => panic!("{why}"),
    }
}

impl Program {
    /// What a history by hand is about.
    pub(crate) fn shape(nodes: &[(Kind, &[usize])], made: usize, listeners: Vec<usize>) -> Self {
        let node = |(kind, above): &(Kind, &[usize])| Node { kind: *kind, above: above.to_vec() };
        let mut program = Self::of([], 0);
        program.nodes = nodes.iter().map(node).collect();
        (program.made, program.listeners) = (made, listeners);
        program
    }

    /// Any calls on any nodes, also on those that another thread makes.
    pub(crate) fn any(seed: u8) -> Self {
        let act = prop_oneof![
            3 => below_others().prop_map(Act::Make),
            1 => Just(Act::Drop),
            4 => Just(Act::Abort),
            8 => asking(),
        ];
        let nodes = (vec(root(), 1..3), vec((below_others(), parents()), 1..4));
        let ((roots, others), threads) = draw(seed, (nodes, steps(act)));
        let mut program = Self::of(roots, threads.len());
        for (kind, above) in others {
            program.add(kind, &above);
        }
        program.made = program.nodes.len();
        // The first step of each thread, then the second: what is made early is there for the others.
        for number in 0..MOST {
            for (thread, steps) in threads.iter().enumerate() {
                if let Some(step) = steps.get(number) {
                    let place = step.1.index(program.nodes.len());
                    program.push(thread, step, place);
                }
            }
        }
        program
    }

    /// Any calls on one node, and one abort of each that lies directly above it.
    pub(crate) fn one_node(seed: u8) -> Self {
        let act = prop_oneof![1 => Just(Act::Abort), 4 => asking()];
        let roots = vec((root(), any::<Index>(), any::<Index>()), 1..4);
        let (roots, kind, above, threads) =
            draw(seed, (roots, below_others(), parents(), steps(act)));
        let mut program = Self::of(roots.iter().map(|(kind, ..)| *kind), threads.len());
        let node = program.add(kind, &above);
        program.made = program.nodes.len();
        for (thread, steps) in threads.iter().enumerate() {
            for step in steps {
                program.push(thread, step, node);
            }
        }
        for (place, (_, thread, when)) in roots.iter().enumerate() {
            let abort = program.abort(place);
            let calls = &mut program.threads[thread.index(threads.len())];
            calls.insert(when.index(calls.len() + 1), abort);
        }
        program
    }

    fn of(roots: impl IntoIterator<Item = Kind>, threads: usize) -> Self {
        let nodes = roots.into_iter().map(|kind| Node { kind, above: Vec::new() }).collect();
        let threads = vec![Vec::new(); threads];
        Self { nodes, made: 0, listeners: Vec::new(), threads, aborts: 0 }
    }

    fn add(&mut self, kind: Kind, above: &[Index]) -> usize {
        let places: Vec<_> = (0..self.nodes.len()).collect();
        self.nodes.push(below(kind, above, &places));
        places.len()
    }

    fn listen(&mut self, place: usize) -> Listener {
        self.listeners.push(place);
        self.listeners.len() - 1
    }

    fn abort(&mut self, place: usize) -> Call {
        self.aborts += 1;
        Call::Abort(place, self.aborts)
    }

    fn push(&mut self, thread: usize, (act, pick, above): &Step, place: usize) {
        let own = |listens: fn(&Call) -> Option<Listener>| {
            let own: Vec<_> = self.threads[thread].iter().filter_map(listens).collect();
            (!own.is_empty()).then(|| *pick.get(&own))
        };
        let waiter = || own(|call| if let Call::Wait(it) = call { Some(*it) } else { None });
        let callback = || own(|call| if let Call::Register(it) = call { Some(*it) } else { None });
        let call = match act {
            Act::Make(kind) => Some(Call::Make(self.add(*kind, above))),
            Act::Drop => Some(Call::Drop(place)),
            Act::Abort => Some(self.abort(place)),
            Act::IsAborted => Some(Call::IsAborted(place)),
            Act::Check => Some(Call::Check(place)),
            Act::Wait => Some(Call::Wait(self.listen(place))),
            Act::Register => Some(Call::Register(self.listen(place))),
            Act::PollAgain => waiter().map(Call::PollAgain),
            Act::StopWaiting => waiter().map(Call::StopWaiting),
            Act::TakeBack => callback().map(Call::TakeBack),
        };
        self.threads[thread].extend(call);
    }
}
