use core::{
    fmt,
    ops::{Add, Sub},
    time::Duration,
};

/// A point in time, in nanoseconds since a [`Timer`](super::Timer) began to count.
///
/// It exists without `std`. Instants of different timers have nothing to do with each other.
/// Arithmetic never overflows: what lies too far ahead is [`Instant::NEVER`], 584 years on.
///
/// ```
/// use std::time::Duration;
/// use tenure::time::Instant;
///
/// let start = Instant::from_nanos(500);
/// assert_eq!((start + Duration::from_nanos(20)).as_nanos(), 520);
/// assert_eq!(start - Instant::from_nanos(900), Duration::ZERO);
/// assert_eq!(start + Duration::MAX, Instant::NEVER);
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The point at which a timer began to count.
    pub const START: Self = Self(0);

    /// The point that no timer reaches. A deadline of `NEVER` arms nothing.
    pub const NEVER: Self = Self(u64::MAX);

    /// The point `nanos` nanoseconds after the timer began to count.
    ///
    /// ```
    /// # use tenure::time::Instant;
    /// assert_eq!(Instant::from_nanos(0), Instant::START);
    /// ```
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the timer began to count.
    ///
    /// ```
    /// # use tenure::time::Instant;
    /// assert_eq!(Instant::from_nanos(7).as_nanos(), 7);
    /// ```
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Now, on the process's own timer.
    ///
    /// ```
    /// # use tenure::time::Instant;
    /// let before = Instant::now();
    /// assert!(Instant::now() >= before);
    /// ```
    #[cfg(feature = "std")]
    #[must_use]
    pub fn now() -> Self {
        super::system::SystemTimer::get().now()
    }

    /// How long after `earlier` this lies, or zero where it lies before.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tenure::time::Instant;
    /// let (early, late) = (Instant::from_nanos(1), Instant::from_nanos(4));
    /// assert_eq!(late.saturating_duration_since(early), Duration::from_nanos(3));
    /// assert_eq!(early.saturating_duration_since(late), Duration::ZERO);
    /// ```
    #[must_use]
    pub const fn saturating_duration_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The point `after` later, at most [`Instant::NEVER`].
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tenure::time::Instant;
    /// assert_eq!(Instant::START.saturating_add(Duration::MAX), Instant::NEVER);
    /// ```
    #[must_use]
    #[inline]
    pub const fn saturating_add(self, after: Duration) -> Self {
        // In 64 bits: it is in the way of each timeout, and of each look at the clock.
        let nanos = after.as_secs().saturating_mul(1_000_000_000);
        self.saturating_add_nanos(nanos.saturating_add(after.subsec_nanos() as u64))
    }

    #[inline]
    pub(crate) const fn saturating_add_nanos(self, nanos: u64) -> Self {
        Self(self.0.saturating_add(nanos))
    }
}

/// As [`Instant::saturating_add`].
impl Add<Duration> for Instant {
    type Output = Self;

    #[inline]
    fn add(self, after: Duration) -> Self {
        self.saturating_add(after)
    }
}

/// As [`Instant::saturating_duration_since`].
impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.saturating_duration_since(earlier)
    }
}

/// The same moment on the process's own timer; what lies before that began to count is its start. In a
/// browser, where `std` has no clock, the instant is one of the crate `web-time`.
#[cfg(feature = "std")]
impl From<super::system::StdInstant> for Instant {
    fn from(instant: super::system::StdInstant) -> Self {
        super::system::SystemTimer::get().instant(instant)
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::NEVER {
            return f.write_str("Instant(never)");
        }
        write!(f, "Instant({:?})", Duration::from_nanos(self.0))
    }
}
