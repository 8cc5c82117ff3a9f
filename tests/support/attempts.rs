use std::future::{Pending, Ready, pending, ready};

use super::Count;

/// Fails each time, and says which attempt it was.
pub(crate) fn failing(
    attempts: &Count,
) -> impl FnMut() -> Ready<Result<u32, String>> + Clone + Send + 'static {
    let attempts = attempts.clone();
    move || ready(Err(format!("attempt {}", attempts.add() + 1)))
}

/// Hangs each time.
pub(crate) fn hanging(
    attempts: &Count,
) -> impl FnMut() -> Pending<Result<u32, String>> + Send + 'static {
    let attempts = attempts.clone();
    move || {
        attempts.add();
        pending()
    }
}
