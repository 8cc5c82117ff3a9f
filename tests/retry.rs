//! What is tried again, how often, when, and what isn't.

mod executors;
mod support;

use std::{
    cell::Cell,
    future::{pending, ready},
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};

use support::{ByHand, Count, Log, SECOND, failing, hanging};
use tenure::{
    AbortHandle, AbortReason, Backoff, Error, Limit, OwnedFuture, Owner, Scope, abort::Position,
    time::TestClock,
};

executors::on_every_executor! {
    async fn attempts_are_counted_and_spaced(executor: Executor) {
        let (clock, attempts) = (TestClock::new(), Count::default());
        let chain = failing(&attempts)
            .retry(Backoff::exponential().attempts(5))
            .with_timer(&clock);
        let outcome = executor.spawn(clock.watch(chain)).await;
        assert_eq!(outcome.unwrap(), Err("attempt 5".into()));
        assert_eq!(attempts.get(), 5);
        assert_eq!(clock.elapsed(), Duration::from_millis(100 + 200 + 400 + 800));
    }

    async fn the_first_success_ends_it(executor: Executor) {
        let (clock, attempts) = (TestClock::new(), Count::default());
        let counted = attempts.clone();
        let third_time_lucky = move || {
            let attempt = counted.add() + 1;
            ready(if attempt == 3 { Ok(attempt) } else { Err("not yet") })
        };
        let chain = third_time_lucky.retry(Backoff::fixed(SECOND).attempts(9)).with_timer(&clock);
        assert_eq!(executor.spawn(clock.watch(chain)).await.unwrap(), Ok(3));
        assert_eq!((attempts.get(), clock.elapsed()), (3, 2 * SECOND));
    }

    async fn the_timeout_of_an_attempt_is_tried_again(executor: Executor) {
        let (clock, attempts) = (TestClock::new(), Count::default());
        let chain = hanging(&attempts)
            .with_timeout(SECOND)
            .retry(Backoff::fixed(2 * SECOND).attempts(3))
            .with_timer(&clock);
        let aborted = executor.spawn(clock.watch(chain)).await.unwrap_err();
        assert_eq!(aborted.reason(), &AbortReason::TimedOut { after: SECOND });
        assert_eq!(aborted.position(), Position::Below);
        assert_eq!((attempts.get(), clock.elapsed()), (3, (1 + 2 + 1 + 2 + 1) * SECOND));
    }

    async fn the_abort_of_an_owner_is_not_tried_again(executor: Executor) {
        let (clock, attempts, stop) = (TestClock::new(), Count::default(), AbortHandle::new());
        let chain = hanging(&attempts)
            .retry(Backoff::fixed(Duration::ZERO).attempts(9))
            .with_abort(stop.clone())
            .with_timer(&clock);
        let hands = clock.clone();
        let outside = async move {
            hands.sleep(SECOND).await;
            stop.abort("stop");
        };
        let (outside, chain) = (clock.watch(outside), clock.watch(chain));
        let (outside, chain) = (executor.spawn(outside), executor.spawn(chain));
        assert_eq!(chain.await.unwrap_err().reason(), &"stop".into());
        outside.await;
        assert_eq!((attempts.get(), clock.elapsed()), (1, SECOND));
    }

    async fn the_timeout_of_the_whole_is_not_tried_again(executor: Executor) {
        let (clock, attempts) = (TestClock::new(), Count::default());
        let chain = hanging(&attempts)
            .retry(Backoff::fixed(Duration::ZERO).attempts(9))
            .with_timeout(SECOND)
            .with_timer(&clock);
        let aborted = executor.spawn(clock.watch(chain)).await.unwrap_err();
        assert_eq!(aborted.reason(), &AbortReason::TimedOut { after: SECOND });
        assert_eq!((attempts.get(), clock.elapsed()), (1, SECOND));
    }
}

