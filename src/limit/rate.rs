//! How much may pass in a time.

mod bucket;
mod fixed;
mod meter;
mod sliding;
mod spacing;
#[cfg(all(test, not(any(tenure_loom, tenure_shuttle))))]
mod tests;

use core::time::Duration;

use crate::abort::Name;

pub(super) use meter::{Charge, Meter};

/// How much may pass in a time: so many calls a second, so many tokens a minute.
///
/// ```
/// use std::time::Duration;
/// use tenure::limit::Rate;
///
/// // 50 calls a second, up to 10 of them at once.
/// let calls = Rate::per_second(50).burst(10);
/// // And no more than 90,000 tokens in any minute.
/// let tokens = Rate::sliding_window(90_000, Duration::from_secs(60)).of("tokens");
///
/// assert_eq!((calls.most(), tokens.most()), (10, 90_000));
/// ```
///
/// A rate is a description, as a [`Backoff`](crate::Backoff) is: nothing is counted in it.
///
/// # Which kind
///
/// | | lets pass | choose it when | keeps |
/// |---|---|---|---|
/// | [`token_bucket`](Self::token_bucket) | a burst, then evenly | nothing speaks for another; most services count so | two numbers |
/// | [`fixed_window`](Self::fixed_window) | so much in each window, and where two windows meet up to twice as much | the other side counts in windows that begin with the first call | two numbers |
/// | [`sliding_window`](Self::sliding_window) | never more than so much in any span | the other side counts every span, and to exceed it is dear | an entry for each charge of the last span |
/// | [`spacing`](Self::spacing) | one, then a gap | the other side asks for a pause between two calls | one number |
///
/// For ten in a second, all asked for at once and again as soon as they may: a token bucket lets ten pass
/// and then one each 100 ms; a window lets ten pass, and a second later ten more; a spacing of 100 ms
/// lets one pass each 100 ms from the start.
///
/// # What is counted
///
/// Calls, each of which costs 1. Or, with [`of`](Self::of), a unit of cost that each call says how much
/// it takes of. What takes nothing of a unit always passes; only a spacing counts it too, as a start.
///
/// Where the cost is known only afterwards, what was charged can be corrected. What was too little is
/// charged late: it makes a debt that later calls wait for, each window paying no more than it lets
/// pass. What was too much is given back, as long as it still counts: a window that has ended gains
/// nothing, nor does a bucket that has been full since.
///
/// # What makes no sense
///
/// It has a meaning, and never panics:
///
/// - An amount of 0 lets nothing pass, ever; so does a burst of 0.
/// - Anything else in a time of zero is no limit.
/// - A time of more than 584 years, the range of [`Instant`](crate::time::Instant), counts as 584 years.
/// - What costs more than [`most`](Self::most) never passes.
/// - On a clock that goes back it is as late as it ever was.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a rate does nothing until a limit is given it"]
pub struct Rate {
    kind: Kind,
    amount: u64,
    per: Duration,
    start: Option<u64>,
    unit: Option<Name>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    TokenBucket { burst: u64 },
    FixedWindow,
    SlidingWindow,
    Spacing,
}

impl Rate {
    const fn new(kind: Kind, amount: u64, per: Duration) -> Self {
        Self { kind, amount, per, start: None, unit: None }
    }

    /// A bucket of tokens that refills evenly, `amount` in each `per`; what passes takes its cost out of
    /// it, and waits where there is too little.
    ///
    /// It holds `amount` at most, or what [`burst`](Self::burst) says, and is full at the start. So in
    /// any span no more passes than it holds and what refills in that span. It refills continuously, to
    /// the nanosecond, and nothing is lost to rounding.
    ///
    /// This is the generic cell rate algorithm of ITU-T I.371 and of the ATM Forum's Traffic Management
    /// Specification, for costs of any size.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tenure::limit::Rate;
    /// let rate = Rate::token_bucket(3, Duration::from_secs(2));
    /// assert_eq!((rate.amount(), rate.per(), rate.most()), (3, Duration::from_secs(2), 3));
    /// ```
    pub const fn token_bucket(amount: u64, per: Duration) -> Self {
        Self::new(Kind::TokenBucket { burst: amount }, amount, per)
    }

    /// No more than `amount` in each window of `per`.
    ///
    /// A window begins with what passes while none runs, and ends `per` later, however much has passed.
    /// The next one begins with what passes then, be it at once or an hour later. All of a window may
    /// pass at its end, and all of the next right after it: where the other side counts every span, use
    /// a [`sliding_window`](Self::sliding_window).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tenure::limit::Rate;
    /// let rate = Rate::fixed_window(100, Duration::from_secs(1));
    /// assert_eq!(rate.most(), 100);
    /// ```
    pub const fn fixed_window(amount: u64, per: Duration) -> Self {
        Self::new(Kind::FixedWindow, amount, per)
    }

    /// Never more than `amount` in any span of `per`, wherever it begins.
    ///
    /// What has passed counts for `per`, to the nanosecond, and then no more. For that each charge of
    /// the last `per` is kept, in 16 bytes, those of one instant as one. So there are never more than
    /// about twice `amount`; where that is too many, a [`token_bucket`](Self::token_bucket) keeps two
    /// numbers.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tenure::limit::Rate;
    /// let rate = Rate::sliding_window(20, Duration::from_secs(60));
    /// assert_eq!(rate.most(), 20);
    /// ```
    pub const fn sliding_window(amount: u64, per: Duration) -> Self {
        Self::new(Kind::SlidingWindow, amount, per)
    }

