//! The node of the lattice.
//!
//! # Invariants
//!
//! 1. **Stage.** A node is `DETACHED`, `ATTACHED` or `ABORTED`. The stage only rises, and only under
//!    the node's lock. A child of one parent begins detached, everything else attached.
//! 2. **Verdict.** The state is `Aborted` exactly when the stage is `ABORTED`. It gets there once,
//!    from `Live`, by [`settle`](Node::settle), and then never changes.
//! 3. **Links.** Whom a node has to tell lies in its `Live` state: its children, weakly, and wakers
//!    and callbacks, by value. `settle` takes all of it out, so an aborted node has no links, and it
//!    takes none: who comes later is given the verdict. A detached node has none either: whoever adds
//!    one attaches the node first.
//! 4. **Parents.** An attached node has, for each parent, a link in it, or that parent's abort has been
//!    counted, or a walk has the link in hand and is about to count it. A link is used up by being
//!    counted, so no parent counts twice.
//! 5. **Needed.** A meet counts the parents that have yet to abort before it does; every other node
//!    aborts with the first. The count only goes down, under the node's lock.
//! 6. **References** go up, from a node to its parents, which are older than it. Down they are weak.
//! 7. **Locks.** No thread holds the locks of two nodes, and no foreign code runs under one: a waker or
//!    a callback is cloned before and dropped, woken or called after. (The allocator is called.)
//!
//! # Nothing deadlocks
//!
//! By 7 whoever holds a lock waits for nothing: it runs a bounded piece of this file and lets go. With
//! several parents to a node there is no order of nodes that both an abort, from above, and a join, from
//! below, could keep; there is none between locks that are never held together. And foreign code may
//! come back in by any method, for it finds no lock held.
//!
//! # No wake-up is lost
//!
//! A registration and `settle` are both under the lock. Either the link is there when `settle` takes the
//! links, or the registration finds the verdict. Whatever was taken is told: `pass_down` catches panics
//! and goes on with the next. That is so for a link from node to child as well, so by induction from
//! the node that was aborted down, along any path, all below are marked. A child that attaches too late
//! for the walk takes the verdict over itself: by 3 it has nobody to tell, and if another thread has
//! attached it in time, it is left to the walk.
//!
//! # The first reason wins, everywhere below
//!
//! By 2 a node keeps the verdict that came first. What hangs on it is told by the one who settled it,
//! who alone has its links, and hears of that same verdict. So where two aborts meet, each node has the
//! reason of one that really reached it, and never of both; a node which only one of them reaches has
//! that one's. Each link is walked at most once, however many paths lead to it: an abort costs as much
//! as there are nodes and links below, also in a diamond of diamonds.
//!
//! An abort marks every node below before it tells anybody, so whoever is woken sees all of it: but for
//! what lies below a node where another abort came first, which that one marks in its own time.
//!
//! A detached child is as if it attached at the moment somebody first asks: until then nothing can tell
//! which of two aborts, its own and its parent's, came first, unless one had returned before the other
//! was called; and its own looks at the parent first.
//!
//! # Nothing leaks
//!
//! By 6 there is no cycle of nodes. What waits takes its link back when it is dropped; a node takes back
//! those in its parents, a join or a meet already when it is aborted. A child that nobody ever asks
//! leaves no trace in its parent, and touches nothing of it but the count of its references.
//!
//! Walks, down to abort and up to drop, keep a list of their own. The depth of the stack doesn't depend
//! on the depth of the lattice.

mod links;
mod walk;

use alloc::{collections::BTreeSet, vec::Vec};
use core::{
    mem,
    task::{Context, Poll},
};

pub(crate) use links::Key;
use links::{Call, Callback, Link, Links};
use walk::pass_down;

use super::{AbortReason, Aborted, Name, Position};
use crate::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU8, Ordering},
        static_atomic::AtomicU32,
    },
    wake::Panics,
};

/// Its parent doesn't know it yet.
const DETACHED: u8 = 0;
const ATTACHED: u8 = 1;
const ABORTED: u8 = 2;

