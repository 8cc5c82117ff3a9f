//! What can't fail can't be retried.

use tenure::{Backoff, OwnedFuture};

fn caller() {
    _ = (|| async { 1 }).retry(Backoff::exponential());
}

fn main() {}
