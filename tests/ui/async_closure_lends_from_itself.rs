//! An async closure that changes its captures lends them to its future, so it isn't `FnMut`.

use tenure::{Backoff, OwnedFuture};

fn caller() {
    let mut calls = 0;
    let counting = async || {
        calls += 1;
        Err::<(), _>("down")
    };
    _ = counting.retry(Backoff::exponential());
}

fn main() {}