/// Though they stand inside of the retry.
#[test]
fn a_scope_and_a_handle_are_above_the_attempt() {
    let (attempts, stop, scope) = (Count::default(), AbortHandle::new(), Scope::new("scope"));
    let policy = Backoff::fixed(Duration::ZERO);
    let mut by_handle = ByHand::new(hanging(&attempts).with_abort(&stop).retry(policy));
    let mut in_scope = ByHand::new(hanging(&attempts).in_scope(&scope).retry(policy));
    assert!(by_handle.poll().is_pending() && in_scope.poll().is_pending());
    stop.abort("stop");
    scope.abort("stop");
    for outcome in [by_handle.poll(), in_scope.poll()] {
        let Poll::Ready(Err(aborted)) = outcome else { panic!("not aborted") };
        assert_eq!(aborted.position(), Position::Above);
    }
    assert_eq!(attempts.get(), 2);
}

#[test]
fn one_attempt_means_no_retry() {
    for attempts in [0, 1] {
        let made = Count::default();
        let chain = failing(&made).retry(Backoff::fixed(Duration::ZERO).attempts(attempts));
        assert_eq!(smol::block_on(chain).unwrap(), Err("attempt 1".into()));
    }
}

#[test]
fn when_decides_which_errors_are_tried_again() {
    let (attempts, asked) = (Count::default(), Log::default());
    let ask = asked.clone();
    let chain =
        failing(&attempts).retry(Backoff::fixed(Duration::ZERO).attempts(9)).when(move |error| {
            ask.note(error.clone());
            error != "attempt 3"
        });
    assert_eq!(smol::block_on(chain).unwrap(), Err("attempt 3".into()));
    assert_eq!(attempts.get(), 3);
    assert_eq!(asked.all(), ["attempt 1", "attempt 2", "attempt 3"]);
}

/// A timeout isn't an error of the attempt, so `when` has no say.
#[test]
fn when_is_not_asked_about_timeouts() {
    let (clock, attempts) = (TestClock::new(), Count::default());
    let chain = hanging(&attempts)
        .with_timeout(SECOND)
        .retry(Backoff::fixed(Duration::ZERO).attempts(3))
        .when(|_| panic!("there is no error to judge"))
        .with_timer(&clock);
    assert!(smol::block_on(clock.watch(chain)).unwrap_err().is_timeout());
    assert_eq!(attempts.get(), 3);
}

#[test]
fn on_retry_is_told_of_each_retry_before_its_back_off() {
    let (clock, attempts) = (TestClock::new(), Count::default());
    let (log, hands) = (Log::default(), clock.clone());
    let counted = attempts.clone();
    let work = move || {
        let attempt = counted.add() + 1;
        async move {
            if attempt == 2 {
                return pending().await;
            }
            Err::<(), _>(attempt)
        }
    };
    let chain = work
        .with_timeout(SECOND)
        .retry(Backoff::fixed(10 * SECOND).attempts(4))
        .on_retry(|retrying| {
            let why = match &retrying.error {
                Error::Failed(error) => format!("{error}"),
                Error::Aborted(aborted) => format!("{aborted}"),
            };
            log.note((hands.elapsed().as_secs(), retrying.attempt, retrying.delay.as_secs(), why));
        })
        .when(|_| true)
        .with_timer(&clock);
    assert_eq!(smol::block_on(clock.watch(chain)).unwrap(), Err(4));
    let told = |at, attempt, why: &str| (at, attempt, 10, why.to_owned());
    assert_eq!(log.all(), [told(0, 1, "1"), told(11, 2, "timed out after 1s"), told(21, 3, "3")]);
}

#[test]
fn on_retry_is_not_told_where_none_follows() {
    let (clock, told) = (TestClock::new(), Count::default());
    let tell = || {
        let told = told.clone();
        move |_: &tenure::retry::Retrying<'_, String>| {
            told.add();
        }
    };
    let attempts = Count::default();
    let last =
        failing(&attempts).retry(Backoff::fixed(Duration::ZERO).attempts(1)).on_retry(tell());
    assert!(smol::block_on(last).unwrap().is_err());
    let unworthy =
        failing(&attempts).retry(Backoff::fixed(Duration::ZERO)).when(|_| false).on_retry(tell());
    assert!(smol::block_on(unworthy).unwrap().is_err());
    let late = failing(&attempts).retry(Backoff::fixed(2 * SECOND)).on_retry(tell());
    let late = late.with_timeout(SECOND).with_timer(&clock);
    assert!(smol::block_on(clock.watch(late)).unwrap().is_err());
    assert_eq!((attempts.get(), told.get()), (3, 0));
}

