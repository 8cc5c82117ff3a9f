//! The deadlines around plain code count in it: nothing deep down waits for what would come too late.

mod executors;
mod support;

use std::{future::pending, task::Poll, time::Duration};

use support::{ByHand, Count, Log, SECOND};
use tenure::{
    Backoff, OwnedFuture, Owner, Scope, scope,
    time::{Instant, TestClock},
    timeout::TimeoutHandle,
};

/// Fails at once, each time.
async fn down(attempts: &Count) -> Result<(), &'static str> {
    attempts.add();
    Err("down")
}

async fn deep_retry(attempts: &Count) -> Result<(), &'static str> {
    let retry = (|| down(attempts)).retry(Backoff::fixed(2 * SECOND).attempts(100));
    retry.await.expect("it ends with its own error")
}

executors::on_every_executor! {
    async fn a_retry_deep_down_never_sleeps_past_the_deadline(executor: Executor) {
        let (clock, attempts) = (TestClock::new(), Count::default());
        let (hands, counted) = (clock.clone(), attempts.clone());
        let chain = async move {
            let ended = deep_retry(&counted).await;
            (ended, hands.elapsed())
        };
        let chain = chain.with_timeout(5 * SECOND).with_timer(&clock);
        let (ended, at) = executor.spawn(clock.watch(chain)).await.unwrap();
        // The third attempt was at 4 s; a fourth would be at 6.
        assert_eq!((ended, at, attempts.get()), (Err("down"), 4 * SECOND, 3));
    }

    async fn nor_where_chains_are_nested(executor: Executor) {
        let (clock, attempts) = (TestClock::new(), Count::default());
        let (hands, counted) = (clock.clone(), attempts.clone());
        let chain = async move {
            let middle = async move {
                let inner = async move { deep_retry(&counted).await };
                inner.with_timeout(100 * SECOND).await.unwrap()
            };
            let ended = middle.named("middle").with_timeout(50 * SECOND).await.unwrap();
            (ended, hands.elapsed())
        };
        let chain = chain.with_timeout(5 * SECOND).with_timer(&clock);
        let (ended, at) = executor.spawn(clock.watch(chain)).await.unwrap();
        assert_eq!((ended, at, attempts.get()), (Err("down"), 4 * SECOND, 3));
    }

    async fn nor_in_the_child_of_a_nursery(executor: Executor) {
        let (clock, attempts) = (TestClock::new(), Count::default());
        let (hands, counted) = (clock.clone(), attempts.clone());
        let nursery = scope(async move |n| {
            let child = n.spawn(async move { deep_retry(&counted).await });
            (child.await.unwrap(), hands.elapsed())
        });
        let nursery = nursery.with_timeout(5 * SECOND).with_timer(&clock);
        let (ended, at) = executor.spawn(clock.watch(nursery)).await.unwrap();
        assert_eq!((ended, at, attempts.get()), (Err("down"), 4 * SECOND, 3));
    }

    async fn nor_in_a_scope_with_a_deadline(executor: Executor) {
        let (clock, attempts) = (TestClock::new(), Count::default());
        let scope = Scope::builder("scope").timer(&clock).timeout(5 * SECOND).build();
        let (hands, counted) = (clock.clone(), attempts.clone());
        let member = async move { (deep_retry(&counted).await, hands.elapsed()) };
        let inner = scope.child("inner");
        let member = member.in_scope(&inner);
        let (ended, at) = executor.spawn(clock.watch(member)).await.unwrap();
        assert_eq!((ended, at, attempts.get()), (Err("down"), 4 * SECOND, 3));
        assert!(!scope.is_aborted());
    }

    async fn an_owner_that_was_found_sleeps_no_longer(executor: Executor) {
        let clock = TestClock::new();
        let hands = clock.clone();
        let chain = async move {
            let naps = async {
                let owner = Owner::current().unwrap();
                owner.sleep(3 * SECOND).await?;
                owner.sleep(3 * SECOND).await
            };
            let slept = naps.named("naps").await.unwrap();
            (slept, hands.elapsed())
        };
        let chain = chain.named("outer").with_timeout(5 * SECOND).with_timer(&clock);
        let (slept, at) = executor.spawn(clock.watch(chain)).await.unwrap();
        assert_eq!(slept.unwrap_err().to_string(), "the deadline has passed (in `outer`)");
        assert_eq!(at, 3 * SECOND);
    }
}

