//! A panic anywhere ends what it must, and nothing else: no permit, no wake-up, no clean-up is lost.

mod executors;
mod support;

use std::{
    future::{Future, Ready, pending, poll_fn},
    panic::{AssertUnwindSafe, panic_any, resume_unwind},
    pin::Pin,
    task::Poll,
    time::Duration,
};

use futures::FutureExt;
use futures_lite::future::yield_now;
use support::{
    ByHand, Drops, Log, SECOND, Token, message, on_wake, panic_of, panic_quietly, poll_once,
};
use tenure::{
    AbortHandle, Aborted, Backoff, Limit, OwnedFuture, Owner, Scope, abort::AbortReason,
    bracket::bracket, owner::Key, scope, time::TestClock,
};

#[derive(Debug, PartialEq)]
struct Payload(u32);

fn panicked(who: Option<&'static str>, message: &str) -> AbortReason {
    AbortReason::Panicked { who: who.map(Into::into), message: message.into() }
}

executors::on_every_executor! {
    async fn a_panic_ends_the_siblings_and_goes_on_in_whoever_waits(executor: Executor) {
        let (scope, limit, drops) = (Scope::new("scope"), Limit::new(8), Drops::default());
        let siblings: Vec<_> = (0..7)
            .map(|_| {
                let work = drops.of(pending::<()>());
                executor.spawn(work.limit(&limit).in_scope(&scope))
            })
            .collect();
        let child = async {
            yield_now().await;
            panic!("{} is out of range", 7)
        };
        let child = executor.spawn(child.named("child").limit(&limit).in_scope(&scope));
        let panic = AssertUnwindSafe(child).catch_unwind().await.map(|_: Result<(), _>| ());
        assert_eq!(message(&*panic.unwrap_err()), "7 is out of range");

        let report = scope.close().await;
        assert_eq!((drops.live(), limit.active(), scope.members()), (0, 0, 0));
        let reason = panicked(Some("child"), "7 is out of range");
        assert_eq!(report.aborted().unwrap().reason(), &reason);
        for sibling in siblings {
            assert_eq!(sibling.await.unwrap_err().reason(), &reason);
        }
    }

    async fn the_payload_arrives_as_it_was(executor: Executor) {
        let scope = Scope::new("scope");
        let chain = (|| async { panic_any(Payload(7)) })
            .with_timeout(SECOND)
            .retry(Backoff::exponential())
            .limit(Limit::new(1))
            .in_scope(&scope);
        let panic: Result<Result<Result<(), ()>, _>, _> =
            AssertUnwindSafe(executor.spawn(chain)).catch_unwind().await;
        assert_eq!(panic.unwrap_err().downcast_ref(), Some(&Payload(7)));
        scope.close().await;
        assert_eq!(scope.abort_handle().reason(), Some(panicked(None, "a value that isn't text")));
    }
}

/// Polls a chain in a scope and a limit until it panics with `text`, and looks at what is left.
fn leaves_nothing<T>(
    text: &str,
    make: impl FnOnce(&Limit, &Scope) -> Pin<Box<dyn Future<Output = T>>>,
) {
    let (limit, scope) = (Limit::new(1), Scope::new("scope"));
    let mut sibling = ByHand::polled(pending::<()>().in_scope(&scope));
    let mut chain = ByHand::new(make(&limit, &scope));
    let panic = panic_of(|| while chain.run().is_pending() {});
    assert_eq!(message(&*panic), text);
    assert_eq!(sibling.ready().unwrap_err().reason(), &panicked(None, text));
    drop((chain, sibling));
    assert_eq!((limit.active(), limit.waiting(), scope.members()), (0, 0, 0));
    assert_eq!(ByHand::new(async { 1 }.limit(&limit)).ready().unwrap(), 1);
    ByHand::new(scope.close()).ready();
}

#[test]
fn a_closure_may_panic_before_it_has_made_a_future() {
    leaves_nothing("made none", |limit, scope| {
        Box::pin((|| -> Ready<()> { panic!("made none") }).limit(limit).in_scope(scope))
    });
    leaves_nothing("made none", |limit, scope| {
        Box::pin(
            (|_: tenure::Owner| -> Ready<()> { panic!("made none") }).limit(limit).in_scope(scope),
        )
    });
}

