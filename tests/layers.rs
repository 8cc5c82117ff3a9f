//! Adapters, nurseries and brackets in random layers, each in a chain with the one below or in plain code around it,
//! while the whole is aborted, dropped, or runs to its end. However it goes, it ends in time, each bracket that has
//! acquired something releases it, and nothing is left.

mod support;

use std::{cell::Cell, future::pending, rc::Rc, time::Duration};

use futures::future::LocalBoxFuture;
use proptest::{collection::vec, prelude::*};
use support::{ByHand, Count, CountingTimer, Drops, MILLISECOND, Token};
use tenure::{
    AbortHandle, Aborted, Limit, Owned, OwnedFuture, Owner, Scope,
    abort::Position,
    bracket::{Held, bracket},
    operation::Operation,
    owner::Key,
    time::TimerHandle,
    timeout::TimeoutHandle,
};

/// With so many milliseconds, where it takes any.
#[derive(Clone, Copy, Debug)]
enum Layer {
    Timeout(u32),
    Handle(u32),
    Idle(u32),
    Warn,
    Limit,
    InScope,
    TryInScope,
    Abort,
    Named,
    Timer,
    Grace(u32),
    Shield(u32),
    Value,
    Body,
    Child,
    Bracket { acquire: u32, release: u32 },
}

/// Two layers in one chain, which is awaited in plain code.
type Chain = (Layer, Layer);

#[derive(Clone, Copy, Debug)]
enum Fate {
    RunsOut,
    /// After so many milliseconds.
    Aborted(u32),
    Dropped(u32),
}

type Ended = Result<(), &'static str>;
type Plain = LocalBoxFuture<'static, Ended>;

#[derive(Clone, Default)]
struct World {
    timer: CountingTimer,
    drops: Drops,
    acquired: Count,
    released: Count,
    scopes: Rc<Cell<Vec<Scope>>>,
    limits: Rc<Cell<Vec<Limit>>>,
}

static KEY: Key<Token> = Key::new("key");

fn millis(time: u32) -> Duration {
    time * MILLISECOND
}

fn keep<T>(all: &Cell<Vec<T>>, one: T) {
    let mut kept = all.take();
    kept.push(one);
    all.set(kept);
}

impl World {
    async fn sleep(self, time: u32) {
        let _token = self.drops.token();
        TimerHandle::new(self.timer.clone()).sleep(millis(time)).await;
    }

    /// What runs in all of them.
    fn leaf(&self, naps: u32) -> Plain {
        let world = self.clone();
        Box::pin(async move {
            let _token = world.drops.token();
            for _ in 0..naps {
                world.clone().sleep(2).await;
            }
            Ok(())
        })
    }

    /// Where it was ended from above, it is dropped and not polled any more.
    async fn plain(self, chain: impl Future<Output = Result<Ended, Aborted>>) -> Ended {
        let _token = self.drops.token();
        match chain.await {
            Ok(ended) => ended,
            Err(aborted) if aborted.position() == Position::Below => Err("below"),
            Err(_) => pending().await,
        }
    }

    fn both(&self, work: Plain, (first, second): Chain) -> Plain {
        match first {
            Layer::Timeout(time) => self.once(work.with_timeout(millis(time)), second),
            Layer::Handle(time) => {
                self.once(work.with_timeout_handle(&TimeoutHandle::new(millis(time))), second)
            }
            Layer::Idle(time) => self.once(work.with_idle_timeout(millis(time)), second),
            Layer::Warn => self.once(work.warn_after(MILLISECOND, |_| {}), second),
            Layer::Limit => self.once(work.limit(self.limit()), second),
            Layer::InScope => self.once(work.in_scope(&self.scope()), second),
            Layer::TryInScope => self.once(work.try_in_scope(&self.scope()), second),
            Layer::Abort => self.once(work.with_abort(AbortHandle::new()), second),
            Layer::Named => self.once(work.named("first"), second),
            Layer::Timer => self.once(work.with_timer(self.timer.clone()), second),
            Layer::Grace(time) => self.once(work.with_grace(millis(time)), second),
            Layer::Shield(time) => self.once(work.shielded(millis(time)), second),
            Layer::Value => self.once(work.with_value(&KEY, self.drops.token()), second),
            Layer::Body => self.once(self.body(work.owned()), second),
            Layer::Child => self.once(self.child(work.owned()), second),
            Layer::Bracket { acquire, release } => {
                self.once(self.bracket(work.owned(), acquire, release), second)
            }
        }
    }

