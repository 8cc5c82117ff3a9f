//! An owner sleeps no longer than it lives, and not at all where that would be too long.

mod executors;
mod support;

use std::{future::pending, time::Duration};

use support::{ByHand, CountingTimer, SECOND};
use tenure::{AbortHandle, AbortReason, Aborted, OwnedFuture, Owner, time::TestClock};

executors::on_every_executor! {
    async fn it_waits_on_the_owners_timer(executor: Executor) {
        let clock = TestClock::new();
        let naps = |owner: Owner| async move {
            for _ in 0..60 {
                owner.sleep(60 * SECOND).await?;
            }
            Ok::<_, Aborted>(owner.remaining())
        };
        let naps = naps.with_timeout(3601 * SECOND).with_timer(&clock);
        let left = executor.spawn(clock.watch(naps)).await.unwrap().unwrap();
        assert_eq!((left, clock.elapsed()), (Some(SECOND), 3600 * SECOND));
    }

    /// The owner was sent elsewhere, and ends.
    async fn it_ends_when_its_owner_does(executor: Executor) {
        let clock = TestClock::new();
        let lends = |owner: Owner| async move { owner };
        let owner = lends.with_timer(&clock).await.unwrap();
        let sleeper = executor.spawn(async move { owner.sleep(SECOND).await });
        assert_eq!(sleeper.await.unwrap_err().reason(), &AbortReason::ScopeEnded);
        assert_eq!(clock.elapsed(), Duration::ZERO);
    }
}

#[test]
fn an_abort_wakes_it() {
    let (timer, stop) = (CountingTimer::default(), AbortHandle::new());
    let naps = |owner: Owner| async move { owner.sleep(SECOND).await };
    // Once as a part of what is aborted, and once elsewhere.
    let mut chain = ByHand::polled(naps.with_timer(timer.clone()).with_abort(&stop));
    let (tell, told) = std::sync::mpsc::channel();
    let lends = |owner: Owner| {
        tell.send(owner).unwrap();
        pending::<()>()
    };
    let _lending = ByHand::polled(lends.with_timer(timer.clone()).with_abort(&stop));
    let mut sleep = ByHand::polled(told.recv().unwrap().sleep(SECOND));
    assert_eq!(timer.live(), 2);
    stop.abort("stop");
    assert_eq!(sleep.wakes(), 1);
    for outcome in [chain.ready().unwrap_err(), sleep.ready().unwrap_err()] {
        assert_eq!(outcome.reason().to_string(), "stop");
    }
    assert_eq!(timer.outstanding(), 0);
}

#[test]
fn it_does_not_wait_for_what_comes_too_late() {
    let clock = TestClock::new();
    for (after, in_time) in
        [(SECOND - Duration::from_nanos(1), true), (SECOND, false), (Duration::MAX, false)]
    {
        let begin = clock.now();
        let naps = |owner: Owner| async move { owner.sleep(after).await };
        let outcome = smol::block_on(clock.watch(naps.with_timeout(SECOND).with_timer(&clock)));
        assert_eq!(outcome.unwrap().is_ok(), in_time);
        assert_eq!(clock.now() - begin, if in_time { after } else { Duration::ZERO });
    }
}

/// As everywhere: what is aborted says so, also where it could not have slept in time.
#[test]
fn an_abort_wins_over_a_deadline() {
    let (clock, stop) = (TestClock::new(), AbortHandle::new());
    let (tell, told) = std::sync::mpsc::channel();
    let lends = |owner: Owner| {
        tell.send(owner).unwrap();
        pending::<()>()
    };
    let _lending = ByHand::polled(lends.with_timeout(SECOND).with_abort(&stop).with_timer(&clock));
    let owner = told.recv().unwrap();
    let (mut live, mut aborted) =
        (ByHand::new(owner.sleep(SECOND)), ByHand::new(owner.sleep(SECOND)));
    let at = tenure::time::Instant::START + SECOND;
    assert_eq!(live.ready().unwrap_err().reason(), &AbortReason::DeadlinePassed { at });
    stop.abort("stop");
    assert_eq!(aborted.ready().unwrap_err().reason(), &"stop".into());
    let mut later = ByHand::new(owner.sleep(SECOND));
    assert_eq!(later.ready().unwrap_err().reason(), &"stop".into());
}

#[test]
fn zero_is_over_at_once_and_one_that_is_dropped_leaves_nothing() {
    let timer = CountingTimer::default();
    let naps =
        |owner: Owner| async move { (owner.sleep(Duration::ZERO).await, owner.sleep(SECOND)) };
    let mut chain = ByHand::new(naps.with_timer(timer.clone()));
    let (slept, later) = chain.ready().unwrap();
    assert!(slept.is_ok());
    assert_eq!(timer.set(), 0);
    drop(later);

    let naps = |owner: Owner| async move { owner.sleep(SECOND).await };
    drop(ByHand::polled(naps.with_timer(timer.clone())));
    assert_eq!((timer.set(), timer.outstanding()), (1, 0));
}
