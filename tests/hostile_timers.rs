//! A timer that fails, or never rings, takes nobody else down with it.

mod support;

use std::{
    cell::Cell,
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Poll, Waker},
    time::Duration,
};

use support::{ByHand, panic_of};
use tenure::{
    Aborted, Limit, OwnedFuture, Owner,
    time::{AlarmId, Instant, TestClock, Timer, TimerHandle},
    timeout::{Overdue, TimeoutHandle},
};

/// A timer whose time stands still; its first alarm, or its first look at the clock, may fail.
#[derive(Default)]
struct Faulty {
    alarm_fails: AtomicBool,
    clock_fails: AtomicBool,
    alarms: Mutex<Vec<Waker>>,
    _alive: Arc<()>,
}

impl Timer for Faulty {
    fn now(&self) -> Instant {
        assert!(!self.clock_fails.swap(false, Ordering::SeqCst), "no clock");
        Instant::from_nanos(1)
    }

    fn wake_at(&self, _: Instant, waker: Waker) -> AlarmId {
        assert!(!self.alarm_fails.swap(false, Ordering::SeqCst), "no alarm");
        self.alarms.lock().unwrap().push(waker);
        AlarmId::new(0)
    }

    fn cancel(&self, _: Instant, _: AlarmId) {}
}

fn faulty_alarm() -> TimerHandle {
    TimerHandle::new(Faulty { alarm_fails: true.into(), ..Faulty::default() })
}

/// One that can be told to fail later.
fn faulty() -> (&'static Faulty, TimerHandle) {
    let faulty: &Faulty = Box::leak(Box::default());
    (faulty, TimerHandle::from_static(faulty))
}

/// A queue holds its timer and sets an alarm on it, whose waker would hold the queue.
#[test]
fn a_limit_and_its_timer_do_not_keep_each_other_alive() {
    let alive = Arc::new(());
    let timer = TimerHandle::new(Faulty { _alive: alive.clone(), ..Faulty::default() });
    let limit = Limit::new(1);
    let mut jobs = [(); 3].map(|()| ByHand::new(pending::<()>().limit(&limit).with_timer(&timer)));
    assert!(jobs.iter_mut().all(|job| job.poll().is_pending()));
    let [holder, head, behind] = jobs;
    drop(holder); // offered to the head, with an alarm
    drop((head, behind));
    drop((limit, timer));
    assert_eq!(Arc::strong_count(&alive), 1);
}

#[test]
fn a_waiter_is_woken_though_no_alarm_can_be_set() {
    let (timer, limit) = (faulty_alarm(), Limit::new(1));
    let job = || ByHand::new(pending::<()>().limit(&limit).with_timer(&timer));
    let (mut holder, mut head, mut behind) = (job(), job(), job());
    assert!(holder.poll().is_pending() && head.poll().is_pending() && behind.poll().is_pending());
    panic_of(|| drop(holder));
    assert_eq!((limit.active(), head.wakes()), (0, 1));
}

#[test]
fn a_newcomer_whose_alarm_fails_leaves_no_ghost_in_the_line() {
    let (clock, limit) = (TestClock::new(), Limit::new(1));
    let job = || ByHand::new(pending::<()>().limit(&limit).with_timer(&clock));
    let (mut holder, mut head) = (job(), job());
    assert!(holder.poll().is_pending() && head.poll().is_pending());
    drop(holder); // offered to the head

    let mut newcomer = ByHand::new(pending::<()>().limit(&limit).with_timer(faulty_alarm()));
    panic_of(|| newcomer.poll().is_pending());
    drop((head, newcomer));
    assert_eq!((limit.active(), limit.waiting()), (0, 0));
    assert!(job().poll().is_pending());
}

#[test]
fn a_clock_that_fails_once_makes_no_timeout_endless() {
    let asks = |owner: Owner| {
        let deadline = owner.deadline();
        async move { deadline }
    };
    let timer = TimerHandle::new(Faulty { clock_fails: true.into(), ..Faulty::default() });
    let mut chain = ByHand::new(asks.with_timeout(Duration::from_nanos(5)).with_timer(&timer));
    panic_of(|| chain.poll().is_pending());
    let Poll::Ready(deadline) = chain.poll() else { panic!("it waits") };
    assert_eq!(deadline.unwrap(), Some(Instant::from_nanos(6)));
}

/// An alarm that could not be set, at the first `Pending` or when the task moves, is none that has rung.
#[test]
fn an_alarm_that_fails_once_ends_nothing_early() {
    let after = Duration::from_nanos(5);
    let handle = TimeoutHandle::new(after);
    let warned = Cell::new(0);
    let warn = |_: &Overdue<'_>| warned.set(warned.get() + 1);
    type Chain<'a> = ByHand<'a, Result<(), Aborted>>;
    let chains: [&dyn Fn(&TimerHandle) -> Chain<'static>; 4] = [
        &|timer| ByHand::new(pending().with_timeout(after).with_timer(timer)),
        &|timer| ByHand::new(pending().with_deadline(Instant::from_nanos(6)).with_timer(timer)),
        &|timer| ByHand::new(pending().with_timeout_handle(&handle).with_timer(timer)),
        &|timer| ByHand::new(pending().with_idle_timeout(after).with_timer(timer)),
    ];
    let fails = |chain: &mut Chain<'_>, faulty: &Faulty| {
        faulty.alarm_fails.store(true, Ordering::SeqCst);
        panic_of(|| chain.poll_elsewhere().is_pending());
        assert!(chain.poll().is_pending());
    };
    for chain in chains {
        let (faulty, timer) = faulty();
        let mut chain = chain(&timer);
        fails(&mut chain, faulty);
        fails(&mut chain, faulty);
        assert_eq!(chain.wakes(), 0);
    }
    let (faulty, timer) = faulty();
    let mut warns = ByHand::new(pending().warn_after(after, warn).with_timer(&timer));
    fails(&mut warns, faulty);
    fails(&mut warns, faulty);
    assert_eq!(warned.get(), 0);
}

/// The time that it was reset to counts, not that which it had before.
#[test]
fn a_clock_that_fails_once_undoes_no_change() {
    let (faulty, timer) = faulty();
    let handle = TimeoutHandle::new(Duration::from_nanos(5));
    let mut chain = ByHand::polled(pending::<()>().with_timeout_handle(&handle).with_timer(&timer));
    handle.reset(Duration::ZERO);
    faulty.clock_fails.store(true, Ordering::SeqCst);
    panic_of(|| chain.poll().is_pending());
    assert!(chain.ready().unwrap_err().is_timeout());
}

struct Early;
struct Late;

impl Timer for Early {
    fn now(&self) -> Instant {
        Instant::START
    }
    fn wake_at(&self, _: Instant, _: Waker) -> AlarmId {
        AlarmId::new(0)
    }
    fn cancel(&self, _: Instant, _: AlarmId) {}
}

impl Timer for Late {
    fn now(&self) -> Instant {
        Instant::from_nanos(1_000_000)
    }
    fn wake_at(&self, _: Instant, _: Waker) -> AlarmId {
        AlarmId::new(0)
    }
    fn cancel(&self, _: Instant, _: AlarmId) {}
}

/// Two statics without a size may lie at one address.
#[test]
fn two_boards_without_fields_are_two_timers() {
    let asks = |owner: Owner| async move { owner.deadline() };
    let chain = asks
        .with_timer(TimerHandle::from_static(&Late))
        .with_timeout(Duration::from_nanos(5))
        .with_timer(TimerHandle::from_static(&Early));
    assert_eq!(smol::block_on(chain).unwrap(), None);
}
