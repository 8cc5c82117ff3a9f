//! The siblings are told what the error displays, so it must.

use tenure::{OwnedFuture, Scope};

struct Silent;

fn caller() {
    let scope = Scope::new("pair");
    _ = async { Err::<(), _>(Silent) }.try_in_scope(&scope);
}

fn main() {}
