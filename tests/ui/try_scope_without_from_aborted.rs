//! The error of a `try_scope` is made of an abort, too.

#[derive(Debug)]
struct AppError;

impl std::fmt::Display for AppError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("app")
    }
}

fn caller() {
    _ = tenure::try_scope(async |_n| Ok::<_, AppError>(()));
}

fn main() {}
