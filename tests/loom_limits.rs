//! Limits under loom: see tests/loom.rs.
//!
//! No alarm ever rings here: whoever isn't woken by what others do is left asleep, and no window hides it.
#![cfg(tenure_loom)]

mod under_loom;

use std::{
    future::{Future, pending},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::Ordering::{AcqRel, Relaxed},
    },
    task::{Poll, Waker},
};

use loom::{alloc::Track, sync::atomic::AtomicUsize, thread};
use tenure::{
    AbortHandle, Aborted, KeyedLimit, Limit, OwnedFuture,
    limit::{Acquire, Builder, Overflow, Permit},
    time::{AlarmId, Instant, Timer},
};
use under_loom::{Bell, Counted, block_on, join, join_all, model, poll};

/// Its limit is noticed where it is leaked.
struct Still(#[allow(dead_code, reason = "it is dropped along")] Track<()>);

impl Timer for Still {
    fn now(&self) -> Instant {
        Instant::START
    }

    fn wake_at(&self, _: Instant, _: Waker) -> AlarmId {
        AlarmId::new(0)
    }

    fn cancel(&self, _: Instant, _: AlarmId) {}
}

fn builder(permits: usize) -> Builder {
    Limit::builder().concurrency(permits).timer(Still(Track::new(())))
}

fn limit(permits: usize) -> Limit {
    builder(permits).build()
}

/// Hands `f` a clone of the limit on a thread of its own.
fn spawn<R: 'static>(limit: &Limit, f: impl FnOnce(Limit) -> R + 'static) -> thread::JoinHandle<R> {
    let limit = limit.clone();
    thread::spawn(move || f(limit))
}

/// A permit that is free.
fn permit(limit: &Limit) -> Permit<'static> {
    match poll(pin!(limit.claim().acquire()), Waker::noop()) {
        Poll::Ready(permit) => permit.unwrap(),
        Poll::Pending => panic!("none is free"),
    }
}

/// One who waits, asleep.
struct Sleeper<F> {
    future: Pin<Box<F>>,
    bell: Arc<Bell>,
}

impl<F: Future> Sleeper<F> {
    fn of(future: F) -> Self {
        let mut sleeper = Self { future: Box::pin(future), bell: Bell::new() };
        assert!(sleeper.poll().is_pending());
        sleeper
    }

    fn poll(&mut self) -> Poll<F::Output> {
        poll(self.future.as_mut(), &Waker::from(self.bell.clone()))
    }

    /// Sleeps until woken, as often as it takes.
    fn sleep(mut self) -> F::Output {
        loop {
            self.bell.rings.wait();
            if let Poll::Ready(value) = self.poll() {
                return value;
            }
        }
    }
}

impl Sleeper<Acquire<'static>> {
    fn new(limit: &Limit) -> Self {
        Self::of(limit.claim().acquire())
    }

    fn let_in(self) -> Permit<'static> {
        self.sleep().unwrap()
    }
}

/// Waits for a permit.
fn acquire(limit: &Limit) -> Permit<'_> {
    block_on(limit.acquire()).unwrap()
}

fn text(refused: Result<Permit<'_>, Aborted>) -> Option<String> {
    refused.err().map(|aborted| aborted.to_string())
}

/// Nobody is in, nobody waits, and all permits can be had again, and no more.
fn all_are_free(limit: &Limit) {
    assert_eq!((limit.active(), limit.waiting()), (0, 0));
    let permits: Vec<_> = (0..limit.capacity()).map(|_| limit.try_acquire()).collect();
    assert!(permits.iter().all(Option::is_some), "a permit is lost");
    assert!(limit.try_acquire().is_none(), "there is one permit more");
    assert_eq!(limit.active(), permits.len());
}

/// A number that whoever holds the only permit changes, unprotected otherwise.
#[derive(Clone)]
struct Bare(Arc<AtomicUsize>);

impl Bare {
    fn new() -> Self {
        Self(Arc::new(AtomicUsize::new(0)))
    }

    fn add(&self) {
        self.0.store(self.get() + 1, Relaxed);
    }

    fn get(&self) -> usize {
        self.0.load(Relaxed)
    }
}

// A permit

