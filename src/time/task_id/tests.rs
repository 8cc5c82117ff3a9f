use std::{
    boxed::Box,
    task::{RawWaker, RawWakerVTable},
    vec::Vec,
};

use super::*;

/// Each has another vtable, of functions that do nothing.
#[allow(unsafe_code, reason = "a waker whose vtable is its own can be made in no other way")]
fn waker(data: usize) -> Waker {
    let clone = |data| RawWaker::new(data, Waker::noop().vtable());
    let vtable = Box::leak(Box::new(RawWakerVTable::new(clone, |_| {}, |_| {}, |_| {})));
    // SAFETY: none of the functions looks at the data.
    unsafe { Waker::from_raw(RawWaker::new(ptr::without_provenance(data), vtable)) }
}

#[test]
fn tasks_are_told_apart_by_what_they_point_to_and_by_their_vtables() {
    let wakers: Vec<_> = (0..8).map(|number| waker(number % 2)).collect();
    for (a, one) in wakers.iter().enumerate() {
        for (b, other) in wakers.iter().enumerate() {
            assert_eq!(TaskId::of(one).is_of(other), a == b);
        }
    }
    // Where there are too many kinds, none is taken for another.
    let more: Vec<_> = (0..100).map(|_| waker(0)).collect();
    let ids: Vec<_> = more.iter().map(TaskId::of).collect();
    assert_eq!(ids[99].vtable, MANY);
    assert!(!ids[99].is_of(&more[98]) && !ids[99].is_of(&more[99]));
    assert!(TaskId::of(&wakers[0]).is_of(&wakers[0]));
}
