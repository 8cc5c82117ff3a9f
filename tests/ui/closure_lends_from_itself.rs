//! A future that borrows from the closure that made it could outlive it.

use tenure::{Backoff, OwnedFuture};

fn caller() {
    let mut log = Vec::new();
    let logging = || async {
        log.push("called");
        Err::<(), _>("down")
    };
    _ = logging.retry(Backoff::exponential());
}

fn main() {}
