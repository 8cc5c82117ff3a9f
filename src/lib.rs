//! tenure gives any future one owner.
//!
//! Timeout, retry, limit and scope are adapters, chained on the future itself. All of them hang on
//! one lattice of abort handles: an abort anywhere reaches everything below it at once, with a typed
//! reason, and what it ends has been dropped before its owner runs on.
//!
//! ```
//! use std::time::Duration;
//! use tenure::{Backoff, Limit, OwnedFuture, Scope};
//!
//! # async fn fetch(url: &str) -> Result<String, std::io::Error> { Ok(url.into()) }
//! # smol::block_on(async {
//! # let url = "http://example.org";
//! let scope = Scope::new("ingest");
//! let limit = Limit::new(8);
//!
//! let page = (|| fetch(url))                        // a closure makes a fresh future per attempt
//!     .with_timeout(Duration::from_secs(2))         // each attempt
//!     .retry(Backoff::exponential().attempts(4))    // stops at once when the owner aborts
//!     .limit(&limit)                                // the permit is held over all attempts
//!     .with_timeout(Duration::from_secs(10))        // all of it, the wait for the permit too
//!     .in_scope(&scope)                             // one owner
//!     .await??;
//! # assert_eq!(page, url);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! It runs on tokio, smol, async-std, a bare `block_on` and embedded executors, and depends on none.
//!
//! # Where to look
//!
//! | you want to | |
//! |---|---|
//! | chain adapters on a future | [`OwnedFuture`], then [`Owned`] |
//! | bound its time, or be warned | [`timeout`] |
//! | try again | [`retry`], and its [trap](retry#the-trap) |
//! | bound how many run at once | [`limit`] |
//! | run several at once, and lose none | [`scope()`], [`try_scope`] |
//! | own tasks, and end them together | [`Scope`] |
//! | let something end in order | [`grace`], [`bracket()`] |
//! | abort by hand, and combine what aborts | [`abort`] |
//! | know your owner from inside | [`owner`], `checkpoint()` |
//! | test what waits, without waiting | [`time::testing`] |
//! | write an adapter of your own | [`operation`] |
//!
//! # What it promises
//!
//! - **Drop at the verdict.** When `Err(Aborted)` is returned, what was aborted has been dropped:
//!   locks are free, sockets closed, permits back.
//! - **One order of polling**: abort, then future, then clock. What is aborted isn't polled again; a
//!   value that is ready when time runs out wins.
//! - **An owner that was aborted starts nothing**: no first poll, no permit, no attempt.
//! - **A waiter that isn't polled holds up nobody.**
//! - **Nothing outlives its owner**: a scope is done when all that it owns has ended and been dropped, and its
//!   clean-up has run.
//! - **Nothing is paid for unasked**: no clock is read and no alarm set before the first `Pending`,
//!   and no node allocated until somebody needs a handle.
//! - **It never spawns and never blocks**, and has one line of `unsafe`, with its proof beside it: what finds the
//!   owner of plain code, in `src/owner/ambient.rs`.
//!
//! # Features
//!
//! `std`, on by default: the process's own timer, the owner found from plain code, and panics caught at scope
//! borders. Without it the crate needs `alloc`, an implementation of the
//! [`critical-section`](https://docs.rs/critical-section) crate and, for anything that waits, a
//! [`Timer`](time::Timer) of yours.

#![no_std]
#![deny(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod abort;
pub mod bracket;
pub mod future;
pub mod grace;
pub mod limit;
pub mod named;
pub mod operation;
pub mod owner;
pub mod retry;
pub mod scope;
pub mod time;
pub mod timeout;
pub mod with_abort;
pub mod with_timer;
pub mod with_value;

mod fifo;
mod slab;
mod slot;
mod sync;
mod wake;

pub use abort::{AbortHandle, AbortReason, Aborted};
pub use bracket::bracket;
pub use future::{Error, Owned, OwnedFuture};
pub use limit::{KeyedLimit, Limit};
#[cfg(feature = "std")]
pub use owner::checkpoint;
pub use owner::{Lent, Owner};
pub use retry::Backoff;
pub use scope::{Scope, local_scope, scope, try_local_scope, try_scope};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
