//! Timeouts, as each crate's docs advise to put them around a future.

use std::{
    future::{Future, pending},
    ops::Range,
    pin::{Pin, pin},
    sync::OnceLock,
    thread,
    time::Duration,
};

use futures_lite::FutureExt as _;
use tenure::OwnedFuture;
use tokio::runtime::{Builder, Runtime};

use super::{counting_waker, waiting};

/// A crate that has timeouts.
pub(crate) trait Timeouts: 'static {
    const NAME: &'static str;

    /// `future`, which is given up when `after` is over.
    fn timeout<F: Future>(future: F, after: Duration) -> impl Future;

    /// Until the guard is dropped, timeouts can be made on this thread.
    fn enter() -> impl Sized {}

    /// Lets time pass, in which timeouts fire.
    fn wait(time: Duration) {
        thread::sleep(time);
    }
}

pub(crate) struct Tenure;

impl Timeouts for Tenure {
    const NAME: &'static str = "tenure";

    #[inline]
    fn timeout<F: Future>(future: F, after: Duration) -> impl Future {
        future.with_timeout(after)
    }
}

/// On a runtime of one thread, which fires timeouts while that thread waits.
pub(crate) struct Tokio;

impl Tokio {
    fn runtime() -> &'static Runtime {
        static RUNTIME: OnceLock<Runtime> = OnceLock::new();
        RUNTIME.get_or_init(|| {
            Builder::new_current_thread().enable_all().build().expect("no runtime could be built")
        })
    }
}

impl Timeouts for Tokio {
    const NAME: &'static str = "tokio";

    #[inline]
    fn timeout<F: Future>(future: F, after: Duration) -> impl Future {
        tokio::time::timeout(after, future)
    }

    fn enter() -> impl Sized {
        Self::runtime().enter()
    }

    fn wait(time: Duration) {
        // Made within: it asks for the runtime at once.
        Self::runtime().block_on(async { tokio::time::sleep(time).await });
    }
}

pub(crate) struct AsyncIo;

impl Timeouts for AsyncIo {
    const NAME: &'static str = "async-io";

    #[inline]
    fn timeout<F: Future>(future: F, after: Duration) -> impl Future {
        async { Some(future.await) }.or(async move {
            async_io::Timer::after(after).await;
            None
        })
    }
}

pub(crate) struct FuturesTime;

impl Timeouts for FuturesTime {
    const NAME: &'static str = "futures-time";

    #[inline]
    fn timeout<F: Future>(future: F, after: Duration) -> impl Future {
        futures_time::future::FutureExt::timeout(future, futures_time::time::Duration::from(after))
    }
}

pub(crate) struct AsyncStd;

impl Timeouts for AsyncStd {
    const NAME: &'static str = "async-std";

    #[inline]
    fn timeout<F: Future>(future: F, after: Duration) -> impl Future {
        async_std::future::timeout(after, future)
    }
}

pub(crate) struct SmolTimeout;

impl Timeouts for SmolTimeout {
    const NAME: &'static str = "smol-timeout";

    #[inline]
    fn timeout<F: Future>(future: F, after: Duration) -> impl Future {
        smol_timeout::TimeoutExt::timeout(future, after)
    }
}

pub(crate) struct FuturesTimer;

impl Timeouts for FuturesTimer {
    const NAME: &'static str = "futures-timer";

    #[inline]
    fn timeout<F: Future>(future: F, after: Duration) -> impl Future {
        async move {
            // `select` wants what may be moved: a delay may, any future once it is pinned.
            let delay = futures_timer::Delay::new(after);
            match futures::future::select(pin!(future), delay).await {
                futures::future::Either::Left((output, _)) => Some(output),
                futures::future::Either::Right(_) => None,
            }
        }
    }
}

/// `n` timeouts that have been waited for, spread over `after`. The first one made is the earliest.
pub(crate) fn live<T: Timeouts>(n: usize, after: Range<Duration>) -> Vec<Pin<Box<impl Future>>> {
    let (waker, _) = counting_waker();
    let live = (0..n)
        .map(|place| waiting(T::timeout(pending::<()>(), spread(place, after.clone())), &waker));
    let live = live.collect();
    settle::<T>(n);
    live
}

/// Waits until whoever else does something for `n` timeouts, armed or dropped, has done so.
pub(crate) fn settle<T: Timeouts>(n: usize) {
    T::wait(Duration::from_millis(1) + n as u32 * Duration::from_nanos(500));
}

/// The point at `place` of a sequence that fills `range` evenly, in no order, from its start.
pub(crate) fn spread(place: usize, range: Range<Duration>) -> Duration {
    // Of the golden ratio the fraction, times 2 to the 32nd.
    let part = (place as u32).wrapping_mul(2_654_435_769);
    let nanos = ((range.end - range.start).as_nanos() * u128::from(part)) >> 32;
    range.start + Duration::from_nanos(nanos as u64)
}
