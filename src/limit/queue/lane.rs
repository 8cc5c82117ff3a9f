use core::fmt;

use super::{Queue, lanes};
use crate::sync::Arc;

/// A key's part of a limit. It is there for as long as a claim for the key is.
pub(in crate::limit) struct Lane {
    queue: Arc<Queue>,
    id: usize,
}

impl Lane {
    /// That of a limit without keys.
    pub(in crate::limit) const MAIN: usize = lanes::MAIN;

    pub(in crate::limit) fn open(queue: &Arc<Queue>, cap: usize) -> Self {
        let id = Queue::change(queue, |state, _, _| state.lanes.open(cap));
        Self { queue: queue.clone(), id }
    }

    pub(in crate::limit) const fn id(&self) -> usize {
        self.id
    }

    /// How many permits are held for the key.
    pub(in crate::limit) fn held(&self) -> usize {
        self.queue.look(|state, _| state.lanes.held(self.id))
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        Queue::change(&self.queue, |state, _, _| state.lanes.close(self.id));
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lane").field(&self.id).finish()
    }
}
