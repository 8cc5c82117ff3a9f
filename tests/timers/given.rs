use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    time::{Duration, Instant as StdInstant},
};

use tenure::{
    OwnedFuture, Owner,
    time::{Instant, TestClock, TimerHandle},
};

use super::{async_io::AsyncIoTimer, chip, current_thread, multi_thread, tokio::TokioTimer};
use crate::{executors::Executor, support::MILLISECOND};

/// A timer that a test is given.
#[derive(Clone)]
pub(crate) struct Given {
    pub(crate) timer: TimerHandle,
    /// How coarse its clock is: against a finer one it may come that much too early.
    tick: Duration,
    /// Where its time isn't real.
    clock: Option<TestClock>,
}

/// A moment, by two clocks.
#[derive(Clone, Copy)]
pub(crate) struct Moment {
    given: Instant,
    real: StdInstant,
}

impl Moment {
    pub(crate) const fn by_its_own_clock(self) -> Instant {
        self.given
    }
}

impl Given {
    fn real(timer: TimerHandle) -> Self {
        Self { timer, tick: Duration::ZERO, clock: None }
    }

    pub(crate) fn the_default() -> Self {
        let asks = |owner: Owner| async move { owner.timer().cloned() };
        let timer = smol::block_on(asks.owned()).unwrap();
        Self::real(timer.expect("with `std` there always is one"))
    }

    pub(crate) fn tokios_current_thread() -> Self {
        Self::real(TimerHandle::new(TokioTimer::new(current_thread())))
    }

    pub(crate) fn tokios_multi_thread() -> Self {
        Self::real(TimerHandle::new(TokioTimer::new(multi_thread())))
    }

    pub(crate) fn async_ios() -> Self {
        Self::real(TimerHandle::new(AsyncIoTimer::new()))
    }

    pub(crate) fn the_boards() -> Self {
        let timer = TimerHandle::from_static(chip::alarm());
        Self { tick: Duration::from_micros(1), ..Self::real(timer) }
    }

    pub(crate) fn the_test_clock() -> Self {
        let clock = TestClock::new();
        Self { clock: Some(clock.clone()), ..Self::real(TimerHandle::from(&clock)) }
    }

    pub(crate) fn now(&self) -> Moment {
        Moment { given: self.timer.now(), real: StdInstant::now() }
    }

    /// Fails where less than `after` has passed since then, by either clock.
    #[track_caller]
    pub(crate) fn assert_passed(&self, since: Moment, after: Duration) {
        let passed = self.timer.now() - since.given;
        assert!(passed >= after, "{passed:?} by its own clock, not {after:?}");
        let passed = since.real.elapsed() + self.tick;
        assert!(passed >= after || self.clock.is_some(), "{passed:?}, not {after:?}");
    }

    /// Runs `future` as a task of its own, in which time goes on where it does so only if it is watched.
    pub(crate) fn run<F>(
        &self,
        executor: &Executor,
        future: F,
    ) -> Pin<Box<dyn Future<Output = F::Output> + Send>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        match &self.clock {
            Some(clock) => Box::pin(executor.spawn(clock.watch(future))),
            None => Box::pin(executor.spawn(future)),
        }
    }

    /// Lets some milliseconds pass where they don't by themselves. A waker's panic is its own.
    pub(crate) fn let_pass(&self) {
        if let Some(clock) = &self.clock {
            drop(catch_unwind(AssertUnwindSafe(|| clock.advance(20 * MILLISECOND))));
        }
    }
}
