//! A future that never rests keeps its own timeout from nothing: it is looked at in each poll, after the
//! future. Real time is the subject, so a few milliseconds are waited for.

mod executors;
mod support;
mod timers;

use std::{
    future::{Future, poll_fn},
    hint,
    pin::pin,
    task::Poll,
    time::{Duration, Instant},
};

use executors::Executor;
use futures::{
    FutureExt, SinkExt, StreamExt,
    channel::mpsc,
    future::{join, join_all},
    stream,
};
use futures_lite::future::yield_now;
use support::{Count, LONG, MILLISECOND, failing};
use tenure::{AbortReason, Backoff, OwnedFuture, Scope};

const SOON: Duration = Duration::from_millis(3);

/// To be asked by what would go on for ever, where that is a failure and not a hang.
#[derive(Clone, Copy)]
struct Guard(Instant);

impl Guard {
    fn new() -> Self {
        Self(Instant::now())
    }

    #[track_caller]
    fn look(self) {
        assert!(self.0.elapsed() < LONG, "nothing ends it");
    }

    /// The reason is its timeout's, which has passed.
    #[track_caller]
    fn assert_timed_out<T: std::fmt::Debug>(self, outcome: Result<T, tenure::Aborted>) {
        let aborted = outcome.unwrap_err();
        assert_eq!(aborted.reason(), &AbortReason::TimedOut { after: SOON });
        assert!(self.0.elapsed() >= SOON);
    }
}

/// Asks to be polled again in each poll.
fn restless(guard: Guard) -> impl Future<Output = ()> + Send {
    poll_fn(move |cx| {
        guard.look();
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}

/// Uses up what its runtime lets it do in one turn, each time.
fn greedy(guard: Guard) -> impl Future<Output = ()> + Send {
    poll_fn(move |cx| {
        guard.look();
        for _ in 0..1000 {
            if pin!(tokio::task::consume_budget()).poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}

executors::on_every_executor! {
    async fn one_that_wakes_itself_in_each_poll(executor: Executor) {
        let guard = Guard::new();
        guard.assert_timed_out(executor.spawn(restless(guard).with_timeout(SOON)).await);
        // Nor where it is not a task of its own.
        let guard = Guard::new();
        guard.assert_timed_out(restless(guard).with_timeout(SOON).await);
    }

    async fn one_that_eats_its_budget_in_each_poll(executor: Executor) {
        let guard = Guard::new();
        guard.assert_timed_out(executor.spawn(greedy(guard).with_timeout(SOON)).await);
        let guard = Guard::new();
        guard.assert_timed_out(greedy(guard).with_timeout(SOON).await);
        let guard = Guard::new();
        let unbounded = tokio::task::unconstrained(greedy(guard).with_timeout(SOON));
        guard.assert_timed_out(executor.spawn(unbounded).await);
    }

    /// Longer in each poll than it has in all.
    async fn one_that_hardly_ever_returns(executor: Executor) {
        let (guard, polls) = (Guard::new(), Count::default());
        let slow = polls.polls_of(poll_fn(move |cx| {
            let begin = Instant::now();
            while begin.elapsed() < 2 * SOON {
                hint::spin_loop();
            }
            guard.look();
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        }));
        guard.assert_timed_out(slow.with_timeout(SOON).await);
        // The first is not counted. Where the thread that rings is late, the clock is read all the same,
        // though not at each poll.
        assert!((2..=18).contains(&polls.get()), "{} polls", polls.get());
    }

    /// Tokio's channels go by the budget of the task, those of futures by none.
    async fn one_that_always_has_something_to_receive(executor: Executor) {
        use Executor::{TokioCurrentThread, TokioMultiThread};
        // Elsewhere it would never give up its thread, and nothing could end it.
        let has_budget = matches!(executor, TokioCurrentThread | TokioMultiThread);
        let guard = Guard::new();
        let (send, mut receive) = tokio::sync::mpsc::unbounded_channel();
        send.send(()).unwrap();
        let echo = async move {
            while let Some(()) = receive.recv().await {
                guard.look();
                send.send(()).unwrap();
                if !has_budget {
                    yield_now().await;
                }
            }
        };
        guard.assert_timed_out(executor.spawn(echo.with_timeout(SOON)).await);

        let guard = Guard::new();
        let (mut send, mut receive) = mpsc::channel(1);
        let pump = async move {
            let feed = async { while send.send(()).await.is_ok() {} };
            let drain = async {
                while let Some(()) = receive.next().await {
                    guard.look();
                }
            };
            join(feed, drain).await;
        };
        guard.assert_timed_out(executor.spawn(pump.with_timeout(SOON)).await);
    }

    async fn a_retry_without_end_and_delay(executor: Executor) {
        for (inner, outer) in [(SOON, LONG), (LONG, SOON), (SOON, SOON)] {
            let (guard, attempts) = (Guard::new(), Count::default());
            let mut fails = failing(&attempts);
            let guarded = move || {
                guard.look();
                fails()
            };
            let endless = guarded
                .retry(Backoff::fixed(Duration::ZERO).attempts(u32::MAX));
            let outcome = executor.spawn(endless.with_timeout(inner).with_timeout(outer)).await;
            guard.assert_timed_out(outcome);
            assert!(attempts.get() > 1);
        }
    }

    /// One whose attempts never rest themselves, each with a timeout of its own.
    async fn a_retry_of_what_never_rests(executor: Executor) {
        let guard = Guard::new();
        let stubborn = (move || restless(guard).map(|()| Err::<(), _>("never")))
            .with_timeout(MILLISECOND / 2)
            .retry(Backoff::fixed(Duration::ZERO).attempts(u32::MAX))
            .with_timeout(SOON);
        guard.assert_timed_out(executor.spawn(stubborn).await);
    }

    /// Many on the same threads, and one that only waits among them.
    async fn many_at_once(executor: Executor) {
        let guard = Guard::new();
        let rests = executor.spawn(std::future::pending::<()>().with_timeout(SOON));
        let busy = (0..50).map(|n| {
            let inner = if n % 2 == 0 { SOON } else { LONG };
            executor.spawn(restless(guard).with_timeout(inner).with_timeout(SOON))
        });
        let all = join_all(busy).await;
        all.into_iter().for_each(|outcome| guard.assert_timed_out(outcome));
        timers::in_time(async { guard.assert_timed_out(rests.await) }).await;
    }

    /// `join_all` and its like poll what they hold only when it is woken: the alarm does that, too.
    async fn one_that_shares_its_task_with_one_that_never_rests(executor: Executor) {
        let guard = Guard::new();
        let rests = std::future::pending::<()>().with_timeout(SOON);
        let both = stream::FuturesUnordered::new();
        both.push(restless(guard).with_timeout(LONG).boxed());
        both.push(rests.boxed());
        let first = executor.spawn(async move { both.into_future().await.0.unwrap() });
        guard.assert_timed_out(first.await);
    }

    async fn members_of_a_scope(executor: Executor) {
        let (guard, scope) = (Guard::new(), Scope::new("busy"));
        let members: Vec<_> = (0..5)
            .map(|_| executor.spawn(restless(guard).with_timeout(SOON).in_scope(&scope)))
            .collect();
        let all = join_all(members).await;
        all.into_iter().for_each(|outcome| guard.assert_timed_out(outcome));
        scope.close().await;
    }
}
