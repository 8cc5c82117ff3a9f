//! One order of polling: abort, then future, then clock.

mod executors;
mod support;

use std::{
    future::{pending, poll_fn},
    task::Poll,
    time::Duration,
};

use support::{ByHand, CENTURY, Count, CountingTimer, NANOSECOND, SECOND};
use tenure::{
    AbortHandle, AbortReason, Aborted, OwnedFuture, Scope,
    abort::Position,
    bracket,
    time::{Instant, TestClock},
    timeout::TimeoutHandle,
};

fn reason<T: std::fmt::Debug>(outcome: Poll<Result<T, Aborted>>) -> AbortReason {
    match outcome {
        Poll::Ready(Err(aborted)) => aborted.reason().clone(),
        other => panic!("not aborted: {other:?}"),
    }
}

#[test]
fn what_is_aborted_is_not_polled_again() {
    let (polls, stop, scope) = (Count::default(), AbortHandle::new(), Scope::new("all"));

    let mut by_handle = ByHand::new(polls.polls_of(pending::<()>()).with_abort(&stop));
    let mut in_scope = ByHand::new(polls.polls_of(pending::<()>()).in_scope(&scope));
    assert!(by_handle.poll().is_pending() && in_scope.poll().is_pending());
    assert_eq!(polls.get(), 2);

    stop.abort("stop");
    scope.abort("halt");
    assert_eq!((by_handle.wakes(), in_scope.wakes()), (1, 1));
    assert_eq!(reason(by_handle.poll()), "stop".into());
    assert_eq!(reason(in_scope.poll()), "halt".into());
    assert_eq!(polls.get(), 2);
}

/// Neither the body of a nursery nor its children, nor what uses what a bracket holds, though all have been woken.
#[test]
fn what_is_aborted_in_a_nursery_or_a_bracket_is_not_polled_again() {
    let (polls, stop) = (Count::default(), AbortHandle::new());
    let awake = || {
        polls.polls_of(poll_fn(|cx| {
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        }))
    };
    let body = tenure::local_scope(async |_| awake().await);
    let child = tenure::local_scope(async |n| n.spawn(awake()).await);
    let using = async |_| {
        awake().await;
        Ok(())
    };
    let held = bracket(async { Ok::<_, ()>(()) }, using, async |(), _| {});
    let mut chains = [
        ByHand::new(body.with_abort(&stop)),
        ByHand::new(async { child.with_abort(&stop).await.map(|_| ()) }),
        ByHand::new(async { held.with_abort(&stop).await.map(|_| ()) }),
    ];
    for chain in &mut chains {
        assert!(chain.poll().is_pending());
    }
    let before = polls.get();
    stop.abort("stop");
    for mut chain in chains {
        assert_eq!(reason(chain.poll()), "stop".into());
    }
    assert_eq!(polls.get(), before);
}

/// Whoever is polled before it had its turn; those who come after it don't have theirs.
#[test]
fn a_child_that_aborts_its_nursery_is_the_last_to_be_polled() {
    let (before, after) = (Count::default(), Count::default());
    let children = tenure::local_scope(async |n| {
        let own = n.clone();
        n.spawn(before.polls_of(pending::<()>()));
        n.spawn(async move { own.abort("enough") });
        n.spawn(after.polls_of(pending::<()>()));
        pending::<()>().await
    });
    assert_eq!(reason(ByHand::new(children).poll()), "enough".into());
    assert_eq!((before.get(), after.get()), (1, 0));
}

#[test]
fn an_abort_wins_over_a_value_that_would_be_ready() {
    let stop = AbortHandle::new();
    let polls = Count::default();
    let second = polls.clone();
    let ready_at_the_second_poll = poll_fn(move |_| match second.add() {
        0 => Poll::Pending,
        _ => Poll::Ready("value"),
    });
    let mut chain = ByHand::new(ready_at_the_second_poll.with_abort(&stop));
    assert!(chain.poll().is_pending());
    stop.abort("stop");
    assert_eq!(reason(chain.poll()), "stop".into());
    assert_eq!(polls.get(), 1);
}

