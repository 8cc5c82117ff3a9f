use std::{
    future::{Future, poll_fn},
    hint::black_box,
    io,
    task::Poll,
    time::Duration,
};

use tenure::{AbortHandle, Backoff, Limit, OwnedFuture, Scope};

const SECOND: Duration = Duration::from_secs(1);

/// What is done with each chain.
pub(crate) trait EachChain {
    fn chain<F: Future + 'static>(&mut self, name: &'static str, make: impl Fn() -> F + 'static);
}

fn answer() -> impl Future<Output = Result<u32, io::Error>> {
    poll_fn(|_| Poll::Ready(Ok(black_box(42))))
}

/// A future that is ready at once, with nothing around it, each adapter, and some together.
pub(crate) fn for_each_chain(each: &mut impl EachChain) {
    let scope = Scope::new("bench");
    let limit = Limit::new(8);
    // It lives as long as the process: what refers to it can go anywhere.
    let handle: &AbortHandle = Box::leak(Box::new(AbortHandle::new()));
    let policy = Backoff::exponential();
    each.chain("bare", answer);
    each.chain("owned", || answer().owned());
    each.chain("with_timeout", || answer().with_timeout(SECOND));
    each.chain("retry", move || answer.retry(policy));
    each.chain("with_abort", move || answer().with_abort(handle));
    each.chain("limit", {
        let limit = limit.clone();
        move || answer().limit(&limit)
    });
    each.chain("in_scope", {
        let scope = scope.clone();
        move || answer().in_scope(&scope)
    });
    each.chain("timeout+retry+timeout", move || {
        answer.with_timeout(SECOND).retry(policy).with_timeout(10 * SECOND)
    });
    each.chain("chain", move || {
        answer
            .with_timeout(2 * SECOND)
            .retry(policy)
            .limit(&limit)
            .with_timeout(10 * SECOND)
            .in_scope(&scope)
    });
}