#[test]
fn what_a_retry_asks_may_panic() {
    let down = || async { Err::<(), _>("down") };
    let at_once = Backoff::fixed(Duration::ZERO);
    leaves_nothing("in when", |limit, scope| {
        Box::pin(down.retry(at_once).when(|_| panic!("in when")).limit(limit).in_scope(scope))
    });
    leaves_nothing("in on_retry", |limit, scope| {
        let chain = down.retry(at_once).on_retry(|_| panic!("in on_retry"));
        Box::pin(chain.limit(limit).in_scope(scope))
    });
    leaves_nothing("in the policy", |limit, scope| {
        let policy = std::iter::from_fn(|| -> Option<Duration> { panic!("in the policy") });
        Box::pin(down.retry(policy).limit(limit).in_scope(scope))
    });
}

#[test]
fn who_is_told_that_it_takes_long_may_panic() {
    leaves_nothing("in warn_after", |limit, scope| {
        let chain = pending::<()>().warn_after(Duration::ZERO, |_| panic!("in warn_after"));
        Box::pin(chain.limit(limit).in_scope(scope))
    });
    leaves_nothing("in warn_after", |limit, scope| {
        let attempt = || pending::<Result<(), ()>>();
        let chain = attempt.warn_after(Duration::ZERO, |_| panic!("in warn_after"));
        let chain = chain.with_idle_timeout(SECOND).retry(Backoff::exponential());
        Box::pin(chain.with_timeout(SECOND).limit(limit).in_scope(scope))
    });
}

#[test]
fn who_has_time_to_end_may_panic_in_it() {
    let told = |owner: Owner| async move {
        owner.aborted().await;
        panic!("in its grace")
    };
    leaves_nothing("in its grace", |limit, scope| {
        let chain = told.with_grace(SECOND).with_timeout(Duration::ZERO);
        let chain = async move { chain.await.map(|(): ()| ()) };
        Box::pin(chain.limit(limit).in_scope(scope))
    });
    leaves_nothing("untold", |limit, scope| {
        let untold = async {
            yield_now().await;
            panic!("untold")
        };
        let chain = untold.shielded(SECOND).limit(limit).with_timeout(Duration::ZERO);
        Box::pin(chain.in_scope(scope))
    });
}

#[test]
fn a_child_or_the_body_of_a_nursery_may_panic() {
    leaves_nothing("in a child", |limit, scope| {
        let limit = limit.clone();
        let children = tenure::scope(async move |n| {
            n.spawn(pending::<()>());
            n.spawn(async { panic!("in a child") }.limit(&limit)).await
        });
        Box::pin(children.in_scope(scope))
    });
    leaves_nothing("in the body", |limit, scope| {
        let inner = limit.clone();
        let children = tenure::local_scope(async move |n| {
            n.spawn(pending::<()>().limit(&inner));
            yield_now().await;
            panic!("in the body")
        });
        Box::pin(children.in_scope(scope))
    });
    leaves_nothing("before it began", |limit, scope| {
        let (inner, outer) = (limit.clone(), scope.clone());
        let begins = async move {
            tenure::scope(|n| -> Ready<()> {
                n.spawn(pending::<()>().limit(&inner).in_scope(&outer));
                panic!("before it began")
            })
            .await
        };
        Box::pin(begins.in_scope(scope))
    });
}

#[test]
fn each_part_of_a_bracket_may_panic() {
    const PARTS: [&str; 3] = ["acquire", "use", "release"];
    for panics in PARTS {
        leaves_nothing(panics, |limit, scope| {
            let held = bracket(
                async move {
                    assert!(panics != "acquire", "{panics}");
                    Ok::<_, ()>(())
                },
                async move |_| {
                    assert!(panics != "use", "{panics}");
                    Ok(())
                },
                async move |(), _| assert!(panics != "release", "{panics}"),
            );
            Box::pin(held.limit(limit).in_scope(scope))
        });
    }
}

