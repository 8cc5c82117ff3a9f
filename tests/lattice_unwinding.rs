//! An abort may come from where nobody looks for one: a `Drop`, a panic that unwinds, the very poll that it
//! ends; and once is as good as twice.

mod hostile;
mod support;

use std::{
    future::{pending, poll_fn},
    panic::resume_unwind,
    sync::{Arc, Mutex},
    task::{Poll, Waker},
};

use futures::future::FusedFuture;
use hostile::{
    Hooked, Moment, Panics, Shape, each_place, in_time, is_sound, leaves_nothing, panicked,
};
use support::{ByHand, Count, on_wake, poll_once, poll_with};
use tenure::{
    AbortHandle, OwnedFuture,
    abort::{AbortOnDrop, WaitAborted},
};

/// Those who wait at each place of `shape`, with wakers that count and then do as they like.
struct Siblings {
    handles: Vec<AbortHandle>,
    waiting: Vec<(WaitAborted, Hooked)>,
}

impl Siblings {
    fn new(
        shape: Shape,
        top: &AbortHandle,
        act: impl Fn(usize) + Clone + Send + Sync + 'static,
    ) -> Self {
        let handles = shape.below(top);
        let wait = |(number, handle): (usize, &AbortHandle)| {
            let act = act.clone();
            let (mut waiter, hooked) =
                (handle.aborted(), Hooked::new(Moment::Wake, move || act(number)));
            hooked.arm();
            assert!(poll_with(&mut waiter, &hooked.waker()).is_pending());
            (waiter, hooked)
        };
        let waiting = handles.iter().enumerate().map(wait).collect();
        Self { handles, waiting }
    }

    #[track_caller]
    fn all_woken_once(mut self) {
        for (waiter, hooked) in &mut self.waiting {
            assert_eq!(hooked.wakes(), 1);
            assert!(poll_once(waiter).is_ready());
        }
        self.handles.iter().for_each(is_sound);
    }
}

/// A second panic that left the `Drop` would end the process.
#[test]
fn an_abort_while_a_panic_unwinds_wakes_all_and_leaves_that_panic_as_it_is() {
    each_place(|shape, place| {
        leaves_nothing(|| {
            let (guard, panics) = (AbortHandle::new().abort_on_drop(), Panics::default());
            let siblings = Siblings::new(shape, guard.handle(), move |number| {
                if number >= place {
                    resume_unwind(Box::new(Unheard));
                }
            });
            let panic = panicked(|| {
                let _aborts = guard;
                panics.panic(99);
            });
            assert_eq!(panic, Some(99));
            siblings.all_woken_once();
        });
    });
}

/// What a waker panics with while another panic is on its way.
struct Unheard;

/// It holds its own handle, and the future that waits for it.
struct Owner {
    handle: AbortHandle,
    waiting: WaitAborted,
    below: AbortOnDrop,
}

impl Drop for Owner {
    fn drop(&mut self) {
        assert!(self.handle.abort("its owner is dropped"));
        assert!(poll_once(&mut self.waiting).is_ready());
        assert!(self.below.handle().is_aborted());
    }
}

fn owner(handle: &AbortHandle) -> Owner {
    let (mut waiting, below) = (handle.aborted(), handle.child().abort_on_drop());
    assert!(poll_with(&mut waiting, &on_wake(|| {})).is_pending());
    Owner { handle: handle.clone(), waiting, below }
}

#[test]
fn an_abort_in_ones_own_drop_wakes_all() {
    each_place(|shape, place| {
        leaves_nothing(|| {
            let top = AbortHandle::new();
            let siblings = Siblings::new(shape, &top, |_| {});
            drop(owner(&siblings.handles[place]));
            top.abort("the others");
            siblings.all_woken_once();
        });
    });
}

/// Dropped by the very abort that it repeats, with the handle gone but for itself, or unrun.
#[test]
fn what_aborts_in_its_drop_may_be_held_by_a_callback() {
    in_time(|| {
        leaves_nothing(|| {
            let handle = AbortHandle::new();
            let held = Repeats(handle.clone());
            handle.on_abort(move |_| drop(held)).detach();
            let siblings = Siblings::new(Shape::Chain, &handle, |_| {});
            assert!(handle.abort("now"));
            siblings.all_woken_once();

            let handle = AbortHandle::new();
            let held = Repeats(handle.clone());
            let guard = handle.on_abort(move |_| drop(held));
            let siblings = Siblings::new(Shape::Chain, &handle, |_| {});
            drop(guard);
            assert_eq!(handle.reason().map(|reason| reason.to_string()).as_deref(), Some("again"));
            siblings.all_woken_once();

            // The parent's node is dropped with the child's, and its callback along.
            let top = AbortHandle::new();
            let siblings = Siblings::new(Shape::Children, &top, |_| {});
            let parent = top.child();
            let (child, held) = (parent.child(), Repeats(top.clone()));
            parent.on_abort(move |_| drop(held)).detach();
            drop(parent);
            drop(child);
            siblings.all_woken_once();
        });
    });
}

