//! Where `.limit()` stands in a chain says what the permit is held for, and which time counts the wait for it.

mod executors;
mod support;
mod works;

use std::{future::Future, pin::Pin};

use futures::future::join3;
use support::{Log, MILLISECOND};
use tenure::{AbortReason, Aborted, Backoff, Limit, OwnedFuture, limit::Refusal};
use works::Works;

type Outcome = Result<Result<&'static str, &'static str>, Aborted>;

/// What became of a chain, on a limit of one permit that another one has until 1000, and a third one wants from 1100 on,
/// for 2000.
#[derive(Debug, PartialEq)]
struct Seen {
    /// When each attempt began.
    attempts: Vec<u128>,
    /// Who had the permit halfway through the back-off of 500 that follows the first attempt: 1 for the chain.
    in_back_off: usize,
    /// When the third one had the permit.
    third: u128,
    ended: u128,
    outcome: Result<Result<&'static str, &'static str>, AbortReason>,
}

/// An attempt takes 300; the first one fails.
macro_rules! seen {
    (|$call:ident, $limit:ident| $chain:expr) => {
        seen(|works, $limit| {
            let (own, attempts) = (works.clone(), Log::<()>::default());
            let $call = move || {
                let (works, attempts) = (own.clone(), attempts.clone());
                async move {
                    attempts.note(());
                    let n = attempts.all().len();
                    works.work(n, 300).await;
                    if n == 1 { Err("down") } else { Ok("up") }
                }
            };
            let clock = works.clock.clone();
            Box::pin($chain.with_timer(&clock))
        })
    };
}

fn seen(chain: impl Fn(&Works, &Limit) -> Pin<Box<dyn Future<Output = Outcome>>>) -> Seen {
    let works = Works::default();
    let limit = works.limit(1);
    let first = works.work(100, 1000).limit(&limit).with_timer(&works.clock);
    let third = async {
        works.sleep(1100).await;
        works.work(200, 2000).limit(&limit).with_timer(&works.clock).await.unwrap();
    };
    let chain = chain(&works, &limit);
    let observed = async {
        let outcome = chain.await;
        (outcome, works.millis())
    };
    let watched = async {
        works.sleep(1550).await;
        let third_is_in = works.begun().iter().any(|(n, _)| *n == 200);
        limit.active() - usize::from(third_is_in)
    };
    let (_, (), ((outcome, ended), in_back_off)) =
        works.run(join3(first, third, futures::future::join(observed, watched)));
    let begun = works.begun();
    let attempts = begun.iter().filter(|(n, _)| *n < 100).map(|(_, at)| *at).collect();
    let third = begun.iter().find(|(n, _)| *n == 200).unwrap().1;
    assert_eq!((limit.active(), limit.waiting()), (0, 0));
    let outcome = outcome.map_err(|aborted| aborted.reason().clone());
    Seen { attempts, in_back_off, third, ended, outcome }
}

fn millis(n: u32) -> std::time::Duration {
    n * MILLISECOND
}

fn thrice() -> Backoff {
    Backoff::fixed(millis(500)).attempts(3)
}

fn timed_out(after: u32) -> Result<Result<&'static str, &'static str>, AbortReason> {
    Err(AbortReason::TimedOut { after: millis(after) })
}

#[test]
fn a_retry_after_the_limit_gives_the_permit_back_while_it_waits() {
    let seen = seen!(|call, limit| call.limit(limit).retry(thrice()));
    let expected = Seen {
        // The third one comes in between.
        attempts: vec![1000, 3300],
        in_back_off: 0,
        third: 1300,
        ended: 3600,
        outcome: Ok(Ok("up")),
    };
    assert_eq!(seen, expected);
}

#[test]
fn a_retry_before_the_limit_keeps_the_permit_over_all_attempts() {
    let seen = seen!(|call, limit| call.retry(thrice()).limit(limit));
    let expected = Seen {
        attempts: vec![1000, 1800],
        in_back_off: 1,
        third: 2100,
        ended: 2100,
        outcome: Ok(Ok("up")),
    };
    assert_eq!(seen, expected);
}

#[test]
fn a_timeout_before_the_limit_counts_what_runs_and_one_after_it_the_wait_too() {
    // 400 are enough for an attempt, but not for the wait of 1000.
    let run_alone = seen!(|call, limit| call.with_timeout(millis(400)).limit(limit));
    assert_eq!((&run_alone.attempts[..], run_alone.ended), (&[1000][..], 1300));
    assert_eq!(run_alone.outcome, Ok(Err("down")));
    let wait_too = seen!(|call, limit| call.limit(limit).with_timeout(millis(400)));
    assert_eq!((&wait_too.attempts[..], wait_too.ended), (&[][..], 400));
    assert_eq!(wait_too.outcome, timed_out(400));

    // 200 are too few for an attempt: each is cut at its own time.
    let run_alone = seen!(|call, limit| call.with_timeout(millis(200)).limit(limit));
    assert_eq!((run_alone.ended, run_alone.outcome), (1200, timed_out(200)));
    assert_eq!(run_alone.third, 1200, "the permit is back at once");
    let wait_too = seen!(|call, limit| call.limit(limit).with_timeout(millis(1200)));
    assert_eq!((&wait_too.attempts[..], wait_too.ended), (&[1000][..], 1200));
    assert_eq!((wait_too.third, wait_too.outcome), (1200, timed_out(1200)));
}

