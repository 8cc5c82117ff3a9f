//! Two layers are made one only where there are two.

use tenure::OwnedFuture;

fn caller() {
    _ = async { 1 }.named("one").flatten();
}

fn main() {}
