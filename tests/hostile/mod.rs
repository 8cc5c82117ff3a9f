//! Foreign code of every hostile kind, where it can stand in a lattice, and what must hold afterwards.

#![allow(dead_code, reason = "no test file needs all of it")]
#![allow(unused_imports, reason = "no test file needs all of it")]

mod shape;
mod sound;
mod waker;
mod ways_in;

pub(crate) use shape::{PLACES, Shape, each_place};
pub(crate) use sound::{in_time, is_sound, leaves_nothing};
pub(crate) use waker::{Hooked, Moment};
pub(crate) use ways_in::WAYS_IN;

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

use crate::support::{Count, Log};

/// Panics that are told apart and that, forgotten, leak nothing: only the first of them has content.
#[derive(Clone, Debug, Default)]
pub(crate) struct Panics {
    begun: Count,
}

/// What each panic but the first is.
struct Later;

impl Panics {
    /// Without a report, which would be kept for the test's output and count as a leak.
    pub(crate) fn panic(&self, number: usize) -> ! {
        match self.begun.add() {
            0 => resume_unwind(Box::new(number)),
            _ => resume_unwind(Box::new(Later)),
        }
    }

    pub(crate) fn begun(&self) -> usize {
        self.begun.get()
    }
}

/// The number that `f` panicked with, if it did.
pub(crate) fn panicked<R>(f: impl FnOnce() -> R) -> Option<usize> {
    let panic = catch_unwind(AssertUnwindSafe(f)).err()?;
    match panic.downcast::<usize>() {
        Ok(number) => Some(*number),
        Err(panic) if panic.is::<Later>() => panic!("a later panic went on, not the first"),
        Err(panic) => resume_unwind(panic),
    }
}
