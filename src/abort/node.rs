//! The node of the lattice.
//!
//! Invariants:
//!
//! 1. `verdict` is set once and never changes; `aborted` is true from then on. Both are written
//!    under the node's lock, `aborted` last.
//! 2. A node knows what lies below it by `links`: children weakly, wakers and callbacks by value.
//!    Once it has a verdict it has no links and takes none: who comes later gets the verdict instead.
//!    So an abort and a registration, both under the lock, can't miss each other.
//! 3. A node keeps its parents alive, with the key of its link in each. It takes the links back when
//!    it is dropped, so a parent has no link of a dead child for longer than that takes.
//! 4. `needed` counts the parents that have yet to abort before the node does: one for a join, all
//!    of them, each once, for a meet. It only goes down, and only through a link, which is used up.
//! 5. No thread holds the locks of two nodes, and no foreign code runs under one: a waker or a
//!    callback is taken out first, cloned before and dropped after. So there is no order of locks to
//!    keep and nothing that could come back in.
//! 6. Walks over the lattice, down to abort and up to drop, keep a list of their own. The depth of
//!    the stack doesn't depend on the depth of the lattice.
//!
//! An abort marks every node below before it wakes anybody, so whoever is woken sees all of it: but for
//! what lies below a node where another abort came first, which that one marks in its own time.

use alloc::{
    boxed::Box,
    collections::{BTreeSet, VecDeque},
    vec::Vec,
};
use core::{
    mem,
    task::{Context, Poll, Waker},
};

use super::{AbortReason, Aborted, Name, Position};
use crate::{
    slab::Slab,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, Ordering},
    },
    wake::Panics,
};

/// A place among the links of a node.
pub(crate) type Key = usize;

type Callback = Box<dyn FnOnce(&Aborted) + Send>;

pub(crate) struct Node {
    /// Release where it is set, in `State::settle`: pairs with the Acquire in `is_aborted`, so that
    /// what the aborting thread did before is seen by whoever sees the abort.
    aborted: AtomicBool,
    state: Mutex<State>,
}

struct State {
    verdict: Option<Aborted>,
    name: Option<Box<Name>>,
    needed: usize,
    parents: Parents,
    links: Slab<Link>,
}

enum Parents {
    None,
    One(Arc<Node>, Key),
    Many(Vec<(Arc<Node>, Key)>),
}

pub(crate) enum Link {
    Child(Weak<Node>),
    Task(Waker),
    Call(Callback),
}

impl Node {
    pub(super) fn root(name: Option<Name>) -> Arc<Self> {
        Arc::new(Self::new(name, 0))
    }

    /// Below `parent` alone.
    pub(super) fn child(parent: Arc<Self>) -> Arc<Self> {
        Self::below([parent], 1)
    }

    /// Below each of `parents`: aborts with the first.
    pub(super) fn join(parents: Vec<Arc<Self>>) -> Arc<Self> {
        Self::below(parents, 1)
    }

    /// Below all of `parents`: aborts with the last, at once where there are none.
    pub(super) fn meet(mut parents: Vec<Arc<Self>>) -> Arc<Self> {
        // In the order given: one of addresses would be another at each run.
        let mut counted = BTreeSet::new();
        parents.retain(|parent| counted.insert(Arc::as_ptr(parent).addr()));
        let needed = parents.len();
        let node = Self::below(parents, needed);
        if needed == 0 {
            node.abort("nobody is left to wait for".into(), None);
        }
        node
    }

    fn new(name: Option<Name>, needed: usize) -> Self {
        Self {
            aborted: AtomicBool::new(false),
            state: Mutex::new(State {
                verdict: None,
                name: name.map(Box::new),
                needed,
                parents: Parents::None,
                links: Slab::new(),
            }),
        }
    }

    fn below(parents: impl IntoIterator<Item = Arc<Self>>, needed: usize) -> Arc<Self> {
        let node = Arc::new(Self::new(None, needed));
        let mut linked = Parents::None;
        for parent in parents {
            match parent.link(Link::Child(Arc::downgrade(&node))) {
                Ok(key) => linked.push(parent, key),
                Err((_, verdict)) => node.parent_aborted(verdict),
            }
        }
        node.state.with(|state| state.parents = linked);
        node
    }

    /// What a parent that has aborted before it could be linked means to a node without links.
    fn parent_aborted(&self, verdict: Aborted) {
        let verdict = verdict.at(Position::Above);
        let links = self.state.with(|state| state.count_down(&verdict, &self.aborted));
        debug_assert!(links.is_none_or(|links| links.into_values().next().is_none()));
    }

    pub(super) fn is_aborted(&self) -> bool {
        // Acquire: pairs with the Release in `State::settle`.
        self.aborted.load(Ordering::Acquire)
    }

    pub(super) fn verdict(&self) -> Option<Aborted> {
        if !self.is_aborted() {
            return None;
        }
        self.state.with(|state| state.verdict.clone())
    }

    pub(super) fn abort(&self, reason: AbortReason, cause: Option<Aborted>) -> bool {
        if self.is_aborted() {
            return false;
        }
        let origin = self.state.with(|state| state.name.clone()).map(|name| *name);
        let aborted = Aborted::of(reason, origin, Position::Here);
        self.pass_on(match cause {
            Some(cause) => aborted.because(cause),
            None => aborted,
        })
    }

