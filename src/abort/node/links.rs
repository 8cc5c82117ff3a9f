//! What hangs on a live node: children, wakers and callbacks.

use alloc::{boxed::Box, vec::Vec};
use core::{num::NonZeroU32, task::Waker};

use super::Node;
use crate::{
    abort::{Aborted, Name},
    slab::Slab,
    sync::{Arc, Weak},
    wake::Panics,
};

/// A place among the links of a node, which no other link has until it is taken back.
///
/// 1 is that of the link which lies in the node itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key(NonZeroU32);

impl Key {
    const FIRST: Self = Self(NonZeroU32::MIN);

    /// That of a place in one of the slabs.
    fn of(place: usize) -> Self {
        let after_first = |place| Self::FIRST.0.checked_add(place)?.checked_add(1);
        let bits = u32::try_from(place).ok().and_then(after_first);
        // They would take 64 GiB and more.
        Self(bits.expect("a handle has fewer than 4 billion children and waiters"))
    }

    fn place(self) -> Option<usize> {
        (self.0.get() as usize).checked_sub(2)
    }

    pub(super) const fn into_bits(self) -> u32 {
        self.0.get()
    }

    pub(super) fn from_bits(bits: u32) -> Option<Self> {
        NonZeroU32::new(bits).map(Self)
    }
}

pub(in crate::abort) type Callback = Box<dyn FnOnce(&Aborted) + Send>;

/// Whom an abort is told.
pub(in crate::abort) enum Call {
    Task(Waker),
    Callback(Callback),
}

pub(in crate::abort) enum Link {
    Child(Weak<Node>),
    Call(Call),
}

/// The first link lies in the node, so that one with a single waiter or a single child, as most
/// are, allocates nothing for it. What is rare has a box of its own.
#[derive(Default)]
pub(super) struct Links {
    pub(super) first: Option<Link>,
    pub(super) rest: Option<Box<Rest>>,
}

#[derive(Default)]
pub(super) struct Rest {
    pub(super) children: Slab<Weak<Node>>,
    pub(super) calls: Slab<Call>,
    /// The parents of a node that has several, with its place in each.
    pub(super) above: Vec<(Arc<Node>, Key)>,
    /// How many of them have yet to abort before the node does.
    pub(super) needed: usize,
    pub(super) name: Option<Name>,
}

impl Links {
    pub(super) fn named(name: Name) -> Self {
        Self::with(Rest { name: Some(name), ..Rest::default() })
    }

    pub(super) fn needing(needed: usize) -> Self {
        Self::with(Rest { needed, ..Rest::default() })
    }

    fn with(rest: Rest) -> Self {
        Self { first: None, rest: Some(Box::new(rest)) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none() && self.rest.is_none()
    }

    /// Drops each waker and callback, whatever the others do. The parents go to `joined`.
    pub(super) fn drop_each(self, joined: &mut Vec<(Arc<Node>, Key)>, panics: &mut Panics) {
        panics.run(|| drop(self.first));
        if let Some(mut rest) = self.rest {
            joined.append(&mut rest.above);
            panics.run_each(rest.calls.into_values(), drop);
        }
    }

    pub(super) fn rest(&mut self) -> &mut Rest {
        self.rest.get_or_insert_default()
    }

    pub(super) fn name(&self) -> Option<&Name> {
        self.rest.as_ref()?.name.as_ref()
    }

    /// Counts a parent that has aborted, and tells whether that aborts the node.
    pub(super) fn count_down(&mut self) -> bool {
        match &mut self.rest {
            Some(rest) if rest.needed > 1 => {
                rest.needed -= 1;
                false
            }
            _ => true,
        }
    }

    pub(super) fn insert_child(&mut self, child: Weak<Node>) -> Key {
        if self.first.is_none() {
            self.first = Some(Link::Child(child));
            return Key::FIRST;
        }
        Key::of(self.rest().children.insert(child))
    }

    pub(super) fn insert_call(&mut self, call: Call) -> Key {
        if self.first.is_none() {
            self.first = Some(Link::Call(call));
            return Key::FIRST;
        }
        Key::of(self.rest().calls.insert(call))
    }

    pub(super) fn task_mut(&mut self, key: Key) -> Option<&mut Waker> {
        let call = match (key.place(), &mut self.first) {
            (None, Some(Link::Call(call))) => call,
            (None, _) => return None,
            (Some(place), _) => self.rest.as_mut()?.calls.get_mut(place)?,
        };
        match call {
            Call::Task(waker) => Some(waker),
            Call::Callback(_) => None,
        }
    }

    pub(super) fn remove_child(&mut self, key: Key) -> Option<Link> {
        match key.place() {
            None => self.first.take(),
            Some(place) => self.rest.as_mut()?.children.remove(place).map(Link::Child),
        }
    }

    pub(super) fn remove_call(&mut self, key: Key) -> Option<Link> {
        match key.place() {
            None => self.first.take(),
            Some(place) => self.rest.as_mut()?.calls.remove(place).map(Link::Call),
        }
    }
}
