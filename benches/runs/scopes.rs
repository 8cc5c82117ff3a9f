//! Scopes, as each crate's docs advise to run many futures in one.

mod streams;
mod tokio_tasks;

use std::{
    future::{Future, pending},
    num::NonZero,
    pin::Pin,
};

use futures_concurrency::future::{Join as _, TryJoin as _};
pub(crate) use streams::{Bounded, Buffered, Unordered, UnorderedBoxed};
pub(crate) use tokio_tasks::{Bare, JoinSet, Tracker};

use super::{Answer, Child, Failed, Sibling, Tenure, at_rest, driven};

/// A crate, or a part of one, that runs many futures together.
pub(crate) trait Scopes: 'static {
    const NAME: &'static str;
    const IS_ON_TOKIO: bool = false;

    /// Runs `n` children to their ends. What they come to is thrown away.
    fn join<C: Child>(n: usize) -> impl Future<Output = ()>;

    /// Runs `n` children to their ends. The caller adds up what they come to.
    fn sum<C: Child>(n: usize) -> impl Future<Output = u64>;

    /// Runs `n` siblings and one that fails, until all of them are gone.
    fn fail(n: usize) -> impl Future<Output = ()>;
}

/// Polls what a scope is run in to its end: by hand, so that no executor is paid for, but where it can't do without
/// one.
pub(crate) fn run<S: Scopes, F: Future>(future: F) -> F::Output {
    match S::IS_ON_TOKIO {
        true => tokio_tasks::runtime().block_on(future),
        false => driven(future),
    }
}

/// Polls what runs siblings until all of them wait.
pub(crate) fn run_until_all_wait<S: Scopes, F: Future>(future: F) -> Pin<Box<F>> {
    match S::IS_ON_TOKIO {
        true => tokio_tasks::runtime().block_on(tokio_tasks::at_rest(future)),
        false => at_rest(future),
    }
}

/// Children of any type, which may borrow, each with a handle: dropped at once, or kept and awaited by the body,
/// one by one. A child can be aborted alone, and finds its owner.
impl Scopes for Tenure {
    const NAME: &'static str = "tenure";

    async fn join<C: Child>(n: usize) {
        let joined = tenure::scope(async |nursery| {
            for _ in 0..n {
                drop(nursery.spawn(C::default()));
            }
        });
        joined.await.expect("nobody aborts it");
    }

    async fn sum<C: Child>(n: usize) -> u64 {
        let sum = tenure::scope(async |nursery| {
            let handles: Vec<_> = (0..n).map(|_| nursery.spawn(C::default())).collect();
            let mut sum = 0;
            for handle in handles {
                sum += number(handle.await.expect("nobody aborts it"));
            }
            sum
        });
        sum.await.expect("nobody aborts it")
    }

    async fn fail(n: usize) {
        let failed = tenure::try_scope(async |nursery| {
            for _ in 0..n {
                drop(nursery.try_spawn(Sibling::default()));
            }
            drop(nursery.try_spawn(Sibling::failing()));
            pending::<Result<(), Failed>>().await
        });
        assert!(failed.await.is_err());
    }
}

/// Children of any type, which may borrow, each with a handle. Below is a `FuturesUnordered` of boxes, and a channel
/// for each child, which its handle receives from.
pub(crate) struct Moro;

impl Scopes for Moro {
    const NAME: &'static str = "moro";

    async fn join<C: Child>(n: usize) {
        moro::async_scope!(|scope| {
            for _ in 0..n {
                drop(scope.spawn(C::default()));
            }
        })
        .await;
    }

    async fn sum<C: Child>(n: usize) -> u64 {
        moro::async_scope!(|scope| {
            let handles: Vec<_> = (0..n).map(|_| scope.spawn(C::default())).collect();
            let mut sum = 0;
            for handle in handles {
                sum += number(handle.await);
            }
            sum
        })
        .await
    }

    async fn fail(n: usize) {
        let failed = moro::async_scope!(|scope| -> Result<(), Failed> {
            for _ in 0..n {
                drop(scope.spawn(Sibling::default()));
            }
            let failed = scope.spawn(Sibling::failing()).await.map(drop);
            // In a child this would wait for ever.
            scope.terminate(failed).await
        });
        assert!(failed.await.is_err());
    }
}

/// Of one type, in a list that has its length. What they come to is given out together, in their order.
pub(crate) struct Join;

impl Scopes for Join {
    const NAME: &'static str = "futures-concurrency, join";

    async fn join<C: Child>(n: usize) {
        drop(children::<C>(n).join().await);
    }

    async fn sum<C: Child>(n: usize) -> u64 {
        children::<C>(n).join().await.into_iter().map(number).sum()
    }

    async fn fail(n: usize) {
        let mut siblings = children::<Sibling>(n);
        siblings.push(Sibling::failing());
        assert!(siblings.try_join().await.is_err());
    }
}

fn number(answer: Answer) -> u64 {
    answer.map_or(0, NonZero::get)
}

fn children<C: Child>(n: usize) -> Vec<C> {
    (0..n).map(|_| C::default()).collect()
}
