//! A chain that is dropped half-way, at whichever poll, leaves nothing behind; one that is forgotten
//! holds up nobody else.

mod executors;
mod support;

use std::{future::pending, mem, sync::Arc, task::Poll, time::Duration};

use futures_lite::future::yield_now;
use support::{ByHand, CountingTimer, Drops, MILLISECOND, Token};
use tenure::{
    AbortHandle, Aborted, Backoff, Limit, Owned, OwnedFuture, Owner, Scope, bracket,
    operation::Operation, owner::Key, scope::Nursery, timeout::TimeoutHandle,
};

static TOKEN: Key<Token> = Key::new("token");

/// All that a chain may leave something in.
struct World {
    timer: CountingTimer,
    limit: Limit,
    scope: Scope,
    stop: AbortHandle,
    timeout: TimeoutHandle,
    drops: Drops,
    /// Of what the chain was given, and of what a bracket has acquired.
    given: Drops,
    /// Holds the only permit for the first polls.
    holder: Option<ByHand<'static, Result<(), Aborted>>>,
}

type Ended = Result<u32, &'static str>;
type Chain = ByHand<'static, Result<Ended, Aborted>>;

/// Where the chain runs.
#[derive(Clone, Copy, Debug)]
enum Place {
    Alone,
    Body,
    Child,
    Bracket,
}

const PLACES: [Place; 4] = [Place::Alone, Place::Body, Place::Child, Place::Bracket];

impl World {
    fn new(permits: usize) -> Self {
        let (timer, limit) = (CountingTimer::default(), Limit::new(permits));
        let scope = Scope::builder("scope").timer(timer.clone()).build();
        let holder = pending().limit(&limit).with_timer(timer.clone());
        Self {
            holder: Some(ByHand::polled(holder)),
            stop: AbortHandle::new(),
            timeout: TimeoutHandle::new(900 * MILLISECOND),
            drops: Drops::default(),
            given: Drops::default(),
            timer,
            limit,
            scope,
        }
    }

    /// Waits for its permit, times out, backs off, fails, backs off and succeeds.
    fn chain(&self, place: Place) -> Chain {
        let drops = self.drops.clone();
        let attempt = move |owner: Owner| {
            drops.of(async move {
                let mut told = owner.aborted();
                assert!(futures::poll!(&mut told).is_pending());
                yield_now().await;
                match owner.attempt() {
                    1 => pending().await,
                    2 => Err("down"),
                    attempt => Ok(attempt),
                }
            })
        };
        let chain = attempt
            .shielded(Duration::ZERO)
            .with_timeout(20 * MILLISECOND)
            .with_idle_timeout(100 * MILLISECOND)
            .warn_after(10 * MILLISECOND, |_| {})
            .retry(Backoff::fixed(10 * MILLISECOND))
            .limit(&self.limit)
            .with_timeout(1000 * MILLISECOND)
            .with_timeout_handle(&self.timeout)
            .with_idle_timeout(500 * MILLISECOND)
            .warn_after(20 * MILLISECOND, |_| {})
            .with_grace(Duration::ZERO)
            .with_value(&TOKEN, self.given.token());
        match place {
            Place::Alone => self.outermost(chain),
            Place::Body => {
                let body = async |n: Nursery<'_>| {
                    n.spawn_background(pending::<()>()).abort("at once");
                    plain(chain.await).await
                };
                self.outermost(tenure::scope(body))
            }
            Place::Child => {
                let body = async |n: Nursery<'_>| {
                    n.defer_async(async |_| {});
                    n.on_close(|_| {});
                    plain(chain.spawn_in(&n).await).await
                };
                self.outermost(tenure::scope(body))
            }
            Place::Bracket => {
                let given = self.given.clone();
                let acquire = async move {
                    yield_now().await;
                    Ok(given.token())
                };
                let using = async |_| plain(chain.await).await;
                self.outermost(bracket(acquire, using, async |_, _| {}))
            }
        }
    }

    fn outermost<O>(&self, chain: Owned<O>) -> Chain
    where
        O: Operation<Output = Ended> + 'static,
    {
        let chain = chain.with_abort(self.stop.clone()).named("chain");
        ByHand::new(chain.try_in_scope(&self.scope))
    }

    /// Polls `chain` up to `polls` times, and tells how often it did.
    fn drive(&mut self, chain: &mut Chain, polls: usize) -> usize {
        for polled in 0..polls {
            if let Poll::Ready(outcome) = chain.poll() {
                assert_eq!(outcome.unwrap(), Ok(3));
                return polled + 1;
            }
            if polled == 1 {
                self.holder = None;
            }
            if polled % 3 == 2 {
                self.timeout.extend(MILLISECOND);
            }
            self.timer.advance(5 * MILLISECOND);
        }
        polls
    }

    /// Nobody is left whom a change of the timeout would be told.
    fn runs_nothing(&self) -> bool {
        format!("{:?}", self.timeout).contains("running: 0")
    }

    /// How many polls it takes to the end.
    fn all(permits: usize, place: Place) -> usize {
        let mut world = Self::new(permits);
        let mut chain = world.chain(place);
        let all = world.drive(&mut chain, 1_000);
        assert!((8..50).contains(&all), "{all}");
        all
    }
}

/// What is aborted in the midst of a poll ends what it runs, and goes on until it is pending. Then it is dropped.
async fn plain(ended: Result<Ended, Aborted>) -> Ended {
    match ended {
        Ok(ended) => ended,
        Err(_) => pending().await,
    }
}

