//! The wheels and their bell under loom, in every order: see tests/loom.rs, and `ci/loom`, which runs these too.

#[path = "../../../tests/under_loom/mod.rs"]
mod under_loom;

use alloc::{sync::Arc, task::Wake};
use std::sync::Mutex as StdMutex;

use loom::{alloc::Track, sync::atomic::AtomicUsize, thread};
use under_loom::model;

use super::*;

/// It stands still.
struct Now(Instant);

impl Clock for Now {
    fn now(&self) -> Instant {
        self.0
    }
}

/// Notes for when it was set last. It never rings by itself: a thread of the model does it.
struct Noted {
    now: Instant,
    set_for: Arc<StdMutex<Option<Instant>>>,
}

impl Bell for Noted {
    fn set(&mut self, after: Duration) -> Poll<()> {
        // loom doesn't know of this lock, and so switches to nobody while it is held.
        *self.set_for.lock().unwrap() = Some(self.now + after);
        Poll::Pending
    }
}

struct Tested {
    wheels: Wheels<Now, Noted>,
    set_for: Arc<StdMutex<Option<Instant>>>,
}

fn tick(tick: u64) -> Instant {
    Instant::from_nanos(tick * TICK)
}

/// Counts how often it is woken, and sees to it that loom notices if it is never dropped.
struct Alarm {
    wakes: AtomicUsize,
    _tracked: Track<()>,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        // Release: who sees that it was woken sees what came before.
        self.wakes.fetch_add(1, Ordering::Release);
    }
}

impl Alarm {
    fn new() -> Arc<Self> {
        Arc::new(Self { wakes: AtomicUsize::new(0), _tracked: Track::new(()) })
    }

    fn wakes(&self) -> usize {
        self.wakes.load(Ordering::Acquire)
    }
}

impl Tested {
    /// At tick 2, for ever.
    fn new() -> Arc<Self> {
        let set_for = Arc::<StdMutex<_>>::default();
        let (now, note) = (tick(2), set_for.clone());
        Arc::new(Self { wheels: Wheels::new(Now(now), Noted { now, set_for: note }), set_for })
    }

    /// On the wheel `shard`.
    fn arm(&self, shard: usize, at: u64, alarm: &Arc<Alarm>) -> Option<u32> {
        self.wheels.arm(shard, tick(at), alarm.clone().into()).ok()
    }

    fn disarm(&self, shard: usize, at: u64, number: u32) {
        self.wheels.disarm(shard, tick(at), number);
    }

    /// The bell rings, and is then set for nothing until it is set again.
    fn ring(&self) {
        *self.set_for.lock().unwrap() = None;
        self.wheels.ring();
    }

    /// When all is quiet: the bell is going to ring by then.
    fn assert_rings_by(&self, at: u64) {
        let set_for = *self.set_for.lock().unwrap();
        assert!(set_for.is_some_and(|set_for| set_for <= tick(at)), "{set_for:?}");
    }
}

/// Runs each with what they share in a thread of its own, and returns when all have ended.
fn at_once<S: Clone + 'static, const N: usize>(shared: S, threads: [fn(S); N]) {
    let threads = threads.map(|run| {
        let shared = shared.clone();
        thread::spawn(move || run(shared))
    });
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn an_alarm_set_while_the_wheels_turn_is_not_missed() {
    model(|| {
        let (tested, due, later) = (Tested::new(), Alarm::new(), Alarm::new());
        // The bell is about to ring for this one.
        tested.arm(0, 2, &due);
        at_once(
            (tested.clone(), later.clone()),
            [|(tested, _)| tested.ring(), |(tested, later)| _ = tested.arm(0, 3, &later)],
        );
        assert_eq!((due.wakes(), later.wakes()), (1, 0));
        tested.assert_rings_by(3);
    });
}

#[test]
fn of_alarms_set_at_once_the_earliest_sets_the_bell() {
    model(|| {
        let (tested, early, late) = (Tested::new(), Alarm::new(), Alarm::new());
        at_once(
            (tested.clone(), early, late),
            [
                |(tested, early, _)| _ = tested.arm(0, 4, &early).unwrap(),
                |(tested, _, late)| _ = tested.arm(1, 5, &late).unwrap(),
            ],
        );
        tested.assert_rings_by(4);
    });
}

