//! An abort by a handle counts though the handle is dropped.

mod support;

use std::{
    future::{poll_fn, ready},
    sync::{Arc, Mutex},
    task::Poll,
};

use support::{ByHand, Count};
use tenure::{scope, scope::JoinHandle};

/// The child looked whether its handle was gone, and not whether it had been aborted by it while it was polled.
#[test]
fn one_that_aborts_itself_and_drops_its_handle_ends() {
    for drops_later in [false, true] {
        let handle = Arc::new(Mutex::new(None::<JoinHandle<()>>));
        let (own, times) = (handle.clone(), Count::default());
        let mut nursery = ByHand::new(scope(|n| {
            let child = n.spawn(poll_fn(move |cx| {
                if times.add() == 0 && drops_later {
                    cx.waker().wake_by_ref();
                } else if let Some(handle) = own.lock().unwrap().take() {
                    assert!(handle.abort("enough"));
                }
                Poll::Pending
            }));
            *handle.lock().unwrap() = Some(child);
            ready(())
        }));
        assert_eq!(nursery.run(), Poll::Ready(Ok(())));
    }
}