    fn once<O>(&self, chain: Owned<O>, layer: Layer) -> Plain
    where
        O: Operation<Output = Ended> + 'static,
    {
        match layer {
            Layer::Timeout(time) => self.end(chain.with_timeout(millis(time))),
            Layer::Handle(time) => {
                self.end(chain.with_timeout_handle(&TimeoutHandle::new(millis(time))))
            }
            Layer::Idle(time) => self.end(chain.with_idle_timeout(millis(time))),
            Layer::Warn => self.end(chain.warn_after(MILLISECOND, |_| {})),
            Layer::Limit => self.end(chain.limit(self.limit())),
            Layer::InScope => self.end(chain.in_scope(&self.scope())),
            Layer::TryInScope => self.end(chain.try_in_scope(&self.scope())),
            Layer::Abort => self.end(chain.with_abort(AbortHandle::new())),
            Layer::Named => self.end(chain.named("second")),
            Layer::Timer => self.end(chain.with_timer(self.timer.clone())),
            Layer::Grace(time) => self.end(chain.with_grace(millis(time))),
            Layer::Shield(time) => self.end(chain.shielded(millis(time))),
            Layer::Value => self.end(chain.with_value(&KEY, self.drops.token())),
            Layer::Body => self.end(self.body(chain)),
            Layer::Child => self.end(self.child(chain)),
            Layer::Bracket { acquire, release } => self.end(self.bracket(chain, acquire, release)),
        }
    }

    fn end<O>(&self, chain: Owned<O>) -> Plain
    where
        O: Operation<Output = Ended> + 'static,
    {
        Box::pin(self.clone().plain(chain))
    }

    fn limit(&self) -> Limit {
        let limit = Limit::new(1);
        keep(&self.limits, limit.clone());
        limit
    }

    fn scope(&self) -> Scope {
        let scope = Scope::builder("scope").timer(self.timer.clone()).build();
        keep(&self.scopes, scope.clone());
        scope
    }

    fn body<O>(&self, chain: Owned<O>) -> Owned<impl Operation<Output = Ended> + use<O>>
    where
        O: Operation<Output = Ended> + 'static,
    {
        let world = self.clone();
        tenure::local_scope(async |n| {
            let aside = world.clone();
            n.spawn(aside.sleep(3).with_grace(millis(1)));
            let cleans = world.clone();
            n.defer_async_within(millis(2), move |_| cleans.sleep(1));
            world.plain(chain).await
        })
    }

    fn child<O>(&self, chain: Owned<O>) -> Owned<impl Operation<Output = Ended> + use<O>>
    where
        O: Operation<Output = Ended> + 'static,
    {
        let world = self.clone();
        tenure::local_scope(async |n| world.plain(chain.spawn_in(&n)).await)
    }

    fn bracket<O>(
        &self,
        chain: Owned<O>,
        acquire: u32,
        release: u32,
    ) -> Owned<impl Operation<Output = Ended> + use<O>>
    where
        O: Operation<Output = Ended> + 'static,
    {
        let (first, second, third) = (self.clone(), self.clone(), self.clone());
        let acquire = async move {
            first.clone().sleep(acquire).await;
            first.acquired.add();
            Ok(first.drops.token())
        };
        let using = async move |_: Held<Token>| second.plain(chain).await;
        let releasing = async move |_: Token, _| {
            third.released.add();
            assert!(Owner::current().is_some_and(|owner| !owner.is_aborted()));
            third.sleep(release).await;
        };
        bracket(acquire, using, releasing)
            .acquire_within(100 * MILLISECOND)
            .release_within(100 * MILLISECOND)
    }
}

