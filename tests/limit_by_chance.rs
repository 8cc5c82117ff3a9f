//! Whatever is asked of a limit, in whatever order: it lets in no more than may, wakes whoever can be let in, and keeps
//! nothing of who is gone.

mod support;

use std::{future::pending, time::Duration};

use proptest::prelude::*;
use support::ByHand;
use tenure::{
    Aborted, KeyedLimit, OwnedFuture,
    limit::{Order, Overflow, Rate},
    time::TestClock,
};

#[derive(Clone, Debug)]
enum Step {
    Comes {
        key: Option<u8>,
        weight: usize,
        priority: i32,
        cost: u64,
        patience: Option<u16>,
    },
    /// One of those who are there is polled, woken or not.
    Polled(prop::sample::Index),
    /// All who were woken are polled.
    Run,
    Goes(prop::sample::Index),
    Passes(u16),
    Capacity(usize),
    Pause(bool),
    Clear,
    CoolDown(u16),
    SetPriority(u8, i32),
    Tries,
    Settles(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let comes = (
        proptest::option::of(0..3_u8),
        prop_oneof![6 => Just(1_usize), 1 => Just(0), 2 => 2..5_usize],
        prop_oneof![3 => Just(0), 1 => -2..3],
        0..4_u64,
        proptest::option::weighted(0.1, 0..5_000_u16),
    );
    let comes = comes.prop_map(|(key, weight, priority, cost, patience)| Step::Comes {
        key,
        weight,
        priority,
        cost,
        patience,
    });
    prop_oneof![
        8 => comes,
        3 => any::<prop::sample::Index>().prop_map(Step::Polled),
        3 => Just(Step::Run),
        6 => any::<prop::sample::Index>().prop_map(Step::Goes),
        4 => (0..3_000_u16).prop_map(Step::Passes),
        1 => (0..6_usize).prop_map(Step::Capacity),
        1 => any::<bool>().prop_map(Step::Pause),
        1 => Just(Step::Clear),
        1 => (0..3_000_u16).prop_map(Step::CoolDown),
        2 => (0..3_u8, -2..3).prop_map(|(name, priority)| Step::SetPriority(name, priority)),
        2 => Just(Step::Tries),
        1 => (0..8_u64).prop_map(Step::Settles),
    ]
}

type One = ByHand<'static, Result<(), Aborted>>;

struct Scene {
    clock: TestClock,
    limit: KeyedLimit<u8>,
    /// Who was let in or waits, its key, its weight, and how often it had been woken when it was polled last.
    all: Vec<(One, Option<u8>, usize, usize)>,
}

impl Scene {
    fn poll(&mut self, place: usize) {
        let (one, _, _, seen) = &mut self.all[place];
        *seen = one.wakes();
        if one.poll().is_ready() {
            drop(self.all.remove(place));
        }
    }

    /// As executors do, until nobody is woken any more.
    fn run(&mut self) {
        while let Some(woken) = self.all.iter().position(|(one, _, _, seen)| one.wakes() > *seen) {
            self.poll(woken);
        }
    }

