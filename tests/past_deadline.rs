//! A passed deadline starts nothing.

mod support;

use std::{cell::Cell, future::pending, time::Duration};

use futures::future::join_all;
use support::{ByHand, SECOND};
use tenure::{Backoff, Limit, OwnedFuture, time::TestClock};

/// At the deadline the holder gives its permit back, and each waiter in turn is polled with a permit
/// before its own alarm is looked at: it starts work that is dropped in the same poll.
#[test]
fn a_waiter_that_gets_its_permit_at_the_deadline_starts_nothing() {
    let clock = TestClock::new();
    let limit = Limit::new(1);
    let deadline = clock.now() + SECOND;
    let started = Cell::new(0);
    let jobs = (0..10).map(|_| {
        (|| {
            started.set(started.get() + 1);
            pending::<()>()
        })
        .limit(&limit)
        .with_deadline(deadline)
        .with_timer(&clock)
    });
    let outcomes = smol::block_on(clock.watch(join_all(jobs)));
    assert!(outcomes.iter().all(Result::is_err));
    assert_eq!(started.get(), 1);
}

/// The back-off ends before the deadline, but nobody polls until after it.
#[test]
fn a_retry_that_is_polled_after_its_deadline_makes_no_attempt() {
    let clock = TestClock::new();
    let attempts = Cell::new(0);
    let failing = || {
        attempts.set(attempts.get() + 1);
        async { Err::<(), _>("down") }
    };
    let mut chain = ByHand::new(
        failing
            .retry(Backoff::fixed(Duration::from_millis(900)))
            .with_deadline(clock.now() + SECOND)
            .with_timer(&clock),
    );
    assert!(chain.poll().is_pending());
    clock.advance(5 * SECOND);
    assert!(chain.poll().is_ready());
    assert_eq!(attempts.get(), 1);
}
