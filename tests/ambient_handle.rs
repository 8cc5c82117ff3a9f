//! The handle of an owner that plain code has found: aborted with all that is around it, and at the latest when what
//! it owns has ended.

mod support;

use std::{future::pending, panic::AssertUnwindSafe, task::Poll, time::Duration};

use futures::FutureExt;
use futures_lite::future::yield_now;
use support::{ByHand, Log, SECOND, panic_quietly};
use tenure::{
    AbortHandle, Aborted, Backoff, OwnedFuture, Owner, Scope, time::TestClock, try_scope,
};

/// A chain in plain code hears of the aborts around it at once, before anything is polled.
#[test]
fn a_handle_found_in_a_chain_in_a_chain_is_below_all_owners() {
    let (stop, scope, found) = (AbortHandle::named("stop"), Scope::new("scope"), Log::default());
    let chain = |found: &Log<Owner>| {
        let found = found.clone();
        async move {
            let inner = async move {
                found.note(Owner::current().unwrap());
                pending::<()>().await
            };
            inner.with_timeout(SECOND).await
        }
    };
    let _one = ByHand::polled(chain(&found).in_scope(&scope).with_abort(&stop));
    assert!(!found.all()[0].is_aborted());
    stop.abort("enough");
    let aborted = found.all()[0].check().unwrap_err();
    assert_eq!(aborted.to_string(), "enough (in `stop`)");

    let _other = ByHand::polled(chain(&found).in_scope(&scope));
    scope.abort("halt");
    assert_eq!(found.all()[1].check().unwrap_err().to_string(), "halt (in `scope`)");
}

#[test]
fn its_handle_is_aborted_when_the_run_ends_however_it_does() {
    let found = Log::default();
    let keep = || found.note(Owner::current().unwrap());
    let last = || found.all().pop().unwrap();
    let clock = TestClock::new();

    ByHand::new(async { keep() }.owned()).ready().unwrap();
    assert_eq!(last().check().unwrap_err().to_string(), "its owner has ended");

    let stuck = async {
        keep();
        pending::<()>().await
    };
    let mut stuck = ByHand::polled(stuck.with_timeout(SECOND).with_timer(&clock));
    assert!(!last().is_aborted());
    clock.advance(SECOND);
    assert!(stuck.poll().is_ready());
    assert_eq!(last().check().unwrap_err().to_string(), "timed out after 1s");

    let dropped = async {
        keep();
        pending::<()>().await
    };
    let dropped = ByHand::polled(dropped.owned());
    assert!(!last().is_aborted());
    drop(dropped);
    assert_eq!(last().check().unwrap_err().to_string(), "its owner has ended");

    let panics = async {
        keep();
        panic_quietly()
    };
    let panics = AssertUnwindSafe(panics.owned()).catch_unwind();
    assert!(ByHand::new(panics).ready().map(|ended: Result<(), Aborted>| ended).is_err());
    assert_eq!(last().check().unwrap_err().to_string(), "its owner has ended");
}

#[test]
fn each_attempt_of_a_retry_has_a_handle_of_its_own() {
    let found = Log::default();
    let failing = || {
        let found = found.clone();
        async move {
            let owner = Owner::current().unwrap();
            found.note(owner.clone());
            Err::<(), _>(owner.attempt())
        }
    };
    let chain = failing.retry(Backoff::fixed(Duration::ZERO).attempts(3));
    assert_eq!(ByHand::new(chain).ready().unwrap(), Err(3));
    let found = found.all();
    assert_eq!(found.iter().map(Owner::attempt).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(found.iter().all(Owner::is_aborted));
    assert_ne!(found[0].abort_handle(), found[1].abort_handle());
}

#[test]
fn children_and_the_body_have_handles_of_their_own() {
    let found = Log::default();
    let nursery = try_scope(async |n| {
        let children = ["one", "two"].map(|name| {
            let found = found.clone();
            let child = async move {
                found.note(Owner::current().unwrap());
                pending::<Result<(), Aborted>>().await
            };
            child.named(name).spawn_in(&n)
        });
        yield_now().await;
        found.note(Owner::current().unwrap());
        assert!(children[0].abort("only you"));
        yield_now().await;
        let aborted: Vec<_> = found.all().iter().map(Owner::is_aborted).collect();
        assert_eq!(aborted, [true, false, false]);
        Err::<(), _>(Aborted::new("enough"))
    });
    assert!(matches!(ByHand::new(nursery).run(), Poll::Ready(Err(_))));
    let reasons = found.all().into_iter().map(|owner| owner.check().unwrap_err().to_string());
    assert_eq!(
        reasons.collect::<Vec<_>>(),
        ["only you", "a sibling failed: enough", "a sibling failed: enough",]
    );
}
