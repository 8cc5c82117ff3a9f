//! Without `std` the same chains run, by a timer that is passed in.
//!
//! To be run with `--no-default-features` too: then each lock is a critical section, which panics where
//! it is entered again while it is held.

#[path = "timers/board.rs"]
mod board;
#[path = "timers/chip.rs"]
mod chip;
mod support;

use std::{
    cell::{Cell, RefCell},
    fmt,
    future::pending,
    task::Poll,
    time::Duration,
};

use futures::{executor::block_on, future::join};
use support::{ByHand, Count, Log, MILLISECOND, SECOND, on_wake};
use tenure::{
    Aborted, Backoff, Limit, OwnedFuture, Owner, Scope,
    bracket::{Exit, bracket},
    owner::Key,
    scope::Reaper,
    time::{TestClock, TimerHandle},
    timeout::TimeoutHandle,
};

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
fn what_is_changed_idle_or_late_is_told_so() {
    let (clock, timeout) = (TestClock::new(), TimeoutHandle::new(SECOND));
    let told = Cell::new(0);
    let changes = async {
        timeout.extend(9 * SECOND);
        clock.sleep(SECOND).await;
        pending::<()>().await
    };
    let chain = changes
        .with_idle_timeout(5 * SECOND)
        .with_timeout_handle(&timeout)
        .warn_after(2 * SECOND, |_| told.set(told.get() + 1))
        .with_timer(&clock);
    assert_eq!(block_on(clock.watch(chain)).unwrap_err().to_string(), "made no progress for 5s");
    assert_eq!((told.get(), clock.elapsed()), (1, 6 * SECOND));

    let naps = |owner: Owner| async move { owner.sleep(SECOND).await };
    let chain = naps.with_timeout(2 * SECOND).with_timer(&clock);
    assert_eq!(block_on(clock.watch(chain)).unwrap(), Ok(()));
    assert_eq!(clock.elapsed(), 7 * SECOND);
}

/// Each change, and each wake-up, enters a critical section; none is entered within another.
#[test]
fn a_change_and_a_wake_up_come_from_within_a_wake_up() {
    let (clock, timeout) = (TestClock::new(), TimeoutHandle::new(SECOND));
    let (wakes, inside) = (Count::default(), timeout.clone());
    let counted = wakes.clone();
    let waker = on_wake(move || {
        if counted.add() == 0 {
            inside.extend(SECOND);
        }
    });
    let stuck = pending::<()>().with_idle_timeout(9 * SECOND).with_timeout_handle(&timeout);
    let mut stuck = ByHand::new(stuck.with_timer(&clock));
    assert!(stuck.poll_with(&waker).is_pending());
    timeout.extend(SECOND);
    assert!(stuck.poll_with(&waker).is_pending());
    clock.advance(3 * SECOND);
    assert_eq!(wakes.get(), 2);
    assert_eq!(stuck.ready().unwrap_err().to_string(), "timed out after 3s");
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

static REQUEST: Key<u32> = Key::new("request");

#[test]
fn a_nursery_runs_its_children_and_cleans_up() {
    let (clock, log) = (TestClock::new(), Log::default());
    let (outside, told) = (String::from("outside"), Cell::new(0));
    let summed = tenure::local_scope(async |n| {
        n.on_close(|report| told.set(report.members().ran));
        n.defer(|_| log.note("sync"));
        n.defer_async(async |_| {
            clock.sleep(SECOND).await;
            log.note("async");
        });
        let long = n.spawn(async { outside.len() });
        let short = async { clock.sleep(SECOND).await }.with_timeout(9 * SECOND).spawn_in(&n);
        short.await?;
        long.await
    });
    let summed = block_on(clock.watch(summed.with_timer(&clock)));
    assert_eq!(summed.unwrap().unwrap(), 7);
    assert_eq!((log.all(), told.get()), (vec!["async", "sync"], 2));
    assert_eq!(clock.elapsed(), 2 * SECOND);
}

#[test]
fn the_first_failure_ends_a_nursery() {
    let clock = TestClock::new();
    let failed = tenure::try_scope(async |n| {
        n.spawn(pending::<()>());
        n.try_spawn(async {
            clock.sleep(SECOND).await;
            Err::<(), _>(Broken)
        });
        pending::<Result<(), Broken>>().await
    });
    assert_eq!(block_on(clock.watch(failed.with_timer(&clock))).unwrap(), Err(Broken));
    assert_eq!(clock.elapsed(), SECOND);
}

#[derive(Debug, PartialEq)]
struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broken")
    }
}

