//! A timeout is cleared, extended and reset while it runs.

mod executors;
mod support;

use std::{
    cell::Cell,
    future::{pending, poll_fn},
    task::Poll,
    time::Duration,
};

use futures::channel::oneshot;
use support::{ByHand, Count, CountingTimer, SECOND};
use tenure::{
    AbortReason, Backoff, OwnedFuture, Owner,
    time::{Instant, TestClock},
    timeout::TimeoutHandle,
};

fn timed_out(after: Duration) -> AbortReason {
    AbortReason::TimedOut { after }
}

executors::on_every_executor! {
    /// Changed from another task, which the clock lets come first.
    async fn it_is_changed_from_elsewhere(executor: Executor) {
        let clock = TestClock::new();
        let timeout = TimeoutHandle::new(5 * SECOND);
        let stuck = pending::<()>().with_timeout_handle(&timeout).with_timer(&clock);
        let (hands, handle) = (clock.clone(), timeout.clone());
        let changes = async move {
            hands.sleep(4 * SECOND).await;
            handle.extend(3 * SECOND); // to 8
            hands.sleep(3 * SECOND).await;
            handle.reset(2 * SECOND); // to 9
            hands.sleep(SECOND).await;
            handle.clear();
            hands.sleep(100 * SECOND).await;
            handle.reset(SECOND); // to 109
        };
        let (stuck, changes) = (clock.watch(stuck), clock.watch(changes));
        let (stuck, changes) = (executor.spawn(stuck), executor.spawn(changes));
        changes.await;
        assert_eq!(stuck.await.unwrap_err().reason(), &timed_out(SECOND));
        assert_eq!(clock.elapsed(), 109 * SECOND);
    }
}

#[test]
fn an_extension_is_told_with_the_rest() {
    let clock = TestClock::new();
    let timeout = TimeoutHandle::new(2 * SECOND);
    let mut stuck =
        ByHand::polled(pending::<()>().with_timeout_handle(&timeout).with_timer(&clock));
    timeout.extend(SECOND);
    timeout.extend(SECOND);
    clock.advance(4 * SECOND - Duration::from_nanos(1));
    assert!(stuck.poll().is_pending());
    clock.advance(Duration::from_nanos(1));
    assert_eq!(stuck.ready().unwrap_err().reason(), &timed_out(4 * SECOND));
}

#[test]
fn one_that_was_cleared_is_not_extended_but_reset() {
    let clock = TestClock::new();
    let timeout = TimeoutHandle::new(SECOND);
    let mut stuck =
        ByHand::polled(pending::<()>().with_timeout_handle(&timeout).with_timer(&clock));
    timeout.clear();
    timeout.extend(SECOND);
    clock.advance(1_000 * SECOND);
    assert!(stuck.poll().is_pending());
    timeout.reset(SECOND);
    assert!(stuck.run().is_pending());
    clock.advance(SECOND);
    assert_eq!(stuck.ready().unwrap_err().reason(), &timed_out(SECOND));
}

/// What runs under it is woken once for a change, and not by a change that comes before it began.
#[test]
fn a_change_wakes_what_runs() {
    let timeout = TimeoutHandle::new(SECOND);
    let timer = CountingTimer::default();
    let mut stuck =
        ByHand::new(pending::<()>().with_timeout_handle(&timeout).with_timer(timer.clone()));
    timeout.extend(SECOND);
    assert_eq!(stuck.wakes(), 0);
    assert!(stuck.poll().is_pending());
    let changes: [fn(&TimeoutHandle); 3] =
        [TimeoutHandle::clear, |timeout| timeout.reset(SECOND), |timeout| timeout.extend(SECOND)];
    for change in changes {
        let before = stuck.wakes();
        change(&timeout);
        assert_eq!(stuck.wakes(), before + 1);
        assert!(stuck.poll().is_pending());
    }
    assert_eq!(timer.live(), 1);
    let task = stuck.task();
    drop(stuck);
    assert_eq!((timer.outstanding(), task.wakers()), (0, 0));
    // Nobody is there to be told.
    timeout.reset(SECOND);
}

