//! What is known of one URL while it is fetched.

use std::{
    cell::{Cell, RefCell},
    time::{Duration, Instant},
};

use hyper::StatusCode;

/// An attempt can be dropped at any point, by its timeout, the deadline or Ctrl-C. What it had got
/// by then is kept here, outside of it.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    attempts: Cell<u32>,
    began: Cell<Option<Instant>>,
    status: Cell<Option<StatusCode>>,
    bytes: Cell<u64>,
    failed: RefCell<Option<String>>,
    waiting: Cell<bool>,
}

impl Progress {
    pub(crate) fn begin_attempt(&self) {
        self.attempts.set(self.attempts.get() + 1);
        self.began.set(self.began.get().or_else(|| Some(Instant::now())));
        self.status.set(None);
        self.bytes.set(0);
        self.waiting.set(false);
    }

    pub(crate) fn answered(&self, status: StatusCode) {
        self.status.set(Some(status));
    }

    pub(crate) fn received(&self, bytes: u64) {
        self.bytes.set(bytes);
    }

    pub(crate) fn will_retry(&self, why: String) {
        self.failed.replace(Some(why));
        self.waiting.set(true);
    }

    /// How many attempts were begun.
    pub(crate) fn attempts(&self) -> u32 {
        self.attempts.get()
    }

    /// The status of the last attempt, if it came that far.
    pub(crate) fn status(&self) -> Option<StatusCode> {
        self.status.get()
    }

    /// How much of the body the last attempt got.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// How long it has taken since the first attempt began, without the wait for its place.
    pub(crate) fn elapsed(&self) -> Option<Duration> {
        self.began.get().map(|began| began.elapsed())
    }

    /// Why the last attempt failed that another one was to follow.
    pub(crate) fn failed(&self) -> Option<String> {
        self.failed.borrow().clone()
    }

    /// Whether it is between two attempts.
    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting.get()
    }
}
