//! What a failure, a win or an abort leaves behind: nothing, at once, and everybody is told why.
//!
//! Each scenario is told twice: with a nursery, whose children run in one task, and with a scope, whose members are
//! tasks of their own.

mod executors;
mod scene;
mod support;

use std::time::Duration;

use futures::future::{join_all, select_all};
use scene::{Error, Outcome, World, sibling_failed};
use support::{Count, Log, MILLISECOND};
use tenure::{AbortReason, Backoff, OwnedFuture, Scope, scope, try_scope};

fn race_lost(winner: &'static str) -> AbortReason {
    AbortReason::RaceLost { winner: winner.into() }
}

/// Three at once, of which B fails at 30 ms.
const ALL: [(&str, u32, Outcome); 3] =
    [("A", 50, Ok("a")), ("B", 30, Err("no such user")), ("C", 100, Ok("c"))];
const RACE: [(&str, u32); 3] = [("A", 50), ("B", 10), ("C", 80)];
const STEP: Duration = Duration::from_millis(50);

executors::on_every_executor! {
    async fn scenario_01_all_with_a_nursery(executor: Executor) {
        let world = World::default();
        let (inside, cleaned) = (world.clone(), Log::default());
        let (sync, later) = (cleaned.clone(), cleaned.clone());
        let all = try_scope(async move |n| {
            n.defer(move |aborted| sync.note(AbortReason::from(aborted.unwrap())));
            n.defer_async(move |aborted| async move { later.note(AbortReason::from(aborted.unwrap())) });
            let all = ALL.map(|(name, millis, outcome)| {
                inside.work(name, millis, outcome).named(name).try_spawn_in(&n)
            });
            let mut values = Vec::new();
            for one in all {
                values.push(one.await?);
            }
            Ok::<_, Error>(values)
        });
        let seen = world.clone();
        let outer = async move {
            let all = all.await;
            (all, seen.now())
        };
        let (all, then) = executor.spawn(world.clock.watch(outer)).await;
        assert_eq!(all, Err(Error("no such user".to_owned())));
        let why = sibling_failed("B", "no such user");
        let at = 30 * MILLISECOND;
        assert_eq!((then.at, then.begun, then.finished), (at, 3, 1));
        assert_eq!(then.cut_off, [("A", at, why.clone()), ("C", at, why.clone())]);
        assert_eq!(cleaned.all(), [why.clone(), why]);
        world.assert_over(&then);
    }

    async fn scenario_01_all_with_a_scope(executor: Executor) {
        let (world, cleaned) = (World::default(), Log::default());
        let scope = Scope::builder("all").timer(&world.clock).build();
        let (sync, later) = (cleaned.clone(), cleaned.clone());
        scope.defer(move |aborted| sync.note(AbortReason::from(aborted.unwrap())));
        scope.defer_async(move |aborted| async move { later.note(AbortReason::from(aborted.unwrap())) });
        let tasks = ALL.map(|(name, millis, outcome)| {
            let work = world.work(name, millis, outcome).named(name);
            world.clock.watch(work.try_in_scope(&scope))
        });
        let (seen, closing) = (world.clone(), scope.close());
        let outer = world.clock.watch(async move {
            let report = closing.await;
            (report, seen.now())
        });
        let outer = executor.spawn(outer);
        let tasks = tasks.map(|task| executor.spawn(task));
        let (report, then) = outer.await;

        let why = sibling_failed("B", "no such user");
        let at = 30 * MILLISECOND;
        assert_eq!(report.aborted().unwrap().reason(), &why);
        assert_eq!((report.members().failed, report.members().aborted, report.members().ran), (1, 2, 0));
        assert_eq!((then.at, then.begun, then.finished), (at, 3, 1));
        assert_eq!(then.cut_off, [("A", at, why.clone()), ("C", at, why.clone())]);
        assert_eq!(cleaned.all(), [why.clone(), why.clone()]);
        let [a, b, c] = <[_; 3]>::try_from(join_all(tasks).await).unwrap();
        assert_eq!(b, Ok(Err("no such user")));
        assert_eq!([a, c].map(|aborted| aborted.unwrap_err().reason().clone()), [why.clone(), why]);
        world.assert_over(&then);
    }

    /// Without a failure: each value in its place, when the last is there.
    async fn scenario_01_all_that_succeed(executor: Executor) {
        let world = World::default();
        let inside = world.clone();
        let all = try_scope(async move |n| {
            let all = [("A", 50, "a"), ("B", 30, "b"), ("C", 100, "c")].map(|(name, millis, value)| {
                inside.work(name, millis, Ok(value)).named(name).try_spawn_in(&n)
            });
            let mut values = Vec::new();
            for one in all {
                values.push(one.await?);
            }
            Ok::<_, Error>(values)
        });
        let seen = world.clone();
        let outer = async move { (all.await, seen.now()) };
        let (all, then) = executor.spawn(world.clock.watch(outer)).await;
        assert_eq!(all.unwrap(), ["a", "b", "c"]);
        assert_eq!((then.at, then.finished, then.cut_off.len()), (100 * MILLISECOND, 3, 0));
    }

    async fn scenario_02_race_with_a_nursery(executor: Executor) {
        let (world, cleaned) = (World::default(), Log::default());
        let (inside, noted) = (world.clone(), cleaned.clone());
        let race = scope(async move |n| {
            n.defer(move |aborted| noted.note(AbortReason::from(aborted.unwrap())));
            let racers = RACE.map(|(name, millis)| {
                inside.work(name, millis, Ok(name)).named(name).spawn_in(&n)
            });
            let (first, index, others) = select_all(racers).await;
            n.abort(race_lost(RACE[index].0));
            (first, others)
        });
        let seen = world.clone();
        let outer = async move {
            let race = race.await;
            (race, seen.now())
        };
        let (race, then) = executor.spawn(world.clock.watch(outer)).await;
        let (first, others) = race.unwrap();
        assert_eq!(first, Ok(Ok("B")));
        let (at, why) = (10 * MILLISECOND, race_lost("B"));
        assert_eq!((then.at, then.begun, then.finished), (at, 3, 1));
        assert_eq!(then.cut_off, [("A", at, why.clone()), ("C", at, why.clone())]);
        assert_eq!(cleaned.all(), [why]);
        for other in others {
            assert_eq!(other.await.unwrap_err().to_string(), "lost the race to `B`");
        }
        world.assert_over(&then);
    }

    async fn scenario_02_race_with_a_scope(executor: Executor) {
        let world = World::default();
        let scope = Scope::builder("race").timer(&world.clock).build();
        let (cleaned, told) = (Log::default(), Log::default());
        let noted = cleaned.clone();
        scope.defer(move |aborted| noted.note(AbortReason::from(aborted.unwrap())));
        let tasks = RACE.map(|(name, millis)| {
            let work = world.work(name, millis, Ok(name));
            let (handle, told) = (scope.abort_handle().clone(), told.clone());
            let racer = async move {
                let value = work.await;
                // The first one aborts the others, and is not aborted itself: it is ready in this poll.
                told.note((name, handle.abort(race_lost(name))));
                value
            };
            world.clock.watch(racer.named(name).in_scope(&scope))
        });
        let (seen, closing) = (world.clone(), scope.close());
        let outer = world.clock.watch(async move { (closing.await, seen.now()) });
        let outer = executor.spawn(outer);
        let tasks = tasks.map(|task| executor.spawn(task));
        let (report, then) = outer.await;

        let (at, why) = (10 * MILLISECOND, race_lost("B"));
        assert_eq!(report.aborted().unwrap().reason(), &why);
        assert_eq!((report.members().ran, report.members().aborted), (1, 2));
        assert_eq!((then.at, then.begun, then.finished), (at, 3, 1));
        assert_eq!(then.cut_off, [("A", at, why.clone()), ("C", at, why.clone())]);
        assert_eq!((cleaned.all(), told.all()), (vec![why], vec![("B", true)]));
        let [a, b, c] = <[_; 3]>::try_from(join_all(tasks).await).unwrap();
        assert_eq!(b, Ok(Ok("B")));
        for loser in [a, c] {
            assert_eq!(loser.unwrap_err().to_string(), "lost the race to `B` (in `race`)");
        }
        world.assert_over(&then);
    }

    async fn scenario_05_retry_with_a_nursery(executor: Executor) {
        for abort_at in [STEP / 2, STEP + STEP / 2, 3 * STEP + STEP / 2] {
            let (world, attempts) = (World::default(), Count::default());
            let (clock, counted) = (world.clock.clone(), attempts.clone());
            let nursery = scope(async move |n| {
                let failing = move || {
                    counted.add();
                    async { Err::<(), _>("down") }
                };
                let retry = failing.retry(Backoff::fixed(STEP).attempts(9)).spawn_in(&n);
                let stop = n.clone();
                n.spawn(async move {
                    clock.sleep(abort_at).await;
                    stop.abort("user hit stop");
                });
                retry.await
            });
            let (seen, counted) = (world.clone(), attempts.clone());
            let nursery = nursery.with_timer(&world.clock);
            let outer = async move { (nursery.await, seen.clock.elapsed(), counted.get()) };
            let (ended, at, made) = executor.spawn(world.clock.watch(outer)).await;
            assert_eq!(ended.unwrap_err().reason(), &AbortReason::Requested("user hit stop".into()));
            assert_eq!((at, made as u128), (abort_at, 1 + abort_at.as_millis() / STEP.as_millis()));
            world.clock.advance(100 * STEP);
            assert_eq!(attempts.get(), made);
        }
    }

    async fn scenario_05_retry_with_a_scope(executor: Executor) {
        for abort_at in [STEP / 2, STEP + STEP / 2, 3 * STEP + STEP / 2] {
            let (world, attempts) = (World::default(), Count::default());
            let scope = Scope::builder("scope").timer(&world.clock).build();
            let counted = attempts.clone();
            let failing = move || {
                counted.add();
                async { Err::<(), _>("down") }
            };
            let retry = failing.retry(Backoff::fixed(STEP).attempts(9)).try_in_scope(&scope);
            let (clock, stop) = (world.clock.clone(), scope.clone());
            let outside = async move {
                clock.sleep(abort_at).await;
                stop.abort("user hit stop");
                let report = stop.close().await;
                (report, clock.elapsed())
            };
            let (retry, outside) = (world.clock.watch(retry), world.clock.watch(outside));
            let (retry, outside) = (executor.spawn(retry), executor.spawn(outside));
            let (report, at) = outside.await;
            let aborted = retry.await.expect_err("ended as failed");
            assert_eq!(aborted.reason(), &AbortReason::Requested("user hit stop".into()));
            assert_eq!(report.aborted().unwrap().reason(), aborted.reason());
            assert_eq!((report.members().aborted, report.failures().len()), (1, 0));
            let made = attempts.get();
            assert_eq!((at, made as u128), (abort_at, 1 + abort_at.as_millis() / STEP.as_millis()));
            world.clock.advance(100 * STEP);
            assert_eq!(attempts.get(), made);
        }
    }
}
