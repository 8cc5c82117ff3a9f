//! A handle owns nothing, and neither does a name.

use tenure::{AbortHandle, OwnedFuture};

fn caller() {
    _ = async {}.in_scope(&AbortHandle::new());
    _ = async { Ok::<_, String>(1) }.try_in_scope("service");
}

fn main() {}
