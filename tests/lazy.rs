//! What isn't asked for isn't paid for: no allocation, no clock, no alarm before it is needed.

mod support;

use std::{
    future::{pending, ready},
    task::Poll,
    time::Duration,
};

use allocation_counter::measure;
use support::{ByHand, CountingTimer, SECOND, poll_once};
use tenure::{
    AbortHandle, Aborted, Backoff, Error, Limit, OwnedFuture, Owner, Scope, bracket,
    owner::Key,
    time::{Instant, TimerHandle},
    timeout::TimeoutHandle,
};

/// How many allocations this thread makes while `f` runs.
fn allocations(f: impl FnOnce()) -> u64 {
    measure(f).count_total
}

static KEY: Key<u32> = Key::new("key");

fn answer() -> std::future::Ready<Result<u32, &'static str>> {
    ready(Ok(42))
}

/// Makes and runs a chain that is ready at its first poll, and counts its allocations.
macro_rules! allocations_of {
    ($chain:expr) => {
        allocations(|| assert!(matches!(poll_once($chain), Poll::Ready(Ok(_)))))
    };
}

#[test]
fn the_count_counts() {
    assert_eq!(allocations(|| drop(Box::new(1))), 1);
    assert_eq!(allocations(|| ()), 0);
}

#[test]
fn each_adapter_allocates_nothing_for_what_is_ready() {
    let (limit, scope, stop) = (Limit::new(1), Scope::new("scope"), AbortHandle::new());
    let timer = TimerHandle::new(CountingTimer::default());

    assert_eq!(allocations_of!(answer().owned()), 0);
    assert_eq!(allocations_of!(answer.owned()), 0);
    assert_eq!(allocations_of!(answer().with_timeout(SECOND)), 0);
    assert_eq!(allocations_of!(answer().with_deadline(Instant::NEVER)), 0);
    assert_eq!(allocations_of!(answer().warn_after(SECOND, |_| {})), 0);
    assert_eq!(allocations_of!(answer.retry(Backoff::exponential())), 0);
    assert_eq!(allocations_of!(answer().limit(&limit)), 0);
    assert_eq!(allocations_of!(answer().with_abort(&stop)), 0);
    assert_eq!(allocations_of!(answer().with_abort(&AbortHandle::never())), 0);
    assert_eq!(allocations_of!(answer().in_scope(&scope)), 0);
    assert_eq!(allocations_of!(answer().try_in_scope(&scope)), 0);
    assert_eq!(allocations_of!(answer().with_timer(&timer)), 0);
    assert_eq!(allocations_of!(answer().with_grace(SECOND)), 0);
    assert_eq!(allocations_of!(answer().shielded(SECOND)), 0);
    assert_eq!(allocations_of!(answer().named("a literal")), 0);
    assert_eq!(allocations_of!(answer().named("a literal").flatten()), 0);
}

/// Who has a name is one on a list: the scope keeps the room for a few of them.
#[test]
fn a_scope_allocates_once_for_the_first_few_members_that_have_a_name() {
    let scope = Scope::new("scope");
    let run = || answer().named("a literal").in_scope(&scope);
    assert_eq!([(); 2].map(|()| allocations_of!(run())), [1, 0]);
    assert_eq!(allocations_of!(answer().in_scope(&scope)), 0);
}

#[test]
fn the_whole_chain_allocates_nothing_for_what_is_ready() {
    let (limit, scope, stop) = (Limit::new(1), Scope::new("scope"), AbortHandle::new());
    let count = allocations_of!(
        answer
            .with_timeout(SECOND)
            .retry(Backoff::exponential())
            .with_grace(SECOND)
            .limit(&limit)
            .with_timeout(10 * SECOND)
            .shielded(SECOND)
            .with_abort(&stop)
            .in_scope(&scope)
            .named("page")
    );
    assert_eq!(count, 0);
}

