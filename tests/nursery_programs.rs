//! Random programs in a nursery: children that wait, spawn, fail, panic, abort each other and all of it, some with time
//! to end, while the whole runs out of time, is aborted or dropped. However it goes, each child ends in one way, and
//! nothing of it is left.

mod support;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use futures::future::BoxFuture;
use futures_lite::future::yield_now;
use proptest::{collection::vec, prelude::*};
use support::{ByHand, Count, Drops, Log, MILLISECOND, SECOND, panic_quietly};
use tenure::{
    AbortHandle, OwnedFuture,
    scope::{JoinHandle, Members, Nursery},
    time::TestClock,
};

/// What a child does, one after the other; then it ends.
#[derive(Clone, Debug)]
enum Step {
    Sleep(u64),
    Yield,
    Spawn(Manner, Vec<Step>),
    /// Awaits the child that it has spawned last, if it has.
    Await,
    /// Aborts it.
    AbortChild,
    AbortAll,
    Fail,
    Panic,
    /// Is going to panic when it is dropped, unless a panic drops it.
    Arm,
}

#[derive(Clone, Copy, Debug)]
enum Manner {
    Plain,
    Trying,
    Background,
    /// With so long to end.
    Graceful(u64),
    Shielded(u64),
    Timed(u64),
}

struct Armed;

impl Drop for Armed {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic_quietly();
        }
    }
}

/// What becomes of the whole.
#[derive(Clone, Copy, Debug)]
enum Fate {
    RunsOut,
    TimesOut(u64),
    /// After so many polls.
    Aborted(usize),
    Dropped(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let leaf = prop_oneof![
        6 => (0..9_u64).prop_map(Step::Sleep),
        4 => Just(Step::Yield),
        3 => Just(Step::Await),
        1 => Just(Step::AbortChild),
        1 => Just(Step::AbortAll),
        1 => Just(Step::Fail),
        1 => Just(Step::Panic),
        1 => Just(Step::Arm),
    ];
    let spawning = leaf.prop_recursive(4, 48, 6, |inner| {
        let child = (manner(), vec(inner.clone(), 0..6));
        prop_oneof![3 => inner, 5 => child.prop_map(|(manner, steps)| Step::Spawn(manner, steps))]
    });
    vec(spawning, 0..8)
}

fn manner() -> impl Strategy<Value = Manner> {
    prop_oneof![
        4 => Just(Manner::Plain),
        2 => Just(Manner::Trying),
        1 => Just(Manner::Background),
        2 => (0..6_u64).prop_map(Manner::Graceful),
        1 => (0..6_u64).prop_map(Manner::Shielded),
        1 => (0..6_u64).prop_map(Manner::Timed),
    ]
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        2 => Just(Fate::RunsOut),
        2 => (0..20_u64).prop_map(Fate::TimesOut),
        1 => (0..8_usize).prop_map(Fate::Aborted),
        2 => (0..8_usize).prop_map(Fate::Dropped),
    ]
}

#[derive(Clone)]
struct World {
    clock: TestClock,
    drops: Drops,
    spawned: Count,
    /// All of it has ended.
    ended: Arc<AtomicBool>,
    /// What ran after that.
    late: Count,
}

type Outcome = Result<(), &'static str>;

impl World {
    fn new() -> Self {
        Self {
            clock: TestClock::new(),
            drops: Drops::default(),
            spawned: Count::default(),
            ended: Arc::default(),
            late: Count::default(),
        }
    }