#[test]
fn any_iterator_of_durations_is_a_policy() {
    let (clock, attempts) = (TestClock::new(), Count::default());
    let run = |chain| smol::block_on(clock.watch(chain));

    let array = failing(&attempts).retry([SECOND, 2 * SECOND].into_iter()).with_timer(&clock);
    assert_eq!(smol::block_on(clock.watch(array)).unwrap(), Err("attempt 3".into()));
    assert_eq!(clock.elapsed(), 3 * SECOND);

    let endless = std::iter::successors(Some(SECOND), |last| Some(*last * 3));
    let boxed: Box<dyn Iterator<Item = Duration>> = Box::new(endless.take(3));
    let boxed = failing(&attempts).retry(boxed).with_timer(&clock);
    assert_eq!(run(boxed).unwrap(), Err("attempt 7".into()));
    assert_eq!(clock.elapsed(), (3 + 1 + 3 + 9) * SECOND);

    let none = failing(&attempts).retry(std::iter::empty()).with_timer(&clock);
    assert_eq!(smol::block_on(clock.watch(none)).unwrap(), Err("attempt 8".into()));
}

#[test]
fn a_back_off_of_backon_is_a_policy() {
    use backon::{BackoffBuilder, ConstantBuilder, ExponentialBuilder};

    let (clock, attempts) = (TestClock::new(), Count::default());
    let exponential = ExponentialBuilder::new()
        .with_min_delay(SECOND)
        .with_factor(3.0)
        .with_max_times(3)
        .without_max_delay()
        .build();
    let chain = failing(&attempts).retry(exponential).with_timer(&clock);
    assert_eq!(smol::block_on(clock.watch(chain)).unwrap(), Err("attempt 4".into()));
    assert_eq!(clock.elapsed(), (1 + 3 + 9) * SECOND);

    let constant = ConstantBuilder::new().with_delay(SECOND).with_max_times(2).build();
    let chain = failing(&attempts).retry(constant).with_timer(&clock);
    assert_eq!(smol::block_on(clock.watch(chain)).unwrap(), Err("attempt 7".into()));
    assert_eq!(clock.elapsed(), (13 + 2) * SECOND);
}

#[test]
fn each_run_of_an_inner_retry_begins_afresh() {
    let (clock, attempts, seen) = (TestClock::new(), Count::default(), Log::default());
    let (counted, log) = (attempts.clone(), seen.clone());
    let chain = (move |owner: Owner| {
        counted.add();
        log.note(owner.attempt());
        ready(Err::<(), _>("down"))
    })
    .retry(Backoff::exponential().first_delay(SECOND).attempts(3))
    .retry(Backoff::fixed(10 * SECOND).attempts(2))
    .with_timer(&clock);
    assert_eq!(smol::block_on(clock.watch(chain)).unwrap(), Err("down"));
    assert_eq!(attempts.get(), 6);
    assert_eq!(clock.elapsed(), (1 + 2 + 10 + 1 + 2) * SECOND);
    assert_eq!(seen.all(), [1, 2, 3, 1, 2, 3]);
}

