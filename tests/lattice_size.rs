//! The lattice may be as deep and as wide as memory allows, and it forgets what is gone.

use std::thread;

use allocation_counter::{AllocationInfo, measure};
use tenure::AbortHandle;

const N: usize = 200_000;

fn on_a_small_stack(f: impl FnOnce() + Send + 'static) {
    thread::Builder::new().stack_size(256 * 1024).spawn(f).unwrap().join().unwrap();
}

/// A chain of `n`, of which only the ends are held.
fn chain(n: usize) -> (AbortHandle, AbortHandle) {
    let top = AbortHandle::new();
    let mut bottom = top.child();
    for _ in 1..n {
        bottom = bottom.child();
    }
    (top, bottom)
}

/// Runs `f` on a small stack and sees to it that nothing is left of it.
fn leaves_nothing(f: impl FnOnce() + Send + 'static) {
    on_a_small_stack(|| {
        let AllocationInfo { count_current, bytes_current, .. } = measure(f);
        assert_eq!((count_current, bytes_current), (0, 0));
    });
}

#[test]
fn a_deep_chain_aborts_and_is_shown() {
    leaves_nothing(|| {
        let (top, bottom) = chain(N);
        assert!(top.abort("from the top"));
        assert!(bottom.is_aborted());
        assert!(format!("{bottom:?}").contains("from the top"));
    });
}

#[test]
fn a_deep_chain_is_dropped_from_either_end() {
    leaves_nothing(|| {
        let (top, bottom) = chain(N);
        drop((top, bottom));
        let (top, bottom) = chain(N);
        drop((bottom, top));
    });
}

#[test]
fn a_wide_fan_aborts_and_is_dropped_from_either_end() {
    leaves_nothing(|| {
        let fan = |top: &AbortHandle| (0..N).map(|_| top.child()).collect::<Vec<_>>();

        let top = AbortHandle::new();
        let children = fan(&top);
        top.abort("all");
        assert!(children.iter().all(AbortHandle::is_aborted));

        let top = AbortHandle::new();
        drop((fan(&top), top));
        let top = AbortHandle::new();
        let children = fan(&top);
        drop((top, children));
    });
}

/// Each layer joins the two of the layer above: the paths double at each.
#[test]
fn a_diamond_of_joins_takes_no_exponential_walk() {
    leaves_nothing(|| {
        let top = AbortHandle::new();
        let (mut left, mut right) = (top.child(), top.child());
        for _ in 0..1_000 {
            (left, right) = (&left | &right, &left | &right);
        }
        top.abort("through the diamond");
        assert!(left.is_aborted() && right.is_aborted());
    });
}

#[test]
fn a_long_lived_parent_forgets_its_short_children() {
    let top = AbortHandle::new();
    drop(top.child());
    let info = measure(|| (0..N).for_each(|_| drop(top.child())));
    assert_eq!((info.count_current, info.bytes_current), (0, 0));
}

#[test]
fn a_waiter_that_goes_leaves_nothing_behind() {
    use futures::FutureExt;

    let top = AbortHandle::new();
    drop(top.aborted().now_or_never());
    let info = measure(|| (0..N).for_each(|_| drop(top.aborted().now_or_never())));
    assert_eq!((info.count_current, info.bytes_current), (0, 0));
}

/// A supervisor that passes on what it was told as the cause of what it tells.
#[test]
fn a_long_chain_of_causes_is_dropped_and_compared() {
    leaves_nothing(|| {
        let chain = || {
            let mut last = AbortHandle::new();
            last.abort("first");
            for _ in 0..N {
                let next = AbortHandle::new();
                next.abort_because("restarted", last.check().unwrap_err());
                last = next;
            }
            last.check().unwrap_err()
        };
        assert_eq!(chain(), chain());
    });
}
