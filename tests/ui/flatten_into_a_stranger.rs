//! The error that a chain is flattened into must be made of both kinds of failure.

use tenure::{Aborted, OwnedFuture};

struct AppError;

impl From<Aborted> for AppError {
    fn from(_: Aborted) -> Self {
        Self
    }
}

fn caller() {
    _ = async { "1".parse::<u8>() }.named("one").flatten_into::<AppError>();
}

fn main() {}