#[test]
fn the_earliest_deadline_around_is_found_whoever_set_it() {
    let clock = TestClock::new();
    let at = |seconds: u32| Instant::START + seconds * SECOND;
    let found = Log::default();
    let asks = || {
        let found = found.clone();
        async move {
            let owner = Owner::current().unwrap();
            found.note((owner.deadline(), owner.remaining()));
            pending::<()>().await
        }
    };
    let nested = |inner: u32, outer: u32| {
        let asks = asks();
        async move { asks.with_timeout(inner * SECOND).await }.with_timeout(outer * SECOND)
    };
    drop(ByHand::polled(nested(2, 5).with_timer(&clock)));
    drop(ByHand::polled(nested(5, 2).with_timer(&clock)));
    let scope = Scope::builder("scope").timer(&clock).deadline(at(1)).build();
    drop(ByHand::polled(nested(5, 2).in_scope(&scope)));
    assert_eq!(found.all(), [2, 2, 1].map(|seconds| (Some(at(seconds)), Some(seconds * SECOND))));
    assert_eq!(clock.elapsed(), Duration::ZERO);
}

/// The timer goes down, too, and deadlines on another one don't count.
#[test]
fn a_chain_deep_down_goes_by_the_timer_around_it() {
    let (clock, other) = (TestClock::new(), TestClock::new());
    let chain = async { pending::<()>().with_timeout(3 * SECOND).await };
    let chain = chain.with_timer(&clock);
    let aborted = smol::block_on(clock.watch(chain)).unwrap().unwrap_err();
    assert!(aborted.is_timeout());
    assert_eq!(clock.elapsed(), 3 * SECOND);

    let asks = async { Owner::current().unwrap().deadline() };
    let chain = async { asks.with_timer(&other).await.unwrap() };
    let chain = chain.with_timeout(SECOND).with_timer(&clock);
    assert_eq!(ByHand::new(chain).ready().unwrap(), None);
}

/// What is around it rings for that, but can't be polled: this very thread is blocked within.
#[test]
fn a_timeout_in_a_call_of_block_on_fires_though_one_around_it_is_due_earlier() {
    let clock = TestClock::new();
    let outer = async {
        let inner = pending::<()>().with_timeout(3 * SECOND);
        let ended = smol::block_on(clock.watch(inner)).unwrap_err();
        (ended, clock.elapsed())
    };
    let outer = outer.with_timeout(SECOND).with_timer(&clock);
    let (ended, at) = ByHand::new(outer).ready().unwrap();
    assert_eq!((ended.to_string().as_str(), at), ("timed out after 3s", 3 * SECOND));
}

/// A nursery polls a child when that is woken, and not because something around it has moved.
#[test]
fn a_timeout_of_a_child_fires_where_one_around_the_nursery_was_put_off() {
    let (clock, timeout) = (TestClock::new(), TimeoutHandle::new(2 * SECOND));
    let nursery = scope(async |n| {
        let stuck = pending::<()>().with_timeout(5 * SECOND).spawn_in(&n);
        stuck.await.unwrap_err().to_string()
    });
    let nursery = nursery.with_timeout_handle(&timeout).with_timer(&clock);
    let mut nursery = ByHand::polled(nursery);
    timeout.extend(100 * SECOND);
    assert!(nursery.run().is_pending());
    clock.advance(5 * SECOND);
    assert_eq!(nursery.run(), Poll::Ready(Ok("timed out after 5s".to_owned())));
}
