//! Work that is given to limits, on a clock that jumps, and what is seen of it.

#![allow(dead_code, reason = "no test file needs all of it")]

use std::{future::Future, time::Duration};

use futures::future::join_all;
use tenure::{Aborted, Limit, OwnedFuture, limit::Builder, time::TestClock};

use crate::support::{ByHand, Count, Log, MILLISECOND};

/// Clones are the same place.
#[derive(Clone, Default)]
pub(crate) struct Works {
    pub(crate) clock: TestClock,
    /// Who began, and at which millisecond.
    begun: Log<(usize, u128)>,
    ended: Log<(usize, u128)>,
    now: Count,
    gone: Count,
    /// How many were at work when each began, itself among them.
    pub(crate) beside: Log<usize>,
}

impl Works {
    /// A limit on this clock, of so many at once.
    pub(crate) fn limit(&self, permits: usize) -> Limit {
        self.builder().concurrency(permits).build()
    }

    pub(crate) fn builder(&self) -> Builder {
        Limit::builder().timer(&self.clock)
    }

    /// Takes so long, and comes to its own number.
    pub(crate) fn work(&self, n: usize, millis: u32) -> impl Future<Output = usize> + Send + use<> {
        struct Leaves(Count);
        impl Drop for Leaves {
            fn drop(&mut self) {
                self.0.add();
            }
        }
        let works = self.clone();
        async move {
            let _leaves = Leaves(works.gone.clone());
            works.beside.note(works.now.add() + 1 - works.gone.get());
            works.begun.note((n, works.millis()));
            if millis > 0 {
                works.clock.sleep(millis * MILLISECOND).await;
            }
            works.ended.note((n, works.millis()));
            n
        }
    }

    pub(crate) fn millis(&self) -> u128 {
        self.clock.elapsed().as_millis()
    }

    /// Who began when, in the order in which they did.
    pub(crate) fn begun(&self) -> Vec<(usize, u128)> {
        self.begun.all()
    }

    pub(crate) fn ended(&self) -> Vec<(usize, u128)> {
        self.ended.all()
    }

    /// In which order they began.
    pub(crate) fn order(&self) -> Vec<usize> {
        self.begun().into_iter().map(|(n, _)| n).collect()
    }

    /// When each began, in the order of their numbers.
    pub(crate) fn starts(&self) -> Vec<u128> {
        let mut begun = self.begun();
        begun.sort();
        begun.into_iter().map(|(_, at)| at).collect()
    }

    /// How many were ever at work at once.
    pub(crate) fn most(&self) -> usize {
        self.beside.all().into_iter().max().unwrap_or(0)
    }

    /// Runs it to its end, while the clock jumps.
    pub(crate) fn run<F: Future>(&self, future: F) -> F::Output {
        smol::block_on(self.clock.watch(future))
    }

    pub(crate) async fn sleep(&self, millis: u32) {
        self.clock.sleep(millis * MILLISECOND).await;
    }

    pub(crate) fn advance(&self, millis: u32) {
        self.clock.advance(millis * MILLISECOND);
    }

    /// One that comes at once and is polled by hand. Its work has no end.
    pub(crate) fn comes<'a>(
        &self,
        n: usize,
        claim: impl Into<tenure::limit::Claim>,
    ) -> ByHand<'a, Result<(), Aborted>> {
        let work = self.work(n, 0);
        let endless = async move {
            work.await;
            std::future::pending::<()>().await;
        };
        let mut comes = ByHand::new(endless.limit(claim).with_timer(&self.clock));
        assert!(comes.poll().is_pending());
        comes
    }
}

/// When each of them began, where each comes at a time, and takes so long.
pub(crate) fn starts<const N: usize>(
    settings: impl Fn(Builder) -> Builder,
    arrivals: [(u32, u32); N],
) -> [u128; N] {
    let works = Works::default();
    let limit = settings(works.builder()).build();
    let jobs = arrivals.into_iter().enumerate().map(|(n, (at, millis))| {
        let (works, limit) = (&works, &limit);
        async move {
            if at > 0 {
                works.sleep(at).await;
            }
            works.work(n, millis).limit(limit).await.unwrap();
        }
    });
    works.run(join_all(jobs));
    assert_eq!((limit.active(), limit.waiting()), (0, 0));
    works.starts().try_into().expect("all of them began")
}

/// Ends whoever is inside, one after the other, until nobody is left of those who wait.
pub(crate) fn drain<'a, T>(mut inside: ByHand<'a, T>, mut row: Vec<ByHand<'a, T>>) {
    loop {
        drop(inside);
        let Some(woken) = row.iter().position(|one| one.wakes() > 0) else { break };
        inside = row.remove(woken);
        assert!(inside.poll().is_pending());
    }
    assert_eq!(row.len(), 0, "all came in");
}

pub(crate) const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}