#[test]
fn an_earlier_alarm_set_while_the_bell_is_moved_moves_it_on() {
    model(|| {
        let (tested, due, last) = (Tested::new(), Alarm::new(), Alarm::new());
        tested.arm(0, 2, &due);
        tested.arm(1, 5, &last);
        let earlier = Alarm::new();
        at_once(
            (tested.clone(), earlier.clone()),
            [
                |(tested, _)| tested.ring(),
                |(tested, earlier)| _ = tested.arm(0, 3, &earlier).unwrap(),
            ],
        );
        assert_eq!((due.wakes(), last.wakes(), earlier.wakes()), (1, 0, 0));
        tested.assert_rings_by(3);
    });
}

#[test]
fn an_alarm_cancelled_while_it_rings_wakes_once_or_not_at_all() {
    model(|| {
        let (tested, alarm, other) = (Tested::new(), Alarm::new(), Alarm::new());
        let number = tested.arm(0, 2, &alarm).unwrap();
        tested.arm(0, 2, &other);
        at_once(
            (tested, number),
            [|(tested, _)| tested.ring(), |(tested, number)| tested.disarm(0, 2, number)],
        );
        assert!(alarm.wakes() <= 1);
        // What is cancelled keeps no other asleep, and is let go of.
        assert_eq!((other.wakes(), Arc::strong_count(&alarm)), (1, 1));
    });
}

#[test]
fn one_dropped_after_it_rang_cancels_no_other_in_its_place() {
    model(|| {
        let (tested, rung, next) = (Tested::new(), Alarm::new(), Alarm::new());
        let number = tested.arm(0, 2, &rung).unwrap();
        at_once(
            (tested.clone(), next.clone(), number),
            [
                |(tested, ..)| tested.ring(),
                |(tested, next, number)| {
                    _ = tested.arm(0, 3, &next).unwrap();
                    tested.disarm(0, 2, number);
                },
            ],
        );
        assert_eq!((next.wakes(), Arc::strong_count(&next)), (0, 2));
        tested.assert_rings_by(3);
    });
}

#[test]
fn two_who_turn_the_wheels_at_once_wake_each_once() {
    model(|| {
        let (tested, later) = (Tested::new(), Alarm::new());
        let due = [Alarm::new(), Alarm::new()];
        tested.arm(0, 1, &due[0]);
        tested.arm(1, 2, &due[1]);
        tested.arm(1, 4, &later);
        *tested.set_for.lock().unwrap() = None;
        at_once(tested.clone(), [|tested| tested.wheels.ring(), |tested| tested.wheels.ring()]);
        assert_eq!((due[0].wakes(), due[1].wakes(), later.wakes()), (1, 1, 0));
        tested.assert_rings_by(4);
    });
}

#[test]
fn who_was_woken_sees_that_its_time_was_reached() {
    model(|| {
        let (tested, alarm) = (Tested::new(), Alarm::new());
        tested.arm(0, 2, &alarm);
        at_once(
            (tested.clone(), alarm),
            [
                |(tested, _)| tested.ring(),
                // Whose alarm has not been reached has it still, with its waker.
                |(tested, alarm)| assert!(alarm.wakes() == 0 || tested.wheels.has_reached(tick(2))),
            ],
        );
        assert!(tested.wheels.has_reached(tick(2)) && !tested.wheels.has_reached(tick(3)));
    });
}

#[test]
fn a_waker_may_set_an_alarm_while_the_wheels_turn() {
    /// Sets another one when it is woken.
    struct Setter(Arc<Tested>, Arc<Alarm>);
    impl Wake for Setter {
        fn wake(self: Arc<Self>) {
            self.0.arm(0, 3, &self.1);
        }
    }
    model(|| {
        let (tested, next, other) = (Tested::new(), Alarm::new(), Alarm::new());
        let setter = Arc::new(Setter(tested.clone(), next.clone()));
        assert!(tested.wheels.arm(0, tick(2), setter.into()).is_ok());
        at_once(
            (tested.clone(), other.clone()),
            [|(tested, _)| tested.ring(), |(tested, other)| _ = tested.arm(1, 4, &other).unwrap()],
        );
        assert_eq!((next.wakes(), other.wakes()), (0, 0));
        tested.assert_rings_by(3);
    });
}
