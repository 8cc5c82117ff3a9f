//! Each part of a bracket has what is its own: the use its owner, acquiring and releasing their time, and whoever has
//! what was acquired gives it back.

mod brackets;
mod support;

use std::{
    future::{pending, ready},
    mem,
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};

use brackets::{Part, Seen, exit, log, run};
use futures_lite::future::yield_now;
use support::{ByHand, Count, Drops, Log, SECOND, Token, message, panic_of};
use tenure::{
    AbortHandle, Backoff, OwnedFuture, Owner,
    abort::Position,
    bracket::{Held, bracket},
    time::TestClock,
};

/// It is given up when its time is over; what comes back later is dropped.
#[test]
fn what_never_comes_back_is_not_waited_for_for_ever() {
    let seen = Seen::default();
    let away = Arc::new(Mutex::new(None));
    let keep = away.clone();
    let lends = bracket(
        ready(Ok::<_, ()>(seen.drops.token())),
        async move |held: Held<Token>| {
            *keep.lock().unwrap() = Some(held);
            Ok("lent")
        },
        async |_token, _| unreachable!("there is nothing to release"),
    );
    let lends = lends.release_within(3 * SECOND).with_timer(&seen.clock);
    assert_eq!(smol::block_on(seen.clock.watch(lends)), Ok(Ok("lent")));
    assert_eq!((seen.clock.elapsed(), seen.drops.live()), (3 * SECOND, 1));
    let held = away.lock().unwrap().take();
    drop(held);
    assert_eq!(seen.drops.live(), 0);
}

/// Its time is its own: neither a deadline nor an abort around it is meant for it, and it may wait and try again.
#[test]
fn a_release_may_wait_and_retry_though_all_around_it_is_over() {
    let seen = Seen::default();
    let attempts = Count::default();
    let told = Log::default();
    let (counted, noted, clock) = (attempts.clone(), told.clone(), seen.clock.clone());
    let stuck = bracket(
        ready(Ok::<_, ()>(())),
        async |_held| pending::<Result<(), ()>>().await,
        async move |(), _| {
            // In its very first poll.
            let owner = Owner::current().unwrap();
            noted.note((owner.is_aborted(), owner.remaining()));
            let flaky = || {
                let attempt = counted.add();
                async move { if attempt < 2 { Err("not yet") } else { Ok(()) } }
            };
            noted.note((flaky.retry(Backoff::fixed(2 * SECOND)).await != Ok(Ok(())), None));
            owner.sleep(SECOND).await.unwrap();
            let late = clock.sleep(9 * SECOND).with_timeout(SECOND).await;
            noted.note((late.unwrap_err().position() != Position::Below, None));
        },
    );
    let stuck = stuck.with_timeout(SECOND).with_timer(&seen.clock);
    assert!(smol::block_on(seen.clock.watch(stuck)).unwrap_err().is_timeout());
    let free = Some(10 * SECOND);
    assert_eq!(told.all(), [(false, free), (false, None), (false, None)]);
    assert_eq!((attempts.get(), seen.clock.elapsed()), (3, 7 * SECOND));
}

/// It isn't told of the abort, but of how long it has.
#[test]
fn acquiring_goes_on_untold_and_knows_its_time() {
    let seen = Seen::default();
    let told = Log::default();
    let (noted, clock) = (told.clone(), seen.clock.clone());
    let slow = bracket(
        async move {
            clock.sleep(2 * SECOND).await;
            let owner = Owner::current().unwrap();
            noted.note((owner.is_aborted(), owner.remaining()));
            Ok::<_, ()>(())
        },
        async |_held| Ok(()),
        async |(), _| {},
    );
    let slow = slow.acquire_within(5 * SECOND).with_timeout(SECOND).with_timer(&seen.clock);
    assert!(smol::block_on(seen.clock.watch(slow)).is_err());
    assert_eq!((told.all(), seen.clock.elapsed()), (vec![(false, Some(4 * SECOND))], 2 * SECOND));
}

#[test]
fn the_use_is_told_by_its_owner_and_dropped_before_the_release() {
    let (drops, stop) = (Drops::default(), AbortHandle::new());
    let (clock, log) = (TestClock::new(), Log::default());
    let (used, seen, noted) = (drops.clone(), drops.clone(), log.clone());
    let held = bracket(
        ready(Ok::<_, ()>(())),
        async move |_held| used.of(pending::<Result<(), ()>>()).await,
        async move |(), how| noted.note((exit(&how), seen.live())),
    );
    let mut held = ByHand::polled(held.with_abort(&stop).with_timer(&clock));
    assert_eq!(drops.live(), 1);
    stop.abort("stop");
    assert_eq!(held.ready().unwrap_err().to_string(), "stop");
    assert_eq!(log.all(), [("aborted: stop".to_owned(), 0)]);
}

#[test]
fn one_that_was_aborted_amid_its_release_is_released_all_the_same() {
    let (stop, seen) = (AbortHandle::new(), Seen::default());
    let ends = run(seen.clone(), [Part::Ok(0), Part::Ok(0), Part::Ok(2)], None);
    let mut ends = ByHand::polled(ends.with_abort(&stop).with_timer(&seen.clock));
    stop.abort("too late for the use");
    assert!(ends.run().is_pending());
    seen.clock.advance(2 * SECOND);
    assert!(matches!(ends.run(), Poll::Ready(Err(_))));
    let expected = [("acquire", 0), ("use", 0), ("done", 0), ("release", 2)];
    assert_eq!(seen.all(), log(expected));
}

/// Where the closures themselves panic, before there is a future.
#[test]
fn a_panic_before_a_part_begins_is_a_panic_of_that_part() {
    let released = Count::default();
    let counted = released.clone();
    let panics = bracket(
        ready(Ok::<_, ()>(())),
        |_held: Held<()>| -> std::future::Ready<Result<(), ()>> { panic!("use panicked") },
        async move |(), how| {
            assert_eq!(exit(&how), "panicked: use panicked");
            counted.add();
        },
    );
    assert_eq!(message(&*panic_of(|| ByHand::new(panics).poll())), "use panicked");
    assert_eq!(released.get(), 1);

    let panics = bracket(
        ready(Ok::<_, ()>(())),
        async |_held| Ok(()),
        |(), _| -> std::future::Ready<()> { panic!("release panicked") },
    );
    assert_eq!(message(&*panic_of(|| ByHand::new(panics).poll())), "release panicked");
}

#[test]
fn what_is_forgotten_is_lost_alone() {
    let drops = Drops::default();
    let lends = bracket(
        ready(Ok::<_, ()>(drops.token())),
        async |held| {
            mem::forget(held);
            Ok(())
        },
        async |_token, _| unreachable!("there is nothing to release"),
    );
    let clock = TestClock::new();
    let lends = lends.release_within(Duration::ZERO).with_timer(&clock);
    assert_eq!(ByHand::new(lends).run(), Poll::Ready(Ok(Ok(()))));
    assert_eq!(drops.live(), 1);
}

/// As the docs of the release promise: also where the use has woken nobody.
#[test]
fn what_it_borrows_is_free_when_it_has_ended() {
    let mut numbers = vec![1];
    let sum = bracket(
        ready(Ok::<_, ()>(&mut numbers)),
        async |mut held| {
            yield_now().await;
            held.push(2);
            Ok(held.iter().sum::<i32>())
        },
        async |numbers, _| numbers.push(3),
    );
    assert_eq!(ByHand::new(sum).run(), Poll::Ready(Ok(Ok(3))));
    assert_eq!(numbers, [1, 2, 3]);
}
