//! A chain is `Send` if what it runs is.

use std::{rc::Rc, time::Duration};

use tenure::OwnedFuture;

fn spawn(_: impl Future + Send + 'static) {}

fn main() {
    let shared = Rc::new(());
    spawn(async move { drop(shared) }.with_timeout(Duration::from_secs(1)));
}
