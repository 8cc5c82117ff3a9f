//! The lattice under loom: each promise holds in every order in which threads can get at its locks
//! and atomics, up to three preemptions.
//!
//! `ci/loom` runs these, counts the orders, and shows of broken doubles of the lattice that the
//! models fail on them. By hand:
//!
//! ```sh
//! RUSTFLAGS='--cfg tenure_loom' cargo test --release --test loom -- --nocapture --test-threads=1
//! ```
//!
//! Who is left asleep is a deadlock, which loom tells. What is leaked it tells too, of what holds a
//! `Track`: each waker does, and the callback of each `tracked` node. The counts of `Arc` aren't
//! loom's, whose `Arc` has no `Weak`: they change where a thread is at a lock, and nowhere between.
#![cfg(tenure_loom)]

mod under_loom;

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize as Count, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
};

use loom::{alloc::Track, sync::atomic::AtomicUsize, thread};
use tenure::{
    AbortHandle, AbortReason,
    abort::{Aborted, WaitAborted},
};
use under_loom::{Bell, calls, join, join_all, model};

fn poll(waiting: &mut WaitAborted, waker: &Waker) -> Option<String> {
    match Pin::new(waiting).poll(&mut Context::from_waker(waker)) {
        Poll::Ready(aborted) => Some(text(aborted)),
        Poll::Pending => None,
    }
}

/// Sleeps until woken, as often as it takes.
fn block_on(waiting: WaitAborted) -> String {
    let bell = Bell::new();
    let waker = Waker::from(bell.clone());
    let mut waiting = pin!(waiting);
    loop {
        if let Some(reason) = poll(&mut waiting, &waker) {
            return reason;
        }
        bell.rings.wait();
    }
}

fn text(aborted: Aborted) -> String {
    AbortReason::from(aborted).to_string()
}

fn said(handle: &AbortHandle) -> Option<String> {
    handle.reason().map(|reason| reason.to_string())
}

/// Sees to it that a leak of the handle's node is noticed.
fn tracked(handle: AbortHandle) -> AbortHandle {
    let track = Track::new(());
    handle.on_abort(move |_| drop(track)).detach();
    handle
}

fn stop() -> Option<String> {
    Some("stop".into())
}

fn root() -> AbortHandle {
    tracked(AbortHandle::new())
}

/// A child with a second parent that is never aborted. When it is dropped, it leaves `parent` first of all: for
/// loom, which doesn't know the counts of `Arc`, that is when it dies.
fn kept(parent: &AbortHandle) -> AbortHandle {
    root().join(parent)
}

/// Hands `f` a clone of the handle on a thread of its own.
fn spawn<R: 'static>(
    handle: &AbortHandle,
    f: impl FnOnce(AbortHandle) -> R + 'static,
) -> thread::JoinHandle<R> {
    let handle = handle.clone();
    thread::spawn(move || f(handle))
}

// Waiting

#[test]
fn an_abort_wakes_who_waits() {
    model(|| {
        let handle = root();
        let waiter = spawn(&handle, |handle| block_on(handle.aborted()));
        assert!(handle.abort("stop"));
        assert_eq!(join(waiter), "stop");
    });
}

#[test]
fn an_abort_wakes_each_who_waits() {
    model(|| {
        let handle = root();
        let waiters = [1, 2].map(|_| spawn(&handle, |handle| block_on(handle.aborted())));
        assert!(handle.abort("stop"));
        assert_eq!(join_all(waiters), ["stop", "stop"]);
    });
}

#[test]
fn an_abort_above_wakes_who_waits_below() {
    model(|| {
        let top = root();
        let below = tracked(top.child());
        let waiters = [&below, &top].map(|handle| spawn(handle, |it| block_on(it.aborted())));
        drop(below);
        assert!(top.abort("stop"));
        assert_eq!(join_all(waiters), ["stop", "stop"]);
    });
}

