//! Tells a task's waker from others, in little room.

use core::{ptr, task::Waker};

use crate::sync::static_atomic::{AtomicUsize, Ordering};

/// Tells a waker from others for as long as it, or one of its clones, is kept somewhere: by what it points to, and by
/// which of the vtables that were seen so far it has. A program has few of those, one for each kind of executor.
#[derive(Clone, Copy, Debug)]
pub(super) struct TaskId {
    pub(super) data: usize,
    pub(super) vtable: u8,
}

/// Those that were seen so far, and then zeros. One that is there stays there.
///
/// Relaxed throughout: only the addresses themselves are looked at.
static VTABLES: [AtomicUsize; MANY as usize] = [const { AtomicUsize::new(0) }; MANY as usize];

const MANY: u8 = 64;

impl TaskId {
    #[inline]
    pub(super) fn of(waker: &Waker) -> Self {
        let vtable = address(waker);
        let data = waker.data().addr();
        match VTABLES[0].load(Ordering::Relaxed) == vtable {
            true => Self { data, vtable: 0 },
            false => Self { data, vtable: Self::number_of(vtable) },
        }
    }

    /// The place of a vtable, found or taken. Where there is none left, that of no vtable.
    #[inline(never)]
    fn number_of(vtable: usize) -> u8 {
        for (number, place) in (0..).zip(&VTABLES) {
            let found = place
                .compare_exchange(0, vtable, Ordering::Relaxed, Ordering::Relaxed)
                .unwrap_or_else(|found| found);
            if found == 0 || found == vtable {
                return number;
            }
        }
        MANY
    }

    /// Whether it is that of `waker`; not, where it can't be told.
    #[inline]
    pub(super) fn is_of(self, waker: &Waker) -> bool {
        let seen = VTABLES.get(usize::from(self.vtable));
        self.data == waker.data().addr()
            && seen.is_some_and(|seen| seen.load(Ordering::Relaxed) == address(waker))
    }
}

fn address(waker: &Waker) -> usize {
    ptr::from_ref(waker.vtable()).addr()
}

#[cfg(all(test, not(any(tenure_loom, tenure_shuttle))))]
mod tests;
