//! A lattice as a list of nodes, each after those above it, and what one abort after another does to it.

#![allow(dead_code, reason = "no test file needs all of it")]

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use proptest::{collection::vec, prelude::*, sample::Index};
use tenure::{
    AbortHandle,
    abort::{Aborted, Position},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Never,
    Root,
    Named,
    Child,
    Any,
    All,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    /// The places of its parents in the list.
    pub(crate) above: Vec<usize>,
}

/// What an abort tells, with the reason as text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Verdict {
    pub(crate) reason: String,
    pub(crate) origin: Option<String>,
    pub(crate) position: Position,
}

impl Verdict {
    pub(crate) fn of(handle: &AbortHandle) -> Option<Self> {
        handle.check().err().as_ref().map(Self::from)
    }

    pub(crate) fn seen_from_below(&self) -> Self {
        Self { position: Position::Above, ..self.clone() }
    }
}

impl From<&Aborted> for Verdict {
    fn from(aborted: &Aborted) -> Self {
        Self {
            reason: aborted.reason().to_string(),
            origin: aborted.origin().map(str::to_owned),
            position: aborted.position(),
        }
    }
}

impl Node {
    /// Whether what lies above aborts this node. Of none a join never aborts and a meet has.
    pub(crate) fn is_due(&self, is_aborted: impl Fn(usize) -> bool) -> bool {
        let mut above = self.above.iter().map(|&place| is_aborted(place));
        match self.kind {
            Kind::Never | Kind::Root | Kind::Named => false,
            Kind::Child | Kind::Any => above.any(|aborted| aborted),
            Kind::All => above.all(|aborted| aborted),
        }
    }

    /// What an abort of this very node tells, if it stands at `place`.
    pub(crate) fn verdict(&self, place: usize, reason: &str) -> Verdict {
        Verdict {
            reason: reason.to_owned(),
            origin: (self.kind == Kind::Named).then(|| name(place)),
            position: Position::Here,
        }
    }

    pub(crate) fn make(&self, place: usize, above: &[&AbortHandle]) -> AbortHandle {
        match (self.kind, above) {
            (Kind::Never, _) => AbortHandle::never(),
            (Kind::Root, _) => AbortHandle::new(),
            (Kind::Named, _) => AbortHandle::named(name(place)),
            (Kind::Child, _) => above[0].child(),
            (Kind::Any, [a, b]) => *a | *b,
            (Kind::Any, _) => AbortHandle::any(above.iter().copied()),
            (Kind::All, [a, b]) => *a & *b,
            (Kind::All, _) => AbortHandle::all(above.iter().copied()),
        }
    }
}