#[test]
fn a_change_in_the_very_poll_counts() {
    let clock = TestClock::new();
    let timeout = TimeoutHandle::new(SECOND);
    let changes_itself = async {
        timeout.extend(9 * SECOND);
        pending::<()>().await;
    };
    let chain = changes_itself.with_timeout_handle(&timeout).with_timer(&clock);
    assert!(smol::block_on(clock.watch(chain)).unwrap_err().is_timeout());
    assert_eq!(clock.elapsed(), 10 * SECOND);
}

#[test]
fn each_attempt_has_its_time_anew() {
    let clock = TestClock::new();
    let timeout = TimeoutHandle::new(SECOND);
    let attempts = Count::default();
    let stuck = || {
        // Known from the second attempt on.
        if attempts.add() == 0 {
            timeout.extend(SECOND);
        }
        pending::<Result<(), &str>>()
    };
    let chain = stuck
        .with_timeout_handle(&timeout)
        .retry(Backoff::fixed(Duration::ZERO).attempts(3))
        .with_timer(&clock);
    assert!(smol::block_on(clock.watch(chain)).unwrap_err().is_timeout());
    assert_eq!((attempts.get(), clock.elapsed()), (3, 3 * 2 * SECOND));
}

/// It has set no alarm, because the outer one would have come first.
#[test]
fn an_inner_timeout_fires_when_the_outer_one_is_cleared() {
    for clear in [TimeoutHandle::clear, |timeout: &TimeoutHandle| timeout.extend(100 * SECOND)] {
        let clock = TestClock::new();
        let outer = TimeoutHandle::new(SECOND);
        let inner = pending::<()>().with_timeout(5 * SECOND);
        let mut chain = ByHand::polled(inner.with_timeout_handle(&outer).with_timer(&clock));
        clear(&outer);
        assert!(chain.run().is_pending());
        clock.advance(5 * SECOND);
        assert_eq!(chain.ready().unwrap_err().reason(), &timed_out(5 * SECOND));
    }
}

/// The inner one had looked at the outer one already when that was changed, in the poll of both: at the first,
/// or at the very instant at which the outer one would have fired.
#[test]
fn an_inner_timeout_fires_when_the_outer_one_is_changed_from_within() {
    type Change = fn(&TimeoutHandle);
    let changes: [(Change, u32); 3] = [
        (TimeoutHandle::clear, 5),
        (|outer| outer.extend(100 * SECOND), 5),
        (|outer| outer.reset(2 * SECOND), 2),
    ];
    for (change, fires) in changes {
        for begun in [Duration::ZERO, SECOND] {
            let clock = TestClock::new();
            let outer = TimeoutHandle::new(SECOND);
            let changes_it = async {
                clock.sleep(begun).await;
                change(&outer);
                pending::<()>().await
            };
            let inner = changes_it.with_timeout(5 * SECOND);
            let chain = inner.with_timeout_handle(&outer).with_timer(&clock);
            let guarded = clock.watch(chain).with_timeout(200 * SECOND).with_timer(&clock);
            let aborted = smol::block_on(clock.watch(guarded)).unwrap().unwrap_err();
            assert_eq!(aborted.reason(), &timed_out(fires * SECOND));
            let begun = if fires == 5 { Duration::ZERO } else { begun };
            assert_eq!(clock.elapsed(), begun + fires * SECOND);
        }
    }
}

/// Which is no progress: it doesn't run hot.
#[test]
fn one_that_is_reset_in_each_poll_wakes_nobody() {
    let timer = CountingTimer::default();
    let timeout = TimeoutHandle::new(SECOND);
    let resets = poll_fn(|_| {
        timeout.reset(SECOND);
        Poll::<()>::Pending
    });
    let chain = resets.with_timeout(9 * SECOND).with_timeout_handle(&timeout);
    let mut chain = ByHand::polled(chain.with_timer(timer.clone()));
    for _ in 0..10 {
        timer.advance(SECOND / 100);
        assert!(chain.poll().is_pending());
    }
    assert_eq!((chain.wakes(), timer.set()), (0, 1));
    timer.advance(SECOND);
    assert!(chain.run().is_pending());
    assert_eq!((chain.wakes(), timer.live()), (2, 1));
}

