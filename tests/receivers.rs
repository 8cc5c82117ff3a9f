//! What adapters can be chained on: futures, closures that make one, closures over their owner.

mod executors;
mod support;

use std::{
    future::{Future, Ready, ready},
    pin::Pin,
    time::Duration,
};

use executors::Executor;
use support::SECOND;
use tenure::{
    Backoff, Limit, Owned, OwnedFuture, Owner, Scope, operation::Operation, owner::Key,
    timeout::TimeoutHandle,
};

static KEY: Key<u8> = Key::new("key");

/// Without a delay, for as long as it takes.
fn again() -> Backoff {
    Backoff::fixed(Duration::ZERO).attempts(10)
}

type Answer = Result<u32, &'static str>;

async fn fetch() -> Answer {
    Ok(42)
}

async fn fetch_owned(owner: Owner) -> Answer {
    if owner.attempt() == 3 { Ok(owner.attempt()) } else { Err("not yet") }
}

fn make() -> Ready<Answer> {
    ready(Ok(42))
}

fn make_boxed() -> Pin<Box<dyn Future<Output = Answer> + Send>> {
    Box::pin(fetch())
}

/// Under the adapters that any receiver takes, as a task of its own.
async fn spawned<O>(executor: &Executor, chain: Owned<O>) -> u32
where
    O: Operation<Output = Answer, State: Send> + Send + 'static,
{
    let (limit, scope, timeout) = (Limit::new(1), Scope::new("scope"), TimeoutHandle::new(SECOND));
    let chain = chain.with_timeout(SECOND).with_timeout_handle(&timeout).with_idle_timeout(SECOND);
    let chain = chain.warn_after(SECOND, |overdue| panic!("{overdue}"));
    let chain = chain.limit(&limit).named("chain").in_scope(&scope);
    executor.spawn(chain).await.unwrap().unwrap()
}

