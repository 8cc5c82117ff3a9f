//! What a closure is told about its owner, and what its owner's handle tells others.

mod executors;
mod support;

use std::{
    future::{pending, ready},
    panic::AssertUnwindSafe,
    task::Poll,
    time::Duration,
};

use futures::FutureExt;
use support::{ByHand, Count, Log, SECOND, panic_quietly};
use tenure::{
    AbortHandle, AbortReason, Aborted, Backoff, Owned, OwnedFuture, Owner, Scope,
    abort::Position,
    operation::Operation,
    time::{Instant, TestClock},
};

/// Where a closure leaves its owner for the test to look at.
#[derive(Clone, Default)]
struct Seen(Log<Owner>);

impl Seen {
    fn keep(&self, owner: &Owner) {
        self.0.note(owner.clone());
    }

    fn last(&self) -> Owner {
        self.all().pop().expect("it was never called")
    }

    fn all(&self) -> Vec<Owner> {
        self.0.all()
    }

    /// A closure that keeps its owner and hangs.
    fn hang(
        &self,
    ) -> impl FnMut(Owner) -> std::future::Pending<Result<(), &'static str>> + Clone + use<> {
        let seen = self.clone();
        move |owner: Owner| {
            seen.keep(&owner);
            pending()
        }
    }
}

/// Polls `chain` once and tells what its closure was told.
fn owner_in<'a, O: Operation + 'a>(
    chain: impl FnOnce(&Seen) -> Owned<O>,
) -> (Owner, ByHand<'a, Result<O::Output, Aborted>>) {
    let seen = Seen::default();
    let mut chain = ByHand::new(chain(&seen));
    assert!(chain.poll().is_pending());
    (seen.last(), chain)
}

#[test]
fn without_an_owner_there_is_nothing_to_tell() {
    let (owner, _chain) = owner_in(|seen| seen.hang().owned());
    assert_eq!((owner.attempt(), owner.name()), (1, None));
    assert_eq!((owner.deadline(), owner.remaining()), (None, None));
    assert!(!owner.is_aborted() && owner.check().is_ok());
}

#[test]
fn it_is_told_the_nearest_name() {
    let scope = Scope::new("scope");
    let (owner, _chain) = owner_in(|seen| seen.hang().named("near").named("far"));
    assert_eq!(owner.name(), Some("near"));
    let (owner, _chain) = owner_in(|seen| seen.hang().in_scope(&scope).named("far"));
    assert_eq!(owner.name(), Some("scope"));
    let (owner, _chain) = owner_in(|seen| seen.hang().with_timeout(SECOND).named("far"));
    assert_eq!(owner.name(), Some("far"));
}

#[test]
fn it_is_told_the_attempt_of_the_nearest_retry() {
    let seen = Seen::default();
    let keep = seen.clone();
    let fails = move |owner: Owner| {
        keep.keep(&owner);
        ready(Err::<(), _>("down"))
    };
    let policy = Backoff::fixed(Duration::ZERO).attempts(2);
    let chain = fails.with_timeout(SECOND).retry(policy).retry(policy);
    assert_eq!(smol::block_on(chain).unwrap(), Err("down"));
    assert_eq!(seen.all().iter().map(Owner::attempt).collect::<Vec<_>>(), [1, 2, 1, 2]);
}

#[test]
fn its_deadline_is_the_earliest_above() {
    let clock = TestClock::new();
    clock.advance(SECOND);
    let at = |seconds| Some(Instant::START + seconds * SECOND);

    let (owner, _chain) = owner_in(|seen| seen.hang().with_timeout(2 * SECOND).with_timer(&clock));
    assert_eq!((owner.deadline(), owner.remaining()), (at(3), Some(2 * SECOND)));

    for (inner, outer, earliest) in [(2, 5, 3), (5, 2, 3), (4, 4, 5)] {
        let (owner, _chain) = owner_in(|seen| {
            let chain = seen.hang().with_timeout(inner * SECOND).retry(Backoff::exponential());
            chain.with_timeout(outer * SECOND).with_timer(&clock)
        });
        assert_eq!(owner.deadline(), at(earliest));
    }

    let absolute = Instant::START + 4 * SECOND;
    let (owner, _chain) = owner_in(|seen| {
        let chain = seen.hang().with_timeout(9 * SECOND).with_deadline(absolute);
        chain.with_timeout(8 * SECOND).with_timer(&clock)
    });
    assert_eq!((owner.deadline(), owner.remaining()), (at(4), Some(3 * SECOND)));
}

#[test]
fn one_that_never_fires_is_no_deadline() {
    let clock = TestClock::new();
    let (owner, _chain) =
        owner_in(|seen| seen.hang().with_timeout(Duration::MAX).with_timer(&clock));
    assert_eq!((owner.deadline(), owner.remaining()), (None, None));
    let (owner, _chain) =
        owner_in(|seen| seen.hang().with_deadline(Instant::NEVER).with_timer(&clock));
    assert_eq!((owner.deadline(), owner.remaining()), (None, None));
}

