//! A chain with a timer of its own never starts the process's, nor its thread.
//!
//! A process of its own, for this one test: it can be seen only while nothing has started that timer.

mod support;

use std::future::pending;

use support::{ByHand, CountingTimer, SECOND};
use tenure::{OwnedFuture, Scope, time::TimerHandle};

#[test]
fn a_timer_of_ones_own_does_not_start_the_processs() {
    let timer = TimerHandle::new(CountingTimer::default());
    let scope = Scope::builder("scope").timer(&timer).build();
    let mut given = ByHand::new(pending::<()>().with_timeout(SECOND).with_timer(&timer));
    let mut by_scope = ByHand::new(pending::<()>().with_timeout(SECOND).in_scope(&scope));
    let poll = |chain: &mut dyn FnMut() -> bool| {
        allocation_counter::measure(|| assert!(chain(), "it waits")).count_total
    };
    // The box of the alarm. A thread alone takes several.
    assert_eq!(poll(&mut || given.poll().is_pending()), 1);
    assert_eq!(poll(&mut || by_scope.poll().is_pending()), 1);
}