#[test]
fn an_abort_wins_over_a_timeout_that_has_run_out() {
    let (clock, stop) = (TestClock::new(), AbortHandle::new());
    let stuck = pending::<()>().with_timeout(SECOND).with_abort(&stop).with_timer(&clock);
    let mut stuck = ByHand::new(stuck);
    assert!(stuck.poll().is_pending());
    clock.advance(SECOND);
    stop.abort("stop");
    assert_eq!(reason(stuck.poll()), "stop".into());

    let (clock, stop) = (TestClock::new(), AbortHandle::new());
    let timeout = TimeoutHandle::new(SECOND);
    let handled = pending::<()>().with_timeout_handle(&timeout).with_abort(&stop);
    let idle = pending::<()>().with_idle_timeout(SECOND).with_abort(&stop);
    let warned = pending::<()>().warn_after(SECOND, |overdue| panic!("{overdue}"));
    let mut stuck = [
        ByHand::polled(handled.with_timer(&clock)),
        ByHand::polled(idle.with_timer(&clock)),
        ByHand::polled(warned.with_abort(&stop).with_timer(&clock)),
    ];
    clock.advance(SECOND);
    stop.abort("stop");
    for stuck in &mut stuck {
        assert_eq!(reason(stuck.poll()), "stop".into());
    }
}

#[test]
fn one_that_aborts_its_own_owner_while_pending_is_not_polled_again() {
    let (polls, stop) = (Count::default(), AbortHandle::new());
    let (counted, own) = (polls.clone(), stop.clone());
    let suicide = poll_fn(move |_| {
        counted.add();
        own.abort("enough");
        Poll::<()>::Pending
    });
    assert_eq!(reason(ByHand::new(suicide.with_abort(&stop)).poll()), "enough".into());
    assert_eq!(polls.get(), 1);
}

/// An abort that comes during the poll comes after it: the value was ready first.
#[test]
fn a_value_that_is_ready_in_the_poll_that_aborts_wins() {
    let stop = AbortHandle::new();
    let own = stop.clone();
    let last_word = async move {
        own.abort("enough");
        "value"
    };
    assert_eq!(
        ByHand::new(last_word.with_abort(&stop)).poll().map(Result::unwrap),
        Poll::Ready("value")
    );
}

