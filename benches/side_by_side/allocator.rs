//! Counts what is requested and not given back, while it is told to.
//!
//! allocation-counter, which our tests use, counts all the time, and so would be in all that is timed:
//! here that is one load of a flag.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Counting;

static COUNTS: AtomicBool = AtomicBool::new(false);
static CALLS: AtomicUsize = AtomicUsize::new(0);
static GOT: AtomicUsize = AtomicUsize::new(0);
static GIVEN_BACK: AtomicUsize = AtomicUsize::new(0);

/// What was requested in a while, by all threads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Requested {
    pub(crate) calls: usize,
    /// Those that were not given back.
    pub(crate) bytes: usize,
}

/// Counts until `f` returns: what it returns is still live then.
pub(crate) fn count<R>(f: impl FnOnce() -> R) -> (R, Requested) {
    for counter in [&CALLS, &GOT, &GIVEN_BACK] {
        counter.store(0, Relaxed);
    }
    COUNTS.store(true, Relaxed);
    let returned = f();
    COUNTS.store(false, Relaxed);
    let bytes = GOT.load(Relaxed).saturating_sub(GIVEN_BACK.load(Relaxed));
    (returned, Requested { calls: CALLS.load(Relaxed), bytes })
}

fn note(got: usize, given_back: usize) {
    if COUNTS.load(Relaxed) {
        CALLS.fetch_add(usize::from(got > 0), Relaxed);
        GOT.fetch_add(got, Relaxed);
        GIVEN_BACK.fetch_add(given_back, Relaxed);
    }
}

// SAFETY: each call goes on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size(), 0);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size(), 0);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size, layout.size());
        unsafe { System.realloc(place, layout, size) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        note(0, layout.size());
        unsafe { System.dealloc(place, layout) }
    }
}
