//! For those who come from p-limit, p-queue or Bottleneck: what each of their words is here.
//!
//! Three things are different in kind.
//!
//! - **Nothing runs by itself.** There a task runs from when it is handed over. Here what is limited is a future: it
//!   begins to wait when it is polled, and who wants many at once gives them to `join_all`, to a
//!   [nursery](crate::scope()), or to tasks.
//! - **What ends is gone.** There a timeout or an abort frees the place while the function runs on. Here the future has
//!   been dropped before its permit is free.
//! - **Everybody gets an answer.** There, what is cleared may stay pending for ever. Here it gets
//!   [`Aborted`](crate::Aborted), with a reason.
//!
//! # p-limit 7
//!
//! | there | here |
//! |---|---|
//! | `pLimit(n)`, `pLimit({concurrency})` | [`Limit::new`], [`Builder::concurrency`] |
//! | `concurrency` of 0 or a fraction: a `TypeError` | a number of permits is whole; of 0, whoever comes is [refused](Refusal::TooHeavy) |
//! | `concurrency: Infinity` | [`Limit::builder`] without a number |
//! | `rejectOnClear` | always: [`Limit::clear`] tells each one why |
//! | `limit(fn, ...args)` | [`.limit(&limit)`](crate::OwnedFuture::limit) on a future, or on a closure that makes one |
//! | `limit.activeCount` | [`Limit::active`] |
//! | `limit.pendingCount` | [`Limit::waiting`] |
//! | `limit.concurrency`, read and written | [`Limit::capacity`], [`Limit::set_capacity`] |
//! | `limit.clearQueue()` | [`Limit::clear`] |
//! | `limit.map(items, fn)` | `try_join_all(items.map(|item| f(item).limit(&limit)))` |
//! | `limitFunction(fn, options)` | a closure that owns a limit: `move |x| f(x).limit(&limit)` |
//! | `limitedFunction.clearQueue()` | [`Limit::clear`] of a clone |
//! | a call within a call: a deadlock | [refused](Refusal::Reentry) |
//!
//! ```js
//! const limit = pLimit(2);
//! const pages = await Promise.all(urls.map(url => limit(() => fetchPage(url))));
//! ```
//!
//! ```
//! use futures::future::try_join_all;
//! use tenure::{Limit, OwnedFuture};
//! # async fn fetch_page(url: &str) -> usize { url.len() }
//! # let urls = ["a", "bc", "def"];
//!
//! # smol::block_on(async {
//! let limit = Limit::new(2);
//! let pages = try_join_all(urls.map(|url| fetch_page(url).limit(&limit))).await?;
//! # assert_eq!(pages, [1, 2, 3]);
//! # Ok::<_, tenure::Aborted>(())
//! # }).unwrap();
//! ```
//!
//! # p-queue 9
//!
//! | there | here |
//! |---|---|
//! | `concurrency` | [`Builder::concurrency`] |
//! | `autoStart: false` | [`Builder::paused`] |
//! | `queueClass` | no: [`Order`] has those that are asked for |
//! | `intervalCap` with `interval` | [`Builder::rate`] with [`Rate::fixed_window`] |
//! | `strict` | [`Rate::sliding_window`] |
//! | `carryoverIntervalCount`, `carryoverConcurrencyCount` | no: a rate counts starts, [`Builder::concurrency`] who still runs |
//! | `timeout` | [`.with_timeout(d)`](crate::OwnedFuture::with_timeout) before `.limit()`: see [the order](super#order-is-meaning) |
//! | `queue.timeout`, read and written | [`TimeoutHandle`](crate::timeout::TimeoutHandle), for each one |
//! | `add(fn, options)` | [`.limit(claim)`](crate::OwnedFuture::limit) |
//! | `addAll(fns)` | `try_join_all`, or a [nursery](crate::scope()) |
//! | `add`'s `priority` | [`Claim::priority`]. Higher is sooner, as there; but a low one [doesn't wait for ever](Builder::ageing) |
//! | `add`'s `id` | [`Claim::named`] |
//! | `add`'s `signal` | [`.with_abort(&handle)`](crate::OwnedFuture::with_abort) |
//! | `add`'s `timeout` | [`.with_timeout(d)`](crate::OwnedFuture::with_timeout) |
//! | `start()`, `pause()`, `isPaused` | [`Limit::resume`], [`Limit::pause`], [`Limit::is_paused`] |
//! | `clear()` | [`Limit::clear`] |
//! | `onEmpty()`, `empty` | [`Limit::wait_empty`] |
//! | `onIdle()`, `idle` | [`Limit::wait_idle`] |
//! | `onPendingZero()`, `pendingZero` | no: [`Limit::wait_idle`] where nobody waits; else [`Limit::active`] |
//! | `onSizeLessThan(n)` | [`Limit::wait_room`] |
//! | `onRateLimit()`, `rateLimit` | no: [`Limit::is_throttled`] tells |
//! | `onRateLimitCleared()`, `rateLimitCleared` | no: a claim is let in then |
//! | `onError()`, `error` | [`try_scope`](crate::try_scope): the first error ends the others |
//! | `size`, `sizeBy({priority})` | [`Limit::waiting`]; [`Limit::queued`], filtered |
//! | `pending` | [`Limit::active`] |
//! | `setPriority(id, priority)` | [`Limit::set_priority`], which keeps its place among those with as high a one by when it came |
//! | `isRateLimited` | [`Limit::is_throttled`], whether anybody waits or not |
//! | `isSaturated` | [`Limit::is_saturated`], whether anybody waits or not |
//! | `runningTasks` | [`Limit::running`] of a [tracked](Builder::tracked) limit |
//! | `timeoutRemaining` of a running task | no: its [`Owner::deadline`](crate::Owner::deadline), from inside |
//! | `add`, `active`, `completed`, `next` | no: what is awaited tells, and each future can say when it begins |
//! | `on`, `once`, `off`, `emit` and the rest of an emitter | no |
//! | `TimeoutError` | [`AbortReason::TimedOut`](crate::AbortReason::TimedOut) |
//! | `PriorityQueue` | no: it is inside |
//!
//! ```js
//! const queue = new PQueue({concurrency: 4, intervalCap: 10, interval: 1000, strict: true});
//! queue.add(sync, {priority: 1, signal, timeout: 5000});
//! await queue.onIdle();
//! ```
//!
//! ```
//! use std::time::Duration;
//! use futures::future::join;
//! use tenure::{AbortHandle, Limit, OwnedFuture, limit::Rate};
//! # async fn sync() {}
//! # let handle = AbortHandle::new();
//!
//! # smol::block_on(async {
//! let a_second = Duration::from_secs(1);
//! let queue = Limit::builder().concurrency(4).rate(Rate::sliding_window(10, a_second)).build();
//! let job = sync()
//!     .with_timeout(Duration::from_secs(5))
//!     .limit(queue.claim().priority(1))
//!     .with_abort(&handle);
//! let (done, ()) = join(job, queue.wait_idle()).await;
//! # done
//! # }).unwrap();
//! ```
//!
//! # Bottleneck 2.19
//!
//! | there | here |
//! |---|---|
//! | `maxConcurrent` | [`Builder::concurrency`] |
//! | `minTime` | [`Rate::spacing`]. Nobody holds a permit while it waits for it |
//! | `highWater`, with `strategy` | [`Builder::max_waiting`], with an [`Overflow`] |
//! | `strategy.LEAK` | [`Overflow::DropOldest`], whatever its priority |
//! | `strategy.OVERFLOW` | [`Overflow::Reject`] |
//! | `strategy.OVERFLOW_PRIORITY` | [`Overflow::DropLowest`] |
//! | `strategy.BLOCK` with `penalty` | no: [`Limit::clear`], then [`Limit::cool_down`] |
//! | `reservoir` | [`Rate::starting_with`]; how much is left tells [`Limit::left`] |
//! | `reservoirRefreshInterval`, `reservoirRefreshAmount` | [`Rate::fixed_window`], to the nanosecond |
//! | `reservoirIncreaseInterval`, `...Amount`, `...Maximum` | [`Rate::token_bucket`] with [`Rate::burst`] |
//! | `incrementReservoir(n)` | no: a charge is corrected by [`Permit::settle`](super::Permit::settle) |
//! | `currentReservoir()` | [`Limit::left`] |
//! | `id` of a limiter | [`Builder::name`] |
//! | `rejectOnDrop` | always |
//! | `trackDoneStatus`, `done()` | no: what is awaited tells, and a scope's [`Report`](crate::scope::Report) counts |
//! | `timeout`, `heartbeatInterval`, `Promise` | no: there is nothing to expire, to tick, or to choose |
//! | `datastore`, `clearDatastore`, `clientOptions`, `clusterNodes`, `Redis`, `connection`, `clientTimeout` | no: a limit is one process's |
//! | `ready()`, `disconnect()`, `clients()`, `channel()`, `publish()`, `message`, `clusterQueued()` | no, for the same reason |
//! | `schedule(options, fn)`, `submit(...)`, `wrap(fn)`, `withOptions` | [`.limit(claim)`](crate::OwnedFuture::limit) |
//! | a job's `priority`, 0 to 9, lower first | [`Claim::priority`], any number, higher first |
//! | a job's `weight` | [`Claim::weight`] for permits, [`Claim::cost`] for rates |
//! | a job's `expiration` | [`.with_timeout(d)`](crate::OwnedFuture::with_timeout) before `.limit()` |
//! | a job's `id` | [`Claim::named`], which need not be its alone |
//! | `chain(other)` | `.limit(&one).limit(&other)`: the last one is asked first |
//! | `updateSettings` | [`Limit::set_capacity`]; rates stay as they are |
//! | `check(weight)` | [`Limit::try_acquire`], which is no guess |
//! | `queued(priority)`, `empty()`, `running()` | [`Limit::queued`], [`Limit::waiting`], [`Limit::active`], which is by weight |
//! | `counts()`, `jobs()`, `jobStatus(id)` | [`Limit::queued`] and [`Limit::running`] |
//! | `stop()` | [`Limit::close`], [`Limit::clear`], then [`Limit::wait_idle`] |
//! | `stop({dropWaitingJobs: false})` | [`Limit::close`], then [`Limit::wait_idle`] |
//! | `failed`, `retry` | [`.retry(policy)`](crate::OwnedFuture::retry), with [`on_retry`](crate::Owned::on_retry): after `.limit()` it gives the permit back, before it, it keeps it |
//! | `empty`, `idle` | [`Limit::wait_empty`], [`Limit::wait_idle`] |
//! | `dropped` | whoever is dropped is told: [`QueueFull`](Refusal::QueueFull), [`Displaced`](Refusal::Displaced) |
//! | `depleted` | [`Limit::is_throttled`] |
//! | `received`, `queued`, `scheduled`, `executing`, `done`, `debug`, `error` | no: what is awaited tells |
//! | `Group`, `key(k)` | [`KeyedLimit`], [`KeyedLimit::key`], which also caps all keys together |
//! | `Group`'s `timeout`, `deleteKey` | no need: a key is known while somebody has to do with it |
//! | `keys()`, `limiters()`, `created` | [`KeyedLimit::keys`] counts them |
//! | `Batcher` | no: it limits nothing |
//! | `BottleneckError` | [`Aborted`](crate::Aborted) with a [`Refusal`] |
//!
//! ```js
//! const limiter = new Bottleneck({maxConcurrent: 5, minTime: 200, highWater: 100, strategy: Bottleneck.strategy.OVERFLOW});
//! limiter.on("failed", (error, job) => job.retryCount < 2 ? 250 : null);
//! await limiter.schedule({priority: 1, weight: 2, expiration: 5000}, call);
//! ```
//!
//! ```
//! use std::time::Duration;
//! use tenure::{Backoff, Limit, OwnedFuture, limit::{Overflow, Rate}};
//! # async fn call() -> Result<u16, String> { Ok(200) }
//!
//! # smol::block_on(async {
//! let limiter = Limit::builder()
//!     .concurrency(5)
//!     .rate(Rate::spacing(Duration::from_millis(200)))
//!     .max_waiting(100, Overflow::Reject)
//!     .build();
//! let status = call
//!     .with_timeout(Duration::from_secs(5))
//!     .retry(Backoff::fixed(Duration::from_millis(250)).attempts(3))
//!     .limit(limiter.claim().priority(9).weight(2))
//!     .await?;
//! # assert_eq!(status, Ok(200));
//! # Ok::<_, tenure::Aborted>(())
//! # }).unwrap();
//! ```
//!
//! A server that says "too many requests":
//!
//! ```
//! use std::time::Duration;
//! use tenure::{Backoff, Limit, OwnedFuture, time::TestClock};
//! # struct Answer { status: u16, retry_after: Duration }
//! # let calls = std::cell::Cell::new(0);
//! # async fn ask(calls: &std::cell::Cell<u32>) -> Answer {
//! #     calls.set(calls.get() + 1);
//! #     Answer { status: if calls.get() == 1 { 429 } else { 200 }, retry_after: Duration::from_secs(20) }
//! # }
//!
//! let clock = TestClock::new();
//! let limit = Limit::builder().concurrency(8).timer(&clock).build();
//! let asked = (|| async {
//!     let answer = ask(&calls).await;
//!     if answer.status == 429 {
//!         limit.cool_down(answer.retry_after); // for all who share the limit
//!         return Err("too many requests");
//!     }
//!     Ok(answer.status)
//! })
//! .limit(&limit)
//! .retry(Backoff::fixed(Duration::ZERO).attempts(5))
//! .with_timer(&clock);
//! assert_eq!(smol::block_on(clock.watch(asked)).unwrap(), Ok(200));
//! assert_eq!(clock.elapsed(), Duration::from_secs(20));
//! ```

#[cfg(doc)]
use super::{Builder, Claim, KeyedLimit, Limit, Order, Overflow, Rate, Refusal};
