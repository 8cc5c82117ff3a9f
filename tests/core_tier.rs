//! Without `std` the same chains run, by a timer that is passed in.
//!
//! To be run with `--no-default-features` too: then each lock is a critical section, which panics where
//! it is entered again while it is held.

mod support;

use std::{cell::Cell, future::pending};

use futures::{executor::block_on, future::join};
use support::SECOND;
use tenure::{Backoff, Limit, OwnedFuture, Scope, time::TestClock};

#[test]
fn a_chain_waits_by_the_timer_that_it_is_given() {
    let clock = TestClock::new();
    let scope = Scope::builder("core").timer(&clock).build();
    let limit = Limit::new(1);
    let calls = Cell::new(0);

    let stuck = (|| {
        calls.set(calls.get() + 1);
        pending::<Result<(), &str>>()
    })
    .with_timeout(SECOND)
    .retry(Backoff::fixed(SECOND).attempts(3))
    .limit(&limit)
    .in_scope(&scope);

    let aborted = block_on(clock.watch(stuck)).unwrap_err();
    assert_eq!(aborted.to_string(), "timed out after 1s (in `core`)");
    assert_eq!((calls.get(), clock.elapsed()), (3, 5 * SECOND));
}

#[test]
fn a_permit_is_handed_on() {
    let clock = TestClock::new();
    let limit = Limit::new(1);
    let run = || async { clock.sleep(SECOND).await }.limit(&limit).with_timer(&clock);

    let (first, second) = block_on(clock.watch(join(run(), run())));
    assert!(first.is_ok() && second.is_ok());
    assert_eq!((limit.active(), clock.elapsed()), (0, 2 * SECOND));
}

#[test]
fn a_scope_aborts_its_members_and_closes_when_they_are_gone() {
    let clock = TestClock::new();
    let scope = Scope::builder("core").timer(&clock).build();
    let member = pending::<()>().in_scope(&scope);
    let closing = async {
        clock.sleep(SECOND).await;
        scope.abort("enough");
        scope.close().await
    };

    let (member, report) = block_on(clock.watch(join(member, closing)));
    assert_eq!(member.unwrap_err().to_string(), "enough (in `core`)");
    assert!(report.aborted().is_some());
    assert_eq!(scope.members(), 0);
}

#[test]
#[cfg(not(feature = "std"))]
fn a_wait_without_a_timer_says_that_there_is_none() {
    use tenure::AbortReason;

    let aborted = block_on(pending::<()>().with_timeout(SECOND)).unwrap_err();
    assert!(matches!(aborted.reason(), AbortReason::NoTimer));
}
