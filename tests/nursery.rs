//! A nursery ends when its body and all its children have, and not before; children may borrow.

mod executors;
mod support;

use std::{
    cell::Cell,
    future::{pending, poll_fn, ready},
    rc::Rc,
    sync::Mutex,
    task::Poll,
    time::Duration,
};

use futures_lite::future::yield_now;
use support::{ByHand, Count, Drops, Log, SECOND, message, panic_of};
use tenure::{
    AbortReason, Aborted, OwnedFuture, Owner, abort::Position, local_scope, scope,
    scope::JoinHandle, time::TestClock, try_local_scope, try_scope,
};

executors::on_every_executor! {
    async fn it_ends_when_the_last_child_has(executor: Executor) {
        let (clock, log) = (TestClock::new(), Log::default());
        let (inside, noted) = (clock.clone(), log.clone());
        let nursery = scope(async move |n| {
            for seconds in [3, 1, 2] {
                let (clock, log) = (inside.clone(), noted.clone());
                n.spawn(async move {
                    clock.sleep(seconds * SECOND).await;
                    log.note(seconds.to_string());
                });
            }
            noted.note("body".to_owned());
            "value"
        });
        assert_eq!(executor.spawn(clock.watch(nursery)).await, Ok("value"));
        assert_eq!(log.all(), ["body", "1", "2", "3"]);
        assert_eq!(clock.elapsed(), 3 * SECOND);
    }

    async fn children_borrow_from_whoever_awaits_it(executor: Executor) {
        let words = ["one", "two", "three"].map(String::from);
        let work = async move {
            let lengths = Mutex::new(Vec::new());
            scope(async |n| {
                for word in &words {
                    let lengths = &lengths;
                    n.spawn(async move {
                        yield_now().await;
                        lengths.lock().unwrap().push(word.len());
                    });
                }
            })
            .await
            .unwrap();
            lengths.into_inner().unwrap()
        };
        // It is `Send`, for all that it borrows.
        assert_eq!(executor.spawn(work).await, [3, 3, 5]);
    }

    async fn children_spawn_children(executor: Executor) {
        let count = Count::default();
        let counted = count.clone();
        let nursery = scope(async move |n| {
            for _ in 0..10 {
                let (n, count) = (n.clone(), counted.clone());
                n.clone().spawn(async move {
                    for _ in 0..10 {
                        let count = count.clone();
                        n.spawn(async move {
                            yield_now().await;
                            count.add();
                        });
                    }
                });
            }
        });
        executor.spawn(nursery).await.unwrap();
        assert_eq!(count.get(), 100);
    }

    async fn the_first_error_ends_all_of_it(executor: Executor) {
        let (clock, drops) = (TestClock::new(), Drops::default());
        let (inside, counted) = (clock.clone(), drops.clone());
        let nursery = try_scope(async move |n| {
            let slow = n.spawn(counted.of(pending::<()>()));
            let clock = inside.clone();
            let failing = async move {
                clock.sleep(SECOND).await;
                Err::<(), _>(std::io::Error::other("disk is full"))
            };
            n.try_spawn(failing.named("disk").owned().flatten());
            drop(slow);
            counted.of(pending::<()>()).await;
            Ok::<_, Error>(())
        });
        let error = executor.spawn(clock.watch(nursery)).await.unwrap_err();
        assert_eq!(error.0, "disk is full");
        assert_eq!((clock.elapsed(), drops.made(), drops.live()), (SECOND, 2, 0));
    }
}

/// What the nursery of a test fails with.
#[derive(Debug, PartialEq)]
struct Error(String);

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Aborted> for Error {
    fn from(aborted: Aborted) -> Self {
        Self(aborted.to_string())
    }
}

impl From<tenure::Error<std::io::Error>> for Error {
    fn from(error: tenure::Error<std::io::Error>) -> Self {
        Self(error.to_string())
    }
}

impl From<&str> for Error {
    fn from(error: &str) -> Self {
        Self(error.to_owned())
    }
}

#[test]
fn a_handle_tells_what_its_child_came_to() {
    let mut nursery = ByHand::new(scope(async |n| {
        let one = n.spawn(ready(1));
        let late = n.spawn(async {
            yield_now().await;
            2
        });
        let chain = async { 3 }.with_timeout(SECOND).spawn_in(&n);
        let failed = n.spawn(async { Err::<(), _>("down") });
        (one.await, late.await, chain.await, failed.await)
    }));
    let expected = (Ok(1), Ok(2), Ok(3), Ok(Err("down")));
    assert_eq!(nursery.run(), Poll::Ready(Ok(expected)));
}

