//! Handles form a lattice: an abort goes down, never up, and the first reason wins for good.

mod executors;
mod support;

use support::{Count, on_wake, poll_once, poll_with};
use tenure::{AbortHandle, AbortReason, abort::Position, limit::Refusal};

fn said(handle: &AbortHandle) -> Option<String> {
    handle.reason().map(|reason| reason.to_string())
}

#[test]
fn an_abort_goes_down_and_never_up() {
    let top = AbortHandle::new();
    let (left, right) = (top.child(), top.child());
    let below = left.child();

    assert!(left.abort("left"));
    assert!(!top.is_aborted() && !right.is_aborted());
    assert_eq!(said(&below).as_deref(), Some("left"));

    assert!(top.abort("top"));
    assert_eq!(said(&right).as_deref(), Some("top"));
    assert_eq!(said(&left).as_deref(), Some("left"), "the first reason wins");
}

#[test]
fn only_the_call_that_aborted_says_so() {
    let handle = AbortHandle::new();
    assert!(handle.abort("first"));
    assert!(!handle.abort("second"));
    assert_eq!(said(&handle).as_deref(), Some("first"));
}

#[test]
fn a_join_aborts_with_the_first_and_a_meet_with_the_last() {
    let handles = [AbortHandle::new(), AbortHandle::new(), AbortHandle::new()];
    let any = AbortHandle::any(&handles);
    let all = AbortHandle::all(&handles);

    handles[1].abort("one");
    assert_eq!(said(&any).as_deref(), Some("one"));
    handles[0].abort("nought");
    assert!(!all.is_aborted());
    handles[2].abort("two");
    assert_eq!(said(&all).as_deref(), Some("two"));
}

#[test]
fn operators_are_join_and_meet() {
    let (a, b) = (AbortHandle::new(), AbortHandle::new());
    let (either, both) = (&a | &b, &a & &b);
    a.abort("a");
    assert!(either.is_aborted() && !both.is_aborted());
    b.abort("b");
    assert!(both.is_aborted());
}

#[test]
fn a_meet_counts_the_same_handle_once() {
    let (a, b) = (AbortHandle::new(), AbortHandle::new());
    let meet = AbortHandle::all([&a, &a, &b, &a]);
    a.abort("a");
    assert!(!meet.is_aborted());
    b.abort("b");
    assert!(meet.is_aborted());
}

#[test]
fn a_meet_of_what_was_aborted_before_has_the_reason_of_the_last_given() {
    let handles: Vec<_> = (0..20).map(|_| AbortHandle::new()).collect();
    for (number, handle) in handles.iter().enumerate() {
        handle.abort(number.to_string());
    }
    for (number, handle) in handles.iter().enumerate() {
        let meet = AbortHandle::all(handles.iter().chain([&handles[0], handle]));
        assert_eq!(said(&meet).as_deref(), Some("19"), "each counts once, where it came first");
        let pair = &handles[19 - number] & handle;
        assert_eq!(said(&pair).as_deref(), Some(number.to_string().as_str()));
    }
}

#[test]
fn what_is_made_below_an_aborted_handle_is_aborted() {
    let (dead, live) = (AbortHandle::new(), AbortHandle::new());
    dead.abort("before");
    assert_eq!(said(&dead.child()).as_deref(), Some("before"));
    assert_eq!(said(&(&live | &dead)).as_deref(), Some("before"));

    let meet = &live & &dead;
    assert!(!meet.is_aborted());
    live.abort("after");
    assert_eq!(said(&meet).as_deref(), Some("after"));
}

#[test]
fn never_is_the_bottom() {
    let never = AbortHandle::never();
    assert!(!never.abort("in vain") && !never.is_aborted() && never.check().is_ok());

    let live = AbortHandle::new();
    let (join, meet) = (&never | &live, &never & &live);
    live.abort("live");
    assert!(join.is_aborted() && !meet.is_aborted());

    let child = never.child();
    assert!(child.abort("alone") && !never.is_aborted());
}

#[test]
fn of_nothing_a_join_never_aborts_and_a_meet_has() {
    assert!(!AbortHandle::any([]).is_aborted());
    assert!(AbortHandle::all([]).is_aborted());
}

