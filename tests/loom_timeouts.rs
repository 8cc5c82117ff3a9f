//! What looks at the clock beside an operation, under loom: see tests/loom.rs.
#![cfg(tenure_loom)]

mod under_loom;

use std::{
    future::{Future, pending, poll_fn},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize as Count, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use loom::{sync::Mutex, thread};
use tenure::{
    AbortReason, OwnedFuture,
    time::{AlarmId, Instant, Timer},
    timeout::TimeoutHandle,
};
use under_loom::{Bell, calls, join, join_all, model};

/// No alarm of it ever rings: who isn't woken otherwise is left asleep. It is always the beginning, unless it
/// is moved.
#[derive(Clone, Default)]
struct Hands(Arc<Count>);

impl Timer for Hands {
    fn now(&self) -> Instant {
        Instant::START + SECOND * self.0.load(Relaxed) as u32
    }

    fn wake_at(&self, _: Instant, _: Waker) -> AlarmId {
        AlarmId::new(0)
    }

    fn cancel(&self, _: Instant, _: AlarmId) {}
}

const SECOND: Duration = Duration::from_secs(1);

/// Sleeps until woken, as often as it takes; from the second poll on as another task.
fn run<T>(chain: impl Future<Output = T>) -> T {
    let mut chain = pin!(chain);
    let first = Bell::new();
    let waker = Waker::from(first);
    if let Poll::Ready(value) = chain.as_mut().poll(&mut Context::from_waker(&waker)) {
        return value;
    }
    let bell = Bell::new();
    let waker = Waker::from(bell.clone());
    loop {
        if let Poll::Ready(value) = chain.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        bell.rings.wait();
    }
}

#[test]
fn a_timeout_that_is_changed_meanwhile_is_told() {
    model(|| {
        let timeout = TimeoutHandle::new(SECOND);
        let stuck = pending::<()>().with_timeout_handle(&timeout).with_timer(Hands::default());
        let changes = thread::spawn(move || timeout.reset(Duration::ZERO));
        assert!(run(stuck).unwrap_err().is_timeout());
        join(changes);
    });
}

#[test]
fn of_two_changes_at_once_neither_is_lost() {
    model(|| {
        let (hands, timeout) = (Hands::default(), TimeoutHandle::new(SECOND));
        let stuck = pending::<()>().with_timeout_handle(&timeout).with_timer(hands.clone());
        let mut stuck = pin!(stuck);
        let waker = calls(|| {});
        let mut poll = || stuck.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(poll().is_pending());
        let changes =
            [timeout.clone(), timeout].map(|timeout| thread::spawn(move || timeout.extend(SECOND)));
        assert!(poll().is_pending());
        join_all(changes);
        hands.0.store(2, Relaxed);
        assert!(poll().is_pending());
        hands.0.store(3, Relaxed);
        let Poll::Ready(Err(aborted)) = poll() else { panic!("a second too much") };
        assert_eq!(aborted.reason(), &AbortReason::TimedOut { after: 3 * SECOND });
    });
}

#[test]
fn one_that_is_dropped_while_it_is_changed_leaves_no_waker() {
    model(|| {
        let timeout = TimeoutHandle::new(SECOND);
        let mut stuck =
            Box::pin(pending::<()>().with_timeout_handle(&timeout).with_timer(Hands::default()));
        let waker = calls(|| {});
        assert!(stuck.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        drop(waker);
        let changes = thread::spawn(move || timeout.extend(SECOND));
        drop(stuck);
        join(changes);
    });
}

/// Ready once it was told twice, by those with whom it leaves its waker.
#[test]
fn what_is_woken_under_an_idle_timeout_runs_on() {
    model(|| {
        let told = Arc::new(Mutex::new((0, None::<Waker>)));
        let hears = told.clone();
        let waits = poll_fn(move |cx| {
            let mut hears = hears.lock().unwrap();
            let replaced = hears.1.replace(cx.waker().clone());
            let times = hears.0;
            drop(hears);
            drop(replaced);
            if times == 2 { Poll::Ready(times) } else { Poll::Pending }
        });
        let chain = waits.with_idle_timeout(SECOND).with_timer(Hands::default());
        let tells = [told.clone(), told].map(|told| {
            thread::spawn(move || {
                let waker = {
                    let mut told = told.lock().unwrap();
                    told.0 += 1;
                    told.1.take()
                };
                if let Some(waker) = waker {
                    waker.wake();
                }
            })
        });
        assert_eq!(run(chain).unwrap(), 2);
        join_all(tells);
    });
}