#[test]
fn who_comes_while_a_permit_is_given_back_has_it() {
    model(|| {
        let limit = limit(1);
        let held = permit(&limit);
        let releasing = thread::spawn(move || drop(held));
        drop(acquire(&limit));
        join(releasing);
        all_are_free(&limit);
    });
}

#[test]
fn who_has_the_permit_sees_what_was_done_under_it() {
    model(|| {
        let (limit, done) = (limit(1), Bare::new());
        let works = [(); 2].map(|()| {
            let done = done.clone();
            spawn(&limit, move |limit| {
                let _permit = acquire(&limit);
                done.add();
            })
        });
        join_all(works);
        assert_eq!(done.get(), 2);
        all_are_free(&limit);
    });
}

#[test]
fn a_permit_that_is_taken_without_waiting_is_one_ones_own() {
    model(|| {
        let (limit, done) = (limit(1), Bare::new());
        let works = [(); 3].map(|()| {
            let done = done.clone();
            spawn(&limit, move |limit| limit.try_acquire().map(|_permit| done.add()).is_some())
        });
        let ran = join_all(works).into_iter().filter(|ran| *ran).count();
        assert!(ran > 0);
        assert_eq!(done.get(), ran);
        all_are_free(&limit);
    });
}

#[test]
fn two_who_wait_have_the_permits_that_two_give_back() {
    model(|| {
        let limit = limit(2);
        let releasing = [permit(&limit), permit(&limit)];
        let sleepers = [Sleeper::new(&limit), Sleeper::new(&limit)];
        let releasing = releasing.map(|permit| thread::spawn(move || drop(permit)));
        let permits = sleepers.map(Sleeper::let_in);
        assert_eq!(limit.active(), 2);
        drop(permits);
        join_all(releasing);
        all_are_free(&limit);
    });
}

#[test]
fn one_permit_goes_through_the_hands_of_all() {
    model(|| {
        let (limit, inside) = (limit(1), Counted::default());
        let held = permit(&limit);
        let waiting = [Sleeper::new(&limit), Sleeper::new(&limit)].map(|sleeper| {
            let inside = inside.clone();
            thread::spawn(move || {
                let _permit = sleeper.let_in();
                let _inside = inside.guard();
                assert_eq!(inside.get(), 1);
            })
        });
        drop(held);
        join_all(waiting);
        all_are_free(&limit);
    });
}

// Who is offered one

#[test]
fn a_permit_offered_to_one_who_is_dropped_goes_to_the_next() {
    model(|| {
        let limit = limit(1);
        let held = permit(&limit);
        let (first, second) = (Sleeper::new(&limit), Sleeper::new(&limit));
        let releasing = thread::spawn(move || drop(held));
        let dropping = thread::spawn(move || drop(first));
        drop(second.let_in());
        join_all([releasing, dropping]);
        all_are_free(&limit);
    });
}

#[test]
fn a_permit_offered_to_one_who_is_aborted_goes_to_the_next() {
    model(|| {
        let (limit, handle) = (limit(1), AbortHandle::new());
        let held = permit(&limit);
        // Whether it has been let in or not, it ends.
        let mut endless = Box::pin(pending::<()>().limit(&limit).with_abort(&handle));
        assert!(poll(endless.as_mut(), Waker::noop()).is_pending());
        let next = Sleeper::new(&limit);
        let aborts = handle.clone();
        let releasing = thread::spawn(move || drop(held));
        let aborting = thread::spawn(move || assert!(aborts.abort("stop")));
        assert_eq!(block_on(endless).unwrap_err().to_string(), "stop");
        drop(next.let_in());
        join_all([releasing, aborting]);
        all_are_free(&limit);
    });
}

#[test]
fn who_goes_on_in_another_task_is_woken_there() {
    model(|| {
        let limit = limit(1);
        let held = permit(&limit);
        let moved = Sleeper::new(&limit).future;
        let releasing = thread::spawn(move || drop(held));
        drop(block_on(moved).unwrap());
        join(releasing);
        all_are_free(&limit);
    });
}

#[test]
fn who_comes_overtakes_nobody_who_is_offered_a_permit() {
    model(|| {
        let (limit, entered) = (limit(1), Counted::default());
        let held = permit(&limit);
        let first = Sleeper::new(&limit);
        let has_entered = entered.clone();
        let coming = spawn(&limit, move |limit| {
            drop(held);
            let came_first = limit.try_acquire().is_some();
            assert!(!came_first || has_entered.get() == 1, "overtaken");
        });
        let permit = first.let_in();
        entered.add();
        drop(permit);
        join(coming);
        all_are_free(&limit);
    });
}