#[test]
fn who_is_woken_sees_the_abort_everywhere_below() {
    model(|| {
        let top = root();
        let middle = tracked(top.child());
        let bottom = tracked(middle.child());
        let woken = Arc::new(Count::new(0));
        let waiting = [&top, &middle].map(|handle| {
            let (woken, below) = (woken.clone(), [middle.clone(), bottom.clone()]);
            spawn(handle, move |handle| {
                let waker = calls(move || {
                    assert!(below.iter().all(AbortHandle::is_aborted));
                    woken.fetch_add(1, Relaxed);
                });
                let mut waiting = handle.aborted();
                let pending = poll(&mut waiting, &waker).is_none();
                // Kept, or it wouldn't be woken.
                (waiting, pending)
            })
        });
        assert!(top.abort("stop"));
        let asleep = join_all(waiting).iter().filter(|(_, pending)| *pending).count();
        assert_eq!(woken.load(Relaxed), asleep);
    });
}

#[test]
fn a_waiter_dropped_meanwhile_leaves_no_waker_and_no_sibling_asleep() {
    model(|| {
        let handle = root();
        let sibling = spawn(&handle, |handle| block_on(handle.aborted()));
        let leaver = spawn(&handle, |handle| {
            let bell = Bell::new();
            let waker = Waker::from(bell.clone());
            let mut waiting = handle.aborted();
            if let Some(reason) = poll(&mut waiting, &waker) {
                assert_eq!(reason, "stop");
            }
            drop((waiting, waker));
            // The abort may have it in hand, but then it has begun.
            assert!(Arc::strong_count(&bell) == 1 || handle.is_aborted());
        });
        assert!(handle.abort("stop"));
        assert_eq!(join(sibling), "stop");
        join(leaver);
    });
}

#[test]
fn a_waiter_dropped_unwoken_leaves_no_waker() {
    model(|| {
        let handle = root();
        let leavers = [1, 2].map(|_| {
            spawn(&handle, |handle| {
                let bell = Bell::new();
                let mut waiting = handle.aborted();
                assert_eq!(poll(&mut waiting, &Waker::from(bell.clone())), None);
                drop(waiting);
                assert_eq!(Arc::strong_count(&bell), 1);
            })
        });
        let sleeper = spawn(&handle, |handle| block_on(handle.aborted()));
        join_all(leavers);
        assert!(handle.abort("stop"));
        assert_eq!(join(sleeper), "stop");
    });
}

#[test]
fn a_waiter_polled_with_another_waker_is_woken_by_that_one() {
    model(|| {
        let handle = root();
        let waiter = spawn(&handle, |handle| {
            let old = Bell::new();
            let mut waiting = handle.aborted();
            match poll(&mut waiting, &Waker::from(old.clone())) {
                Some(reason) => reason,
                // By a bell of its own: that the old one rings is no help.
                None => {
                    let reason = block_on(waiting);
                    assert!(Arc::strong_count(&old) == 1 || handle.is_aborted());
                    reason
                }
            }
        });
        let sibling = spawn(&handle, |handle| block_on(handle.aborted()));
        assert!(handle.abort("stop"));
        assert_eq!([join(waiter), join(sibling)], ["stop", "stop"]);
    });
}

#[test]
fn a_waker_may_come_back_in() {
    model(|| {
        let handle = root();
        let below = tracked(handle.child());
        let rival = spawn(&handle, |handle| handle.abort("rival"));
        let sleeper = spawn(&below, |below| block_on(below.aborted()));
        let mut waiting = handle.aborted();
        let again = handle.clone();
        let woken = Arc::new(Count::new(0));
        let count = woken.clone();
        let waker = calls(move || {
            count.fetch_add(1, Relaxed);
            assert!(!again.abort("again"));
            assert!(again.child().is_aborted());
            assert!(poll(&mut again.aborted(), Waker::noop()).is_some());
        });
        let polled = poll(&mut waiting, &waker);
        let mine = handle.abort("mine");
        assert_eq!(mine, !join(rival));
        assert_eq!(woken.load(Relaxed), usize::from(polled.is_none()));
        assert_eq!(join(sleeper), if mine { "mine" } else { "rival" });
    });
}

