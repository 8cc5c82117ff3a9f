//! The client: one limit, and what goes through it.
//!
//! # How not to exceed what a server counts
//!
//! The server counts a request when it arrives, and the client when it starts it. In between is the way there, and that
//! isn't always the same: if a request was slow and one a minute later is fast, they arrive less than a minute apart,
//! though they were started a minute apart. So:
//!
//! 1. **Rate.** Where the server counts every span, so does the client: [`Rate::sliding_window`]. A token bucket with
//!    all of the minute as its burst lets nearly twice as much pass in some minute.
//! 2. **Count from the answer.** Whenever the server counted a request, it was before it answered. So what was charged
//!    at the start is given back at the end and charged anew, by [`Limit::settle`]: it counts for a minute from the
//!    answer on. That is right however long the way was, if an answer takes no longer than a minute, and costs the time
//!    of one answer in each minute. All is polled by one task here, so nobody comes between the two calls.
//! 3. **Or a margin.** Counted from the start, the client's minute has to be longer than the server's, by as much as the
//!    slowest way is longer than the fastest: a second or two of a real minute. It is simpler, and a guess:
//!    on loopback, on a busy machine, 20 ms were too little now and then. A small margin is kept
//!    in any case, for two clocks don't run quite alike.
//! 4. **Connections** are opened beforehand and kept. To open one takes several ways, and only the first few would.
//! 5. **At once.** A timeout ends the wait, not the work of the server. The permit is kept until the server has noticed
//!    that the client has hung up: that is what the release of the [`bracket`] waits for.
//! 6. **Tokens** are charged by the most that they may be, as the server does, and settled by what the answer says.
//! 7. **Evenly.** A bucket beside the window spreads what may pass over the minute, so that not all of it is asked in
//!    the first half. It is empty at first.
//! 8. **429.** If one comes all the same, others count as well, or the server has changed its mind. It knows best:
//!    [`Limit::cool_down`] holds back the whole queue, and not only the one that was told, before its permit is free.

use std::{
    cell::Cell,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tenure::{
    Backoff, Error, Limit, OwnedFuture, Scope, bracket::bracket, limit::Rate, retry::Jitter,
};

use crate::{
    args::Count,
    books::Terms,
    connection::{AskError, Connection, Pool, Question},
};

pub(crate) struct Client {
    pool: Pool,
    limit: Limit,
    scope: Scope,
    count: Count,
    heeds: bool,
    is_over: AtomicBool,
    cools_until: Mutex<Option<Instant>>,
    pub(crate) tally: Tally,
}

/// What became of it all.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) answered: AtomicUsize,
    pub(crate) failed: AtomicUsize,
    pub(crate) cool_downs: AtomicUsize,
    longest_wait: Mutex<Duration>,
}

/// How long one attempt may take: less than a minute, however short that is.
const PATIENCE: Duration = Duration::from_millis(900);

impl Client {
    /// With `heeds`, a 429 holds all back.
    pub(crate) fn new(pool: Pool, limit: Limit, scope: Scope, count: Count, heeds: bool) -> Self {
        let (is_over, cools_until) = (AtomicBool::new(false), Mutex::new(None));
        let tally = Tally::default();
        Self { pool, limit, scope, count, heeds, is_over, cools_until, tally }
    }

    /// One who asks and asks.
    pub(crate) async fn user(&self, question: impl Fn() -> Question) {
        while !self.is_over.load(Relaxed) {
            let result = self.answer(question()).await;
            let count = match result {
                Ok(_) => &self.tally.answered,
                Err(_) if self.is_over.load(Relaxed) => continue,
                Err(_) => &self.tally.failed,
            };
            count.fetch_add(1, Relaxed);
        }
    }

    /// Nobody asks any more. What is under way is still answered.
    pub(crate) fn end(&self) {
        self.is_over.store(true, Relaxed);
        self.limit.clear("the round is over");
    }

    /// One question, from its place in the queue to its answer.
    async fn answer(&self, question: Question) -> Result<u64, Error<Error<AskError>>> {
        let came = Cell::new(Some(Instant::now()));
        let claim = self.limit.claim().cost("tokens", question.most);
        let back_off = Backoff::exponential()
            .first_delay(Duration::from_millis(50))
            .attempts(6)
            .jitter(Jitter::Full);

        #[rustfmt::skip]
        let attempt = || {
            bracket(
                self.pool.take(),
                async |mut connection| {
                    self.tally.begun(came.take());
                    self.ask(&mut connection, question).await
                },
                async |connection, _| self.release(connection).await,
            )
            .with_timeout(PATIENCE)                 // how long one attempt may take
            .limit(&claim)                          // its requests, its tokens and its place, all or none
            .flatten()
        };
        #[rustfmt::skip]
        let answer = attempt
            .retry(back_off)                        // not inside of the limit while it waits
            .when(is_worth_another)
            .in_scope(&self.scope)                  // whom Ctrl-C aborts
            .flatten()
            .await;
        answer
    }

    async fn ask(&self, connection: &mut Connection, question: Question) -> Result<u64, AskError> {
        let answer = connection.ask(question).await;
        if let (Err(AskError::TooMany(wait)), true) = (&answer, self.heeds) {
            self.limit.cool_down(*wait);
            self.note_cool_down(*wait);
        }
        answer
    }

    /// The last thing that is done under the permit, after an answer, an error or a timeout.
    async fn release(&self, connection: Connection) {
        let cost = connection.cost;
        self.pool.put_back(connection).await;
        if self.count == Count::Answer {
            for (unit, cost) in [("calls", 1), ("tokens", cost)] {
                self.settle(unit, 0);
                self.settle(unit, cost);
            }
        } else {
            self.settle("tokens", cost);
        }
    }

    fn settle(&self, unit: &str, cost: u64) {
        let is_inside = self.limit.settle(unit, cost);
        debug_assert!(is_inside, "what is released holds a permit still");
    }

    fn note_cool_down(&self, wait: Duration) {
        let mut cools_until = self.cools_until.lock().expect("nobody panics while it is held");
        let now = Instant::now();
        if cools_until.is_none_or(|until| until <= now) {
            self.tally.cool_downs.fetch_add(1, Relaxed);
        }
        *cools_until = (*cools_until).max(Some(now + wait));
    }
}

/// A limit of what a server has announced.
pub(crate) fn limit(terms: &Terms, margin: u32) -> Limit {
    let Terms { requests, tokens, window, at_once } = *terms;
    let requests = requests as u64;
    let minute = window + window * margin / 1000;
    let evenly = |amount: u64| {
        Rate::token_bucket(amount, window).burst((amount / 10).max(1)).starting_with(0)
    };
    Limit::builder()
        .name("api")
        .concurrency(at_once)
        .rate(Rate::sliding_window(requests, minute))
        .rate(Rate::sliding_window(tokens, minute).of("tokens"))
        .rate(evenly(requests))
        .rate(evenly(tokens).of("tokens"))
        .build()
}

/// What the server or the network is to blame for, and its silence.
fn is_worth_another(error: &Error<AskError>) -> bool {
    match error {
        Error::Failed(error) => error.is_transient(),
        Error::Aborted(aborted) => aborted.is_timeout(),
    }
}

impl Tally {
    /// The first attempt of one who came then begins.
    fn begun(&self, came: Option<Instant>) {
        let waited = came.map_or(Duration::ZERO, |came| came.elapsed());
        let mut longest = self.longest_wait.lock().expect("nobody panics while it is held");
        *longest = (*longest).max(waited);
    }

    pub(crate) fn longest_wait(&self) -> Duration {
        *self.longest_wait.lock().expect("nobody panics while it is held")
    }
}