    fn check(&self) {
        let limit = self.limit.all();
        let held: usize = (0..3).map(|key| self.limit.active(&key)).sum();
        assert!(held <= limit.active());
        assert!((0..3).all(|key| self.limit.active(&key) <= 2));
        assert!(limit.waiting() <= self.all.len());
        assert_eq!(limit.queued().len(), limit.waiting());
    }
}

fn micros(n: u16) -> Duration {
    Duration::from_micros(n.into())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn nobody_is_lost_whatever_is_asked(
        order in prop_oneof![Just(Order::Fifo), Just(Order::Lifo), Just(Order::Fair)],
        rated in any::<bool>(),
        tracked in any::<bool>(),
        bound in proptest::option::of((0..4_usize, prop_oneof![
            Just(Overflow::Reject), Just(Overflow::DropOldest), Just(Overflow::DropLowest),
        ])),
        // Until then nobody has a priority.
        ranked_from in 0..60_usize,
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let clock = TestClock::new();
        let mut builder = tenure::Limit::builder().concurrency(4).order(order).timer(&clock);
        builder = builder.ageing(Duration::from_millis(2));
        if rated {
            builder = builder.rate(Rate::fixed_window(5, Duration::from_millis(1)).of("tokens"));
        }
        if tracked {
            builder = builder.tracked();
        }
        if let Some((most, overflow)) = bound {
            builder = builder.max_waiting(most, overflow);
        }
        let limit = builder.build_keyed(2);
        let mut scene = Scene { clock, limit, all: Vec::new() };
        for (n, step) in steps.into_iter().enumerate() {
            let is_ranked = n >= ranked_from;
            let most = scene.limit.all().capacity();
            let before = scene.limit.all().active();
            match step {
                Step::Comes { key, weight, priority, cost, patience } => {
                    let claim = match key {
                        Some(key) => scene.limit.key(key).named(key.to_string()),
                        None => scene.limit.all().claim(),
                    };
                    let mut claim = claim.weight(weight).priority(if is_ranked { priority } else { 0 });
                    if rated {
                        claim = claim.cost("tokens", cost);
                    }
                    if let Some(patience) = patience {
                        claim = claim.max_wait(micros(patience));
                    }
                    let one = ByHand::new(pending::<()>().limit(claim).with_timer(&scene.clock));
                    scene.all.push((one, key, weight, 0));
                    scene.poll(scene.all.len() - 1);
                }
                Step::Polled(which) if !scene.all.is_empty() => {
                    scene.poll(which.index(scene.all.len()));
                }
                Step::Run => scene.run(),
                Step::Goes(which) if !scene.all.is_empty() => {
                    drop(scene.all.remove(which.index(scene.all.len())));
                }
                Step::Passes(time) => scene.clock.advance(micros(time)),
                Step::Capacity(permits) => scene.limit.all().set_capacity(permits),
                Step::Pause(true) => scene.limit.all().pause(),
                Step::Pause(false) => scene.limit.all().resume(),
                Step::Clear => {
                    let waiting = scene.limit.all().waiting();
                    prop_assert_eq!(scene.limit.all().clear("cleared"), waiting);
                    prop_assert_eq!(scene.limit.all().waiting(), 0);
                }
                Step::CoolDown(time) => drop(scene.limit.all().cool_down(micros(time))),
                Step::SetPriority(name, priority) if is_ranked => {
                    scene.limit.all().set_priority(&name.to_string(), priority);
                }
                Step::Tries => drop(scene.limit.all().try_acquire()),
                Step::Settles(actual) if rated => {
                    if let Some(mut permit) = scene.limit.all().try_acquire() {
                        prop_assert!(permit.settle("tokens", actual));
                    }
                }
                _ => {}
            }
            let now = scene.limit.all().active();
            prop_assert!(now <= before || now <= most.max(scene.limit.all().capacity()));
            scene.check();
        }

        // Whoever waits now is let in as soon as there is room, and is told so.
        scene.limit.all().resume();
        scene.limit.all().set_capacity(4);
        for _ in 0..10_000 {
            scene.run();
            let held = scene.all.len() - scene.limit.all().waiting();
            if scene.limit.all().waiting() == 0 {
                break;
            }
            // Who is in goes, one by one; where nobody is, there is only the clock to wait for.
            if held > 0 && scene.limit.all().active() > 0 {
                let names: Vec<_> = scene.all.iter().map(|(one, ..)| one.wakers()).collect();
                // Those who wait are known to the queue by their wakers.
                let inside = names.iter().position(|wakers| *wakers == 0);
                scene.all.remove(inside.unwrap_or(0));
            }
            scene.clock.advance(Duration::from_millis(5));
        }
        prop_assert_eq!(scene.limit.all().waiting(), 0, "nobody waits for ever");
        scene.all.clear();
        prop_assert_eq!((scene.limit.all().active(), scene.limit.keys()), (0, 0));
        prop_assert!(scene.limit.all().running().is_empty());
        scene.clock.advance(Duration::from_secs(10));
        prop_assert!(scene.limit.all().try_acquire().is_some());
    }
}
