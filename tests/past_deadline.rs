//! A passed deadline starts nothing, unless it was moved.

mod support;

use std::{
    cell::Cell,
    future::pending,
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    task::Waker,
    time::Duration,
};

use futures::future::join_all;
use support::{ByHand, SECOND};
use tenure::{
    Backoff, Limit, OwnedFuture,
    time::{AlarmId, Instant, TestClock, Timer, TimerHandle},
    timeout::TimeoutHandle,
};

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

/// A timer that is late, and at whose next look at the clock somebody extends a timeout, as another thread may.
struct Extends {
    timeout: TimeoutHandle,
    is_late: AtomicBool,
    extends: AtomicBool,
}

impl Timer for Extends {
    fn now(&self) -> Instant {
        if self.extends.swap(false, SeqCst) {
            self.timeout.extend(100 * SECOND);
        }
        if self.is_late.load(SeqCst) { Instant::START + 5 * SECOND } else { Instant::START }
    }

    fn wake_at(&self, _: Instant, _: Waker) -> AlarmId {
        AlarmId::new(0)
    }

    fn cancel(&self, _: Instant, _: AlarmId) {}
}

/// It finds the deadline passed and leaves it to that to end it, which has been moved meanwhile.
#[test]
fn a_retry_goes_on_whose_deadline_is_moved_while_it_looks_at_it() {
    let (timeout, attempts) = (TimeoutHandle::new(SECOND), Cell::new(0));
    let timer: &Extends = Box::leak(Box::new(Extends {
        timeout: timeout.clone(),
        is_late: AtomicBool::new(false),
        extends: AtomicBool::new(false),
    }));
    let failing = || {
        attempts.set(attempts.get() + 1);
        async { Err::<(), _>("down") }
    };
    let chain = failing.retry(Backoff::fixed(Duration::from_millis(900)).attempts(2));
    let chain = chain.with_timeout_handle(&timeout).with_timer(TimerHandle::from_static(timer));
    let mut chain = ByHand::polled(chain);
    timer.is_late.store(true, SeqCst);
    timer.extends.store(true, SeqCst);
    assert!(chain.run().is_ready());
    assert_eq!(attempts.get(), 2);
}
