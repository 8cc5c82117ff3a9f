//! An abort for want of time says which limit it was, whose, and whether it was the asker's own.

mod support;

use std::{future::pending, time::Duration};

use support::{ByHand, SECOND};
use tenure::{
    AbortReason, Aborted, Backoff, OwnedFuture, Owner, Scope, abort::Position, time::TestClock,
};

/// Who asks: the chain itself, and its inner part, by an owner that it was given.
fn run<T>(
    clock: &TestClock,
    chain: impl Future<Output = Result<T, Aborted>>,
) -> Result<T, Aborted> {
    smol::block_on(clock.watch(chain))
}

#[test]
fn the_limit_that_fired_is_named() {
    let clock = TestClock::new();
    let chain = pending::<()>()
        .named("query")
        .with_timeout(2 * SECOND)
        .named("request")
        .with_timeout(SECOND)
        .named("session")
        .with_timer(&clock);
    let aborted = run(&clock, chain).unwrap_err();
    assert_eq!(aborted.reason(), &AbortReason::TimedOut { after: SECOND });
    assert_eq!((aborted.origin(), aborted.position()), (Some("request"), Position::Below));
}

#[test]
fn what_is_below_sees_that_it_was_above() {
    let clock = TestClock::new();
    let (tell, told) = std::sync::mpsc::channel();
    let inner = |owner: Owner| {
        let waits = owner.aborted();
        tell.send(waits).unwrap();
        pending::<()>()
    };
    let chain = inner.named("query").with_timeout(SECOND).with_timer(&clock);
    let own = run(&clock, chain).unwrap_err();
    let seen = smol::block_on(told.recv().unwrap());
    assert_eq!((own.reason(), own.origin()), (seen.reason(), seen.origin()));
    assert_eq!((own.position(), seen.position()), (Position::Below, Position::Above));
}

/// The back-off could not be waited for: the name is that of what the deadline is set for.
#[test]
fn a_retry_that_gives_up_names_whose_deadline_it_was() {
    let clock = TestClock::new();
    let chain = pending::<Result<(), &str>>
        .with_timeout(SECOND)
        .named("attempt")
        .retry(Backoff::fixed(10 * SECOND))
        .named("fetch")
        .with_timeout(20 * SECOND)
        .with_timeout(5 * SECOND)
        .named("page")
        .with_timer(&clock);
    let aborted = run(&clock, chain).unwrap_err();
    let at = tenure::time::Instant::START + 5 * SECOND;
    assert_eq!(aborted.reason(), &AbortReason::DeadlinePassed { at });
    assert_eq!((aborted.origin(), aborted.position()), (Some("fetch"), Position::Below));
    assert_eq!(aborted.cause().unwrap().reason(), &AbortReason::TimedOut { after: SECOND });
    assert_eq!(clock.elapsed(), SECOND);
}

/// Where it has no name below, the nearest above counts.
#[test]
fn a_scope_lends_its_name() {
    let clock = TestClock::new();
    let scope = Scope::builder("ingest").timer(&clock).build();
    let asks = |owner: Owner| async move { owner.sleep(2 * SECOND).await };
    let chain = asks.with_timeout(SECOND).in_scope(&scope);
    let futile = run(&clock, chain).unwrap().unwrap_err();
    assert_eq!(futile.to_string(), "the deadline has passed (in `ingest`)");
    assert_eq!((futile.position(), clock.elapsed()), (Position::Above, Duration::ZERO));
}

#[test]
fn of_two_that_are_the_same_the_outer_is_named() {
    let clock = TestClock::new();
    let asks = |owner: Owner| async move { owner.sleep(SECOND).await };
    let chain = asks
        .named("inner")
        .with_timeout(SECOND)
        .named("outer")
        .with_timeout(SECOND)
        .with_timer(&clock);
    assert_eq!(run(&clock, chain).unwrap().unwrap_err().origin(), Some("outer"));
}

/// Those above a change of timer mean nothing below it.
#[test]
fn a_deadline_on_another_timer_is_not_named() {
    let (clock, other) = (TestClock::new(), TestClock::new());
    let asks = |owner: Owner| async move { owner.sleep(SECOND).await.map(|()| owner.deadline()) };
    let chain = asks.with_timer(&other).named("far").with_timeout(SECOND / 2).with_timer(&clock);
    let mut chain = ByHand::polled(chain);
    other.advance(SECOND);
    assert_eq!(chain.ready().unwrap(), Ok(None));
}
