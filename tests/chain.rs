//! A chain is one plain future with one layer of result, on every executor.

mod executors;
mod support;

use std::{
    convert::Infallible,
    future::{Future, pending},
    time::Duration,
};

use support::{Count, SECOND};
use tenure::{Aborted, Backoff, Limit, OwnedFuture, Scope, time::TestClock};

executors::on_every_executor! {
    /// The chain of the crate's first page, spawned, with an attempt that hangs and one that fails.
    async fn the_composed_chain_rides_out_a_timeout_and_an_error(executor: Executor) {
        let clock = TestClock::new();
        let scope = Scope::builder("ingest").timer(&clock).build();
        let limit = Limit::new(8);
        let calls = Count::default();

        let counted = calls.clone();
        let page = (move || {
            let call = counted.add();
            async move {
                match call {
                    0 => pending().await,
                    1 => Err("reset by peer"),
                    _ => Ok("<html>"),
                }
            }
        })
        .with_timeout(2 * SECOND)
        .retry(Backoff::exponential().attempts(4))
        .limit(&limit)
        .with_timeout(10 * SECOND)
        .in_scope(&scope);

        let page: Result<Result<&str, &str>, Aborted> = executor.spawn(clock.watch(page)).await;
        assert_eq!(page.unwrap(), Ok("<html>"));
        assert_eq!(calls.get(), 3);
        assert_eq!(clock.elapsed(), 2 * SECOND + Duration::from_millis(100 + 200));
        assert_eq!((limit.active(), scope.members()), (0, 0));
    }

    async fn a_chain_works_in_join_select_and_a_set(executor: Executor) {
        use futures::{FutureExt, StreamExt, pin_mut, select, stream::FuturesUnordered};

        let limit = Limit::new(1);
        let (a, b) = futures::join!(async { 1 }.limit(&limit), async { 2 }.limit(&limit));
        assert_eq!((a.unwrap(), b.unwrap()), (1, 2));

        let ready = async { 3 }.limit(&limit);
        let never = pending::<()>().with_timeout(Duration::MAX).fuse();
        pin_mut!(ready, never);
        select! {
            three = ready => assert_eq!(three.unwrap(), 3),
            _ = never => unreachable!(),
        }

        let mut set: FuturesUnordered<_> =
            (0..10).map(|n| async move { n }.limit(&limit)).collect();
        let mut sum = 0;
        while let Some(n) = set.next().await {
            sum += n.unwrap();
        }
        assert_eq!(sum, 45);
        drop(executor);
    }

    async fn boxed_and_generic_futures_are_receivers(executor: Executor) {
        fn owned_by<F: Future>(future: F, scope: &Scope) -> impl Future<Output = Result<F::Output, Aborted>> {
            future.in_scope(scope)
        }
        let scope = Scope::new("generic");
        let boxed: std::pin::Pin<Box<dyn Future<Output = u32> + Send>> = Box::pin(async { 5 });
        assert_eq!(executor.spawn(boxed.with_timeout(SECOND)).await.unwrap(), 5);
        assert_eq!(owned_by(async { 6 }, &scope).await.unwrap(), 6);
    }
}

/// Hidden behind `impl Future`, a chain is a plain future again, and gets a second layer.
#[test]
fn one_layer_holds_within_one_chain() {
    let three: Result<Result<u8, Infallible>, Aborted> = smol::block_on(
        (|| async { Ok(3) })
            .with_timeout(SECOND)
            .retry(Backoff::exponential())
            .with_timeout(SECOND),
    );
    assert_eq!(three.unwrap(), Ok(3));

    fn hidden() -> impl Future<Output = Result<u8, Aborted>> {
        async { 4 }.with_timeout(SECOND)
    }
    let two_layers: Result<Result<u8, Aborted>, Aborted> =
        smol::block_on(hidden().with_timeout(SECOND));
    assert_eq!(two_layers.unwrap().unwrap(), 4);
}
