use crate::{abort::Name, time::Instant};

/// One who waits, as [`Limit::queued`](super::Limit::queued) lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Queued {
    /// What it is called, where that is known.
    pub name: Option<Name>,
    /// How many permits it waits for.
    pub weight: usize,
    /// How urgent it is.
    pub priority: i32,
    /// Since when it waits, where the limit goes by the clock: it is tracked, has a rate, or knows priorities.
    pub since: Option<Instant>,
}

/// One who holds a permit, as [`Limit::running`](super::Limit::running) lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Running {
    /// What it is called, where that is known.
    pub name: Option<Name>,
    /// How many permits it holds.
    pub weight: usize,
    /// How urgent it was.
    pub priority: i32,
    /// Since when it holds them.
    pub since: Instant,
    /// It was woken then, and has not been polled since: its task has set it aside, or is busy with something else. For
    /// one that holds a [`Permit`](super::Permit) that isn't known.
    pub woken_since: Option<Instant>,
}