/// Each place, with each number of polls short of the end.
fn places(permits: usize) -> impl Iterator<Item = (Place, usize)> {
    let up_to = move |place| (0..World::all(permits, place)).map(move |polls| (place, polls));
    PLACES.into_iter().flat_map(up_to)
}

#[test]
fn a_chain_dropped_after_any_poll_leaves_nothing() {
    let ended = PLACES.into_iter().map(|place| (place, 1_000));
    for (place, polls) in places(1).chain(ended) {
        let case = format!("after {polls} polls, {place:?}");
        let mut world = World::new(1);
        let members = Arc::new(());
        let deferred = members.clone();
        world.scope.defer(move |_| drop(deferred));
        let mut chain = world.chain(place);
        world.drive(&mut chain, polls);
        let task = chain.task();
        drop(chain);

        world.holder = None;
        // The limit's own alarm is not cancelled, it rings in vain.
        world.timer.advance(MILLISECOND);
        assert_eq!(world.timer.live(), 0, "alarms {case}");
        assert_eq!(task.wakers(), 0, "wakers {case}");
        assert!(world.runs_nothing(), "runs {case}");
        assert_eq!(world.drops.live(), 0, "futures {case}");
        assert_eq!(world.given.live(), 0, "values {case}");
        assert_eq!((world.limit.active(), world.limit.waiting()), (0, 0), "permits {case}");
        assert_eq!(world.scope.members(), 0, "members {case}");
        assert!(!world.stop.is_aborted() && !world.scope.is_aborted());

        ByHand::new(world.scope.close()).ready();
        assert_eq!(Arc::strong_count(&members), 1);
        assert_eq!(ByHand::new(async { 1 }.limit(&world.limit)).ready().unwrap(), 1);
    }
}

#[test]
fn a_chain_aborted_after_any_poll_leaves_nothing_at_its_verdict() {
    for (place, polls) in places(1) {
        let case = format!("after {polls} polls, {place:?}");
        let mut world = World::new(1);
        let mut chain = world.chain(place);
        world.drive(&mut chain, polls);
        let before = world.drops.made();
        world.stop.abort("stop");
        assert_eq!(chain.ready().unwrap_err().to_string(), "stop", "{case}");

        // The chain itself is still there.
        world.holder = None;
        world.timer.advance(MILLISECOND);
        assert_eq!(world.timer.live(), 0, "alarms {case}");
        assert_eq!(chain.wakers(), 0, "wakers {case}");
        assert!(world.runs_nothing(), "runs {case}");
        assert_eq!((world.drops.made(), world.drops.live()), (before, 0), "futures {case}");
        assert_eq!(world.given.live(), 0, "values {case}");
        assert_eq!((world.limit.active(), world.limit.waiting()), (0, 0), "permits {case}");
        assert_eq!(world.scope.members(), 0, "members {case}");
        assert!(!world.scope.is_aborted());
    }
}

/// Its permit and its membership are lost with it; that is all.
#[test]
fn a_chain_forgotten_after_any_poll_holds_up_nobody_else() {
    for (place, polls) in places(2) {
        let case = format!("after {polls} polls, {place:?}");
        let mut world = World::new(2);
        let mut chain = world.chain(place);
        let mut sibling = ByHand::polled(pending::<()>().in_scope(&world.scope));
        world.drive(&mut chain, polls);
        let holds = world.limit.active() - usize::from(world.holder.is_some());
        mem::forget(chain);
        world.holder = None;
        assert_eq!(world.limit.active(), holds);

        let mut other =
            ByHand::new(async { 1 }.limit(&world.limit).with_timer(world.timer.clone()));
        assert_eq!(other.ready().unwrap(), 1, "{case}");
        world.scope.abort("stop");
        assert_eq!(sibling.ready().unwrap_err().to_string(), "stop (in `scope`)");
        let close = world.scope.close().with_timeout(MILLISECOND).with_timer(world.timer.clone());
        let mut close = ByHand::polled(close);
        world.timer.advance(MILLISECOND);
        assert!(close.ready().unwrap_err().is_timeout(), "it waits for its member");
    }
}

#[test]
fn one_forgotten_while_it_waits_is_passed_over() {
    let (timer, limit) = (CountingTimer::default(), Limit::new(1));
    let waits = || ByHand::polled(pending::<()>().limit(&limit).with_timer(timer.clone()));
    let holder = waits();
    mem::forget(waits());
    let mut next = ByHand::polled(async { 1 }.limit(&limit).with_timer(timer.clone()));
    drop(holder);
    timer.advance(MILLISECOND);
    assert_eq!(next.wakes(), 1);
    assert_eq!(next.ready().unwrap(), 1);
}

executors::on_every_executor! {
    async fn many_dropped_half_way_leave_nothing(executor: Executor) {
        let (limit, scope, drops) = (Limit::new(2), Scope::new("scope"), Drops::default());
        let tasks: Vec<_> = (0..200)
            .map(|n| {
                let work = drops.of(async move {
                    for _ in 0..n % 5 {
                        yield_now().await;
                    }
                });
                let mut chain = Box::pin(work.limit(&limit).in_scope(&scope));
                executor.spawn(async move {
                    for _ in 0..n % 7 {
                        if futures::poll!(chain.as_mut()).is_ready() {
                            return;
                        }
                        yield_now().await;
                    }
                })
            })
            .collect();
        scope.close().await;
        assert_eq!((drops.live(), limit.active(), limit.waiting()), (0, 0, 0));
        for task in tasks {
            task.await;
        }
    }
}
