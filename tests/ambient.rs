//! Plain code finds the owner of the future that runs it: that one and no other, wherever tasks go.

mod executors;
mod support;

use std::{
    future::{Future, ready},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Poll, Waker},
    thread,
};

use futures::{FutureExt, StreamExt, future::join_all, stream::FuturesUnordered};
use futures_lite::future::yield_now;
use support::{ByHand, Log, SECOND, panic_quietly, poll_with};
use tenure::{Aborted, OwnedFuture, Owner, Scope, scope};

/// The name of whoever owns what calls this.
fn who() -> Option<String> {
    Some(Owner::current()?.name().unwrap_or("nameless").to_owned())
}

async fn three_calls_down() -> Option<String> {
    async fn two_more() -> Option<String> {
        yield_now().await;
        let (told, ()) = futures::join!(async { who() }, yield_now());
        told
    }
    Box::pin(two_more()).await
}

/// Asks again and again who owns it: it must always be `name`.
async fn asks(name: &'static str, times: usize) {
    for _ in 0..times {
        assert_eq!(who().as_deref(), Some(name));
        yield_now().await;
    }
    assert_eq!(three_calls_down().await.as_deref(), Some(name));
}

executors::on_every_executor! {
    async fn it_is_found_deep_in_plain_code(executor: Executor) {
        assert_eq!(executor.spawn(three_calls_down().named("deep")).await.unwrap().as_deref(), Some("deep"));
        // A closure is as good as a future.
        let call = three_calls_down.with_timeout(SECOND).named("call");
        assert_eq!(executor.spawn(call).await.unwrap().as_deref(), Some("call"));
        assert_eq!(executor.spawn(three_calls_down()).await, None);
        assert_eq!(who(), None);
    }

    async fn it_is_the_same_one_each_time(executor: Executor) {
        let chain = async {
            let first = Owner::current().unwrap();
            for _ in 0..10 {
                yield_now().await;
                let again = async { Owner::current().unwrap() }.await;
                assert_eq!(again.abort_handle(), first.abort_handle());
            }
            first
        };
        let first = executor.spawn(chain.named("same")).await.unwrap();
        assert!(first.is_aborted(), "what it was the owner of has ended");
    }

    async fn tasks_never_see_the_owner_of_another(executor: Executor) {
        const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
        let tasks: Vec<_> = (0..100)
            .map(|n| {
                let name = NAMES[n % 5];
                let work = async move {
                    asks(name, 10).await;
                    // A chain within it is another's, and then it is the old one again.
                    asks("inner", 3).named("inner").await.unwrap();
                    asks(name, 10).await;
                };
                executor.spawn(work.named(name))
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let stranger = executor.spawn(async { who() });
        assert_eq!(stranger.await, None);
    }

    async fn chains_that_take_turns_in_one_task_never_see_each_others(executor: Executor) {
        let turns = async {
            let (left, right) = (asks("left", 20).named("left"), asks("right", 20).named("right"));
            let (left, right, ()) = futures::join!(left, right, asks("outer", 20));
            left.and(right).unwrap();

            let mut set: FuturesUnordered<_> =
                ["x", "y", "z"].into_iter().map(|name| asks(name, 9).named(name)).collect();
            while let Some(asked) = set.next().await {
                asked.unwrap();
                assert_eq!(who().as_deref(), Some("outer"));
            }

            let (short, long) = (asks("short", 1).named("short"), asks("long", 9).named("long"));
            let (short, long) = (std::pin::pin!(short), std::pin::pin!(long));
            let either = futures::future::select(short, long).await;
            assert_eq!(who().as_deref(), Some("outer"));
            drop(either);
            join_all((0..9).map(|_| asks("nth", 3).named("nth"))).await;
            asks("outer", 3).await;
        };
        executor.spawn(turns.named("outer")).await.unwrap();
    }

    async fn nurseries_in_a_nursery_are_told_apart(executor: Executor) {
        let nested = scope(async |outer| {
            let child = asks("child", 9).named("child").spawn_in(&outer);
            let inner = scope(async |inner| {
                let grandchild = asks("grandchild", 9).named("grandchild").spawn_in(&inner);
                asks("inner", 9).await;
                inner.abort("only the inner one");
                assert!(Owner::current().unwrap().is_aborted());
                Some(grandchild)
            });
            let grandchild = inner.named("inner").await.unwrap().unwrap();
            assert!(!Owner::current().unwrap().is_aborted());
            assert_eq!(grandchild.await.unwrap_err().to_string(), "only the inner one (in `inner`)");
            asks("outer", 3).await;
            child.await.unwrap();
        });
        executor.spawn(nested.named("outer")).await.unwrap();
    }

    async fn members_have_their_own_and_their_scopes_name(executor: Executor) {
        let scope = Scope::new("scope");
        let nameless = executor.spawn(asks("scope", 5).in_scope(&scope));
        let named = executor.spawn(asks("member", 5).named("member").in_scope(&scope));
        nameless.await.unwrap();
        named.await.unwrap();
    }

    async fn clean_up_has_an_owner_whom_no_abort_is_meant_for(executor: Executor) {
        let (scope, told) = (Scope::new("scope"), Log::default());
        let noted = told.clone();
        scope.defer_async(move |_| async move {
            yield_now().await;
            noted.note((who(), Owner::current().unwrap().is_aborted()));
        });
        scope.abort("stop");
        executor.spawn(scope.close()).await;
        assert_eq!(told.all(), [(Some("scope".to_owned()), false)]);

        let (inside, noted) = (told.clone(), told.clone());
        let nursery = tenure::scope(async move |n| {
            n.defer_async(async move |_| {
                yield_now().await;
                inside.note((who(), Owner::current().unwrap().is_aborted()));
            });
            n.abort("stop");
        });
        executor.spawn(nursery.named("nursery")).await.unwrap();
        assert_eq!(noted.all()[1], (Some("nursery".to_owned()), false));
    }
}

/// Each poll is made by another thread, as by one that steals work.
#[test]
fn it_goes_along_when_a_task_goes_to_another_thread() {
    let chain = async {
        let first = Owner::current().unwrap();
        for _ in 0..20 {
            yield_now().await;
            assert_eq!(Owner::current().unwrap().abort_handle(), first.abort_handle());
            asks("traveller", 1).await;
            asks("inner", 1).named("inner").await.unwrap();
        }
        thread::current().id()
    };
    let mut chain: Pin<Box<dyn Future<Output = _> + Send>> =
        Box::pin(chain.named("traveller").with_timeout(SECOND));
    let (mut threads, mut last) = (0, None);
    while last.is_none() {
        thread::scope(|s| {
            let poll = s.spawn(|| {
                let polled = poll_with(chain.as_mut(), Waker::noop());
                assert_eq!(who(), None, "it was taken back");
                polled
            });
            if let Poll::Ready(ended) = poll.join().unwrap() {
                last = Some(ended.unwrap());
            }
        });
        assert_eq!(who(), None);
        threads += 1;
    }
    assert!(threads > 60 && last != Some(thread::current().id()));
}

/// It has nothing to wait for, and nobody's end is its own.
#[test]
fn clean_up_that_is_sync_has_none() {
    let found = Log::default();
    let (nursery, noted) = (found.clone(), found.clone());
    let chain = async {
        let own = scope(async |n| {
            n.defer(|_| nursery.note(who()));
        });
        own.await.unwrap();
        let scope = Scope::new("scope");
        scope.defer(move |_| noted.note(who()));
        scope.close().await;
        who()
    };
    let outer = ByHand::new(chain.named("outer")).ready().unwrap();
    assert_eq!((outer.as_deref(), found.all()), (Some("outer"), vec![None, None]));
}

#[test]
fn it_is_taken_back_when_a_poll_panics() {
    let panics = async {
        yield_now().await;
        panic_quietly()
    };
    let mut chain = ByHand::polled(panics.with_timeout(SECOND).named("panics"));
    assert_eq!(who(), None);
    let caught =
        catch_unwind(AssertUnwindSafe(|| drop(chain.poll().map(|ended: Result<(), _>| ended))));
    assert!(caught.is_err());
    assert_eq!(who(), None);

    // Within another one, it is that one's again.
    let outer = async {
        let caught =
            AssertUnwindSafe(async { panic_quietly() }.named("panics")).catch_unwind().await;
        assert!(caught.map(|ended: Result<(), Aborted>| ended).is_err());
        who()
    };
    assert_eq!(ByHand::new(outer.named("outer")).ready().unwrap().as_deref(), Some("outer"));
}

#[test]
fn it_is_taken_back_when_a_child_of_a_nursery_panics() {
    let nursery = async {
        let failed = scope(async |n| {
            n.spawn_background(async { panic_quietly() }.named("panics")).await.unwrap_err();
            who()
        });
        (failed.named("inner").await.unwrap(), who())
    };
    let told = ByHand::new(nursery.named("outer")).run();
    let Poll::Ready(Ok((inner, outer))) = told else { panic!("it has ended") };
    assert_eq!((inner.as_deref(), outer.as_deref()), (Some("inner"), Some("outer")));
}

/// A future that is polled within the poll of another one belongs to the owner of that.
#[test]
fn what_is_run_within_a_poll_belongs_to_whoever_is_polled() {
    let outer = async {
        let found = smol::block_on(async { who() });
        let inner = futures::executor::block_on(asks("inner", 5).named("inner"));
        inner.unwrap();
        let elsewhere = thread::spawn(who).join().unwrap();
        (found, elsewhere, who())
    };
    let (found, elsewhere, after) = ByHand::new(outer.named("outer")).ready().unwrap();
    assert_eq!(
        (found.as_deref(), elsewhere, after.as_deref()),
        (Some("outer"), None, Some("outer"))
    );
}

#[test]
fn nobody_is_found_where_nobody_owns_what_runs() {
    assert!(Owner::current().is_none());
    assert_eq!(smol::block_on(three_calls_down()), None);
    assert_eq!(ByHand::new(ready(who).map(|who| who())).ready(), None);
    drop(async { unreachable!("it is never polled") }.named("never").map(|_: Result<(), _>| ()));
    assert!(Owner::current().is_none());
}
