//! Values go down to all that is owned, the nearest counts, and siblings never see each other's.

mod executors;
mod support;

use std::{future::Future, task::Poll, thread};

use futures_lite::future::yield_now;
use support::{ByHand, Drops, Log, SECOND, Token};
use tenure::{Backoff, OwnedFuture, Owner, Scope, local_scope, owner::Key, scope, time::TestClock};

static REQUEST: Key<u32> = Key::new("request");
static OTHER: Key<u32> = Key::new("request");
static USER: Key<String> = Key::new("user");
static TOKEN: Key<Token> = Key::new("token");

/// What plain code finds, which must be what the owner tells.
async fn found() -> (Option<u32>, Option<u32>, Option<String>) {
    yield_now().await;
    let found = (REQUEST.get(), OTHER.get(), USER.get());
    if let Some(owner) = Owner::current() {
        let told = (owner.value(&REQUEST), owner.value(&OTHER), owner.value(&USER));
        assert_eq!(found, (told.0.copied(), told.1.copied(), told.2.cloned()));
    }
    found
}

/// The number of the request alone.
async fn request() -> Option<u32> {
    found().await.0
}

executors::on_every_executor! {
    async fn the_nearest_one_counts(executor: Executor) {
        let chain = request().with_value(&REQUEST, 1).with_timeout(SECOND).with_value(&REQUEST, 2);
        assert_eq!(executor.spawn(chain).await.unwrap(), Some(1));

        let outer = async {
            let inner = request().with_value(&REQUEST, 3).await.unwrap();
            (request().await, inner, async { request().await }.with_timeout(SECOND).await.unwrap())
        };
        let outer = outer.with_value(&REQUEST, 4);
        assert_eq!(executor.spawn(outer).await.unwrap(), (Some(4), Some(3), Some(4)));
        assert_eq!(executor.spawn(found()).await, (None, None, None));
    }

    async fn keys_are_told_apart_whatever_they_are_called(executor: Executor) {
        let chain = found().with_value(&OTHER, 5).with_value(&USER, "ada".to_owned());
        let (request, other, user) = executor.spawn(chain).await.unwrap();
        assert_eq!((request, other, user.as_deref()), (None, Some(5), Some("ada")));
    }

    async fn children_of_a_nursery_inherit_them(executor: Executor) {
        let nursery = scope(async |n| {
            let plain = n.spawn(request());
            let own = request().with_value(&REQUEST, 8).spawn_in(&n);
            let inner = n.clone();
            let grandchild = n.spawn(async move { inner.spawn(request()).await.unwrap() });
            let nested = n.spawn(async { scope(async |n| n.spawn(request()).await.unwrap()).await.unwrap() });
            let body = request().await;
            [body, plain.await.unwrap(), own.await.unwrap(), grandchild.await.unwrap(), nested.await.unwrap()]
        });
        let seven = Some(7);
        let nursery = nursery.with_value(&REQUEST, 7);
        assert_eq!(executor.spawn(nursery).await.unwrap(), [seven, seven, Some(8), seven, seven]);
    }

    async fn members_and_scopes_in_scopes_inherit_them(executor: Executor) {
        let outer = Scope::builder("outer").value(&REQUEST, 1).value(&USER, "ada".to_owned()).build();
        let inner = Scope::builder("inner").value(&REQUEST, 2).child_of(&outer).build();
        let plain = inner.child("plain");
        let run = |scope: &Scope| executor.spawn(found().in_scope(scope));
        let ada = || Some("ada".to_owned());
        assert_eq!(run(&outer).await.unwrap(), (Some(1), None, ada()));
        assert_eq!(run(&inner).await.unwrap(), (Some(2), None, ada()));
        assert_eq!(run(&plain).await.unwrap(), (Some(2), None, ada()));
        let own = found().with_value(&REQUEST, 3).in_scope(&plain);
        assert_eq!(executor.spawn(own).await.unwrap(), (Some(3), None, ada()));
    }

    /// An owner once forgot what was given above a scope that had values of its own.
    async fn those_above_a_scope_count_too(executor: Executor) {
        let scope = Scope::builder("scope").value(&REQUEST, 1).build();
        let member = found().in_scope(&scope).with_value(&OTHER, 2).with_value(&REQUEST, 3);
        assert_eq!(executor.spawn(member).await.unwrap(), (Some(1), Some(2), None));

        // In two scopes, and in a chain deep down.
        let other = Scope::builder("other").value(&REQUEST, 4).value(&USER, "ada".to_owned()).build();
        let member = found().in_scope(&scope).in_scope(&other).with_value(&OTHER, 2);
        assert_eq!(executor.spawn(member).await.unwrap(), (Some(1), Some(2), Some("ada".to_owned())));
        let deep = {
            let scope = scope.clone();
            async move { found().in_scope(&scope).await.unwrap() }
        };
        let deep = deep.with_value(&OTHER, 5).with_value(&USER, "bob".to_owned());
        assert_eq!(executor.spawn(deep).await.unwrap(), (Some(1), Some(5), Some("bob".to_owned())));
    }

    async fn siblings_never_see_each_others(executor: Executor) {
        async fn asks(expected: u32) {
            for _ in 0..20 {
                assert_eq!(request().await, Some(expected));
            }
        }
        let tasks: Vec<_> = (0..50).map(|n| executor.spawn(asks(n).with_value(&REQUEST, n))).collect();
        for task in tasks {
            task.await.unwrap();
        }
        let in_turns = async {
            let (one, two) = (asks(1).with_value(&REQUEST, 1), asks(2).with_value(&REQUEST, 2));
            let (one, two, outer) = futures::join!(one, two, request());
            one.and(two).unwrap();
            outer
        };
        assert_eq!(executor.spawn(in_turns.owned()).await.unwrap(), None);
        let nursery = scope(async |n| {
            for number in 0..20 {
                asks(number).with_value(&REQUEST, number).spawn_in(&n);
            }
            request().await
        });
        assert_eq!(executor.spawn(nursery).await.unwrap(), None);
    }

    async fn every_attempt_has_them(executor: Executor) {
        let failing = || async { Err::<(), _>(request().await) };
        let policy = Backoff::fixed(std::time::Duration::ZERO).attempts(3);
        let chain = failing.with_value(&REQUEST, 6).retry(policy);
        assert_eq!(executor.spawn(chain).await.unwrap(), Err(Some(6)));
        let chain = failing.retry(policy).with_value(&REQUEST, 6);
        assert_eq!(executor.spawn(chain).await.unwrap(), Err(Some(6)));
    }

    async fn clean_up_has_those_of_its_scope(executor: Executor) {
        let (scope, log) = (Scope::builder("scope").value(&REQUEST, 9).build(), Log::default());
        let noted = log.clone();
        scope.defer_async(move |_| async move { noted.note(request().await) });
        scope.abort("stop");
        // Whoever closes it has others.
        executor.spawn(scope.close().with_value(&REQUEST, 1)).await.unwrap();
        assert_eq!(log.all(), [Some(9)]);

        let noted = log.clone();
        let nursery = tenure::scope(async move |n| {
            n.defer_async(async move |_| noted.note(request().await));
        });
        executor.spawn(nursery.with_value(&REQUEST, 10)).await.unwrap();
        assert_eq!(log.all()[1], Some(10));
    }

    async fn they_are_there_while_it_ends(executor: Executor) {
        let (clock, log) = (TestClock::new(), Log::default());
        let (noted, hands) = (log.clone(), clock.clone());
        let polite = async move {
            Owner::current().unwrap().aborted().await;
            hands.sleep(SECOND).await;
            noted.note(request().await);
        };
        let polite = polite.with_value(&REQUEST, 11).with_grace(9 * SECOND);
        let polite = polite.with_timeout(SECOND).with_timer(&clock);
        assert!(executor.spawn(clock.watch(polite)).await.is_err());
        assert_eq!(log.all(), [Some(11)]);
    }
}

