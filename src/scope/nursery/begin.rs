use core::{fmt, future::Future};

use super::{AnyError, Kept, LocalNursery, Nursed, Nursery, Sent, TryScope};
use crate::{abort::Aborted, future::Owned};

/// Runs a body and the children that it spawns, as one future that ends when all of them have.
///
/// The body is given a [`Nursery`] to spawn by. Children run inside of this future, all of them as one task, and may
/// borrow whatever lives outside of it. It is ready when the body has returned, the last child has ended and been
/// dropped, and the deferred clean-up has run. So nothing outlives it:
///
/// ```
/// use std::time::Duration;
/// use tenure::OwnedFuture;
///
/// # smol::block_on(async {
/// let urls = ["http://a.example", "http://b.example"];
/// let fetched = std::sync::Mutex::new(Vec::new());
///
/// tenure::scope(async |n| {
///     for url in &urls {
///         let fetched = &fetched;
///         n.spawn(async move { fetched.lock().unwrap().push(url.len()) });
///     }
/// })
/// .with_timeout(Duration::from_secs(10))
/// .await?;
/// assert_eq!(fetched.into_inner().unwrap(), [16, 16]);
/// # Ok::<(), tenure::Aborted>(())
/// # }).unwrap();
/// ```
///
/// It is a chain like any other: what stands after it covers it as a whole, and waits for its clean-up. It is
/// `Send` where the body and the children are, so it can be spawned. Where futures aren't `Send` there is
/// [`local_scope`]; where the first error ends all of it, [`try_scope`].
///
/// Children borrow what lives outside of the scope, not the locals of its body: hand those over, in an
/// `async move` block.
///
/// # How it ends
///
/// | | |
/// |---|---|
/// | the body returns | the children run to their ends |
/// | [`n.abort(..)`](Nursery::abort), or an abort from above | the body and the children are ended: at once, or in their [grace](crate::grace) |
/// | a child that was spawned by [`try_spawn`](Nursery::try_spawn) fails | the same, with [`AbortReason::SiblingFailed`](crate::AbortReason::SiblingFailed) |
/// | the body or a child panics | the same, with [`AbortReason::Panicked`](crate::AbortReason::Panicked), and the panic goes on in whoever awaits this |
///
/// A value that the body returns in the poll in which it aborts the nursery is kept. Of all that goes wrong, the
/// first is the result: what comes after it is told in the [report](Nursery::on_close).
///
/// # Errors
///
/// [`Aborted`], where it was aborted before its end, except in the poll in which the body returned: also where the body
/// had returned before, and where there was nothing left to cut off.
///
/// # Panics
///
/// As the first of the body and the children that does, but for [background](Nursery::spawn_background) children,
/// when all of them have ended. Without the `std` feature a panic isn't caught.
///
/// # Deadlock
///
/// A future that was made a member, by [`.in_scope(&n)`](crate::OwnedFuture::in_scope), is waited for wherever it
/// runs. One that is kept outside of the body, and that nobody polls, doesn't end, and so the nursery doesn't: a
/// timeout around it, or an abort, waits for ever. Only what has a task of its own is to be made a member; all else
/// is to be [spawned](Nursery::spawn).
///
/// ```
/// use std::{future::pending, time::Duration};
/// use tenure::OwnedFuture;
///
/// # smol::block_on(async {
/// let mut reader = None;
/// let stuck = tenure::scope(async |n| {
///     // With `pending::<()>().in_scope(&n)`, which nobody polls, it would never end.
///     reader = Some(n.spawn(pending::<()>()));
/// });
/// assert!(stuck.with_timeout(Duration::from_millis(1)).await.unwrap_err().is_timeout());
/// # });
/// ```
///
/// # Cancel safety
///
/// Dropping it half-way drops the body and the children, aborts what runs elsewhere, and runs what is sync of the
/// clean-up; what is async is skipped, and told to [`on_close`](Nursery::on_close). An abort, a timeout or a scope
/// around it doesn't drop it: it waits for the clean-up.
///
/// # Fairness
///
/// The body and the children are polled when they are woken, in that order, and none keeps the others, or other
/// tasks, from having their turn: not even while the body waits for something else.
pub fn scope<'env, B, Fut>(body: B) -> Owned<Nursed<Fut, Sent<'env, AnyError>>>
where
    B: FnOnce(Nursery<'env>) -> Fut,
    Fut: Future,
{
    Owned::new(Nursed::new(body))
}

/// As [`scope`], which the first error ends: that of the body, or of a child that was spawned by
/// [`try_spawn`](Nursery::try_spawn).
///
/// ```
/// use tenure::{Aborted, OwnedFuture};
///
/// # #[derive(Debug)]
/// # struct AppError(String);
/// # impl std::fmt::Display for AppError {
/// #     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(&self.0) }
/// # }
/// # impl From<std::num::ParseIntError> for AppError {
/// #     fn from(error: std::num::ParseIntError) -> Self { Self(error.to_string()) }
/// # }
/// # impl From<Aborted> for AppError {
/// #     fn from(error: Aborted) -> Self { Self(error.to_string()) }
/// # }
/// # smol::block_on(async {
/// let numbers = ["1", "2", "x"].map(String::from);
/// let sum = tenure::try_scope(async |n| {
///     let parsed = numbers.each_ref().map(|number| n.try_spawn(async { number.parse::<u32>() }));
///     let mut sum = 0;
///     for number in parsed {
///         sum += number.await?;
///     }
///     Ok::<_, AppError>(sum)
/// });
/// let error = sum.await.unwrap_err();
/// assert_eq!(error.to_string(), "invalid digit found in string");
/// # });
/// ```
///
/// It resolves to `Result<T, E>`, one layer, so that `?` does what one expects. To adapt it, chain on it as on any
/// other: see [`TryScope`].
///
/// # Errors
///
/// The first error, be it the body's or a child's, unless something had panicked before it; or what `E` makes of
/// [`Aborted`].
///
/// # Panics
///
/// As [`scope`]: with the first panic, unless there was an error before it.
///
/// # Deadlock
///
/// As [`scope`].
///
/// # Cancel safety
///
/// As [`scope`].
pub fn try_scope<'env, B, Fut, T, E>(body: B) -> TryScope<Nursed<Fut, Sent<'env, E>>>
where
    B: FnOnce(Nursery<'env, E>) -> Fut,
    Fut: Future<Output = Result<T, E>>,
    E: From<Aborted> + fmt::Display + 'env,
{
    TryScope::new(Owned::new(Nursed::new(body)))
}

/// As [`scope`], for futures that aren't `Send`.
///
/// ```
/// use std::{cell::Cell, rc::Rc};
///
/// let sum = Rc::new(Cell::new(0));
/// let summed = tenure::local_scope(async |n| {
///     for number in 1..=3 {
///         let sum = sum.clone();
///         n.spawn(async move { sum.set(sum.get() + number) });
///     }
/// });
/// smol::block_on(summed).unwrap();
/// assert_eq!(sum.get(), 6);
/// ```
///
/// # Errors
///
/// As [`scope`].
///
/// # Panics
///
/// As [`scope`].
///
/// # Deadlock
///
/// As [`scope`].
///
/// # Cancel safety
///
/// As [`scope`].
pub fn local_scope<'env, B, Fut>(body: B) -> Owned<Nursed<Fut, Kept<'env, AnyError>>>
where
    B: FnOnce(LocalNursery<'env>) -> Fut,
    Fut: Future,
{
    Owned::new(Nursed::new(body))
}

/// As [`try_scope`], for futures that aren't `Send`.
///
/// ```
/// use std::rc::Rc;
///
/// let text = Rc::new("7".to_owned());
/// let parsed = tenure::try_local_scope(async |n| {
///     let text = text.clone();
///     let number = n.try_spawn(async move { text.parse::<u32>().map_err(std::io::Error::other) });
///     Ok::<_, std::io::Error>(number.await?)
/// });
/// assert_eq!(smol::block_on(parsed).unwrap(), 7);
/// ```
///
/// # Errors
///
/// As [`try_scope`].
///
/// # Panics
///
/// As [`try_scope`].
///
/// # Deadlock
///
/// As [`scope`].
///
/// # Cancel safety
///
/// As [`scope`].
pub fn try_local_scope<'env, B, Fut, T, E>(body: B) -> TryScope<Nursed<Fut, Kept<'env, E>>>
where
    B: FnOnce(LocalNursery<'env, E>) -> Fut,
    Fut: Future<Output = Result<T, E>>,
    E: From<Aborted> + fmt::Display + 'env,
{
    TryScope::new(Owned::new(Nursed::new(body)))
}
