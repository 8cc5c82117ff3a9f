//! A retry keeps to the time that its owner has: it begins no back-off that the deadline would cut, and
//! one that never waits still lets others run.

mod executors;
mod support;

use std::{task::Poll, time::Duration};

use futures_lite::future::yield_now;
use support::{ByHand, Count, CountingTimer, NANOSECOND, SECOND, failing, hanging};
use tenure::{
    AbortReason, Backoff, OwnedFuture,
    time::{Instant, TestClock},
};

#[test]
fn no_back_off_is_begun_that_the_deadline_would_cut() {
    let (clock, attempts) = (TestClock::new(), Count::default());
    let policy = Backoff::fixed(3 * SECOND).attempts(9);
    let late = failing(&attempts).retry(policy).with_timeout(5 * SECOND).with_timer(&clock);
    assert_eq!(smol::block_on(clock.watch(late)).unwrap(), Err("attempt 2".into()));
    assert_eq!(clock.elapsed(), 3 * SECOND);

    let at = clock.now() + 2 * SECOND;
    let late = failing(&attempts).retry(policy).with_deadline(at).with_timer(&clock);
    assert_eq!(smol::block_on(clock.watch(late)).unwrap(), Err("attempt 3".into()));
    assert_eq!(clock.elapsed(), 3 * SECOND);
}

#[test]
fn one_that_ends_in_time_is_begun() {
    let (clock, attempts) = (TestClock::new(), Count::default());
    let policy = Backoff::fixed(SECOND).attempts(2);
    let just = SECOND + NANOSECOND;
    let chain = failing(&attempts).retry(policy).with_timeout(just).with_timer(&clock);
    assert_eq!(smol::block_on(clock.watch(chain)).unwrap(), Err("attempt 2".into()));
    assert_eq!(clock.elapsed(), SECOND);
}

#[test]
fn an_attempt_that_timed_out_is_the_cause_of_the_deadline_that_passes() {
    let (clock, attempts) = (TestClock::new(), Count::default());
    let chain = hanging(&attempts)
        .with_timeout(SECOND)
        .retry(Backoff::fixed(2 * SECOND).attempts(9))
        .named("whole")
        .with_timeout(5 * SECOND)
        .with_timer(&clock);
    let aborted = smol::block_on(clock.watch(chain)).unwrap_err();
    let at = Instant::START + 5 * SECOND;
    assert_eq!(aborted.reason(), &AbortReason::DeadlinePassed { at });
    assert_eq!(aborted.origin(), Some("whole"));
    assert_eq!(aborted.cause().unwrap().reason(), &AbortReason::TimedOut { after: SECOND });
    assert_eq!((attempts.get(), clock.elapsed()), (2, 4 * SECOND));
}

/// The deadline that the inner retry can't meet is the attempt's own, to the outer one.
#[test]
fn a_deadline_between_two_retries_is_above_the_inner_and_below_the_outer() {
    let (clock, attempts) = (TestClock::new(), Count::default());
    let chain = hanging(&attempts)
        .with_timeout(SECOND)
        .retry(Backoff::fixed(10 * SECOND).attempts(9))
        .with_timeout(5 * SECOND)
        .retry(Backoff::fixed(SECOND).attempts(3))
        .with_timer(&clock);
    let aborted = smol::block_on(clock.watch(chain)).unwrap_err();
    assert!(matches!(aborted.reason(), AbortReason::DeadlinePassed { .. }));
    assert_eq!((attempts.get(), clock.elapsed()), (3, (1 + 1 + 1 + 1 + 1) * SECOND));
}

/// A deadline above both ends both.
#[test]
fn a_deadline_above_two_retries_ends_both() {
    let (clock, attempts) = (TestClock::new(), Count::default());
    let chain = hanging(&attempts)
        .with_timeout(SECOND)
        .retry(Backoff::fixed(10 * SECOND).attempts(9))
        .with_timeout(5 * SECOND)
        .retry(Backoff::fixed(Duration::ZERO).attempts(3))
        .with_timeout(5 * SECOND)
        .with_timer(&clock);
    let aborted = smol::block_on(clock.watch(chain)).unwrap_err();
    assert!(matches!(aborted.reason(), AbortReason::DeadlinePassed { .. }));
    assert_eq!((attempts.get(), clock.elapsed()), (1, SECOND));
}

#[test]
fn a_delay_of_zero_touches_no_timer() {
    let (timer, attempts) = (CountingTimer::default(), Count::default());
    let policy = Backoff::fixed(Duration::ZERO).attempts(10);
    let chain = failing(&attempts).retry(policy).with_timeout(SECOND).with_timer(timer.clone());
    assert_eq!(smol::block_on(chain).unwrap(), Err("attempt 10".into()));
    assert_eq!((timer.reads(), timer.set()), (0, 0));
}

#[test]
fn one_without_end_and_delay_yields_and_looks_at_the_clock() {
    let (clock, attempts) = (TestClock::new(), Count::default());
    let endless = Backoff::fixed(Duration::ZERO).attempts(u32::MAX);
    let chain = failing(&attempts).retry(endless).with_timeout(SECOND).with_timer(&clock);
    let mut chain = ByHand::new(chain);
    for polls in 1..=3 {
        assert!(chain.poll().is_pending());
        assert_eq!(chain.wakes(), polls, "it asks to be polled again");
    }
    let before = attempts.get();
    clock.advance(SECOND);
    let Poll::Ready(Err(aborted)) = chain.poll() else { panic!("not aborted") };
    assert!(aborted.is_timeout());
    assert!(before >= 3 && attempts.get() > before);
}

executors::on_every_executor! {
    /// An endless retry without delay would never give up its thread.
    async fn one_without_end_and_delay_lets_others_run(executor: Executor) {
        let (clock, attempts) = (TestClock::new(), Count::default());
        let chain = failing(&attempts)
            .retry(Backoff::fixed(Duration::ZERO).attempts(u32::MAX))
            .with_timeout(SECOND)
            .with_timer(&clock);
        let done = Count::default();
        let counted = done.clone();
        let endless = executor.spawn(async move {
            let outcome = chain.await;
            counted.add();
            outcome
        });
        // On the same thread where the executor has only one. On another one it may come first, before
        // the timeout has begun to count: so it moves the clock until it has run out.
        let other = async move {
            while done.get() == 0 {
                clock.advance(SECOND);
                yield_now().await;
            }
        };
        executor.spawn(other).await;
        assert!(attempts.get() > 0);
        assert!(endless.await.unwrap_err().is_timeout());
    }
}