#[test]
fn an_owner_keeps_the_values_it_was_given_with_wherever_it_goes() {
    let owner = ByHand::new(async { Owner::current().unwrap() }.with_value(&REQUEST, 7)).ready();
    let owner = owner.unwrap();
    let told = thread::spawn(move || owner.value(&REQUEST).copied());
    assert_eq!(told.join().unwrap(), Some(7));
    assert_eq!(REQUEST.get(), None);
}

#[test]
fn a_closure_is_told_by_its_owner() {
    let asks = |owner: Owner| async move { (owner.value(&REQUEST).copied(), REQUEST.get()) };
    let chain = asks.with_value(&REQUEST, 7);
    assert_eq!(ByHand::new(chain).ready().unwrap(), (Some(7), Some(7)));
}

/// No clone is made of what is only looked at, and it is dropped when nobody can ask for it any more.
#[test]
fn a_value_is_dropped_with_the_last_who_has_it() {
    let drops = Drops::default();
    let chain = async {
        yield_now().await;
        TOKEN.with(|token| assert!(token.is_some()));
    };
    let mut chain = ByHand::polled(chain.with_value(&TOKEN, drops.token()));
    assert_eq!(drops.live(), 1);
    chain.ready().unwrap();
    assert_eq!(drops.live(), 0, "at the verdict, though the chain is still there");
    TOKEN.with(|token| assert!(token.is_none()));

    let chain = async { Owner::current().unwrap() }.with_value(&TOKEN, drops.token());
    let owner = ByHand::new(chain).ready().unwrap();
    assert!(owner.value(&TOKEN).is_some());
    assert_eq!(drops.live(), 1);
    drop(owner);
    assert_eq!(drops.live(), 0);

    let scope = Scope::builder("scope").value(&TOKEN, drops.token()).build();
    let child = scope.child("child");
    drop(scope);
    assert_eq!(drops.live(), 1);
    drop(child);
    assert_eq!(drops.live(), 0);
}

