//! A timer that fails at any one of its calls: no alarm is left behind or cancelled twice, and no limit of
//! time is lost with the call.

mod support;

use std::{
    future::{Ready, pending, poll_fn, ready},
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard},
    task::{Poll, Waker},
    time::Duration,
};

use futures::TryFutureExt;
use support::{ByHand, Count, SECOND, panic_quietly};
use tenure::{
    Aborted, Backoff, OwnedFuture, Owner, bracket,
    time::{AlarmId, Instant, Timer, TimerHandle},
    timeout::TimeoutHandle,
};

/// A timer that keeps a book of its alarms, and panics at one of its calls. Clones share it.
#[derive(Clone, Default)]
struct Ledger(Arc<Mutex<Book>>);

#[derive(Default)]
struct Book {
    now: Duration,
    calls: usize,
    fails_at: Option<usize>,
    alarms: Vec<Alarm>,
    /// How many were cancelled twice, or for another time than they were set for.
    in_vain: usize,
}

struct Alarm {
    at: Instant,
    waker: Option<Waker>,
    cancelled: bool,
}

impl Ledger {
    fn failing_at(call: usize) -> Self {
        let book = Book { fails_at: Some(call), ..Book::default() };
        Self(Arc::new(Mutex::new(book)))
    }

    /// It fails once its work is done, but it sets no alarm that nobody could know of.
    fn begin_call(&self) -> (MutexGuard<'_, Book>, bool) {
        let mut book = self.0.lock().unwrap();
        book.calls += 1;
        let fails = book.fails_at == Some(book.calls);
        (book, fails)
    }

    fn advance(&self, by: Duration) {
        let mut book = self.0.lock().unwrap();
        book.now += by;
        let now = Instant::START + book.now;
        let due = book.alarms.iter_mut().filter(|alarm| alarm.at <= now);
        let woken: Vec<_> = due.filter_map(|alarm| alarm.waker.take()).collect();
        drop(book);
        woken.into_iter().for_each(Waker::wake);
    }

    fn elapsed(&self) -> Duration {
        self.0.lock().unwrap().now
    }

    fn calls(&self) -> usize {
        self.0.lock().unwrap().calls
    }

    /// How many alarms are still to ring, and how many were cancelled in vain.
    fn faults(&self) -> (usize, usize) {
        let book = self.0.lock().unwrap();
        (book.alarms.iter().filter(|alarm| alarm.waker.is_some()).count(), book.in_vain)
    }
}

impl Timer for Ledger {
    fn now(&self) -> Instant {
        let (book, fails) = self.begin_call();
        let now = Instant::START + book.now;
        drop(book);
        if fails { panic_quietly() } else { now }
    }

    fn wake_at(&self, at: Instant, waker: Waker) -> AlarmId {
        let (mut book, fails) = self.begin_call();
        if fails {
            drop(book);
            panic_quietly();
        }
        book.alarms.push(Alarm { at, waker: Some(waker), cancelled: false });
        AlarmId::new(book.alarms.len() as u64 - 1)
    }

    fn cancel(&self, at: Instant, id: AlarmId) {
        let (mut book, fails) = self.begin_call();
        let alarm = &mut book.alarms[id.get() as usize];
        let in_vain = alarm.at != at || mem::replace(&mut alarm.cancelled, true);
        let waker = alarm.waker.take();
        book.in_vain += usize::from(in_vain);
        drop(book);
        drop(waker);
        if fails {
            panic_quietly();
        }
    }
}

/// What a panic of the timer takes with it is the call, or the verdict in which that was made.
fn survive<R>(failed: &Count, f: impl FnOnce() -> R) -> Option<R> {
    let done = catch_unwind(AssertUnwindSafe(f)).ok();
    if done.is_none() {
        failed.add();
    }
    done
}

/// Whether `chain` has ended: it is ready, or its verdict is lost and it can't be polled any more.
fn has_ended<T>(failed: &Count, poll: impl FnOnce() -> Poll<T>) -> bool {
    match survive(failed, poll) {
        Some(polled) => polled.is_ready(),
        None => failed.get() > 1,
    }
}

type Work = Result<(), String>;
type Chain = ByHand<'static, Result<Work, Aborted>>;
type Make = fn(&TimerHandle, &TimeoutHandle) -> Chain;

