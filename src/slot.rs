//! An `Option` of which there mostly is none.

use core::mem::ManuallyDrop;

/// Whether there is something to drop is looked at in place, and the drop itself stands apart: what has
/// nothing isn't to pay for it.
#[derive(Debug)]
pub(crate) struct Slot<T>(ManuallyDrop<Option<T>>);

impl<T> Default for Slot<T> {
    #[inline]
    fn default() -> Self {
        Self(ManuallyDrop::new(None))
    }
}

impl<T> Slot<T> {
    #[inline]
    pub(crate) fn get(&self) -> Option<&T> {
        self.0.as_ref()
    }

    #[inline]
    pub(crate) fn get_mut(&mut self) -> &mut Option<T> {
        &mut self.0
    }

    #[inline]
    pub(crate) fn clear(&mut self) {
        if self.0.is_some() {
            self.clear_some();
        }
    }

    #[inline(never)]
    fn clear_some(&mut self) {
        *self.0 = None;
    }
}

impl<T> Drop for Slot<T> {
    #[inline]
    fn drop(&mut self) {
        self.clear();
    }
}