executors::on_every_executor! {
    async fn a_value_that_is_ready_when_time_runs_out_wins(executor: Executor) {
        let clock = TestClock::new();
        let just_in_time = clock.sleep(SECOND).with_timeout(SECOND).with_timer(&clock);
        executor.spawn(clock.watch(just_in_time)).await.unwrap();

        for after in [SECOND, SECOND + NANOSECOND] {
            let (clock, timeout) = (TestClock::new(), TimeoutHandle::new(SECOND));
            let sleep = || clock.sleep(after);
            let handled = sleep().with_timeout_handle(&timeout).with_timer(&clock);
            let idle = sleep().with_idle_timeout(SECOND).with_timer(&clock);
            let warned = Count::default();
            let told = warned.clone();
            let warns = sleep().warn_after(SECOND, move |_| _ = told.add()).with_timer(&clock);
            let all = futures::future::join3(handled, idle, warns);
            let (handled, idle, warns) = executor.spawn(clock.watch(all)).await;
            let (late, end) = (after > SECOND, clock.elapsed());
            assert_eq!((handled.is_err(), idle.is_err(), warned.get()), (late, late, usize::from(late)));
            assert_eq!((warns.is_ok(), end), (true, after));
        }

        // It need not be ready by itself.
        for after in [SECOND, SECOND + NANOSECOND] {
            let clock = TestClock::new();
            let sleep = || clock.sleep(after);
            let (napping, using) = (sleep(), sleep());
            let child = tenure::scope(async move |n| n.spawn(napping).await);
            let child = child.with_timeout(SECOND).with_timer(&clock);
            let using = async move |_| {
                using.await;
                Ok(())
            };
            let held = bracket(async { Ok::<_, ()>(()) }, using, async |(), _| {});
            let held = held.with_timeout(SECOND).with_timer(&clock);
            let spared = sleep().with_grace(SECOND).shielded(SECOND);
            let spared = spared.with_timeout(SECOND).with_timer(&clock);
            let all = futures::future::join3(child, held, spared);
            let (child, held, spared) = executor.spawn(clock.watch(all)).await;
            let late = after > SECOND;
            assert_eq!((child.is_err(), held.is_err(), spared.is_err()), (late, late, late));
        }

        let too_late = clock.sleep(SECOND + NANOSECOND);
        let too_late = too_late.with_timeout(SECOND).with_timer(&clock);
        let aborted = executor.spawn(clock.watch(too_late)).await.unwrap_err();
        assert_eq!(aborted.reason(), &AbortReason::TimedOut { after: SECOND });
        assert_eq!(aborted.position(), Position::Below);
        assert_eq!(clock.elapsed(), 2 * SECOND);
    }

    async fn the_earlier_timeout_fires_with_its_own_reason(executor: Executor) {
        for (inner, outer, earlier) in [(1, 2, 1), (2, 1, 1), (3, 5, 3), (5, 3, 3)] {
            let clock = TestClock::new();
            let nested = pending::<()>()
                .with_timeout(inner * SECOND)
                .with_timeout(outer * SECOND)
                .with_timer(&clock);
            let aborted = executor.spawn(clock.watch(nested)).await.unwrap_err();
            assert_eq!(aborted.reason(), &AbortReason::TimedOut { after: earlier * SECOND });
            assert_eq!(clock.elapsed(), earlier * SECOND);
        }
    }

    /// The deadline and the timeout tell the two apart.
    async fn of_two_at_one_instant_the_outer_is_told(executor: Executor) {
        let (clock, at) = (TestClock::new(), Instant::START + SECOND);
        let (timed_out, passed) =
            (AbortReason::TimedOut { after: SECOND }, AbortReason::DeadlinePassed { at });

        let nested = pending::<()>().with_timeout(SECOND).with_deadline(at).with_timer(&clock);
        let aborted = executor.spawn(clock.watch(nested)).await.unwrap_err();
        assert_eq!((aborted.reason(), aborted.position()), (&passed, Position::Above));
        assert_eq!(clock.elapsed(), SECOND);

        let clock = TestClock::new();
        let nested = pending::<()>().with_deadline(at).with_timeout(SECOND).with_timer(&clock);
        let aborted = executor.spawn(clock.watch(nested)).await.unwrap_err();
        assert_eq!((aborted.reason(), aborted.position()), (&timed_out, Position::Below));

        // What is ready at that very instant wins over both.
        let clock = TestClock::new();
        let nested = clock.sleep(SECOND).with_timeout(SECOND).with_deadline(at).with_timer(&clock);
        executor.spawn(clock.watch(nested)).await.unwrap();
        assert_eq!(clock.elapsed(), SECOND);
    }

    async fn max_never_fires(executor: Executor) {
        let clock = TestClock::new();
        clock.advance(SECOND);
        let patient = clock.sleep(5 * CENTURY).with_timeout(Duration::MAX).with_timer(&clock);
        executor.spawn(clock.watch(patient)).await.unwrap();
        assert_eq!(clock.elapsed(), SECOND + 5 * CENTURY);
    }
}

#[test]
fn max_and_never_do_not_fire_at_the_end_of_time() {
    let clock = TestClock::new();
    let mut chains = [
        ByHand::new(pending::<()>().with_timeout(Duration::MAX).with_timer(&clock)),
        ByHand::new(pending::<()>().with_deadline(Instant::NEVER).with_timer(&clock)),
    ];
    assert!(chains.iter_mut().all(|chain| chain.poll().is_pending()));
    let timeout = TimeoutHandle::new(Duration::MAX);
    let handled = pending::<()>().with_timeout_handle(&timeout).with_timer(&clock);
    let idle = pending::<()>().with_idle_timeout(Duration::MAX).with_timer(&clock);
    let warned = pending::<()>().warn_after(Duration::MAX, |overdue| panic!("{overdue}"));
    let mut chains = chains.into_iter().collect::<Vec<_>>();
    chains.extend([ByHand::polled(handled), ByHand::polled(idle)]);
    chains.push(ByHand::polled(warned.with_timer(&clock)));
    for _ in 0..10 {
        clock.advance(CENTURY);
        assert!(chains.iter_mut().all(|chain| chain.poll().is_pending()));
    }
    assert_eq!(clock.now(), Instant::NEVER);
    assert!(chains.iter().all(|chain| chain.wakes() == 0));
}