/// Comes back in when it is dropped, as a user's `Drop` may.
struct OnDrop(AbortHandle);

impl Drop for OnDrop {
    fn drop(&mut self) {
        drop(self.0.on_abort(|_| {}));
        drop(self.0.child());
    }
}

#[test]
fn what_is_dropped_may_come_back_in() {
    model(|| {
        let handle = AbortHandle::new();
        let leaver = spawn(&handle, |handle| {
            let again = OnDrop(handle.clone());
            let mut waiting = handle.aborted();
            let old = calls(move || assert!(again.0.is_aborted()));
            let polled = poll(&mut waiting, &old);
            drop(old);
            // The old waker's last clone goes here, unless the abort has it.
            let later = poll(&mut waiting, Waker::noop());
            assert!(polled.is_none() || later.is_some());
            let again = OnDrop(handle.clone());
            let guard = handle.on_abort(move |_| drop(again));
            drop((waiting, guard));
        });
        let sleeper = spawn(&handle, |handle| block_on(handle.aborted()));
        assert!(handle.abort("stop"));
        join(leaver);
        assert_eq!(join(sleeper), "stop");
    });
}

// The shape changes meanwhile

#[test]
fn a_child_made_meanwhile_hears_of_the_abort() {
    model(|| {
        let top = root();
        let makers = [1, 2].map(|_| {
            spawn(&top, |top| {
                let child = tracked(top.child());
                drop(top);
                block_on(child.aborted())
            })
        });
        assert!(top.abort("stop"));
        assert_eq!(join_all(makers), ["stop", "stop"]);
    });
}

#[test]
fn a_grandchild_made_meanwhile_hears_of_the_abort() {
    model(|| {
        let top = root();
        let middle = tracked(top.child());
        let maker = spawn(&middle, |middle| {
            let bottom = tracked(middle.child());
            drop(middle);
            block_on(bottom.child().aborted())
        });
        drop(middle);
        let sibling = spawn(&top, |top| block_on(top.child().aborted()));
        assert!(top.abort("stop"));
        assert_eq!([join(maker), join(sibling)], ["stop", "stop"]);
    });
}

#[test]
fn a_child_dropped_meanwhile_keeps_no_sibling_from_the_abort() {
    model(|| {
        let top = root();
        let (leaver, stayer) = (kept(&top), kept(&top));
        let leaving = thread::spawn(move || drop(leaver));
        let staying = thread::spawn(move || block_on(stayer.aborted()));
        assert!(top.abort("stop"));
        assert_eq!(join(staying), "stop");
        join(leaving);
    });
}

#[test]
fn a_chain_dropped_from_both_ends_while_it_aborts_leaks_nothing() {
    model(|| {
        let top = root();
        let middle = tracked(top.child());
        let bottom = kept(&middle);
        let other = tracked(middle.child());
        let from_below = thread::spawn(move || {
            let seen = bottom.is_aborted();
            drop(bottom);
            assert!(!seen || middle.is_aborted());
            drop(middle);
        });
        let from_above = spawn(&top, |top| {
            let late = tracked(top.child());
            drop(top);
            late.is_aborted()
        });
        let sleeper = spawn(&other, |other| block_on(other.aborted()));
        assert!(top.abort("stop"));
        drop(top);
        assert_eq!(said(&other), stop());
        drop(other);
        assert_eq!(join(sleeper), "stop");
        join(from_below);
        join(from_above);
    });
}

