use std::{
    panic::resume_unwind,
    sync::mpsc::{RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use allocation_counter::measure;
use tenure::AbortHandle;

use crate::support::{Count, poll_once};

/// The node does all that a node does, and keeps nothing of it.
#[track_caller]
pub(crate) fn is_sound(handle: &AbortHandle) {
    use_it_all(handle); // a live node keeps some room for what it has held once
    let left = measure(|| use_it_all(handle));
    assert_eq!((left.count_current, left.bytes_current), (0, 0), "{handle:?} keeps something");
}

#[track_caller]
fn use_it_all(handle: &AbortHandle) {
    let aborted = handle.is_aborted();
    assert_eq!(handle.check().is_err(), aborted);
    assert_eq!(handle.reason(), handle.check().err().map(Into::into));
    assert_eq!(format!("{handle:?}").contains("live"), !aborted);

    let mut waiting = handle.aborted();
    assert_eq!(poll_once(&mut waiting).is_ready(), aborted);
    assert_eq!(poll_once(&mut waiting).is_ready(), aborted);
    let ran = Count::default();
    let counted = ran.clone();
    let guard = handle.on_abort(move |_| _ = counted.add());
    assert_eq!(ran.get(), usize::from(aborted));

    let (child, other) = (handle.child(), AbortHandle::new());
    let (join, meet) = (handle | &other, handle & &other);
    for below in [&child, &join] {
        assert_eq!(below.is_aborted(), aborted);
        assert_eq!(poll_once(below.aborted()).is_ready(), aborted);
        assert_eq!(below.abort("alone"), !aborted);
    }
    assert!(!meet.is_aborted());
    other.abort("other");
    assert_eq!(meet.is_aborted(), aborted);
    assert_eq!(handle.is_aborted(), aborted, "an abort below went up");
    drop((waiting, guard));
    assert_eq!(ran.get(), usize::from(aborted));
}

/// Of what `f` allocates nothing is left, if it has run before.
#[track_caller]
pub(crate) fn leaves_nothing(mut f: impl FnMut()) {
    f();
    let left = measure(f);
    assert_eq!((left.count_current, left.bytes_current), (0, 0), "left, in pieces and in bytes");
}

/// Runs `f`, which fails where it would hang.
pub(crate) fn in_time(f: impl FnOnce() + Send + 'static) {
    let (tell, told) = channel::<()>();
    let thread = thread::spawn(move || {
        let _told_at_its_end = tell;
        f();
    });
    if told.recv_timeout(Duration::from_secs(60)) == Err(RecvTimeoutError::Timeout) {
        panic!("it hangs");
    }
    thread.join().unwrap_or_else(|panic| resume_unwind(panic));
}
