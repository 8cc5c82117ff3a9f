//! A number says how often, but not how long to wait.

use tenure::OwnedFuture;

fn caller() {
    _ = (|| async { Err::<(), _>("down") }).retry(3);
}

fn main() {}
