//! `bracket()`: something is acquired, used, and released again, whatever happens in between.
//!
//! What only has to be dropped needs no bracket: `Drop` sees to it. One whose end has to be awaited, a transaction that
//! is to be rolled back or a lease that is to be given up, is released by [`bracket`]:
//!
//! ```
//! use std::{io, time::Duration};
//! use tenure::{OwnedFuture, bracket::{Exit, bracket}, time::TestClock};
//!
//! struct Transaction<'a>(&'a TestClock);
//!
//! # let clock = &TestClock::new();
//! let (begin, mut ended) = (async { Ok::<_, io::Error>(Transaction(clock)) }, None);
//! let booked = bracket(
//!     begin,
//!     async |transaction| {
//!         transaction.0.sleep(Duration::from_secs(60)).await; // the database is slow today
//!         Ok(())
//!     },
//!     async |transaction, exit| {
//!         transaction.0.sleep(Duration::from_secs(1)).await; // commits, or rolls back
//!         ended = Some(matches!(exit, Exit::Done));
//!     },
//! );
//! let booked = booked.with_timeout(Duration::from_secs(5)).with_timer(clock);
//! assert!(smol::block_on(clock.watch(booked)).unwrap_err().is_timeout());
//! assert_eq!((clock.elapsed(), ended), (Duration::from_secs(6), Some(false)));
//! ```
//!
//! # What it promises
//!
//! | | |
//! |---|---|
//! | acquire | isn't told of an abort, so that nothing is acquired and then not known of |
//! | use | is ended by an abort, as anything else |
//! | release | runs exactly once where something was acquired and [given back](Held): on success, failure, abort and panic. It isn't told of an abort either |
//!
//! Acquire and release are bounded instead: by 10 seconds each, unless they are given
//! [other](crate::Owned::acquire_within) [bounds](crate::Owned::release_within). Whoever aborts the whole waits for
//! them. One that is dropped, not aborted, can't release: then what it holds is dropped.

mod held;
mod run;

use alloc::string::String;
use core::{future::Future, time::Duration};

pub use held::Held;
use held::Place;
pub use run::Bracket;

use crate::{abort::Aborted, future::Owned, operation::Operation};

/// How long acquiring and releasing may take, unless they are given bounds of their own.
const BOUND: Duration = Duration::from_secs(10);

/// Acquires something, uses it, and releases it, whatever becomes of the use. See the [module](mod@crate::bracket).
///
/// The use is handed what was acquired in a [`Held`], and the release gets it back, along with how the use has ended.
///
/// ```
/// use tenure::bracket::bracket;
///
/// # smol::block_on(async {
/// let mut released = false;
/// let length = bracket(
///     async { Ok::<_, std::fmt::Error>(String::from("lease")) },
///     async |lease| Ok(lease.len()),
///     async |_lease, _exit| released = true,
/// );
/// assert_eq!(length.await.unwrap().unwrap(), 5);
/// assert!(released);
/// # });
/// ```
///
/// # Errors
///
/// That of acquiring or of using it, or [`Aborted`].
///
/// # Panics
///
/// As what it runs; if the use panics, that goes on when it is released. If both do, the first one.
///
/// # Cancel safety
///
/// Dropping it drops what it holds, and releases nothing. An abort, a timeout or a scope around it doesn't drop it.
pub fn bracket<A, R, E, U, Using, T, L, Releasing>(
    acquire: A,
    use_it: U,
    release: L,
) -> Owned<Bracket<A, R, impl Future<Output = Result<T, E>>, impl Future<Output = ()>>>
where
    A: Future<Output = Result<R, E>>,
    U: FnOnce(Held<R>) -> Using,
    Using: Future<Output = Result<T, E>>,
    L: FnOnce(R, Exit) -> Releasing,
    Releasing: Future<Output = ()>,
{
    // The closures go into futures here: if the operation kept them, the compiler would find whoever awaits it to be
    // no longer `Send` where they borrow.
    let place = Place::new();
    let (used, released) = (place.clone(), place.clone());
    let using = async move { use_it(Place::hold(used)).await };
    let releasing = async move {
        let (resource, exit) = Place::take_for_release(&released);
        release(resource, exit).await;
    };
    Owned::new(Bracket::new(acquire, using, releasing, place, BOUND))
}

/// How the use of what a [`bracket`] has acquired has ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Exit {
    /// It returned `Ok`.
    Done,
    /// It returned an error.
    Failed,
    /// It was aborted, or never begun.
    Aborted(Aborted),
    /// It panicked, and said this.
    Panicked(String),
}

impl<A, R, Using, Releasing> Owned<Bracket<A, R, Using, Releasing>>
where
    Bracket<A, R, Using, Releasing>: Operation,
    Using: Future,
{
    /// How long acquiring may take once the whole is to end: 10 seconds, unless it is set. Write it right after
    /// [`bracket`].
    ///
    /// ```
    /// use std::{future::pending, time::Duration};
    /// use tenure::{OwnedFuture, bracket::bracket};
    ///
    /// let second = Duration::from_millis(1);
    /// let stuck = bracket(pending::<Result<(), ()>>(), async |_| Ok(()), async |(), _| {});
    /// let stuck = stuck.acquire_within(second).with_timeout(second);
    /// assert!(smol::block_on(stuck).unwrap_err().is_timeout());
    /// ```
    pub fn acquire_within(self, bound: Duration) -> Self {
        Self::new(self.into_operation().acquire_within(bound))
    }

    /// How long releasing may take: 10 seconds, unless it is set. What takes longer is dropped. Write it right after
    /// [`bracket`].
    ///
    /// ```
    /// use std::{future::pending, time::Duration};
    /// use tenure::bracket::bracket;
    ///
    /// let stuck = bracket(async { Ok::<_, ()>(()) }, async |_| Ok(1), |(), _| pending());
    /// assert_eq!(smol::block_on(stuck.release_within(Duration::from_millis(1))).unwrap(), Ok(1));
    /// ```
    pub fn release_within(self, bound: Duration) -> Self {
        Self::new(self.into_operation().release_within(bound))
    }
}
