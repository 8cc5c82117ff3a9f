//! What is forgotten, and so never dropped, keeps nobody asleep and nothing unsound.
//!
//! It leaks, as it must: this file is apart from those in which nothing may.

mod hostile;
mod support;

use std::{future::pending, mem};

use hostile::{Hooked, Moment, PLACES, Shape, each_place, is_sound};
use support::{ByHand, Count, poll_once, poll_with};
use tenure::{AbortHandle, OwnedFuture};

/// Something is forgotten at `place`; all that wait are woken once by the abort.
fn among_siblings(shape: Shape, place: usize, forget: impl Fn(&AbortHandle)) {
    let top = AbortHandle::new();
    let handles = shape.below(&top);
    let mut waiting = Vec::new();
    for (number, handle) in handles.iter().enumerate() {
        if number == place {
            forget(handle);
        }
        let (mut waiter, hooked) = (handle.aborted(), Hooked::new(Moment::Drop, || {}));
        assert!(poll_with(&mut waiter, &hooked.waker()).is_pending());
        waiting.push((waiter, hooked));
    }
    is_sound(&handles[place]);
    assert!(top.abort("now"));
    for (mut waiter, hooked) in waiting {
        assert_eq!(hooked.wakes(), 1);
        assert!(poll_once(&mut waiter).is_ready());
    }
    handles.iter().for_each(is_sound);
}

#[test]
fn a_waiter_that_is_forgotten_is_woken_once_as_its_siblings_are() {
    each_place(|shape, place| {
        let forgotten = Hooked::new(Moment::Drop, || {});
        among_siblings(shape, place, |handle| {
            mem::forget(handle.aborted());
            let mut waiter = handle.aborted();
            assert!(poll_with(&mut waiter, &forgotten.waker()).is_pending());
            mem::forget(waiter);
        });
        assert_eq!(forgotten.wakes(), 1);
    });
}

#[test]
fn a_guard_that_is_forgotten_leaves_its_callback_in_place() {
    each_place(|shape, place| {
        let ran = Count::default();
        among_siblings(shape, place, |handle| {
            let ran = ran.clone();
            mem::forget(handle.on_abort(move |_| _ = ran.add()));
        });
        assert_eq!(ran.get(), 1);
    });
}

#[test]
fn a_handle_that_is_forgotten_or_whose_guard_is_aborts_nothing() {
    each_place(|shape, place| {
        among_siblings(shape, place, |handle| {
            mem::forget(handle.clone());
            mem::forget(handle.clone().abort_on_drop());
            mem::forget(handle.child().abort_on_drop());
            mem::forget((handle | &AbortHandle::new(), handle & &AbortHandle::new()));
            assert!(!handle.is_aborted());
        });
    });
}

#[test]
fn a_future_that_is_forgotten_while_it_waits_is_woken_and_harms_nobody() {
    each_place(|shape, place| {
        let forgotten = Hooked::new(Moment::Drop, || {});
        among_siblings(shape, place, |handle| {
            let mut future = Box::pin(pending::<()>().with_abort(handle));
            assert!(poll_with(future.as_mut(), &forgotten.waker()).is_pending());
            mem::forget(future);
        });
        assert_eq!(forgotten.wakes(), 1);
    });
}

/// Its parents live on with it, and hear of nothing.
#[test]
fn a_chain_whose_bottom_is_forgotten_still_aborts() {
    let top = AbortHandle::new();
    let waiting: Vec<_> =
        (Shape::Chain.below(&top).iter()).map(|handle| ByHand::polled(handle.aborted())).collect();
    mem::forget(waiting.into_iter().nth(PLACES - 1));
    is_sound(&top);
    top.abort("now");
    is_sound(&top);
}
