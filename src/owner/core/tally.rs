//! How those ended that a scope owned, and what went wrong.

use alloc::{string::String, vec::Vec};
use core::{mem, panic::Location};

use crate::{
    abort::Name,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

/// What a scope counts. Relaxed throughout: the counts are read when all that was counted has ended, which
/// the count of members sees to.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counts: [AtomicUsize; Count::ALL],
    failures: Mutex<Failures>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Count {
    Ran,
    Failed,
    Aborted,
    Dropped,
    NeverStarted,
    Overran,
    Steps,
    StepsFailed,
    StepsPanicked,
    StepsOverran,
    StepsSkipped,
}

impl Count {
    const ALL: usize = 11;
}

/// What went wrong, in its order. So many are kept, the others are counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Failures {
    pub(crate) kept: Vec<Failure>,
    pub(crate) more: usize,
}

const KEPT: usize = 16;

/// One that went wrong.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    pub(crate) who: Option<Name>,
    /// Where it was deferred, if it is a piece of clean-up.
    pub(crate) deferred_at: Option<&'static Location<'static>>,
    /// What the error displays, or the panic says.
    pub(crate) what: String,
}

/// In which way something went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureKind {
    /// It returned an error.
    Failed,
    /// It panicked.
    Panicked,
    /// It took longer than it was given.
    Overran,
    /// Nobody was there to poll it to its end.
    Skipped,
}

impl Tally {
    pub(crate) fn add(&self, count: Count) {
        self.add_many(count, 1);
    }

    pub(crate) fn add_many(&self, count: Count, number: usize) {
        if number > 0 {
            self.counts[count as usize].fetch_add(number, Ordering::Relaxed);
        }
    }

    pub(crate) fn get(&self, count: Count) -> usize {
        self.counts[count as usize].load(Ordering::Relaxed)
    }

    pub(crate) fn note(&self, failure: Failure) {
        // One that is too many is dropped outside.
        let mut failure = Some(failure);
        self.failures.with(|failures| {
            if failures.kept.len() < KEPT {
                failures.kept.extend(failure.take());
            } else {
                failures.more += 1;
            }
        });
    }

    pub(crate) fn failures(&self) -> Failures {
        self.failures.with(|failures| failures.clone())
    }
}

const _: () =
    assert!(Count::ALL == Count::StepsSkipped as usize + 1 && mem::size_of::<Count>() == 1);