#[test]
fn a_chain_dropped_unaborted_leaks_nothing() {
    model(|| {
        let (top, side) = (root(), root());
        let middle = tracked(top.child());
        let bottom = tracked(middle.join(&side));
        let from_below = spawn(&bottom, |bottom| drop(bottom.child()));
        let from_above = spawn(&middle, |middle| drop(middle.meet(&middle.child())));
        let sleeper = spawn(&bottom, |bottom| block_on(bottom.aborted()));
        drop((top, middle));
        assert!(side.abort("stop"));
        drop(side);
        assert_eq!(said(&bottom), stop());
        drop(bottom);
        assert_eq!(join(sleeper), "stop");
        join(from_below);
        join(from_above);
    });
}

#[test]
fn the_last_handle_dropped_meanwhile_leaks_nothing() {
    model(|| {
        let top = root();
        let below = kept(&top);
        let clones = [below.clone(), below].map(|clone| {
            thread::spawn(move || {
                let again = clone.clone();
                let seen = clone.is_aborted();
                drop(clone);
                let grandchild = again.child();
                drop(again);
                assert!(!seen || grandchild.is_aborted());
            })
        });
        assert!(top.abort("stop"));
        drop(top);
        join_all(clones);
    });
}

#[test]
fn a_child_outlives_the_handles_above_it() {
    model(|| {
        let top = root();
        let middle = tracked(top.child());
        let bottom = tracked(middle.child());
        let waiter = thread::spawn(move || block_on(bottom.aborted()));
        let dropper = thread::spawn(move || {
            let late = middle.child();
            drop(middle);
            block_on(late.aborted())
        });
        assert!(top.abort("stop"));
        drop(top);
        assert_eq!([waiter, dropper].map(join), ["stop", "stop"]);
    });
}

// Children that nobody has asked yet

#[test]
fn two_who_ask_a_child_first_both_hear_of_the_abort() {
    model(|| {
        let top = root();
        let child = top.child();
        let asking = spawn(&child, |child| {
            let seen = child.is_aborted();
            assert!(!seen || said(&child) == stop());
            block_on(child.aborted())
        });
        let waiting = spawn(&child, |child| block_on(child.aborted()));
        drop(child);
        assert!(top.abort("stop"));
        assert_eq!([asking, waiting].map(join), ["stop", "stop"]);
    });
}

#[test]
fn a_child_first_asked_meanwhile_is_aborted_when_the_abort_returns() {
    model(|| {
        let top = root();
        let bottom = top.child().child();
        let asking = spawn(&bottom, |bottom| bottom.is_aborted());
        let waiting = spawn(&bottom, |bottom| block_on(bottom.aborted()));
        assert!(top.abort("stop"));
        assert!(bottom.is_aborted());
        assert_eq!(said(&bottom), stop());
        join(asking);
        assert_eq!(join(waiting), "stop");
    });
}

#[test]
fn a_child_that_nobody_asked_has_the_reason_of_the_abort_that_came_first() {
    model(|| {
        let top = root();
        let child = top.child();
        let alone = spawn(&child, |child| {
            let first = child.abort("alone");
            assert!(child.is_aborted());
            first
        });
        let asking = spawn(&child, |child| said(&child));
        assert!(top.abort("stop"));
        let reason = if join(alone) { "alone" } else { "stop" };
        assert_eq!(said(&child).as_deref(), Some(reason));
        assert!(join(asking).is_none_or(|said| said == reason), "it never changes");
    });
}

#[test]
fn each_of_a_chain_that_nobody_asked_hears_of_the_abort() {
    model(|| {
        let top = root();
        let middle = top.child();
        let bottom = middle.child();
        let waiting = [middle, bottom.child()]
            .map(|handle| thread::spawn(move || block_on(handle.aborted())));
        drop(bottom);
        assert!(top.abort("stop"));
        drop(top);
        assert_eq!(join_all(waiting), ["stop", "stop"]);
    });
}

#[test]
fn a_child_first_asked_while_its_last_handles_go_leaves_nothing() {
    model(|| {
        let top = root();
        let child = kept(&top).child();
        let askers = [1, 2].map(|_| spawn(&child, |child| child.is_aborted()));
        let grandchild = child.child();
        drop(child);
        let aborter = spawn(&top, |top| top.abort("stop"));
        drop((top, grandchild));
        join_all(askers);
        assert!(join(aborter));
    });
}

