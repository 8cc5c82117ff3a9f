//! What a scope does when one that it owns fails: it keeps that, and aborts the siblings.

use alloc::string::{String, ToString};
use core::fmt;

use crate::{
    abort::{AbortReason, Name},
    owner::core::{Core, Failure, FailureKind},
    wake::{Panic, caught, message, resume, survived},
};

impl Core {
    /// Aborts the scope because `who` has panicked.
    pub(super) fn abort_for_panic(&self, who: Option<Name>, panic: &Panic) {
        let message = message(panic);
        self.note(FailureKind::Panicked, who.clone(), message.clone());
        // A sibling's waker may panic in turn; the first panic is the one that goes on.
        survived(|| self.abort.abort(AbortReason::Panicked { who, message }));
    }

    /// Aborts the scope because `who` has failed. If the error panics when it is displayed, that goes on.
    pub(super) fn abort_for_failure(&self, who: Option<Name>, error: &dyn fmt::Display) {
        let error = caught(|| error.to_string()).unwrap_or_else(|panic| {
            self.abort_for_panic(who.clone(), &panic);
            resume(panic)
        });
        self.note(FailureKind::Failed, who.clone(), error.clone());
        // A sibling's waker may panic; the error goes to whoever awaits it all the same.
        survived(|| self.abort.abort(AbortReason::SiblingFailed { who, error }));
    }

    /// Keeps a failure that aborts nobody.
    pub(super) fn note(&self, kind: FailureKind, who: Option<Name>, what: String) {
        self.tally.note(Failure { kind, who, deferred_at: None, what });
    }
}
