//! Adapters work on futures and on what makes them.

use std::time::Duration;

use tenure::OwnedFuture;

fn adapt<M>(work: impl OwnedFuture<M>) {
    drop(work.with_timeout(Duration::from_secs(1)));
}

fn main() {
    adapt(5);
    adapt(|| 5);
}
