//! A key is known by its place, so it has to have one for good.

use tenure::{OwnedFuture, owner::Key};

fn caller() {
    let key = Key::new("request");
    _ = async {}.with_value(&key, 7);
}

fn main() {}
