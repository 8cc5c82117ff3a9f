//! An abort is soft, then hard: what asked for time has it, is told or isn't, and is dropped when that is over.

mod executors;
mod support;

use std::{
    future::{Future, pending},
    task::Poll,
    time::Duration,
};

use support::{ByHand, Count, Drops, Log, NANOSECOND, SECOND};
use tenure::{
    AbortHandle, Backoff, Limit, Owned, OwnedFuture, Owner, Scope, abort::Position,
    operation::Operation, scope::Report, time::TestClock,
};

/// Notes when it was told and when it was dropped, and would run for ever.
#[derive(Clone, Default)]
struct Deaf {
    clock: TestClock,
    told: Log<(Duration, String)>,
    dropped: Log<Duration>,
}

impl Deaf {
    fn run(&self) -> impl Future<Output = Result<(), &'static str>> + Send + use<> {
        struct Ends(Deaf);
        impl Drop for Ends {
            fn drop(&mut self) {
                self.0.dropped.note(self.0.clock.elapsed());
            }
        }
        let ends = Ends(self.clone());
        async move {
            let Deaf { clock, told, .. } = &ends.0;
            let aborted = Owner::current().unwrap().aborted().await;
            told.note((clock.elapsed(), aborted.to_string()));
            pending().await
        }
    }

    /// Runs `chain` on the clock; tells with what it ended, when it was told, and when it was dropped and returned.
    fn seen<O: Operation>(&self, chain: Owned<O>) -> Ended {
        let chain = self.clock.watch(chain.with_timer(&self.clock));
        let Err(aborted) = smol::block_on(chain) else { panic!("it was not aborted") };
        assert_eq!(self.dropped.all(), [self.clock.elapsed()], "it is dropped at the verdict");
        let told = self.told.all().into_iter().map(|(at, _)| at).collect();
        (aborted.to_string(), told, self.clock.elapsed())
    }
}

/// What it said, when it was told, and when it was over.
type Ended = (String, Vec<Duration>, Duration);
type Case = fn(&Deaf) -> Ended;

const NONE: Vec<Duration> = Vec::new();

#[test]
fn one_with_a_grace_is_told_and_dropped_when_that_is_over() {
    let deaf = Deaf::default();
    let chain = deaf.run().with_grace(3 * SECOND).with_timeout(SECOND);
    assert_eq!(deaf.seen(chain), ("timed out after 1s".to_owned(), vec![SECOND], 4 * SECOND));
    assert_eq!(deaf.told.all()[0].1, "timed out after 1s");
}

#[test]
fn one_that_is_shielded_is_told_only_when_that_is_over() {
    let deaf = Deaf::default();
    let chain = deaf.run().shielded(3 * SECOND).with_timeout(SECOND);
    assert_eq!(deaf.seen(chain), ("timed out after 1s".to_owned(), NONE, 4 * SECOND));
}

/// An adapter covers what stands before it: what stands inside of the grace ends as ever.
#[test]
fn the_order_is_the_meaning() {
    let deaf = Deaf::default();
    let inside = deaf.run().with_timeout(SECOND).with_grace(3 * SECOND).with_timeout(9 * SECOND);
    assert_eq!(deaf.seen(inside), ("timed out after 1s".to_owned(), NONE, SECOND));

    let deaf = Deaf::default();
    let between = deaf.run().with_timeout(3 * SECOND).with_grace(9 * SECOND).with_timeout(SECOND);
    assert_eq!(
        deaf.seen(between),
        ("timed out after 1s".to_owned(), vec![SECOND], 3 * SECOND),
        "its own timeout is over before its grace is",
    );

    let deaf = Deaf::default();
    let both = deaf.run().with_grace(3 * SECOND).with_timeout(SECOND).with_timeout(2 * SECOND);
    let (_, told, at) = deaf.seen(both);
    assert_eq!((told, at), (vec![SECOND], 4 * SECOND), "its time is given once");
}

/// The inner one has its time when the outer one's is over, however the two are combined.
#[test]
fn those_that_are_nested_follow_one_another() {
    let nests: [(Case, Vec<Duration>); 4] = [
        (
            |deaf| {
                deaf.seen(
                    deaf.run().with_grace(2 * SECOND).with_grace(3 * SECOND).with_timeout(SECOND),
                )
            },
            vec![SECOND],
        ),
        (
            |deaf| {
                deaf.seen(
                    deaf.run().with_grace(2 * SECOND).shielded(3 * SECOND).with_timeout(SECOND),
                )
            },
            vec![4 * SECOND],
        ),
        (
            |deaf| {
                deaf.seen(
                    deaf.run().shielded(2 * SECOND).with_grace(3 * SECOND).with_timeout(SECOND),
                )
            },
            NONE,
        ),
        (
            |deaf| {
                deaf.seen(deaf.run().shielded(2 * SECOND).shielded(3 * SECOND).with_timeout(SECOND))
            },
            NONE,
        ),
    ];
    for (nest, (seen, told)) in nests.into_iter().enumerate() {
        let deaf = Deaf::default();
        assert_eq!(seen(&deaf), ("timed out after 1s".to_owned(), told, 6 * SECOND), "nest {nest}");
    }
}