// Reasons

#[test]
fn the_first_of_two_aborts_wins_everywhere_below() {
    model(|| {
        let top = root();
        let middle = tracked(top.child());
        let bottom = tracked(middle.child());
        let waiter = thread::spawn(move || (block_on(bottom.aborted()), bottom));
        let sleeper = spawn(&middle, |middle| block_on(middle.aborted()));
        let rival = spawn(&top, |top| top.abort("rival"));
        let mine = top.abort("mine");
        assert_eq!(mine, !join(rival), "one of the two, and only one, has done it");
        let (woken_by, bottom) = join(waiter);
        let reason = if mine { "mine" } else { "rival" };
        assert_eq!([woken_by, join(sleeper)], [reason, reason]);
        for handle in [&top, &middle, &bottom] {
            assert_eq!(said(handle).as_deref(), Some(reason));
        }
    });
}

#[test]
fn aborts_of_parent_and_child_at_once_leave_each_its_own_reason() {
    model(|| {
        let top = root();
        let middle = tracked(top.child());
        let bottom = tracked(middle.child());
        let lower = spawn(&middle, |middle| middle.abort("lower"));
        let waiter = spawn(&bottom, |bottom| block_on(bottom.aborted()));
        let sleeper = spawn(&top, |top| block_on(top.aborted()));
        assert!(top.abort("upper"), "an abort goes never up");
        let reason = if join(lower) { "lower" } else { "upper" };
        assert_eq!(join(waiter), reason);
        assert_eq!(join(sleeper), "upper");
        assert_eq!(said(&top).as_deref(), Some("upper"));
        assert_eq!(said(&middle).as_deref(), Some(reason));
        assert_eq!(said(&bottom).as_deref(), Some(reason));
    });
}

#[test]
fn who_sees_the_abort_sees_its_reason_and_what_was_done_before() {
    model(|| {
        let (top, before) = (root(), Arc::new(AtomicUsize::new(0)));
        let below = tracked(top.child());
        let watchers = [&top, &below].map(|handle| {
            let before = before.clone();
            spawn(handle, move |handle| {
                if handle.is_aborted() {
                    assert_eq!(before.load(Relaxed), 1);
                    assert_eq!(said(&handle), stop());
                }
                if said(&handle).is_some() {
                    assert!(handle.is_aborted());
                }
            })
        });
        let sleeper = {
            let before = before.clone();
            spawn(&below, move |below| (block_on(below.aborted()), before.load(Relaxed)))
        };
        before.store(1, Relaxed);
        assert!(top.abort("stop"));
        // Of one abort alone this holds; of two, the lower may have yet to tell its part.
        assert!(below.is_aborted(), "when it returns, all below reports it");
        join_all(watchers);
        assert_eq!(join(sleeper), ("stop".into(), 1));
    });
}

// Joins and meets

#[test]
fn a_join_aborts_with_the_first_of_two_parents() {
    model(|| {
        let (a, b) = (root(), root());
        let either = tracked(a.join(&b));
        let aborting = [(&a, "a"), (&b, "b")].map(|(handle, reason)| {
            spawn(handle, move |handle| {
                assert!(handle.abort(reason));
            })
        });
        let reason = block_on(either.aborted());
        assert!(reason == "a" || reason == "b");
        assert_eq!(said(&either), Some(reason));
        join_all(aborting);
        assert_eq!((said(&a), said(&b)), (Some("a".into()), Some("b".into())));
    });
}

#[test]
fn a_join_made_meanwhile_hears_of_the_abort() {
    model(|| {
        let (a, b) = (root(), root());
        let aborting = [(&a, "a"), (&b, "b")]
            .map(|(handle, reason)| spawn(handle, move |handle| handle.abort(reason)));
        let either = tracked(a.join(&b));
        let reason = block_on(either.aborted());
        assert!(reason == "a" || reason == "b");
        assert_eq!(said(&either), Some(reason));
        assert_eq!(join_all(aborting), [true, true]);
    });
}

