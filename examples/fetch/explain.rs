//! Why a URL was not fetched, in words for a colleague.

use tenure::{AbortReason, Aborted, Error};

use crate::{args::Settings, client::FetchError, progress::Progress};

pub(crate) fn explain(
    error: &Error<FetchError>,
    progress: &Progress,
    settings: &Settings,
) -> String {
    match error {
        Error::Failed(error) => failed(error, progress, settings),
        Error::Aborted(aborted) => cut_short(aborted, progress, settings),
    }
}

/// It ran to an end of its own, and the last attempt failed.
fn failed(error: &FetchError, progress: &Progress, settings: &Settings) -> String {
    let attempts = progress.attempts();
    if !error.is_transient() {
        return error.to_string();
    }
    if attempts < settings.attempts.get() {
        return format!("{error}; no time for another attempt before the deadline");
    }
    format!("{error}{}", tried(attempts))
}

/// It was aborted: by its own timeout, the deadline of all, or the user.
fn cut_short(aborted: &Aborted, progress: &Progress, settings: &Settings) -> String {
    let attempts = progress.attempts();
    match aborted.reason() {
        AbortReason::TimedOut { after } => {
            let what = match progress.status() {
                Some(_) => format!("it began to answer, but wasn't done within {after:?}"),
                None => format!("no answer within {after:?}"),
            };
            what + &tried(attempts)
        }
        AbortReason::DeadlinePassed { .. } if attempts == 0 => {
            format!("its turn didn't come within the {:?} for all", settings.deadline)
        }
        AbortReason::DeadlinePassed { .. } => match aborted.cause() {
            Some(cause) => {
                format!("{}; no time for another attempt before the deadline", cause.reason())
            }
            None => format!("the {:?} for all were over {}", settings.deadline, stage(progress)),
        },
        AbortReason::Requested(why) if attempts == 0 => format!("{why} before its turn came"),
        AbortReason::Requested(why) => format!("{why} {}", stage(progress)),
        _ => aborted.to_string(),
    }
}

/// Why a single attempt failed.
pub(crate) fn attempt_failed(error: &Error<&FetchError>) -> String {
    match error {
        Error::Failed(error) => error.to_string(),
        Error::Aborted(aborted) => aborted.reason().to_string(),
    }
}

fn tried(attempts: u32) -> String {
    match attempts {
        1 => String::new(),
        _ => format!(" (tried {attempts} times)"),
    }
}

/// How far it had come.
fn stage(progress: &Progress) -> String {
    let attempts = progress.attempts();
    match progress.failed() {
        None => format!("in attempt {attempts}"),
        Some(why) if progress.is_waiting() => format!("after attempt {attempts} ({why})"),
        Some(why) => format!("in attempt {attempts} (the one before: {why})"),
    }
}