    pub(super) fn pass_on(&self, verdict: Aborted) -> bool {
        let Some(links) = self.state.with(|state| state.settle(&verdict, &self.aborted)) else {
            return false;
        };
        let mut panics = Panics::default();
        let calls = mark_all_below(links, &verdict, &mut panics);
        let below = verdict.clone().at(Position::Above);
        for (depth, call) in calls {
            panics.run(|| match call {
                Call::Task(waker) => waker.wake(),
                Call::Callback(call) if depth == 0 => call(&verdict),
                Call::Callback(call) => call(&below),
            });
        }
        panics.resume();
        true
    }

    /// Adds a link, or hands it back with the verdict.
    fn link(&self, link: Link) -> Result<Key, (Link, Aborted)> {
        self.state.with(|state| match &state.verdict {
            Some(verdict) => Err((link, verdict.clone())),
            None => Ok(state.links.insert(link)),
        })
    }

    /// Takes a link back, to be dropped by the caller.
    pub(super) fn unlink(&self, key: Key) -> Option<Link> {
        self.state.with(|state| state.links.remove(key))
    }

    pub(super) fn poll_aborted(
        &self,
        cx: &mut Context<'_>,
        key: &mut Option<Key>,
    ) -> Poll<Aborted> {
        if let Some(key) = *key {
            // Whoever holds a key and isn't woken yet has nothing to do: the common re-poll.
            let settled =
                self.state.with(|state| match (&state.verdict, state.links.get_mut(key)) {
                    (Some(verdict), _) => Some(Poll::Ready(verdict.clone())),
                    (None, Some(Link::Task(waker))) if waker.will_wake(cx.waker()) => {
                        Some(Poll::Pending)
                    }
                    _ => None,
                });
            if let Some(settled) = settled {
                return settled;
            }
        } else if let Some(verdict) = self.verdict() {
            return Poll::Ready(verdict);
        }
        let replaced = key.take().and_then(|key| self.unlink(key));
        let linked = self.link(Link::Task(cx.waker().clone()));
        drop(replaced);
        match linked {
            Ok(new) => {
                *key = Some(new);
                Poll::Pending
            }
            Err((_, verdict)) => Poll::Ready(verdict),
        }
    }

    /// Registers a callback, or runs it where the node has a verdict.
    pub(super) fn call(&self, call: Callback) -> Option<Key> {
        match self.link(Link::Call(call)) {
            Ok(key) => Some(key),
            Err((Link::Call(call), verdict)) => {
                call(&verdict);
                None
            }
            Err(_) => None,
        }
    }
}

impl State {
    /// Sets the verdict, unless there is one, and gives out the links.
    fn settle(&mut self, verdict: &Aborted, aborted: &AtomicBool) -> Option<Slab<Link>> {
        if self.verdict.is_some() {
            return None;
        }
        self.verdict = Some(verdict.clone());
        // Release: pairs with the Acquire in `Node::is_aborted`.
        aborted.store(true, Ordering::Release);
        Some(mem::replace(&mut self.links, Slab::new()))
    }

    /// As `settle`, on behalf of one parent.
    fn count_down(&mut self, verdict: &Aborted, aborted: &AtomicBool) -> Option<Slab<Link>> {
        self.needed = self.needed.saturating_sub(1);
        if self.needed > 0 { None } else { self.settle(verdict, aborted) }
    }
}

enum Call {
    Task(Waker),
    Callback(Callback),
}

/// Marks what lies below `links` and returns whom to tell, each with its depth.
fn mark_all_below(links: Slab<Link>, verdict: &Aborted, panics: &mut Panics) -> Vec<(usize, Call)> {
    let below = verdict.clone().at(Position::Above);
    let mut calls = Vec::new();
    let mut levels = VecDeque::from([(0, links)]);
    while let Some((depth, links)) = levels.pop_front() {
        for link in links.into_values() {
            match link {
                Link::Task(waker) => calls.push((depth, Call::Task(waker))),
                Link::Call(call) => calls.push((depth, Call::Callback(call))),
                Link::Child(child) => {
                    let Some(child) = child.upgrade() else { continue };
                    let links = child.state.with(|state| state.count_down(&below, &child.aborted));
                    if let Some(links) = links {
                        levels.push_back((depth + 1, links));
                    }
                    // It may be the last reference by now, and drop callbacks of its own.
                    panics.run(|| drop(child));
                }
            }
        }
    }
    calls
}

impl Parents {
    fn push(&mut self, parent: Arc<Node>, key: Key) {
        *self = match mem::replace(self, Self::None) {
            Self::None => Self::One(parent, key),
            Self::One(first, first_key) => {
                Self::Many(Vec::from([(first, first_key), (parent, key)]))
            }
            Self::Many(mut many) => {
                many.push((parent, key));
                Self::Many(many)
            }
        }
    }

    fn move_to(self, list: &mut Vec<(Arc<Node>, Key)>) {
        match self {
            Self::None => {}
            Self::One(parent, key) => list.push((parent, key)),
            Self::Many(many) => list.extend(many),
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let mut above = Vec::new();
        let state = self.state.get_mut();
        mem::replace(&mut state.parents, Parents::None).move_to(&mut above);
        let mut panics = Panics::default();
        for link in mem::replace(&mut state.links, Slab::new()).into_values() {
            panics.run(|| drop(link));
        }
        while let Some((parent, key)) = above.pop() {
            drop(parent.unlink(key));
            // Where this was the last reference, its parents come next, from here.
            if let Some(mut parent) = Arc::into_inner(parent) {
                mem::replace(&mut parent.state.get_mut().parents, Parents::None)
                    .move_to(&mut above);
                panics.run(|| drop(parent));
            }
        }
        panics.resume();
    }
}
