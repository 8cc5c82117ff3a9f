//! What takes its time to end is waited for, and ends for the reason that came first, whatever comes
//! meanwhile.

mod support;

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use pin_project::pin_project;
use support::{ByHand, Count, CountingTimer, SECOND, hanging};
use tenure::{
    AbortHandle, AbortReason, Aborted, Backoff, Lent, Owned, OwnedFuture,
    operation::{Operation, Repeat},
    timeout::TimeoutHandle,
};

/// Ends another operation only once it is let go.
#[pin_project]
struct Held<O> {
    #[pin]
    op: O,
    grace: Grace,
}

/// Holds back whoever is being ended. Clones are the same.
#[derive(Clone, Default)]
struct Grace(Arc<Mutex<(bool, Option<Waker>)>>);

impl Grace {
    fn hold<O: Operation>(&self, chain: Owned<O>) -> Owned<Held<O>> {
        Owned::new(Held { op: chain.into_operation(), grace: self.clone() })
    }

    fn let_go(&self) {
        let waker = {
            let mut grace = self.0.lock().unwrap();
            grace.0 = true;
            grace.1.take()
        };
        waker.expect("somebody waits").wake();
    }
}

impl<O: Operation> Operation for Held<O> {
    type Output = O::Output;
    type State = O::State;

    fn poll(
        self: Pin<&mut Self>,
        state: Pin<&mut O::State>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
    ) -> Poll<Result<O::Output, Aborted>> {
        self.project().op.poll(state, cx, lent)
    }

    fn poll_abort(
        self: Pin<&mut Self>,
        state: Pin<&mut O::State>,
        cx: &mut Context<'_>,
        lent: &Lent<'_>,
        aborted: &Aborted,
    ) -> Poll<()> {
        let this = self.project();
        {
            let mut grace = this.grace.0.lock().unwrap();
            if !std::mem::take(&mut grace.0) {
                grace.1 = Some(cx.waker().clone());
                return Poll::Pending;
            }
        }
        this.op.poll_abort(state, cx, lent, aborted)
    }
}

impl<O: Repeat> Repeat for Held<O> {}

type Chain = ByHand<'static, Result<Result<u32, String>, Aborted>>;

struct World {
    timer: CountingTimer,
    timeout: TimeoutHandle,
    attempts: Count,
    grace: Grace,
    stop: AbortHandle,
}

impl World {
    fn new() -> Self {
        Self {
            timer: CountingTimer::default(),
            timeout: TimeoutHandle::new(SECOND),
            attempts: Count::default(),
            grace: Grace::default(),
            stop: AbortHandle::new(),
        }
    }

    /// Twice each, one attempt after the other.
    fn chains(&self) -> [(Chain, AbortReason); 3] {
        let stuck = || self.grace.hold(hanging(&self.attempts).owned());
        let twice = Backoff::fixed(Duration::ZERO).attempts(2);
        let (timer, stop) = (&self.timer, &self.stop);
        let (timed_out, idle) =
            (AbortReason::TimedOut { after: SECOND }, AbortReason::Idle { after: SECOND });
        let timeout = stuck().with_timeout(SECOND).retry(twice).with_abort(stop.clone());
        let handled =
            stuck().with_timeout_handle(&self.timeout).retry(twice).with_abort(stop.clone());
        let watched = stuck().with_idle_timeout(SECOND).warn_after(9 * SECOND, |_| {});
        let watched = watched.retry(twice).with_abort(stop.clone());
        [
            (ByHand::new(timeout.with_timer(timer.clone())), timed_out.clone()),
            (ByHand::new(handled.with_timer(timer.clone())), timed_out),
            (ByHand::new(watched.with_timer(timer.clone())), idle),
        ]
    }
}

#[test]
fn it_ends_when_it_is_let_go_and_for_the_first_reason() {
    for n in 0..3 {
        let world = World::new();
        let (mut chain, reason) = world.chains().into_iter().nth(n).unwrap();
        assert!(chain.poll().is_pending());
        for attempt in 1..=2 {
            world.timer.advance(SECOND);
            assert!(chain.poll().is_pending(), "{reason:?}");
            assert_eq!(world.attempts.get(), attempt, "{reason:?}");
            // What comes too late for it: for the next attempt, there is a second again.
            world.timeout.clear();
            world.timeout.reset(SECOND);
            world.timer.advance(9 * SECOND);
            assert!(chain.poll().is_pending(), "{reason:?}");
            let woken = chain.wakes();
            world.grace.let_go();
            assert_eq!(chain.wakes(), woken + 1, "{reason:?}");
            if attempt == 1 {
                assert!(chain.poll().is_pending());
            }
        }
        assert_eq!(chain.ready().unwrap_err().reason(), &reason);
        assert_eq!((world.timer.outstanding(), chain.wakers()), (0, 0));
    }
}

#[test]
fn an_abort_from_above_changes_no_reason_that_came_first_but_is_waited_for_all_the_same() {
    for n in 0..3 {
        let world = World::new();
        let (mut chain, reason) = world.chains().into_iter().nth(n).unwrap();
        assert!(chain.poll().is_pending());
        world.timer.advance(SECOND);
        assert!(chain.poll().is_pending());
        world.stop.abort("stop");
        assert!(chain.poll().is_pending(), "{reason:?}");
        let woken = chain.wakes();
        world.grace.let_go();
        assert_eq!(chain.wakes(), woken + 1, "{reason:?}");
        assert_eq!(chain.ready().unwrap_err().reason(), &"stop".into());
        assert_eq!(world.attempts.get(), 1, "{reason:?}");
        assert_eq!((world.timer.outstanding(), chain.wakers()), (0, 0));
    }
}

/// Time runs out while it is ended from above: nobody is told, and it doesn't end the sooner.
#[test]
fn time_that_runs_out_at_the_end_hurries_nobody() {
    for n in 0..3 {
        let world = World::new();
        let (mut chain, reason) = world.chains().into_iter().nth(n).unwrap();
        assert!(chain.poll().is_pending());
        world.stop.abort("stop");
        assert!(chain.poll().is_pending());
        world.timer.advance(20 * SECOND);
        assert!(chain.run().is_pending(), "{reason:?}");
        world.grace.let_go();
        assert_eq!(chain.ready().unwrap_err().reason(), &"stop".into(), "{reason:?}");
        assert_eq!((world.timer.outstanding(), chain.wakers()), (0, 0));
    }
}

/// Dropped in the midst of it.
#[test]
fn one_that_is_dropped_at_its_end_leaves_nothing() {
    for n in 0..3 {
        let world = World::new();
        let (mut chain, reason) = world.chains().into_iter().nth(n).unwrap();
        assert!(chain.poll().is_pending());
        world.timer.advance(SECOND);
        assert!(chain.poll().is_pending());
        let task = chain.task();
        drop((chain, std::mem::take(&mut *world.grace.0.lock().unwrap())));
        assert_eq!((world.timer.outstanding(), task.wakers()), (0, 0), "{reason:?}");
        assert!(format!("{:?}", world.timeout).contains("running: 0"));
    }
}