/// Who runs under it is one among others: the handle keeps the room for a few of them.
#[test]
fn a_handle_allocates_once_for_the_first_few_that_run_under_it() {
    let timeout = TimeoutHandle::new(SECOND);
    let run = || answer().with_timeout_handle(&timeout);
    assert_eq!(allocations_of!(run()), 1);
    assert_eq!(allocations_of!(run()), 0);
    assert_eq!(allocations_of!(run().with_timeout_handle(&timeout)), 0);
    assert_eq!(allocations(|| drop(run())), 0);
}

/// For what it is polled with, to see whether it was woken: each run has its own.
#[test]
fn an_idle_timeout_allocates_once_for_each_run() {
    assert_eq!(allocations_of!(answer().with_idle_timeout(SECOND)), 1);
    assert_eq!(allocations(|| drop(answer().with_idle_timeout(SECOND))), 0);
    let mut attempts = 0;
    let lucky = || {
        attempts += 1;
        ready(if attempts == 20 { Ok(()) } else { Err("not yet") })
    };
    let policy = Backoff::fixed(Duration::ZERO).attempts(20);
    assert_eq!(allocations_of!(lucky.with_idle_timeout(SECOND).retry(policy)), 20);
}

/// Those who are woken are taken out first.
#[test]
fn a_change_allocates_only_where_somebody_is_told() {
    let timer = TimerHandle::new(CountingTimer::default());
    let timeout = TimeoutHandle::new(SECOND);
    assert_eq!(allocations(|| timeout.extend(SECOND)), 0);
    let stuck = || pending::<()>().with_timeout_handle(&timeout).with_timer(&timer);
    let _stuck = [(); 3].map(|()| ByHand::polled(stuck()));
    assert_eq!(allocations(|| timeout.extend(SECOND)), 1);
    // They were told, and have not been polled since.
    assert_eq!(allocations(|| timeout.extend(SECOND)), 0);
}

#[test]
fn attempts_allocate_nothing() {
    let mut attempts = 0;
    let lucky = || {
        attempts += 1;
        ready(if attempts == 20 { Ok(()) } else { Err("not yet") })
    };
    let policy = Backoff::fixed(Duration::ZERO).attempts(20);
    assert_eq!(allocations_of!(lucky.with_timeout(SECOND).retry(policy)), 0);
    assert_eq!(attempts, 20);
}

/// When it is given, not each time it is asked for.
#[test]
fn a_value_costs_two_allocations() {
    assert_eq!(allocations_of!(answer().with_value(&KEY, 7)), 2);
    let asks = async { (0..9).for_each(|_| assert_eq!(KEY.get(), Some(7))) };
    assert_eq!(allocations_of!(asks.with_value(&KEY, 7)), 2);
}

/// What it holds goes to and fro.
#[test]
fn a_bracket_allocates_once() {
    let held = || bracket(answer(), async |held| Ok(*held + 1), async |_, _| {});
    assert_eq!(allocations_of!(held()), 1);
}

/// Its future and its handle. The first one makes room for a few, too.
#[test]
fn a_child_costs_two_allocations() {
    let children = |number: usize| {
        allocations_of!(tenure::scope(async |n| (0..number).for_each(|_| drop(n.spawn(answer())))))
    };
    let none = children(0);
    assert!(none <= 4, "{none}");
    // Where there are several, they lie in a list.
    assert_eq!([1, 2, 3, 4].map(children), [2, 6, 8, 10].map(|more| none + more));

    let chain = || answer().with_timeout(SECOND).with_grace(SECOND).named("a literal");
    let with_chain = allocations_of!(tenure::local_scope(async |n| drop(chain().spawn_in(&n))));
    assert_eq!(with_chain, children(1));
    let tried = allocations_of!(tenure::try_scope(async |n| {
        n.try_spawn(async { "7".parse::<u32>().map_err(Error::Failed) });
        Ok::<_, Error<std::num::ParseIntError>>(())
    }));
    assert_eq!(tried, children(1));
}

#[test]
fn a_checkpoint_allocates_nothing() {
    let passes = || tenure::checkpoint().with_grace(SECOND).with_timeout(SECOND);
    let mut first = ByHand::polled(passes());
    assert!(first.poll().is_ready());
    let mut second = ByHand::new(passes());
    assert_eq!(allocations(|| assert!(second.poll().is_pending() && second.poll().is_ready())), 0);
}