#[test]
fn who_has_to_make_room_is_told_and_one_is_let_in() {
    model(|| {
        let limit = builder(1).max_waiting(1, Overflow::DropOldest).build();
        let held = permit(&limit);
        let first = Sleeper::new(&limit);
        let coming = spawn(&limit, |limit| text(block_on(limit.acquire())));
        drop(held);
        let first = text(first.sleep());
        match (first, join(coming)) {
            (None, None) => {}
            (Some(why), None) => assert!(why.contains("had to make room"), "{why}"),
            // Whoever is about to be let in makes no room any more.
            (None, Some(why)) => assert!(why.contains("is full"), "{why}"),
            both => panic!("nobody was let in: {both:?}"),
        }

        all_are_free(&limit);
    });
}

// Weights

#[test]
fn who_needs_two_has_both_though_others_take_one_each() {
    model(|| {
        let (limit, inside) = (limit(2), Counted::default());
        let held = (inside.guard(), permit(&limit));
        let counted = inside.clone();
        let coming = spawn(&limit, move |limit| {
            drop(held);
            let permit = acquire(&limit);
            drop((counted.guard(), permit));
        });
        let both = block_on(limit.claim().weight(2).acquire()).unwrap();
        assert_eq!((limit.active(), inside.get()), (2, 0));
        drop(both);
        join(coming);
        all_are_free(&limit);
    });
}

#[test]
fn who_need_one_each_have_the_two_that_are_given_back_at_once() {
    model(|| {
        let limit = limit(2);
        let both = block_on(limit.claim().weight(2).acquire()).unwrap();
        let first = Sleeper::new(&limit);
        let releasing = thread::spawn(move || drop(both));
        let second = acquire(&limit);
        drop((first.let_in(), second));
        join(releasing);
        all_are_free(&limit);
    });
}

// The capacity

#[test]
fn once_there_are_fewer_permits_no_more_are_held() {
    model(|| {
        let (limit, inside) = (limit(2), Counted::default());
        let counted = inside.clone();
        let coming = spawn(&limit, move |limit| {
            // One beside the other.
            let first = limit.try_acquire().map(|permit| (counted.guard(), permit));
            let second = limit.try_acquire().map(|permit| (counted.guard(), permit));
            drop((first, second));
        });
        limit.set_capacity(1);
        let permit = acquire(&limit);
        let here = inside.guard();
        assert_eq!((inside.get(), limit.active()), (1, 1));
        assert_eq!(inside.get(), 1);
        drop((here, permit));
        join(coming);
        all_are_free(&limit);
    });
}

#[test]
fn an_offer_of_a_permit_that_is_taken_away_is_worth_nothing() {
    model(|| {
        let limit = limit(2);
        let (first, second) = (permit(&limit), permit(&limit));
        let sleeper = Sleeper::new(&limit);
        drop(first);
        let coming = thread::spawn(move || drop(sleeper.let_in()));
        limit.set_capacity(1);
        let by_now = limit.active();
        assert!(limit.active() <= by_now);
        drop(second);
        join(coming);
        all_are_free(&limit);
    });
}

#[test]
fn a_permit_given_back_while_the_capacity_changes_is_not_lost() {
    model(|| {
        let limit = limit(2);
        let (first, second) = (permit(&limit), permit(&limit));
        let releasing = thread::spawn(move || drop(first));
        limit.set_capacity(1);
        drop(second);
        drop(acquire(&limit));
        limit.set_capacity(2);
        join(releasing);
        all_are_free(&limit);
    });
}

#[test]
fn a_permit_taken_while_the_capacity_changes_is_counted() {
    model(|| {
        let limit = limit(1);
        let coming = spawn(&limit, |limit| drop(acquire(&limit)));
        limit.set_capacity(2);
        limit.set_capacity(1);
        assert!(limit.active() <= 1);
        join(coming);
        all_are_free(&limit);
    });
}