struct Repeats(AbortHandle);

impl Drop for Repeats {
    fn drop(&mut self) {
        self.0.abort("again");
    }
}

/// And its drop aborts that of all.
#[test]
fn a_future_may_abort_its_own_handle_while_it_is_polled() {
    each_place(|shape, place| {
        let top = AbortHandle::new();
        let handles = shape.below(&top);
        let siblings: Vec<_> = (handles.iter())
            .map(|handle| ByHand::polled(pending::<()>().with_abort(handle)))
            .collect();
        let own = &handles[place];
        let repeats = Repeats(top.clone());
        let mut suicidal = ByHand::new(
            poll_fn(move |_| {
                let _held = &repeats;
                own.abort("by itself");
                Poll::<()>::Pending
            })
            .with_abort(own),
        );
        let aborted = suicidal.ready().unwrap_err();
        assert_eq!(aborted.to_string(), "by itself");
        assert_eq!(suicidal.wakes(), 0, "it had the answer before it slept");
        assert!(top.is_aborted(), "the future was dropped before its answer was given");
        for mut sibling in siblings {
            assert_eq!(sibling.wakes(), 1);
            assert!(sibling.ready().is_err());
        }
        handles.iter().for_each(is_sound);

        // What is ready in that very poll is a value nevertheless.
        let own = AbortHandle::new();
        let ready = poll_fn(|_| Poll::Ready(own.abort("by itself")));
        assert!(ByHand::new(ready.with_abort(&own)).ready().unwrap());
    });
}

#[test]
fn a_panic_in_a_poll_leaves_the_handle_and_those_who_share_it_as_they_were() {
    each_place(|shape, place| {
        leaves_nothing(|| {
            let top = AbortHandle::new();
            let siblings = Siblings::new(shape, &top, |_| {});
            let panics = Panics::default();
            let mut polls = 0;
            let work = poll_fn(|_| {
                polls += 1;
                if polls > 1 {
                    panics.panic(place);
                }
                Poll::<()>::Pending
            });
            let mut future = Box::pin(work.with_abort(&siblings.handles[place]));
            let waker = Hooked::new(Moment::Wake, || {});
            assert!(poll_with(future.as_mut(), &waker.waker()).is_pending());
            assert_eq!(panicked(|| poll_with(future.as_mut(), &waker.waker())), Some(place));
            assert!(!top.is_aborted());
            drop(future);
            is_sound(&siblings.handles[place]);
            top.abort("now");
            assert_eq!(waker.wakes(), 0, "it was dropped");
            siblings.all_woken_once();
        });
    });
}

#[test]
fn a_waiter_that_is_ready_stays_so() {
    each_place(|shape, place| {
        let top = AbortHandle::new();
        let handles = shape.below(&top);
        let mut waiter = handles[place].aborted();
        assert!(poll_with(&mut waiter, &on_wake(|| {})).is_pending());
        top.abort("once");
        let first = poll_once(&mut waiter).map(|aborted| aborted.to_string());
        assert!(waiter.is_terminated());
        top.abort("twice");
        for _ in 0..3 {
            let again = poll_once(&mut waiter).map(|aborted| aborted.to_string());
            assert_eq!((&first, again), (&Poll::Ready("once".into()), first.clone()));
        }
    });
}

#[test]
fn an_abort_that_comes_again_wakes_nobody_again() {
    each_place(|shape, place| {
        leaves_nothing(|| {
            let top = AbortHandle::new();
            let siblings = Siblings::new(shape, &top, |_| {});
            let ran = Count::default();
            let counted = ran.clone();
            siblings.handles[place].on_abort(move |_| _ = counted.add()).detach();
            assert!(top.abort("once"));
            assert!(!top.abort("twice"));
            assert!(siblings.handles.iter().all(|handle| !handle.abort("below")));
            assert_eq!(ran.get(), 1);
            siblings.all_woken_once();
        });
    });
}

/// As a task does that is ended by the abort which it waits for.
#[test]
fn a_waiter_may_be_dropped_by_its_own_waker() {
    each_place(|shape, place| {
        let top = AbortHandle::new();
        let siblings = Siblings::new(shape, &top, |_| {});
        let slot = Arc::new(Mutex::new(Some(siblings.handles[place].aborted())));
        let inside = slot.clone();
        let waker: Waker = on_wake(move || drop(inside.lock().unwrap().take()));
        let pending = slot.lock().unwrap().as_mut().map(|waiter| poll_with(waiter, &waker));
        assert!(pending.is_some_and(|polled| polled.is_pending()));
        top.abort("now");
        assert!(slot.lock().unwrap().is_none());
        siblings.all_woken_once();
    });
}
