use alloc::collections::VecDeque;

use super::Core;
use crate::{
    sync::{Arc, Mutex},
    wake::Level,
};

/// Scopes that were left with clean-up to be polled, for somebody to take over.
#[derive(Debug, Default)]
pub(crate) struct Left {
    scopes: Mutex<VecDeque<Arc<Core>>>,
    /// Told when there are more of them.
    pub(crate) came: Level,
}

/// Takes over where a scope has nobody of its own.
#[cfg(feature = "std")]
static INSTALLED: std::sync::OnceLock<Arc<Left>> = std::sync::OnceLock::new();

impl Left {
    /// Who takes over, where `own` is who was named for it.
    pub(super) fn of(own: &Option<Arc<Self>>) -> Option<&Arc<Self>> {
        #[cfg(feature = "std")]
        return own.as_ref().or_else(|| INSTALLED.get());
        #[cfg(not(feature = "std"))]
        own.as_ref()
    }

    /// From now on it takes over for all that name nobody; tells whether it is the first.
    #[cfg(feature = "std")]
    pub(crate) fn install(this: &Arc<Self>) -> bool {
        INSTALLED.set(this.clone()).is_ok()
    }

    pub(crate) fn take_over(&self, core: Arc<Core>) {
        self.scopes.with(|scopes| scopes.push_back(core));
        self.came.notify();
    }

    pub(crate) fn next(&self) -> Option<Arc<Core>> {
        self.scopes.with(VecDeque::pop_front)
    }

    pub(crate) fn len(&self) -> usize {
        self.scopes.with(|scopes| scopes.len())
    }
}