#[test]
fn a_child_is_aborted_alone() {
    let drops = Drops::default();
    let mut nursery = ByHand::new(scope(async |n| {
        let stuck = n.spawn(drops.of(pending::<()>()));
        let sibling = n.spawn(async {
            yield_now().await;
            yield_now().await;
            1
        });
        yield_now().await;
        assert!(stuck.abort("not you") && !stuck.abort("again"));
        let aborted = stuck.await.unwrap_err();
        assert_eq!(drops.live(), 0);
        assert_eq!(
            (aborted.to_string().as_str(), aborted.position()),
            ("not you", Position::Above)
        );
        sibling.await
    }));
    assert_eq!(nursery.run(), Poll::Ready(Ok(Ok(1))));
}

#[test]
fn a_child_that_is_aborted_before_it_begins_never_does() {
    let (polls, mut members) = (Count::default(), None);
    let mut nursery = ByHand::new(scope(async |n| {
        n.on_close(|report| members = Some(report.members()));
        let never = n.spawn(polls.polls_of(pending::<()>()));
        never.abort("changed my mind");
        never.await.unwrap_err().to_string()
    }));
    assert_eq!(nursery.run(), Poll::Ready(Ok("changed my mind".to_owned())));
    drop(nursery);
    let members = members.unwrap();
    assert_eq!((polls.get(), members.never_started, members.aborted), (0, 1, 0));
}

#[test]
fn an_abort_ends_the_body_and_all_children() {
    let (drops, stop) = (Drops::default(), tenure::AbortHandle::new());
    let nursery = scope(async |n| {
        for _ in 0..10 {
            n.spawn(drops.of(pending::<()>()));
        }
        drops.of(pending::<()>()).await
    });
    let mut nursery = ByHand::polled(nursery.with_abort(&stop));
    assert_eq!(drops.live(), 11);
    stop.abort("stop");
    assert_eq!(nursery.wakes(), 2, "both it and the chain listen");
    let aborted = nursery.ready().unwrap_err();
    assert_eq!((aborted.to_string().as_str(), drops.live()), ("stop", 0));
}

#[test]
fn a_value_that_the_body_returns_as_it_aborts_is_kept() {
    let drops = Drops::default();
    let mut nursery = ByHand::new(scope(async |n| {
        let stuck = n.spawn(drops.of(pending::<()>()));
        yield_now().await;
        n.abort("enough");
        Some(stuck)
    }));
    let Poll::Ready(Ok(Some(stuck))) = nursery.run() else { panic!("it has a value") };
    assert_eq!(drops.live(), 0);
    assert_eq!(ByHand::new(stuck).ready().unwrap_err().to_string(), "enough");

    // One that awaits after it comes to nothing.
    let mut nursery = ByHand::new(scope(async |n| {
        n.abort("enough");
        yield_now().await;
    }));
    let Poll::Ready(Err(aborted)) = nursery.run() else { panic!("it was aborted") };
    assert_eq!((aborted.to_string().as_str(), aborted.position()), ("enough", Position::Below));
}

#[test]
fn a_panic_of_a_child_aborts_the_others_and_goes_on() {
    let drops = Drops::default();
    let mut told = None;
    let mut nursery = ByHand::new(scope(async |n| {
        let told = &mut told;
        n.defer(move |aborted| *told = aborted.map(|aborted| aborted.to_string()));
        n.spawn(drops.of(pending::<()>()));
        n.spawn(async { panic!("oh no") });
        drops.of(pending::<()>()).await
    }));
    assert_eq!(message(&*panic_of(|| nursery.run())), "oh no");
    assert_eq!(drops.live(), 0);
    drop(nursery);
    assert_eq!(told.as_deref(), Some("panicked: oh no"));
}

#[test]
fn a_background_child_fails_alone() {
    let mut nursery = ByHand::new(scope(async |n| {
        let sibling = n.spawn(async {
            yield_now().await;
            yield_now().await;
            1
        });
        let background = n.spawn_background(async { panic!("out of ink") });
        let told: Result<(), _> = background.await;
        (told.unwrap_err().reason().clone(), sibling.await.unwrap())
    }));
    let reason = AbortReason::Panicked { who: None, message: "out of ink".into() };
    assert_eq!(nursery.run(), Poll::Ready(Ok((reason, 1))));
}

#[test]
fn what_comes_too_late_never_starts() {
    let polls = Count::default();
    let mut kept = None;
    ByHand::new(scope(async |n| kept = Some(n.clone()))).ready().unwrap();
    let late = kept.unwrap().spawn(polls.polls_of(ready(1)));
    assert_eq!(ByHand::new(late).ready().unwrap_err().reason(), &AbortReason::ScopeEnded);
    assert_eq!(polls.get(), 0);
}

