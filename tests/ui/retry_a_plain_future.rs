//! A future runs once: a retry needs something that makes a new one.

use std::time::Duration;

use tenure::{Backoff, OwnedFuture};

async fn fetch() -> Result<(), String> {
    Ok(())
}

fn caller() {
    _ = fetch().retry(Backoff::exponential());
}

fn caller_of_a_chain() {
    _ = fetch().with_timeout(Duration::from_secs(1)).retry(Backoff::exponential());
}

fn main() {}
