//! What AddressSanitizer must find.

use std::hint::black_box;

fn main() {
    let number = Box::new(7);
    let gone = black_box(&raw const *number);
    drop(black_box(number));
    // SAFETY: none, on purpose.
    println!("{}", unsafe { gone.read() });
}
