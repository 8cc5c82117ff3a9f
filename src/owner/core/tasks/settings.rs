use crate::{
    abort::Name,
    owner::{
        core::{Core, Left},
        value::Values,
    },
    sync::{Arc, Weak},
    time::{Instant, TimerHandle},
};

/// With what a scope begins.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) name: Name,
    pub(crate) timer: Option<TimerHandle>,
    pub(crate) deadline: Option<Instant>,
    /// Whether it is aborted at its deadline by an alarm of its own.
    pub(crate) rings: bool,
    pub(crate) values: Values,
    pub(crate) parent: Option<Arc<Core>>,
    pub(crate) reaper: Option<Weak<Left>>,
}

impl Settings {
    pub(crate) fn named(name: Name) -> Self {
        Self {
            name,
            timer: None,
            deadline: None,
            rings: true,
            values: Values::default(),
            parent: None,
            reaper: None,
        }
    }

    /// Takes what it has not from its parent.
    pub(crate) fn inherit(&mut self) {
        let Some(parent) = &self.parent else { return };
        if self.timer.is_none() {
            self.timer = parent.timer.clone();
        }
        self.values = self.values.after(&parent.values);
        if let Some(tasks) = parent.tasks().filter(|_| self.reaper.is_none()) {
            self.reaper = tasks.reaper.clone();
        }
        let is_same = match (&self.timer, &parent.timer) {
            (Some(own), Some(above)) => own.is_same(above),
            _ => false,
        };
        if let Some(above) = parent.deadline.filter(|_| is_same) {
            // Of the two the earlier; where that is the one above, its alarm rings for both.
            self.rings &= self.deadline.is_some_and(|own| own < above);
            self.deadline = Some(self.deadline.map_or(above, |own| own.min(above)));
        }
    }
}