#[test]
fn whoever_ends_it_waits_for_it() {
    let ends: [Case; 6] = [
        |deaf| {
            let stop = AbortHandle::new();
            let (own, clock) = (stop.clone(), deaf.clock.clone());
            let stops = async move {
                clock.sleep(SECOND).await;
                own.abort("stop");
            };
            let stops = deaf.clock.watch(stops);
            let chain = deaf.run().with_grace(3 * SECOND).with_abort(stop);
            let chain = deaf.clock.watch(chain.with_timer(&deaf.clock));
            let (ended, ()) = smol::block_on(futures::future::join(chain, stops));
            let told = deaf.told.all().into_iter().map(|(at, _)| at).collect();
            (ended.unwrap_err().to_string(), told, deaf.clock.elapsed())
        },
        |deaf| {
            let scope = Scope::builder("scope").timer(&deaf.clock).timeout(SECOND).build();
            deaf.seen(deaf.run().with_grace(3 * SECOND).in_scope(&scope))
        },
        |deaf| {
            deaf.seen(deaf.run().with_grace(3 * SECOND).with_deadline(deaf.clock.now() + SECOND))
        },
        |deaf| deaf.seen(deaf.run().with_grace(3 * SECOND).with_idle_timeout(SECOND)),
        |deaf| {
            let deaf = deaf.clone();
            let run = deaf.clone();
            let retry = (move || run.run().with_grace(3 * SECOND).flatten())
                .with_timeout(SECOND)
                .retry(Backoff::fixed(SECOND).attempts(1));
            deaf.seen(retry)
        },
        |deaf| {
            deaf.seen(deaf.run().with_grace(3 * SECOND).limit(Limit::new(1)).with_timeout(SECOND))
        },
    ];
    for (end, seen) in ends.into_iter().enumerate() {
        let (_, told, at) = seen(&Deaf::default());
        assert_eq!((told, at), (vec![SECOND], 4 * SECOND), "end {end}");
    }
}

/// The permit and the place in the scope are held until then.
#[test]
fn what_it_has_is_given_back_when_it_has_ended() {
    let (clock, limit, stop) = (TestClock::new(), Limit::new(1), AbortHandle::new());
    let scope = Scope::builder("scope").timer(&clock).build();
    let chain = pending::<()>().with_grace(SECOND).limit(&limit).in_scope(&scope).with_abort(&stop);
    let mut chain = ByHand::polled(chain);
    stop.abort("stop");
    assert!(chain.run().is_pending());
    assert_eq!((limit.active(), scope.members()), (1, 1));
    clock.advance(SECOND);
    assert!(chain.run().is_ready());
    assert_eq!((limit.active(), scope.members()), (0, 0));
}

executors::on_every_executor! {
    async fn one_that_ends_in_time_ends_all_of_it_then(executor: Executor) {
        let (clock, drops) = (TestClock::new(), Drops::default());
        let scope = Scope::builder("scope").timer(&clock).build();
        let (hands, token) = (clock.clone(), drops.token());
        let polite = async move {
            Owner::current().unwrap().aborted().await;
            hands.sleep(2 * SECOND).await;
            // It comes too late to be the result.
            token
        };
        let member = polite.with_grace(9 * SECOND).named("polite").in_scope(&scope);
        let (own, hands) = (scope.clone(), clock.clone());
        let stops = async move {
            hands.sleep(SECOND).await;
            own.abort("stop");
            own.close().await
        };
        let (member, stops) = (clock.watch(member), clock.watch(stops));
        let (member, stops) = (executor.spawn(member), executor.spawn(stops));
        let report: Report = stops.await;
        assert_eq!(member.await.unwrap_err().to_string(), "stop (in `scope`)");
        assert_eq!((drops.live(), clock.elapsed(), report.took()), (0, 3 * SECOND, Some(2 * SECOND)));
        let members = report.members();
        assert_eq!((members.aborted, members.overran, report.failures().len()), (1, 0, 0));
    }

    async fn what_overran_is_counted_and_named(executor: Executor) {
        let clock = TestClock::new();
        let scope = Scope::builder("scope").timer(&clock).timeout(SECOND).build();
        let named = pending::<()>().with_grace(SECOND).named("slow").in_scope(&scope);
        let outer = pending::<()>().named("deep").shielded(2 * SECOND).in_scope(&scope).named("outer");
        let nameless = pending::<()>().with_grace(3 * SECOND).in_scope(&scope);
        let polite = async { Owner::current().unwrap().aborted().await };
        let polite = polite.with_grace(SECOND).named("polite").in_scope(&scope);
        let all = (clock.watch(named), clock.watch(outer), clock.watch(nameless), clock.watch(polite));
        let closing = clock.watch(scope.close());
        let closing = executor.spawn(closing);
        let tasks = (executor.spawn(all.0), executor.spawn(all.1), executor.spawn(all.2));
        let polite = executor.spawn(all.3);
        let report = closing.await;
        let members = report.members();
        assert_eq!((members.aborted, members.overran), (4, 3));
        let failures: Vec<_> = report.failures().iter().map(ToString::to_string).collect();
        assert_eq!(failures, ["`slow` overran", "`deep` overran", "a member overran"]);
        assert_eq!(report.took(), Some(4 * SECOND));
        tasks.0.await.unwrap_err();
        tasks.1.await.unwrap_err();
        tasks.2.await.unwrap_err();
        polite.await.unwrap_err();
    }
}

