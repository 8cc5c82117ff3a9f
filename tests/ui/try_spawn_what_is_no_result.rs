//! Only what can fail is tried.

use tenure::OwnedFuture;

fn caller() {
    _ = tenure::scope(async |n| n.try_spawn(async { 1 }));
}

fn caller_with_a_chain() {
    _ = tenure::scope(async |n| async { 1 }.named("one").try_spawn_in(&n));
}

fn main() {}
