//! Whatever a waker does when it is cloned, woken or dropped, what looks at the clock beside an operation
//! hangs nowhere, puts nobody to sleep, and forgets neither a change nor progress.

mod hostile;
mod support;

use std::{
    future::{Future, pending},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use futures::{StreamExt, channel::mpsc};
use hostile::{Hooked, Moment, in_time};
use support::{ByHand, CountingTimer, SECOND, panic_of, panic_quietly, poll_with};
use tenure::{AbortReason, Aborted, OwnedFuture, timeout::TimeoutHandle};

const MOMENTS: [Moment; 3] = [Moment::Clone, Moment::Wake, Moment::Drop];

/// What foreign code does to the handle, or to whoever runs it.
type Act = fn(&TimeoutHandle);
const ACTS: [Act; 5] = [
    |_| panic_at_most_once(),
    |timeout| timeout.extend(SECOND),
    |timeout| timeout.reset(9 * SECOND),
    TimeoutHandle::clear,
    |timeout| assert!(format!("{timeout:?}").contains("running")),
];

/// A second one, while the first unwinds, would end the process whoever's it is.
fn panic_at_most_once() {
    if !thread::panicking() {
        panic_quietly();
    }
}

fn each_act(check: fn(Moment, Act)) {
    in_time(move || {
        for moment in MOMENTS {
            ACTS.into_iter().for_each(|act| check(moment, act));
        }
    });
}

/// Runs foreign code, whose panic is its own affair.
fn survive<R>(f: impl FnOnce() -> R) {
    _ = catch_unwind(AssertUnwindSafe(f));
}

#[test]
fn a_change_reaches_all_whatever_one_waker_does() {
    each_act(|moment, act| {
        let (timer, timeout) = (CountingTimer::default(), TimeoutHandle::new(SECOND));
        let stuck = || pending::<()>().with_timeout_handle(&timeout).with_timer(timer.clone());
        let inside = timeout.clone();
        let hooked = Hooked::new(moment, move || act(&inside));
        let (mut before, mut hostile, mut after) =
            (ByHand::new(stuck()), ByHand::new(stuck()), ByHand::new(stuck()));
        assert!(before.poll().is_pending());
        hooked.armed(|| survive(|| hostile.poll_with(&hooked.waker())));
        assert!(hostile.poll_with(&hooked.waker()).is_pending());
        assert!(before.poll().is_pending() && after.poll().is_pending());

        let woken = (before.wakes(), hooked.wakes(), after.wakes());
        hooked.armed(|| survive(|| timeout.extend(SECOND)));
        assert_eq!(before.wakes(), woken.0 + 1, "{moment:?}");
        assert_eq!(hooked.wakes(), woken.1 + 1, "{moment:?}");
        assert_eq!(after.wakes(), woken.2 + 1, "{moment:?}");
        // It goes on elsewhere, and lets go of the hostile one.
        hooked.armed(|| survive(|| hostile.poll()));

        timeout.reset(2 * SECOND);
        for chain in [&mut before, &mut hostile, &mut after] {
            assert!(chain.run().is_pending(), "{moment:?}");
        }
        timer.advance(2 * SECOND);
        let timed_out = AbortReason::TimedOut { after: 2 * SECOND };
        for mut chain in [before, hostile, after] {
            assert_eq!(chain.ready().unwrap_err().reason(), &timed_out, "{moment:?}");
            assert_eq!(chain.wakers(), 0, "{moment:?}");
        }
        assert_eq!(timer.outstanding(), 0);
        assert!(format!("{timeout:?}").contains("running: 0"));
    });
}

#[test]
fn progress_is_seen_whatever_the_waker_does() {
    each_act(|moment, act| {
        let (timer, timeout) = (CountingTimer::default(), TimeoutHandle::new(9 * SECOND));
        let (send, mut receive) = mpsc::unbounded::<()>();
        let reads = async move { while receive.next().await.is_some() {} };
        let chain = reads.with_idle_timeout(SECOND).with_timeout_handle(&timeout);
        let mut chain = ByHand::new(chain.with_timer(timer.clone()));
        let hooked = Hooked::new(moment, move || act(&timeout));
        hooked.armed(|| survive(|| chain.poll_with(&hooked.waker())));
        assert!(chain.poll_with(&hooked.waker()).is_pending());

        timer.advance(SECOND / 2);
        let woken = hooked.wakes();
        hooked.armed(|| survive(|| send.unbounded_send(()).unwrap()));
        // What it does then may wake it once more.
        assert!(hooked.wakes() > woken, "{moment:?}");
        // Polled elsewhere, and not to the end where that panics: the progress counts from the next poll on.
        hooked.armed(|| survive(|| chain.poll_with(&hooked.waker())));
        hooked.armed(|| survive(|| chain.poll()));
        assert!(chain.run().is_pending(), "{moment:?}");
        timer.advance(SECOND - Duration::from_nanos(1));
        assert!(chain.run().is_pending(), "{moment:?}");
        send.unbounded_send(()).unwrap();
        assert!(chain.run().is_pending(), "{moment:?}");
        timer.advance(SECOND);
        let aborted = chain.ready().unwrap_err();
        assert_eq!(aborted.reason(), &AbortReason::Idle { after: SECOND }, "{moment:?}");
        assert_eq!((timer.outstanding(), chain.wakers()), (0, 0), "{moment:?}");
    });
}

/// Once by a change, once by progress, once by the alarm.
#[test]
fn who_is_woken_may_drop_the_whole() {
    type Chain = Pin<Box<dyn Future<Output = Result<Option<()>, Aborted>> + Send>>;
    type Wake = fn(&TimeoutHandle, &mpsc::UnboundedSender<()>, &CountingTimer);
    let wakes: [Wake; 5] = [
        |timeout, _, _| timeout.extend(SECOND),
        |timeout, _, _| timeout.reset(SECOND),
        |timeout, _, _| timeout.clear(),
        |_, send, _| send.unbounded_send(()).unwrap(),
        |_, _, timer| timer.advance(9 * SECOND),
    ];
    in_time(move || {
        for wake in wakes {
            let (timer, timeout) = (CountingTimer::default(), TimeoutHandle::new(SECOND));
            let (send, mut receive) = mpsc::unbounded::<()>();
            let reads = async move { receive.next().await };
            let chain: Chain = Box::pin(
                reads
                    .with_idle_timeout(SECOND)
                    .with_timeout_handle(&timeout)
                    .warn_after(SECOND, |_| {})
                    .with_timer(timer.clone()),
            );
            let chain = Arc::new(Mutex::new(Some(chain)));
            let inside = chain.clone();
            let hooked = Hooked::new(Moment::Wake, move || {
                let chain = inside.lock().unwrap().take();
                drop(chain);
            });
            hooked.arm();
            let pending = poll_with(chain.lock().unwrap().as_mut().unwrap(), &hooked.waker());
            assert!(pending.is_pending());
            wake(&timeout, &send, &timer);
            assert!(chain.lock().unwrap().is_none(), "it was woken");
            assert_eq!(timer.outstanding(), 0);
            assert!(format!("{timeout:?}").contains("running: 0"));
        }
    });
}

/// It comes after the look at what has changed, before the new waker takes the place of the old one, whose
/// drop panics.
#[test]
fn a_change_that_comes_while_wakers_are_exchanged_is_not_forgotten() {
    let timeout = TimeoutHandle::new(Duration::MAX);
    let timer = CountingTimer::default();
    let mut stuck =
        ByHand::new(pending::<()>().with_timeout_handle(&timeout).with_timer(timer.clone()));
    let old = Hooked::new(Moment::Drop, panic_at_most_once);
    assert!(stuck.poll_with(&old.waker()).is_pending());
    let inside = timeout.clone();
    let new = Hooked::new(Moment::Clone, move || inside.reset(Duration::ZERO));
    panic_of(|| old.armed(|| new.armed(|| stuck.poll_with(&new.waker()).is_pending())));
    assert!(stuck.ready().unwrap_err().is_timeout());
}
