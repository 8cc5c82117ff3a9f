//! What may happen when, by the lattice's model: the steps of each call, one at a time.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{Answer, Call, Event, Listener, Program, recorded::reason};
use crate::lattice_model::Model;

/// How much of an abort is one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Abort {
    /// All of it.
    AtOnce,
    /// Each node of it.
    NodeByNode,
}

pub(crate) struct Spec {
    pub(crate) program: Arc<Program>,
    pub(crate) abort: Abort,
}

/// What has happened so far, and what is owed by those who are at it, which are known by their threads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    lattice: Model,
    linked: BTreeSet<(usize, usize)>,
    listening: BTreeSet<Listener>,
    at_it: BTreeMap<usize, (Call, Stage)>,
    /// Who has to tell whom below of the abort of whom above.
    untold: BTreeSet<(usize, usize, usize)>,
    /// Who has to call which listener, and whether that may be left out by now.
    uncalled: BTreeMap<Listener, (usize, bool)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Stage {
    Called,
    /// So many of those above have been linked.
    Linked(usize),
    Done(Answer),
}

impl Spec {
    pub(crate) fn start(&self) -> State {
        let mut lattice = Model::default();
        let mut linked = BTreeSet::new();
        for (place, node) in self.program.nodes.iter().enumerate() {
            lattice.push(node.clone());
            if place < self.program.made {
                linked.extend(node.above.iter().map(|&above| (above, place)));
            }
        }
        State {
            lattice,
            linked,
            listening: BTreeSet::new(),
            at_it: BTreeMap::new(),
            untold: BTreeSet::new(),
            uncalled: BTreeMap::new(),
        }
    }

    /// What is seen of the threads, if it may happen now.
    pub(crate) fn observe(&self, mut state: State, event: &Event) -> Option<State> {
        let untold = |state: &State, by| state.untold.iter().any(|&(thread, ..)| thread == by);
        match event {
            Event::Called(thread, call) => {
                state.at_it.insert(*thread, (*call, Stage::Called));
            }
            Event::Returned(thread, answer) => {
                let (_, stage) = state.at_it.remove(thread)?;
                let mine = |(by, _): &(usize, bool)| by == thread;
                let must = |it: &(usize, bool)| mine(it) && !it.1;
                if stage != Stage::Done(answer.clone())
                    || untold(&state, *thread)
                    || state.uncalled.values().any(must)
                {
                    return None;
                }
                state.uncalled.retain(|_, it| !mine(it));
            }
            Event::Woken(listener) | Event::Ran(listener, _) => {
                let (by, _) = state.uncalled.remove(listener)?;
                let verdict = state.lattice.verdict(self.program.listeners[*listener]);
                let told = match event {
                    Event::Ran(_, told) => verdict == Some(told),
                    _ => true,
                };
                // Nobody is called before the last node below has been marked.
                if !told || untold(&state, by) {
                    return None;
                }
            }
        }
        Some(state)
    }

    /// What may happen unseen.
    pub(crate) fn steps(&self, state: &State) -> Vec<State> {
        let calls = state.at_it.iter().filter_map(|(thread, (call, stage))| {
            let mut next = state.clone();
            let stage = self.step(&mut next, *thread, *call, stage)?;
            next.at_it.insert(*thread, (*call, stage));
            Some(next)
        });
        let told = state.untold.iter().map(|&untold| {
            let mut next = state.clone();
            self.tell(&mut next, untold);
            next
        });
        calls.chain(told).collect()
    }

    fn step(&self, state: &mut State, thread: usize, call: Call, stage: &Stage) -> Option<Stage> {
        let done = |is: bool| Some(Stage::Done(Answer::Is(is)));
        let linked = match stage {
            Stage::Called => 0,
            Stage::Linked(linked) => *linked,
            Stage::Done(_) => return None,
        };
        match call {
            Call::Make(place) => return Some(self.link(state, thread, place, linked)),
            Call::Abort(place, number) => {
                let first = state.lattice.abort_alone(place, &reason(number));
                if first {
                    self.aborted(state, thread, place);
                }
                return done(first);
            }
            Call::IsAborted(place) => return done(state.lattice.verdict(place).is_some()),
            Call::Check(place) => {
                return Some(Stage::Done(Answer::Says(state.lattice.verdict(place).cloned())));
            }
            Call::Wait(listener) | Call::PollAgain(listener) => {
                let says = state.lattice.verdict(self.program.listeners[listener]).cloned();
                match says {
                    // It was told, and need not be woken any more.
                    Some(_) => state.excuse(listener),
                    None => _ = state.listening.insert(listener),
                }
                return Some(Stage::Done(Answer::Says(says)));
            }
            Call::Register(listener) => {
                match state.lattice.verdict(self.program.listeners[listener]) {
                    Some(_) => _ = state.uncalled.insert(listener, (thread, false)),
                    None => _ = state.listening.insert(listener),
                }
            }
            Call::StopWaiting(listener) | Call::TakeBack(listener) => {
                state.listening.remove(&listener);
                // The abort may have it in hand.
                state.excuse(listener);
            }
            Call::Drop(_) => {}
        }
        Some(Stage::Done(Answer::Nothing))
    }

    /// Links a new node to the next of those above it. Where that one was aborted, whoever makes the
    /// node has to tell it.
    fn link(&self, state: &mut State, thread: usize, place: usize, linked: usize) -> Stage {
        let Some(&above) = self.program.nodes[place].above.get(linked) else {
            return Stage::Done(Answer::Nothing);
        };
        if state.lattice.verdict(above).is_none() {
            state.linked.insert((above, place));
        } else if self.abort == Abort::NodeByNode {
            state.untold.insert((thread, above, place));
        } else {
            self.tell(state, (thread, above, place));
        }
        match self.abort {
            Abort::NodeByNode => Stage::Linked(linked + 1),
            Abort::AtOnce => self.link(state, thread, place, linked + 1),
        }
    }

    fn tell(&self, state: &mut State, untold: (usize, usize, usize)) {
        let (by, above, below) = untold;
        state.untold.remove(&untold);
        if state.lattice.tell(above, below) {
            self.aborted(state, by, below);
        }
    }

    /// The node was aborted just now. Whoever did that has to tell all that know of it.
    fn aborted(&self, state: &mut State, by: usize, place: usize) {
        let below = state.linked.range((place, 0)..(place + 1, 0));
        state.untold.extend(below.map(|&(above, below)| (by, above, below)));
        let (due, listening) =
            state.listening.iter().partition(|&&it| self.program.listeners[it] == place);
        let due: BTreeSet<Listener> = due;
        state.listening = listening;
        state.uncalled.extend(due.into_iter().map(|listener| (listener, (by, false))));
        if self.abort == Abort::AtOnce {
            while let Some(&untold) = state.untold.first() {
                self.tell(state, untold);
            }
        }
    }
}

impl State {
    fn excuse(&mut self, listener: Listener) {
        if let Some((_, excused)) = self.uncalled.get_mut(&listener) {
            *excused = true;
        }
    }
}