pub(crate) struct Node {
    /// Release where it becomes `ABORTED`: pairs with the Acquire in `is_aborted`, so that what the
    /// aborting thread did before is seen by whoever sees the abort.
    stage: AtomicU8,
    /// Its place in `parent`, once attached. Written under the lock and read by the drop, which has
    /// the node to itself: atomic only to be written through a shared reference.
    key: AtomicU32,
    /// Of a node with one parent. Those of a join or a meet lie with its links.
    parent: Option<Arc<Node>>,
    state: Mutex<State>,
}

enum State {
    Live(Links),
    Aborted(Aborted),
}

// Methods that need the `Arc` take it as `this`: `portable-atomic`'s can't be a receiver.
impl Node {
    fn new(stage: u8, parent: Option<Arc<Self>>, links: Links) -> Self {
        Self {
            stage: AtomicU8::new(stage),
            key: AtomicU32::new(0),
            parent,
            state: Mutex::new(State::Live(links)),
        }
    }

    pub(super) fn root() -> Arc<Self> {
        Arc::new(Self::new(ATTACHED, None, Links::default()))
    }

    pub(super) fn named(name: Name) -> Arc<Self> {
        Arc::new(Self::new(ATTACHED, None, Links::named(name)))
    }

    /// Below `parent` alone.
    pub(super) fn child(parent: Arc<Self>) -> Arc<Self> {
        Arc::new(Self::new(DETACHED, Some(parent), Links::default()))
    }

    /// As `child`, whose own aborts name it.
    pub(super) fn named_child(parent: Arc<Self>, name: Name) -> Arc<Self> {
        Arc::new(Self::new(DETACHED, Some(parent), Links::named(name)))
    }

    /// Below each of `parents`: aborts with the first.
    pub(super) fn join(parents: Vec<Arc<Self>>) -> Arc<Self> {
        if parents.is_empty() { Self::root() } else { Self::below(parents, 1) }
    }

    /// Below all of `parents`: aborts with the last, at once where there are none.
    pub(super) fn meet(mut parents: Vec<Arc<Self>>) -> Arc<Self> {
        // In the order given: one of addresses would be another at each run.
        let mut counted = BTreeSet::new();
        parents.retain(|parent| counted.insert(Arc::as_ptr(parent).addr()));
        if parents.is_empty() {
            let node = Self::root();
            node.abort("nobody is left to wait for".into(), None);
            return node;
        }
        let needed = parents.len();
        Self::below(parents, needed)
    }

    fn below(mut parents: Vec<Arc<Self>>, needed: usize) -> Arc<Self> {
        if parents.len() == 1 {
            return Self::child(parents.remove(0));
        }
        let node = Arc::new(Self::new(ATTACHED, None, Links::needing(needed)));
        let mut above = Vec::with_capacity(parents.len());
        for parent in parents {
            match Self::link_child(&parent, &node) {
                Ok(key) => above.push((parent, key)),
                // It has no links yet: nobody else knows it.
                Err(verdict) => drop(node.parent_aborted(&verdict.at(Position::Above))),
            }
        }
        let taken_back = node.state.with(|state| match state {
            State::Live(links) => mem::replace(&mut links.rest().above, above),
            State::Aborted(_) => above,
        });
        for (parent, key) in taken_back {
            drop(parent.unlink_child(key));
        }
        node
    }

    /// One load, but for the first question put to a child.
    #[inline]
    pub(super) fn is_aborted(this: &Arc<Self>) -> bool {
        // Acquire: pairs with the Release in `settle`.
        let stage = this.stage.load(Ordering::Acquire);
        stage != ATTACHED && (stage == ABORTED || Self::attach(this))
    }

    /// Makes itself known to its parent, and tells whether that is aborted.
    #[cold]
    fn attach(this: &Arc<Self>) -> bool {
        // From the highest down: one that isn't attached itself hears of nothing.
        let mut detached = Vec::new();
        let mut node = this;
        while let Some(parent) = node.parent.as_ref().filter(|parent| parent.is_detached()) {
            detached.push(node);
            node = parent;
        }
        Self::attach_to_parent(node);
        while let Some(node) = detached.pop() {
            Self::attach_to_parent(node);
        }
        // Acquire: pairs with the Release in `settle`.
        this.stage.load(Ordering::Acquire) == ABORTED
    }

