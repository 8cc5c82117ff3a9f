//! The type of a closure's argument can't be inferred: it must be written, `|owner: Owner|`.

use tenure::{Backoff, OwnedFuture};

fn caller() {
    _ = (|owner| async move { Err::<(), _>(owner.attempt()) }).retry(Backoff::exponential());
}

fn main() {}
