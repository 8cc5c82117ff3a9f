use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::FusedFuture;

use super::{Lent, Owner};
use crate::abort::Aborted;

/// Lets other tasks run, and asks whether the owner wants this to go on: for loops that would not await otherwise.
///
/// It is pending once. Most futures that are aborted are dropped then and there, and never get beyond it; one that
/// has time to end, by [`with_grace`](crate::OwnedFuture::with_grace), is told here. Where nobody owns what runs
/// it lets others run, and no more.
///
/// ```
/// use std::time::Duration;
/// use tenure::{Aborted, OwnedFuture};
///
/// async fn sum(numbers: impl Iterator<Item = u64>) -> Result<u64, Aborted> {
///     let mut sum = 0_u64;
///     for number in numbers {
///         sum = sum.wrapping_add(number);
///         if number % 1024 == 0 {
///             tenure::checkpoint().await?;
///         }
///     }
///     Ok(sum)
/// }
///
/// let endless = sum(1..).with_timeout(Duration::from_millis(1));
/// assert!(smol::block_on(endless).unwrap_err().is_timeout());
/// ```
///
/// # Errors
///
/// [`Aborted`], with the reason of the owner's abort.
///
/// # Cancel safety
///
/// Dropping it has no effect.
pub fn checkpoint() -> Checkpoint {
    Checkpoint { stage: Stage::New }
}

/// Future made by [`checkpoint`].
///
/// # Panics
///
/// When it is polled after it was ready.
#[must_use = "a future does nothing until it is awaited or polled"]
pub struct Checkpoint {
    stage: Stage,
}

#[derive(Debug, PartialEq)]
enum Stage {
    New,
    Passing,
    Done,
}

impl Future for Checkpoint {
    type Output = Result<(), Aborted>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Mostly it isn't, and needs no node to know.
        let asked = match Lent::current(|lent| lent.is_aborted()) {
            true => Owner::current().map_or(Ok(()), |owner| owner.check()),
            false => Ok(()),
        };
        match (&self.stage, asked) {
            (Stage::Done, _) => panic!("`Checkpoint` polled after completion"),
            (Stage::New, Ok(())) => {
                self.stage = Stage::Passing;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            (_, asked) => {
                self.stage = Stage::Done;
                Poll::Ready(asked)
            }
        }
    }
}

impl FusedFuture for Checkpoint {
    fn is_terminated(&self) -> bool {
        self.stage == Stage::Done
    }
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Checkpoint").field(&self.stage).finish()
    }
}