/// To give one costs a reference, however many there are; and a long list is dropped on a short stack.
#[test]
fn ten_thousand_of_them_are_as_good_as_one() {
    const MANY: u32 = 10_000;
    let on_a_short_stack = || {
        let mut builder = Scope::builder("wide").value(&USER, "ada".to_owned());
        for n in 0..MANY {
            builder = builder.value(&REQUEST, n);
        }
        let wide = builder.build();
        let told = ByHand::new(found().in_scope(&wide)).run();
        let last = Some(MANY - 1);
        assert_eq!(told, Poll::Ready(Ok((last, None, Some("ada".to_owned())))));

        let mut deep = vec![wide.child("deep")];
        for n in 0..MANY {
            let above = deep.last().unwrap();
            deep.push(Scope::builder("deep").value(&OTHER, n).child_of(above).build());
        }
        let told = ByHand::new(found().in_scope(deep.last().unwrap())).run();
        assert_eq!(told, Poll::Ready(Ok((last, last, Some("ada".to_owned())))));
        // The innermost has the longest list, and is the last that has it.
        let innermost = deep.pop();
        drop((deep, wide));
        drop(innermost);
    };
    thread::Builder::new().stack_size(256 * 1024).spawn(on_a_short_stack).unwrap().join().unwrap();
}

/// On one thread they need be no more than that.
#[test]
fn a_local_nursery_hands_them_down() {
    let nursery = local_scope(async |n| n.spawn(request()).await.unwrap());
    let told = ByHand::new(nursery.with_value(&REQUEST, 7)).run();
    assert_eq!(told, Poll::Ready(Ok(Some(7))));
}

fn _a_chain_with_a_value_can_be_spawned() -> impl Future + Send + 'static {
    request().with_value(&REQUEST, 7).with_value(&USER, String::new())
}
