//! A closure that gives its captures away can be called only once.

use tenure::{Backoff, OwnedFuture};

async fn send(body: String) -> Result<(), String> {
    Err(body)
}

fn caller(body: String) {
    _ = (move || send(body)).retry(Backoff::exponential());
}

fn caller_with_an_async_closure(body: String) {
    _ = (async move || send(body).await).retry(Backoff::exponential());
}

fn main() {}