/// Also one that was ended by a timeout in the middle of its back-off.
#[test]
fn a_run_that_was_cut_leaves_nothing_behind() {
    let (clock, attempts, seen) = (TestClock::new(), Count::default(), Log::default());
    let log = seen.clone();
    let counted = attempts.clone();
    let chain = (move |owner: Owner| {
        log.note(owner.attempt());
        let hangs = counted.add() % 2 == 1;
        async move { if hangs { pending().await } else { Err::<(), _>("down") } }
    })
    .retry(Backoff::exponential().first_delay(SECOND).attempts(9))
    .with_timeout(3 * SECOND)
    .retry(Backoff::fixed(Duration::ZERO).attempts(3))
    .with_timer(&clock);
    assert!(smol::block_on(clock.watch(chain)).unwrap_err().is_timeout());
    assert_eq!(seen.all(), [1, 2, 1, 2, 1, 2]);
    assert_eq!(clock.elapsed(), 9 * SECOND);
}

#[test]
fn a_limit_within_the_retry_gives_its_permit_back_while_it_sleeps() {
    let (clock, limit, attempts) = (TestClock::new(), Limit::new(1), Count::default());
    let policy = Backoff::fixed(SECOND);
    let mut within = ByHand::new(failing(&attempts).limit(&limit).retry(policy).with_timer(&clock));
    assert!(within.poll().is_pending());
    assert_eq!((attempts.get(), limit.active()), (1, 0));

    let mut around = ByHand::new(failing(&attempts).retry(policy).limit(&limit).with_timer(&clock));
    assert!(around.poll().is_pending());
    assert_eq!((attempts.get(), limit.active()), (2, 1));

    // The next attempt needs the permit anew.
    clock.advance(SECOND);
    assert!(within.poll().is_pending());
    assert_eq!((attempts.get(), limit.waiting()), (2, 1));
    drop(around);
    assert!(within.poll().is_pending());
    assert_eq!((attempts.get(), limit.active()), (3, 0));
}

#[test]
fn the_owner_counts_attempts_however_many() {
    let seen = Arc::new(Mutex::new(0));
    let last = seen.clone();
    let chain = (move |owner: Owner| {
        let mut last = last.lock().unwrap();
        *last += 1;
        assert_eq!(owner.attempt(), *last);
        ready(if *last == 100_000 { Ok(*last) } else { Err("not yet") })
    })
    .retry(Backoff::fixed(Duration::ZERO).attempts(u32::MAX - 1));
    assert_eq!(smol::block_on(chain).unwrap(), Ok(100_000));
}

/// The closure makes a chain, and its `Ok` holds the error.
#[test]
fn the_trap_and_its_cures() {
    let attempts = Count::default();
    let thrice = Backoff::fixed(Duration::ZERO).attempts(3);

    let mut fails = failing(&attempts);
    let trap = (move || fails().with_timeout(SECOND)).retry(thrice);
    assert_eq!(smol::block_on(trap).unwrap().unwrap(), Err("attempt 1".into()));

    let mut fails = failing(&attempts);
    let cure = (move || fails().with_timeout(SECOND).flatten()).retry(thrice);
    assert!(
        matches!(smol::block_on(cure).unwrap(), Err(Error::Failed(error)) if error == "attempt 4")
    );

    let cure = failing(&attempts).with_timeout(SECOND).retry(thrice);
    assert_eq!(smol::block_on(cure).unwrap(), Err("attempt 7".into()));
}

/// The closure flattens what its owner says, so the retry can't tell it from an error.
#[test]
fn an_owner_inside_of_the_closure_is_an_error_like_any_other_and_one_outside_is_not() {
    let (stop, calls) = (AbortHandle::new(), Cell::new(0));
    stop.abort("stop");
    let work = || async {
        calls.set(calls.get() + 1);
        Ok::<(), &str>(())
    };
    let at_once = Backoff::fixed(Duration::ZERO).attempts(3);
    let attempts = Cell::new(0);
    let inside = (|| {
        attempts.set(attempts.get() + 1);
        work().with_abort(&stop).flatten()
    })
    .retry(at_once);
    assert!(smol::block_on(inside).unwrap().is_err());
    assert_eq!((attempts.get(), calls.get()), (3, 0));

    let outside = work.retry(at_once).with_abort(&stop);
    assert!(smol::block_on(outside).is_err());
    assert_eq!(calls.get(), 0);
}
