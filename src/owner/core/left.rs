use alloc::collections::VecDeque;

use super::{Core, Tasks};
use crate::{
    sync::{Arc, Mutex, Weak},
    wake::{Level, Panics},
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
    /// Who takes over, where `own` is who was named for it. One that is gone takes over nothing.
    pub(super) fn of(own: Option<&Weak<Self>>) -> Option<Arc<Self>> {
        let own = own.and_then(Weak::upgrade);
        #[cfg(feature = "std")]
        return own.or_else(|| INSTALLED.get().cloned());
        #[cfg(not(feature = "std"))]
        own
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

/// Nobody comes any more: what they were left with is skipped, and told so.
impl Drop for Left {
    fn drop(&mut self) {
        let mut panics = Panics::default();
        panics.run_each(self.scopes.with(core::mem::take), Tasks::settle);
        panics.resume();
    }
}
