//! The wheel against a sorted list.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    task::Wake,
    vec::Vec,
};
use std::sync::Mutex;

use proptest::prelude::*;

use super::*;

/// Far enough to lie on the highest level.
const FAR: u64 = u64::MAX / 1_000_000;

type Log = Arc<Mutex<Vec<u64>>>;

struct Bell {
    name: u64,
    log: Log,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.log.lock().unwrap().push(self.name);
    }
}

/// The wheel, and what it should hold: by tick, and then in the order in which they were set.
struct Pair {
    wheel: Wheel,
    list: BTreeMap<(u64, u64), u32>,
    /// All ticks before this one are done.
    base: u64,
    set: u64,
    log: Log,
}

#[derive(Clone, Debug)]
enum Step {
    /// An alarm so many ticks ahead.
    Set(u64),
    /// Cancels one of those that are set.
    Cancel(prop::sample::Index),
    /// Cancels one that has rung, with the number that it had.
    CancelRung(prop::sample::Index),
    /// So many ticks pass, and the wheel may do so many steps at a time. Each time another one is set
    /// that far ahead of where it began.
    Pass(u64, usize, Vec<u64>),
}

fn ticks() -> impl Strategy<Value = u64> {
    // Each order of magnitude as often as the others, and around the edges of blocks.
    prop_oneof![
        4 => (0..44_u32, any::<u64>()).prop_map(|(bits, random)| random & ((2 << bits) - 1)),
        1 => (1..8_u32, 0..3_u64).prop_map(|(level, off)| (1 << (6 * level)) - 1 + off),
        1 => 0..4_u64,
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => ticks().prop_map(Step::Set),
        3 => any::<prop::sample::Index>().prop_map(Step::Cancel),
        1 => any::<prop::sample::Index>().prop_map(Step::CancelRung),
        2 => (ticks(), 1..200_usize, prop::collection::vec(ticks(), 0..4))
            .prop_map(|(ticks, most, meanwhile)| Step::Pass(ticks, most, meanwhile)),
    ]
}

impl Pair {
    fn new() -> Self {
        let (list, log) = (BTreeMap::new(), Log::default());
        Self { wheel: Wheel::new(), list, base: 0, set: 0, log }
    }

    /// Sets an alarm, and tells whether that was possible.
    fn set(&mut self, ahead: u64) -> bool {
        let tick = self.base + ahead;
        self.set += 1;
        let waker = Waker::from(Arc::new(Bell { name: self.set, log: self.log.clone() }));
        let number = self.wheel.insert(tick, waker);
        self.list.extend(number.as_ref().ok().map(|number| ((tick, self.set), *number)));
        number.is_ok()
    }

    fn cancel(&mut self, (tick, name): (u64, u64)) {
        let number = self.list.remove(&(tick, name)).expect("it is set");
        self.wheel.remove(tick, number).expect("it is set").wake();
        assert_eq!(*self.log.lock().unwrap(), [name], "another one's waker");
        self.log.lock().unwrap().clear();
    }

    /// Lets time pass up to `to`, and returns what has rung.
    fn pass(&mut self, to: u64, most: usize, mut meanwhile: Vec<u64>) -> Vec<(u64, u64, u32)> {
        let mut due = Vec::new();
        while !self.wheel.advance(to, most, &mut due) {
            assert!(due.len() <= most);
            due.drain(..).for_each(Waker::wake);
            if let Some(ahead) = meanwhile.pop() {
                // It is set if it is to ring, now or later.
                assert!(self.set(ahead) || self.base + ahead <= to);
            }
        }
        due.into_iter().for_each(Waker::wake);
        self.base = self.base.max(to + 1);
        let later = self.list.split_off(&(self.base, 0));
        let rung = core::mem::replace(&mut self.list, later);
        let names: Vec<_> = rung.keys().map(|&(_, name)| name).collect();
        assert_eq!(core::mem::take(&mut *self.log.lock().unwrap()), names);
        rung.into_iter().map(|((tick, name), number)| (tick, name, number)).collect()
    }