/// Only a closure over its owner needs one: its node, and the reason with which that ends.
#[test]
fn an_owner_costs_two_allocations() {
    let timer = TimerHandle::new(CountingTimer::default());
    let with_owner = |_: Owner| answer();
    assert_eq!(allocations_of!(with_owner.owned()), 2);
    let chain = with_owner.with_timeout(SECOND).retry(Backoff::exponential());
    assert_eq!(allocations_of!(chain.with_timer(&timer)), 2);
    // One that is found is each time the same.
    let finds = async { (0..9).for_each(|_| assert!(Owner::current().is_some())) };
    assert_eq!(allocations_of!(finds.owned()), 2);
}

/// A name that was made at run time is cloned for an error, not for each poll.
#[test]
fn polling_under_a_name_allocates_nothing() {
    let (scope, name) = (Scope::new(String::from("scope")), String::from("member"));
    let chain = pending::<()>().named(name).in_scope(&scope).named(String::from("outer"));
    let mut chain = ByHand::new(chain);
    // The first poll takes a place among those whom the scope wakes.
    assert!(chain.poll().is_pending());
    assert_eq!(allocations(|| assert!(chain.poll().is_pending())), 0);

    let name = String::from("member");
    let chain = answer().named(name).in_scope(&scope);
    assert_eq!(allocations_of!(chain), 0);
}

#[test]
fn a_chain_that_waits_allocates_nothing_when_it_is_polled_again() {
    let (limit, scope, stop) = (Limit::new(1), Scope::new("scope"), AbortHandle::new());
    let timer = TimerHandle::new(CountingTimer::default());
    let chain = pending::<Result<(), &str>>
        .with_timeout(SECOND)
        .retry(Backoff::exponential())
        .limit(&limit)
        .with_timeout(10 * SECOND)
        .with_timeout_handle(&TimeoutHandle::new(9 * SECOND))
        .with_idle_timeout(SECOND)
        .warn_after(SECOND, |_| {})
        .with_grace(SECOND)
        .shielded(SECOND)
        .with_value(&KEY, 7)
        .with_abort(&stop)
        .in_scope(&scope)
        .with_timer(&timer);
    let held = async |_| pending::<Result<u32, &str>>().with_grace(SECOND).await.unwrap();
    let all = tenure::local_scope(async |n| {
        n.spawn(chain);
        n.spawn(bracket(answer(), held, async |_, _| {})).await
    });
    let mut all = ByHand::new(all);
    assert!(all.poll().is_pending());
    assert_eq!(allocations(|| assert!(all.poll().is_pending())), 0);
    // What is woken in it has the seat by then that it has lent the waker of.
    let mut wakes = ByHand::new(tenure::scope(async |n| {
        let naps = || async {
            for _ in 0..9 {
                futures_lite::future::yield_now().await;
            }
            pending::<()>().await
        };
        n.spawn(naps());
        n.spawn(naps()).await
    }));
    for _ in 0..2 {
        assert!(wakes.poll().is_pending());
    }
    assert_eq!(allocations(|| assert!(wakes.run().is_pending())), 0);
}

#[test]
fn a_timeout_that_waits_allocates_nothing() {
    let wait = || assert!(poll_once(pending::<()>().with_timeout(SECOND)).is_pending());
    // The first one starts the timer and finds room for more.
    wait();
    assert_eq!(allocations(wait), 0);

    let timeout = TimeoutHandle::new(SECOND);
    let wait = || assert!(poll_once(pending::<()>().with_timeout_handle(&timeout)).is_pending());
    assert_eq!([(); 2].map(|()| allocations(wait)), [1, 0]);
    let wait = || assert!(poll_once(pending::<()>().warn_after(SECOND, |_| {})).is_pending());
    assert_eq!(allocations(wait), 0);
    let wait = || assert!(poll_once(pending::<()>().with_idle_timeout(SECOND)).is_pending());
    assert_eq!(allocations(wait), 1, "that of its run");
}

