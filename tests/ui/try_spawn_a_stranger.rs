//! The error of a child becomes that of its scope, as by the `?` operator.

use tenure::Error;

type AppError = Error<std::fmt::Error>;

fn caller() {
    _ = tenure::try_scope(async |n| {
        n.try_spawn(async { "1".parse::<u8>() });
        Ok::<_, AppError>(())
    });
}

fn main() {}
