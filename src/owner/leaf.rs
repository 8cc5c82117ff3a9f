//! What the user's own future keeps while it runs.

use core::{
    cell::OnceCell,
    fmt,
    future::Future,
    mem::{self, ManuallyDrop},
    pin::Pin,
    task::{Context, Poll, Waker},
};

use super::{Lent, Link, Owner, ambient};
use crate::{
    abort::{AbortHandle, AbortReason, Aborted, Position},
    slab::Slab,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    wake::Panics,
};

/// What a leaf of a chain, the user's own future, keeps while it runs: the node of its owner in the lattice, once
/// somebody has asked for it.
///
/// With `std`, what runs in the future finds its owner by `Owner::current()`.
pub struct LeafState {
    /// Mostly there is none: whether there is one to drop is looked at in place, and the drop stands apart.
    node: ManuallyDrop<OnceCell<Arc<Node>>>,
}

/// So often a future that is being ended is polled while all that holds it has yet to come to its turn: to know, or
/// to go on. Of many in one, each may have its turn late; but one that plain code has put aside never has.
const IN_VAIN: usize = 32;

/// Aborted when the run ends.
struct Node {
    abort: AbortHandle,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// How many below take their time to end.
    holds: usize,
    /// Those of them that know that it is time.
    told: Slab<Arc<Woken>>,
    /// How often it was polled since one of those was, while none of them waited.
    in_vain: usize,
    /// Why the run is being ended, while some of them hold.
    ending: Option<Aborted>,
    /// Whom the last of them wakes.
    task: Option<Waker>,
}

impl Default for LeafState {
    #[inline]
    fn default() -> Self {
        Self { node: ManuallyDrop::new(OnceCell::new()) }
    }
}

impl LeafState {
    /// Polls the future, which finds its owner if it asks.
    #[inline]
    pub(crate) fn poll<F: Future>(
        &self,
        future: Pin<&mut F>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
    ) -> Poll<F::Output> {
        ambient::publish(&lent.with(Link::Leaf(self)), || future.poll(cx))
    }

    /// Ends the run of the future in `slot`: at once, unless something in it holds.
    pub(crate) fn poll_abort<F: Future>(
        &mut self,
        mut slot: Pin<&mut Option<F>>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
        aborted: &Aborted,
    ) -> Poll<()> {
        // First the handle, so that whoever listens knows why before the future is gone.
        if let Some(node) = self.node.get() {
            node.begin_end(aborted);
            if node.is_held(cx.waker()) {
                let polled = slot.as_mut().as_pin_mut().map(|future| self.poll(future, cx, lent));
                if polled.is_some_and(|polled| polled.is_pending()) && node.goes_on(cx.waker()) {
                    return Poll::Pending;
                }
            }
        }
        slot.set(None);
        self.clear();
        // Where plain code around it is being ended, too, no more of that is to run.
        match lent.leaves().any(|(leaf, _)| leaf.is_ending()) {
            true => Poll::Pending,
            false => Poll::Ready(()),
        }
    }

    /// The run has ended.
    #[inline]
    pub(crate) fn clear(&mut self) {
        if self.node.get().is_some() {
            self.end();
        }
    }

    #[cold]
    #[inline(never)]
    fn end(&mut self) {
        if let Some(node) = self.node.take() {
            if node.abort.is_watched() {
                node.abort.abort(AbortReason::ScopeEnded);
            }
        }
    }

    /// What it is to those below; `lent` is what it is lent itself.
    fn node(&self, lent: &Lent<'_>) -> &Arc<Node> {
        let make = || Arc::new(Node { abort: lent.child(), state: Mutex::new(State::default()) });
        self.node.get_or_init(make)
    }

    /// The owner of the future; the same one each time.
    pub(crate) fn owner(&self, lent: &Lent<'_>) -> Owner {
        lent.owner_with(self.node(lent).abort.clone())
    }

    pub(super) fn handle(&self) -> Option<&AbortHandle> {
        self.node.get().map(|node| &node.abort)
    }

    /// Whether it is being ended, while something below holds that.
    pub(super) fn is_ending(&self) -> bool {
        self.node.get().is_some_and(|node| node.ending().is_some())
    }

    pub(super) fn hold(&self, lent: &Lent<'_>) -> Hold {
        let node = self.node(lent).clone();
        node.state.with(|state| state.holds += 1);
        Hold { node, told: None }
    }
}

impl Node {
    fn begin_end(&self, aborted: &Aborted) {
        let aborted = aborted.clone().at(Position::Above);
        let mut new = Some(aborted.clone());
        self.state.with(|state| state.ending = state.ending.take().or_else(|| new.take()));
        self.abort.pass_on(aborted);
    }

    fn ending(&self) -> Option<Aborted> {
        self.state.with(|state| state.ending.clone())
    }

    /// Whether something holds; the last one wakes `task` then.
    fn is_held(&self, task: &Waker) -> bool {
        let mut task = Some(task.clone());
        let held = self.state.with(|state| {
            mem::swap(&mut state.task, &mut task);
            state.holds > 0
        });
        drop(task);
        held
    }

    /// Whether it goes on, now that it was polled.
    fn goes_on(&self, task: &Waker) -> bool {
        let (goes_on, at_once) = self.state.with(|state| {
            let waits = state.told.values_mut().any(|woken| !woken.is_set());
            state.in_vain += usize::from(!waits);
            (state.holds > 0 && (waits || state.in_vain < IN_VAIN), !waits)
        });
        if goes_on && at_once {
            task.wake_by_ref();
        }
        goes_on
    }
}

/// Keeps a leaf above from being dropped while it is being ended, until this is dropped.
pub(crate) struct Hold {
    node: Arc<Node>,
    /// Its place among those that know that the leaf is being ended.
    told: Option<usize>,
}

/// Whether one that was told has been woken since it was polled. Until then it waits for something, which is waited
/// for; after that, for its turn.
///
/// Release and Acquire: whoever is polled because of the wake-up finds it set.
#[derive(Debug, Default)]
pub(crate) struct Woken(AtomicBool);

impl Woken {
    fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub(super) fn clear(&self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Hold {
    /// Whether it holds that very leaf.
    pub(super) fn is_of(&self, leaf: &LeafState) -> bool {
        leaf.node.get().is_some_and(|node| Arc::ptr_eq(node, &self.node))
    }

    /// Why the leaf is being ended, if it is: from now on that is waited for, until it is `woken` and isn't polled.
    pub(super) fn ending(&mut self, woken: &mut Option<Arc<Woken>>) -> Option<Aborted> {
        self.node.state.with(|state| {
            let ending = state.ending.clone()?;
            state.in_vain = 0;
            if self.told.is_none() {
                self.told = Some(state.told.insert(woken.get_or_insert_default().clone()));
            }
            Some(ending)
        })
    }

    /// The handle that is aborted when it is.
    pub(crate) fn handle(&self) -> &AbortHandle {
        &self.node.abort
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let (task, told) = self.node.state.with(|state| {
            state.holds -= 1;
            let told = self.told.take().and_then(|place| state.told.remove(place));
            (if state.holds == 0 { state.task.take() } else { None }, told)
        });
        drop(told);
        let mut panics = Panics::default();
        panics.wake_all(task);
        panics.resume();
    }
}

impl Drop for LeafState {
    #[inline]
    fn drop(&mut self) {
        self.clear();
    }
}

impl fmt::Debug for LeafState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeafState").field("abort", &self.handle()).finish()
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hold").field("abort", &self.node.abort).finish()
    }
}