#[test]
fn an_ancestor_that_nobody_holds_still_passes_aborts_on() {
    let top = AbortHandle::new();
    let bottom = top.child().child().child();
    top.abort("top");
    assert_eq!(said(&bottom).as_deref(), Some("top"));
}

#[test]
fn the_position_tells_here_from_above() {
    let parent = AbortHandle::named("parent");
    let child = parent.child();
    parent.abort("stop");
    let (here, above) = (parent.check().unwrap_err(), child.check().unwrap_err());
    assert_eq!((here.position(), above.position()), (Position::Here, Position::Above));
    assert_eq!((here.origin(), above.origin()), (Some("parent"), Some("parent")));
}

#[test]
fn a_cause_is_kept_and_is_the_source() {
    use std::error::Error;

    let (upstream, job) = (AbortHandle::new(), AbortHandle::new());
    upstream.abort("link is down");
    job.abort_because("nothing to read", upstream.check().unwrap_err());
    let aborted = job.check().unwrap_err();
    assert_eq!(aborted.cause().unwrap().to_string(), "link is down");
    assert_eq!(aborted.source().unwrap().to_string(), "link is down");
}

#[test]
fn guards_abort_unless_disarmed() {
    let handle = AbortHandle::new();
    drop(handle.clone().abort_on_drop());
    assert_eq!(handle.reason(), Some(AbortReason::ScopeEnded));

    let spared = AbortHandle::new().abort_on_drop().disarm();
    assert!(!spared.is_aborted());
}

#[test]
fn every_reason_reads_well() {
    use std::time::Duration;

    let reasons = [
        (AbortReason::TimedOut { after: Duration::from_millis(1500) }, "timed out after 1.5s"),
        (AbortReason::DeadlinePassed { at: Default::default() }, "the deadline has passed"),
        (
            AbortReason::SiblingFailed { who: Some("a".into()), error: "no".into() },
            "`a` failed: no",
        ),
        (AbortReason::SiblingFailed { who: None, error: "no".into() }, "a sibling failed: no"),
        (AbortReason::RaceLost { winner: "b".into() }, "lost the race to `b`"),
        (AbortReason::ScopeEnded, "its owner has ended"),
        (AbortReason::OverBudget { budget: "retries".into() }, "the budget `retries` is used up"),
        (AbortReason::Rejected { why: Refusal::Closed }, "rejected by a limit: it is closed"),
        (AbortReason::Panicked { who: None, message: "oh".into() }, "panicked: oh"),
        (AbortReason::NoTimer, "has to wait, but no timer was given"),
    ];
    for (reason, text) in reasons {
        assert_eq!(reason.to_string(), text);
    }
}

executors::on_every_executor! {
    async fn whoever_waits_is_woken_wherever_it_runs(executor: Executor) {
        let top = AbortHandle::new();
        let waiting: Vec<_> =
            (0..100).map(|_| executor.spawn(top.child().aborted())).collect();
        let aborter = top.clone();
        executor.spawn(async move { aborter.abort("all of you") }).await;
        for waiter in waiting {
            assert_eq!(waiter.await.to_string(), "all of you");
        }
    }
}

#[test]
fn callbacks_have_run_when_the_first_is_woken() {
    let top = AbortHandle::new();
    let (ran, seen) = (Count::default(), Count::default());
    let children: Vec<_> = (0..3).map(|_| top.child()).collect();
    let look = |handle: &AbortHandle| {
        let (ran, seen) = (ran.clone(), seen.clone());
        let mut waiting = handle.aborted();
        let look = on_wake(move || _ = seen.add_all(ran.get()));
        assert!(poll_with(&mut waiting, &look).is_pending());
        waiting
    };
    let _waiting: Vec<_> = [&top].into_iter().chain(&children).map(look).collect();
    for handle in [&top].into_iter().chain(&children) {
        let ran = ran.clone();
        handle.on_abort(move |_| _ = ran.add()).detach();
    }
    top.abort("all");
    assert_eq!(seen.get(), 4 * 4, "each of four has seen all four");
}

#[test]
fn a_waiter_that_came_after_the_abort_is_ready_at_once() {
    let handle = AbortHandle::new();
    handle.abort("early");
    assert!(poll_once(handle.aborted()).is_ready());
}
