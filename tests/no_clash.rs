//! No adapter bears a name that the extension traits of others bear: all can be imported at once.
//!
//! The two that can't be avoided, embassy-time's `.with_timeout` and backon's `.retry`, have a way
//! out: `.owned()` first.

mod support;

use support::SECOND;
use tenure::{
    AbortHandle, Aborted, Backoff, Limit, Owned, OwnedFuture, Owner, Scope,
    bracket::bracket,
    operation::Operation,
    owner::Key,
    scope::{JoinHandle, TryScope},
    time::{Instant, TestClock},
    timeout::TimeoutHandle,
};

async fn fetch() -> Result<u8, Aborted> {
    Ok(7)
}

static KEY: Key<u8> = Key::new("key");

/// An adapter of ours was meant, not a stranger's of the same name.
fn ours<O: Operation>(chain: Owned<O>) -> Owned<O> {
    chain
}

/// As `ours`, for a child.
fn our_child<T>(child: JoinHandle<T>) -> JoinHandle<T> {
    child
}

/// Calls each adapter of `OwnedFuture` on what `$make` makes, then each of `Owned`'s own.
macro_rules! use_every_adapter {
    ($make:expr) => {{
        let (scope, limit, handle) = (Scope::new("all"), Limit::new(1), AbortHandle::new());
        let (clock, timeout) = (TestClock::new(), TimeoutHandle::new(SECOND));

        drop(ours($make.owned()));
        drop(ours($make.with_timeout(SECOND)));
        drop(ours($make.with_deadline(Instant::NEVER)));
        drop(ours($make.with_timeout_handle(&timeout)));
        drop(ours($make.with_idle_timeout(SECOND)));
        drop(ours($make.warn_after(SECOND, |_| {})));
        drop(ours($make.limit(&limit)));
        drop(ours($make.in_scope(&scope)));
        drop(ours($make.try_in_scope(&scope)));
        drop(ours($make.with_abort(&handle)));
        drop(ours($make.with_timer(&clock)));
        drop(ours($make.with_grace(SECOND)));
        drop(ours($make.shielded(SECOND)));
        drop(ours($make.with_value(&KEY, 7)));
        drop(ours($make.named("fetch")));

        let chain = ours(
            $make
                .owned()
                .with_timeout(SECOND)
                .with_deadline(Instant::NEVER)
                .with_timeout_handle(&timeout)
                .with_idle_timeout(SECOND)
                .warn_after(SECOND, |_| {})
                .limit(&limit)
                .in_scope(&scope)
                .try_in_scope(&scope)
                .with_abort(&handle)
                .with_timer(&clock)
                .with_grace(SECOND)
                .shielded(SECOND)
                .with_value(&KEY, 7)
                .named("fetch"),
        );
        assert_eq!(futures::executor::block_on(chain.flatten()).unwrap(), 7);
        let chain = $make.named("fetch").flatten_into::<Aborted>();
        assert_eq!(futures::executor::block_on(chain).unwrap(), 7);
        let spawned = tenure::scope(async |n| {
            let child = our_child($make.owned().spawn_in(&n));
            let tried = our_child($make.owned().try_spawn_in(&n));
            (child.await.unwrap(), tried.await)
        });
        assert_eq!(futures::executor::block_on(ours(spawned)).unwrap(), (Ok(7), Ok(7)));
    }};
}

/// The same for what a scope of children, its nursery, their handles and a bracket have.
macro_rules! use_every_scope {
    () => {{
        let (scope, handle, clock) = (Scope::new("all"), AbortHandle::new(), TestClock::new());
        fn ours_to_try<O: Operation>(scope: TryScope<O>) -> TryScope<O> {
            scope
        }
        let new = || ours_to_try(tenure::try_scope(async |_| fetch().await));
        drop(ours(new().owned()));
        drop(ours(new().with_timeout(SECOND)));
        drop(ours(new().with_deadline(Instant::NEVER)));
        drop(ours(new().with_grace(SECOND)));
        drop(ours(new().shielded(SECOND)));
        drop(ours(new().with_abort(&handle)));
        drop(ours(new().with_timer(&clock)));
        drop(ours(new().in_scope(&scope)));
        drop(ours(new().named("fetch")));
        assert_eq!(futures::executor::block_on(new()).unwrap(), 7);

        let all = tenure::scope(async |n| {
            n.defer(|_| {});
            n.defer_async(|_| async {});
            n.defer_async_within(SECOND, |_| async {});
            n.on_close(|_| {});
            let child = our_child(n.spawn(std::future::pending::<()>()));
            assert!(child.abort("stop") && !child.is_finished());
            our_child(n.try_spawn(fetch())).await.unwrap();
            our_child(n.spawn_background(fetch())).await.unwrap()
        });
        assert_eq!(futures::executor::block_on(all.flatten()).unwrap(), 7);

        scope.spawn_on(drop, fetch());
        let held = bracket(fetch(), async |held| Ok(*held), async |_, _| {});
        let held = ours(held.acquire_within(SECOND).release_within(SECOND));
        assert_eq!(futures::executor::block_on(held.flatten()).unwrap(), 7);
    }};
}

