//! A `Scope` spawns nothing: nobody would poll it.

use tenure::{OwnedFuture, Scope};

fn caller() {
    let scope = Scope::new("service");
    async { 1 }.named("one").spawn_in(&scope);
    async { Ok::<_, String>(1) }.named("one").try_spawn_in(&scope);
}

fn main() {}
