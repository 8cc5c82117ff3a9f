use crate::sync::atomic::{AtomicIsize, Ordering};

/// How many permits are free, in one word, so that whoever finds one needs no lock.
///
/// While it is *shut*, it says nothing, and does not change: somebody waits, or there is more to a permit than that one is
/// free. Then they are counted under the lock. Whoever takes one or puts one back and finds the word shut does it
/// there; whoever is going to wait first shuts the word, and so has all that was put back before.
#[derive(Debug)]
pub(in crate::limit) struct Word(AtomicIsize);

const SHUT: isize = isize::MIN;

/// As many as can be counted, with room for those that are held while there are none.
pub(in crate::limit) const MOST_PERMITS: usize = (isize::MAX / 8) as usize;

impl Word {
    /// That is shut.
    pub(super) fn new() -> Self {
        Self(AtomicIsize::new(SHUT))
    }

    /// Takes permits without the lock, if it isn't shut and there are as many.
    #[inline]
    pub(super) fn try_take(&self, weight: usize) -> bool {
        let weight = count(weight);
        // Relaxed: a guess, which the exchange confirms.
        let mut free = self.0.load(Ordering::Relaxed);
        while free >= weight && free != SHUT {
            // Acquire: pairs with the Release in `try_put_back` and in `open`. What was done under the permit is seen.
            let taken = self.0.compare_exchange_weak(
                free,
                free - weight,
                Ordering::Acquire,
                Ordering::Relaxed,
            );
            match taken {
                Ok(_) => return true,
                Err(now) => free = now,
            }
        }
        false
    }

    /// Puts permits back without the lock, if it isn't shut.
    #[inline]
    pub(super) fn try_put_back(&self, weight: usize) -> bool {
        let weight = count(weight);
        // Relaxed: a guess, which the exchange confirms.
        let mut free = self.0.load(Ordering::Relaxed);
        while free != SHUT {
            // Release: pairs with the Acquire in `try_take` and in `shut`.
            let back = self.0.compare_exchange_weak(
                free,
                free + weight,
                Ordering::Release,
                Ordering::Relaxed,
            );
            match back {
                Ok(_) => return true,
                Err(now) => free = now,
            }
        }
        false
    }

    /// Under the lock: how many are free, to be counted there from now on.
    pub(super) fn shut(&self) -> isize {
        // Acquire: pairs with the Release in `try_put_back`.
        self.0.swap(SHUT, Ordering::Acquire)
    }

    /// Under the lock: so many are free.
    pub(super) fn open(&self, free: isize) {
        // Release: who takes one without the lock comes after what was done under it.
        self.0.store(free, Ordering::Release);
    }

    /// Under the lock, while it isn't shut.
    pub(super) fn look(&self) -> isize {
        // Relaxed: a number to be told.
        self.0.load(Ordering::Relaxed)
    }
}

pub(super) fn count(permits: usize) -> isize {
    isize::try_from(permits.min(MOST_PERMITS)).unwrap_or(isize::MAX)
}
