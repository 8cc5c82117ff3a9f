//! What makes no progress for too long ends, and what does runs on, however long it takes.

mod executors;
mod support;

use std::{
    future::{Future, pending, poll_fn},
    pin::pin,
    task::{Context, Poll},
    time::Duration,
};

use futures::{StreamExt, channel::mpsc};
use support::{ByHand, CountingTimer, SECOND, panic_of, panic_quietly};
use tenure::{AbortReason, Backoff, OwnedFuture, time::TestClock};

executors::on_every_executor! {
    async fn it_ends_what_has_stalled(executor: Executor) {
        let clock = TestClock::new();
        let (send, mut receive) = mpsc::unbounded();
        let download = async move {
            let mut chunks = 0;
            while let Some(()) = receive.next().await {
                chunks += 1;
            }
            chunks
        };
        let download = clock.watch(download.with_idle_timeout(3 * SECOND).with_timer(&clock));
        let hands = clock.clone();
        let upload = clock.watch(async move {
            for _ in 0..10 {
                hands.sleep(2 * SECOND).await;
                send.unbounded_send(()).unwrap();
            }
            pending::<()>().await;
        });
        let download = executor.spawn(download);
        let upload = executor.spawn(upload.with_timeout(SECOND).with_timer(&TestClock::new()));
        let aborted = download.await.unwrap_err();
        assert_eq!(aborted.reason(), &AbortReason::Idle { after: 3 * SECOND });
        assert!(aborted.is_timeout());
        assert_eq!(clock.elapsed(), 23 * SECOND);
        drop(upload);
    }
}

/// It is polled along with a neighbour that is busy.
#[test]
fn what_wakes_a_neighbour_is_no_progress() {
    let clock = TestClock::new();
    let busy = async {
        for _ in 0..100 {
            clock.sleep(SECOND).await;
        }
    };
    let stalled = pending::<()>().with_idle_timeout(5 * SECOND).with_timer(&clock);
    let first = async {
        let (mut stalled, mut busy) = (pin!(stalled), pin!(busy));
        poll_fn(|cx| {
            assert!(busy.as_mut().poll(cx).is_pending());
            stalled.as_mut().poll(cx)
        })
        .await
    };
    assert!(smol::block_on(clock.watch(first)).unwrap_err().is_timeout());
    assert_eq!(clock.elapsed(), 5 * SECOND);
}

#[test]
fn progress_moves_no_alarm_until_it_rings() {
    let timer = CountingTimer::default();
    let (send, mut receive) = mpsc::unbounded::<()>();
    let reads = async move { while receive.next().await.is_some() {} };
    let mut chain = ByHand::polled(reads.with_idle_timeout(2 * SECOND).with_timer(timer.clone()));
    for _ in 0..10 {
        timer.advance(SECOND / 10);
        send.unbounded_send(()).unwrap();
        assert!(chain.poll().is_pending());
    }
    assert_eq!(timer.set(), 1);
    // It rings at 2 s, when there is one more to go.
    timer.advance(SECOND);
    assert!(chain.poll().is_pending());
    assert_eq!((timer.set(), timer.live()), (2, 1));
    timer.advance(SECOND - Duration::from_nanos(1));
    assert!(chain.poll().is_pending());
    timer.advance(Duration::from_nanos(1));
    assert!(chain.poll().is_ready());
    assert_eq!((timer.outstanding(), chain.wakers()), (0, 0));
}

#[test]
fn an_attempt_that_stalled_is_tried_again() {
    let clock = TestClock::new();
    let mut attempts = 0;
    let stalls = || {
        attempts += 1;
        pending::<Result<(), &str>>()
    };
    let chain = stalls
        .with_idle_timeout(SECOND)
        .retry(Backoff::fixed(Duration::ZERO).attempts(3))
        .with_timer(&clock);
    assert!(smol::block_on(clock.watch(chain)).is_err());
    assert_eq!((attempts, clock.elapsed()), (3, 3 * SECOND));
}

/// A value that is ready in the very poll in which time runs out wins.
#[test]
fn a_value_that_is_ready_wins() {
    let clock = TestClock::new();
    let just = clock.sleep(SECOND).with_idle_timeout(SECOND).with_timer(&clock);
    assert!(smol::block_on(clock.watch(just)).is_ok());
}

#[test]
fn it_follows_its_task() {
    let clock = TestClock::new();
    let (send, mut receive) = mpsc::unbounded::<()>();
    let reads = async move { receive.next().await };
    let mut chain = ByHand::polled(reads.with_idle_timeout(SECOND).with_timer(&clock));
    let left = chain.task();
    assert!(chain.poll_elsewhere().is_pending());
    assert_eq!(left.wakers(), 0);
    send.unbounded_send(()).unwrap();
    assert_eq!(chain.wakes(), 1);
    assert_eq!(chain.ready().unwrap(), Some(()));
}

#[test]
fn zero_gives_one_poll_and_max_never_fires() {
    let clock = TestClock::new();
    let mut zero =
        ByHand::new(pending::<()>().with_idle_timeout(Duration::ZERO).with_timer(&clock));
    assert!(zero.poll().is_ready());
    let mut max = ByHand::new(pending::<()>().with_idle_timeout(Duration::MAX).with_timer(&clock));
    assert!(max.poll().is_pending());
    clock.advance(Duration::MAX);
    assert!(max.poll().is_pending());
}

#[test]
fn a_panic_goes_on_and_leaves_nothing() {
    let timer = CountingTimer::default();
    let mut polled = false;
    let panics = poll_fn(|_: &mut Context<'_>| -> Poll<()> {
        if std::mem::replace(&mut polled, true) {
            panic_quietly();
        }
        Poll::Pending
    });
    let mut chain = ByHand::polled(panics.with_idle_timeout(SECOND).with_timer(timer.clone()));
    panic_of(|| chain.poll());
    let task = chain.task();
    drop(chain);
    assert_eq!((timer.outstanding(), task.wakers()), (0, 0));
}
