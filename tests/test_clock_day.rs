//! A day of back-off is over at once, and each attempt begins to the nanosecond when it should.

mod executors;
mod support;

use std::{
    future::{pending, ready},
    time::Duration,
};

use support::{Log, SECOND};
use tenure::{Backoff, OwnedFuture, time::TestClock};

const MINUTE: Duration = Duration::from_secs(60);

/// Delays of 1, 2, 4, .. 128 minutes, and then five of four hours.
const DAY: Backoff = Backoff::exponential()
    .first_delay(MINUTE)
    .max_delay(Duration::from_secs(4 * 3600))
    .attempts(14);

/// When the attempts begin that fail at once, in minutes.
const BEGINS: [u32; 14] = [0, 1, 3, 7, 15, 31, 63, 127, 255, 495, 735, 975, 1215, 1455];

executors::on_every_executor! {
    async fn each_attempt_of_a_day_begins_in_its_time(executor: Executor) {
        let (clock, begun) = (TestClock::new(), Log::default());
        let (hands, log) = (clock.clone(), begun.clone());
        let down = move || {
            log.note(hands.elapsed());
            ready(Err::<(), _>("down"))
        };
        let day = down.retry(DAY).with_timer(&clock);
        assert_eq!(executor.spawn(clock.watch(day)).await.unwrap(), Err("down"));
        assert_eq!(begun.all(), BEGINS.map(|at| at * MINUTE));
        assert_eq!(clock.elapsed(), 1455 * MINUTE);
    }

    /// Each hangs for ten seconds before it is given up.
    async fn attempts_that_take_time_put_off_the_next(executor: Executor) {
        let (clock, begun) = (TestClock::new(), Log::default());
        let (hands, log) = (clock.clone(), begun.clone());
        let hangs = move || {
            log.note(hands.elapsed());
            pending::<Result<(), &str>>()
        };
        let day = hangs.with_timeout(10 * SECOND).retry(DAY).with_timer(&clock);
        assert!(executor.spawn(clock.watch(day)).await.unwrap_err().is_timeout());
        let late = (0..).map(|attempt| attempt * 10 * SECOND);
        let begins: Vec<_> = BEGINS.iter().zip(late).map(|(at, late)| *at * MINUTE + late).collect();
        assert_eq!(begun.all(), begins);
        assert_eq!(clock.elapsed(), 1455 * MINUTE + 140 * SECOND);
    }

    /// A hundred clients of one server, which comes back after twelve hours. Each finds out at its next attempt.
    async fn many_days_pass_at_once(executor: Executor) {
        let clock = TestClock::new();
        let clients: Vec<_> = (0..100)
            .map(|client| {
                let (hands, timer) = (clock.clone(), clock.clone());
                clock.watch(async move {
                    hands.sleep(client * SECOND).await;
                    let begin = hands.elapsed();
                    let asks = || {
                        let now = hands.elapsed();
                        ready(if now < 720 * MINUTE { Err("down") } else { Ok(now - begin) })
                    };
                    asks.retry(DAY).with_timer(&timer).await
                })
            })
            .collect();
        let clients: Vec<_> = clients.into_iter().map(|client| executor.spawn(client)).collect();
        for client in clients {
            assert_eq!(client.await.unwrap(), Ok(735 * MINUTE));
        }
        assert_eq!(clock.elapsed(), 735 * MINUTE + 99 * SECOND);
    }
}
