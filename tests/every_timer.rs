//! One set of promises, by every timer, on every executor. Real time is its subject, so a few milliseconds
//! are waited for; how late something comes is never a failure, short of [`LONG`].

mod executors;
mod support;
mod timers;

use std::{
    future::{pending, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use futures::{
    FutureExt,
    future::{join, join_all},
};
use futures_lite::future::yield_now;
use support::{Count, LONG, MILLISECOND, NANOSECOND, failing, hanging, poll_once};
use tenure::{AbortHandle, AbortReason, Backoff, Limit, OwnedFuture};

const SOON: Duration = Duration::from_millis(2);

timers::by_every_timer_on_every_executor! {
    async fn no_sleep_ends_early(executor: Executor, given: Given) {
        for after in [Duration::ZERO, NANOSECOND, Duration::from_micros(700), SOON] {
            let begin = given.now();
            given.run(executor, given.timer.sleep(after)).await;
            given.assert_passed(begin, after);
        }
    }

    async fn a_timeout_ends_what_hangs(executor: Executor, given: Given) {
        for after in [Duration::ZERO, NANOSECOND, SOON] {
            let begin = given.now();
            let stuck = pending::<()>().with_timeout(after).with_timer(&given.timer);
            let aborted = given.run(executor, stuck).await.unwrap_err();
            given.assert_passed(begin, after);
            assert_eq!(aborted.reason(), &AbortReason::TimedOut { after });
        }
        let at = given.timer.now() + SOON;
        let stuck = pending::<()>().with_deadline(at).with_timer(&given.timer);
        let aborted = given.run(executor, stuck).await.unwrap_err();
        assert_eq!(aborted.reason(), &AbortReason::DeadlinePassed { at });
        assert!(given.timer.now() >= at);
    }

    async fn a_value_that_is_ready_in_time_wins(executor: Executor, given: Given) {
        let (begin, sleep) = (given.now(), given.timer.sleep(SOON));
        let in_time = sleep.map(|()| 7).with_timeout(LONG).with_timer(&given.timer);
        assert_eq!(given.run(executor, in_time).await.unwrap(), 7);
        given.assert_passed(begin, SOON);
    }

    async fn of_nested_timeouts_the_earlier_fires(executor: Executor, given: Given) {
        for (inner, outer) in [(SOON, LONG), (LONG, SOON), (SOON, SOON)] {
            let begin = given.now();
            let nested = pending::<()>().with_timeout(inner).named("inner").with_timeout(outer);
            let nested = nested.with_timer(&given.timer);
            let aborted = given.run(executor, nested).await.unwrap_err();
            given.assert_passed(begin, SOON);
            assert_eq!(aborted.reason(), &AbortReason::TimedOut { after: SOON });
        }
    }

    async fn a_back_off_waits_its_delay(executor: Executor, given: Given) {
        let (begin, attempts) = (given.now(), Count::default());
        let down = failing(&attempts).retry(Backoff::fixed(SOON).attempts(3));
        let outcome = given.run(executor, down.with_timer(&given.timer)).await.unwrap();
        given.assert_passed(begin, 2 * SOON);
        assert_eq!(outcome, Err("attempt 3".into()));
    }

    /// Its alarm is set anew each time.
    async fn each_attempt_has_its_time(executor: Executor, given: Given) {
        let (begin, attempts) = (given.now(), Count::default());
        let stuck = hanging(&attempts)
            .with_timeout(SOON)
            .retry(Backoff::fixed(MILLISECOND).attempts(3))
            .with_timer(&given.timer);
        assert!(given.run(executor, stuck).await.unwrap_err().is_timeout());
        given.assert_passed(begin, 3 * SOON + 2 * MILLISECOND);
        assert_eq!(attempts.get(), 3);
    }

    async fn an_abort_ends_a_wait_before_its_time(executor: Executor, given: Given) {
        let (begin, stop) = (given.now(), AbortHandle::new());
        let stuck = given.timer.sleep(2 * LONG).with_timeout(2 * LONG).with_abort(stop.clone());
        let (stuck, sleep) = (stuck.with_timer(&given.timer), given.timer.sleep(SOON));
        let aborts = async move {
            sleep.await;
            stop.abort("enough");
        };
        // Of one task, for the test clock jumps where all that it knows of waits.
        let (aborted, ()) = given.run(executor, join(stuck, aborts)).await;
        assert_eq!(aborted.unwrap_err().reason(), &"enough".into());
        assert!(given.timer.now() < begin.by_its_own_clock() + 2 * LONG);
    }

    async fn a_thousand_sleeps_all_end_and_none_early(executor: Executor, given: Given) {
        // Steps that share no factor with the count visit each once.
        let sleeps: Vec<_> = (0..1000_u32)
            .map(|n| {
                let after = Duration::from_micros(u64::from(n * 777 % 1000) * 10);
                let (begin, sleep, own) = (given.now(), given.timer.sleep(after), given.clone());
                given.run(executor, async move {
                    sleep.await;
                    own.assert_passed(begin, after);
                })
            })
            .collect();
        join_all(sleeps).await;
    }

    async fn an_alarm_follows_its_future_to_another_task(executor: Executor, given: Given) {
        let mut stuck = Box::pin(pending::<()>().with_timeout(SOON).with_timer(&given.timer));
        // It may have taken that long to come here.
        if poll_once(stuck.as_mut()).is_pending() {
            assert!(given.run(executor, stuck).await.unwrap_err().is_timeout());
        }
        let mut sleep = Box::pin(given.timer.sleep(SOON));
        let at = sleep.deadline();
        if poll_once(sleep.as_mut()).is_pending() {
            given.run(executor, sleep).await;
        }
        assert!(given.timer.now() >= at);
    }

    /// The one alarm that is never cancelled, and on whose waker no task waits.
    async fn a_permit_that_nobody_claims_is_passed_on(executor: Executor, given: Given) {
        let limit = Limit::new(1);
        let waiting = || Box::pin(pending::<()>().limit(&limit).with_timer(&given.timer));
        let (mut holder, mut head) = (waiting(), waiting());
        assert!(poll_once(holder.as_mut()).is_pending() && poll_once(head.as_mut()).is_pending());
        let next = given.run(executor, async { 1 }.limit(&limit).with_timer(&given.timer));
        while limit.waiting() < 2 {
            yield_now().await;
        }
        let begin = given.now();
        given.run(executor, async move { drop(holder) }).await;
        assert_eq!(next.await.unwrap(), 1);
        given.assert_passed(begin, MILLISECOND);
        drop(head);
    }

    /// Tokio gives each task a budget. Whoever polls a sleep of its own beyond it is woken at once, and that
    /// sets no alarm: nor is this one polled again for any other reason.
    async fn one_that_has_used_its_budget_up_is_still_woken(executor: Executor, given: Given) {
        let polls = Count::default();
        let greedy = poll_fn(move |cx| {
            let most = if polls.add() == 0 { 1000 } else { 0 };
            for _ in 0..most {
                if pin!(tokio::task::consume_budget()).poll(cx).is_pending() {
                    break;
                }
            }
            Poll::<()>::Pending
        });
        let begin = given.now();
        let greedy = greedy.with_timeout(SOON).with_timer(&given.timer);
        assert!(given.run(executor, greedy).await.unwrap_err().is_timeout());
        given.assert_passed(begin, SOON);
    }
}

/// A runtime whose own tasks wait by its own timer, and nobody else drives it.
#[test]
fn a_runtime_waits_by_its_own_timer() {
    use tokio::runtime::{Builder, Handle};

    for mut builder in [Builder::new_current_thread(), Builder::new_multi_thread()] {
        let runtime = builder.worker_threads(1).enable_time().build().unwrap();
        runtime.block_on(timers::in_time(async {
            let timer = timers::tokio::TokioTimer::new(Handle::current());
            let stuck = (|| pending::<Result<(), &str>>())
                .with_timeout(SOON)
                .retry(Backoff::fixed(MILLISECOND).attempts(2))
                .with_timer(timer);
            assert!(stuck.await.unwrap_err().is_timeout());
        }));
    }
}