/// On a timer of one's own it has a box for its alarm, so that all others are the smaller.
#[test]
fn a_timeout_that_waits_on_a_timer_of_ones_own_allocates_once() {
    let timer = TimerHandle::new(CountingTimer::default());
    let chain = pending::<()>().with_timeout(SECOND).with_timer(&timer);
    assert_eq!(allocations(|| assert!(poll_once(chain).is_pending())), 1);
    let chain = pending::<()>().warn_after(SECOND, |_| {}).with_timer(&timer);
    assert_eq!(allocations(|| assert!(poll_once(chain).is_pending())), 1);
    let chain = pending::<()>().with_idle_timeout(SECOND).with_timer(&timer);
    assert_eq!(allocations(|| assert!(poll_once(chain).is_pending())), 2, "and that of its run");
    let timeout = TimeoutHandle::new(SECOND);
    let wait = || {
        let chain = pending::<()>().with_timeout_handle(&timeout).with_timer(&timer);
        assert!(poll_once(chain).is_pending());
    };
    assert_eq!([(); 2].map(|()| allocations(wait)), [2, 1]);
}

#[test]
fn never_allocates_nothing() {
    let count = allocations(|| {
        let never = AbortHandle::never();
        assert!(!never.abort("in vain") && !never.is_aborted() && never.check().is_ok());
        assert!(poll_once(never.clone().aborted()).is_pending());
        drop(never.abort_on_drop());
    });
    assert_eq!(count, 0);
    assert_eq!(allocations_of!(answer().with_abort(&AbortHandle::never())), 0);
}

#[test]
fn asking_a_handle_allocates_nothing() {
    let handle = AbortHandle::new();
    assert_eq!(allocations(|| assert!(!handle.is_aborted() && handle.check().is_ok())), 0);
    assert_eq!(allocations(|| drop(handle.clone())), 0);
    handle.abort("stop");
    assert_eq!(allocations(|| assert!(handle.is_aborted() && handle.check().is_err())), 0);
}

#[test]
fn no_clock_is_read_before_the_first_pending() {
    let timer = CountingTimer::default();
    let (limit, scope) = (Limit::new(1), Scope::builder("scope").timer(timer.clone()).build());
    let chain = answer
        .with_timeout(SECOND)
        .retry(Backoff::exponential())
        .limit(&limit)
        .with_timeout(10 * SECOND)
        .with_deadline(Instant::START + SECOND)
        .with_timeout_handle(&TimeoutHandle::new(SECOND))
        .with_idle_timeout(SECOND)
        .warn_after(SECOND, |_| {})
        .with_grace(SECOND)
        .shielded(SECOND)
        .in_scope(&scope);
    assert!(poll_once(chain).is_ready());
    assert_eq!((timer.reads(), timer.set()), (0, 0));
    let children = tenure::scope(async |n| {
        n.defer_async(|_| async {});
        n.spawn(answer());
        drop(answer().with_timeout(SECOND).try_spawn_in(&n));
    });
    assert!(poll_once(children.with_timeout(SECOND).in_scope(&scope)).is_ready());
    assert_eq!((timer.reads(), timer.set()), (0, 0));

    // Nor when it fails without a delay before the next attempt, nor for the last.
    let mut attempts = 0;
    let fails = || {
        attempts += 1;
        ready(Err::<(), _>("down"))
    };
    let policy = Backoff::fixed(Duration::ZERO).attempts(3);
    let chain = fails.with_timeout(SECOND).retry(policy).with_timeout(SECOND).in_scope(&scope);
    assert!(poll_once(chain).is_ready());
    assert_eq!((attempts, timer.reads(), timer.set()), (3, 0, 0));
}

/// It once read it before its release, where there was a deadline above: only one who asks for its time needs that.
#[test]
fn a_bracket_reads_no_clock_before_its_first_pending() {
    let timer = CountingTimer::default();
    let held = || bracket(answer(), async |held| Ok(*held + 1), async |_, _| {});
    assert!(poll_once(held().with_timer(timer.clone())).is_ready());
    assert!(poll_once(held().with_timeout(SECOND).with_timer(timer.clone())).is_ready());
    assert_eq!((timer.reads(), timer.set()), (0, 0));

    let asks = async |_, _| {
        let left = (0..9).map(|_| Owner::current().unwrap().remaining()).max();
        assert_eq!(left, Some(Some(5 * SECOND)));
    };
    let asks = bracket(answer(), async |held| Ok(*held), asks).release_within(5 * SECOND);
    assert!(poll_once(asks.with_timeout(SECOND).with_timer(timer.clone())).is_ready());
    assert_eq!(
        (timer.reads(), timer.set()),
        (10, 0),
        "once, and by each who wants to know what is left"
    );
}

