//! What is long-lived keeps nothing of the children, the members and the scopes that come and go in it, however many.

mod support;

use std::{cell::Cell, future::pending};

use allocation_counter::measure;
use futures_lite::future::yield_now;
use support::{ByHand, CountingTimer, Drops, SECOND};
use tenure::{
    Aborted, OwnedFuture, Owner, Scope, local_scope, owner::Key, scope::LocalNursery,
    time::TimerHandle,
};

/// After `run` has gone so many rounds all is as it was after the first few, in pieces and in bytes, and there was
/// never more of either than in those.
fn comes_and_goes(times: usize, mut run: impl FnMut(usize)) {
    run(8);
    let few = measure(|| run(8));
    let many = measure(|| run(times));
    assert_eq!((many.count_current, many.bytes_current), (0, 0));
    assert_eq!((many.count_max, many.bytes_max), (few.count_max, few.bytes_max));
    assert!(few.count_total >= 8, "it made nothing at all");
}

/// As `comes_and_goes`, in one nursery that goes on and on.
fn comes_and_goes_in_a_nursery(times: usize, round: impl AsyncFn(&LocalNursery<'_>)) {
    let left = Cell::new(0);
    let nursery = local_scope(async |n| {
        loop {
            while left.get() > 0 {
                left.set(left.get() - 1);
                round(&n).await;
            }
            yield_now().await;
        }
    });
    let mut nursery: ByHand<'_, Result<(), Aborted>> = ByHand::new(nursery);
    comes_and_goes(times, |rounds| {
        left.set(rounds);
        while left.get() > 0 {
            assert!(nursery.poll().is_pending());
        }
        // The last one has ended by then.
        (0..8).for_each(|_| assert!(nursery.poll().is_pending()));
    });
}

#[test]
fn a_million_children_leave_nothing_behind() {
    comes_and_goes_in_a_nursery(1_000_000, async |n| {
        let child = n.spawn(async {
            yield_now().await;
            7
        });
        assert_eq!(child.await, Ok(7));
    });
}

#[test]
fn children_that_are_ready_at_once_leave_nothing_behind() {
    comes_and_goes_in_a_nursery(100_000, async |n| {
        drop(n.spawn(async {}));
        assert_eq!(n.spawn(async { 7 }).await, Ok(7));
    });
}

#[test]
fn children_that_are_aborted_or_panic_leave_nothing_behind() {
    comes_and_goes_in_a_nursery(100_000, async |n| {
        let stuck = n.spawn(pending::<()>());
        let never = n.spawn(pending::<()>());
        never.abort("before it begins");
        yield_now().await;
        stuck.abort("enough");
        stuck.await.unwrap_err();
        never.await.unwrap_err();
    });
}

/// Their names, the chains that they are and the owners that they ask for go with them.
#[test]
fn children_that_are_chains_leave_nothing_behind() {
    let timer = TimerHandle::new(CountingTimer::default());
    comes_and_goes_in_a_nursery(100_000, async |n| {
        let chain = async {
            yield_now().await;
            Owner::current().unwrap().check()
        };
        let chain = chain.with_timeout(SECOND).with_timer(&timer).named("child").with_grace(SECOND);
        chain.spawn_in(n).await.unwrap().unwrap();
    });
}

/// A list of many at once is given back, too.
#[test]
fn many_at_once_leave_nothing_behind() {
    comes_and_goes_in_a_nursery(64, async |n| {
        let children: Vec<_> = (0..1_000).map(|_| n.spawn(async { yield_now().await })).collect();
        for child in children {
            child.await.unwrap();
        }
    });
}

#[test]
fn members_of_a_nursery_leave_nothing_behind() {
    comes_and_goes_in_a_nursery(100_000, async |n| {
        let member = Box::pin(yield_now().named("member").in_scope(n));
        member.await.unwrap();
    });
}

/// Deep in plain code it holds the future around it, and hears of what is above.
#[test]
fn nurseries_in_a_nursery_leave_nothing_behind() {
    comes_and_goes_in_a_nursery(100_000, async |_| {
        let inner = local_scope(async |n| {
            n.defer(drop);
            n.spawn(async { yield_now().await }).await.unwrap();
        });
        inner.await.unwrap();
    });
}

#[test]
fn a_million_members_leave_nothing_behind() {
    let scope = Scope::new("scope");
    comes_and_goes(1_000_000, |rounds| {
        for _ in 0..rounds {
            let mut member = ByHand::polled(yield_now().in_scope(&scope));
            member.ready().unwrap();
        }
    });
    let members = ByHand::new(scope.close()).ready().members();
    assert_eq!((members.ran, scope.members()), (1_000_016, 0));
}

#[test]
fn members_that_end_otherwise_leave_nothing_behind() {
    let (scope, drops) = (Scope::new("scope"), Drops::default());
    comes_and_goes(100_000, |rounds| {
        for _ in 0..rounds {
            drop(ByHand::new(pending::<()>().named("never polled").in_scope(&scope)));
            drop(ByHand::polled(drops.of(pending::<()>()).named("half-way").in_scope(&scope)));
            let late = pending::<()>().with_timeout(std::time::Duration::ZERO).in_scope(&scope);
            ByHand::new(late).ready().unwrap_err();
        }
    });
    assert_eq!((drops.live(), scope.members(), scope.alive().len()), (0, 0, 0));
}

static KEY: Key<u32> = Key::new("key");

#[test]
fn a_million_scopes_in_a_scope_leave_nothing_behind() {
    let scope = Scope::builder("scope").value(&KEY, 7).build();
    comes_and_goes(1_000_000, |rounds| (0..rounds).for_each(|_| drop(scope.child("child"))));
    assert_eq!(scope.members(), 0);
}

#[test]
fn scopes_in_a_scope_that_were_used_leave_nothing_behind() {
    let timer = TimerHandle::new(CountingTimer::default());
    let scope = Scope::builder("scope").timer(&timer).build();
    comes_and_goes(50_000, |rounds| {
        for _ in 0..rounds {
            let child =
                Scope::builder("child").value(&KEY, 7).timeout(SECOND).child_of(&scope).build();
            child.defer(drop);
            child.defer_async(|_| yield_now());
            child.on_close(|report| assert_eq!(report.members().aborted, 1));
            let mut member = ByHand::polled(pending::<()>().named("member").in_scope(&child));
            child.abort("enough");
            member.ready().unwrap_err();
            let mut close = ByHand::polled(child.close());
            assert_eq!(close.ready().clean_up().steps, 2);
        }
    });
    assert_eq!(scope.members(), 0);
}