/// The same for what only a receiver that can run again has.
macro_rules! use_every_retry {
    ($make:expr) => {{
        let retried = ours($make.retry(Backoff::exponential()));
        drop(ours(retried.when(|_| true).on_retry(|_| {})));
        let chain = $make
            .named("fetch")
            .retry(Backoff::exponential())
            .when(|_| true)
            .on_retry(|_| {})
            .with_timeout(SECOND);
        assert_eq!(futures::executor::block_on(ours(chain).flatten()).unwrap(), 7);
    }};
}

macro_rules! every_adapter_beside {
    ($($name:ident: $($import:path),+;)+) => {$(
        #[test]
        fn $name() {
            $(#[allow(unused_imports)] use $import as _;)+
            use_every_adapter!(fetch());
            use_every_adapter!(fetch);
            use_every_adapter!((|_: Owner| fetch()));
            use_every_retry!(fetch);
            use_every_retry!((|_: Owner| fetch()));
            use_every_scope!();
        }
    )+};
}

every_adapter_beside! {
    beside_futures: futures::FutureExt, futures::TryFutureExt, futures::StreamExt, futures::TryStreamExt;
    beside_futures_lite: futures_lite::FutureExt, futures_lite::StreamExt;
    beside_tokio_util: tokio_util::future::FutureExt;
    beside_other_timeouts: smol_timeout::TimeoutExt, stop_token::future::FutureExt;
    beside_futures_time: futures_time::future::FutureExt, futures_time::stream::StreamExt;
    beside_futures_concurrency:
        futures_concurrency::future::FutureExt, futures_concurrency::stream::StreamExt,
        futures_concurrency::future::Join, futures_concurrency::future::TryJoin,
        futures_concurrency::future::Race, futures_concurrency::future::RaceOk;
    beside_all_of_them:
        futures::FutureExt, futures::TryFutureExt, futures::StreamExt, futures::TryStreamExt,
        futures_lite::FutureExt, futures_lite::StreamExt,
        tokio_util::future::FutureExt, smol_timeout::TimeoutExt, stop_token::future::FutureExt,
        futures_time::future::FutureExt, futures_time::stream::StreamExt,
        futures_concurrency::future::FutureExt, futures_concurrency::stream::StreamExt,
        futures_concurrency::future::Join, futures_concurrency::future::TryJoin,
        futures_concurrency::future::Race, futures_concurrency::future::RaceOk;
}

#[test]
fn beside_every_prelude() {
    #[allow(unused_imports)]
    use {
        futures::prelude::*, futures_concurrency::prelude::*, futures_lite::prelude::*,
        futures_time::prelude::*,
    };
    use_every_adapter!(fetch());
    use_every_adapter!(fetch);
    use_every_retry!(fetch);
    use_every_scope!();
}

#[test]
fn owned_is_the_way_out_beside_embassy_time() {
    use embassy_time::WithTimeout;

    let ours = fetch().owned().with_timeout(SECOND).with_deadline(Instant::NEVER);
    assert_eq!(futures::executor::block_on(ours.flatten()).unwrap(), 7);

    // Theirs is on futures alone, so a closure needs no way out.
    let ours = fetch.with_timeout(SECOND);
    assert_eq!(futures::executor::block_on(ours.flatten()).unwrap(), 7);

    let second = embassy_time::Duration::from_secs(1);
    let theirs = WithTimeout::with_timeout(fetch(), second);
    assert_eq!(futures::executor::block_on(theirs).unwrap().unwrap(), 7);

    // A scope has its own.
    let scope = || tenure::try_scope(async |_| fetch().await);
    let ours = scope().with_timeout(SECOND).with_deadline(Instant::NEVER);
    assert_eq!(futures::executor::block_on(ours.flatten()).unwrap(), 7);
    let ours = scope().with_deadline(Instant::NEVER);
    assert_eq!(futures::executor::block_on(ours.flatten()).unwrap(), 7);
}

#[test]
fn owned_is_the_way_out_beside_backon() {
    use backon::Retryable;

    let ours = fetch.owned().retry(Backoff::exponential());
    assert_eq!(futures::executor::block_on(ours.flatten()).unwrap(), 7);

    // Nor where another adapter stands before it.
    let ours = fetch.with_timeout(SECOND).retry(Backoff::exponential());
    assert_eq!(futures::executor::block_on(ours.flatten()).unwrap(), 7);

    let theirs = Retryable::retry(fetch, backon::ExponentialBuilder::default());
    assert_eq!(futures::executor::block_on(theirs.sleep(|_| async {})).unwrap(), 7);
}
