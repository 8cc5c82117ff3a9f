//! What takes its time to end, deep in plain code, holds up nobody where it isn't polled: set aside, or gone to another
//! task.

mod deep;
mod support;

use std::{future::pending, pin::pin, task::Poll, time::Duration};

use deep::{Deep, Seen, all, assert_ended};
use futures::{StreamExt, channel::oneshot, future::select, stream::FuturesUnordered};
use support::{ByHand, Drops, SECOND};
use tenure::{AbortHandle, OwnedFuture, Owner};

/// Plain code that has put it aside would wait for ever for what it doesn't poll.
#[test]
fn one_that_nobody_polls_holds_up_nobody() {
    for kind in 0..4 {
        let (seen, drops) = (Seen::default(), Drops::default());
        let mut aside = all(&seen).into_iter().nth(kind).unwrap();
        let token = drops.token();
        let plain = async move {
            let _token = token;
            assert!(futures::poll!(&mut aside).is_pending());
            // It is neither dropped nor polled while this waits.
            pending::<()>().await;
            aside.await;
        };
        let chain = plain.with_timeout(SECOND).with_timer(&seen.clock);
        assert!(smol::block_on(seen.clock.watch(chain)).unwrap_err().is_timeout());
        assert_eq!((seen.clock.elapsed(), drops.live()), (SECOND, 0), "kind {kind}");
        assert!(seen.log.all().is_empty());
    }
}

/// It has the time that it takes by itself, and then nobody polls it.
#[test]
fn one_that_was_told_and_then_set_aside_has_its_own_time_at_most() {
    for kind in 0..4 {
        for forgets in [false, true] {
            let (seen, drops) = (Seen::default(), Drops::default());
            let mut aside = all(&seen).into_iter().nth(kind).unwrap();
            let token = drops.token();
            let plain = async move {
                let _token = token;
                select(&mut aside, pin!(Owner::current().unwrap().aborted())).await;
                assert!(futures::poll!(&mut aside).is_pending());
                if forgets {
                    std::mem::forget(aside);
                    return pending().await;
                }
                pending::<()>().await;
                aside.await
            };
            let chain = plain.with_timeout(SECOND).with_timer(&seen.clock);
            assert!(smol::block_on(seen.clock.watch(chain)).unwrap_err().is_timeout());
            let took = seen.clock.elapsed();
            // The time of the grace, and of the shield, isn't over before that; the others wait for a sleep.
            let most = if kind < 2 { 3 } else { 10 };
            assert!(took <= most * SECOND, "kind {kind}: {took:?}");
            assert_eq!(drops.live(), 0, "kind {kind}");
            assert!(seen.log.all().is_empty());
        }
    }
}

/// What else wakes the task meanwhile doesn't cut it short.
#[test]
fn one_that_waits_while_others_are_woken_has_its_time() {
    for kind in 0..4 {
        let seen = Seen::default();
        let aside = all(&seen).into_iter().nth(kind).unwrap();
        let clock = seen.clock.clone();
        let ticks: Deep = Box::pin(async move {
            for _ in 0..10_000 {
                clock.sleep(SECOND / 4000).await;
            }
            pending().await
        });
        let mut both: FuturesUnordered<_> = [aside, ticks].into_iter().collect();
        let plain = async move { while both.next().await.is_some() {} };
        let chain = plain.with_timeout(SECOND).with_timer(&seen.clock);
        assert!(smol::block_on(seen.clock.watch(chain)).unwrap_err().is_timeout());
        assert_ended(&seen, "beside others");
    }
}