#[test]
fn a_meet_aborts_with_the_last_of_two_parents() {
    model(|| {
        let (a, b) = (root(), root());
        let both = tracked(a.meet(&b));
        let aborting = [(&a, &b, "a"), (&b, &a, "b")].map(|(handle, other, reason)| {
            let (other, both) = (other.clone(), both.clone());
            spawn(handle, move |handle| {
                assert!(handle.abort(reason));
                if both.is_aborted() {
                    assert!(other.is_aborted());
                }
            })
        });
        let reason = block_on(both.aborted());
        assert!(a.is_aborted() && b.is_aborted());
        assert!(reason == "a" || reason == "b");
        join_all(aborting);
        assert_eq!(said(&both), Some(reason));
    });
}

#[test]
fn a_meet_counts_a_parent_that_is_aborted_twice_once() {
    model(|| {
        let (a, b) = (root(), root());
        let both = tracked(a.meet(&b));
        let rival = spawn(&a, |a| a.abort("rival"));
        let waiter = spawn(&both, |both| block_on(tracked(both.child()).aborted()));
        let mine = a.abort("mine");
        assert_eq!(mine, !join(rival));
        assert!(!both.is_aborted());
        assert!(b.abort("b"));
        assert_eq!(said(&both).as_deref(), Some("b"));
        assert_eq!(join(waiter), "b");
    });
}

#[test]
fn a_meet_made_while_a_parent_aborts_counts_it_once() {
    model(|| {
        let (a, b) = (root(), root());
        let aborting = spawn(&a, |a| a.abort("a"));
        let waiter = spawn(&b, |b| block_on(tracked(b.child()).aborted()));
        let both = tracked(a.meet(&b));
        assert!(join(aborting));
        assert!(!both.is_aborted());
        assert!(b.abort("b"));
        assert_eq!(said(&both).as_deref(), Some("b"));
        assert_eq!(join(waiter), "b");
    });
}

#[test]
fn a_meet_made_while_both_parents_abort_is_aborted() {
    model(|| {
        let (a, b) = (root(), root());
        let aborting = [(&a, "a"), (&b, "b")]
            .map(|(handle, reason)| spawn(handle, move |handle| handle.abort(reason)));
        let both = tracked(a.meet(&b));
        let reason = block_on(both.aborted());
        assert!(reason == "a" || reason == "b");
        assert_eq!(join_all(aborting), [true, true]);
    });
}

#[test]
fn a_meet_dropped_while_one_parent_aborts_leaves_nothing() {
    model(|| {
        let (a, b) = (root(), root());
        let both = tracked(b.meet(&a));
        let leaving = [both.clone(), both].map(|both| thread::spawn(move || drop(both)));
        let sibling = spawn(&a, |a| block_on(a.aborted()));
        assert!(a.abort("stop"));
        join_all(leaving);
        assert_eq!(join(sibling), "stop");
    });
}

#[test]
fn a_diamond_is_aborted_once_by_top_and_side() {
    model(|| {
        let top = root();
        let (left, right) = (tracked(top.child()), tracked(top.child()));
        let (either, both) = (tracked(left.join(&right)), tracked(left.meet(&right)));
        let side = spawn(&left, |left| left.abort("side"));
        let first = spawn(&either, |either| block_on(either.aborted()));
        let last = spawn(&both, |both| block_on(both.aborted()));
        assert!(top.abort("top"));
        let reason = if join(side) { "side" } else { "top" };
        assert_eq!(said(&left).as_deref(), Some(reason));
        assert_eq!(said(&right).as_deref(), Some("top"));
        let (first, last) = (join(first), join(last));
        assert_eq!((said(&either), said(&both)), (Some(first.clone()), Some(last.clone())));
        // The side may be overtaken on its way down: each counts where it arrives.
        for told in [first, last] {
            assert!(told == "top" || told == reason);
        }
    });
}

