//! A chain that was polled is pinned, and can't be moved into another adapter.

use std::{pin::pin, time::Duration};

use futures::FutureExt;
use tenure::OwnedFuture;

fn main() {
    let mut chain = pin!(async {}.with_timeout(Duration::from_secs(1)));
    chain.as_mut().now_or_never();
    _ = (*chain).named("again");
}
