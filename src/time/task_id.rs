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
/// Relaxed throughout: only the addresses themselves are looked at. On cache lines of their own: what lies beside them
/// may be written all the time.
#[repr(align(128))]
struct Vtables([AtomicUsize; MANY as usize]);

static VTABLES: Vtables = Vtables([const { AtomicUsize::new(0) }; MANY as usize]);

const MANY: u8 = 64;

impl TaskId {
    #[inline]
    pub(super) fn of(waker: &Waker) -> Self {
        let (data, vtable) = (waker.data().addr(), address(waker));
        // Looked for without writing: all threads share them.
        for (number, seen) in (0..).zip(&VTABLES.0) {
            match seen.load(Ordering::Relaxed) {
                0 => break,
                seen if seen == vtable => return Self { data, vtable: number },
                _ => {}
            }
        }
        Self { data, vtable: Self::enlist(vtable) }
    }

    /// The place of a vtable, which it takes if it has none. Where there is none left, that of no vtable.
    #[cold]
    fn enlist(vtable: usize) -> u8 {
        for (number, place) in (0..).zip(&VTABLES.0) {
            match place.compare_exchange(0, vtable, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return number,
                Err(seen) if seen == vtable => return number,
                Err(_) => {}
            }
        }
        MANY
    }

    /// Whether it is that of `waker`; not, where it can't be told.
    #[inline]
    pub(super) fn is_of(self, waker: &Waker) -> bool {
        let seen = VTABLES.0.get(usize::from(self.vtable));
        self.data == waker.data().addr()
            && seen.is_some_and(|seen| seen.load(Ordering::Relaxed) == address(waker))
    }
}

fn address(waker: &Waker) -> usize {
    ptr::from_ref(waker.vtable()).addr()
}

#[cfg(all(test, not(any(tenure_loom, tenure_shuttle))))]
mod tests;
