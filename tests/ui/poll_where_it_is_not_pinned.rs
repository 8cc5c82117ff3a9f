//! A chain is pinned before it is polled, so that one which was polled can't be moved.

use std::time::Duration;

use tenure::OwnedFuture;

fn poll_in_place(_: &mut (impl Future + Unpin)) {}

fn main() {
    let mut chain = async {}.with_timeout(Duration::from_secs(1));
    poll_in_place(&mut chain);
}