impl From<Aborted> for Broken {
    fn from(_: Aborted) -> Self {
        Self
    }
}

/// A child, its handle, what runs elsewhere and the clean-up wake the task from one another's critical sections.
#[test]
fn children_wake_and_abort_one_another() {
    let (wakes, told) = (Count::default(), Cell::new(false));
    let counted = wakes.clone();
    let waker = on_wake(move || _ = counted.add());
    let elsewhere = RefCell::new(None);
    let scope = tenure::local_scope(async |n| {
        let stuck = n.spawn(pending::<()>());
        let member = pending::<()>().in_scope(&n);
        *elsewhere.borrow_mut() = Some(ByHand::polled(member));
        let aborts = n.spawn(async move { stuck.abort("enough").then_some(stuck) });
        let stuck = aborts.await.unwrap().unwrap();
        told.set(stuck.await.unwrap_err().to_string() == "enough");
        n.abort("all of it");
    });
    let mut scope = ByHand::new(scope);
    let mut woken = 0;
    assert!(scope.poll_with(&waker).is_pending());
    while wakes.get() > woken {
        woken = wakes.get();
        assert!(scope.poll_with(&waker).is_pending());
    }
    assert!(told.get(), "it waits for the member alone");
    let mut member = elsewhere.take().unwrap();
    assert_eq!(member.ready().unwrap_err().to_string(), "all of it");
    assert_eq!(wakes.get(), woken + 1);
    assert!(matches!(scope.poll_with(&waker), Poll::Ready(Ok(()))));
}

#[test]
fn what_is_ended_has_its_grace_and_its_shield() {
    let clock = TestClock::new();
    let polite = |owner: Owner| {
        let clock = clock.clone();
        async move {
            owner.aborted().await;
            clock.sleep(SECOND).await;
        }
    };
    let told = polite.with_grace(3 * SECOND).with_timeout(SECOND).with_timer(&clock);
    assert!(block_on(clock.watch(told)).unwrap_err().is_timeout());
    assert_eq!(clock.elapsed(), 2 * SECOND);
    let untold = polite.shielded(3 * SECOND).with_timeout(SECOND).with_timer(&clock);
    assert!(block_on(clock.watch(untold)).unwrap_err().is_timeout());
    assert_eq!(clock.elapsed(), 6 * SECOND);
}

#[test]
fn a_bracket_releases_what_it_has_acquired() {
    let (clock, released) = (TestClock::new(), Cell::new(None));
    let held = bracket(
        async {
            clock.sleep(SECOND).await;
            Ok::<_, Broken>(7)
        },
        async |held| {
            assert_eq!(*held, 7);
            pending().await
        },
        async |seven, exit| {
            clock.sleep(SECOND).await;
            released.set(Some((seven, matches!(exit, Exit::Aborted(_)))));
        },
    );
    let held = held.with_timeout(3 * SECOND).with_timer(&clock);
    let ended: Result<Result<(), _>, _> = block_on(clock.watch(held));
    assert!(ended.unwrap_err().is_timeout());
    assert_eq!((released.get(), clock.elapsed()), (Some((7, true)), 4 * SECOND));
}

#[test]
fn a_closure_finds_the_values_of_its_scope_and_its_own() {
    static TENANT: Key<&str> = Key::new("tenant");
    let scope = Scope::builder("core").value(&TENANT, "acme").build();
    let asks = |owner: Owner| async move {
        (owner.value(&REQUEST).copied(), owner.value(&TENANT).copied())
    };
    let asked = block_on(asks.with_value(&REQUEST, 7).in_scope(&scope));
    assert_eq!(asked.unwrap(), (Some(7), Some("acme")));
}

