//! What the bell is set for, and what becomes of it where it fails.

use alloc::sync::Arc;
use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Mutex as StdMutex,
};

use super::*;

struct Still;

impl Clock for Still {
    fn now(&self) -> Instant {
        Instant::START
    }
}

/// Notes what it was set for, and fails as often as it is told to.
#[derive(Clone, Default)]
struct Noting(Arc<StdMutex<(u32, Vec<Duration>)>>);

impl Bell for Noting {
    fn set(&mut self, after: Duration) -> Poll<()> {
        let mut noted = self.0.lock().unwrap();
        if noted.0 > 0 {
            noted.0 -= 1;
            drop(noted);
            resume_unwind(std::boxed::Box::new("no bell today"));
        }
        noted.1.push(after);
        Poll::Pending
    }
}

impl Noting {
    fn set_for(&self) -> Vec<u64> {
        self.0.lock().unwrap().1.iter().map(|after| after.as_millis() as u64).collect()
    }
}

fn arm(wheels: &Wheels<Still, Noting>, shard: usize, tick: u64) -> Option<u32> {
    wheels.arm(shard, Instant::from_nanos(tick * TICK), Waker::noop().clone()).ok()
}

#[test]
fn only_an_earlier_alarm_moves_the_bell() {
    let bell = Noting::default();
    let wheels = Wheels::new(Still, bell.clone());
    for (shard, tick) in [(0, 70), (1, 80), (2, 75), (0, 60), (1, 60), (2, 61)] {
        let number = arm(&wheels, shard, tick).unwrap();
        if tick == 80 {
            wheels.disarm(shard, Instant::from_nanos(tick * TICK), number);
        }
    }
    assert_eq!(bell.set_for(), [70, 60]);
}

#[test]
fn an_alarm_rings_at_the_end_of_its_millisecond() {
    let ticks = [(0, 0), (1, 1), (TICK, 1), (TICK + 1, 2), (u64::MAX - 1, u64::MAX / TICK)];
    assert!(ticks.iter().all(|&(nanos, tick)| tick_of(Instant::from_nanos(nanos)) == tick));
}

/// futures-timer's does where it can't have a thread.
#[test]
fn a_bell_that_fails_once_is_set_the_next_time() {
    let bell = Noting::default();
    let wheels = Wheels::new(Still, bell.clone());
    bell.0.lock().unwrap().0 = 1;
    assert!(catch_unwind(AssertUnwindSafe(|| arm(&wheels, 0, 9))).is_err());
    assert!(arm(&wheels, 0, 8).is_some());
    assert_eq!(bell.set_for(), [8]);
}
