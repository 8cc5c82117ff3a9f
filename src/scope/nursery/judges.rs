//! What comes of a nursery, by its error: the first one, or none.

/// What the error of a nursery makes of what its body returned.
pub trait Judges<T>: sealed::Judges<T> {}

impl<T, E: sealed::Judges<T>> Judges<T> for E {}

pub(super) mod sealed {
    use alloc::string::{String, ToString};
    use core::fmt;

    use super::super::child::AnyError;
    use crate::abort::Aborted;

    pub trait Judges<T>: Sized {
        /// What its error displays, if that is one.
        fn failure(output: &T) -> Option<String>;

        /// The result, where a child has failed.
        fn result(self) -> Option<T>;
    }

    impl<T> Judges<T> for AnyError {
        fn failure(_: &T) -> Option<String> {
            None
        }

        fn result(self) -> Option<T> {
            None
        }
    }

    impl<T, E: fmt::Display + From<Aborted>> Judges<Result<T, E>> for E {
        fn failure(output: &Result<T, E>) -> Option<String> {
            output.as_ref().err().map(E::to_string)
        }

        fn result(self) -> Option<Result<T, E>> {
            Some(Err(self))
        }
    }
}