    fn attach_to_parent(this: &Arc<Self>) {
        let Some(parent) = &this.parent else { return };
        match Self::link_child(parent, this) {
            Ok(key) => {
                let attached = this.state.with(|_| {
                    let detached = this.is_detached();
                    if detached {
                        this.key.store(key.into_bits(), Ordering::Relaxed);
                        this.stage.store(ATTACHED, Ordering::Relaxed);
                    }
                    detached
                });
                // Another thread was first, or the node was aborted meanwhile.
                if !attached {
                    drop(parent.unlink_child(key));
                }
            }
            // If another thread has attached it, the walk that brings the verdict comes to it.
            Err(verdict) => _ = this.state.with(|state| this.settle_detached(state, verdict)),
        }
    }

    /// Takes the verdict of the parent over, if the node is still detached.
    fn settle_detached(&self, state: &mut State, above: Aborted) -> bool {
        let detached = self.is_detached();
        if detached {
            // By 3 it has no links.
            drop(self.settle(state, above.at(Position::Above)));
        }
        detached
    }

    /// Relaxed: what is decided by it is decided under the lock.
    fn is_detached(&self) -> bool {
        self.stage.load(Ordering::Relaxed) == DETACHED
    }

    pub(super) fn set_name(&self, name: Name) {
        let mut name = Some(name);
        self.state.with(|state| {
            if let State::Live(links) = state {
                core::mem::swap(&mut links.rest().name, &mut name);
            }
        });
    }

    /// Whether somebody else has it, or something hangs on it. Nobody can come to have it who hasn't already.
    pub(super) fn is_watched(this: &Arc<Self>) -> bool {
        Arc::strong_count(this) > 1
            || this.state.with(|state| match state {
                State::Live(links) => !links.is_empty(),
                State::Aborted(_) => false,
            })
    }

    pub(super) fn verdict(this: &Arc<Self>) -> Option<Aborted> {
        if !Self::is_aborted(this) {
            return None;
        }
        this.state.with(|state| match state {
            State::Live(_) => None,
            State::Aborted(verdict) => Some(verdict.clone()),
        })
    }

    pub(super) fn abort(&self, reason: AbortReason, cause: Option<Aborted>) -> bool {
        self.abort_with(|origin| {
            let aborted = Aborted::of(reason, origin.cloned(), Position::Here);
            match cause {
                Some(cause) => aborted.because(cause),
                None => aborted,
            }
        })
    }

    pub(super) fn pass_on(&self, verdict: Aborted) -> bool {
        self.abort_with(|_| verdict)
    }

    /// Aborts with what `verdict` makes of the node's name, unless an abort came first.
    fn abort_with(&self, verdict: impl FnOnce(Option<&Name>) -> Aborted) -> bool {
        if self.is_detached() {
            let above = self.parent.as_ref().and_then(Self::verdict);
            if let Some(above) = above {
                if self.state.with(|state| self.settle_detached(state, above)) {
                    return false;
                }
            }
        }
        let settled = self.state.with(|state| match state {
            State::Live(links) => {
                let verdict = verdict(links.name());
                self.settle(state, verdict.clone()).map(|links| (links, verdict))
            }
            State::Aborted(_) => None,
        });
        match settled {
            Some((links, verdict)) => {
                pass_down(links, &verdict);
                true
            }
            None => false,
        }
    }

    /// Sets the verdict, unless there is one, and gives out the links.
    fn settle(&self, state: &mut State, verdict: Aborted) -> Option<Links> {
        match mem::replace(state, State::Aborted(verdict)) {
            State::Live(links) => {
                // Release: pairs with the Acquire in `is_aborted`.
                self.stage.store(ABORTED, Ordering::Release);
                Some(links)
            }
            first => {
                *state = first;
                None
            }
        }
    }

    /// Counts a parent that has aborted. Gives out the links if that aborts the node.
    #[inline]
    fn parent_aborted(&self, verdict: &Aborted) -> Option<Links> {
        self.state.with(|state| {
            let due = match state {
                State::Live(links) => links.count_down(),
                State::Aborted(_) => false,
            };
            if due { self.settle(state, verdict.clone()) } else { None }
        })
    }

    /// Adds what `insert` adds, if the node is live. What it adds it must only borrow: it is dropped
    /// under the lock.
    fn link<R>(this: &Arc<Self>, insert: impl FnOnce(&mut Links) -> R) -> Result<R, Aborted> {
        if this.is_detached() {
            Self::attach(this);
        }
        this.state.with(|state| match state {
            State::Live(links) => Ok(insert(links)),
            State::Aborted(verdict) => Err(verdict.clone()),
        })
    }