#[test]
fn a_scope_has_its_time_its_children_and_its_reaper() {
    let (clock, reaper) = (TestClock::new(), Reaper::new());
    let builder = Scope::builder("core").timer(&clock).timeout(9 * SECOND).reaper(&reaper);
    let scope = builder.build();
    let child = scope.child("child");
    let member = async { clock.sleep(2 * SECOND).await }.named("slow").in_scope(&child);
    let closing = async {
        let open = scope.close_within(SECOND).await.unwrap_err();
        assert_eq!(open.to_string(), "`core` is still open: `slow` is pending");
        scope.close().await
    };
    let (member, report) = block_on(clock.watch(join(member, closing)));
    assert!(member.is_ok() && report.aborted().is_none());
    assert_eq!((child.is_aborted(), report.took()), (false, Some(2 * SECOND)));

    let stuck = Scope::builder("core").timer(&clock).timeout(SECOND).build();
    let ended = block_on(clock.watch(pending::<()>().in_scope(&stuck))).unwrap_err();
    assert_eq!(ended.to_string(), "the deadline has passed (in `core`)");

    let left = Scope::builder("left").timer(&clock).reaper(&reaper).build();
    let closed = left.closed();
    let sleep = clock.sleep(SECOND);
    left.defer_async(|_| sleep);
    drop(left);
    assert_eq!(block_on(clock.watch(reaper.drain())), 1);
    assert_eq!(block_on(closed).clean_up().skipped, 0);
}

#[test]
fn a_chain_waits_by_the_alarm_of_a_board() {
    let begin = std::time::Instant::now();
    let calls = Cell::new(0);
    let stuck = (|| {
        calls.set(calls.get() + 1);
        pending::<Result<(), &str>>()
    })
    .with_timeout(2 * MILLISECOND)
    .retry(Backoff::fixed(MILLISECOND).attempts(3))
    .with_timer(TimerHandle::from_static(chip::alarm()));

    assert!(block_on(stuck).unwrap_err().is_timeout());
    // The board counts microseconds, and three times it waits from within one.
    let waited = begin.elapsed() + Duration::from_micros(5);
    assert!(calls.get() == 3 && waited >= 8 * MILLISECOND);
}

/// What waits for a point in time ends at once where none is told, and says so. Nothing waits for ever.
#[cfg(not(feature = "std"))]
mod without_a_timer {
    use std::future::Future;

    use futures::future::poll_fn;
    use support::{CENTURY, failing, hanging};
    use tenure::{AbortHandle, AbortReason, abort::Position, time::Instant};

    use super::*;

    const ZERO: Duration = Duration::ZERO;

    #[track_caller]
    fn assert_no_timer<T: std::fmt::Debug>(chain: impl Future<Output = Result<T, Aborted>>) {
        let aborted = ByHand::new(chain).ready().unwrap_err();
        assert_eq!(aborted.reason(), &AbortReason::NoTimer, "{aborted:?}");
    }

    #[test]
    fn a_timeout_says_so_at_the_first_pending() {
        for after in [ZERO, SECOND, CENTURY, Duration::MAX] {
            assert_no_timer(pending::<()>().with_timeout(after));
            assert_eq!(ByHand::new(async { 7 }.with_timeout(after)).ready().unwrap(), 7);
        }
    }

    #[test]
    fn a_deadline_says_so_at_the_first_pending() {
        for at in [Instant::START, Instant::from_nanos(5), Instant::NEVER] {
            assert_no_timer(pending::<()>().with_deadline(at));
            assert_eq!(ByHand::new(async { 7 }.with_deadline(at)).ready().unwrap(), 7);
        }
    }

    #[test]
    fn those_beside_an_operation_say_so_at_the_first_pending() {
        for after in [ZERO, SECOND, CENTURY, Duration::MAX] {
            let timeout = TimeoutHandle::new(after);
            assert_no_timer(pending::<()>().with_timeout_handle(&timeout));
            assert_no_timer(pending::<()>().with_idle_timeout(after));
            assert_no_timer(pending::<()>().warn_after(after, |overdue| panic!("{overdue}")));
            let ready = async { 7 }.with_timeout_handle(&timeout).with_idle_timeout(after);
            let ready = ready.warn_after(after, |overdue| panic!("{overdue}"));
            assert_eq!(ByHand::new(ready).ready().unwrap(), 7);
            timeout.clear();
            assert_no_timer(pending::<()>().with_timeout_handle(&timeout));
        }
        let attempts = Count::default();
        let policy = Backoff::fixed(ZERO).attempts(9);
        assert_no_timer(hanging(&attempts).with_idle_timeout(SECOND).retry(policy));
        assert_no_timer(hanging(&attempts).warn_after(SECOND, |_| {}).retry(policy));
        let timeout = TimeoutHandle::new(SECOND);
        assert_no_timer(hanging(&attempts).with_timeout_handle(&timeout).retry(policy));
        assert_eq!(attempts.get(), 3);
    }