executors::on_every_executor! {
    async fn futures_run_once(executor: Executor) {
        assert_eq!(spawned(&executor, fetch().with_timeout_handle(&TimeoutHandle::new(SECOND))).await, 42);
        assert_eq!(spawned(&executor, fetch().with_idle_timeout(SECOND)).await, 42);
        assert_eq!(spawned(&executor, fetch().warn_after(SECOND, |_| {})).await, 42);
        assert_eq!(spawned(&executor, fetch().with_grace(SECOND)).await, 42);
        assert_eq!(spawned(&executor, fetch().shielded(SECOND)).await, 42);
        assert_eq!(spawned(&executor, fetch().with_value(&KEY, 7)).await, 42);
        assert_eq!(spawned(&executor, fetch().owned()).await, 42);
        assert_eq!(spawned(&executor, ready(Ok(1)).with_timeout(SECOND)).await, 1);
        assert_eq!(spawned(&executor, async { Ok(2) }.named("block")).await, 2);
        let moved = String::from("moved");
        assert_eq!(spawned(&executor, async move { Ok(moved.len() as u32) }.owned()).await, 5);
        assert_eq!(spawned(&executor, make_boxed().owned()).await, 42);
        assert_eq!(spawned(&executor, Box::pin(fetch()).owned()).await, 42);
        let local: Pin<Box<dyn Future<Output = Answer>>> = Box::pin(fetch());
        assert_eq!(local.with_timeout(SECOND).await.unwrap(), Ok(42));
    }

    async fn functions_are_called_per_attempt(executor: Executor) {
        let timeout = TimeoutHandle::new(SECOND);
        assert_eq!(spawned(&executor, fetch.with_timeout_handle(&timeout).retry(again())).await, 42);
        assert_eq!(spawned(&executor, fetch.with_idle_timeout(SECOND).retry(again())).await, 42);
        assert_eq!(spawned(&executor, fetch.warn_after(SECOND, |_| {}).retry(again())).await, 42);
        assert_eq!(spawned(&executor, fetch.with_grace(SECOND).retry(again())).await, 42);
        assert_eq!(spawned(&executor, fetch.shielded(SECOND).retry(again())).await, 42);
        assert_eq!(spawned(&executor, fetch.with_value(&KEY, 7).retry(again())).await, 42);
        assert_eq!(spawned(&executor, fetch.retry(again())).await, 42);
        assert_eq!(spawned(&executor, make.retry(again())).await, 42);
        assert_eq!(spawned(&executor, make_boxed.retry(again())).await, 42);
        let pointer: fn() -> Ready<Answer> = make;
        assert_eq!(spawned(&executor, pointer.retry(again())).await, 42);
        let boxed: Box<dyn FnMut() -> Ready<Answer> + Send> = Box::new(make);
        assert_eq!(spawned(&executor, boxed.retry(again())).await, 42);
    }

    async fn functions_over_their_owner_are_called_per_attempt(executor: Executor) {
        let timeout = TimeoutHandle::new(SECOND);
        let handled = fetch_owned.with_timeout_handle(&timeout);
        assert_eq!(spawned(&executor, handled.retry(again())).await, 3);
        assert_eq!(spawned(&executor, fetch_owned.with_idle_timeout(SECOND).retry(again())).await, 3);
        assert_eq!(spawned(&executor, fetch_owned.warn_after(SECOND, |_| {}).retry(again())).await, 3);
        fn make_owned(owner: Owner) -> Ready<Answer> {
            ready(Ok(owner.attempt()))
        }
        let spared = fetch_owned.with_grace(SECOND).shielded(SECOND).with_value(&KEY, 7);
        assert_eq!(spawned(&executor, spared.retry(again())).await, 3);
        assert_eq!(spawned(&executor, fetch_owned.retry(again())).await, 3);
        assert_eq!(spawned(&executor, make_owned.retry(again())).await, 1);
        let pointer: fn(Owner) -> Ready<Answer> = make_owned;
        assert_eq!(spawned(&executor, pointer.retry(again())).await, 1);
        let boxed: Box<dyn FnMut(Owner) -> Ready<Answer> + Send> = Box::new(make_owned);
        assert_eq!(spawned(&executor, boxed.retry(again())).await, 1);
    }

    /// None of them is `Clone`: each keeps a box.
    async fn closures_keep_their_state_from_attempt_to_attempt(executor: Executor) {
        let mut calls = Box::new(0);
        let third_time_lucky = move || {
            *calls += 1;
            let call = *calls;
            async move { if call == 3 { Ok(call) } else { Err("not yet") } }
        };
        assert_eq!(spawned(&executor, third_time_lucky.retry(again())).await, 3);

        let mut calls = Box::new(0);
        let third_time_lucky = move |owner: Owner| {
            *calls += 1;
            assert_eq!(*calls, owner.attempt());
            async move { fetch_owned(owner).await }
        };
        assert_eq!(spawned(&executor, third_time_lucky.retry(again())).await, 3);
    }

    async fn async_closures_are_closures(executor: Executor) {
        assert_eq!(spawned(&executor, (async || Ok(4)).retry(again())).await, 4);
        let owned = async |owner: Owner| fetch_owned(owner).await;
        assert_eq!(spawned(&executor, owned.retry(again())).await, 3);
        let url = "url";
        assert_eq!(spawned(&executor, (async || Ok(url.len() as u32)).retry(again())).await, 3);
    }

    /// A closure needs no retry: it is then called once.
    async fn a_closure_runs_once_without_a_retry(executor: Executor) {
        let mut calls = 0;
        let counts = || {
            calls += 1;
            ready(calls)
        };
        assert_eq!(counts.with_timeout(SECOND).await.unwrap(), 1);
        assert_eq!(calls, 1);
        assert_eq!(spawned(&executor, (|owner: Owner| ready(Ok(owner.attempt()))).owned()).await, 1);
    }
}

/// What isn't spawned may borrow, and need not be `Send`.
#[test]
fn receivers_may_borrow() {
    let url = String::from("url");
    let log = std::cell::RefCell::new(Vec::new());
    let fetch = async |attempt: u32| {
        log.borrow_mut().push(attempt);
        if attempt == 3 { Ok(url.as_str()) } else { Err("not yet") }
    };
    let fetched = (|owner: Owner| fetch(owner.attempt())).retry(again()).with_timeout(SECOND);
    assert_eq!(smol::block_on(fetched).unwrap(), Ok("url"));
    assert_eq!(*log.borrow(), [1, 2, 3]);
    assert_eq!(smol::block_on((|| async { url.len() }).named("borrows")).unwrap(), 3);
    assert_eq!(smol::block_on(async { url.len() }.with_timeout(SECOND)).unwrap(), 3);
}

/// The output is any type; only a retry asks for a `Result`.
#[test]
fn the_output_has_no_bound() {
    struct Opaque(#[allow(dead_code, reason = "it is opaque")] *const ());
    let opaque = async { Opaque(std::ptr::null()) }.with_timeout(SECOND).limit(Limit::new(1));
    assert!(smol::block_on(opaque).is_ok());
}

/// A method of the same name in another trait doesn't stand in the way.
#[test]
fn owned_is_the_way_out_where_names_clash() {
    #[allow(unused_imports, reason = "that it is in scope is the point")]
    use backon::Retryable as _;

    let chain = fetch.owned().retry(again());
    assert_eq!(smol::block_on(chain).unwrap(), Ok(42));
}
