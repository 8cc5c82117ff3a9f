//! What LeakSanitizer must find.

use std::{hint::black_box, mem, thread};

fn main() {
    // On a thread that is gone: of this one's stack a stale pointer could still lead there.
    thread::spawn(|| mem::forget(black_box(Box::new(7)))).join().unwrap();
}
