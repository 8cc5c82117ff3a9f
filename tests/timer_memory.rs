//! A burst of timeouts leaves no memory behind.
//!
//! A process of its own, for this one test: what others set meanwhile would be counted along.

mod support;

use std::future::pending;

use support::{ByHand, SECOND};
use tenure::OwnedFuture;

#[test]
fn a_burst_leaves_no_memory_behind() {
    let burst = || {
        let alarms: Vec<_> = (1..50_000_u32)
            .map(|n| ByHand::polled(pending::<()>().with_timeout(n * SECOND)))
            .collect();
        drop(alarms);
    };
    // The timer itself, and what it keeps for the next.
    drop(ByHand::polled(pending::<()>().with_timeout(SECOND)));
    let left = allocation_counter::measure(burst).bytes_current;
    assert!(left <= 16 * 1024, "{left} bytes");
}