fn name(place: usize) -> String {
    format!("root {place}")
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Model {
    nodes: Arc<Vec<Node>>,
    verdicts: Vec<Option<Verdict>>,
    /// Of which node above which one below has been told that it was aborted.
    told: BTreeSet<(usize, usize)>,
}

impl Model {
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn verdict(&self, place: usize) -> Option<&Verdict> {
        self.verdicts[place].as_ref()
    }

    /// Adds a node that was just made and `says` whether it is aborted. Made below several aborts,
    /// it may report any of them, but has to stay with it.
    pub(crate) fn add(&mut self, node: Node, says: Option<Verdict>) -> Result<(), TestCaseError> {
        let due = node.is_due(|place| self.verdicts[place].is_some());
        prop_assert_eq!(says.is_some(), due, "{:?} says {:?}", node, says);
        let aborted = || node.above.iter().filter(|&&place| self.verdicts[place].is_some());
        if due && !node.above.is_empty() {
            let mut above = aborted().filter_map(|&place| self.verdict(place));
            prop_assert!(above.any(|above| Some(above.seen_from_below()) == says));
        }
        let told: Vec<_> = aborted().map(|&above| (above, self.len())).collect();
        self.told.extend(told);
        self.push(node);
        *self.verdicts.last_mut().expect("it was just added") = says;
        Ok(())
    }

    /// Adds a node that nothing above has told anything yet.
    pub(crate) fn push(&mut self, node: Node) {
        Arc::make_mut(&mut self.nodes).push(node);
        self.verdicts.push(None);
    }

    /// Aborts the node and all below it, and tells whether it was this call that did.
    pub(crate) fn abort(&mut self, place: usize, reason: &str) -> bool {
        let first = self.abort_alone(place, reason);
        let mut aborted = VecDeque::from_iter(first.then_some(place));
        while let Some(above) = aborted.pop_front() {
            for below in above + 1..self.len() {
                if self.nodes[below].above.contains(&above) && self.tell(above, below) {
                    aborted.push_back(below);
                }
            }
        }
        first
    }

    /// The first step of an abort: what lies below has yet to be told.
    pub(crate) fn abort_alone(&mut self, place: usize, reason: &str) -> bool {
        let verdict = self.nodes[place].verdict(place, reason);
        self.nodes[place].kind != Kind::Never && self.settle(place, verdict)
    }

    /// Each further step of it: tells a node of the abort of one above it, and whether that aborts it.
    pub(crate) fn tell(&mut self, above: usize, below: usize) -> bool {
        let verdict = self.verdict(above).expect("it was aborted").seen_from_below();
        self.told.insert((above, below));
        let due = self.nodes[below].is_due(|above| self.told.contains(&(above, below)));
        due && self.settle(below, verdict)
    }

    fn settle(&mut self, place: usize, verdict: Verdict) -> bool {
        let first = self.verdicts[place].is_none();
        self.verdicts[place].get_or_insert(verdict);
        first
    }
}

pub(crate) fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        1 => Just(Kind::Never),
        3 => Just(Kind::Root),
        2 => Just(Kind::Named),
        4 => Just(Kind::Child),
        6 => Just(Kind::Any),
        8 => Just(Kind::All),
    ]
}

/// Picks of parents, as many as a kind may need.
pub(crate) fn picks() -> impl Strategy<Value = Vec<Index>> {
    prop_oneof![vec(any::<Index>(), 2), vec(any::<Index>(), 0..5)]
}

/// A node of this kind below some of those that `held` are, and a root where there are none.
pub(crate) fn below(kind: Kind, picks: &[Index], held: &[usize]) -> Node {
    let how_many = match kind {
        Kind::Never | Kind::Root | Kind::Named => 0,
        Kind::Child => 1,
        Kind::Any | Kind::All => picks.len(),
    };
    if held.is_empty() || (how_many > picks.len()) {
        return Node { kind: Kind::Root, above: Vec::new() };
    }
    let above = picks[..how_many].iter().map(|pick| *pick.get(held)).collect();
    Node { kind, above }
}

pub(crate) fn lattice(most: usize) -> impl Strategy<Value = Vec<Node>> {
    vec((kind(), picks()), 3..most).prop_map(|nodes| {
        let places: Vec<usize> = (0..nodes.len()).collect();
        let node = |(place, (kind, picks)): (usize, (Kind, Vec<Index>))| {
            below(kind, &picks, &places[..place])
        };
        nodes.into_iter().enumerate().map(node).collect()
    })
}

/// The handles of a lattice that is made whole, with its model.
pub(crate) fn build(lattice: &[Node]) -> Result<(Vec<AbortHandle>, Model), TestCaseError> {
    build_and(lattice, |_| true)
}

/// As `build`, where nobody has asked a handle anything, but for what is aborted from the start.
pub(crate) fn build_unasked(lattice: &[Node]) -> Result<(Vec<AbortHandle>, Model), TestCaseError> {
    build_and(lattice, |due| due)
}

fn build_and(
    lattice: &[Node],
    asks: impl Fn(bool) -> bool,
) -> Result<(Vec<AbortHandle>, Model), TestCaseError> {
    let (mut handles, mut model) = (Vec::new(), Model::default());
    for (place, node) in lattice.iter().enumerate() {
        let above: Vec<&AbortHandle> = node.above.iter().map(|&above| &handles[above]).collect();
        let handle = node.make(place, &above);
        let due = node.is_due(|above| model.verdict(above).is_some());
        let says = if asks(due) { Verdict::of(&handle) } else { None };
        model.add(node.clone(), says)?;
        handles.push(handle);
    }
    Ok((handles, model))
}