#[test]
fn the_time_that_remains_shrinks_to_zero() {
    let clock = TestClock::new();
    let (owner, _chain) = owner_in(|seen| seen.hang().with_timeout(2 * SECOND).with_timer(&clock));
    clock.advance(SECOND);
    assert_eq!(owner.remaining(), Some(SECOND));
    clock.advance(9 * SECOND);
    assert_eq!(owner.remaining(), Some(Duration::ZERO));
}

/// A timeout counts from the first question about time, though nothing was pending yet.
#[test]
fn asking_fixes_the_deadline() {
    let clock = TestClock::new();
    let hands = clock.clone();
    let slow = move |owner: Owner| {
        hands.advance(SECOND);
        assert_eq!(owner.remaining(), Some(SECOND));
        pending::<()>()
    };
    let mut chain = ByHand::new(slow.with_timeout(2 * SECOND).with_timer(&clock));
    assert!(chain.poll().is_pending());
    clock.advance(SECOND);
    assert!(chain.poll().is_ready());
    assert_eq!(clock.elapsed(), 2 * SECOND);
}

#[test]
fn each_attempt_has_a_timeout_of_its_own_under_one_of_the_whole() {
    let clock = TestClock::new();
    let seen = Seen::default();
    let chain = seen
        .hang()
        .with_timeout(2 * SECOND)
        .retry(Backoff::fixed(SECOND).attempts(9))
        .with_timeout(7 * SECOND)
        .with_timer(&clock);
    assert!(smol::block_on(clock.watch(chain)).unwrap_err().is_timeout());
    let deadlines: Vec<_> = seen.all().iter().map(|owner| owner.deadline().unwrap()).collect();
    assert_eq!(deadlines, [2, 5, 7].map(|at| Instant::START + at * SECOND));
    assert_eq!(clock.elapsed(), 7 * SECOND);
}

#[test]
fn deadlines_do_not_cross_a_change_of_timer() {
    let (inner, outer) = (TestClock::new(), TestClock::new());
    let (owner, _chain) = owner_in(|seen| {
        let chain = seen.hang().with_timeout(5 * SECOND).with_timer(&inner);
        chain.with_timeout(SECOND).with_timer(&outer)
    });
    assert_eq!(owner.deadline(), Some(Instant::START + 5 * SECOND));

    let scope = Scope::builder("scope").timer(&inner).build();
    let (owner, _chain) =
        owner_in(|seen| seen.hang().in_scope(&scope).with_timeout(SECOND).with_timer(&outer));
    assert_eq!(owner.deadline(), None);

    // Nor from the process's own.
    let (owner, _chain) = owner_in(|seen| seen.hang().with_timer(&inner).with_timeout(9 * SECOND));
    assert_eq!(owner.deadline(), None);
}

#[test]
fn deadlines_cross_the_same_timer_given_twice() {
    let clock = TestClock::new();
    let expected = Some(Instant::START + SECOND);
    let (owner, _chain) = owner_in(|seen| {
        let chain = seen.hang().with_timeout(5 * SECOND).with_timer(&clock);
        chain.with_timeout(SECOND).with_timer(&clock.clone())
    });
    assert_eq!(owner.deadline(), expected);

    let scope = Scope::builder("scope").timer(&clock).build();
    let (owner, _chain) =
        owner_in(|seen| seen.hang().in_scope(&scope).with_timeout(SECOND).with_timer(&clock));
    assert_eq!(owner.deadline(), expected);

    // A scope without a timer changes nothing.
    let scope = Scope::new("scope");
    let (owner, _chain) =
        owner_in(|seen| seen.hang().in_scope(&scope).with_timeout(SECOND).with_timer(&clock));
    assert_eq!(owner.deadline(), expected);
}

#[test]
fn its_handle_aborts_when_a_timeout_above_fires() {
    let clock = TestClock::new();
    let (owner, mut chain) = owner_in(|seen| {
        seen.hang().with_timeout(SECOND).with_timeout(9 * SECOND).with_timer(&clock)
    });
    clock.advance(SECOND);
    assert!(!owner.is_aborted(), "the timeout acts when it is polled");
    assert!(chain.poll().is_ready());
    let aborted = owner.check().unwrap_err();
    assert_eq!(aborted.reason(), &AbortReason::TimedOut { after: SECOND });
    assert_eq!(aborted.position(), Position::Above);
}

/// At once, before anything is polled.
#[test]
fn its_handle_aborts_with_the_handles_and_scopes_above() {
    let (stop, scope) = (AbortHandle::named("stop"), Scope::new("scope"));
    let chain = |seen: &Seen| seen.hang().with_abort(&stop).in_scope(&scope);

    let (owner, mut polled) = owner_in(chain);
    scope.abort("halt");
    let aborted = owner.check().unwrap_err();
    assert_eq!((aborted.reason(), aborted.origin()), (&"halt".into(), Some("scope")));
    assert_eq!(aborted.position(), Position::Above);
    assert!(polled.poll().is_ready());
    assert_eq!(owner.check().unwrap_err().reason(), &"halt".into());

    let scope = Scope::new("scope");
    let (owner, _chain) = owner_in(|seen| seen.hang().with_abort(&stop).in_scope(&scope));
    stop.abort("enough");
    let aborted = owner.check().unwrap_err();
    assert_eq!((aborted.reason(), aborted.origin()), (&"enough".into(), Some("stop")));
    assert!(!scope.is_aborted());
}

