//! A checkpoint lets others run, and tells whether its owner wants this to go on.

mod executors;
mod support;

use std::{future::pending, task::Poll};

use futures::future::{FusedFuture, join};
use support::{ByHand, Count, Log, SECOND, message, panic_of};
use tenure::{
    AbortHandle, AbortReason, Aborted, OwnedFuture, Scope, abort::Position, checkpoint, scope,
    time::TestClock,
};

/// Passes checkpoints until one tells it to end.
async fn until_told(passed: Count) -> Aborted {
    loop {
        match checkpoint().await {
            Ok(()) => _ = passed.add(),
            Err(aborted) => return aborted,
        }
    }
}

executors::on_every_executor! {
    async fn a_loop_that_never_rests_is_ended_by_its_owner(executor: Executor) {
        let (scope, passed) = (Scope::new("scope"), Count::default());
        let looping = executor.spawn(until_told(passed.clone()).in_scope(&scope));
        let (own, seen) = (scope.clone(), passed.clone());
        let stops = async move {
            while seen.get() < 100 {
                checkpoint().await.unwrap();
            }
            own.abort("enough");
        };
        executor.spawn(stops).await;
        // Mostly it is dropped, and hears nothing; but where the abort comes amid its poll, on another thread, it does.
        let (Ok(aborted) | Err(aborted)) = looping.await;
        assert_eq!(aborted.to_string(), "enough (in `scope`)");
        scope.close().await;
        assert!(passed.get() >= 100);
    }

    async fn one_in_its_grace_is_told_why(executor: Executor) {
        let (clock, passed) = (TestClock::new(), Count::default());
        let told = Log::default();
        let noted = told.clone();
        let (hands, counted) = (clock.clone(), passed.clone());
        let looping = async move {
            hands.sleep(SECOND).await;
            // It has a second left, and is told of it at once.
            noted.note(until_told(counted).await.to_string());
        };
        let chain = looping.with_grace(9 * SECOND).with_timeout(SECOND / 2).with_timer(&clock);
        assert!(executor.spawn(clock.watch(chain)).await.unwrap_err().is_timeout());
        assert_eq!((told.all(), passed.get()), (vec!["timed out after 500ms".to_owned()], 0));
        assert_eq!(clock.elapsed(), SECOND);
    }

    async fn children_take_turns(executor: Executor) {
        let log = Log::default();
        let noted = log.clone();
        let nursery = scope(async move |n| {
            for name in ["a", "b"] {
                let log = noted.clone();
                n.spawn(async move {
                    for _ in 0..3 {
                        log.note(name);
                        checkpoint().await.unwrap();
                    }
                });
            }
        });
        executor.spawn(nursery).await.unwrap();
        assert_eq!(log.all(), ["a", "b", "a", "b", "a", "b"]);
    }
}

#[test]
fn it_is_pending_once_and_wakes_its_task() {
    for owned in [false, true] {
        let passed = Count::default();
        let counted = passed.clone();
        let passes = async move {
            for _ in 0..3 {
                checkpoint().await.unwrap();
                counted.add();
            }
        };
        let mut passes = match owned {
            true => ByHand::new(async { passes.named("owned").await.unwrap() }),
            false => ByHand::new(passes),
        };
        for polls in 0..3 {
            assert!(passes.poll().is_pending());
            assert_eq!((passed.get(), passes.wakes()), (polls, polls + 1));
        }
        passes.ready();
        assert_eq!((passed.get(), passes.wakes()), (3, 3));
    }
}

#[test]
fn it_asks_again_when_it_is_polled_again() {
    let (stop, told) = (AbortHandle::named("stop"), Log::default());
    let asks = async {
        let mut passing = checkpoint();
        assert!(futures::poll!(&mut passing).is_pending());
        // Within one poll: nobody above has looked meanwhile.
        stop.abort("now");
        let aborted = passing.await.unwrap_err();
        told.note((aborted.to_string(), aborted.position()));
        assert!(checkpoint().await.is_err(), "it tells at once, now");
        "value"
    };
    assert_eq!(ByHand::new(asks.with_abort(&stop)).ready().unwrap(), "value");
    assert_eq!(told.all(), [("now (in `stop`)".to_owned(), Position::Above)]);
}

#[test]
fn one_that_is_shielded_is_not_told() {
    let (stop, passed) = (AbortHandle::new(), Count::default());
    let (clock, counted) = (TestClock::new(), passed.clone());
    let passes = async move {
        for _ in 0..5 {
            checkpoint().await.unwrap();
            counted.add();
        }
    };
    let shielded = passes.shielded(SECOND).with_abort(&stop).with_timer(&clock);
    let mut shielded = ByHand::polled(shielded);
    stop.abort("stop");
    let Poll::Ready(ended) = shielded.run() else { panic!("it has ended") };
    assert_eq!((ended.unwrap_err().to_string().as_str(), passed.get()), ("stop", 5));
}

#[test]
fn one_in_a_nursery_that_was_aborted_is_told() {
    let told = Log::default();
    let nursery = scope(async |n| {
        n.abort(AbortReason::OverBudget { budget: "tokens".into() });
        told.note(checkpoint().await.unwrap_err().to_string());
        1
    });
    assert_eq!(ByHand::new(nursery).ready().unwrap(), 1);
    assert_eq!(told.all(), ["the budget `tokens` is used up"]);
}

#[test]
fn where_nobody_owns_it_nobody_tells_it() {
    let elsewhere = AbortHandle::new();
    elsewhere.abort("none of its business");
    let mut passes = ByHand::new(join(checkpoint(), checkpoint()));
    assert!(passes.poll().is_pending());
    assert_eq!(passes.ready(), (Ok(()), Ok(())));
    drop(pending::<()>());
}

#[test]
fn one_that_has_ended_says_so_and_names_itself() {
    let mut passing = checkpoint();
    assert!(!passing.is_terminated());
    assert_eq!(smol::block_on(&mut passing), Ok(()));
    assert!(passing.is_terminated());
    let panic = panic_of(|| smol::block_on(&mut passing));
    assert_eq!(message(&*panic), "`Checkpoint` polled after completion");
}
