use alloc::string::ToString;
use core::{fmt, time::Duration};

use crate::abort::Name;

/// Why a [`Limit`](super::Limit) refused to let something in: part of
/// [`AbortReason::Rejected`](crate::AbortReason::Rejected).
///
/// It tells what it was that refused: the queue, the wait, the rate, or the claim itself, which could never have been
/// let in.
///
/// ```
/// use tenure::{AbortReason, Limit, OwnedFuture, limit::{Overflow, Refusal}};
///
/// let limit = Limit::builder().concurrency(1).max_waiting(0, Overflow::Reject).build();
/// let _held = limit.try_acquire();
/// let shed = smol::block_on(async {}.limit(&limit)).unwrap_err();
/// let AbortReason::Rejected { why } = shed.reason() else { unreachable!() };
/// assert_eq!(why, &Refusal::QueueFull { most: 0 });
/// assert!(why.may_pass(), "worth another try");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The queue: as many wait as may.
    QueueFull {
        /// How many may.
        most: usize,
    },
    /// The queue: it had to make room for another one.
    Displaced {
        /// How many may wait.
        most: usize,
    },
    /// The wait: it was longer than it may be.
    WaitedTooLong {
        /// How long it may be.
        after: Duration,
    },
    /// The rate, or a cool-down: it lets nobody in before the deadline of whoever asked. The cause of a
    /// [`DeadlinePassed`](crate::AbortReason::DeadlinePassed).
    Throttled,
    /// The claim: it is for more permits than there are.
    TooHeavy {
        /// How many it is for.
        weight: usize,
        /// How many there are.
        capacity: usize,
    },
    /// The claim: it costs more than a rate ever lets pass at once.
    TooCostly {
        /// What the rate counts, where that has a name.
        unit: Option<Name>,
        /// What it costs.
        cost: u64,
        /// What may pass at once.
        most: u64,
    },
    /// The claim: it names a unit of cost that no rate of the limit counts.
    NoSuchUnit {
        /// The unit.
        unit: Name,
    },
    /// The claim: whoever makes it is inside already, holding a permit of the same limit, and would have to wait. It
    /// might wait for itself.
    Reentry,
    /// The limit was closed.
    Closed,
}

impl Refusal {
    /// Whether it may go better at another time.
    ///
    /// ```
    /// # use tenure::limit::Refusal;
    /// assert!(Refusal::QueueFull { most: 10 }.may_pass());
    /// assert!(!Refusal::Closed.may_pass());
    /// ```
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::QueueFull { .. } | Self::Displaced { .. } | Self::WaitedTooLong { .. })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::QueueFull { most } => write!(f, "the queue is full: {most} may wait"),
            Self::Displaced { most } => write!(f, "had to make room in the queue: {most} may wait"),
            Self::WaitedTooLong { after } => write!(f, "waited longer than {after:?}"),
            Self::Throttled => f.write_str("its rate lets nobody in before the deadline"),
            Self::TooHeavy { capacity: 0, .. } => f.write_str("it has no permits"),
            Self::TooHeavy { weight, capacity } => {
                write!(f, "{weight} permits are more than the {capacity} that there are")
            }
            Self::TooCostly { unit, cost, most } => {
                let unit =
                    unit.as_ref().map_or("calls".to_string(), |unit| alloc::format!("`{unit}`"));
                write!(f, "{cost} {unit} are more than the {most} that may ever pass at once")
            }
            Self::NoSuchUnit { unit } => write!(f, "none of its rates counts `{unit}`"),
            Self::Reentry => {
                f.write_str("who asks holds a permit already, and would have to wait for another")
            }
            Self::Closed => f.write_str("it is closed"),
        }
    }
}

impl core::error::Error for Refusal {}
