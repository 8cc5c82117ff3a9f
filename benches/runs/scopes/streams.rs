//! Those that are a stream of what their futures come to, as soon as each is ready. Whoever polls the stream is
//! given it, and isn't told whose it was; no child has a handle.

use std::pin::pin;

use futures::{
    StreamExt,
    future::{BoxFuture, FutureExt},
    stream::{FuturesUnordered, Stream},
};

use super::{Answer, Child, Scopes, Sibling, number};

/// Futures of one type. It allocates for each, which may be moved in at any time.
pub(crate) struct Unordered;

/// Futures of any type, which is what a scope takes: each is in a box besides.
pub(crate) struct UnorderedBoxed;

/// Of one type, and no more than it is told when it is made. It allocates twice, for all.
pub(crate) struct Bounded;

/// Of one type. It allocates for many at once: as many again when it is full.
pub(crate) struct Buffered;

/// Implements `Scopes` for a stream of futures that is made with `$new` and filled by `$insert`.
macro_rules! scopes {
    ($scopes:ty, $name:literal, |$n:ident| $new:expr, |$all:ident, $child:ident| $insert:expr) => {
        #[allow(unused_mut, reason = "some take new ones when they are shared")]
        impl Scopes for $scopes {
            const NAME: &'static str = $name;

            async fn join<C: Child>($n: usize) {
                let mut $all = $new;
                for _ in 0..$n {
                    let $child = C::default();
                    $insert;
                }
                drained($all).await;
            }

            async fn sum<C: Child>($n: usize) -> u64 {
                let mut $all = $new;
                for _ in 0..$n {
                    let $child = C::default();
                    $insert;
                }
                summed($all).await
            }

            async fn fail($n: usize) {
                let $n = $n + 1;
                let mut $all = $new;
                for _ in 1..$n {
                    let $child = Sibling::default();
                    $insert;
                }
                let $child = Sibling::failing();
                $insert;
                until_one_fails($all).await;
            }
        }
    };
}

scopes!(Unordered, "FuturesUnordered", |n| FuturesUnordered::new(), |all, child| all.push(child));
scopes!(
    UnorderedBoxed,
    "FuturesUnordered, boxed",
    |n| FuturesUnordered::<BoxFuture<'static, _>>::new(),
    |all, child| all.push(child.boxed())
);
scopes!(
    Bounded,
    "futures-buffered, bounded",
    |n| futures_buffered::FuturesUnorderedBounded::new(n),
    |all, child| all.push(child)
);
scopes!(
    Buffered,
    "futures-buffered",
    |n| futures_buffered::FuturesUnordered::new(),
    |all, child| all.push(child)
);
async fn drained(all: impl Stream) {
    let mut all = pin!(all);
    while all.next().await.is_some() {}
}

async fn summed(all: impl Stream<Item = Answer>) -> u64 {
    let mut all = pin!(all);
    let mut sum = 0;
    while let Some(one) = all.next().await {
        sum += number(one);
    }
    sum
}

async fn until_one_fails(all: impl Stream<Item = Answer>) {
    let mut all = pin!(all);
    while let Some(result) = all.next().await {
        if result.is_err() {
            // They are dropped with the stream.
            return;
        }
    }
    unreachable!("one of them fails");
}