/// A grace is measured from when it is needed.
#[test]
fn what_has_time_to_end_sets_an_alarm_when_it_is_to_end() {
    let (timer, stop) = (CountingTimer::default(), AbortHandle::new());
    let chain = pending::<()>().with_grace(SECOND).with_abort(&stop).with_timer(timer.clone());
    let mut chain = ByHand::polled(chain);
    let held = bracket(pending::<Result<(), ()>>(), async |_| Ok(()), async |_, _| {});
    let mut held = ByHand::polled(held.with_abort(&stop).with_timer(timer.clone()));
    let children = tenure::scope(async |n| _ = n.spawn(pending::<()>()).await);
    let mut children = ByHand::polled(children.with_abort(&stop).with_timer(timer.clone()));
    assert_eq!((timer.reads(), timer.set()), (0, 0));
    stop.abort("stop");
    assert!(chain.poll().is_pending() && held.poll().is_pending());
    assert!(children.poll().is_ready());
    assert_eq!(timer.set(), 2);
    drop((chain, held));
    assert_eq!(timer.outstanding(), 0);
}

#[test]
fn nothing_is_read_or_set_before_the_first_poll() {
    let timer = CountingTimer::default();
    drop(pending::<()>().with_timeout(SECOND).with_timer(timer.clone()));
    let timeout = TimeoutHandle::new(SECOND);
    drop(pending::<()>().with_timeout_handle(&timeout).with_timer(timer.clone()));
    drop(pending::<()>().with_idle_timeout(SECOND).with_timer(timer.clone()));
    drop(pending::<()>().warn_after(SECOND, |_| {}).with_timer(timer.clone()));
    assert_eq!((timer.reads(), timer.set()), (0, 0));
}

type Stuck = ByHand<'static, Result<(), Aborted>>;

#[test]
fn the_first_pending_sets_one_alarm() {
    let timer = CountingTimer::default();
    let mut one = ByHand::new(pending::<()>().with_timeout(SECOND).with_timer(timer.clone()));
    assert!(one.poll().is_pending());
    assert_eq!(timer.set(), 1);
    assert!(timer.reads() <= 2, "{} reads", timer.reads());

    let timeout = TimeoutHandle::new(SECOND);
    let chains: [&dyn Fn(CountingTimer) -> Stuck; 3] = [
        &|timer| ByHand::new(pending().with_timeout_handle(&timeout).with_timer(timer)),
        &|timer| ByHand::new(pending().with_idle_timeout(SECOND).with_timer(timer)),
        &|timer| ByHand::new(pending().warn_after(SECOND, |_| {}).with_timer(timer)),
    ];
    for chain in chains {
        let timer = CountingTimer::default();
        let mut one = chain(timer.clone());
        assert!(one.poll().is_pending());
        assert_eq!((timer.set(), timer.reads()), (1, 2));
        // One read tells that it has not come yet.
        assert!(one.poll().is_pending());
        assert_eq!((timer.set(), timer.reads()), (1, 3));
        assert!(one.poll_elsewhere().is_pending());
        assert_eq!((timer.set(), timer.outstanding()), (2, 1));
        drop(one);
        assert_eq!(timer.outstanding(), 0);
    }

    // One that can't come first sets none.
    let timer = CountingTimer::default();
    let chain = pending::<()>()
        .with_timeout(5 * SECOND)
        .with_timeout(4 * SECOND)
        .with_timeout(3 * SECOND)
        .with_timer(timer.clone());
    let mut nested = ByHand::new(chain);
    assert!(nested.poll().is_pending());
    assert_eq!(timer.set(), 1);
    assert!(timer.reads() <= 4, "{} reads", timer.reads());
}

