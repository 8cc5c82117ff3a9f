//! What ThreadSanitizer must find.

use std::{cell::UnsafeCell, thread};

struct Unguarded(UnsafeCell<usize>);

// SAFETY: none, on purpose.
unsafe impl Sync for Unguarded {}

static NUMBER: Unguarded = Unguarded(UnsafeCell::new(0));

fn add() {
    // SAFETY: none, on purpose.
    unsafe { *NUMBER.0.get() += 1 };
}

fn main() {
    let other = thread::spawn(add);
    add();
    other.join().unwrap();
}
