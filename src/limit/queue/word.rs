use crate::sync::atomic::{AtomicIsize, Ordering};

/// How many permits are free, in one word, so that whoever finds one needs no lock.
///
/// Its lowest bit is set while whoever comes or goes has to look into what the lock guards: somebody waits, or there is
/// more to a permit than that one is free. The rest is a number, which is negative while more are held than there
/// are, after some were taken away.
///
/// While the bit is set permits are taken under the lock alone, and put back by anybody. Whoever puts one back and
/// finds the bit set takes the lock then, and offers it. Whoever is going to wait first sets the bit and then looks for
/// a permit. Both are changes of one word, of which one is the first: so either the one sees the other's permit, or the
/// other sees its bit.
#[derive(Debug)]
pub(in crate::limit) struct Word(AtomicIsize);

const SPECIAL: isize = 1;
const ONE: isize = 2;

/// As many as a [`Word`] can count, with room for those that are held while there are none.
pub(in crate::limit) const MOST_PERMITS: usize = (isize::MAX / 8) as usize;

impl Word {
    pub(super) fn new(permits: usize, is_special: bool) -> Self {
        Self(AtomicIsize::new(count(permits) | if is_special { SPECIAL } else { 0 }))
    }

    /// Takes permits without the lock, if there are as many and nothing else is to be looked at.
    #[inline]
    pub(super) fn try_take(&self, weight: usize) -> bool {
        let weight = count(weight);
        // Relaxed: a guess, which the exchange confirms.
        let mut word = self.0.load(Ordering::Relaxed);
        while word & SPECIAL == 0 && word >= weight {
            // Acquire: pairs with the Release in `put_back`. What was done under the permit is seen.
            match self.0.compare_exchange_weak(
                word,
                word - weight,
                Ordering::Acquire,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// Puts permits back, and tells whether more is to be done, under the lock.
    #[inline]
    pub(super) fn put_back(&self, weight: usize) -> bool {
        // Release: pairs with the Acquire in `try_take` and in `set_special`.
        self.0.fetch_add(count(weight), Ordering::Release) & SPECIAL != 0
    }

    /// Under the lock, with the bit set.
    pub(super) fn take(&self, weight: usize) {
        // Acquire: pairs with the Release in `put_back`.
        self.0.fetch_sub(count(weight), Ordering::Acquire);
    }

    /// Under the lock: `old` permits in all become `new`.
    pub(super) fn resize(&self, old: usize, new: usize) {
        // Release: pairs with the Acquire in `try_take`.
        self.0.fetch_add(count(new) - count(old), Ordering::Release);
    }

    /// How many are free.
    pub(in crate::limit) fn free(&self) -> usize {
        usize::try_from(self.signed()).unwrap_or(0)
    }

    /// How many of `permits` are held.
    pub(in crate::limit) fn held(&self, permits: usize) -> usize {
        permits.saturating_add_signed(-self.signed())
    }

    fn signed(&self) -> isize {
        // Relaxed: who needs more than the number sets the bit before.
        self.0.load(Ordering::Relaxed) >> 1
    }

    /// Under the lock, where alone the bit changes.
    pub(super) fn set_special(&self, is_special: bool) {
        // Relaxed: nobody else changes the bit.
        match (self.0.load(Ordering::Relaxed) & SPECIAL != 0, is_special) {
            // Acquire: pairs with the Release in `put_back`.
            (false, true) => drop(self.0.fetch_or(SPECIAL, Ordering::Acquire)),
            // Release: who takes a permit without the lock comes after what was done under it.
            (true, false) => drop(self.0.fetch_and(!SPECIAL, Ordering::Release)),
            _ => {}
        }
    }
}

/// Twice as many, for beside the bit.
fn count(permits: usize) -> isize {
    isize::try_from(permits.min(MOST_PERMITS)).unwrap_or(isize::MAX) * ONE
}
