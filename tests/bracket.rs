//! What a bracket has acquired is released exactly once, whatever comes in between; who ends it waits for that.

mod brackets;
mod executors;
mod support;

use std::future::pending;

use brackets::{
    Part::{self, Fails, Hangs, Panics},
    Seen, exit, log, run,
};
use support::{ByHand, SECOND, Token, message};
use tenure::{
    AbortHandle, OwnedFuture, Scope,
    bracket::{Held, bracket},
    scope,
};

executors::on_every_executor! {
    async fn it_is_released_once_however_the_use_ends(executor: Executor) {
        let cases: [(Part, Option<u32>, &str, &str, u64); 4] = [
            (Part::Ok(1), None, "done", "value", 2),
            (Fails(1), None, "failed", "use failed", 2),
            (Hangs, Some(3), "aborted: timed out after 3s", "timed out after 3s", 4),
            (Part::Ok(1), Some(9), "done", "value", 2),
        ];
        for (using, end, exit, ended, at) in cases {
            let seen = Seen::default();
            let ran = run(seen.clone(), [Part::Ok(0), using, Part::Ok(1)], end);
            let ran = match executor.spawn(seen.clock.watch(ran)).await {
                Ok(Ok(value)) => value.to_owned(),
                Ok(Err(error)) => error,
                Err(aborted) => aborted.to_string(),
            };
            assert_eq!((ran.as_str(), seen.drops.made(), seen.drops.live()), (ended, 1, 0));
            let released: Vec<_> = seen.all().into_iter().filter(|(what, _)| what == "release").collect();
            assert_eq!((released, seen.clock.elapsed().as_secs()), (log([("release", at)]), at));
            assert!(seen.all().contains(&(exit.to_owned(), at - 1)));
        }
    }

    async fn one_that_panics_is_released_and_the_panic_goes_on(executor: Executor) {
        for (parts, exit, text, at) in [
            ([Part::Ok(0), Panics(1), Part::Ok(1)], "panicked: use panicked", "use panicked", 2),
            ([Part::Ok(0), Part::Ok(1), Panics(1)], "done", "release panicked", 2),
            ([Part::Ok(0), Panics(1), Panics(1)], "panicked: use panicked", "use panicked", 2),
        ] {
            let seen = Seen::default();
            let ran = executor.spawn(seen.clock.watch(run(seen.clone(), parts, None)));
            let panic = futures::FutureExt::catch_unwind(std::panic::AssertUnwindSafe(ran)).await;
            assert_eq!(message(&*panic.unwrap_err()), text);
            assert_eq!((seen.drops.made(), seen.drops.live()), (1, 0));
            assert!(seen.all().contains(&(exit.to_owned(), at - 1)));
            assert!(seen.all().contains(&("release".to_owned(), at)));
        }
    }

    /// What is being acquired is acquired, and given back as it is.
    async fn an_abort_while_it_acquires_is_held_back(executor: Executor) {
        let seen = Seen::default();
        let ran = run(seen.clone(), [Part::Ok(5), Part::Ok(1), Part::Ok(1)], Some(2));
        let aborted = executor.spawn(seen.clock.watch(ran)).await.unwrap_err();
        assert_eq!(aborted.to_string(), "timed out after 2s");
        let expected = [("acquire", 5), ("aborted: timed out after 2s", 5), ("release", 6)];
        assert_eq!((seen.all(), seen.drops.live()), (log(expected), 0));
    }

    async fn what_was_not_acquired_is_not_released(executor: Executor) {
        for (acquire, end, ended, at) in [
            (Fails(1), None, "acquire failed", 1),
            (Fails(5), Some(2), "timed out after 2s", 5),
            // It has ten seconds, from when it was to end.
            (Hangs, Some(2), "timed out after 2s", 12),
        ] {
            let seen = Seen::default();
            let ran = run(seen.clone(), [acquire, Part::Ok(1), Part::Ok(1)], end);
            let ran = match executor.spawn(seen.clock.watch(ran)).await {
                Ok(ran) => ran.unwrap_err(),
                Err(aborted) => aborted.to_string(),
            };
            assert_eq!((ran.as_str(), seen.clock.elapsed().as_secs()), (ended, at));
            let noted = if matches!(acquire, Hangs) { log([]) } else { log([("acquire", at)]) };
            assert_eq!((seen.all(), seen.drops.made()), (noted, 0));
        }
    }

    async fn a_release_that_overruns_is_dropped_and_noted(executor: Executor) {
        let seen = Seen::default();
        let scope = Scope::builder("scope").timer(&seen.clock).build();
        let [first, second, third] = [0; 3].map(|_| seen.clone());
        let stuck = bracket(
            async move { Ok::<_, ()>(first.drops.token()) },
            async move |_held| {
                second.note("use");
                Ok(())
            },
            async move |_token, _| pending().await,
        );
        let stuck = stuck.release_within(3 * SECOND).named("lease").in_scope(&scope);
        assert_eq!(executor.spawn(third.clock.watch(stuck)).await, Ok(Ok(())));
        let report = scope.close().await;
        assert_eq!((report.members().ran, report.members().overran), (1, 1));
        assert_eq!(report.failures()[0].to_string(), "`lease` overran");
        assert_eq!((seen.clock.elapsed(), seen.drops.live()), (3 * SECOND, 0));
    }

    async fn it_is_waited_for_in_a_nursery(executor: Executor) {
        let seen = Seen::default();
        let inside = seen.clone();
        let nursery = scope(async move |n| {
            let timer = inside.clock.clone();
            n.spawn(run(inside.clone(), [Part::Ok(0), Hangs, Part::Ok(2)], None));
            timer.sleep(SECOND).await;
            n.abort("enough");
        });
        executor.spawn(seen.clock.watch(nursery)).await.unwrap();
        let expected = [("acquire", 0), ("aborted: enough", 1), ("release", 3)];
        assert_eq!((seen.all(), seen.clock.elapsed()), (log(expected), 3 * SECOND));
    }

    async fn it_is_waited_for_deep_in_plain_code(executor: Executor) {
        let seen = Seen::default();
        let own = seen.clone();
        let plain = async move {
            drop(run(own.clone(), [Part::Ok(0), Hangs, Part::Ok(2)], None).await);
            own.note("after it");
        };
        let plain = plain.with_timeout(SECOND).with_timer(&seen.clock);
        assert!(executor.spawn(seen.clock.watch(plain)).await.unwrap_err().is_timeout());
        let expected = [("acquire", 0), ("aborted: timed out after 1s", 1), ("release", 3)];
        assert_eq!(seen.all(), log(expected));
    }

    async fn what_was_given_away_is_waited_for(executor: Executor) {
        let seen = Seen::default();
        let [first, second, third] = [0; 3].map(|_| seen.clone());
        let other = executor.clone();
        let lends = bracket(
            async move { Ok::<_, ()>(first.drops.token()) },
            async move |held: Held<Token>| {
                let clock = second.clock.clone();
                let keeps = clock.watch(async move {
                    second.takes(4, "given back").await;
                    drop(held);
                });
                drop(other.spawn(keeps));
                Ok("lent")
            },
            async move |_token, how| third.note(exit(&how)),
        );
        let ended = executor.spawn(seen.clock.watch(lends.with_timer(&seen.clock))).await;
        assert_eq!(ended, Ok(Ok("lent")));
        assert_eq!((seen.all(), seen.drops.live()), (log([("given back", 4), ("done", 4)]), 0));
    }
}

#[test]
fn what_is_dropped_half_way_is_dropped_and_not_released() {
    for parts in
        [[Hangs, Hangs, Hangs], [Part::Ok(0), Hangs, Hangs], [Part::Ok(0), Part::Ok(0), Hangs]]
    {
        let seen = Seen::default();
        drop(ByHand::polled(run(seen.clone(), parts, None)));
        assert_eq!(seen.drops.live(), 0);
        assert!(seen.all().iter().all(|(what, _)| what != "release"));
    }
    // And one that was never polled.
    let seen = Seen::default();
    drop(run(seen.clone(), [Part::Ok(0); 3], None));
    assert!(seen.all().is_empty());
}

#[test]
fn one_that_is_aborted_already_acquires_nothing() {
    let stop = AbortHandle::new();
    stop.abort("before");
    let never = bracket(
        async { unreachable!("it was begun") },
        async |_held: Held<()>| Ok::<(), ()>(()),
        async |(), _| unreachable!("there is nothing to release"),
    );
    let mut never = ByHand::new(never.with_abort(&stop));
    assert_eq!(never.ready().unwrap_err().to_string(), "before");
}