/// Everything that waits for a point in time, for 5 s at most, and looks at the handle.
const CHAINS: &[(&str, Make)] = &[
    ("with_timeout", |timer, _| ByHand::new(stuck().with_timeout(SECOND).with_timer(timer))),
    ("with_deadline", |timer, _| {
        ByHand::new(stuck().with_deadline(Instant::START + SECOND).with_timer(timer))
    }),
    ("nested timeouts", |timer, _| {
        ByHand::new(stuck().with_timeout(SECOND).with_timeout(5 * SECOND).with_timer(timer))
    }),
    ("with_timeout_handle", |timer, timeout| {
        ByHand::new(stuck().with_timeout_handle(timeout).with_timer(timer))
    }),
    ("with_timeout below a handle", |timer, timeout| {
        let inner = stuck().with_timeout(SECOND);
        ByHand::new(inner.with_timeout_handle(timeout).with_timer(timer))
    }),
    ("with_idle_timeout", |timer, _| {
        ByHand::new(stuck().with_idle_timeout(SECOND).with_timer(timer))
    }),
    ("with_idle_timeout of what makes progress", |timer, _| {
        let mut polls = 0;
        let moves = poll_fn(move |cx| {
            polls += 1;
            if polls < 5 {
                cx.waker().wake_by_ref();
            }
            Poll::<Work>::Pending
        });
        ByHand::new(moves.with_idle_timeout(SECOND).with_timer(timer))
    }),
    ("warn_after", |timer, _| {
        let warned = stuck().warn_after(SECOND, |_| {});
        ByHand::new(warned.with_timeout(2 * SECOND).with_timer(timer))
    }),
    ("a back-off", |timer, _| {
        let fails = || -> Ready<Work> { ready(Err("down".into())) };
        ByHand::new(fails.retry(Backoff::fixed(SECOND).attempts(3)).with_timer(timer))
    }),
    ("attempts", |timer, timeout| {
        let attempts = (|| stuck()).with_timeout(SECOND).with_idle_timeout(SECOND);
        let attempts = attempts.with_timeout_handle(timeout).warn_after(SECOND / 2, |_| {});
        let retried = attempts.retry(Backoff::fixed(Duration::ZERO).attempts(2));
        ByHand::new(retried.with_timer(timer))
    }),
    ("a grace", |timer, _| {
        ByHand::new(stuck().with_grace(SECOND).with_timeout(SECOND).with_timer(timer))
    }),
    ("a shield below a handle", |timer, timeout| {
        let shielded = stuck().shielded(SECOND).with_timeout_handle(timeout);
        ByHand::new(shielded.with_timer(timer))
    }),
    ("a grace in a shield", |timer, _| {
        let spared = stuck().with_grace(SECOND / 2).shielded(SECOND).with_idle_timeout(SECOND);
        ByHand::new(spared.with_timer(timer))
    }),
    ("an owner's sleep", |timer, _| {
        let naps = |owner: Owner| owner.sleep(SECOND).map_err(|aborted| aborted.to_string());
        ByHand::new(naps.with_timeout(2 * SECOND).with_timer(timer))
    }),
];

/// The same, where a call may fail in the midst of what runs: that is a panic of its own, and ends all of it early.
const ENDED_EARLY: &[(&str, Make)] = &[
    ("a grace in plain code", |timer, _| {
        let plain =
            async { stuck().with_grace(SECOND).await.map_err(|aborted| aborted.to_string())? };
        ByHand::new(plain.with_timeout(SECOND).with_timer(timer))
    }),
    ("a nursery", |timer, _| {
        let children = tenure::local_scope(async |n| {
            n.defer_async_within(SECOND / 2, |_| pending());
            n.on_close(|_| {});
            n.spawn(stuck().with_grace(SECOND / 2).with_idle_timeout(SECOND));
            drop(stuck().with_timeout(2 * SECOND).spawn_in(&n));
            stuck().await
        });
        ByHand::new(children.with_timeout(SECOND).with_timer(timer))
    }),
    ("a bracket", |timer, _| {
        let sleeps = timer.clone();
        let acquire = async move {
            sleeps.sleep(SECOND / 2).await;
            Ok(())
        };
        let held = bracket(acquire, async |_| stuck().await, |(), _| pending());
        let held = held.release_within(SECOND / 2).with_timeout(SECOND);
        ByHand::new(held.with_timer(timer))
    }),
    ("a bracket in a nursery in plain code", |timer, _| {
        let acquire = async { stuck().await };
        let held = bracket(acquire, async |_| Ok(()), async |(), _| {});
        let held = held.acquire_within(SECOND / 2);
        let plain = async {
            let children = tenure::local_scope(async |n| held.spawn_in(&n).await);
            children.await.map_err(|aborted| aborted.to_string())?.unwrap_or(Ok(()))
        };
        ByHand::new(plain.with_timeout(SECOND).with_timer(timer))
    }),
];

