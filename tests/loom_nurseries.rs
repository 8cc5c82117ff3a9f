//! Nurseries under loom, polled by one thread while others have their handles and wakers: see tests/loom.rs.
#![cfg(tenure_loom)]

mod under_loom;

use std::{
    future::{Future, pending, poll_fn},
    pin::{Pin, pin},
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Poll, Waker},
};

use loom::{
    alloc::Track,
    sync::{Mutex, atomic::AtomicUsize},
    thread,
};
use tenure::{
    AbortHandle, Owned, OwnedFuture, Scope,
    scope::{AnyError, Nursed, Nursery, Sent},
};
use under_loom::{Bell, Counted, block_on, calls, join, join_all, model, pending_once, poll};

/// A nursery, and a handle of it for other threads.
fn nursery<F: Future>(
    body: impl FnOnce(&Nursery<'static>) -> F,
) -> (Owned<Nursed<F, Sent<'static, AnyError>>>, Nursery<'static>) {
    let mut handle = None;
    let running = tenure::scope(|n| {
        // Of an abort it is told, and of the end; a node that is leaked before is noticed.
        let track = Track::new(());
        n.abort_handle().on_abort(move |_| drop(track)).detach();
        handle = Some(n.clone());
        body(&n)
    });
    (running, handle.unwrap())
}

/// Opened once, by any thread. Clones are the same gate.
#[derive(Clone, Default)]
struct Gate(Arc<Mutex<Side>>);

#[derive(Default)]
struct Side {
    open: bool,
    waits: Option<Waker>,
}

impl Gate {
    fn open(&self) {
        let waits = {
            let mut side = self.0.lock().unwrap();
            side.open = true;
            side.waits.take()
        };
        if let Some(waker) = waits {
            waker.wake();
        }
    }

    /// The waker of who waits, if somebody does.
    fn waker(&self) -> Option<Waker> {
        self.0.lock().unwrap().waits.clone()
    }

    /// Whoever opens it wakes `waker`, unless it is open.
    fn register(&self, waker: &Waker) -> bool {
        let mut waker = Some(waker.clone());
        let is_open = {
            let mut side = self.0.lock().unwrap();
            if !side.open {
                std::mem::swap(&mut side.waits, &mut waker);
            }
            side.open
        };
        drop(waker);
        is_open
    }

    /// Ready once it is open.
    fn wait(&self) -> impl Future<Output = ()> + Send + use<> {
        let gate = self.clone();
        poll_fn(move |cx| if gate.register(cx.waker()) { Poll::Ready(()) } else { Poll::Pending })
    }
}

// Who is spawned

#[test]
fn who_is_spawned_while_a_nursery_ends_runs_or_is_told() {
    model(|| {
        let (running, n) = nursery(|_| async {});
        let (alive, ran) = (Counted::default(), Counted::default());
        let (at_work, runs) = (alive.clone(), ran.clone());
        let spawning = thread::spawn(move || {
            let child = n.spawn(async move {
                at_work.work().await;
                runs.add();
            });
            block_on(child).is_ok()
        });
        block_on(running).unwrap();
        let by_now = (alive.get(), ran.get());
        let ran_at_all = usize::from(join(spawning));
        assert_eq!((by_now, ran.get()), ((0, ran_at_all), ran_at_all));
    });
}

#[test]
fn who_is_spawned_while_a_nursery_is_aborted_runs_or_is_told() {
    model(|| {
        let (running, n) = nursery(|_| pending::<()>());
        let ran = Counted::default();
        let (aborting, runs) = (n.clone(), ran.clone());
        let spawning = thread::spawn(move || block_on(n.spawn(async move { runs.add() })));
        let aborts = thread::spawn(move || assert!(aborting.abort("stop")));
        assert_eq!(block_on(running).unwrap_err().to_string(), "stop");
        let by_now = ran.get();
        match join(spawning) {
            Ok(()) => assert_eq!((by_now, ran.get()), (1, 1)),
            Err(aborted) => {
                assert_eq!(aborted.to_string(), "stop");
                assert_eq!(ran.get(), 0);
            }
        }
        join(aborts);
    });
}

#[test]
fn two_who_are_spawned_at_once_both_run() {
    model(|| {
        let gate = Gate::default();
        let waiting = gate.wait();
        let (running, n) = nursery(|_| waiting);
        let spawning = [n.clone(), n].map(|n| thread::spawn(move || n.spawn(async {})));
        let mut running = pin!(running);
        assert!(poll(running.as_mut(), &calls(|| {})).is_pending());
        let children = join_all(spawning);
        gate.open();
        block_on(running).unwrap();
        for child in children {
            block_on(child).unwrap();
        }
    });
}

// Who is woken

#[test]
fn a_child_that_is_woken_while_the_nursery_goes_to_rest_is_polled() {
    model(|| {
        let gates = [Gate::default(), Gate::default()];
        let waiting = gates.each_ref().map(Gate::wait);
        let (running, n) = nursery(|_| async {});
        let children = waiting.map(|waiting| n.spawn(waiting));
        let opening = gates.map(|gate| thread::spawn(move || gate.open()));
        block_on(running).unwrap();
        for child in children {
            block_on(child).unwrap();
        }
        join_all(opening);
    });
}

#[test]
fn children_that_are_woken_at_once_wake_the_task_once() {
    model(|| {
        let gates = [Gate::default(), Gate::default()];
        let waiting = gates.each_ref().map(Gate::wait);
        let (running, n) = nursery(|_| async {});
        let children = waiting.map(|waiting| n.spawn(waiting));
        let told = Counted::default();
        let counted = told.clone();
        let waker = calls(move || counted.add());
        let mut running = pin!(running);
        assert!(poll(running.as_mut(), &waker).is_pending());
        join_all(gates.map(|gate| thread::spawn(move || gate.open())));
        assert_eq!(told.get(), 1);
        assert!(poll(running.as_mut(), &waker).is_ready());
        drop(children);
    });
}

#[test]
fn a_child_that_two_wake_sees_what_both_have_done() {
    model(|| {
        let done = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
        let (seen, gate) = (done.clone(), Gate::default());
        let registers = gate.clone();
        let (running, n) = nursery(|_| async {});
        drop(n.spawn(poll_fn(move |cx| {
            registers.register(cx.waker());
            let all = seen.iter().all(|done| done.load(Relaxed) == 1);
            if all { Poll::Ready(()) } else { Poll::Pending }
        })));
        let mut running = pin!(running);
        assert!(poll(running.as_mut(), &calls(|| {})).is_pending());
        let waking = done.map(|done| {
            let waker = gate.waker().unwrap();
            thread::spawn(move || {
                done.store(1, Relaxed);
                waker.wake();
            })
        });
        gate.open();
        block_on(running).unwrap();
        join_all(waking);
    });
}

#[test]
fn one_that_is_woken_while_it_is_polled_is_polled_again() {
    model(|| {
        let gate = Gate::default();
        let (opening, waiting) = (gate.clone(), gate.wait());
        let (running, n) = nursery(|_| async {});
        drop(n.spawn(waiting));
        let mut running = pin!(running);
        assert!(poll(running.as_mut(), &calls(|| {})).is_pending());
        let wakes = gate.waker().unwrap();
        let waking = thread::spawn(move || {
            wakes.wake();
            opening.open();
        });
        block_on(running).unwrap();
        join(waking);
    });
}

#[test]
fn a_waker_of_one_that_has_ended_keeps_the_next_in_its_place_from_nothing() {
    model(|| {
        let gates = [Gate::default(), Gate::default()];
        let [first, next] = gates.each_ref().map(Gate::wait);
        let (running, n) = nursery(|_| async {});
        let spawning = n.clone();
        drop(n.spawn(async move {
            first.await;
            // It is given the place of this one, which is vacant by then.
            drop(spawning.spawn(next));
        }));
        let mut running = pin!(running);
        assert!(poll(running.as_mut(), &calls(|| {})).is_pending());
        let [first, next] = gates;
        let stale = first.waker().unwrap();
        let opening = thread::spawn(move || {
            first.open();
            stale.wake();
            next.open();
        });
        block_on(running).unwrap();
        join(opening);
    });
}

#[test]
fn a_child_may_be_woken_again_while_its_nursery_ends() {
    model(|| {
        let gate = Gate::default();
        let waiting = gate.wait();
        let (running, n) = nursery(|_| async {});
        drop(n.spawn(waiting));
        drop(n);
        let mut running = Box::pin(running);
        assert!(poll(running.as_mut(), &calls(|| {})).is_pending());
        let stale = gate.waker().unwrap();
        let waking = thread::spawn(move || stale.wake());
        gate.open();
        block_on(running).unwrap();
        join(waking);
    });
}

#[test]
fn a_child_that_is_woken_while_its_nursery_is_dropped_leaves_nothing() {
    model(|| {
        let (gate, alive) = (Gate::default(), Counted::default());
        let (waiting, at_work) = (gate.wait(), alive.clone());
        let (running, n) = nursery(|_| async {});
        let child = n.spawn(async move {
            let _guard = at_work.guard();
            waiting.await;
        });
        drop(n);
        let mut running = Box::pin(running);
        let waker = calls(|| {});
        assert!(poll(running.as_mut(), &waker).is_pending());
        let opening = thread::spawn(move || gate.open());
        drop(running);
        assert_eq!(alive.get(), 0);
        assert_eq!(block_on(child).unwrap_err().to_string(), "its owner has ended");
        join(opening);
    });
}

#[test]
fn a_child_that_is_spawned_while_its_nursery_is_dropped_is_told() {
    model(|| {
        let (running, n) = nursery(|_| pending::<()>());
        let mut running = Box::pin(running);
        let waker = calls(|| {});
        assert!(poll(running.as_mut(), &waker).is_pending());
        let spawning = thread::spawn(move || block_on(n.spawn(async {})));
        drop(running);
        assert_eq!(join(spawning).unwrap_err().to_string(), "its owner has ended");
    });
}

#[test]
fn an_abort_while_the_nursery_goes_to_rest_ends_it() {
    model(|| {
        let (handle, gate) = (AbortHandle::new(), Gate::default());
        let (running, n) = nursery(|_| gate.wait());
        let child = n.spawn(pending::<()>());
        let aborting = handle.clone();
        let aborts = thread::spawn(move || aborting.abort("stop"));
        let ended = block_on(running.with_abort(&handle));
        assert_eq!(ended.unwrap_err().to_string(), "stop");
        assert!(block_on(child).is_err());
        assert!(join(aborts));
    });
}

// Handles

#[test]
fn a_child_that_its_handle_aborts_while_it_ends_is_aborted_or_has_ended() {
    model(|| {
        let (running, n) = nursery(|_| async {});
        let alive = Counted::default();
        let child = n.spawn(alive.work());
        let aborting = thread::spawn(move || (child.abort("not needed"), block_on(child)));
        block_on(running).unwrap();
        assert_eq!(alive.get(), 0);
        match join(aborting) {
            (false, outcome) => outcome.unwrap(),
            // In its very last poll, perhaps.
            (true, Ok(())) => {}
            (true, Err(aborted)) => assert_eq!(aborted.to_string(), "not needed"),
        }
    });
}

#[test]
fn a_child_that_its_handle_aborts_while_it_goes_to_rest_ends() {
    model(|| {
        let (running, n) = nursery(|_| async {});
        let child = n.spawn(pending::<()>());
        let aborting = thread::spawn(move || {
            assert!(child.abort("not needed"));
            block_on(child).unwrap_err().to_string()
        });
        block_on(running).unwrap();
        assert_eq!(join(aborting), "not needed");
    });
}

#[test]
fn a_child_whose_handle_aborts_it_and_is_dropped_ends() {
    model(|| {
        let gate = Gate::default();
        let (running, n) = nursery(|_| async {});
        let child = n.spawn(gate.wait());
        let aborting = thread::spawn(move || {
            assert!(child.abort("not needed"));
            drop(child);
            // Which may come while the child looks at it, in the midst of a poll.
            drop(gate.waker());
        });
        block_on(running).unwrap();
        join(aborting);
    });
}

#[test]
fn who_awaits_a_child_elsewhere_is_told_what_it_came_to() {
    model(|| {
        let (running, n) = nursery(|_| async {});
        let (alive, scope) = (Counted::default(), Scope::new("scope"));
        let (work, seen) = (alive.work(), alive.clone());
        let chain = async move {
            work.await;
            7
        };
        let (child, members) = (chain.in_scope(&scope).spawn_in(&n), scope.clone());
        let awaiting = thread::spawn(move || {
            assert_eq!(block_on(child).unwrap(), 7);
            assert_eq!((seen.get(), members.members()), (0, 0));
        });
        block_on(running).unwrap();
        join(awaiting);
    });
}

#[test]
fn a_handle_that_is_dropped_while_its_child_ends_leaves_no_waker() {
    model(|| {
        let (running, n) = nursery(|_| async {});
        let mut child = n.spawn(pending_once());
        let dropping = thread::spawn(move || {
            let bell = Bell::new();
            let polled = poll(Pin::new(&mut child), &Waker::from(bell.clone()));
            drop(child);
            // The child may have it in hand.
            assert!(polled.is_pending() || Arc::strong_count(&bell) == 1);
        });
        block_on(running).unwrap();
        join(dropping);
    });
}

// Who runs elsewhere

#[test]
fn a_member_elsewhere_that_leaves_is_waited_for() {
    model(|| {
        let (running, n) = nursery(|_| async {});
        let alive = Counted::default();
        let member = alive.work().in_scope(&n);
        let leaving = thread::spawn(move || block_on(member));
        block_on(running).unwrap();
        assert_eq!(alive.get(), 0);
        join(leaving).unwrap();
    });
}

#[test]
fn who_joins_from_elsewhere_while_a_nursery_ends_is_waited_for_or_never_starts() {
    model(|| {
        let (running, n) = nursery(|_| async {});
        let alive = Counted::default();
        let at_work = alive.clone();
        let joining = thread::spawn(move || {
            let before = at_work.clone();
            _ = block_on(at_work.work().in_scope(&n));
            assert_eq!(before.get(), 0);
        });
        block_on(running).unwrap();
        assert_eq!(alive.get(), 0);
        join(joining);
        assert_eq!(alive.get(), 0);
    });
}

#[test]
fn a_member_elsewhere_that_is_aborted_is_waited_for() {
    model(|| {
        let (running, n) = nursery(|n| {
            let n = n.clone();
            async move {
                n.abort("stop");
                pending::<()>().await
            }
        });
        let alive = Counted::default();
        let guard = alive.guard();
        let member = async move {
            let _guard = guard;
            pending::<()>().await
        };
        let member = member.in_scope(&n);
        let ending = thread::spawn(move || block_on(member));
        assert_eq!(block_on(running).unwrap_err().to_string(), "stop");
        assert_eq!(alive.get(), 0);
        assert_eq!(join(ending).unwrap_err().to_string(), "stop");
    });
}

#[test]
fn a_member_elsewhere_ends_when_the_nursery_is_dropped() {
    model(|| {
        let (running, n) = nursery(|_| pending::<()>());
        let leaving = thread::spawn(move || block_on(pending::<()>().in_scope(&n)));
        let mut running = Box::pin(running);
        assert!(poll(running.as_mut(), &calls(|| {})).is_pending());
        drop(running);
        assert_eq!(join(leaving).unwrap_err().to_string(), "its owner has ended");
    });
}

#[test]
fn what_is_deferred_while_a_nursery_ends_is_run_or_dropped() {
    model(|| {
        let (running, n) = nursery(|_| async {});
        let (kept, ran) = (Counted::default(), Counted::default());
        let (guard, runs, other) = (kept.guard(), ran.clone(), n.clone());
        let deferring = thread::spawn(move || {
            other.defer(move |_| {
                let _guard = guard;
                runs.add();
            });
        });
        block_on(running).unwrap();
        let by_now = ran.get();
        join(deferring);
        // None runs later, and none is kept.
        assert_eq!((kept.get(), ran.get()), (0, by_now));
        drop(n);
    });
}