    fn spawn<'env>(
        &self,
        n: &Nursery<'env>,
        manner: Manner,
        steps: &'env [Step],
    ) -> JoinHandle<Outcome> {
        self.spawned.add();
        let child = self.clone().run(n.clone(), steps);
        match manner {
            Manner::Plain => n.spawn(child),
            Manner::Background => n.spawn_background(child),
            Manner::Trying => {
                let trying = n.try_spawn(child);
                self.spawned.add();
                n.spawn(async move { trying.await.map_err(|_| "aborted") })
            }
            Manner::Graceful(time) => child.with_grace(millis(time)).spawn_in(n),
            Manner::Shielded(time) => child.shielded(millis(time)).spawn_in(n),
            Manner::Timed(time) => child.with_timeout(millis(time)).spawn_in(n),
        }
    }

    fn run<'env>(self, n: Nursery<'env>, steps: &'env [Step]) -> BoxFuture<'env, Outcome> {
        let token = self.drops.token();
        Box::pin(async move {
            let _token = token;
            let (mut child, mut _armed) = (None, None);
            for step in steps {
                if self.ended.load(SeqCst) {
                    self.late.add();
                }
                match step {
                    Step::Sleep(time) => self.clock.sleep(millis(*time)).await,
                    Step::Yield => yield_now().await,
                    Step::Spawn(manner, steps) => child = Some(self.spawn(&n, *manner, steps)),
                    Step::Await => {
                        if let Some(child) = child.take() {
                            drop(child.await);
                        }
                    }
                    Step::AbortChild => _ = child.as_ref().map(|child| child.abort("not needed")),
                    Step::AbortAll => _ = n.abort("enough"),
                    Step::Fail => return Err("down"),
                    Step::Panic => panic_quietly(),
                    Step::Arm => _armed = Some(Armed),
                }
            }
            Ok(())
        })
    }
}

/// Polls it whenever it is woken, so many times at the most. Tells whether it has ended.
fn drive<T>(chain: &mut ByHand<'_, T>, most: usize) -> bool {
    for _ in 0..most {
        let seen = chain.wakes();
        // A panic is an end as well.
        match catch_unwind(AssertUnwindSafe(|| chain.poll().is_ready())) {
            Ok(false) if chain.wakes() == seen => panic!("nobody is going to wake it"),
            Ok(false) => {}
            _ => return true,
        }
    }
    false
}

fn check(steps: &[Step], fate: Fate) {
    let (world, stop, cleaned) = (World::new(), AbortHandle::new(), Count::default());
    let reports = Log::default();
    let (inside, told, counted) = (world.clone(), reports.clone(), cleaned.clone());
    let nursery = tenure::scope(async move |n| {
        let (clock, sync) = (inside.clock.clone(), counted.clone());
        n.on_close(move |report| told.note((report.members(), report.clean_up())));
        n.defer(move |_| _ = sync.add());
        n.defer_async(move |_| async move {
            clock.sleep(MILLISECOND).await;
            counted.add();
        });
        inside.run(n, steps).await
    });
    let time = match fate {
        Fate::TimesOut(time) => millis(time),
        _ => Duration::MAX,
    };
    let chain = nursery.with_timeout(time).with_abort(&stop).with_timer(&world.clock);
    let mut chain = ByHand::new(world.clock.watch(chain));
    let ended = match fate {
        Fate::RunsOut | Fate::TimesOut(_) => drive(&mut chain, usize::MAX),
        Fate::Dropped(polls) => drive(&mut chain, polls),
        Fate::Aborted(polls) => {
            drive(&mut chain, polls) || {
                stop.abort("stop");
                drive(&mut chain, usize::MAX)
            }
        }
    };
    // What it drops may panic.
    _ = catch_unwind(AssertUnwindSafe(|| drop(chain)));
    world.ended.store(true, SeqCst);
    world.clock.advance(60 * SECOND);

    assert_eq!((world.drops.live(), world.late.get()), (0, 0));
    let [(members, clean_up)] = reports.all()[..] else {
        assert_eq!((world.spawned.get(), cleaned.get()), (0, 0), "it has begun, and told nobody");
        return;
    };
    // The body isn't one of them, however it ends.
    let Members { ran, failed, aborted, dropped, never_started, .. } = members;
    let counted = ran + failed + aborted + dropped + never_started;
    assert_eq!(counted, world.spawned.get(), "{members:?}");
    assert!(dropped == 0 || !ended, "{members:?}");
    assert_eq!(cleaned.get() + clean_up.skipped, 2, "{clean_up:?}");
    assert!(!ended || clean_up.skipped == 0, "{clean_up:?}");
}

fn millis(time: u64) -> Duration {
    Duration::from_millis(time)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn each_child_ends_in_one_way_and_nothing_is_left(steps in steps(), fate in fate()) {
        check(&steps, fate);
    }
}

#[test]
fn a_program_that_hangs_would_be_noticed() {
    let mut stuck = ByHand::new(tenure::scope(async |_| std::future::pending::<()>().await));
    let panic = catch_unwind(AssertUnwindSafe(|| drive(&mut stuck, 2))).unwrap_err();
    assert_eq!(support::message(&*panic), "nobody is going to wake it");
}
