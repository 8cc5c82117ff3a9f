//! An abort on its way down.

use alloc::{boxed::Box, collections::VecDeque, vec::Vec};
use core::mem;

use super::{
    Node,
    links::{Call, Key, Link, Links, Rest},
};
use crate::{
    abort::{Aborted, Position},
    sync::{Arc, Weak},
    wake::Panics,
};

/// Marks all below a node that gave out `links` for `verdict`, then tells whoever asked to be told.
///
/// Foreign code runs in the second half alone, with all marked and no lock held.
pub(super) fn pass_down(links: Links, verdict: &Aborted) {
    let mut walk = Walk {
        below: verdict.clone().at(Position::Above),
        calls: Vec::new(),
        levels: VecDeque::new(),
        joined: Vec::new(),
        live: Vec::new(),
    };
    walk.sort(links);
    let here = walk.calls.len();
    while let Some(level) = walk.levels.pop_front() {
        match level {
            Level::One(child) => walk.mark(child),
            Level::Many(rest) => rest.children.into_values().for_each(|child| walk.mark(child)),
        }
    }

    let Walk { below, calls, joined, live, .. } = walk;
    let mut panics = Panics::default();
    panics.run_each(calls.into_iter().enumerate(), |(place, call)| match call {
        Call::Task(waker) => waker.wake(),
        Call::Callback(call) => call(if place < here { verdict } else { &below }),
    });
    panics.run_each(joined, |(parent, key)| drop(parent.unlink_child(key)));
    panics.run_each(live, drop);
    panics.resume();
}

struct Walk {
    /// The verdict, as those below see it.
    below: Aborted,
    /// Whom to tell: first those of the node that the walk began at.
    calls: Vec<Call>,
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
            Some(Link::Call(call)) => self.calls.push(call),
            Some(Link::Child(child)) => self.levels.push_back(Level::One(child)),
            None => {}
        }
        if let Some(mut rest) = links.rest {
            self.calls.extend(mem::take(&mut rest.calls).into_values());
            self.joined.append(&mut rest.above);
            if rest.children.len() > 0 {
                self.calls.reserve(rest.children.len());
                self.levels.push_back(Level::Many(rest));
            }
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
