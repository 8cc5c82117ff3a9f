use core::{fmt, time::Duration};

use super::chance::Chance;

/// How long to wait before each further attempt, and how many there are.
///
/// A [`Backoff`] is one, and so is any iterator of durations: as many retries as it has items. A
/// policy is a description; what changes during a run is kept in its `State`, so that each run
/// begins afresh. (A plain iterator has no such state: it goes on where it stopped.)
///
/// ```
/// use std::time::Duration;
/// use tenure::OwnedFuture;
///
/// let steps = [1, 10, 100].into_iter().map(Duration::from_micros);
/// let mut calls = 0;
/// let failing = || {
///     calls += 1;
///     async { Err::<(), _>("down") }
/// };
/// assert_eq!(smol::block_on(failing.retry(steps)).unwrap(), Err("down"));
/// assert_eq!(calls, 4);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` doesn't say how long to wait between attempts",
    label = "not a retry policy",
    note = "write `Backoff::exponential()`, with `.attempts(4)` for how many; or give any iterator of `Duration`s"
)]
pub trait Policy {
    /// What changes during a run.
    type State: Default;

    /// How long to wait before the next attempt, or `None` if there is none.
    fn next_delay(&mut self, state: &mut Self::State) -> Option<Duration>;
}

#[diagnostic::do_not_recommend]
impl<I: Iterator<Item = Duration>> Policy for I {
    type State = ();

    fn next_delay(&mut self, (): &mut ()) -> Option<Duration> {
        self.next()
    }
}

/// A back-off that grows or stays: how long to wait between attempts.
///
/// ```
/// use std::time::Duration;
/// use tenure::Backoff;
///
/// let backoff = Backoff::exponential().attempts(5).max_delay(Duration::from_millis(500));
/// let waits: Vec<_> = backoff.delays().map(|delay| delay.as_millis()).collect();
/// assert_eq!(waits, [100, 200, 400, 500]);
/// ```
///
/// Input that makes no sense has a documented meaning and never panics: see each method.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    first: Duration,
    factor: f64,
    min: Duration,
    max: Duration,
    attempts: u32,
    jitter: Jitter,
}

/// How much of a delay is left to chance, so that many who failed together don't come back together.
///
/// Full jitter is that of
/// [Exponential Backoff And Jitter](https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
///
/// ```
/// use std::time::Duration;
/// use tenure::{Backoff, retry::Jitter};
///
/// let second = Duration::from_secs(1);
/// let mut delays = Backoff::fixed(second).jitter(Jitter::Full).delays();
/// assert!(delays.next().unwrap() <= second);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Jitter {
    /// None: the delay is what the back-off says.
    #[default]
    None,
    /// All of it: anything between the smallest delay and what the back-off says.
    Full,
}

impl Backoff {
    /// Each delay twice the one before: from 100 ms, at most 30 s, 4 attempts in all, no jitter.
    ///
    /// ```
    /// # use tenure::Backoff;
    /// let waits: Vec<_> = Backoff::exponential().delays().map(|d| d.as_millis()).collect();
    /// assert_eq!(waits, [100, 200, 400]);
    /// ```
    #[must_use]
    pub const fn exponential() -> Self {
        Self {
            first: Duration::from_millis(100),
            factor: 2.0,
            min: Duration::ZERO,
            max: Duration::from_secs(30),
            attempts: 4,
            jitter: Jitter::None,
        }
    }

    /// Each delay the same; 4 attempts in all, no jitter.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tenure::Backoff;
    /// let waits: Vec<_> = Backoff::fixed(Duration::from_secs(1)).delays().collect();
    /// assert_eq!(waits, [Duration::from_secs(1); 3]);
    /// ```
    #[must_use]
    pub const fn fixed(delay: Duration) -> Self {
        Self { first: delay, factor: 1.0, max: Duration::MAX, ..Self::exponential() }
    }

    /// How many attempts there are in all, with the first; 0 counts as 1, since the first is always
    /// made. `u32::MAX` goes on for ever.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tenure::Backoff;
    /// assert_eq!(Backoff::fixed(Duration::ZERO).attempts(3).delays().count(), 2);
    /// ```
    #[must_use]
    pub const fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// The delay before the second attempt.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tenure::Backoff;
    /// let second = Duration::from_secs(1);
    /// assert_eq!(Backoff::exponential().first_delay(second).delays().next(), Some(second));
    /// ```
    #[must_use]
    pub const fn first_delay(mut self, first: Duration) -> Self {
        self.first = first;
        self
    }

