//! Who is told by a handle that a child has ended finds nothing left of that, and an abort by a handle counts though
//! the handle is dropped.

mod support;

use std::{
    future::{pending, poll_fn, ready},
    sync::{Arc, Mutex},
    task::Poll,
};

use support::{ByHand, Count, Drops, on_wake, poll_with};
use tenure::{OwnedFuture, Scope, scope, scope::JoinHandle};

/// Waits for a child by a waker that finds none left, and counts how often it is told.
fn wait<T>(child: &mut JoinHandle<T>, left: impl Fn() -> usize + Send + Sync + 'static) -> Count {
    let told = Count::default();
    let counted = told.clone();
    let waker = on_wake(move || {
        assert_eq!(left(), 0);
        counted.add();
    });
    assert!(poll_with(child, &waker).is_pending());
    told
}

#[test]
fn one_that_has_ended_is_no_member_any_more() {
    let group = Scope::new("group");
    let mut child = None;
    let mut nursery = ByHand::new(scope(|n| {
        child = Some(ready(7).in_scope(&group).spawn_in(&n));
        ready(())
    }));
    let members = group.clone();
    let told = wait(child.as_mut().unwrap(), move || members.members());
    nursery.ready().unwrap();
    assert_eq!(told.get(), 1);
}

#[test]
fn one_that_is_aborted_alone_is_no_member_any_more() {
    let group = Scope::new("group");
    let mut child = None;
    let mut nursery = ByHand::new(scope(|n| {
        child = Some(pending::<()>().in_scope(&group).spawn_in(&n));
        ready(())
    }));
    let members = group.clone();
    let mut child = child.unwrap();
    let told = wait(&mut child, move || members.members());
    child.abort("not needed");
    nursery.ready().unwrap();
    assert_eq!(told.get(), 1);
}

#[test]
fn of_a_nursery_that_is_dropped_no_child_is_left_when_its_handle_is_told() {
    for polled in [false, true] {
        let drops = Drops::default();
        let mut child = None;
        let mut nursery = ByHand::new(scope(|n| {
            child = Some(n.spawn(drops.of(pending::<()>())));
            pending::<()>()
        }));
        if polled {
            assert!(nursery.poll().is_pending());
        }
        let live = drops.clone();
        let told = wait(child.as_mut().unwrap(), move || live.live());
        drop(nursery);
        assert_eq!(told.get(), 1);
    }
}

/// The child looked whether its handle was gone, and not whether it had been aborted by it while it was polled.
#[test]
fn one_that_aborts_itself_and_drops_its_handle_ends() {
    for drops_later in [false, true] {
        let handle = Arc::new(Mutex::new(None::<JoinHandle<()>>));
        let (own, times) = (handle.clone(), Count::default());
        let mut nursery = ByHand::new(scope(|n| {
            let child = n.spawn(poll_fn(move |cx| {
                if times.add() == 0 && drops_later {
                    cx.waker().wake_by_ref();
                } else if let Some(handle) = own.lock().unwrap().take() {
                    assert!(handle.abort("enough"));
                }
                Poll::Pending
            }));
            *handle.lock().unwrap() = Some(child);
            ready(())
        }));
        assert_eq!(nursery.run(), Poll::Ready(Ok(())));
    }
}