/// A nursery tells it to those who want to know, and it hides no result.
#[test]
fn who_cleans_up_and_who_is_told_may_panic() {
    let told = std::sync::Mutex::new((0, 0));
    let mut children = ByHand::new(tenure::scope(async |n| {
        n.on_close(|_| panic!("told"));
        n.on_close(|report| {
            *told.lock().unwrap() = (report.clean_up().steps, report.clean_up().panicked);
        });
        n.defer(|_| panic!("in clean-up"));
        n.defer_async(async |_| {
            yield_now().await;
            panic!("in clean-up")
        });
        n.defer_async(|_| -> Ready<()> { panic!("before it began") });
        7
    }));
    assert!(matches!(children.run(), Poll::Ready(Ok(7))));
    assert_eq!(*told.lock().unwrap(), (3, 3));
}

/// It is dropped with the whole, when what ran has long ended.
#[test]
fn a_value_may_panic_when_it_is_dropped() {
    static GRENADE: Key<Grenade> = Key::new("grenade");
    let (drops, limit, scope) = (Drops::default(), Limit::new(1), Scope::new("scope"));
    let chain = async {}.with_value(&GRENADE, Grenade(drops.token()));
    let mut chain = ByHand::new(chain.limit(&limit).in_scope(&scope));
    assert_eq!(message(&*panic_of(|| chain.poll())), "in drop");
    assert_eq!((drops.made(), drops.live()), (1, 0));
    drop(chain);
    assert_eq!((limit.active(), scope.members(), scope.is_aborted()), (0, 0, false));
}

/// Panics when it is dropped, and counts that.
struct Grenade(#[allow(dead_code, reason = "counted when it is dropped")] Token);

impl Drop for Grenade {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("in drop");
        }
    }
}