// Callbacks

#[test]
fn a_callback_registered_meanwhile_runs_once() {
    model(|| {
        let (handle, ran) = (root(), Arc::new(Count::new(0)));
        let sleeper = spawn(&tracked(handle.child()), |below| block_on(below.aborted()));
        let registering = [1, 2].map(|_| {
            let ran = ran.clone();
            spawn(&handle, move |handle| {
                handle.on_abort(move |aborted| {
                    assert_eq!(aborted.to_string(), "stop");
                    ran.fetch_add(1, Relaxed);
                })
            })
        });
        assert!(handle.abort("stop"));
        join_all(registering);
        assert_eq!(join(sleeper), "stop");
        assert_eq!(ran.load(Relaxed), 2);
    });
}

#[test]
fn a_callback_taken_back_meanwhile_runs_at_most_once_and_is_dropped() {
    model(|| {
        let (handle, ran) = (root(), Arc::new(Count::new(0)));
        let below = tracked(handle.child());
        let guards = [&handle, &below].map(|handle| {
            let (ran, track) = (ran.clone(), Track::new(()));
            handle.on_abort(move |_| {
                ran.fetch_add(1, Relaxed);
                drop(track);
            })
        });
        let leaving = guards.map(|guard| thread::spawn(move || drop(guard)));
        let sleeper = spawn(&below, |below| block_on(below.aborted()));
        assert!(handle.abort("stop"));
        let by_now = ran.load(Relaxed);
        join_all(leaving);
        assert_eq!(join(sleeper), "stop");
        assert!(by_now <= 2);
        assert_eq!(ran.load(Relaxed), by_now, "none runs once the abort has returned");
    });
}

#[test]
fn a_callback_taken_back_before_does_not_run() {
    model(|| {
        let handle = root();
        let sibling = spawn(&handle, |handle| drop(handle.on_abort(|_| {})));
        let guard = handle.on_abort(|_| panic!("it was taken back"));
        drop(guard);
        let waiter = spawn(&handle, |handle| block_on(handle.aborted()));
        assert!(handle.abort("stop"));
        join(sibling);
        assert_eq!(join(waiter), "stop");
    });
}

#[test]
fn a_callback_may_abort_and_register() {
    model(|| {
        let handle = root();
        let below = tracked(handle.child());
        let (again, other) = (handle.clone(), below.clone());
        let ran = Arc::new(Count::new(0));
        let count = ran.clone();
        handle
            .on_abort(move |_| {
                assert!(!again.abort("again"));
                other.abort("from the callback");
                let inner = count.clone();
                drop(again.on_abort(move |_| {
                    inner.fetch_add(1, Relaxed);
                }));
                count.fetch_add(1, Relaxed);
            })
            .detach();
        let rival = spawn(&handle, |handle| handle.abort("rival"));
        let waiter = spawn(&below, |below| block_on(below.aborted()));
        let mine = handle.abort("mine");
        assert_eq!(mine, !join(rival));
        assert_eq!(join(waiter), if mine { "mine" } else { "rival" });
        assert_eq!(ran.load(Relaxed), 2);
    });
}

#[test]
fn aborts_that_pass_each_other_on_end() {
    model(|| {
        let (a, b) = (root(), root());
        let (to_a, to_b) = (a.clone(), b.clone());
        a.on_abort(move |_| {
            to_b.abort("passed on");
        })
        .detach();
        b.on_abort(move |_| {
            to_a.abort("passed on");
        })
        .detach();
        let other = spawn(&b, |b| b.abort("b"));
        let waiter = spawn(&b, |b| block_on(b.aborted()));
        let mine = a.abort("a");
        let theirs = join(other);
        assert!(mine || theirs);
        assert_eq!(join(waiter), if theirs { "b" } else { "passed on" });
        assert_eq!(said(&a).as_deref(), Some(if mine { "a" } else { "passed on" }));
    });
}
