//! What threads do to a lattice and are told, and whether the lattice's model explains it.

mod program;
mod recorded;
mod search;
mod spec;

pub(crate) use program::{Call, Listener, Program};
pub(crate) use recorded::{Answer, Event, run};
pub(crate) use search::explain;
pub(crate) use spec::{Abort, Spec};