#[test]
fn a_future_may_panic_when_it_is_dropped() {
    let drops = Drops::default();
    let armed = |turns: usize| {
        let grenade = Grenade(drops.token());
        poll_fn(move |cx| {
            let _grenade = &grenade;
            if turns == 0 {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
    };
    leaves_nothing("in drop", |limit, scope| Box::pin(armed(0).limit(limit).in_scope(scope)));
    leaves_nothing("in drop", |limit, scope| {
        Box::pin(armed(1).with_timeout(Duration::ZERO).limit(limit).in_scope(scope))
    });
    leaves_nothing("in drop", |limit, scope| {
        let stop = AbortHandle::new();
        let chain = armed(1).with_abort(stop.clone()).limit(limit).in_scope(scope);
        // Aborted between two polls.
        Box::pin(async move {
            let mut chain = std::pin::pin!(chain);
            assert!(futures::poll!(chain.as_mut()).is_pending());
            stop.abort("stop");
            chain.await
        })
    });
    assert_eq!((drops.made(), drops.live()), (3, 0), "each once");
}

#[test]
fn a_waker_that_panics_keeps_no_sibling_from_waking() {
    for hostile in 0..8 {
        let scope = Scope::new("scope");
        let mut members: Vec<_> =
            (0..8).map(|_| ByHand::new(pending::<()>().in_scope(&scope))).collect();
        for (n, member) in members.iter_mut().enumerate() {
            let polled = match n == hostile {
                true => member.poll_with(&on_wake(|| panic!("waker"))),
                false => member.poll(),
            };
            assert!(polled.is_pending());
        }
        assert_eq!(message(&*panic_of(|| scope.abort("stop"))), "waker");
        for (n, mut member) in members.into_iter().enumerate() {
            assert_eq!(member.wakes(), usize::from(n != hostile));
            assert_eq!(member.ready().unwrap_err().to_string(), "stop (in `scope`)");
        }
        ByHand::new(scope.close()).ready();
    }
}

#[test]
fn of_many_wakers_that_panic_the_first_one_is_heard() {
    let scope = Scope::new("scope");
    let mut members: Vec<_> =
        (0..8).map(|_| ByHand::new(pending::<()>().in_scope(&scope))).collect();
    for (n, member) in members.iter_mut().enumerate() {
        assert!(member.poll_with(&on_wake(move || panic_any(n))).is_pending());
    }
    assert_eq!(panic_of(|| scope.abort("stop")).downcast_ref(), Some(&0_usize));
    assert!(!scope.abort("again"));
}

#[test]
fn a_waker_that_panics_does_not_replace_the_panic_of_a_child() {
    let scope = Scope::new("scope");
    let mut hostile = ByHand::new(pending::<()>().in_scope(&scope));
    assert!(hostile.poll_with(&on_wake(|| panic!("waker"))).is_pending());
    let mut child = ByHand::new(async { panic!("child") }.in_scope(&scope));
    assert_eq!(message(&*panic_of(|| child.poll())), "child");
}

#[test]
fn a_waker_that_panics_does_not_take_the_place_of_an_error() {
    let scope = Scope::new("pair");
    let mut sibling = ByHand::new(pending::<()>().in_scope(&scope));
    assert!(sibling.poll_with(&on_wake(|| panic!("waker"))).is_pending());
    let failing = async { Err::<(), _>("down") }.try_in_scope(&scope);
    assert_eq!(ByHand::new(failing).ready().unwrap(), Err("down"));
    assert!(sibling.ready().is_err());
}

#[test]
fn a_waker_of_a_close_that_panics_keeps_no_other_from_waking() {
    let scope = Scope::new("scope");
    let member = pending::<()>().in_scope(&scope);
    let mut closes: Vec<_> = (0..8).map(|_| ByHand::new(scope.close())).collect();
    for (n, close) in closes.iter_mut().enumerate() {
        let polled = match n {
            3 => close.poll_with(&on_wake(|| panic!("waker"))),
            _ => close.poll(),
        };
        assert!(polled.is_pending());
    }
    assert_eq!(message(&*panic_of(|| drop(member))), "waker");
    assert_eq!(scope.members(), 0);
    for (n, mut close) in closes.into_iter().enumerate() {
        assert_eq!(close.wakes(), usize::from(n != 3));
        close.ready();
    }
}

#[test]
fn a_poll_after_a_panic_is_told_of_it() {
    let (scope, limit) = (Scope::new("scope"), Limit::new(1));
    let mut chain = ByHand::new(async { panic!("oh no") }.limit(&limit).in_scope(&scope));
    panic_of(|| chain.poll());
    let again: Aborted = chain.ready().map(|_: ()| ()).unwrap_err();
    assert_eq!(again.reason(), &panicked(None, "oh no"));
    assert_eq!((limit.active(), limit.waiting()), (0, 0));
    assert_eq!(message(&*panic_of(|| chain.poll())), "`Owned` polled after completion");
}

#[test]
fn a_retry_goes_on_where_a_panic_left_it() {
    let mut calls = 0;
    let flaky = || {
        calls += 1;
        assert_ne!(calls, 2, "the second call");
        async move { if calls < 4 { Err(calls) } else { Ok(calls) } }
    };
    let mut chain = ByHand::new(flaky.retry(Backoff::fixed(Duration::ZERO).attempts(3)));
    panic_of(|| chain.poll());
    assert_eq!(chain.ready().unwrap(), Ok(4));
}

/// Polls `future` once more than it can be.
fn polled_too_often<F: Future>(future: F) -> String {
    let mut future = Box::pin(future);
    assert!(poll_once(future.as_mut()).is_ready());
    let panic = panic_of(|| poll_once(future.as_mut()));
    message(&*panic).into()
}

#[test]
fn a_poll_after_ready_says_what_was_polled() {
    let (clock, scope) = (TestClock::new(), Scope::new("scope"));
    let limit = Limit::new(1);
    assert_eq!(polled_too_often(async {}.owned()), "`Owned` polled after completion");
    assert_eq!(polled_too_often((|| async {}).limit(&limit)), "`Owned` polled after completion");
    assert_eq!(
        polled_too_often(async {}.with_timeout(SECOND).in_scope(&scope)),
        "`Owned` polled after completion",
    );
    assert_eq!(
        polled_too_often(async { Ok::<_, ()>(()) }.owned().flatten()),
        "`Owned` polled after completion",
    );
    assert_eq!(
        polled_too_often(tenure::scope(async |_| {}).with_timeout(SECOND)),
        "`Owned` polled after completion",
    );
    assert_eq!(
        polled_too_often(tenure::try_scope(async |_| Ok::<_, tenure::Error<&str>>(()))),
        "`Owned` polled after completion",
    );
    let held = bracket(async { Ok::<_, ()>(()) }, async |_| Ok(()), async |(), _| {});
    assert_eq!(polled_too_often(held), "`Owned` polled after completion");
    let member = pending::<()>().in_scope(&scope);
    let no_time = scope.close_within(Duration::ZERO);
    assert_eq!(polled_too_often(no_time), "`CloseWithin` polled after completion");
    drop(member);
    assert_eq!(polled_too_often(scope.close()), "`Close` polled after completion");
    assert_eq!(
        polled_too_often(scope.close_within(SECOND)),
        "`CloseWithin` polled after completion"
    );
    assert_eq!(polled_too_often(scope.closed()), "`Closed` polled after completion");
    assert_eq!(polled_too_often(clock.watch(async {})), "`Watch` polled after completion");
}

struct PanicsOnDrop;

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        panic!("on drop");
    }
}

#[test]
fn a_member_that_panics_while_a_timeout_ends_it_aborts_its_siblings() {
    let scope = Scope::new("pair");
    let member = async {
        let _bomb = PanicsOnDrop;
        pending::<()>().await;
    };
    let chain = member.named("bomb").in_scope(&scope).with_timeout(Duration::ZERO);
    assert_eq!(message(&*panic_of(|| smol::block_on(chain))), "on drop");
    assert_eq!(scope.abort_handle().reason(), Some(panicked(Some("bomb"), "on drop")));
}

struct Unspeakable;

impl std::fmt::Display for Unspeakable {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("no words");
    }
}

