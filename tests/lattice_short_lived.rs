//! What is long-lived keeps nothing of the short-lived that comes and goes below it, however much there is.

mod support;

use std::task::Waker;

use allocation_counter::measure;
use support::{Count, poll_with};
use tenure::AbortHandle;

/// After `round` has run so many times the parents are as they were after the first, in pieces and in bytes,
/// and there were never more of either than in a few rounds; and they still abort.
fn comes_and_goes(times: usize, parents: &[&AbortHandle], round: impl Fn()) {
    round();
    let few = measure(|| (0..4).for_each(|_| round()));
    let many = measure(|| (0..times).for_each(|_| round()));
    assert_eq!((many.count_current, many.bytes_current), (0, 0));
    assert_eq!((many.count_max, many.bytes_max), (few.count_max, few.bytes_max));

    let told = Count::default();
    for parent in parents {
        let told = told.clone();
        parent.on_abort(move |_| _ = told.add()).detach();
        assert!(parent.abort("in the end"));
    }
    assert_eq!(told.get(), parents.len());
}

fn wait(handle: &AbortHandle) {
    assert!(poll_with(handle.aborted(), Waker::noop()).is_pending());
}

#[test]
fn children_that_are_waited_for_leave_nothing_behind() {
    let top = AbortHandle::new();
    comes_and_goes(1_000_000, &[&top], || wait(&top.child()));
}

#[test]
fn children_that_are_aborted_leave_nothing_behind() {
    let top = AbortHandle::new();
    comes_and_goes(100_000, &[&top], || {
        let (child, other) = (top.child(), top.child());
        let below = child.child();
        assert!(child.abort("alone"));
        drop(child);
        assert!(below.is_aborted() && !other.is_aborted());
    });
}

#[test]
fn joins_leave_nothing_behind_in_either_parent() {
    let (left, right) = (AbortHandle::new(), AbortHandle::new());
    comes_and_goes(100_000, &[&left, &right], || wait(&(&left | &right)));
}

#[test]
fn meets_leave_nothing_behind_in_either_parent() {
    let (left, right) = (AbortHandle::new(), AbortHandle::new());
    comes_and_goes(100_000, &[&left, &right], || wait(&(&left & &right)));
}

#[test]
fn callbacks_that_are_taken_back_leave_nothing_behind() {
    let top = AbortHandle::new();
    let content = Count::default();
    comes_and_goes(100_000, &[&top], || {
        let content = content.clone();
        drop(top.on_abort(move |_| _ = content.add()));
    });
    assert_eq!(content.get(), 0);
}

#[test]
fn waiters_leave_nothing_behind() {
    let top = AbortHandle::new();
    comes_and_goes(100_000, &[&top], || wait(&top));
}

/// The oldest of a few goes first, so that no place is used again at once.
#[test]
fn what_goes_in_the_order_in_which_it_came_leaves_nothing_behind() {
    let top = AbortHandle::new();
    comes_and_goes(100_000, &[&top], || {
        let (oldest, mut waiting, guard) = (top.child(), top.aborted(), top.on_abort(|_| {}));
        assert!(poll_with(&mut waiting, Waker::noop()).is_pending());
        drop(oldest);
        let last = top.child();
        drop(waiting);
        drop(guard);
        drop(last);
    });
}
