//! Rates, as each crate's docs advise to claim a place in one.

use std::{future::Future, num::NonZero};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

/// A crate that limits how many begin in a time.
pub(crate) trait Rates: 'static {
    const NAME: &'static str;

    type Rate;

    /// So many a second, and as many at once.
    fn per_second(n: NonZero<u32>) -> Self::Rate;

    /// Claims a place if there is one now, and tells whether there was.
    fn claim(rate: &Self::Rate) -> bool;

    /// Claims a place, for which it waits.
    fn wait(rate: &Self::Rate) -> impl Future<Output = ()>;
}

pub(crate) struct Governor;

impl Rates for Governor {
    const NAME: &'static str = "governor";

    type Rate = DefaultDirectRateLimiter;

    fn per_second(n: NonZero<u32>) -> Self::Rate {
        RateLimiter::direct(Quota::per_second(n))
    }

    #[inline]
    fn claim(rate: &Self::Rate) -> bool {
        rate.check().is_ok()
    }

    #[inline]
    fn wait(rate: &Self::Rate) -> impl Future<Output = ()> {
        rate.until_ready()
    }
}

impl Rates for super::Tenure {
    const NAME: &'static str = "tenure";

    type Rate = tenure::Limit;

    fn per_second(n: NonZero<u32>) -> Self::Rate {
        tenure::Limit::builder().rate(tenure::limit::Rate::per_second(n.get().into())).build()
    }

    #[inline]
    fn claim(rate: &Self::Rate) -> bool {
        rate.try_acquire().is_some()
    }

    #[inline]
    async fn wait(rate: &Self::Rate) {
        drop(rate.acquire().await.expect("nobody aborts it"));
    }
}
