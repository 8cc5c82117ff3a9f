/// What becomes of one who comes while as many wait as [may](super::Builder::max_waiting).
///
/// ```
/// use tenure::{Limit, limit::Overflow};
///
/// let latest = Limit::builder().concurrency(1).max_waiting(1, Overflow::DropOldest).build();
/// # assert_eq!(latest.waiting(), 0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// It is refused, with [`Refusal::QueueFull`](super::Refusal::QueueFull).
    Reject,
    /// It waits, and whoever came first of those who wait is refused, with
    /// [`Refusal::Displaced`](super::Refusal::Displaced). One that has just been offered a permit keeps it: where all who
    /// wait have been, the newcomer is refused itself.
    DropOldest,
    /// It waits, and whoever has the lowest priority of those who wait is refused so, of several the last who came.
    /// Where none is lower than its own, it is refused itself.
    DropLowest,
}
