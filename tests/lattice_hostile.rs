//! The lattice is sound whatever a waker or a callback does: it may panic, abort, register, drop and
//! come back in.

mod support;

use std::{
    sync::{Arc, Mutex},
    task::Waker,
};

use support::{Count, on_wake, panic_of, poll_once, poll_with};
use tenure::{AbortHandle, Aborted, abort::WaitAborted};

/// A waker that counts its wakes.
fn adds_to(woken: &Count) -> Waker {
    let woken = woken.clone();
    on_wake(move || {
        woken.add();
    })
}

/// Eight waiters, one of which has a waker of its own.
fn among_siblings(
    handle: &AbortHandle,
    place: usize,
    odd: &Waker,
    woken: &Count,
) -> Vec<WaitAborted> {
    (0..8)
        .map(|sibling| {
            let even = adds_to(woken);
            let mut waiting = handle.child().aborted();
            let chosen = if sibling == place { odd } else { &even };
            assert!(poll_with(&mut waiting, chosen).is_pending());
            waiting
        })
        .collect()
}

#[test]
fn a_waker_that_panics_at_any_place_leaves_no_sibling_asleep() {
    for place in 0..8 {
        let woken = Count::default();
        let handle = AbortHandle::new();
        let odd = on_wake(move || panic!("waker {place}"));
        let waiting = among_siblings(&handle, place, &odd, &woken);

        let panic = panic_of(|| handle.abort("now"));
        assert_eq!(panic.downcast_ref(), Some(&format!("waker {place}")));
        assert_eq!(woken.get(), 7);
        for mut waiting in waiting {
            assert!(poll_once(&mut waiting).is_ready());
        }
    }
}

#[test]
fn a_waker_may_come_back_in_by_every_method() {
    for place in 0..8 {
        let woken = Count::default();
        let handle = AbortHandle::new();
        let (inside, called) = (handle.clone(), woken.clone());
        let odd = on_wake(move || {
            assert!(inside.is_aborted() && inside.check().is_err() && inside.reason().is_some());
            assert!(!inside.abort("again"));
            let _ = format!("{inside:?}");
            let below = inside.child() | inside.join(&inside).meet(&inside);
            assert!(below.is_aborted());
            assert!(poll_once(below.aborted()).is_ready());
            drop(inside.on_abort(|_| {}));
            called.add();
        });
        let waiting = among_siblings(&handle, place, &odd, &woken);
        handle.abort("now");
        assert_eq!(woken.get(), 8);
        drop(waiting);
    }
}

#[test]
fn a_waker_that_drops_its_siblings_waiters_does_no_harm() {
    let handle = AbortHandle::new();
    let siblings: Arc<Mutex<Vec<WaitAborted>>> = Arc::default();
    let inside = siblings.clone();
    let odd = on_wake(move || drop(std::mem::take(&mut *inside.lock().unwrap())));
    let waiting = among_siblings(&handle, 0, &odd, &Count::default());
    *siblings.lock().unwrap() = waiting;
    handle.abort("now");
    assert!(siblings.lock().unwrap().is_empty());
}

#[test]
fn whoever_is_woken_sees_all_below_aborted() {
    let handle = AbortHandle::new();
    let deep = handle.child().child().child();
    let seen = deep.clone();
    let first = on_wake(move || assert!(seen.is_aborted()));
    let mut waiting = handle.aborted();
    assert!(poll_with(&mut waiting, &first).is_pending());
    assert!(handle.abort("now"));
}

#[test]
fn callbacks_may_abort_drop_register_and_panic() {
    let handle = AbortHandle::new();
    let other = AbortHandle::new();
    let ran = Count::default();
    let adds = |ran: &Count, n| {
        let ran = ran.clone();
        move |_: &Aborted| {
            ran.add_all(n);
        }
    };

    let (inside, passed_on, count) = (handle.clone(), other.clone(), adds(&ran, 1));
    handle
        .on_abort(move |aborted| {
            assert_eq!(aborted.to_string(), "now");
            passed_on.abort("passed on");
            inside.on_abort(count).detach();
        })
        .detach();
    handle.on_abort(|_| panic!("callback")).detach();
    let kept = handle.on_abort(adds(&ran, 10));
    drop(handle.on_abort(adds(&ran, 100)));

    let panic = panic_of(|| handle.abort("now"));
    assert_eq!(panic.downcast_ref(), Some(&"callback"));
    assert_eq!(ran.get(), 11, "one taken back, the others each once");
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
    let woken = Count::default();
    let old = on_wake(move || panic!("the old waker was woken"));
    let new = adds_to(&woken);

    let handle = AbortHandle::new();
    let mut waiting = handle.aborted();
    assert!(poll_with(&mut waiting, &old).is_pending());
    assert!(poll_with(&mut waiting, &new).is_pending());
    handle.abort("now");
    assert_eq!(woken.get(), 1);
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
        handle.on_abort(move |_| drop(bomb)).detach();
    }
    panic_of(|| drop(handle));
}
