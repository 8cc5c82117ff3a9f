//! Where two pieces of foreign code panic, one while the other unwinds, the first panic goes on and the process
//! lives.
//!
//! Each test runs in a process of its own: one that is ended would take the others along.

mod hostile;
mod support;

use std::{
    env,
    panic::{AssertUnwindSafe, catch_unwind, panic_any},
    process::Command,
    task::Waker,
    thread,
};

use hostile::{Hooked, Moment, Panics, panicked};
use support::{Count, on_wake, panic_of, poll_with};
use tenure::{AbortHandle, abort::WaitAborted};

const INSIDE: &str = "TENURE_TEST_IN_A_PROCESS_OF_ITS_OWN";

/// Runs `test`, which is the body of the test that calls this, in a new process.
fn survives(test: impl FnOnce()) {
    if env::var_os(INSIDE).is_some() {
        return test();
    }
    let name = thread::current().name().expect("a test's thread has its name").to_owned();
    let program = env::current_exe().expect("the path of this test");
    let ran =
        Command::new(program).args(["--exact", &name, "--nocapture"]).env(INSIDE, "1").output();
    let ran = ran.expect("a new process");
    let said = String::from_utf8_lossy(&ran.stdout) + String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() && said.contains("1 passed"), "{}: {said}", ran.status);
}

/// Waits on `handle` with a waker that panics at `moment` from now on.
fn waits_with(handle: &AbortHandle, moment: Moment, panics: &Panics) -> (WaitAborted, Hooked) {
    let (mut waiter, panics) = (handle.aborted(), panics.clone());
    let hooked = Hooked::new(moment, move || panics.panic(2));
    // What the test holds itself isn't to panic.
    let waker = std::mem::ManuallyDrop::new(hooked.waker());
    assert!(poll_with(&mut waiter, &waker).is_pending());
    hooked.arm();
    (waiter, hooked)
}

/// Two siblings of the one that has gone are woken as ever.
fn wakes_others(handle: &AbortHandle) {
    let wakes = Count::default();
    let counted = wakes.clone();
    let waker: Waker = on_wake(move || _ = counted.add());
    let mut waiting = [handle.aborted(), handle.child().aborted()];
    for waiter in &mut waiting {
        assert!(poll_with(waiter, &waker).is_pending());
    }
    assert!(handle.abort("now"));
    assert_eq!(wakes.get(), 2);
}

#[test]
fn a_waker_that_panics_when_cloned_while_the_one_it_replaces_panics_when_dropped() {
    survives(|| {
        let (handle, panics) = (AbortHandle::new(), Panics::default());
        let (mut waiter, _old) = waits_with(&handle, Moment::Drop, &panics);
        let first = panics.clone();
        let new = Hooked::new(Moment::Clone, move || first.panic(1));
        let waker = new.waker();
        assert_eq!(panicked(|| new.armed(|| poll_with(&mut waiter, &waker))), Some(1));
        // The old one was dropped then, or is now.
        _ = catch_unwind(AssertUnwindSafe(|| drop(waiter)));
        assert_eq!(panics.begun(), 2);
        wakes_others(&handle);
    });
}

#[test]
fn a_waiter_is_dropped_by_a_panic_and_its_waker_panics_then() {
    survives(|| {
        let (handle, panics) = (AbortHandle::new(), Panics::default());
        let waiting = waits_with(&handle, Moment::Drop, &panics);
        let panic = panicked(|| {
            let (_waiter, _waker) = waiting;
            panics.panic(1);
        });
        assert_eq!((panic, panics.begun()), (Some(1), 2));
        wakes_others(&handle);
    });
}

struct Bomb(Panics);

impl Drop for Bomb {
    fn drop(&mut self) {
        self.0.panic(2);
    }
}

#[test]
fn a_guard_is_dropped_by_a_panic_and_what_its_callback_holds_panics_then() {
    survives(|| {
        let (handle, panics) = (AbortHandle::new(), Panics::default());
        let bomb = Bomb(panics.clone());
        let guard = handle.on_abort(move |_| drop(bomb));
        let panic = panicked(|| {
            let _guard = guard;
            panics.panic(1);
        });
        assert_eq!((panic, panics.begun()), (Some(1), 2));
        wakes_others(&handle);
    });
}

#[test]
fn a_handle_is_dropped_by_a_panic_and_what_its_callbacks_hold_panics_then() {
    survives(|| {
        let (handle, panics) = (AbortHandle::new(), Panics::default());
        for bomb in [Bomb(panics.clone()), Bomb(panics.clone())] {
            handle.on_abort(move |_| drop(bomb)).detach();
        }
        let panic = panicked(|| {
            let _handle = handle;
            panics.panic(1);
        });
        assert_eq!((panic, panics.begun()), (Some(1), 3));
    });
}

/// What the waker panics with can't go on, and so is dropped.
#[test]
fn a_panic_aborts_in_a_drop_and_a_waker_panics_with_what_panics_when_dropped() {
    survives(|| {
        let (guard, panics) = (AbortHandle::new().abort_on_drop(), Panics::default());
        let mut waiter = guard.handle().aborted();
        let bombs = panics.clone();
        let waker = on_wake(move || panic_any(Bomb(bombs.clone())));
        assert!(poll_with(&mut waiter, &waker).is_pending());
        let panic = panicked(|| {
            let _guard = guard;
            panics.panic(1);
        });
        assert_eq!(panic, Some(1));
    });
}

#[test]
fn many_wakers_panic_with_what_panics_when_dropped() {
    survives(|| {
        let (handle, panics) = (AbortHandle::new(), Panics::default());
        let mut waiting: Vec<_> = (0..8).map(|_| handle.child().aborted()).collect();
        for waiter in &mut waiting {
            let bombs = panics.clone();
            let waker = on_wake(move || panic_any(Bomb(bombs.clone())));
            assert!(poll_with(waiter, &waker).is_pending());
        }
        let panic = panic_of(|| handle.abort("now"));
        assert!(panic.is::<Bomb>());
        assert_eq!(panics.begun(), 7, "the others have panicked in their drops");
        panic_of(|| drop(panic));
    });
}