    fn check(&self) {
        // It may have something to do earlier, but never later.
        let (first, next) = (self.list.keys().next().map(|key| key.0), self.wheel.next());
        assert_eq!(first.is_some(), next.is_some());
        assert!(next <= first && next.is_none_or(|next| next >= self.base));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// A million steps in all: the same order, nothing lost, nothing early, nothing twice.
    #[test]
    fn it_rings_as_a_sorted_list_would(steps in prop::collection::vec(step(), 1000..3000)) {
        let mut pair = Pair::new();
        let mut rung = Vec::new();
        for step in steps {
            match step {
                Step::Set(ahead) if pair.base + ahead < FAR => assert!(pair.set(ahead)),
                Step::Cancel(index) if !pair.list.is_empty() => {
                    let key = *pair.list.keys().nth(index.index(pair.list.len())).unwrap();
                    pair.cancel(key);
                }
                Step::CancelRung(index) if !rung.is_empty() => {
                    let (tick, _, number) = *index.get::<(u64, u64, u32)>(&rung);
                    prop_assert!(pair.wheel.remove(tick, number).is_none());
                }
                Step::Pass(ticks, most, meanwhile) if pair.base + ticks < FAR => {
                    rung.extend(pair.pass(pair.base + ticks, most, meanwhile));
                }
                _ => {}
            }
            pair.check();
        }
        pair.pass(2 * FAR, 100, Vec::new());
        prop_assert!(pair.list.is_empty() && pair.wheel.next().is_none());
    }
}

#[test]
fn those_of_one_tick_ring_in_the_order_in_which_they_were_set() {
    let mut pair = Pair::new();
    // From each level down to where the tick is next.
    let tick = 3 << 36 | 5 << 30 | 7 << 24 | 9 << 18 | 11 << 12 | 13 << 6 | 15;
    for level in (0..7).rev() {
        pair.set(tick - pair.base);
        pair.pass((tick >> (6 * level) << (6 * level)).saturating_sub(1), 1, Vec::new());
        pair.set(tick - pair.base);
    }
    let rung: Vec<_> = pair.pass(tick, 1, Vec::new()).iter().map(|&(_, name, _)| name).collect();
    assert!(rung.len() == 14 && rung.is_sorted());
}

#[test]
fn what_was_not_done_at_once_is_done_in_order_though_more_is_set_meanwhile() {
    let mut wheel = Wheel::new();
    let log = Log::default();
    let set = |wheel: &mut Wheel, tick, name| {
        let waker = Waker::from(Arc::new(Bell { name, log: log.clone() }));
        wheel.insert(tick, waker).unwrap()
    };
    (0..10).for_each(|name| _ = set(&mut wheel, 100, name));
    let mut due = Vec::new();
    // In the midst of dealing them out, and of ringing.
    assert!(!wheel.advance(100, 5, &mut due));
    let cancelled = set(&mut wheel, 100, 99);
    assert!(!wheel.advance(100, 12, &mut due));
    set(&mut wheel, 101, 10);
    assert!(wheel.remove(100, cancelled).is_some());
    while !wheel.advance(101, 1, &mut due) {}
    due.into_iter().for_each(Waker::wake);
    assert_eq!(*log.lock().unwrap(), Vec::from_iter(0..=10));
}

#[test]
fn a_tick_that_is_done_takes_no_alarm() {
    let mut wheel = Wheel::new();
    assert!(wheel.advance(7, 1, &mut Vec::new()));
    assert!(wheel.insert(7, Waker::noop().clone()).is_err());
    assert!(wheel.insert(8, Waker::noop().clone()).is_ok());
    // Time doesn't go back.
    assert!(wheel.advance(3, 1, &mut Vec::new()));
    assert!(wheel.insert(7, Waker::noop().clone()).is_err());
    assert_eq!(wheel.next(), Some(8));
}

#[test]
fn numbers_are_each_taken_once_at_a_time() {
    let mut wheel = Wheel::new();
    let mut insert = |tick| wheel.insert(tick, Waker::noop().clone()).unwrap();
    let numbers: BTreeSet<_> = (0..1_000).map(&mut insert).collect();
    assert_eq!(numbers.len(), 1_000);
}

#[test]
fn a_burst_leaves_no_memory_behind() {
    let mut wheel = Wheel::new();
    let allocations = allocation_counter::measure(|| {
        let numbers: Vec<_> = (0..100_000_u64)
            .map(|tick| wheel.insert(tick, Waker::noop().clone()).unwrap())
            .collect();
        // In an order that leaves all chunks in part for long.
        for part in 0..7 {
            for (tick, number) in (0..).zip(&numbers).filter(|(tick, _)| tick % 7 == part) {
                wheel.remove(tick, *number).unwrap();
            }
        }
    });
    assert_eq!(allocations.count_current, 0, "{allocations:?}");

    // What comes and goes where the chunk ends allocates once.
    let tick = 200_000;
    let insert = |wheel: &mut Wheel| wheel.insert(tick, Waker::noop().clone()).unwrap();
    (0..128).for_each(|_| _ = insert(&mut wheel));
    let allocations = allocation_counter::measure(|| {
        for _ in 0..1_000 {
            let number = insert(&mut wheel);
            wheel.remove(tick, number).unwrap();
        }
    });
    // A chunk, and the list of chunks that has to grow.
    assert!(allocations.count_total <= 2, "{allocations:?}");
}