#[test]
fn who_comes_while_there_are_more_permits_has_one() {
    model(|| {
        let limit = limit(1);
        let held = permit(&limit);
        let growing = spawn(&limit, |limit| limit.set_capacity(2));
        drop(acquire(&limit));
        join(growing);
        assert_eq!(limit.active(), 1);
        drop(held);
        all_are_free(&limit);
    });
}

#[test]
fn who_waits_while_the_last_permit_is_taken_away_has_it_or_is_told() {
    model(|| {
        let limit = limit(1);
        let held = permit(&limit);
        let releasing = thread::spawn(move || drop(held));
        let shutting = spawn(&limit, |limit| limit.set_capacity(0));
        let refused = text(block_on(limit.acquire()));
        assert!(refused.is_none_or(|why| why.ends_with("it has no permits")));
        join_all([releasing, shutting]);
        all_are_free(&limit);
        limit.set_capacity(1);
        all_are_free(&limit);
    });
}

// Holding back, and sending away

#[test]
fn who_waits_while_a_limit_is_cleared_has_a_permit_or_is_told() {
    model(|| {
        let limit = limit(1);
        let held = permit(&limit);
        let releasing = thread::spawn(move || drop(held));
        let clearing = spawn(&limit, |limit| limit.clear("stop"));
        let refused = text(block_on(limit.acquire()));
        assert!(refused.as_ref().is_none_or(|why| why == "stop"));
        assert_eq!(join(clearing), usize::from(refused.is_some()));
        join(releasing);
        all_are_free(&limit);
    });
}

#[test]
fn who_was_there_before_a_limit_is_cleared_has_a_permit_or_is_told() {
    model(|| {
        let limit = limit(1);
        let held = permit(&limit);
        let sleepers = [Sleeper::new(&limit), Sleeper::new(&limit)];
        let releasing = thread::spawn(move || drop(held));
        let clearing = spawn(&limit, |limit| limit.clear("stop"));
        let refused = sleepers.map(|sleeper| text(sleeper.sleep()));
        let refused = refused.iter().flatten().filter(|why| *why == "stop").count();
        assert_eq!(join(clearing), refused);
        join(releasing);
        all_are_free(&limit);
    });
}

#[test]
fn who_waits_while_a_limit_is_paused_and_resumed_is_let_in() {
    model(|| {
        let limit = limit(1);
        let held = permit(&limit);
        let sleeper = Sleeper::new(&limit);
        let releasing = thread::spawn(move || drop(held));
        let pausing = spawn(&limit, |limit| {
            limit.pause();
            limit.resume();
        });
        drop(sleeper.let_in());
        join_all([releasing, pausing]);
        all_are_free(&limit);
    });
}

#[test]
fn who_comes_while_a_limit_is_resumed_is_let_in() {
    model(|| {
        let limit = builder(1).paused().build();
        let resuming = spawn(&limit, |limit| limit.resume());
        drop(acquire(&limit));
        join(resuming);
        all_are_free(&limit);
    });
}

#[test]
fn once_a_limit_is_paused_nobody_is_let_in() {
    model(|| {
        let limit = limit(2);
        let coming = spawn(&limit, |limit| {
            let permits = [acquire(&limit), acquire(&limit)];
            drop(permits);
        });
        limit.pause();
        let by_now = limit.active();
        assert!(limit.active() <= by_now);
        limit.resume();
        join(coming);
        all_are_free(&limit);
    });
}

#[test]
fn who_is_let_in_after_a_pause_sees_what_was_done_before_its_end() {
    model(|| {
        let (limit, done) = (builder(1).paused().build(), Bare::new());
        let doing = done.clone();
        let resuming = spawn(&limit, move |limit| {
            doing.add();
            limit.resume();
        });
        if let Some(_permit) = limit.try_acquire() {
            assert_eq!(done.get(), 1);
        }
        join(resuming);
        all_are_free(&limit);
    });
}

#[test]
fn who_comes_while_a_limit_closes_is_let_in_or_refused() {
    model(|| {
        let limit = limit(1);
        let held = permit(&limit);
        let releasing = thread::spawn(move || drop(held));
        let closing = spawn(&limit, |limit| limit.close());
        let refused = text(block_on(limit.acquire()));
        assert!(refused.is_none_or(|why| why.ends_with("it is closed")));
        join_all([releasing, closing]);
        assert_eq!((limit.active(), limit.waiting()), (0, 0));
        assert!(limit.try_acquire().is_none());
    });
}

