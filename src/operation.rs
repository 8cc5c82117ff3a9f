//! The algebra that adapters are written in: [`Operation`] and [`Repeat`].
//!
//! A chain of adapters is a value that describes what to do and, once it is polled, does it in
//! place. An operation is polled together with a `State` that its owner keeps beside it; when a run
//! has ended both are as they were before, so one that can be [repeated](Repeat) is simply polled
//! again. An adapter is an operation over an operation, so every chain can again be timed out,
//! retried, limited or put in a scope.
//!
//! Most users never name these traits: they chain adapters on [`Owned`](crate::Owned). To write an
//! adapter of your own, implement [`Operation`] for it and wrap it with
//! [`Owned::new`](crate::Owned::new).

mod call;
mod once;
mod task;

use core::{
    pin::Pin,
    task::{Context, Poll},
};

pub use call::{Call, CallState};
pub use once::Once;
pub use task::{Task, TaskState};

pub use crate::owner::LeafState;
use crate::{
    abort::{Aborted, Name},
    owner::Lent,
};

/// Something that can be run once, under an owner.
///
/// # The contract
///
/// - [`poll`](Self::poll) starts what is to run at its first call, not before. When it returns
///   `Ready`, what ran has been dropped and the state is as new.
/// - [`poll_abort`](Self::poll_abort) ends what runs. Whoever has called it once calls nothing else
///   until it is `Ready`; then, too, what ran has been dropped and the state is as new.
/// - Dropping the operation and its state at any time ends everything at once.
///
/// ```
/// use std::{pin::{Pin, pin}, task::{Context, Poll, ready}};
/// use pin_project::pin_project;
/// use tenure::{Lent, Owned, OwnedFuture, abort::Aborted, operation::Operation};
///
/// /// Doubles what another operation yields.
/// #[pin_project]
/// struct Double<O>(#[pin] O);
///
/// impl<O: Operation<Output = u32>> Operation for Double<O> {
///     type Output = u32;
///     type State = O::State;
///
///     fn poll(
///         self: Pin<&mut Self>,
///         state: Pin<&mut O::State>,
///         cx: &mut Context<'_>,
///         lent: &Lent<'_>,
///     ) -> Poll<Result<u32, Aborted>> {
///         self.project().0.poll(state, cx, lent).map_ok(|n| 2 * n)
///     }
///
///     fn poll_abort(
///         self: Pin<&mut Self>,
///         state: Pin<&mut O::State>,
///         cx: &mut Context<'_>,
///         lent: &Lent<'_>,
///         aborted: &Aborted,
///     ) -> Poll<()> {
///         self.project().0.poll_abort(state, cx, lent, aborted)
///     }
/// }
///
/// let doubled = Owned::new(Double(async { 21 }.owned().into_operation()));
/// assert_eq!(smol::block_on(doubled).unwrap(), 42);
/// ```
pub trait Operation {
    /// What a run yields.
    type Output;

    /// What it keeps while it runs. The default is that of one that doesn't.
    type State: Default;

    /// Drives the run on.
    fn poll(
        self: Pin<&mut Self>,
        state: Pin<&mut Self::State>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
    ) -> Poll<Result<Self::Output, Aborted>>;

    /// Ends the run because an owner above was aborted: at once, or as soon as what holds it back
    /// (grace, a clean-up) is done.
    fn poll_abort(
        self: Pin<&mut Self>,
        state: Pin<&mut Self::State>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
        aborted: &Aborted,
    ) -> Poll<()>;

    /// The name that it was given, if any.
    fn name(&self) -> Option<&Name> {
        None
    }
}

/// An [`Operation`] that can be run again and again: what [`retry`](crate::OwnedFuture::retry)
/// needs.
///
/// A closure that makes a future is one; a future itself can run only once.
#[diagnostic::on_unimplemented(
    message = "a future runs only once, so it can't be retried",
    label = "`{Self}` can't run again",
    note = "give `.retry(..)` something that makes a new future for each attempt: `(|| fetch(&url)).retry(..)`"
)]
pub trait Repeat: Operation {}

/// The future in `slot`, made where there is none.
fn running<F>(mut slot: Pin<&mut Option<F>>, make: impl FnOnce() -> F) -> Pin<&mut F> {
    if slot.is_none() {
        let made = make();
        slot.set(Some(made));
    }
    slot.as_pin_mut().expect("it was made above")
}
