//! Whatever a waker does when it is cloned, woken or dropped, no permit and no wake-up is lost.

mod support;

use std::{
    cell::RefCell,
    future::{Future, pending},
    panic::panic_any,
    pin::pin,
    ptr,
    sync::atomic::{AtomicUsize, Ordering},
    task::{Context, Poll, RawWaker, RawWakerVTable, Waker},
    thread,
};

use support::{ByHand, MILLISECOND, SECOND, on_wake, panic_of};
use tenure::{Limit, OwnedFuture, time::TestClock};

thread_local! {
    /// What the next clone of a hooked waker does.
    static ON_CLONE: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
}
static WAKES: AtomicUsize = AtomicUsize::new(0);

/// Runs `ON_CLONE` when it is cloned; the clone counts its wakes and panics when it is dropped.
static HOOKED: RawWakerVTable = RawWakerVTable::new(
    |_| {
        if let Some(hook) = ON_CLONE.with_borrow_mut(Option::take) {
            hook();
        }
        RawWaker::new(ptr::null(), &PANICS_ON_DROP)
    },
    |_| {},
    |_| {},
    |_| {},
);
static PANICS_ON_DROP: RawWakerVTable = RawWakerVTable::new(
    |_| RawWaker::new(ptr::null(), &PANICS_ON_DROP),
    |_| add_wake(),
    |_| add_wake(),
    |_| assert!(thread::panicking(), "dropped"),
);

fn add_wake() {
    WAKES.fetch_add(1, Ordering::SeqCst);
}

#[allow(unsafe_code)]
fn hooked(on_clone: impl FnOnce() + 'static) -> Waker {
    ON_CLONE.set(Some(Box::new(on_clone)));
    // SAFETY: the functions of the table look at no data.
    unsafe { Waker::new(ptr::null(), &HOOKED) }
}

/// The permit comes free between the two looks at the queue, and the waker isn't needed after all.
#[test]
fn a_waker_that_panics_when_dropped_costs_no_permit() {
    let limit = Limit::new(1);
    let mut holder = Box::pin(pending::<()>().limit(&limit));
    assert!(holder.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let mut newcomer = Box::pin(pending::<()>().limit(&limit));
    let waker = hooked(move || drop(holder));
    let poll = || newcomer.as_mut().poll(&mut Context::from_waker(&waker)).is_pending();
    panic_of(poll);
    drop(newcomer);
    assert_eq!(limit.active(), 0);
}

/// It was offered a permit, comes too late for it, and is about to take its place in the line again.
#[test]
fn a_waker_that_panics_when_cloned_puts_no_waiter_to_sleep() {
    let (clock, limit) = (TestClock::new(), Limit::new(1));
    let mut holder = ByHand::new(pending::<()>().limit(&limit).with_timer(&clock));
    let mut late = Box::pin(async { 7 }.limit(&limit).with_timer(&clock));
    let mut early = ByHand::new(pending::<()>().limit(&limit).with_timer(&clock));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(holder.poll().is_pending());
    assert!(late.as_mut().poll(&mut cx).is_pending());
    assert!(early.poll().is_pending());
    drop(holder);
    clock.advance(MILLISECOND); // the first offer lapses, and the other one is woken too
    assert!(early.poll().is_pending()); // it has the permit

    let waker = hooked(|| panic!("cloned"));
    let poll = || late.as_mut().poll(&mut Context::from_waker(&waker)).is_pending();
    panic_of(poll);
    assert!(late.as_mut().poll(&mut cx).is_pending());
    drop(early);
    assert_eq!(late.as_mut().poll(&mut cx).map(Result::unwrap), Poll::Ready(7));
}

/// What another thread could do: time moves on between the look at the clock and the alarm.
#[test]
fn an_alarm_that_is_due_when_it_is_set_rings_at_once() {
    let clock = TestClock::new();
    let mut sleep = Box::pin(clock.sleep(SECOND));
    let other = clock.clone();
    let waker = hooked(move || other.advance(SECOND));
    let before = WAKES.load(Ordering::SeqCst);
    assert!(sleep.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    assert_eq!(clock.elapsed(), SECOND);
    assert_eq!(WAKES.load(Ordering::SeqCst), before + 1);
    std::mem::forget(sleep); // its waker panics when it is dropped
}

#[test]
fn an_advance_goes_on_after_a_waker_that_panics() {
    let clock = TestClock::new();
    let mut first = pin!(clock.sleep(SECOND));
    let waker = on_wake(|| panic!("woken"));
    assert!(first.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    let mut second = ByHand::new(clock.sleep(3 * SECOND));
    assert!(second.poll().is_pending());
    panic_of(|| clock.advance(5 * SECOND));
    assert_eq!((second.wakes(), clock.elapsed()), (1, 5 * SECOND));
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("the payload itself panics when it is dropped");
    }
}

/// The process's own timer is the subject, so this one waits for real.
#[test]
fn no_panic_of_a_waker_stops_the_timer_of_the_process() {
    let mut stuck = pin!(pending::<()>().with_timeout(MILLISECOND));
    let (tell, told) = std::sync::mpsc::channel();
    let waker = on_wake(move || {
        tell.send(()).unwrap();
        panic_any(Bomb);
    });
    assert!(stuck.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    told.recv().unwrap();
    let next = pending::<()>().with_timeout(MILLISECOND);
    assert!(smol::block_on(next).unwrap_err().is_timeout());
}
