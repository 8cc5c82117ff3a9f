//! The lattice is sound whatever a waker or a callback does: it may panic, abort, register, drop and
//! come back in.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Wake, Waker},
};

use tenure::{AbortHandle, abort::WaitAborted};

/// A waker that does what it is told to.
struct Calls<F>(F);

impl<F: Fn() + Send + Sync + 'static> Wake for Calls<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

fn waker(f: impl Fn() + Send + Sync + 'static) -> Waker {
    Waker::from(Arc::new(Calls(f)))
}

fn add(count: &AtomicUsize, n: usize) {
    count.fetch_add(n, Ordering::SeqCst);
}

/// Eight waiters, one of which has a waker of its own.
fn among_siblings(
    handle: &AbortHandle,
    place: usize,
    odd: &Waker,
    woken: &Arc<AtomicUsize>,
) -> Vec<WaitAborted> {
    (0..8)
        .map(|sibling| {
            let count = woken.clone();
            let even = waker(move || add(&count, 1));
            let mut waiting = handle.child().aborted();
            let chosen = if sibling == place { odd } else { &even };
            assert!(Pin::new(&mut waiting).poll(&mut Context::from_waker(chosen)).is_pending());
            waiting
        })
        .collect()
}

#[test]
fn a_waker_that_panics_at_any_place_leaves_no_sibling_asleep() {
    for place in 0..8 {
        let woken = Arc::new(AtomicUsize::new(0));
        let handle = AbortHandle::new();
        let odd = waker(move || panic!("waker {place}"));
        let waiting = among_siblings(&handle, place, &odd, &woken);

        let panic = catch_unwind(AssertUnwindSafe(|| handle.abort("now"))).unwrap_err();
        assert_eq!(*panic.downcast::<String>().unwrap(), format!("waker {place}"));
        assert_eq!(woken.load(Ordering::SeqCst), 7);
        for mut waiting in waiting {
            let mut cx = Context::from_waker(Waker::noop());
            assert!(Pin::new(&mut waiting).poll(&mut cx).is_ready());
        }
    }
}

#[test]
fn a_waker_may_come_back_in_by_every_method() {
    for place in 0..8 {
        let woken = Arc::new(AtomicUsize::new(0));
        let handle = AbortHandle::new();
        let (inside, called) = (handle.clone(), woken.clone());
        let odd = waker(move || {
            assert!(inside.is_aborted() && inside.check().is_err() && inside.reason().is_some());
            assert!(!inside.abort("again"));
            let _ = format!("{inside:?}");
            let below = inside.child() | inside.join(&inside).meet(&inside);
            assert!(below.is_aborted());
            let mut cx = Context::from_waker(Waker::noop());
            assert!(pin!(below.aborted()).poll(&mut cx).is_ready());
            drop(inside.on_abort(|_| {}));
            called.fetch_add(1, Ordering::SeqCst);
        });
        let waiting = among_siblings(&handle, place, &odd, &woken);
        handle.abort("now");
        assert_eq!(woken.load(Ordering::SeqCst), 8);
        drop(waiting);
    }
}

#[test]
fn a_waker_that_drops_its_siblings_waiters_does_no_harm() {
    let handle = AbortHandle::new();
    let siblings: Arc<Mutex<Vec<WaitAborted>>> = Arc::default();
    let inside = siblings.clone();
    let odd = waker(move || drop(std::mem::take(&mut *inside.lock().unwrap())));
    let waiting = among_siblings(&handle, 0, &odd, &Arc::default());
    *siblings.lock().unwrap() = waiting;
    handle.abort("now");
    assert!(siblings.lock().unwrap().is_empty());
}

#[test]
fn whoever_is_woken_sees_all_below_aborted() {
    let handle = AbortHandle::new();
    let deep = handle.child().child().child();
    let seen = deep.clone();
    let first = waker(move || assert!(seen.is_aborted()));
    let mut waiting = handle.aborted();
    assert!(Pin::new(&mut waiting).poll(&mut Context::from_waker(&first)).is_pending());
    assert!(handle.abort("now"));
}

#[test]
fn callbacks_may_abort_drop_register_and_panic() {
    let handle = AbortHandle::new();
    let other = AbortHandle::new();
    let ran = Arc::new(AtomicUsize::new(0));

    let (inside, passed_on, count) = (handle.clone(), other.clone(), ran.clone());
    handle
        .on_abort(move |aborted| {
            assert_eq!(aborted.to_string(), "now");
            passed_on.abort("passed on");
            inside.on_abort(move |_| add(&count, 1)).detach();
        })
        .detach();
    handle.on_abort(|_| panic!("callback")).detach();
    let count = ran.clone();
    let kept = handle.on_abort(move |_| add(&count, 10));
    let count = ran.clone();
    drop(handle.on_abort(move |_| add(&count, 100)));

    let panic = catch_unwind(AssertUnwindSafe(|| handle.abort("now"))).unwrap_err();
    assert_eq!(*panic.downcast::<&str>().unwrap(), "callback");
    assert_eq!(ran.load(Ordering::SeqCst), 11, "one taken back, the others each once");
    assert!(other.is_aborted());
    drop(kept);
}

#[test]
fn a_callback_of_an_aborted_handle_runs_at_once() {
    let handle = AbortHandle::new();
    handle.abort("before");
    let (tell, told) = std::sync::mpsc::channel();
    handle.on_abort(move |aborted| tell.send(aborted.to_string()).unwrap()).detach();
    assert_eq!(told.try_recv().unwrap(), "before");
}

#[test]
fn a_waker_replaced_by_another_is_dropped_and_not_woken() {
    let woken = Arc::new(AtomicUsize::new(0));
    let count = woken.clone();
    let old = waker(move || panic!("the old waker was woken"));
    let new = waker(move || add(&count, 1));

    let handle = AbortHandle::new();
    let mut waiting = handle.aborted();
    assert!(Pin::new(&mut waiting).poll(&mut Context::from_waker(&old)).is_pending());
    assert!(Pin::new(&mut waiting).poll(&mut Context::from_waker(&new)).is_pending());
    handle.abort("now");
    assert_eq!(woken.load(Ordering::SeqCst), 1);
}

struct PanicsOnDrop;

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        panic!("on drop");
    }
}

/// A second panic while the first one unwinds would end the process.
#[test]
fn callbacks_that_panic_when_dropped_are_one_panic() {
    let handle = AbortHandle::new();
    for bomb in [PanicsOnDrop, PanicsOnDrop] {
        let keeps = move |_: &_| drop(&bomb);
        handle.on_abort(keeps).detach();
    }
    assert!(catch_unwind(AssertUnwindSafe(|| drop(handle))).is_err());
}
