//! A child of a `scope` may be sent to another thread with it; `local_scope` is for those that may not.

use std::rc::Rc;

use tenure::OwnedFuture;

fn caller() {
    let shared = Rc::new(7);
    _ = tenure::local_scope(async |n| n.spawn(async { *shared }).await);
    _ = tenure::scope(async |n| n.spawn(async { *shared }).await);
}

fn caller_with_a_chain() {
    let shared = Rc::new(7);
    _ = tenure::local_scope(async |n| async { *shared }.named("seven").spawn_in(&n).await);
    _ = tenure::scope(async |n| async { *shared }.named("seven").spawn_in(&n).await);
}

fn main() {}