/// Others that were woken along with it may have their turn first.
#[test]
fn one_whose_turn_comes_late_is_waited_for() {
    let seen = Seen::default();
    let own = seen.clone();
    let many = (0..500).map(|n| -> Deep {
        let seen = own.clone();
        match n {
            499 => Box::pin(async move { seen.nursery().await }),
            // They hear of the abort, and are woken by it.
            _ => Box::pin(async move {
                Owner::current().unwrap().aborted().await;
                pending().await
            }),
        }
    });
    let mut many: FuturesUnordered<_> = many.collect();
    let plain = async move { while many.next().await.is_some() {} };
    let chain = plain.with_timeout(SECOND).with_timer(&seen.clock);
    assert!(smol::block_on(seen.clock.watch(chain)).unwrap_err().is_timeout());
    assert_ended(&seen, "late");
}

/// A nursery begins in it, and goes on elsewhere.
async fn begins_and_gives_away(seen: Seen, give: oneshot::Sender<Deep>) {
    let mut moves: Deep = Box::pin(async move { seen.nursery().await });
    assert!(futures::poll!(&mut moves).is_pending());
    assert!(give.send(moves).is_ok());
    pending().await
}

/// It belongs to the owner in which it began; but who polls it waits for it, and nobody else.
#[test]
fn one_that_was_moved_to_another_task_is_waited_for_there() {
    let (seen, (give, given)) = (Seen::default(), oneshot::channel::<Deep>());
    let began = begins_and_gives_away(seen.clone(), give);
    let (began_stop, stop) = (AbortHandle::new(), AbortHandle::new());
    let mut began = ByHand::polled(began.with_abort(&began_stop).with_timer(&seen.clock));
    let goes_on = async { given.await.unwrap().await };
    let mut goes_on = ByHand::polled(goes_on.with_abort(&stop).with_timer(&seen.clock));

    // Whoever began it is not held up any more.
    let begun = Duration::ZERO;
    began_stop.abort("stop");
    let ended = began.run();
    assert!(matches!(ended, Poll::Ready(Err(_))), "it is held by what is elsewhere");
    assert_eq!(seen.clock.elapsed(), begun);

    // But it was below that one: it is told, and cleans up where it is.
    assert!(goes_on.run().is_pending());
    seen.clock.advance(2 * SECOND);
    assert!(goes_on.run().is_ready());
    assert_eq!(seen.log.all(), [("cleaned up", 2 * SECOND), ("after it", 2 * SECOND)]);
}

/// Whoever began it waits in vain for a while, and then no more; it once took that one's end for the new one's.
#[test]
fn one_that_is_on_its_way_to_another_task_holds_up_nobody() {
    let (seen, (give, given)) = (Seen::default(), oneshot::channel::<Deep>());
    let began = begins_and_gives_away(seen.clone(), give);
    let stop = AbortHandle::new();
    let mut began = ByHand::polled(began.with_abort(&stop).with_timer(&seen.clock));
    stop.abort("stop");
    assert!(began.run().is_ready());
    // It was below that one, and so it ends; but nobody around it does, where it is now.
    let goes_on = async { given.await.unwrap().await };
    let mut goes_on = ByHand::polled(goes_on.with_timer(&seen.clock));
    seen.clock.advance(2 * SECOND);
    assert_eq!(goes_on.run(), Poll::Ready(Ok(())));
    assert_eq!(seen.log.all(), [("cleaned up", 2 * SECOND), ("after it", 2 * SECOND)]);
}

#[test]
fn one_that_was_moved_is_ended_with_its_new_owner() {
    let (seen, (give, given)) = (Seen::default(), oneshot::channel::<Deep>());
    let began = begins_and_gives_away(seen.clone(), give);
    let stop = AbortHandle::new();
    let _began = ByHand::polled(began.with_abort(AbortHandle::new()).with_timer(&seen.clock));
    let goes_on = async { given.await.unwrap().await };
    let mut goes_on = ByHand::polled(goes_on.with_abort(&stop).with_timer(&seen.clock));
    stop.abort("stop");
    assert!(goes_on.run().is_pending());
    seen.clock.advance(2 * SECOND);
    assert!(matches!(goes_on.run(), Poll::Ready(Err(_))));
    assert_eq!(seen.log.all(), [("cleaned up", 2 * SECOND)]);
}
