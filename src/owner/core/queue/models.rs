//! The queue under loom, in every order: see tests/loom.rs, and `ci/loom`, which runs these too.

#[path = "../../../../tests/under_loom/mod.rs"]
mod under_loom;

use loom::thread;
use under_loom::model;

use super::*;
use crate::abort::AbortHandle;

#[test]
fn who_is_woken_while_the_queue_is_closed_is_not_kept_by_it() {
    model(|| {
        let core = Core::of_nursery(AbortHandle::never());
        let seat = Seat::new(&core, 0);
        let kept = Arc::downgrade(&core);
        let waking = thread::spawn(move || Waker::from(seat).wake());
        core.queue.close();
        waking.join().unwrap();
        drop(core);
        assert!(kept.upgrade().is_none());
    });
}
