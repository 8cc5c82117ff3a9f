//! What panics in a nursery, and again while that is dropped, ends what it must and nothing else. It is counted once,
//! and noted under its name.

mod support;

use std::{
    any::Any,
    future::{Future, pending, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    task::Poll,
};

use futures_lite::future::yield_now;
use support::{ByHand, Drops, Log, SECOND, message, panic_of};
use tenure::{
    Aborted, OwnedFuture, scope,
    scope::{Nursery, Report},
    time::TestClock,
    try_scope,
};

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("in drop");
    }
}

/// Ends after so many turns, if need be with a panic, and panics when it is dropped.
fn bomb(turns: usize, panics: bool) -> impl Future<Output = ()> + Send {
    let (bomb, mut turns) = (Bomb, turns);
    poll_fn(move |cx| {
        let _bomb = &bomb;
        if turns == 0 {
            assert!(!panics, "in poll");
            return Poll::Ready(());
        }
        turns -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}

/// What is told of a nursery: how many ran, failed, were aborted, dropped and never started, and what went wrong.
type Told = ([usize; 5], Vec<String>);

fn note(log: &Log<Told>) -> impl FnOnce(&Report) + Send + 'static {
    let log = log.clone();
    move |report| {
        let members = report.members();
        let counts =
            [members.ran, members.failed, members.aborted, members.dropped, members.never_started];
        log.note((counts, report.failures().iter().map(ToString::to_string).collect()));
    }
}

const FAILED: [usize; 5] = [0, 1, 0, 0, 0];
const DROPPED: [usize; 5] = [0, 0, 0, 1, 0];
const NEVER_STARTED: [usize; 5] = [0, 0, 0, 0, 1];

#[test]
fn a_child_that_panics_twice_ends_its_nursery_as_any_other_does() {
    for (turns, keeps) in [(0, false), (0, true), (1, false), (1, true)] {
        let (reports, log, drops) = (Log::default(), Log::default(), Drops::default());
        let (cleaned, seen) = (log.clone(), drops.clone());
        let mut nursery = ByHand::new(scope(async |n| {
            n.on_close(note(&reports));
            n.defer_async(async move |_| {
                yield_now().await;
                cleaned.note(seen.live());
            });
            n.spawn(drops.of(pending::<()>()));
            let bomb = bomb(turns, true).named("bomb").spawn_in(&n);
            let _kept = keeps.then_some(bomb);
            pending::<()>().await
        }));
        assert_eq!(message(&*panic_of(|| nursery.run())), "in poll");
        assert_eq!(log.all(), [0], "the clean-up, when all had ended");
        let failures = ["`bomb` panicked: in poll", "`bomb` panicked: in drop"];
        assert_eq!(reports.all(), [([0, 1, 1, 0, 0], failures.map(String::from).to_vec())]);
    }
}

#[test]
fn a_background_child_that_panics_twice_fails_alone() {
    for (turns, keeps) in [(0, false), (0, true), (1, false), (1, true)] {
        let reports = Log::default();
        let mut nursery = ByHand::new(scope(async |n| {
            n.on_close(note(&reports));
            let bomb = n.spawn_background(bomb(turns, true));
            let kept = keeps.then_some(bomb);
            yield_now().await;
            yield_now().await;
            match kept {
                Some(bomb) => bomb.await.unwrap_err().to_string(),
                None => "panicked: in poll".into(),
            }
        }));
        assert_eq!(nursery.run(), Poll::Ready(Ok("panicked: in poll".into())));
        let failures = ["a member panicked: in poll", "a member panicked: in drop"];
        assert_eq!(reports.all(), [(FAILED, failures.map(String::from).to_vec())]);
    }
}

/// When a child is dropped.
#[derive(Clone, Copy, Debug, PartialEq)]
enum When {
    EndedAtOnce,
    EndedLater,
    TurnedAway,
    Aborted,
    EndedInItsGrace,
    DroppedWithAll,
}

const WHENS: [(When, [usize; 5]); 6] = [
    (When::EndedAtOnce, FAILED),
    (When::EndedLater, FAILED),
    (When::TurnedAway, NEVER_STARTED),
    (When::Aborted, FAILED),
    (When::EndedInItsGrace, FAILED),
    (When::DroppedWithAll, DROPPED),
];

impl When {
    fn turns(self) -> usize {
        match self {
            Self::EndedAtOnce => 0,
            Self::EndedLater => 1,
            Self::EndedInItsGrace => 4,
            Self::TurnedAway | Self::Aborted | Self::DroppedWithAll => usize::MAX,
        }
    }
}

/// Runs a nursery with one child, dropped then, and tells what comes of it.
fn run<H: Any>(
    when: When,
    keeps: bool,
    spawn: fn(&Nursery<'static>, When) -> H,
) -> (Result<(), String>, Told) {
    let (clock, reports) = (TestClock::new(), Log::default());
    let told = note(&reports);
    let nursery = scope(async move |n| {
        n.on_close(told);
        let child = spawn(&n, when);
        let _kept = keeps.then_some(child);
        match when {
            When::TurnedAway => _ = n.abort("enough"),
            When::DroppedWithAll => pending().await,
            When::EndedAtOnce | When::EndedLater => yield_now().await,
            When::Aborted | When::EndedInItsGrace => {
                yield_now().await;
                n.abort("enough");
            }
        }
    });
    let mut nursery = ByHand::new(nursery.with_timer(&clock));
    let ended = catch_unwind(AssertUnwindSafe(|| match when {
        When::DroppedWithAll => {
            assert!(nursery.poll().is_pending());
            drop(nursery);
        }
        _ => assert_eq!(nursery.run(), Poll::Ready(Ok(()))),
    }));
    let ended = ended.map_err(|panic| message(&*panic).to_owned());
    (ended, reports.all().pop().expect("it has told"))
}

#[test]
fn a_child_whose_drop_panics_is_known_by_its_name_and_counted_once() {
    for (when, counts) in WHENS {
        for keeps in [false, true] {
            let (ended, told) = run(when, keeps, |n, when| match when {
                When::EndedInItsGrace => {
                    bomb(when.turns(), false).with_grace(SECOND).named("bomb").spawn_in(n)
                }
                _ => bomb(when.turns(), false).named("bomb").spawn_in(n),
            });
            assert_eq!(ended, Err("in drop".into()), "{when:?}");
            assert_eq!(told, (counts, vec!["`bomb` panicked: in drop".into()]), "{when:?}");
        }
    }
}

#[test]
fn a_background_child_whose_drop_panics_fails_alone() {
    for (when, counts) in WHENS {
        for keeps in [false, true] {
            let (ended, told) = run(when, keeps, |n, when| match when {
                When::EndedInItsGrace => {
                    n.spawn_background(bomb(when.turns(), false).with_grace(SECOND))
                }
                _ => n.spawn_background(bomb(when.turns(), false).owned()),
            });
            assert_eq!(ended, Ok(()), "{when:?}");
            assert_eq!(told, (counts, vec!["a member panicked: in drop".into()]), "{when:?}");
        }
    }
}

#[test]
fn the_body_is_no_member_and_what_goes_wrong_in_it_is_noted() {
    let reports = Log::default();
    let mut nursery = ByHand::new(scope(async |n| {
        n.on_close(note(&reports));
        panic!("in the body")
    }));
    assert_eq!(message(&*panic_of(|| nursery.run().map_ok(|(): ()| ()))), "in the body");
    let mut nursery = ByHand::new(try_scope(async |n| {
        n.on_close(note(&reports));
        Err::<(), _>(Error("down"))
    }));
    assert_eq!(nursery.run(), Poll::Ready(Err(Error("down"))));
    let failures = ["a member panicked: in the body", "a member failed: down"];
    let expected = failures.map(|failure| ([0; 5], vec![failure.to_owned()]));
    assert_eq!(reports.all(), expected);
}

#[derive(Debug, PartialEq)]
struct Error(&'static str);

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl From<Aborted> for Error {
    fn from(_: Aborted) -> Self {
        Self("aborted")
    }
}

/// Be it the body or a child that fails first, and then a sibling that panics while it is dropped.
#[test]
fn the_first_failure_is_the_result_whoever_it_is() {
    let mut nursery = ByHand::new(try_scope(async |n| {
        n.spawn(bomb(usize::MAX, false));
        yield_now().await;
        Err::<(), _>(Error("the body's"))
    }));
    assert_eq!(nursery.run(), Poll::Ready(Err(Error("the body's"))));

    let mut nursery = ByHand::new(try_scope(async |n| {
        n.spawn(bomb(usize::MAX, false));
        n.try_spawn(async { Err::<(), _>(Error("a child's")) });
        pending::<Result<(), Error>>().await
    }));
    assert_eq!(nursery.run(), Poll::Ready(Err(Error("a child's"))));

    let mut nursery = ByHand::new(try_scope(async |n| {
        n.spawn(bomb(1, true));
        n.spawn(bomb(usize::MAX, false));
        pending::<Result<(), Error>>().await
    }));
    assert_eq!(message(&*panic_of(|| nursery.run())), "in poll");
}

#[test]
fn what_is_spawned_too_late_panics_where_it_is_spawned() {
    let mut kept = None;
    let mut nursery = ByHand::new(scope(async |n| kept = Some(n.clone())));
    assert_eq!(nursery.run(), Poll::Ready(Ok(())));
    drop(nursery);
    let kept = kept.unwrap();
    assert_eq!(message(&*panic_of(|| kept.spawn(bomb(0, false)))), "in drop");
    assert_eq!(message(&*panic_of(|| kept.spawn_background(bomb(0, false)))), "in drop");
}
