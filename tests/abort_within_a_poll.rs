//! An abort that comes from within the very poll that it ends is heeded in that poll.

use std::{cell::Cell, time::Duration};

use tenure::{AbortHandle, Backoff, OwnedFuture, Scope};

#[test]
fn an_attempt_that_aborts_its_owner_is_the_last() {
    let (handle, scope) = (AbortHandle::new(), Scope::new("suicidal"));
    let attempts = Cell::new(0);
    let at_once = Backoff::fixed(Duration::ZERO).attempts(u32::MAX);

    let by_handle = || async {
        attempts.set(attempts.get() + 1);
        handle.abort("enough");
        Err::<(), _>("failed")
    };
    let aborted = smol::block_on(by_handle.retry(at_once).with_abort(&handle)).unwrap_err();
    assert_eq!((aborted.to_string().as_str(), attempts.take()), ("enough", 1));

    let by_scope = || async {
        attempts.set(attempts.get() + 1);
        scope.abort("enough");
        Err::<(), _>("failed")
    };
    let aborted = smol::block_on(by_scope.retry(at_once).in_scope(&scope)).unwrap_err();
    assert_eq!((aborted.reason().to_string().as_str(), attempts.take()), ("enough", 1));
}
