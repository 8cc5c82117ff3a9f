//! Who takes long is told of, once, and runs on.

mod executors;
mod support;

use std::{cell::Cell, future::pending, time::Duration};

use support::{ByHand, CountingTimer, Log, SECOND, panic_of, panic_quietly};
use tenure::{Backoff, OwnedFuture, time::TestClock};

executors::on_every_executor! {
    async fn it_is_told_once_and_the_value_comes(executor: Executor) {
        let clock = TestClock::new();
        let log = Log::default();
        let (told, hands) = (log.clone(), clock.clone());
        let slow = async move {
            hands.sleep(10 * SECOND).await;
            42
        };
        let slow = slow
            .named("report")
            .warn_after(3 * SECOND, {
                let hands = clock.clone();
                move |overdue| told.note((hands.elapsed(), overdue.to_string()))
            })
            .with_timer(&clock);
        assert_eq!(executor.spawn(clock.watch(slow)).await.unwrap(), 42);
        let warned = (3 * SECOND, String::from("`report` has not ended after 3s"));
        assert_eq!(log.all(), [warned]);
        assert_eq!(clock.elapsed(), 10 * SECOND);
    }
}

#[test]
fn who_is_in_time_is_not_told_of() {
    let clock = TestClock::new();
    let told = Cell::new(0);
    let tell = |_: &tenure::timeout::Overdue<'_>| told.set(told.get() + 1);
    let in_time = clock.sleep(SECOND).warn_after(SECOND, tell).with_timer(&clock);
    assert!(smol::block_on(clock.watch(in_time)).is_ok());
    assert_eq!(told.get(), 0);

    // Nor is a clock read for what is ready at once.
    let timer = CountingTimer::default();
    let ready = async { 7 }.warn_after(Duration::ZERO, tell).with_timer(timer.clone());
    assert_eq!(smol::block_on(ready).unwrap(), 7);
    assert_eq!((told.get(), timer.reads(), timer.set()), (0, 0, 0));
}

#[test]
fn each_attempt_is_told_of() {
    let clock = TestClock::new();
    let told = Cell::new(0);
    let chain = pending::<Result<(), &str>>
        .warn_after(SECOND, |_| told.set(told.get() + 1))
        .with_timeout(2 * SECOND)
        .retry(Backoff::fixed(Duration::ZERO).attempts(3))
        .with_timer(&clock);
    assert!(smol::block_on(clock.watch(chain)).is_err());
    assert_eq!(told.get(), 3);
}

#[test]
fn it_sets_one_alarm_and_lets_go_of_it() {
    let timer = CountingTimer::default();
    let stuck = pending::<()>().warn_after(SECOND, |_| {}).with_timer(timer.clone());
    let mut stuck = ByHand::polled(stuck);
    assert!(stuck.poll().is_pending());
    assert_eq!((timer.set(), timer.live()), (1, 1));
    timer.advance(SECOND);
    assert!(stuck.run().is_pending());
    assert_eq!((timer.set(), stuck.wakers()), (1, 0));
    drop(stuck);
    assert_eq!(timer.outstanding(), 0);
}

#[test]
fn a_panic_of_the_one_who_is_told_goes_on() {
    let clock = TestClock::new();
    let mut chain =
        ByHand::polled(pending::<()>().warn_after(SECOND, |_| panic_quietly()).with_timer(&clock));
    clock.advance(SECOND);
    panic_of(|| chain.poll());
    // It was told.
    assert!(chain.poll().is_pending());
}
