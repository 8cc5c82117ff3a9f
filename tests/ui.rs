//! What must not compile doesn't, and is told what to write instead.
//!
//! Compilers word their errors differently, so what they say is compared where it was recorded: with
//! the compiler below. With another one the test says that it compared nothing; where `CI` is set it
//! compares with any. To record anew: `TRYBUILD=overwrite cargo test --test ui`.

use std::{env, process::Command};

const RECORDED_WITH: &str = "rustc 1.95.";

#[test]
fn what_must_not_compile_is_told_what_to_write() {
    let compiler = env::var_os("RUSTC").unwrap_or("rustc".into());
    let version = Command::new(compiler).arg("--version").output().unwrap().stdout;
    let version = String::from_utf8(version).unwrap();
    if !version.starts_with(RECORDED_WITH) && env::var_os("CI").is_none() {
        eprintln!("nothing compared: recorded with {RECORDED_WITH}x, this is {version}");
        return;
    }
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
