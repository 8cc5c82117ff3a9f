//! The lattice of abort handles that everything else hangs on.
//!
//! An [`AbortHandle`] is a node that rises once, from live to aborted, and takes all that lies
//! below it along. Handles are combined as in a lattice:
//!
//! | | |
//! |---|---|
//! | [`AbortHandle::never()`] | the bottom: never aborts, allocates nothing |
//! | [`a.child()`](AbortHandle::child) | aborts with `a`, and can be aborted alone |
//! | [`a.join(&b)`](AbortHandle::join), `&a \| &b`, [`AbortHandle::any`] | aborts as soon as one does |
//! | [`a.meet(&b)`](AbortHandle::meet), `&a & &b`, [`AbortHandle::all`] | aborts once all have |
//!
//! The first reason wins, for good: what a handle reports never changes.
//!
//! ```
//! use tenure::abort::AbortHandle;
//!
//! let user = AbortHandle::new();
//! let shutdown = AbortHandle::new();
//! let request = user.join(&shutdown);
//!
//! user.abort("user hit stop");
//! shutdown.abort("too late to matter");
//!
//! let aborted = request.check().unwrap_err();
//! assert_eq!(aborted.to_string(), "user hit stop");
//! ```
//!
//! The lattice may be as deep and as wide as memory allows; only that a handle with four billion children
//! or waiters at a time panics at the next.
//!
//! To give a handle to a future, use [`with_abort`](crate::OwnedFuture::with_abort); to ask for the
//! one that a future has, write a closure that takes an [`Owner`](crate::Owner).

mod aborted;
mod guard;
mod handle;
mod node;
mod reason;
mod wait;

pub(crate) use aborted::Why;
pub use aborted::{Aborted, Position};
pub use guard::{AbortOnDrop, OnAbort};
pub use handle::AbortHandle;
pub(crate) use reason::quoted;
pub use reason::{AbortReason, Name};
pub use wait::WaitAborted;