/// For how long it may run, and for how long it may go on when it is aborted: more than it needs.
fn most(chains: &[Chain], naps: u32) -> u32 {
    let of = |layer| match layer {
        Layer::Grace(time) | Layer::Shield(time) => time,
        Layer::Bracket { acquire, release } => acquire + release,
        Layer::Body => 3 + 1 + 2,
        _ => 0,
    };
    2 * naps + chains.iter().map(|(first, second)| of(*first) + of(*second)).sum::<u32>() + 2
}

fn check(naps: u32, chains: &[Chain], fate: Fate) {
    let (world, stop) = (World::default(), AbortHandle::new());
    let work = chains.iter().fold(world.leaf(naps), |work, chain| world.both(work, *chain));
    let whole = work.with_abort(stop.clone()).with_timer(world.timer.clone());
    let mut whole = ByHand::new(whole);
    let task = whole.task();
    let most = most(chains, naps);
    let mut ended = None;
    let mut dropped = false;
    let (mut since, mut seen) = (0, 0);
    for time in 0.. {
        match fate {
            Fate::Aborted(at) if at == time => {
                stop.abort("stop");
                since = time;
            }
            Fate::Dropped(at) if at == time => dropped = true,
            _ => {}
        }
        if dropped {
            break;
        }
        if time == 0 || whole.wakes() > seen {
            if let std::task::Poll::Ready(value) = whole.run() {
                ended = Some(value);
                break;
            }
            seen = whole.wakes();
        }
        assert!(time - since <= most, "it takes more than {most}");
        world.timer.advance(MILLISECOND);
    }
    match (&ended, fate) {
        (Some(Err(aborted)), Fate::Aborted(_)) => assert_eq!(aborted.to_string(), "stop"),
        (Some(Err(aborted)), _) => panic!("{aborted}"),
        _ => {}
    }
    if ended.is_some() {
        // The future itself is still there.
        assert_eq!((world.drops.live(), whole.wakers()), (0, 0));
        assert_eq!(world.acquired.get(), world.released.get());
        assert_eq!(world.timer.live(), 0);
    }
    drop(whole);
    assert_eq!((world.drops.live(), task.wakers(), world.timer.live()), (0, 0, 0));
    for scope in world.scopes.take() {
        assert_eq!(scope.members(), 0);
        let report = ByHand::new(scope.close()).ready();
        let members = report.members();
        let counted = members.ran + members.failed + members.aborted + members.dropped;
        assert_eq!(counted + members.never_started, 1, "{report}");
    }
    for limit in world.limits.take() {
        assert_eq!((limit.active(), limit.waiting()), (0, 0));
    }
}

fn layer() -> impl Strategy<Value = Layer> {
    let time = 0..8_u32;
    prop_oneof![
        (1..20_u32).prop_map(Layer::Timeout),
        (1..20_u32).prop_map(Layer::Handle),
        (3..20_u32).prop_map(Layer::Idle),
        Just(Layer::Warn),
        Just(Layer::Limit),
        Just(Layer::InScope),
        Just(Layer::TryInScope),
        Just(Layer::Abort),
        Just(Layer::Named),
        Just(Layer::Timer),
        time.clone().prop_map(Layer::Grace),
        time.clone().prop_map(Layer::Shield),
        Just(Layer::Value),
        Just(Layer::Body),
        Just(Layer::Child),
        (time.clone(), time).prop_map(|(acquire, release)| Layer::Bracket { acquire, release }),
    ]
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        Just(Fate::RunsOut),
        (0..20_u32).prop_map(Fate::Aborted),
        (0..20_u32).prop_map(Fate::Dropped),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn however_they_are_layered_it_ends_and_nothing_is_left(
        naps in 0..6_u32,
        chains in vec((layer(), layer()), 0..4),
        fate in fate(),
    ) {
        check(naps, &chains, fate);
    }
}