#[test]
fn an_error_that_panics_when_displayed_aborts_the_siblings() {
    let scope = Scope::new("pair");
    let failing = async { Err::<(), _>(Unspeakable) }.try_in_scope(&scope);
    assert_eq!(message(&*panic_of(|| smol::block_on(failing).is_ok())), "no words");
    assert_eq!(scope.abort_handle().reason(), Some(panicked(None, "no words")));
}

/// It is what a service would leak, bit by bit, that goes on after each.
#[test]
fn what_a_panic_carries_is_dropped_though_nobody_is_given_it() {
    let drops = Drops::default();
    let panics = || {
        let carried = drops.token();
        async move { resume_unwind(Box::new(carried)) }
    };
    let nursery = scope(async |n| {
        let carried = drops.token();
        n.defer_async(async move |_| resume_unwind(Box::new(carried)));
        n.spawn_background(panics()).await.unwrap_err();
    });
    ByHand::new(nursery).ready().unwrap();
    assert_eq!((drops.made(), drops.live()), (2, 0));

    let closing = Scope::new("closing");
    let carried = drops.token();
    closing.defer_async(async move |_| resume_unwind(Box::new(carried)));
    let carried = drops.token();
    closing.on_close(move |_| resume_unwind(Box::new(carried)));
    ByHand::new(closing.close()).ready();
    assert_eq!((drops.made(), drops.live()), (4, 0));

    // The first one goes on; the second one doesn't.
    let nursery = scope(async |n| {
        n.spawn(panics().named("first"));
        n.spawn(panics().named("second"));
    });
    let first = panic_of(|| ByHand::new(nursery).ready().is_ok());
    assert_eq!(drops.live(), 1);
    drop(first);
    assert_eq!(drops.live(), 0);
}

/// Then there is one that can be dropped no more.
#[test]
fn a_panic_that_panics_when_it_is_dropped_stops_nothing() {
    struct Again;
    impl Drop for Again {
        fn drop(&mut self) {
            panic_quietly()
        }
    }
    let scope = Scope::new("scope");
    let log = Log::default();
    let last = log.clone();
    scope.defer(move |_| last.note("last"));
    scope.defer(|_| panic_any(Again));
    let report = ByHand::new(scope.close()).ready();
    assert_eq!((report.clean_up().panicked, log.all()), (1, vec!["last"]));
}
