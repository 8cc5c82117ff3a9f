//! How to test what waits: on virtual time, exact to the nanosecond, without waiting.
//!
//! A page to read, with nothing to import from. It is for tests of *your* code, and takes no knowledge of the
//! rest of the crate. All of its examples run as they stand, in microseconds.
//!
//! Three steps: give your code a timer, hand it a [`TestClock`] in the test, and let the clock
//! [`watch`](super::TestClock::watch) what runs.
//!
//! ```
//! use std::time::Duration;
//! use tenure::{AbortReason, OwnedFuture, time::{TestClock, TimerHandle}};
//!
//! // Your code: asks a server that is given a minute to answer.
//! struct Client {
//!     timer: TimerHandle,
//! }
//!
//! impl Client {
//!     async fn ask(&self) -> Result<String, tenure::Aborted> {
//!         let answer = self.timer.sleep(Duration::from_secs(3600)); // a very slow server
//!         let answer = async { answer.await; "42".to_string() };
//!         answer.with_timeout(Duration::from_secs(60)).with_timer(&self.timer).await
//!     }
//! }
//!
//! // The program uses the process's own timer: `Client { timer: TimerHandle::default() }`.
//! // The test uses its own:
//! let clock = TestClock::new();
//! let client = Client { timer: TimerHandle::from(&clock) };
//!
//! let aborted = smol::block_on(clock.watch(client.ask())).unwrap_err();
//! assert!(aborted.is_timeout());
//! assert_eq!(clock.elapsed(), Duration::from_secs(60));
//! ```
//!
//! Any executor will do: `clock.watch(..)` goes around what you would have run without it.
//!
//! # Give your code a timer
//!
//! A clock moves what asks it for the time, and nothing else. So your code must not name a timer of its own
//! (`tokio::time`, `std::thread::sleep`, `Instant::now`), but take one:
//!
//! | your code | takes its timer from |
//! |---|---|
//! | is a chain of adapters | `.with_timer(&timer)` at the end of it; it counts for all that stands before |
//! | runs in a scope | `Scope::builder("name").timer(&timer)`; it counts for all members |
//! | sleeps, or reads the clock | a [`TimerHandle`]: [`sleep`](super::TimerHandle::sleep), [`now`](super::TimerHandle::now) |
//! | is a closure that takes its [`Owner`](crate::Owner) | the owner: [`owner.timer()`](crate::Owner::timer) |
//!
//! A [`TimerHandle`] is cheap to clone. Keep one in a field, or take it as an argument; `&clock` converts into it.
//!
//! # Watch what runs
//!
//! The clock stands still until *all* that it watches waits, with no wake-up on its way. Then it jumps to the
//! next alarm. So watch each task, and all of them before the first is spawned: one that is watched holds the
//! clock until it runs, one that isn't the clock doesn't know of.
//!
//! ```
//! use std::{sync::{Arc, Mutex}, time::Duration};
//! use tenure::time::TestClock;
//!
//! let clock = TestClock::new();
//! let log = Arc::new(Mutex::new(Vec::new()));
//! let worker = |name, pace| {
//!     let (clock, log) = (clock.clone(), log.clone());
//!     async move {
//!         for _ in 0..2 {
//!             clock.sleep(Duration::from_secs(pace)).await;
//!             log.lock().unwrap().push((clock.elapsed().as_secs(), name));
//!         }
//!     }
//! };
//! let slow = clock.watch(worker("slow", 5));
//! let quick = clock.watch(worker("quick", 3));
//!
//! # let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
//! # runtime.block_on(async {
//! let (slow, quick) = (tokio::spawn(slow), tokio::spawn(quick));
//! slow.await.unwrap();
//! quick.await.unwrap();
//! # });
//! // What and when, exact and in order, on as many threads as you like.
//! assert_eq!(*log.lock().unwrap(), [(3, "quick"), (5, "slow"), (6, "quick"), (10, "slow")]);
//! ```
//!
//! What falls due in one instant is woken in the order in which the alarms were set. On one thread it also runs
//! in that order; on several, anything may come first.
//!
//! One watched task may spawn others: watch them in its midst. What they return is best sent from within what
//! is watched, as `remote_handle` of `futures` does. A `JoinHandle` tells of the end only when the clock no
//! longer sees the task; with one thread that is soon enough, with several it may be too late.
//!
//! ```
//! use std::time::Duration;
//! use futures::FutureExt;
//! use tenure::time::TestClock;
//!
//! # let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
//! let clock = TestClock::new();
//! let hands = clock.clone();
//! let parent = clock.watch(async move {
//!     let second = hands.sleep(Duration::from_secs(1));
//!     let (task, result) = async { second.await; "done" }.remote_handle();
//!     tokio::spawn(hands.watch(task));
//!     (result.await, hands.elapsed())
//! });
//! assert_eq!(runtime.block_on(parent), ("done", Duration::from_secs(1)));
//! ```
//!
//! # Hold the clock while something else is at work
//!
//! A thread, a socket, a database: what isn't watched can't be seen. A future that waits for it looks idle, and
//! the clock would jump ahead. A [`pause`](super::TestClock::pause) holds it until the guard is dropped:
//!
//! ```
//! use std::{thread, time::Duration};
//! use futures::channel::oneshot;
//! use tenure::{OwnedFuture, time::TestClock};
//!
//! let clock = TestClock::new();
//! let hands = clock.clone();
//! let asks = async move {
//!     let (tell, told) = oneshot::channel();
//!     let pause = hands.pause();
//!     thread::spawn(move || {
//!         thread::sleep(Duration::from_millis(5)); // real work, in real time
//!         tell.send("found").unwrap(); // first wake the one who waits,
//!         drop(pause); // then let the clock go
//!     });
//!     told.await
//! };
//! let asked = asks.with_timeout(Duration::from_secs(1)).with_timer(&clock);
//! assert_eq!(smol::block_on(clock.watch(asked)).unwrap(), Ok("found"));
//! assert_eq!(clock.elapsed(), Duration::ZERO);
//! ```
//!
//! # Move the clock by hand
//!
//! To see what is true half-way, don't watch: poll, [`advance`](super::TestClock::advance), and look.
//!
//! ```
//! use std::time::Duration;
//! use tenure::{Backoff, OwnedFuture, time::TestClock};
//!
//! let (clock, second) = (TestClock::new(), Duration::from_secs(1));
//! let calls = std::cell::Cell::new(0);
//! let asked = || async {
//!     calls.set(calls.get() + 1);
//!     Err::<(), _>("down")
//! };
//! let asked = asked.retry(Backoff::fixed(second).attempts(3)).with_timer(&clock);
//!
//! smol::block_on(async {
//!     let mut asked = std::pin::pin!(asked);
//!     assert!(futures::poll!(&mut asked).is_pending());
//!     assert_eq!(calls.get(), 1);
//!
//!     clock.advance(second - Duration::from_nanos(1));
//!     assert!(futures::poll!(&mut asked).is_pending());
//!     assert_eq!(calls.get(), 1); // not a nanosecond early
//!
//!     clock.advance(Duration::from_nanos(1));
//!     assert!(futures::poll!(&mut asked).is_pending());
//!     assert_eq!(calls.get(), 2);
//! });
//! ```
//!
//! # What to assert
//!
//! A back-off: when each attempt began.
//!
//! ```
//! use std::time::Duration;
//! use tenure::{Backoff, OwnedFuture, time::TestClock};
//!
//! let clock = TestClock::new();
//! let mut begun = Vec::new();
//! let failing = || {
//!     begun.push(clock.elapsed().as_secs());
//!     async { Err::<(), _>("down") }
//! };
//! let hours = Backoff::exponential().first_delay(Duration::from_secs(3600)).max_delay(Duration::MAX);
//! let failed = smol::block_on(clock.watch(failing.retry(hours).with_timer(&clock)));
//!
//! assert_eq!(failed.unwrap(), Err("down"));
//! assert_eq!(begun, [0, 3600, 3 * 3600, 7 * 3600]);
//! ```
//!
//! A queue: who had to wait for a permit, and for how long.
//!
//! ```
//! use std::{cell::RefCell, time::Duration};
//! use tenure::{Limit, OwnedFuture, time::TestClock};
//!
//! let (clock, limit) = (TestClock::new(), Limit::new(2));
//! let begun = RefCell::new(Vec::new());
//! let jobs = (1..=5).map(|job| {
//!     let (clock, begun) = (&clock, &begun);
//!     async move {
//!         begun.borrow_mut().push((clock.elapsed().as_secs(), job));
//!         clock.sleep(Duration::from_secs(10)).await;
//!     }
//!     .limit(&limit)
//!     .with_timer(clock)
//! });
//! smol::block_on(clock.watch(futures::future::join_all(jobs)));
//! assert_eq!(*begun.borrow(), [(0, 1), (0, 2), (10, 3), (10, 4), (20, 5)]);
//! ```
//!
//! An abort in the midst: that it ends at once, and why.
//!
//! ```
//! use std::time::Duration;
//! use tenure::{OwnedFuture, Scope, time::TestClock};
//!
//! let clock = TestClock::new();
//! let scope = Scope::builder("import").timer(&clock).build();
//! let import = clock.watch(clock.sleep(Duration::from_secs(3600)).in_scope(&scope));
//! let stop = clock.watch(async {
//!     clock.sleep(Duration::from_secs(3)).await;
//!     scope.abort("user hit stop");
//! });
//! let (imported, ()) = smol::block_on(futures::future::join(import, stop));
//! assert_eq!(imported.unwrap_err().to_string(), "user hit stop (in `import`)");
//! assert_eq!(clock.elapsed(), Duration::from_secs(3));
//! ```
//!
//! # When a test can't go on
//!
//! It would hang. Instead, after ten seconds of real time in which nothing at all has happened on the clock,
//! what waits panics with a report:
//!
//! ```text
//! the clock stands still at 5s: nothing has happened on it for 10s of real time
//!   watched at tests/mail.rs:12:25: was never polled
//!   watched at tests/mail.rs:14:17 (2 times): waits, and for no alarm of this clock
//!   watched at tests/mail.rs:19:17: waits for an alarm at 65s
//! - what was never polled holds the clock: spawn it, await it, or drop it
//! - what waits for no alarm waits for another future, for another clock, or for what can't be seen: ..
//! ```
//!
//! Read it from the top: those that hold the clock come first, and the rest waits for them. Here the future of
//! line 12 was watched, but never spawned. Where the first lines say *waits, and for no alarm*, nothing holds the
//! clock: it has no alarm left to jump to, and what these wait for, a message most likely, nobody sends.
//!
//! The same list is in the `Debug` output of the clock, at any time. More patience, or none, is for
//! [`set_patience`](super::TestClock::set_patience).
//!
//! # Common mistakes
//!
//! | what you see | what it is | what to do |
//! |---|---|---|
//! | a hang, and on the standard error "nothing is watched" | the clock was never told what to wait for | `clock.watch(..)` around what runs |
//! | the report says "was never polled" | it was watched, but not spawned or awaited | spawn it, await it, or drop it |
//! | the report says "for no alarm of this clock" | it waits for a message that nobody sends, or on another timer | send it; take the timer from outside |
//! | the report says "was woken, and not polled since" | its executor has stopped, or something blocks its thread | let the executor run; no `block_on` in a task |
//! | the test takes as long as it says | a `tokio::time::sleep` or a `thread::sleep` inside | `timer.sleep(..)`, see [above](#give-your-code-a-timer) |
//! | a chain takes real time | it has no timer, and uses the process's own | `.with_timer(&clock)` at its end |
//! | time is later than it should be | what the task waited for wasn't watched | watch that, too, or [pause](#hold-the-clock-while-something-else-is-at-work) |
//! | the same, on tokio, after many messages at once | tokio [puts off](super::TestClock#what-it-cant-see) some wake-ups | `tokio::task::unconstrained(..)` |
//! | the same, with a `JoinHandle`, on several threads | the end was told after the clock had moved | [`remote_handle`](#watch-what-runs) |
//! | a hang with one core busy | a task that polls in a loop until something is true holds the clock; one that ticks for ever moves it for ever | await what it waits for; a timeout on the clock around the whole test |
//! | a hang, and no report | a pause that is never dropped, or a watched task that blocks | drop it; never `block_on` one watched future inside of another |
//!
//! [`TestClock`]: super::TestClock
//! [`TimerHandle`]: super::TimerHandle
