//! The handle of a child tells what that came to, aborts it and it alone, and holds up nobody.

mod executors;
mod support;

use std::{
    future::{pending, ready},
    mem,
    sync::Mutex,
    task::Poll,
    time::Duration,
};

use futures::future::FusedFuture;
use futures_lite::future::yield_now;
use support::{ByHand, Count, Drops, Log, SECOND, message, panic_of, panic_quietly};
use tenure::{
    AbortHandle, AbortReason, Aborted, OwnedFuture, Owner, abort::Position, scope,
    scope::JoinHandle, time::TestClock,
};

type Slot<T> = Mutex<Option<JoinHandle<T>>>;

executors::on_every_executor! {
    async fn it_can_be_awaited_and_aborted_on_another_task(executor: Executor) {
        let elsewhere = executor.clone();
        let nursery = scope(async move |n| {
            let (value, stuck) = (n.spawn(async { 7 }), n.spawn(pending::<()>()));
            let told = elsewhere.spawn(async move {
                let value = value.await;
                stuck.abort("from elsewhere");
                (value, stuck.await)
            });
            told.await
        });
        let (value, stuck) = executor.spawn(nursery).await.unwrap();
        assert_eq!((value, stuck.unwrap_err().to_string().as_str()), (Ok(7), "from elsewhere"));
    }

    async fn a_child_that_is_aborted_has_its_grace_and_the_others_run_on(executor: Executor) {
        let clock = TestClock::new();
        let hands = clock.clone();
        let nursery = scope(async move |n| {
            let (inside, outside) = (hands.clone(), hands.clone());
            let polite = async move {
                let aborted = Owner::current().unwrap().aborted().await;
                inside.sleep(2 * SECOND).await;
                aborted.to_string()
            };
            let polite = polite.with_grace(9 * SECOND).spawn_in(&n);
            let sibling = n.spawn(async move {
                outside.sleep(SECOND).await;
                outside.elapsed()
            });
            yield_now().await;
            assert!(polite.abort("not needed"));
            let ended = polite.await.unwrap_err().to_string();
            (ended, hands.elapsed(), sibling.is_finished(), sibling.await.unwrap())
        });
        let ended = executor.spawn(clock.watch(nursery.with_timer(&clock))).await.unwrap();
        assert_eq!(ended, ("not needed".to_owned(), 2 * SECOND, true, SECOND));
    }
}

/// A child that was polled while its handle aborted it and was dropped once ran on for ever.
#[test]
fn an_abort_counts_though_the_handle_is_dropped_in_the_same_poll() {
    for polls_before in 0..3 {
        let (own, drops) = (Slot::default(), Drops::default());
        let report = Log::default();
        let nursery = scope(async |n| {
            let (own, token, told) = (&own, drops.token(), report.clone());
            n.on_close(move |report| told.note(report.members()));
            let child = n.spawn(async move {
                let _token = token;
                for _ in 0..polls_before {
                    yield_now().await;
                }
                let handle = own.lock().unwrap().take().unwrap();
                assert!(handle.abort("by myself"));
                drop(handle);
                pending::<()>().await
            });
            *own.lock().unwrap() = Some(child);
        });
        assert_eq!(ByHand::new(nursery).run(), Poll::Ready(Ok(())));
        assert_eq!(drops.live(), 0);
        assert_eq!((report.all()[0].aborted, report.all()[0].ran), (1, 0));
    }
}

/// It said that it had aborted the child, and then told of another reason.
#[test]
fn the_first_reason_wins() {
    let clock = TestClock::new();
    let mut kept = None;
    let nursery = scope(async |n| {
        let child = pending::<()>().with_grace(9 * SECOND).spawn_in(&n);
        yield_now().await;
        assert!(child.abort("first"));
        yield_now().await;
        kept = Some(child);
        n.abort("second");
        pending::<()>().await
    });
    let mut nursery = ByHand::new(clock.watch(nursery.with_timer(&clock)));
    let Poll::Ready(Err(aborted)) = nursery.run() else { panic!("it was aborted") };
    drop(nursery);
    assert_eq!((aborted.to_string().as_str(), clock.elapsed()), ("second", 9 * SECOND));
    assert_eq!(ByHand::new(kept.unwrap()).ready().unwrap_err().to_string(), "first");
}

#[test]
fn what_has_ended_can_not_be_aborted_any_more() {
    let nursery = scope(async |n| {
        let (value, failed) = (n.spawn(ready(1)), n.spawn_background(async { panic_quietly() }));
        let failed: JoinHandle<()> = failed;
        assert!(!value.is_finished() && !failed.is_finished());
        yield_now().await;
        assert!(value.is_finished() && failed.is_finished());
        assert!(!value.abort("too late") && !failed.abort("too late"));
        (value.await, failed.await.unwrap_err().reason().clone())
    });
    let Poll::Ready(Ok((value, reason))) = ByHand::new(nursery).run() else { panic!("pending") };
    assert_eq!(value, Ok(1));
    assert!(matches!(reason, AbortReason::Panicked { .. }));
}