    /// At least `gap` between two starts, whatever they cost.
    ///
    /// It is one start in each `gap`, and unlike the other kinds saves nothing up. What has no cost in
    /// the [unit](Self::of) that is counted is a start all the same.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tenure::limit::Rate;
    /// let rate = Rate::spacing(Duration::from_secs(2));
    /// assert_eq!((rate.amount(), rate.per()), (1, Duration::from_secs(2)));
    /// ```
    pub const fn spacing(gap: Duration) -> Self {
        Self::new(Kind::Spacing, 1, gap)
    }

    /// A [token bucket](Self::token_bucket) of `amount` a second.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tenure::limit::Rate;
    /// assert_eq!(Rate::per_second(5), Rate::token_bucket(5, Duration::from_secs(1)));
    /// ```
    pub const fn per_second(amount: u64) -> Self {
        Self::token_bucket(amount, Duration::from_secs(1))
    }

    /// A [token bucket](Self::token_bucket) of `amount` a minute.
    ///
    /// All of it may pass at once: to spread it, say how much of a [`burst`](Self::burst) there may be.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tenure::limit::Rate;
    /// assert_eq!(Rate::per_minute(5), Rate::token_bucket(5, Duration::from_secs(60)));
    /// ```
    pub const fn per_minute(amount: u64) -> Self {
        Self::token_bucket(amount, Duration::from_secs(60))
    }

    /// How much a token bucket holds: so much may pass at once after a quiet time. It may be more than
    /// the amount, or less; `amount` if this isn't said. Nothing ever passes a burst of 0.
    ///
    /// The other kinds have none, and stay as they are.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tenure::limit::Rate;
    /// assert_eq!(Rate::per_second(50).burst(10).most(), 10);
    ///
    /// let window = Rate::fixed_window(50, Duration::from_secs(1));
    /// assert_eq!(window.clone().burst(10), window);
    /// ```
    pub const fn burst(mut self, most: u64) -> Self {
        if let Kind::TokenBucket { burst } = &mut self.kind {
            *burst = most;
        }
        self
    }

    /// How much is left at the start, which is when a limit of this rate is first asked; all of it if
    /// this isn't said, and no more than that.
    ///
    /// For a bucket that is the tokens in it. For a window it is what the first one still lets pass, and
    /// if that is less than all, it runs from the start. For a spacing, 0 says that the first one waits
    /// for the gap too, and anything else that it doesn't.
    ///
    /// After a restart it says what the other side still counts, or lets a service warm up.
    ///
    /// ```
    /// # use tenure::limit::Rate;
    /// let cautious = Rate::per_minute(600).starting_with(0);
    /// assert_ne!(cautious, Rate::per_minute(600));
    /// ```
    pub const fn starting_with(mut self, amount: u64) -> Self {
        self.start = Some(amount);
        self
    }

    /// Counts this unit of cost instead of calls.
    ///
    /// ```
    /// # use tenure::limit::Rate;
    /// let rate = Rate::per_minute(90_000).of("tokens");
    /// assert_eq!(rate.unit().unwrap(), "tokens");
    /// ```
    pub fn of(mut self, unit: impl Into<Name>) -> Self {
        self.unit = Some(unit.into());
        self
    }

    /// How much may pass in each [`per`](Self::per), over a long time. A spacing has 1.
    ///
    /// ```
    /// # use tenure::limit::Rate;
    /// assert_eq!(Rate::per_second(50).burst(10).amount(), 50);
    /// ```
    #[must_use]
    pub const fn amount(&self) -> u64 {
        self.amount
    }

    /// The time in which [`amount`](Self::amount) may pass. That of a spacing is its gap.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tenure::limit::Rate;
    /// assert_eq!(Rate::per_minute(600).per(), Duration::from_secs(60));
    /// ```
    #[must_use]
    pub const fn per(&self) -> Duration {
        self.per
    }

    /// The largest cost that ever passes. It is 0 where nothing does, and `u64::MAX` where there is no
    /// limit and for a spacing, to which all costs are alike.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tenure::limit::Rate;
    /// assert_eq!(Rate::per_second(5).most(), 5);
    /// assert_eq!(Rate::per_second(5).burst(8).most(), 8);
    /// assert_eq!(Rate::per_second(0).burst(8).most(), 0);
    /// assert_eq!(Rate::spacing(Duration::from_secs(1)).most(), u64::MAX);
    /// ```
    #[must_use]
    pub const fn most(&self) -> u64 {
        match self.kind {
            _ if self.amount == 0 => 0,
            Kind::TokenBucket { burst: 0 } => 0,
            _ if self.per.is_zero() => u64::MAX,
            Kind::TokenBucket { burst } => burst,
            Kind::FixedWindow | Kind::SlidingWindow => self.amount,
            Kind::Spacing => u64::MAX,
        }
    }

    /// The unit of cost that is counted, or `None` if that is calls.
    ///
    /// ```
    /// # use tenure::limit::Rate;
    /// assert_eq!(Rate::per_second(5).unit(), None);
    /// ```
    #[must_use]
    pub const fn unit(&self) -> Option<&Name> {
        self.unit.as_ref()
    }
}
