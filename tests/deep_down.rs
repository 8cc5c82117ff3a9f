//! What takes its time to end has it deep in plain code, too, where nobody tells it of the end: the user's own future
//! is held for that, and not a line of it runs any more.

mod deep;
mod executors;
mod support;

use std::future::pending;

use deep::{Seen, all, assert_ended};
use futures::{StreamExt, stream::FuturesUnordered};
use futures_lite::future::yield_now;
use support::{ByHand, Count, Drops, SECOND};
use tenure::{AbortHandle, Aborted, OwnedFuture, Scope, scope, time::TestClock};

executors::on_every_executor! {
    async fn a_timeout_waits_for_it_and_runs_no_more_of_the_plain_code(executor: Executor) {
        for kind in 0..4 {
            let seen = Seen::default();
            let deep = all(&seen).into_iter().nth(kind).unwrap();
            let plain = async move {
                deep.await;
                yield_now().await;
            };
            let chain = plain.with_timeout(SECOND).with_timer(&seen.clock);
            let aborted = executor.spawn(seen.clock.watch(chain)).await.unwrap_err();
            assert_eq!(aborted.to_string(), "timed out after 1s");
            assert_ended(&seen, &format!("kind {kind}"));
        }
    }

    async fn a_scope_waits_for_it(executor: Executor) {
        for kind in 0..4 {
            let seen = Seen::default();
            let deep = all(&seen).into_iter().nth(kind).unwrap();
            let scope = Scope::builder("scope").timer(&seen.clock).timeout(SECOND).build();
            let (member, close) = (deep.in_scope(&scope), scope.close());
            let (member, close) = (seen.clock.watch(member), seen.clock.watch(close));
            let (member, close) = (executor.spawn(member), executor.spawn(close));
            let report = close.await;
            assert_eq!(report.took(), Some(3 * SECOND));
            assert!(member.await.unwrap_err().is_timeout());
            assert_ended(&seen, &format!("kind {kind}"));
        }
    }

    /// A chain in a chain in a chain, each in plain code of its own.
    async fn it_is_waited_for_however_deep_it_is(executor: Executor) {
        for kind in 0..4 {
            let seen = Seen::default();
            let deep = all(&seen).into_iter().nth(kind).unwrap();
            let middle = async move {
                let inner = async move {
                    deep.with_timeout(100 * SECOND).await.unwrap_or_default();
                    unreachable!("no more of it runs");
                };
                let _: Result<(), Aborted> = inner.named("inner").await;
                unreachable!("no more of it runs");
            };
            let outer = async move {
                let _: Result<(), Aborted> = middle.with_abort(AbortHandle::new()).await;
                unreachable!("no more of it runs");
            };
            let chain = outer.with_timeout(SECOND).with_timer(&seen.clock);
            let ended: Result<(), Aborted> = executor.spawn(seen.clock.watch(chain)).await;
            assert!(ended.unwrap_err().is_timeout());
            assert_ended(&seen, &format!("kind {kind}"));
        }
    }

    async fn a_child_that_is_aborted_alone_has_it_too(executor: Executor) {
        for kind in 0..4 {
            let seen = Seen::default();
            let deep = all(&seen).into_iter().nth(kind).unwrap();
            let clock = seen.clock.clone();
            let nursery = scope(async move |n| {
                let child = n.spawn(async move { async move { deep.await; }.with_timeout(99 * SECOND).await });
                clock.sleep(SECOND).await;
                child.abort("not needed");
                child.await.unwrap_err().to_string()
            });
            let ended = executor.spawn(seen.clock.watch(nursery.with_timer(&seen.clock))).await;
            assert_eq!(ended.unwrap(), "not needed");
            assert_ended(&seen, &format!("kind {kind}"));
        }
    }

    async fn several_are_waited_for_at_once(executor: Executor) {
        let seen = Seen::default();
        let plain = all(&seen).into_iter().collect::<FuturesUnordered<_>>();
        let plain = async move {
            let mut plain = plain;
            while plain.next().await.is_some() {}
        };
        let chain = plain.with_timeout(SECOND).with_timer(&seen.clock);
        assert!(executor.spawn(seen.clock.watch(chain)).await.is_err());
        assert_eq!(seen.log.all(), [("cleaned up", 3 * SECOND); 4]);
        assert_eq!(seen.clock.elapsed(), 3 * SECOND);
    }
}