/// Its result is there in the poll in which it has ended, and it is gone by then.
#[test]
fn what_ran_is_dropped_before_its_handle_is_told() {
    let drops = Drops::default();
    let nursery = scope(async |n| {
        let value = n.spawn(drops.of(async { yield_now().await }));
        let aborted = n.spawn(drops.of(pending::<()>()));
        value.await.unwrap();
        assert_eq!(drops.live(), 1);
        aborted.abort("enough");
        aborted.await.unwrap_err();
        assert_eq!(drops.live(), 0);
    });
    assert_eq!(ByHand::new(nursery).run(), Poll::Ready(Ok(())));
    assert_eq!(drops.made(), 2);
}

#[test]
fn a_dropped_handle_lets_its_child_run_on_and_the_value_is_dropped() {
    let (drops, steps) = (Drops::default(), Count::default());
    let nursery = scope(async |n| {
        let child = async {
            for _ in 0..3 {
                yield_now().await;
                steps.add();
            }
            drops.token()
        };
        let mut handle = n.spawn(child);
        assert!(futures::poll!(&mut handle).is_pending());
        drop(handle);
    });
    assert_eq!(ByHand::new(nursery).run(), Poll::Ready(Ok(())));
    assert_eq!((steps.get(), drops.made(), drops.live()), (3, 1, 0));
}

#[test]
fn a_handle_that_is_parked_or_forgotten_holds_up_nobody() {
    let drops = Drops::default();
    let mut kept = None;
    let nursery = scope(async |n| {
        mem::forget(n.spawn(async { yield_now().await }));
        let mut parked = n.spawn(drops.of(async { 7 }));
        assert!(futures::poll!(&mut parked).is_pending());
        // Never polled again, it keeps the value; but not the child.
        kept = Some(parked);
    });
    assert_eq!(ByHand::new(nursery).run(), Poll::Ready(Ok(())));
    assert_eq!(drops.live(), 0);
    assert_eq!(ByHand::new(kept.unwrap()).ready(), Ok(7));
}

#[test]
fn a_waiting_handle_lets_go_of_its_waker_when_it_is_dropped_or_told() {
    let mut kept = None;
    let mut nursery = ByHand::new(scope(async |n| kept = Some(n.spawn(pending::<()>()))));
    assert!(nursery.poll().is_pending());
    drop(nursery);
    let handle = kept.unwrap();
    assert_eq!(ByHand::new(handle).ready().unwrap_err().reason(), &AbortReason::ScopeEnded);

    let handles = Mutex::new(Vec::new());
    let mut nursery = ByHand::new(scope(async |n| {
        let handles = &handles;
        handles.lock().unwrap().extend([n.spawn(pending::<()>()), n.spawn(pending::<()>())]);
        pending::<()>().await
    }));
    assert!(nursery.poll().is_pending());
    let handles = mem::take(&mut *handles.lock().unwrap());
    let mut waiting: Vec<_> = handles.into_iter().map(ByHand::polled).collect();
    let (told, dropped) = (waiting.pop().unwrap(), waiting.pop().unwrap());
    assert_eq!((told.wakers(), dropped.wakers()), (1, 1));
    let (task, wakes) = (dropped.task(), told.wakes());
    drop(dropped);
    assert_eq!(task.wakers(), 0);
    drop(nursery);
    assert_eq!((told.wakers(), told.wakes()), (0, wakes + 1));
}

#[test]
fn it_wakes_whoever_polled_it_last() {
    let (gate, kept) = (AbortHandle::new(), Slot::default());
    let mut nursery = ByHand::new(scope(async |n| {
        *kept.lock().unwrap() = Some(n.spawn(gate.aborted()));
        pending::<()>().await
    }));
    assert!(nursery.poll().is_pending());
    let mut handle = ByHand::polled(kept.lock().unwrap().take().unwrap());
    let first = handle.task();
    assert!(handle.poll_elsewhere().is_pending());
    assert_eq!((first.wakers(), handle.wakers()), (0, 1));
    gate.abort("open");
    assert!(nursery.run().is_pending());
    assert_eq!(handle.wakes(), 1);
    assert_eq!(handle.ready().unwrap().to_string(), "open");
}

#[test]
fn a_child_of_a_chain_has_one_layer_and_tells_where_it_was_ended() {
    let clock = TestClock::new();
    let nursery = scope(async |n| {
        let late = pending::<u32>().with_timeout(SECOND).named("late").spawn_in(&n);
        let retried = (|| ready(Err::<(), _>("down")))
            .retry(tenure::Backoff::fixed(Duration::ZERO).attempts(2))
            .spawn_in(&n);
        (late.await, retried.await)
    });
    let nursery = clock.watch(nursery.with_timer(&clock));
    let Poll::Ready(Ok((late, retried))) = ByHand::new(nursery).run() else { panic!("pending") };
    let late: Aborted = late.unwrap_err();
    assert_eq!(late.to_string(), "timed out after 1s (in `late`)");
    assert_eq!((late.position(), retried), (Position::Below, Ok(Err("down"))));
}

#[test]
fn one_that_has_told_says_so_and_names_itself() {
    let nursery = scope(async |n| {
        let mut child = n.spawn(ready(1));
        assert!(!child.is_terminated());
        assert_eq!((&mut child).await, Ok(1));
        assert!(child.is_terminated() && child.is_finished());
        let panic = panic_of(|| futures::executor::block_on(&mut child));
        message(&*panic).to_owned()
    });
    let told = ByHand::new(nursery).run();
    assert_eq!(told, Poll::Ready(Ok("`JoinHandle` polled after completion".to_owned())));
}