#[test]
fn zero_gives_one_poll() {
    let (polls, clock) = (Count::default(), TestClock::new());
    let stuck = polls.polls_of(pending::<()>()).with_timeout(Duration::ZERO).with_timer(&clock);
    let timed_out = AbortReason::TimedOut { after: Duration::ZERO };
    assert_eq!(reason(ByHand::new(stuck).poll()), timed_out);
    assert_eq!(polls.get(), 1);

    let ready = polls.polls_of(async { "value" }).with_timeout(Duration::ZERO).with_timer(&clock);
    assert_eq!(ByHand::new(ready).poll().map(Result::unwrap), Poll::Ready("value"));
    assert_eq!(polls.get(), 2);

    let timeout = TimeoutHandle::new(Duration::ZERO);
    let handled = polls.polls_of(pending::<()>()).with_timeout_handle(&timeout);
    assert_eq!(reason(ByHand::new(handled.with_timer(&clock)).poll()), timed_out);
    let idle = polls.polls_of(pending::<()>()).with_idle_timeout(Duration::ZERO);
    let was_idle = AbortReason::Idle { after: Duration::ZERO };
    assert_eq!(reason(ByHand::new(idle.with_timer(&clock)).poll()), was_idle);
    let told = Count::default();
    let warned = polls.polls_of(pending::<()>()).warn_after(Duration::ZERO, |_| _ = told.add());
    assert!(ByHand::new(warned.with_timer(&clock)).poll().is_pending());
    assert_eq!((told.get(), polls.get()), (1, 5));

    let family = tenure::local_scope(async |n| {
        n.spawn(polls.polls_of(pending::<()>()));
        n.spawn(polls.polls_of(async {})).await.unwrap();
        polls.polls_of(pending::<()>()).await
    });
    let family = family.with_timeout(Duration::ZERO).with_timer(&clock);
    assert_eq!(reason(ByHand::new(family).poll()), timed_out);
    assert_eq!(polls.get(), 8);
}

#[test]
fn a_deadline_in_the_past_gives_one_poll() {
    let (polls, clock) = (Count::default(), TestClock::new());
    clock.advance(2 * SECOND);
    for at in [Instant::START, Instant::START + SECOND, clock.now()] {
        let polled = polls.get();
        let stuck = polls.polls_of(pending::<()>()).with_deadline(at).with_timer(&clock);
        assert_eq!(reason(ByHand::new(stuck).poll()), AbortReason::DeadlinePassed { at });
        let ready = polls.polls_of(async { "value" }).with_deadline(at).with_timer(&clock);
        assert_eq!(ByHand::new(ready).poll().map(Result::unwrap), Poll::Ready("value"));
        assert_eq!(polls.get(), polled + 2);
    }
}

#[test]
fn a_deadline_fires_at_its_point_in_time_whenever_it_was_polled_first() {
    let clock = TestClock::new();
    let at = Instant::START + 5 * SECOND;
    let mut stuck = ByHand::new(pending::<()>().with_deadline(at).with_timer(&clock));
    clock.advance(3 * SECOND);
    assert!(stuck.poll().is_pending());
    clock.advance(2 * SECOND - NANOSECOND);
    assert!(stuck.poll().is_pending() && stuck.wakes() == 0);
    clock.advance(NANOSECOND);
    assert_eq!(stuck.wakes(), 1);
    assert_eq!(reason(stuck.poll()), AbortReason::DeadlinePassed { at });
}

#[test]
fn a_timeout_counts_from_the_first_pending() {
    let clock = TestClock::new();
    let mut stuck = ByHand::new(pending::<()>().with_timeout(SECOND).with_timer(&clock));
    clock.advance(10 * SECOND);
    assert!(stuck.poll().is_pending());
    clock.advance(SECOND - NANOSECOND);
    assert!(stuck.poll().is_pending() && stuck.wakes() == 0);
    clock.advance(NANOSECOND);
    assert_eq!(stuck.wakes(), 1);
    assert_eq!(reason(stuck.poll()), AbortReason::TimedOut { after: SECOND });
}