/// An inner timeout that runs out while it takes its time once let the plain code run on.
#[test]
fn no_more_runs_though_something_between_ends_meanwhile() {
    for kind in 0..4 {
        let seen = Seen::default();
        let deep = all(&seen).into_iter().nth(kind).unwrap();
        let plain = async move {
            let _: Result<(), Aborted> = async move {
                deep.await;
            }
            .with_timeout(2 * SECOND)
            .await;
            unreachable!("no more of it runs");
        };
        let chain = plain.with_timeout(SECOND).with_timer(&seen.clock);
        let ended: Result<(), Aborted> = smol::block_on(seen.clock.watch(chain));
        assert_eq!(ended.unwrap_err().to_string(), "timed out after 1s");
        assert_ended(&seen, &format!("kind {kind}"));
    }
}

/// The same, where what takes its time stands in the very chain that the timeout is in.
#[test]
fn no_more_runs_though_its_own_chain_ends_meanwhile() {
    let seen = Seen::default();
    let plain = async {
        let nursery = scope(async |n| {
            n.defer_async(async |_| {
                seen.clock.sleep(2 * SECOND).await;
                seen.note("cleaned up");
            });
            pending::<()>().await
        });
        let _: Result<(), Aborted> = nursery.with_timeout(2 * SECOND).await;
        unreachable!("no more of it runs");
    };
    let chain = plain.with_timeout(SECOND).with_timer(&seen.clock);
    let ended: Result<(), Aborted> = smol::block_on(seen.clock.watch(chain));
    assert!(ended.is_err());
    assert_ended(&seen, "in its own chain");
}

/// What has no clean-up is gone at the verdict, and was not polled for it.
#[test]
fn where_nothing_takes_its_time_plain_code_is_dropped_unpolled() {
    let (polls, drops, stop) = (Count::default(), Drops::default(), AbortHandle::new());
    let inner = pending::<()>().with_timeout(SECOND);
    let plain = polls.polls_of(drops.of(async { _ = inner.await }));
    let mut chain = ByHand::polled(plain.with_abort(&stop));
    stop.abort("stop");
    assert!(chain.ready().is_err());
    assert_eq!((polls.get(), drops.live()), (1, 0));

    // A nursery that has ended by then holds nothing any more.
    let (polls, stop) = (Count::default(), AbortHandle::new());
    let plain = async {
        scope(async |_| yield_now().await).await.unwrap();
        pending::<()>().await
    };
    let mut chain = ByHand::new(polls.polls_of(plain).with_abort(&stop));
    assert!(chain.run().is_pending());
    let before = polls.get();
    stop.abort("stop");
    assert!(chain.ready().is_err());
    assert_eq!(polls.get(), before);

    // Nor does one that was dropped.
    let (polls, stop) = (Count::default(), AbortHandle::new());
    let plain = async {
        let mut nursery = Box::pin(scope(async |_| pending::<()>().await));
        assert!(futures::poll!(&mut nursery).is_pending());
        drop(nursery);
        pending::<()>().await
    };
    let mut chain = ByHand::polled(polls.polls_of(plain).with_abort(&stop));
    stop.abort("stop");
    assert!(chain.ready().is_err());
    assert_eq!(polls.get(), 1);
}

#[test]
fn what_overruns_is_cut_off_deep_down_too() {
    let clock = TestClock::new();
    let plain = async {
        let stuck = scope(async |n| {
            n.defer_async_within(3 * SECOND, |_| pending());
            pending::<()>().await
        });
        stuck.await.unwrap();
    };
    let chain = plain.with_timeout(SECOND).with_timer(&clock);
    assert!(smol::block_on(clock.watch(chain)).unwrap_err().is_timeout());
    assert_eq!(clock.elapsed(), 4 * SECOND);

    let plain = async { pending::<()>().with_grace(3 * SECOND).await.unwrap() };
    let chain = plain.with_timeout(SECOND).with_timer(&clock);
    assert!(smol::block_on(clock.watch(chain)).unwrap_err().is_timeout());
    assert_eq!(clock.elapsed(), 8 * SECOND);
}

/// It has no time, and its async clean-up is skipped.
#[test]
fn what_is_dropped_deep_down_is_dropped() {
    for kind in 0..4 {
        let seen = Seen::default();
        let deep = all(&seen).into_iter().nth(kind).unwrap();
        drop(ByHand::polled(
            async move {
                deep.await;
            }
            .with_timeout(SECOND)
            .with_timer(&seen.clock),
        ));
        assert!(seen.log.all().is_empty(), "kind {kind}");
    }
}
