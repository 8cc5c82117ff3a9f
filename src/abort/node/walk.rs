//! An abort on its way down.

use alloc::{boxed::Box, collections::VecDeque, vec::Vec};
use core::{mem, task::Waker};

use super::{
    Node,
    links::{Call, Callback, Key, Link, Links, Rest},
};
use crate::{
    abort::{Aborted, Position},
    sync::{Arc, Weak},
    wake::Panics,
};

/// Marks all below a node that gave out `links` for `verdict`, then tells whoever asked to be told:
/// callbacks first, so that a task that is woken finds them run.
///
/// Foreign code runs in the second half alone, with all marked and no lock held.
pub(super) fn pass_down(links: Links, verdict: &Aborted) {
    let mut walk = Walk {
        below: verdict.clone().at(Position::Above),
        callbacks: Vec::new(),
        wakers: Vec::new(),
        levels: VecDeque::new(),
        joined: Vec::new(),
        live: Vec::new(),
    };
    walk.sort(links);
    let here = walk.callbacks.len();
    while let Some(level) = walk.levels.pop_front() {
        match level {
            Level::One(child) => walk.mark(child),
            Level::Many(rest) => rest.children.into_values().for_each(|child| walk.mark(child)),
        }
    }

    let Walk { below, callbacks, wakers, joined, live, .. } = walk;
    let mut panics = Panics::default();
    panics.run_each(callbacks.into_iter().enumerate(), |(place, callback)| {
        callback(if place < here { verdict } else { &below });
    });
    panics.wake_all(wakers);
    panics.run_each(joined, |(parent, key)| drop(parent.unlink_child(key)));
    panics.run_each(live, drop);
    panics.resume();
}

struct Walk {
    /// The verdict, as those below see it.
    below: Aborted,
    /// Those of the node that the walk began at come first.
    callbacks: Vec<Callback>,
    wakers: Vec<Waker>,
    /// Children yet to be marked. A list and no recursion: the lattice may be deeper than the stack.
    levels: VecDeque<Level>,
    /// The links that aborted nodes have in their other parents, to be taken back.
    joined: Vec<(Arc<Node>, Key)>,
    /// Nodes that weren't marked. Ours may be the last reference to one by now, and its drop run
    /// foreign code.
    live: Vec<Arc<Node>>,
}

enum Level {
    One(Weak<Node>),
    Many(Box<Rest>),
}

impl Walk {
    #[inline]
    fn sort(&mut self, links: Links) {
        match links.first {
            Some(Link::Call(call)) => self.sort_call(call),
            Some(Link::Child(child)) => self.levels.push_back(Level::One(child)),
            None => {}
        }
        if let Some(mut rest) = links.rest {
            mem::take(&mut rest.calls).into_values().for_each(|call| self.sort_call(call));
            self.joined.append(&mut rest.above);
            if rest.children.len() > 0 {
                // Most have one who waits.
                self.wakers.reserve(rest.children.len());
                self.levels.push_back(Level::Many(rest));
            }
        }
    }

    #[inline]
    fn sort_call(&mut self, call: Call) {
        match call {
            Call::Task(waker) => self.wakers.push(waker),
            Call::Callback(callback) => self.callbacks.push(callback),
        }
    }

    #[inline]
    fn mark(&mut self, child: Weak<Node>) {
        let Some(child) = child.upgrade() else { return };
        match child.parent_aborted(&self.below) {
            Some(links) => self.sort(links),
            None => self.live.push(child),
        }
    }
}