// Levels

#[test]
fn who_waits_until_a_limit_is_idle_is_told_of_the_last_release() {
    model(|| {
        let limit = limit(1);
        let held = permit(&limit);
        let releasing = thread::spawn(move || drop(held));
        block_on(limit.wait_idle());
        assert_eq!(limit.active(), 0);
        join(releasing);
        all_are_free(&limit);
    });
}

#[test]
fn who_waits_until_a_limit_is_idle_waits_for_those_who_wait() {
    model(|| {
        let limit = limit(1);
        let held = permit(&limit);
        let (last, idle) = (Sleeper::new(&limit), Sleeper::of(limit.wait_idle()));
        let releasing = thread::spawn(move || {
            drop(held);
            drop(last.let_in());
        });
        idle.sleep();
        all_are_free(&limit);
        join(releasing);
        all_are_free(&limit);
    });
}

#[test]
fn who_waits_until_nobody_waits_is_told_of_one_who_is_dropped() {
    model(|| {
        let limit = limit(1);
        let held = permit(&limit);
        let fleeting = Sleeper::new(&limit);
        let dropping = thread::spawn(move || drop(fleeting));
        block_on(limit.wait_empty());
        assert_eq!((limit.active(), limit.waiting()), (1, 0));
        join(dropping);
        drop(held);
        all_are_free(&limit);
    });
}

// Keys

/// Drops one of several. loom doesn't know their count: it takes them for dropped at this turn.
fn let_go<T>(turn: &AtomicUsize, value: T) {
    turn.fetch_add(1, AcqRel);
    drop(value);
}

fn keyed(per_key: usize, permits: usize) -> KeyedLimit<char> {
    builder(permits).build_keyed(per_key)
}

/// Nobody knows a key, and all permits can be had again, by way of one.
fn no_key_is_left(keyed: &KeyedLimit<char>) {
    assert_eq!((keyed.keys(), keyed.all().active(), keyed.all().waiting()), (0, 0, 0));
    for key in ['a', 'b'] {
        let permit = block_on(keyed.key(key).acquire()).unwrap();
        assert_eq!((keyed.keys(), keyed.active(&key)), (1, 1));
        drop(permit);
    }
    assert_eq!((keyed.keys(), keyed.all().active()), (0, 0));
}

#[test]
fn two_who_name_a_new_key_share_its_permits() {
    model(|| {
        let (keyed, inside) = (keyed(1, 2), Counted::default());
        let works = [(); 2].map(|()| {
            let (keyed, inside) = (keyed.clone(), inside.clone());
            thread::spawn(move || {
                let permit = block_on(keyed.key('a').acquire()).unwrap();
                let here = inside.guard();
                assert_eq!((inside.get(), keyed.active(&'a')), (1, 1));
                drop(here);
                drop(permit);
            })
        });
        join_all(works);
        no_key_is_left(&keyed);
    });
}

#[test]
fn who_names_a_key_while_its_last_claim_is_dropped_has_its_permits() {
    model(|| {
        let (keyed, turn) = (keyed(1, 2), Arc::new(AtomicUsize::new(0)));
        let (claim, other) = (keyed.key('a'), turn.clone());
        let dropping = thread::spawn(move || let_go(&other, claim));
        let claim = keyed.key('a');
        let (held, mut next) =
            (block_on(claim.acquire()).unwrap(), Box::pin(keyed.key('a').acquire()));
        assert!(poll(next.as_mut(), Waker::noop()).is_pending());
        assert_eq!((keyed.keys(), keyed.active(&'a')), (1, 1));
        let_go(&turn, held);
        let_go(&turn, block_on(next).unwrap());
        join(dropping);
        no_key_is_left(&keyed);
    });
}

#[test]
fn who_waits_for_a_key_has_the_permit_that_is_given_back() {
    model(|| {
        let keyed = keyed(1, 2);
        let held = block_on(keyed.key('a').acquire()).unwrap();
        let releasing = thread::spawn(move || drop(held));
        drop(block_on(keyed.key('a').acquire()).unwrap());
        join(releasing);
        no_key_is_left(&keyed);
    });
}