/// As a scope of tasks.
#[test]
fn what_runs_elsewhere_below_its_handle_does_not_outlive_it() {
    for dropped in [false, true] {
        let (mut below, mut kept) = (None, None);
        let (cleaned, drops) = (Count::default(), Drops::default());
        let (child, token) = (drops.of(ready(())), drops.clone());
        let counted = cleaned.clone();
        let mut nursery = ByHand::new(scope(async |n| {
            let handle = n.abort_handle().child();
            below = Some(ByHand::polled(pending::<()>().with_abort(handle)));
            kept = Some(n.clone());
            n.abort_handle()
                .on_abort(move |_| {
                    assert_eq!(token.live(), 0);
                    counted.add();
                })
                .detach();
            n.spawn(child);
            if dropped {
                pending::<()>().await;
            }
        }));
        match dropped {
            false => nursery.ready().unwrap(),
            true => assert!(nursery.poll().is_pending()),
        }
        drop(nursery);
        let aborted = below.unwrap().ready().unwrap_err();
        assert_eq!(aborted.reason(), &AbortReason::ScopeEnded);
        assert_eq!(kept.unwrap().abort_handle().reason(), Some(AbortReason::ScopeEnded));
        assert_eq!(cleaned.get(), 1);
    }
}

#[test]
fn a_nursery_that_is_kept_tells_that_it_has_ended() {
    let mut kept = None;
    ByHand::new(scope(async |n| kept = Some(n.clone()))).ready().unwrap();
    assert_eq!(kept.unwrap().abort_handle().reason(), Some(AbortReason::ScopeEnded));
}

/// The value is there, whatever those do who are told that it has ended.
#[test]
fn one_whose_end_panics_elsewhere_has_its_value() {
    let mut nursery = ByHand::new(scope(async |n| {
        n.abort_handle().on_abort(|_| panic!("elsewhere")).detach();
        7
    }));
    assert_eq!(nursery.ready(), Ok(7));
}

#[test]
fn one_that_is_aborted_already_does_not_begin() {
    let stop = tenure::AbortHandle::new();
    stop.abort("stop");
    let nursery = scope(async |_| unreachable!("it was begun"));
    let mut nursery = ByHand::new(nursery.with_abort(&stop));
    let aborted: Aborted = nursery.ready().map(|(): ()| ()).unwrap_err();
    assert_eq!(aborted.to_string(), "stop");
}

#[test]
fn one_that_is_dropped_half_way_ends_all_of_it_and_cleans_up() {
    let (drops, log) = (Drops::default(), Log::default());
    let mut report = String::new();
    let mut handle = None;
    let nursery = scope(async |n| {
        let (first, last) = (log.clone(), log.clone());
        n.defer(move |aborted| first.note(aborted.unwrap().to_string()));
        n.defer_async(|_| async { unreachable!("nobody polls it") });
        let seen = drops.clone();
        n.defer(move |_| last.note(format!("last, {} live", seen.live())));
        n.on_close(|told| report = told.to_string());
        handle = Some(n.spawn(drops.of(pending::<()>())));
        drops.of(pending::<()>()).await
    });
    drop(ByHand::polled(nursery));
    assert_eq!(log.all(), ["last, 0 live", "its owner has ended"]);
    let handle: JoinHandle<()> = handle.unwrap();
    assert_eq!(ByHand::new(handle).ready().unwrap_err().reason(), &AbortReason::ScopeEnded);
    assert_eq!(report, "closed: its owner has ended; 1 dropped; 2 clean-up steps, 1 skipped");
}

#[test]
fn a_timeout_waits_for_the_clean_up() {
    let (clock, cleaned) = (TestClock::new(), Cell::new(false));
    let nursery = local_scope(async |n| {
        n.defer_async(async |_| {
            clock.sleep(3 * SECOND).await;
            cleaned.set(true);
        });
        pending::<()>().await
    });
    let nursery = nursery.with_timeout(SECOND).with_timer(&clock);
    let mut nursery = ByHand::new(clock.watch(nursery));
    assert!(matches!(nursery.run(), Poll::Ready(Err(aborted)) if aborted.is_timeout()));
    assert_eq!((clock.elapsed(), cleaned.get()), (4 * SECOND, true));
}