#[test]
fn a_timeout_of_each_attempt_counts_its_wait_or_not() {
    // Of what runs: both attempts have time enough, however long they wait.
    let seen_of_run =
        seen!(|call, limit| call.with_timeout(millis(400)).limit(limit).retry(thrice()));
    assert_eq!(seen_of_run.attempts, [1000, 3300]);
    assert_eq!((seen_of_run.ended, seen_of_run.outcome), (3600, Ok(Ok("up"))));

    // Of its wait too: the first gives up at 400, the second waits from 900 and is cut at 1300 with the attempt that it
    // has just ended; the third waits from 1800 for the permit that another one has.
    let seen_of_wait =
        seen!(|call, limit| call.limit(limit).with_timeout(millis(400)).retry(thrice()));
    assert_eq!(seen_of_wait.attempts, [1000]);
    assert_eq!((seen_of_wait.third, seen_of_wait.ended), (1300, 2200));
    assert_eq!(seen_of_wait.outcome, timed_out(400));
}

#[test]
fn a_timeout_of_all_counts_what_stands_before_it() {
    // All attempts and the pauses between them, 1100 in all, but no wait for a permit.
    let all =
        |most| seen!(|call, limit| call.retry(thrice()).with_timeout(millis(most)).limit(limit));
    let enough = all(1101);
    assert_eq!((&enough.attempts[..], enough.ended), (&[1000, 1800][..], 2100));
    assert_eq!(enough.outcome, Ok(Ok("up")));
    let too_few = all(1000);
    assert_eq!((&too_few.attempts[..], too_few.ended), (&[1000, 1800][..], 2000));
    assert_eq!((too_few.third, too_few.outcome), (2000, timed_out(1000)));

    // And the wait, once.
    let all =
        |most| seen!(|call, limit| call.retry(thrice()).limit(limit).with_timeout(millis(most)));
    assert_eq!((all(2101).ended, all(2101).outcome), (2100, Ok(Ok("up"))));
    assert_eq!((all(2000).ended, all(2000).outcome), (2000, timed_out(2000)));

    // And the wait, as often as there is one.
    let all =
        |most| seen!(|call, limit| call.limit(limit).retry(thrice()).with_timeout(millis(most)));
    assert_eq!((all(3601).ended, all(3601).outcome), (3600, Ok(Ok("up"))));
    let too_few = all(2500);
    assert_eq!((&too_few.attempts[..], too_few.ended), (&[1000][..], 2500));
    assert_eq!(too_few.outcome, timed_out(2500));
}

#[test]
fn patience_counts_each_wait_and_nothing_else() {
    // Each wait by itself: 1000 the first time, and 1500 the second.
    let patient = |most| {
        seen!(|call, limit| { call.limit(limit.claim().max_wait(millis(most))).retry(thrice()) })
    };
    assert_eq!((patient(1501).attempts, patient(1501).outcome), (vec![1000, 3300], Ok(Ok("up"))));
    // A wait that was too long is tried again, as a failure is.
    let impatient = patient(1001);
    assert_eq!((&impatient.attempts[..], impatient.ended), (&[1000, 3301][..], 3601));
    assert_eq!(impatient.outcome, Ok(Ok("up")));
    // Where the permit is kept, there is one wait.
    let once =
        seen!(|call, limit| { call.retry(thrice()).limit(limit.claim().max_wait(millis(999))) });
    assert!(once.attempts.is_empty());
    let why = Refusal::WaitedTooLong { after: millis(999) };
    assert_eq!((once.ended, once.outcome), (999, Err(AbortReason::Rejected { why })));
}

executors::on_every_executor! {
    async fn the_order_means_the_same_on_every_executor(executor: Executor) {
        for keeps in [false, true] {
            let works = Works::default();
            let limit = works.limit(1);
            let call = {
                let (works, attempts) = (works.clone(), Log::<()>::default());
                move || {
                    attempts.note(());
                    let n = attempts.all().len();
                    let work = works.work(n, 300);
                    async move {
                        work.await;
                        if n < 3 { Err("down") } else { Ok("up") }
                    }
                }
            };
            let chain: Pin<Box<dyn Future<Output = Outcome> + Send>> = if keeps {
                Box::pin(call.retry(thrice()).limit(&limit).with_timer(&works.clock))
            } else {
                Box::pin(call.limit(&limit).retry(thrice()).with_timer(&works.clock))
            };
            let samples = {
                let (works, limit) = (works.clone(), limit.clone());
                async move {
                    let mut held = Vec::new();
                    for _ in 0..5 {
                        works.sleep(200).await;
                        held.push(limit.active());
                    }
                    held
                }
            };
            let both = works.clock.watch(futures::future::join(chain, samples));
            let (outcome, held) = executor.spawn(both).await;
            assert_eq!(outcome, Ok(Ok("up")));
            assert_eq!(works.starts(), [0, 800, 1600]);
            // At 200, 400, 600, 800 and 1000: the second one begins at 800, and whoever is first then sees it or not.
            assert_eq!((held[0], held[1], held[2], held[4]), match keeps {
                true => (1, 1, 1, 1),
                false => (1, 0, 0, 1),
            });
        }
    }
}