#[test]
fn one_that_is_reset_to_zero_in_each_poll_fires() {
    let clock = TestClock::new();
    let timeout = TimeoutHandle::new(SECOND);
    let resets = poll_fn(|_| {
        timeout.reset(Duration::ZERO);
        Poll::<()>::Pending
    });
    let chain = resets.with_timeout(SECOND).with_timeout_handle(&timeout).with_timer(&clock);
    assert_eq!(ByHand::new(chain).ready().unwrap_err().reason(), &timed_out(Duration::ZERO));
}

#[test]
fn what_runs_below_knows_the_deadline() {
    let clock = TestClock::new();
    let timeout = TimeoutHandle::new(3 * SECOND);
    let asks = |owner: Owner| async move { owner.remaining() };
    let asked = asks.with_timeout_handle(&timeout).with_timer(&clock);
    assert_eq!(smol::block_on(asked).unwrap(), Some(3 * SECOND));
    timeout.clear();
    let asked = asks.with_timeout_handle(&timeout).with_timer(&clock);
    assert_eq!(smol::block_on(asked).unwrap(), None);
}

/// A back-off that it can't wait for ends it at once: its own limit, to those above.
#[test]
fn a_retry_below_begins_no_back_off_beyond_it() {
    let clock = TestClock::new();
    let timeout = TimeoutHandle::new(3 * SECOND);
    let attempts = Cell::new(0);
    let fails = || {
        attempts.set(attempts.get() + 1);
        pending::<Result<(), &str>>()
    };
    let chain = fails
        .with_timeout(SECOND)
        .retry(Backoff::fixed(2 * SECOND))
        .with_timeout_handle(&timeout)
        .retry(Backoff::fixed(Duration::ZERO).attempts(2))
        .with_timer(&clock);
    let aborted = smol::block_on(clock.watch(chain)).unwrap_err();
    assert!(matches!(aborted.reason(), AbortReason::DeadlinePassed { .. }), "{aborted}");
    assert_eq!((attempts.get(), clock.elapsed()), (2, 2 * SECOND));
}

#[test]
fn any_duration_will_do() {
    let clock = TestClock::new();
    let timeout = TimeoutHandle::new(Duration::MAX);
    let mut stuck =
        ByHand::polled(pending::<()>().with_timeout_handle(&timeout).with_timer(&clock));
    timeout.extend(Duration::MAX);
    assert!(stuck.run().is_pending());
    timeout.reset(Duration::MAX);
    assert!(stuck.run().is_pending());
    timeout.reset(Duration::ZERO);
    assert!(stuck.run().is_ready());
    assert_eq!(clock.now(), Instant::START);

    // One poll, as with a timeout of zero.
    let timeout = TimeoutHandle::new(Duration::ZERO);
    assert!(ByHand::new(pending::<()>().with_timeout_handle(&timeout)).poll().is_ready());
    let ready = ByHand::new(async { 7 }.with_timeout_handle(&timeout)).ready();
    assert_eq!(ready.unwrap(), 7);
}

/// Whoever changes it comes and goes in threads of their own.
#[test]
fn changes_from_many_threads_are_all_told() {
    let clock = TestClock::new();
    let timeout = TimeoutHandle::new(SECOND);
    let (done, was_done) = oneshot::channel::<()>();
    let mut waits = ByHand::polled(was_done.with_timeout_handle(&timeout).with_timer(&clock));
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| (0..1_000).for_each(|_| timeout.extend(SECOND)));
        }
        for _ in 0..1_000 {
            assert!(waits.poll().is_pending());
        }
    });
    clock.advance(4_001 * SECOND - Duration::from_nanos(1));
    assert!(waits.run().is_pending());
    clock.advance(Duration::from_nanos(1));
    assert_eq!(waits.ready().unwrap_err().reason(), &timed_out(4_001 * SECOND));
    drop(done);
}
