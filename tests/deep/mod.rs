//! What takes its time to end, deep in plain code.

#![allow(dead_code, reason = "no test file needs all of it")]

use std::{
    future::{Future, pending},
    pin::Pin,
    time::Duration,
};

use tenure::{OwnedFuture, Owner, bracket::bracket, scope, time::TestClock};

use crate::support::{Log, SECOND};

/// What happened, and when.
#[derive(Clone, Default)]
pub(crate) struct Seen {
    pub(crate) clock: TestClock,
    pub(crate) log: Log<(&'static str, Duration)>,
}

impl Seen {
    pub(crate) fn note(&self, what: &'static str) {
        self.log.note((what, self.clock.elapsed()));
    }

    /// Cleans up for two seconds when it is ended.
    pub(crate) async fn nursery(&self) {
        let ended = scope(async |n| {
            n.defer_async(async |_| {
                self.clock.sleep(2 * SECOND).await;
                self.note("cleaned up");
            });
            pending::<()>().await
        });
        drop(ended.await);
        self.note("after it");
    }

    /// Takes two seconds to give back what it has.
    pub(crate) async fn bracket(&self) {
        let held = bracket(
            async { Ok::<_, ()>(String::from("lease")) },
            async |_lease| pending::<Result<(), ()>>().await,
            async |_lease, _| {
                self.clock.sleep(2 * SECOND).await;
                self.note("cleaned up");
            },
        );
        drop(held.await);
        self.note("after it");
    }

    /// Says goodbye for two seconds.
    pub(crate) async fn grace(&self) {
        let polite = async {
            Owner::current().unwrap().aborted().await;
            self.clock.sleep(2 * SECOND).await;
            self.note("cleaned up");
        };
        drop(polite.with_grace(9 * SECOND).await);
        self.note("after it");
    }

    /// Is not told, and done two seconds later.
    pub(crate) async fn shield(&self) {
        let writes = async {
            self.clock.sleep(3 * SECOND).await;
            self.note("cleaned up");
        };
        drop(writes.shielded(9 * SECOND).await);
        // Where nothing ends it, it runs on.
        self.clock.sleep(SECOND).await;
        self.note("after it");
    }
}

pub(crate) type Deep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Each of those that take their time.
pub(crate) fn all(seen: &Seen) -> [Deep; 4] {
    let own = || seen.clone();
    let (a, b, c, d) = (own(), own(), own(), own());
    [
        Box::pin(async move { a.nursery().await }),
        Box::pin(async move { b.bracket().await }),
        Box::pin(async move { c.grace().await }),
        Box::pin(async move { d.shield().await }),
    ]
}

/// It is ended at one second, and over at three.
pub(crate) fn assert_ended(seen: &Seen, case: &str) {
    assert_eq!(seen.log.all(), [("cleaned up", 3 * SECOND)], "{case}");
    assert_eq!(seen.clock.elapsed(), 3 * SECOND, "{case}");
}