fn stuck() -> impl Future<Output = Work> + Send + 'static {
    pending()
}

/// Polled here and there, changed, late, and at last at its end. Tells whether it ended.
fn live(chain: &mut Chain, ledger: &Ledger, timeout: &TimeoutHandle, failed: &Count) -> bool {
    if has_ended(failed, || chain.poll()) || has_ended(failed, || chain.poll_elsewhere()) {
        return true;
    }
    let changes: [fn(&TimeoutHandle); 4] = [
        |timeout| timeout.extend(SECOND),
        |timeout| timeout.reset(SECOND),
        TimeoutHandle::clear,
        |timeout| timeout.reset(2 * SECOND),
    ];
    let changed = changes.into_iter().any(|change| {
        change(timeout);
        ledger.advance(SECOND / 10);
        has_ended(failed, || chain.poll())
    });
    changed
        || (0..10).any(|_| {
            ledger.advance(SECOND / 2);
            has_ended(failed, || chain.poll())
        })
}

#[test]
fn whichever_call_fails_the_end_comes_and_nothing_is_left() {
    for (name, chain) in CHAINS.iter().chain(ENDED_EARLY) {
        let may_end_early = ENDED_EARLY.iter().any(|(early, _)| early == name);
        let mut call = 0;
        loop {
            call += 1;
            let ledger = Ledger::failing_at(call);
            let (timer, timeout) =
                (TimerHandle::new(ledger.clone()), TimeoutHandle::new(3 * SECOND));
            let failed = Count::default();
            let mut chain = chain(&timer, &timeout);
            let ended = live(&mut chain, &ledger, &timeout, &failed);
            let task = chain.task();
            survive(&failed, || drop(chain));
            let case = format!("{name}, call {call}");
            assert!(ended, "it has not ended: {case}");
            let early = ledger.elapsed() < SECOND;
            assert!(!early || may_end_early && failed.get() > 0, "it ended early: {case}");
            assert_eq!(ledger.faults(), (0, 0), "alarms: {case}");
            assert_eq!(task.wakers(), 0, "wakers: {case}");
            assert!(format!("{timeout:?}").contains("running: 0"), "runs: {case}");
            if ledger.calls() < call {
                assert_eq!(failed.get(), 0, "{case}");
                break;
            }
        }
        assert!(call > 3, "{name} made {call} calls");
    }
}

/// Dropped after each poll, where a cancellation may fail on the way.
#[test]
fn whichever_call_fails_a_drop_leaves_nothing() {
    for (name, chain) in CHAINS.iter().chain(ENDED_EARLY) {
        for call in 1..40 {
            for polls in 0..4 {
                let ledger = Ledger::failing_at(call);
                let (timer, timeout) =
                    (TimerHandle::new(ledger.clone()), TimeoutHandle::new(3 * SECOND));
                let failed = Count::default();
                let mut chain = chain(&timer, &timeout);
                for _ in 0..polls {
                    if has_ended(&failed, || chain.poll_elsewhere()) {
                        break;
                    }
                    ledger.advance(SECOND / 10);
                    timeout.extend(SECOND);
                }
                let task = chain.task();
                survive(&failed, || drop(chain));
                let case = format!("{name}, call {call}, after {polls} polls");
                assert_eq!((ledger.faults(), task.wakers()), ((0, 0), 0), "{case}");
                assert!(format!("{timeout:?}").contains("running: 0"), "{case}");
            }
        }
    }
}