    /// What each delay is multiplied with to get the next. NaN, and what is less than 1, count as 1.
    ///
    /// ```
    /// # use tenure::Backoff;
    /// let waits: Vec<_> = Backoff::exponential().factor(3.0).delays().map(|d| d.as_millis()).collect();
    /// assert_eq!(waits, [100, 300, 900]);
    /// assert_eq!(Backoff::exponential().factor(f64::NAN), Backoff::exponential().factor(1.0));
    /// ```
    #[must_use]
    pub const fn factor(mut self, factor: f64) -> Self {
        self.factor = if factor > 1.0 { factor } else { 1.0 };
        self
    }

    /// No delay is shorter, whatever the jitter. If it exceeds the
    /// [`max_delay`](Self::max_delay), that one holds.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tenure::Backoff;
    /// let backoff = Backoff::exponential().min_delay(Duration::from_millis(150));
    /// let waits: Vec<_> = backoff.delays().map(|d| d.as_millis()).collect();
    /// assert_eq!(waits, [150, 200, 400]);
    /// ```
    #[must_use]
    pub const fn min_delay(mut self, min: Duration) -> Self {
        self.min = min;
        self
    }

    /// No delay is longer, whatever the jitter. One of [`Duration::MAX`] never ends.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tenure::Backoff;
    /// let backoff = Backoff::exponential().max_delay(Duration::from_millis(150));
    /// let waits: Vec<_> = backoff.delays().map(|d| d.as_millis()).collect();
    /// assert_eq!(waits, [100, 150, 150]);
    /// ```
    #[must_use]
    pub const fn max_delay(mut self, max: Duration) -> Self {
        self.max = max;
        self
    }

    /// How much is left to chance.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tenure::{Backoff, retry::Jitter};
    /// let (min, max) = (Duration::from_millis(50), Duration::from_millis(100));
    /// let backoff = Backoff::fixed(max).min_delay(min).jitter(Jitter::Full);
    /// assert!(backoff.delays().all(|delay| (min..=max).contains(&delay)));
    /// ```
    #[must_use]
    pub const fn jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = jitter;
        self
    }

    /// The delays of one run.
    ///
    /// ```
    /// # use tenure::Backoff;
    /// let longest = Backoff::exponential().attempts(6).delays().max();
    /// assert_eq!(longest.unwrap().as_millis(), 1600);
    /// ```
    #[must_use]
    pub fn delays(&self) -> Delays {
        Delays { backoff: *self, state: BackoffState::default() }
    }

    fn delay(&self, failed: u32, random: impl FnOnce() -> f64) -> Duration {
        // More steps than any finite factor above 1 needs to leave the range of a Duration, or for
        // one too close to 1 to matter.
        let steps = i32::try_from(failed).unwrap_or(i32::MAX);
        let seconds = self.first.as_secs_f64() * power(self.factor, steps);
        let grown = match steps {
            0 => self.first,
            // Zero times infinity: zero stays zero.
            _ if seconds.is_nan() => Duration::ZERO,
            _ if self.factor == 1.0 => self.first,
            _ => Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX),
        };
        let max = self.max;
        let min = self.min.min(max);
        let delay = grown.clamp(min, max);
        match self.jitter {
            Jitter::None => delay,
            Jitter::Full => {
                let span = delay - min;
                let part = Duration::try_from_secs_f64(span.as_secs_f64() * random());
                min + part.map_or(span, |part| part.min(span))
            }
        }
    }
}

/// `f64::powi`, which isn't in `core`.
fn power(factor: f64, steps: i32) -> f64 {
    let (mut result, mut square, mut steps) = (1.0, factor, steps);
    while steps > 0 {
        if steps & 1 == 1 {
            result *= square;
        }
        square *= square;
        steps >>= 1;
    }
    result
}

impl Policy for Backoff {
    type State = BackoffState;

    fn next_delay(&mut self, state: &mut BackoffState) -> Option<Duration> {
        state.next(self)
    }
}

/// What changes during a run of a [`Backoff`].
#[derive(Clone, Default)]
pub struct BackoffState {
    failed: u32,
    chance: Option<Chance>,
}

impl BackoffState {
    fn next(&mut self, backoff: &Backoff) -> Option<Duration> {
        let failed = self.failed;
        if failed.saturating_add(1) >= backoff.attempts && backoff.attempts != u32::MAX {
            return None;
        }
        self.failed = failed.saturating_add(1);
        Some(backoff.delay(failed, || self.chance.get_or_insert_with(Chance::new).unit()))
    }
}

impl fmt::Debug for BackoffState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackoffState").field("failed", &self.failed).finish_non_exhaustive()
    }
}

/// The delays of one run of a [`Backoff`]; made by [`Backoff::delays`].
#[derive(Clone, Debug)]
pub struct Delays {
    backoff: Backoff,
    state: BackoffState,
}

impl Iterator for Delays {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.state.next(&self.backoff)
    }
}