/// Deep in plain code, where nobody tells it that the chain around it ends.
#[test]
fn a_timeout_waits_for_the_clean_up_of_one_deep_in_plain_code() {
    let (clock, cleaned) = (TestClock::new(), Cell::new(false));
    async fn deep(clock: &TestClock, cleaned: &Cell<bool>) {
        local_scope(async |n| {
            n.defer_async(async |aborted| {
                clock.sleep(3 * SECOND).await;
                assert!(aborted.unwrap().is_timeout());
                cleaned.set(true);
            });
            pending::<()>().await
        })
        .await
        .unwrap();
        unreachable!("what comes after it is not run any more");
    }
    let chain = async { deep(&clock, &cleaned).await }.with_timeout(SECOND).with_timer(&clock);
    let mut chain = ByHand::new(clock.watch(chain));
    assert!(matches!(chain.run(), Poll::Ready(Err(aborted)) if aborted.is_timeout()));
    assert_eq!((clock.elapsed(), cleaned.get()), (4 * SECOND, true));
}

#[test]
fn a_nursery_in_a_nursery_ends_with_it() {
    let (drops, log) = (Drops::default(), Log::default());
    let noted = log.clone();
    let mut outer = ByHand::new(scope(async |outer| {
        let (drops, log) = (&drops, &log);
        outer.spawn(async move {
            scope(async move |inner| {
                inner.defer(|_| log.note("inner"));
                inner.spawn(drops.of(pending::<()>()));
                pending::<()>().await
            })
            .await
        });
        outer.defer(|_| log.note("outer"));
        yield_now().await;
        outer.abort("stop");
    }));
    assert_eq!(outer.run(), Poll::Ready(Ok(())));
    assert_eq!((noted.all(), drops.live()), (vec!["inner", "outer"], 0));
}

#[test]
fn a_child_finds_its_owner() {
    let mut nursery = ByHand::new(scope(async |n| {
        let asks = n.spawn(async {
            let owner = Owner::current().unwrap();
            (owner.is_aborted(), owner)
        });
        let (aborted, owner) = asks.await.unwrap();
        assert!(!aborted && owner.is_aborted(), "it has ended by now");
        Owner::current().unwrap().is_aborted()
    }));
    assert_eq!(nursery.run(), Poll::Ready(Ok(false)));
}

#[test]
fn a_local_one_takes_what_is_not_send() {
    let sum = Rc::new(Cell::new(0));
    let mut nursery = ByHand::new(try_local_scope(async |n| {
        let add = sum.clone();
        let one = n.try_spawn(async move {
            add.set(add.get() + 1);
            Ok::<_, &str>(Rc::new(1))
        });
        Ok::<_, Error>(*one.await?)
    }));
    assert_eq!(nursery.run(), Poll::Ready(Ok(1)));
    assert_eq!(sum.get(), 1);
}

#[test]
fn a_member_that_runs_elsewhere_is_waited_for() {
    let mut elsewhere = None;
    let mut nursery = ByHand::new(scope(async |n| {
        elsewhere = Some(async { 1 }.in_scope(&n));
        let _ = Duration::ZERO;
    }));
    assert!(nursery.poll().is_pending());
    drop(nursery);
    let member = elsewhere.unwrap();
    assert!(ByHand::new(member).ready().is_err());

    let mut elsewhere = None;
    {
        let kept = &mut elsewhere;
        let mut nursery =
            ByHand::new(scope(async move |n| *kept = Some(pending::<()>().in_scope(&n))));
        assert!(nursery.poll().is_pending());
        // It can't be taken while the nursery borrows it.
        drop(nursery);
    }
    assert!(elsewhere.is_some());
}

/// Polled by none but the waker that is given to it.
#[test]
fn a_child_is_polled_when_it_is_woken_and_not_otherwise() {
    let polls = Count::default();
    let log = Log::default();
    let wakers = log.clone();
    let mut nursery = ByHand::new(scope(async move |n| {
        for _ in 0..3 {
            let (polls, wakers) = (polls.clone(), wakers.clone());
            n.spawn(poll_fn(move |cx| {
                wakers.note(cx.waker().clone());
                if polls.add() < 6 { Poll::Pending } else { Poll::Ready(()) }
            }));
        }
    }));
    assert!(nursery.poll().is_pending());
    assert_eq!(log.all().len(), 3);
    for polled in 4..=6 {
        log.all()[0].wake_by_ref();
        log.all()[0].wake_by_ref();
        assert!(nursery.poll().is_pending());
        assert!(nursery.poll().is_pending());
        assert_eq!(log.all().len(), polled);
    }
    for waker in log.all().into_iter().take(3) {
        waker.wake();
    }
    assert_eq!(nursery.poll(), Poll::Ready(Ok(())));
    assert_eq!(log.all().len(), 9);
}