#[test]
fn its_handle_aborts_when_the_run_ends() {
    let seen = Seen::default();
    let keep = seen.clone();
    let answers = move |owner: Owner| {
        keep.keep(&owner);
        async move {
            assert!(owner.check().is_ok());
            "answer"
        }
    };
    assert_eq!(smol::block_on(answers.owned()).unwrap(), "answer");
    assert_eq!(seen.last().check().unwrap_err().reason(), &AbortReason::ScopeEnded);
}

#[test]
fn its_handle_aborts_when_the_run_is_dropped() {
    let (owner, chain) = owner_in(|seen| seen.hang().with_timeout(SECOND).owned());
    assert!(!owner.is_aborted());
    drop(chain);
    assert_eq!(owner.check().unwrap_err().reason(), &AbortReason::ScopeEnded);
}

#[test]
fn its_handle_aborts_when_the_run_panics() {
    let seen = Seen::default();
    let keep = seen.clone();
    let panics = move |owner: Owner| {
        keep.keep(&owner);
        async { panic_quietly() }
    };
    let chain = AssertUnwindSafe(panics.with_timeout(SECOND)).catch_unwind();
    assert!(smol::block_on(chain.map(|caught: Result<Result<(), _>, _>| caught.is_err())));
    assert_eq!(seen.last().check().unwrap_err().reason(), &AbortReason::ScopeEnded);
}

#[test]
fn each_attempt_gets_its_own_handle() {
    let clock = TestClock::new();
    let seen = Seen::default();
    let chain = seen
        .hang()
        .with_timeout(SECOND)
        .retry(Backoff::fixed(Duration::ZERO).attempts(3))
        .with_timer(&clock);
    let mut chain = ByHand::new(chain);
    for attempt in 1..=3 {
        assert!(chain.poll().is_pending());
        let live: Vec<_> = seen.all().iter().map(|owner| !owner.is_aborted()).collect();
        assert_eq!(live.iter().filter(|live| **live).count(), 1);
        assert_eq!((live.len(), live[attempt - 1]), (attempt, true));
        clock.advance(SECOND);
    }
    assert!(matches!(chain.poll(), Poll::Ready(Err(_))));
    let reasons = seen.all().into_iter().map(|owner| owner.abort_handle().reason().unwrap());
    assert!(reasons.eq([const { AbortReason::TimedOut { after: SECOND } }; 3]));
}

#[test]
fn aborting_it_by_hand_does_not_end_the_run() {
    let (owner, mut chain) = owner_in(|seen| seen.hang().owned());
    assert!(owner.abort_handle().abort("only for those who listen"));
    assert!(chain.poll().is_pending());
    assert_eq!(owner.check().unwrap_err().position(), Position::Here);
}

/// Whoever listens knows why before the future is gone.
#[test]
fn its_handle_aborts_before_the_future_is_dropped() {
    struct LooksUp(Owner, Count);
    impl Drop for LooksUp {
        fn drop(&mut self) {
            assert!(self.0.check().is_err_and(|aborted| aborted.is_timeout()));
            self.1.add();
        }
    }
    let (clock, looked) = (TestClock::new(), Count::default());
    let count = looked.clone();
    let work = move |owner: Owner| {
        let looks = LooksUp(owner, count.clone());
        async move {
            let _looks = looks;
            pending::<()>().await
        }
    };
    let chain = work.with_timeout(SECOND).with_timer(&clock);
    assert!(smol::block_on(clock.watch(chain)).is_err());
    assert_eq!(looked.get(), 1);
}

executors::on_every_executor! {
    async fn a_task_elsewhere_hears_of_the_abort(executor: Executor) {
        let clock = TestClock::new();
        let (tell, told) = futures::channel::oneshot::channel();
        let (mut tell, spawner, hands) = (Some(tell), executor.clone(), clock.clone());
        let work = move |owner: Owner| {
            let listening = hands.watch(async move { owner.aborted().await });
            drop(tell.take().expect("called once").send(spawner.spawn(listening)));
            pending::<()>()
        };
        let chain = clock.watch(work.with_timeout(SECOND).with_timer(&clock));
        let aborted = executor.spawn(chain).await.unwrap_err();
        assert_eq!(aborted.position(), Position::Below);
        let elsewhere = told.await.unwrap().await;
        assert_eq!(elsewhere.reason(), aborted.reason());
        assert_eq!(elsewhere.position(), Position::Above);
        assert_eq!(clock.elapsed(), SECOND);
    }
}
