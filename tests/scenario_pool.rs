//! A pool that fails: what runs is ended, what waits never starts, and no value comes after it.

mod executors;
mod scene;
mod support;

use futures::future::join_all;
use scene::{Error, Now, World, sibling_failed};
use support::{Count, Log, MILLISECOND};
use tenure::{Limit, OwnedFuture, Scope, try_scope};

/// Ten, of which the third fails.
const POOL: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

executors::on_every_executor! {
    async fn scenario_04_pool_with_a_nursery(executor: Executor) {
        let (world, limit) = (World::default(), Limit::new(4));
        let (inside, own, report) = (world.clone(), limit.clone(), Log::default());
        let told = report.clone();
        let pool = try_scope(async move |n| {
            n.on_close(move |report| told.note(report.members()));
            let jobs = POOL.map(|name| {
                let (millis, outcome) = if name == "2" { (20, Err("bad item")) } else { (100, Ok(name)) };
                inside.work(name, millis, outcome).limit(&own).named(name).try_spawn_in(&n)
            });
            let mut values = Vec::new();
            for job in jobs {
                values.push(job.await?);
            }
            Ok::<_, Error>(values)
        });
        let (seen, permits) = (world.clone(), limit.clone());
        let outer = async move {
            let pool = pool.await;
            (pool, seen.now(), (permits.active(), permits.waiting()))
        };
        let (pool, then, permits) = executor.spawn(world.clock.watch(outer)).await;
        assert_eq!(pool, Err(Error("bad item".to_owned())));
        assert_pool_has_failed(&world, &then);
        assert_eq!(permits, (0, 0));
        let members = report.all()[0];
        // Those that wait for a permit have begun to do so.
        assert_eq!((members.failed, members.aborted, members.ran), (1, 9, 0));
        world.assert_over(&then);
    }

    async fn scenario_04_pool_with_a_scope(executor: Executor) {
        let (world, limit) = (World::default(), Limit::new(4));
        let scope = Scope::builder("pool").timer(&world.clock).limit(&limit).build();
        // One task begins them in their order, each of which is a member of its own.
        let jobs: Vec<_> = POOL
            .into_iter()
            .map(|name| {
                let (millis, outcome) = if name == "2" { (20, Err("bad item")) } else { (100, Ok(name)) };
                world.work(name, millis, outcome).named(name).try_in_scope(&scope)
            })
            .collect();
        let (seen, closing) = (world.clone(), scope.close());
        let outer = world.clock.watch(async move { (closing.await, seen.now()) });
        let jobs = world.clock.watch(join_all(jobs));
        let outer = executor.spawn(outer);
        let jobs = executor.spawn(jobs).await;
        let (report, then) = outer.await;

        assert_pool_has_failed(&world, &then);
        assert_eq!((limit.active(), limit.waiting(), scope.members()), (0, 0, 0));
        let members = report.members();
        let counts = (members.failed, members.aborted, members.never_started, members.ran);
        assert_eq!(counts, (1, 3, 6, 0));
        let why = sibling_failed("2", "bad item");
        for (name, job) in POOL.into_iter().zip(jobs) {
            match name {
                "2" => assert_eq!(job, Ok(Err("bad item"))),
                _ => assert_eq!(job.unwrap_err().reason(), &why),
            }
        }
        world.assert_over(&then);
    }

    /// Each as a task of its own: which of them begin is the executor's business, how many isn't.
    async fn scenario_04_pool_of_tasks(executor: Executor) {
        let (world, limit) = (World::default(), Limit::new(4));
        let scope = Scope::builder("pool").timer(&world.clock).limit(&limit).build();
        let failed = Count::default();
        let jobs = POOL.map(|name| {
            let (world, clock, failed) = (world.clone(), world.clock.clone(), failed.clone());
            let job = async move {
                world.begun.note(name);
                match failed.add() {
                    0 => {
                        clock.sleep(20 * MILLISECOND).await;
                        Err("bad item")
                    }
                    _ => {
                        clock.sleep(100 * MILLISECOND).await;
                        world.finished.note(name);
                        Ok(name)
                    }
                }
            };
            world.clock.watch(world.polls.polls_of(job).try_in_scope(&scope))
        });
        let (seen, closing) = (world.clone(), scope.close());
        let outer = world.clock.watch(async move { (closing.await, seen.now()) });
        let outer = executor.spawn(outer);
        let jobs = jobs.map(|job| executor.spawn(job));
        let (report, then) = outer.await;
        assert_eq!((then.at, then.begun, then.finished), (20 * MILLISECOND, 4, 0));
        let members = report.members();
        let counts = (members.failed, members.aborted, members.never_started, members.ran);
        assert_eq!(counts, (1, 3, 6, 0));
        assert_eq!((limit.active(), limit.waiting()), (0, 0));
        join_all(jobs).await;
        world.assert_over(&then);
    }

    /// Each item takes as long as it takes: what comes out is in the order of what went in.
    async fn scenario_04_pool_gives_its_results_in_the_order_of_the_items(executor: Executor) {
        let (world, limit) = (World::default(), Limit::new(4));
        let (inside, own) = (world.clone(), limit.clone());
        let pool = try_scope(async move |n| {
            let jobs = POOL.map(|name| {
                let millis = 100 - 10 * name.parse::<u32>().unwrap();
                inside.work(name, millis, Ok(name)).limit(&own).named(name).try_spawn_in(&n)
            });
            let mut values = Vec::new();
            for job in jobs {
                values.push(job.await?);
            }
            Ok::<_, Error>(values)
        });
        let seen = world.clone();
        let outer = async move { (pool.await, seen.now()) };
        let (pool, then) = executor.spawn(world.clock.watch(outer)).await;
        assert_eq!(pool.unwrap(), POOL);
        // 0 to 3 end at 100, 90, 80, 70; 4 begins at 70 and ends at 130, 5 at 80 and 130, 6 at 90 and 130,
        // 7 at 100 and 130, 8 and 9 at 130 and at 150 and 140.
        assert_eq!((then.at, then.finished), (150 * MILLISECOND, 10));
        assert_ne!(world.finished.all(), POOL, "they have ended in another order");
        assert_eq!((limit.active(), limit.waiting()), (0, 0));
    }
}

/// At 20 ms: four have begun, three of them were cut off, none has finished but the one that failed.
fn assert_pool_has_failed(world: &World, then: &Now) {
    let at = 20 * MILLISECOND;
    assert_eq!((then.at, then.begun, then.finished), (at, 4, 1));
    assert_eq!((world.begun.all(), world.finished.all()), (POOL[..4].to_vec(), vec!["2"]));
    let why = sibling_failed("2", "bad item");
    let cut_off = ["0", "1", "3"].map(|name| (name, at, why.clone()));
    assert_eq!(then.cut_off, cut_off);
}
