//! Beside a trait with a method of the same name, `.owned()` goes first.

use std::time::Duration;

use embassy_time::WithTimeout as _;
use tenure::OwnedFuture;

fn caller() {
    _ = async {}.with_timeout(Duration::from_secs(1));
}

fn main() {}
