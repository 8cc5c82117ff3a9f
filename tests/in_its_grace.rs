//! What may be done in a grace: to end, until a point in time that is known, and to begin nothing anew.

mod executors;
mod support;

use std::{
    future::{Future, pending, ready},
    pin::Pin,
    task::{Context, Poll},
};

use futures::future::BoxFuture;
use futures_lite::future::yield_now;
use support::{ByHand, Count, Drops, Log, SECOND, Token, message, panic_of};
use tenure::{
    AbortHandle, AbortReason, Aborted, Backoff, Limit, OwnedFuture, Owner, bracket, scope,
    time::TestClock,
};

executors::on_every_executor! {
    async fn a_retry_makes_no_more_attempts_in_its_grace(executor: Executor) {
        // Amid an attempt, that is seen through; in the back-off it ends at once.
        for (abort_at, end) in [(1, 2), (3, 3), (5, 6)] {
            let (clock, attempts, stop) = (TestClock::new(), Count::default(), AbortHandle::new());
            let (hands, counted) = (clock.clone(), attempts.clone());
            let failing = move || {
                let (clock, attempts) = (hands.clone(), counted.clone());
                async move {
                    attempts.add();
                    clock.sleep(2 * SECOND).await;
                    Err::<(), _>("down")
                }
            };
            let chain = failing.retry(Backoff::fixed(2 * SECOND).attempts(9)).with_grace(100 * SECOND);
            let chain = chain.with_abort(stop.clone()).with_timer(&clock);
            let hands = clock.clone();
            let stops = async move {
                hands.sleep(abort_at * SECOND).await;
                stop.abort("stop");
            };
            let (chain, stops) = (clock.watch(chain), clock.watch(stops));
            let (chain, stops) = (executor.spawn(chain), executor.spawn(stops));
            stops.await;
            assert_eq!(chain.await.unwrap_err().to_string(), "stop");
            assert_eq!((attempts.get(), clock.elapsed()), (1 + abort_at as usize / 4, end * SECOND));
        }
    }

    async fn a_retry_deep_in_plain_code_makes_none_either(executor: Executor) {
        let (clock, attempts, stop) = (TestClock::new(), Count::default(), AbortHandle::new());
        let (hands, counted, told) = (clock.clone(), attempts.clone(), Log::default());
        let noted = told.clone();
        let deep = async move {
            let failing = || async {
                counted.add();
                Err::<(), _>("down")
            };
            let ended = failing.retry(Backoff::fixed(2 * SECOND).attempts(9)).await;
            noted.note((ended.unwrap_err().to_string(), hands.elapsed()));
        };
        let chain = async move { deep.await; };
        let chain = chain.with_grace(100 * SECOND).with_abort(stop.clone()).with_timer(&clock);
        let hands = clock.clone();
        let stops = async move {
            hands.sleep(5 * SECOND).await;
            stop.abort("stop");
        };
        let both = futures::future::join(chain, stops);
        let (ended, ()) = executor.spawn(clock.watch(both)).await;
        assert_eq!(ended.unwrap_err().to_string(), "stop");
        assert_eq!((attempts.get(), told.all()), (3, vec![("stop".to_owned(), 5 * SECOND)]));
    }

    async fn who_waits_for_a_permit_gets_none_in_its_grace(executor: Executor) {
        let (clock, limit) = (TestClock::new(), Limit::new(1));
        let holder = clock.sleep(9 * SECOND).limit(&limit).with_timer(&clock);
        let waits = async { unreachable!("it was started") };
        let waits = waits.limit(&limit).with_grace(100 * SECOND).with_timeout(SECOND).with_timer(&clock);
        let hands = clock.clone();
        let waits = async move {
            yield_now().await;
            let waited: Result<(), Aborted> = waits.await;
            (waited.unwrap_err().is_timeout(), hands.elapsed())
        };
        let both = futures::future::join(holder, waits);
        let (holder, waited) = executor.spawn(clock.watch(both)).await;
        assert!(holder.is_ok());
        assert_eq!((waited, limit.waiting()), ((true, SECOND), 0));
    }
}

/// In its grace it has time, and its deadline is the end of that; it may begin what it likes.
#[test]
fn its_deadline_is_the_end_of_its_grace() {
    let clock = TestClock::new();
    let log = Log::default();
    let polite = async {
        let deadline = || Owner::current().unwrap().remaining();
        log.note(deadline());
        Owner::current().unwrap().aborted().await;
        log.note(deadline());
        // A chain that begins now.
        let nested = async { Owner::current().unwrap().remaining() };
        log.note(nested.with_timeout(99 * SECOND).await.unwrap());
        let (fits, late) = (clock.sleep(3 * SECOND), clock.sleep(9 * SECOND));
        fits.with_timeout(4 * SECOND).await.unwrap();
        log.note(deadline());
        let retry = |delay| (|| async { Err::<(), _>("down") }).retry(Backoff::fixed(delay));
        assert_eq!(retry(3 * SECOND).await, Ok(Err("down")), "its back-off would take too long");
        let ended = retry(SECOND).await.unwrap_err();
        assert_eq!(ended.reason(), &AbortReason::TimedOut { after: SECOND });
        late.await;
        unreachable!("it was dropped before");
    };
    let polite = polite.with_grace(5 * SECOND).with_timeout(SECOND).with_timer(&clock);
    let aborted = smol::block_on(clock.watch(polite)).unwrap_err();
    assert!(aborted.is_timeout());
    assert_eq!(clock.elapsed(), 6 * SECOND);
    assert_eq!(log.all(), [1, 5, 5, 2].map(|seconds| Some(seconds * SECOND)));
}

/// Panics as soon as it is polled in its grace. Written by hand: the panic doesn't drop it.
struct Panics {
    polite: BoxFuture<'static, ()>,
    _token: Token,
}

impl Panics {
    fn new(drops: &Drops) -> Self {
        Self {
            polite: Box::pin(async { _ = pending::<()>().with_grace(SECOND).await }),
            _token: drops.token(),
        }
    }
}

impl Future for Panics {
    type Output = Result<(), ()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), ()>> {
        assert!(!Owner::current().unwrap().is_aborted(), "in its grace");
        self.polite.as_mut().poll(cx).map(Ok)
    }
}

#[test]
fn one_that_panics_in_it_is_gone_before_the_clean_up() {
    let (clock, drops, live) = (TestClock::new(), Drops::default(), Log::default());
    let (stop, seen) = (AbortHandle::new(), (drops.clone(), live.clone()));
    let nursery = scope(|n| {
        n.defer(move |_| seen.1.note(seen.0.live()));
        Panics::new(&drops)
    });
    let mut nursery = ByHand::polled(nursery.with_abort(&stop).with_timer(&clock));
    stop.abort("stop");
    assert_eq!(message(&*panic_of(|| nursery.run())), "in its grace");
    assert_eq!(live.all(), [0]);

    let stop = AbortHandle::new();
    let released = async |(), _: _| live.note(drops.live());
    let held = bracket(ready(Ok::<_, ()>(())), |_held| Panics::new(&drops), released);
    let mut held = ByHand::polled(held.with_abort(&stop).with_timer(&clock));
    stop.abort("stop");
    assert_eq!(message(&*panic_of(|| held.run())), "in its grace");
    assert_eq!(live.all(), [0, 0]);
}
