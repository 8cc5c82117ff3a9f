/// A small generator of chance: SplitMix64, by Steele, Lea and Flood (2014).
#[derive(Clone)]
pub(super) struct Chance(u64);

impl Chance {
    /// Seeded differently for each run.
    pub(super) fn new() -> Self {
        use crate::sync::static_atomic::{AtomicUsize, Ordering};
        static RUNS: AtomicUsize = AtomicUsize::new(0);
        // Relaxed: only the count itself matters.
        let run = RUNS.fetch_add(1, Ordering::Relaxed) as u64;
        #[cfg(feature = "std")]
        let seed = {
            use std::hash::{BuildHasher, RandomState};
            RandomState::new().hash_one(run)
        };
        #[cfg(not(feature = "std"))]
        let seed = {
            // All that a bare board has: the count, and where things happen to lie.
            let place = &run as *const u64 as usize as u64;
            run.wrapping_mul(0x2545_F491_4F6C_DD1D) ^ place.rotate_left(32)
        };
        Self(seed)
    }

    /// At least 0, less than 1.
    pub(super) fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        (z >> 11) as f64 / (1_u64 << 53) as f64
    }
}