    fn link_child(this: &Arc<Self>, child: &Arc<Self>) -> Result<Key, Aborted> {
        let child = Arc::downgrade(child);
        Self::link(this, |links| links.insert_child(child))
    }

    #[inline]
    fn unlink_child(&self, key: Key) -> Option<Link> {
        // Relaxed: an aborted node has no links, whatever else it has; nobody need wait for its lock. loom
        // is made to, or it wouldn't look for the orders in which the two meet there.
        if !cfg!(tenure_loom) && self.stage.load(Ordering::Relaxed) == ABORTED {
            return None;
        }
        self.state.with(|state| match state {
            State::Live(links) => links.remove_child(key),
            State::Aborted(_) => None,
        })
    }

    /// Takes back a waker or a callback, to be dropped by the caller.
    pub(super) fn unlink_call(&self, key: Key) -> Option<Link> {
        self.state.with(|state| match state {
            State::Live(links) => links.remove_call(key),
            State::Aborted(_) => None,
        })
    }

    /// Ready if aborted, else sees to it that the waker is woken by the abort. `key` is its place.
    #[inline]
    pub(super) fn poll_aborted(
        this: &Arc<Self>,
        cx: &mut Context<'_>,
        key: &mut Option<Key>,
    ) -> Poll<Aborted> {
        match Self::verdict(this) {
            Some(verdict) => Poll::Ready(verdict),
            None => Self::register(this, cx, key),
        }
    }

    fn register(this: &Arc<Self>, cx: &mut Context<'_>, key: &mut Option<Key>) -> Poll<Aborted> {
        let is_registered = key.is_some_and(|key| {
            this.state.with(|state| match state {
                State::Live(links) => {
                    links.task_mut(key).is_some_and(|waker| waker.will_wake(cx.waker()))
                }
                State::Aborted(_) => false,
            })
        });
        if is_registered {
            return Poll::Pending;
        }
        let mut new = Some(cx.waker().clone());
        let linked = Self::link(this, |links| match key.and_then(|key| links.task_mut(key)) {
            // The one that it replaces is dropped below.
            Some(registered) => new = new.take().map(|new| mem::replace(registered, new)),
            None => *key = new.take().map(|new| links.insert_call(Call::Task(new))),
        });
        drop(new);
        linked.map_or_else(Poll::Ready, |_| Poll::Pending)
    }

    /// Registers a callback, or runs it where the node has a verdict.
    pub(super) fn call(this: &Arc<Self>, callback: Callback) -> Option<Key> {
        let mut callback = Some(callback);
        let linked =
            Self::link(this, |links| Some(links.insert_call(Call::Callback(callback.take()?))));
        match (linked, callback) {
            (Err(verdict), Some(callback)) => {
                callback(&verdict);
                None
            }
            (linked, _) => linked.ok().flatten(),
        }
    }

    /// Drops what hangs on a node that nobody has any more, and leaves its parent: returns that if this was
    /// the last reference. Those of a join or a meet go to `joined`.
    fn let_go(&mut self, joined: &mut Vec<(Arc<Self>, Key)>, panics: &mut Panics) -> Option<Self> {
        if let State::Live(links) = self.state.get_mut() {
            if !links.is_empty() {
                mem::take(links).drop_each(joined, panics);
            }
        }
        let key = Key::from_bits(*self.key.get_mut());
        self.parent.take().and_then(|parent| Self::leave(parent, key))
    }

    /// Takes back the link in a parent, and returns that if this was the last reference.
    #[inline]
    fn leave(parent: Arc<Self>, key: Option<Key>) -> Option<Self> {
        if let Some(key) = key {
            drop(parent.unlink_child(key));
        }
        Arc::into_inner(parent)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let (mut joined, mut panics) = (Vec::new(), Panics::default());
        let mut next = self.let_go(&mut joined, &mut panics);
        // From here, however many there are above. Each is dropped with nothing left to let go.
        while next.is_some() || !joined.is_empty() {
            next = match next {
                Some(mut node) => node.let_go(&mut joined, &mut panics),
                None => joined.pop().and_then(|(parent, key)| Self::leave(parent, Some(key))),
            };
        }
        panics.resume();
    }
}