/// The time that the first poll itself takes isn't counted: the clock is looked at after it.
#[test]
fn the_first_poll_is_not_counted() {
    let clock = TestClock::new();
    let hands = clock.clone();
    let slow_to_pend = poll_fn(move |_| {
        hands.advance(SECOND);
        Poll::<()>::Pending
    });
    let mut stuck = ByHand::new(slow_to_pend.with_timeout(2 * SECOND).with_timer(&clock));
    assert!(stuck.poll().is_pending());
    assert!(stuck.poll().is_pending());
    assert_eq!(reason(stuck.poll()), AbortReason::TimedOut { after: 2 * SECOND });
    assert_eq!(clock.elapsed(), 3 * SECOND);
}

/// For those that are changed, that look for progress and that warn.
#[test]
fn all_count_from_the_first_pending_and_not_that_poll() {
    let clock = TestClock::new();
    let timeout = TimeoutHandle::new(2 * SECOND);
    let told = Count::default();
    let slow_to_pend = || {
        let hands = clock.clone();
        let mut polled = false;
        poll_fn(move |_| {
            if !std::mem::replace(&mut polled, true) {
                hands.advance(SECOND);
            }
            Poll::<()>::Pending
        })
    };
    let mut handled = ByHand::new(slow_to_pend().with_timeout_handle(&timeout).with_timer(&clock));
    let mut idle = ByHand::new(slow_to_pend().with_idle_timeout(2 * SECOND).with_timer(&clock));
    let mut warned =
        ByHand::new(slow_to_pend().warn_after(2 * SECOND, |_| _ = told.add()).with_timer(&clock));
    for chain in [&mut handled, &mut idle, &mut warned] {
        clock.advance(10 * SECOND);
        let begin = clock.now();
        assert!(chain.poll().is_pending());
        assert_eq!(clock.now(), begin + SECOND);
        clock.advance(2 * SECOND - NANOSECOND);
        assert!(chain.poll().is_pending() && chain.wakes() == 0);
        clock.advance(NANOSECOND);
        assert_eq!(chain.wakes(), 1);
    }
    assert_eq!(reason(handled.poll()), AbortReason::TimedOut { after: 2 * SECOND });
    assert_eq!(reason(idle.poll()), AbortReason::Idle { after: 2 * SECOND });
    assert!(warned.poll().is_pending() && told.get() == 1);
}

#[test]
fn an_inner_timeout_that_is_not_earlier_sets_no_alarm_and_the_outer_is_reported() {
    for inner in [SECOND, 2 * SECOND, Duration::MAX] {
        let timer = CountingTimer::default();
        let mut nested = ByHand::new(
            pending::<()>()
                .with_timeout(inner)
                .named("inner")
                .with_timeout(SECOND)
                .named("outer")
                .with_timer(timer.clone()),
        );
        assert!(nested.poll().is_pending());
        assert_eq!(timer.set(), 1, "inner: {inner:?}");

        timer.advance(SECOND);
        let Poll::Ready(Err(aborted)) = nested.poll() else { panic!("not aborted") };
        assert_eq!(aborted.reason(), &AbortReason::TimedOut { after: SECOND });
        assert_eq!(timer.outstanding(), 0);
    }

    // The deadline and the timeout tell the two apart where they fall together.
    let clock = TestClock::new();
    let at = Instant::START + SECOND;
    let mut nested =
        ByHand::new(pending::<()>().with_timeout(SECOND).with_deadline(at).with_timer(&clock));
    assert!(nested.poll().is_pending());
    clock.advance(SECOND);
    assert_eq!(reason(nested.poll()), AbortReason::DeadlinePassed { at });

    let mut nested = ByHand::new(
        pending::<()>().with_deadline(at + SECOND).with_timeout(SECOND).with_timer(&clock),
    );
    assert!(nested.poll().is_pending());
    clock.advance(SECOND);
    assert_eq!(reason(nested.poll()), AbortReason::TimedOut { after: SECOND });
}