    #[test]
    fn an_owner_can_not_sleep() {
        for after in [SECOND, Duration::MAX] {
            let naps = |owner: Owner| async move { owner.sleep(after).await };
            let slept = ByHand::new(naps.named("naps")).ready().unwrap().unwrap_err();
            assert_eq!(slept.to_string(), "has to wait, but no timer was given (in `naps`)");
            assert_eq!(slept.position(), Position::Above);
        }
    }

    #[test]
    fn nested_timeouts_say_so_whichever_is_earlier() {
        for (inner, outer) in [(1, 2), (2, 1), (1, 1)] {
            let nested = pending::<()>().with_timeout(inner * SECOND).with_timeout(outer * SECOND);
            assert_no_timer(nested);
        }
        let scope = Scope::new("without");
        assert_no_timer(pending::<()>().with_timeout(SECOND).in_scope(&scope));
        assert_no_timer(pending::<()>().in_scope(&scope).with_timeout(SECOND));
        assert_eq!(scope.members(), 0);
    }

    /// The timer below is none of the timeout's above it.
    #[test]
    fn a_timer_counts_only_for_what_stands_before_it() {
        let clock = TestClock::new();
        let below = pending::<()>().with_timeout(SECOND).with_timer(&clock);
        assert_no_timer(below.with_timeout(2 * SECOND));
        let both = pending::<()>().with_timeout(SECOND).with_timeout(SECOND).with_timer(&clock);
        assert!(ByHand::new(both).poll().is_pending());
    }

    /// It used to end with the attempt's own error, and nobody was told that it would never try again.
    #[test]
    fn a_back_off_says_so_after_the_first_failure() {
        let attempts = Count::default();
        assert_no_timer(failing(&attempts).retry(Backoff::fixed(SECOND).attempts(3)));
        assert_eq!(attempts.get(), 1);
        assert_no_timer(failing(&attempts).retry(Backoff::exponential()).with_timeout(SECOND));
        assert_eq!(attempts.get(), 2);
    }

    #[test]
    fn a_retry_does_not_try_again_what_can_not_wait() {
        let attempts = Count::default();
        let policy = Backoff::fixed(ZERO).attempts(9);
        assert_no_timer(hanging(&attempts).with_timeout(SECOND).retry(policy));
        assert_no_timer(hanging(&attempts).with_deadline(Instant::NEVER).retry(policy));
        let nested = failing(&attempts).retry(Backoff::fixed(SECOND).attempts(9)).retry(policy);
        assert_no_timer(nested);
        assert_eq!(attempts.get(), 3);
    }

    #[test]
    fn a_retry_that_never_waits_needs_none() {
        let attempts = Count::default();
        let at_once = failing(&attempts).retry(Backoff::fixed(ZERO).attempts(9));
        assert_eq!(ByHand::new(at_once).ready().unwrap(), Err("attempt 9".into()));
        // One without end is pending now and then: its timeout says so.
        let endless = failing(&attempts).retry(Backoff::fixed(ZERO).attempts(u32::MAX));
        assert_no_timer(endless.with_timeout(SECOND));
    }

    #[test]
    fn a_timeout_says_so_while_it_waits_for_a_permit() {
        let limit = Limit::new(1);
        let holder = ByHand::polled(pending::<()>().limit(&limit));
        assert_no_timer(async { 7 }.limit(&limit).with_timeout(SECOND));
        drop(holder);
        assert_eq!((limit.active(), limit.waiting()), (0, 0));
    }

    /// With none to set a window by, a permit that comes free wakes all.
    #[test]
    fn a_limit_needs_none() {
        let limit = Limit::new(1);
        let job = || ByHand::polled(pending::<()>().limit(&limit));
        let (holder, abandoned, mut next) = (job(), job(), job());
        drop(holder);
        assert_eq!((abandoned.wakes(), next.wakes()), (1, 1));
        assert!(next.poll().is_pending());
        assert_eq!((limit.active(), limit.waiting()), (1, 1));
    }

    /// It can't be told when it has had its time, so it has none.
    #[test]
    fn clean_up_that_has_to_wait_is_ended_and_counted() {
        let (scope, ran) = (Scope::new("without"), Count::default());
        let (first, last) = (ran.clone(), ran.clone());
        scope.defer_async(move |_| async move { _ = first.add() });
        scope.defer_async(|_| pending());
        scope.defer_async_within(Duration::MAX, |_| pending());
        scope.defer_async(move |_| async move { _ = last.add() });
        let report = ByHand::new(scope.close()).ready();
        assert_eq!((report.clean_up().steps, report.clean_up().overran, ran.get()), (4, 2, 2));
    }