#[test]
fn a_grace_of_zero_gives_one_poll() {
    for shielded in [false, true] {
        let (polls, stop, clock) = (Count::default(), AbortHandle::new(), TestClock::new());
        let stuck = polls.polls_of(pending::<()>());
        let stuck = match shielded {
            false => stuck.with_grace(Duration::ZERO),
            true => stuck.shielded(Duration::ZERO),
        };
        let mut stuck = ByHand::polled(stuck.with_abort(&stop).with_timer(&clock));
        stop.abort("stop");
        assert_eq!(stuck.ready().unwrap_err().to_string(), "stop");
        assert_eq!(polls.get(), 2);
    }
}

/// Its time is over at that very instant, and not before.
#[test]
fn a_grace_is_exact() {
    let (clock, stop, drops) = (TestClock::new(), AbortHandle::new(), Drops::default());
    let stuck = drops.of(pending::<()>()).with_grace(SECOND).with_abort(&stop).with_timer(&clock);
    let mut stuck = ByHand::polled(stuck);
    clock.advance(5 * SECOND);
    stop.abort("stop");
    assert!(stuck.run().is_pending());
    clock.advance(SECOND - NANOSECOND);
    assert!(stuck.run().is_pending());
    assert_eq!(drops.live(), 1);
    clock.advance(NANOSECOND);
    assert!(stuck.run().is_ready());
    assert_eq!(drops.live(), 0);
}

#[test]
fn one_that_never_began_has_no_time() {
    let (polls, stop, clock) = (Count::default(), AbortHandle::new(), TestClock::new());
    stop.abort("before");
    let never = polls.polls_of(pending::<()>()).with_grace(SECOND).with_abort(&stop);
    let mut never = ByHand::new(never.with_timer(&clock));
    assert_eq!(never.ready().unwrap_err().to_string(), "before");
    assert_eq!(polls.get(), 0);
}

#[test]
fn what_is_dropped_has_no_time() {
    let (clock, drops, told) = (TestClock::new(), Drops::default(), Log::default());
    let polite = async {
        let owner = Owner::current().unwrap();
        told.note(owner.clone());
        owner.aborted().await;
        unreachable!("nobody polls it");
    };
    let polite = drops.of(polite).with_grace(SECOND).with_timer(&clock);
    drop(ByHand::polled(polite));
    assert_eq!((drops.live(), told.all()[0].is_aborted()), (0, true));
    drop(ByHand::polled(drops.of(pending::<()>()).shielded(SECOND).with_timer(&clock)));
    assert_eq!(drops.live(), 0);
}

/// Each tells what it knows: those below are told once, and who is aborted meanwhile says so to those above.
#[test]
fn one_that_is_ended_twice_is_told_of_the_first_and_returns_the_outer_one() {
    let (clock, inner, outer) = (TestClock::new(), AbortHandle::new(), AbortHandle::new());
    for outer_first in [false, true] {
        let deaf = Deaf::default();
        let (inner, outer) = (inner.child(), outer.child());
        let stuck = deaf.run().with_grace(SECOND).with_abort(&inner).with_abort(&outer);
        let mut stuck = ByHand::polled(stuck.with_timer(&clock));
        let (first, second) = if outer_first { (&outer, &inner) } else { (&inner, &outer) };
        first.abort("first");
        assert!(stuck.run().is_pending());
        clock.advance(SECOND / 2);
        second.abort("second");
        assert!(stuck.run().is_pending());
        clock.advance(SECOND / 2);
        let Poll::Ready(Err(aborted)) = stuck.run() else { panic!("its time is over") };
        let returned = if outer_first { "first" } else { "second" };
        assert_eq!((aborted.to_string().as_str(), aborted.position()), (returned, Position::Above));
        assert_eq!(deaf.told.all()[0].1, "first");
    }
}