#[test]
fn one_that_never_fires_sets_none() {
    let timer = CountingTimer::default();
    let mut max =
        ByHand::new(pending::<()>().with_timeout(Duration::MAX).with_timer(timer.clone()));
    let mut never =
        ByHand::new(pending::<()>().with_deadline(Instant::NEVER).with_timer(timer.clone()));
    assert!(max.poll().is_pending() && never.poll().is_pending());
    let (max, cleared) = (TimeoutHandle::new(Duration::MAX), TimeoutHandle::new(SECOND));
    cleared.clear();
    for timeout in [max, cleared] {
        let chain = pending::<()>().with_timeout_handle(&timeout).with_timer(timer.clone());
        assert!(poll_once(chain).is_pending());
    }
    let chain = pending::<()>().with_idle_timeout(Duration::MAX).with_timer(timer.clone());
    assert!(poll_once(chain).is_pending());
    let chain = pending::<()>().warn_after(Duration::MAX, |_| {}).with_timer(timer.clone());
    assert!(poll_once(chain).is_pending());
    assert_eq!(timer.set(), 0);
}

#[test]
fn the_same_waker_sets_no_second_alarm() {
    let timer = CountingTimer::default();
    let mut chain = ByHand::new(pending::<()>().with_timeout(SECOND).with_timer(timer.clone()));
    for _ in 0..10 {
        assert!(chain.poll().is_pending());
    }
    assert_eq!((timer.set(), timer.outstanding()), (1, 1));
    // Another one takes the place of the first.
    assert!(chain.poll_elsewhere().is_pending());
    assert_eq!((timer.set(), timer.outstanding()), (2, 1));
}

#[test]
fn the_alarm_is_cancelled_on_drop() {
    let timer = CountingTimer::default();
    let mut chain = ByHand::new(pending::<()>().with_timeout(SECOND).with_timer(timer.clone()));
    assert!(chain.poll().is_pending());
    assert_eq!(timer.outstanding(), 1);
    drop(chain);
    assert_eq!(timer.outstanding(), 0);

    // That of a back-off, too.
    let fails = || ready(Err::<(), _>("down"));
    let mut chain = ByHand::new(fails.retry(Backoff::exponential()).with_timer(timer.clone()));
    assert!(chain.poll().is_pending());
    assert_eq!(timer.outstanding(), 1);
    drop(chain);
    assert_eq!(timer.outstanding(), 0);
}

#[test]
fn the_alarm_is_cancelled_when_it_is_ready_aborted_or_timed_out() {
    let timer = CountingTimer::default();
    let twice = || {
        let mut polls = 0;
        std::future::poll_fn(move |_| {
            polls += 1;
            if polls == 2 { Poll::Ready(()) } else { Poll::Pending }
        })
    };
    let mut ready = ByHand::new(twice().with_timeout(SECOND).with_timer(timer.clone()));
    assert!(ready.poll().is_pending());
    assert!(ready.poll().is_ready());
    assert_eq!((timer.set(), timer.outstanding()), (1, 0));

    let stop = AbortHandle::new();
    let aborted = pending::<()>().with_timeout(SECOND).with_abort(&stop).with_timer(timer.clone());
    let mut aborted = ByHand::new(aborted);
    assert!(aborted.poll().is_pending());
    stop.abort("stop");
    assert!(aborted.poll().is_ready());
    assert_eq!((timer.set(), timer.outstanding()), (2, 0));

    let mut late = ByHand::new(pending::<()>().with_timeout(SECOND).with_timer(timer.clone()));
    assert!(late.poll().is_pending());
    timer.advance(SECOND);
    assert!(late.poll().is_ready());
    assert_eq!((timer.set(), timer.outstanding()), (3, 0));
}

#[test]
fn an_uncontended_limit_asks_no_timer() {
    let (timer, limit) = (CountingTimer::default(), Limit::new(1));
    for _ in 0..3 {
        assert!(poll_once(answer().limit(&limit).with_timer(timer.clone())).is_ready());
    }
    assert_eq!((timer.reads(), timer.set()), (0, 0));
}