    #[test]
    fn an_owner_says_that_it_has_none() {
        let asks = |owner: Owner| async move {
            (owner.timer().is_none(), owner.deadline(), owner.remaining())
        };
        let asked = ByHand::new(asks.with_timeout(SECOND)).ready();
        assert_eq!(asked.unwrap(), (true, None, None));
    }

    #[test]
    fn it_names_what_had_to_wait() {
        let polls = Count::default();
        let stuck = polls.polls_of(poll_fn(|_| Poll::<()>::Pending)).with_timeout(SECOND);
        let aborted = ByHand::new(stuck.named("stuck")).ready().unwrap_err();
        assert_eq!(aborted.to_string(), "has to wait, but no timer was given (in `stuck`)");
        assert_eq!((aborted.position(), polls.get()), (Position::Below, 1));
    }

    /// There is nobody to tell when their time would be over, so they have none.
    #[test]
    fn what_is_ended_has_no_grace() {
        for most in [SECOND, Duration::MAX] {
            let (polls, stop) = (Count::default(), AbortHandle::new());
            let told = polls.polls_of(pending::<()>()).with_grace(most).with_abort(&stop);
            let untold = polls.polls_of(pending::<()>()).shielded(most).with_abort(&stop);
            let (mut told, mut untold) = (ByHand::polled(told), ByHand::polled(untold));
            stop.abort("stop");
            assert_eq!(told.ready().unwrap_err().to_string(), "stop");
            assert_eq!(untold.ready().unwrap_err().to_string(), "stop");
            assert_eq!(polls.get(), 2);
        }
    }

    #[test]
    fn clean_up_of_a_nursery_that_has_to_wait_is_ended_and_counted() {
        let (ran, told) = (Count::default(), Cell::new(None));
        let cleaned = tenure::local_scope(async |n| {
            n.on_close(|report| told.set(Some((report.clean_up(), report.took()))));
            n.defer(|_| _ = ran.add());
            n.defer_async(|_| pending());
            n.defer_async(async |_| _ = ran.add());
        });
        ByHand::new(cleaned).ready().unwrap();
        let (clean_up, took) = told.take().unwrap();
        assert_eq!((clean_up.steps, clean_up.overran, ran.get(), took), (3, 1, 2, None));
    }

    #[test]
    fn a_release_that_has_to_wait_is_ended() {
        let (using, released) = (Count::default(), Count::default());
        let held = bracket(
            async { Ok::<_, ()>(()) },
            async |_| Ok(using.add()),
            async |(), _| {
                released.add();
                pending().await
            },
        );
        assert_eq!(ByHand::new(held).ready().unwrap(), Ok(0));
        assert_eq!((using.get(), released.get()), (1, 1));

        // Acquiring may wait for as long as nobody ends it.
        let stop = AbortHandle::new();
        let held = bracket(pending::<Result<(), ()>>(), async |_| Ok(()), async |(), _| {});
        let mut held = ByHand::polled(held.with_abort(&stop));
        stop.abort("stop");
        assert_eq!(held.ready().unwrap_err().to_string(), "stop");
    }

    #[test]
    fn a_close_has_no_time_to_wait_in() {
        let scope = Scope::new("without");
        let member = ByHand::polled(pending::<()>().named("stuck").in_scope(&scope));
        for within in [ZERO, SECOND, Duration::MAX] {
            let open = ByHand::new(scope.close_within(within)).ready().unwrap_err();
            assert_eq!(open.to_string(), "`without` is still open: `stuck` is pending");
        }
        drop(member);
        assert_eq!(ByHand::new(scope.close_within(ZERO)).ready().unwrap().took(), None);
    }

    #[test]
    fn a_scope_with_a_deadline_begins_aborted() {
        for builder in [
            Scope::builder("without").timeout(SECOND),
            Scope::builder("without").timeout(Duration::MAX),
            Scope::builder("without").deadline(Instant::NEVER),
        ] {
            let scope = builder.build();
            assert_eq!(scope.abort_handle().reason(), Some(AbortReason::NoTimer));
            assert_no_timer(async {}.in_scope(&scope));
        }
    }
}
