use alloc::{collections::BTreeMap, vec::Vec};
use core::{fmt, panic::Location, time::Duration};

use super::{
    super::Instant,
    shared::{Seat, Stage, State},
};

/// Who waits for what on a clock.
pub(super) struct Report {
    elapsed: Duration,
    patience: Duration,
    /// How many of a kind were watched at one place.
    watched: BTreeMap<(Waits, &'static Location<'static>), usize>,
    /// Alarms that nobody watched has set with the waker that it was given.
    others: Vec<Duration>,
}

/// What a watched future waits for; first those that hold the clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Waits {
    Unpolled,
    Woken,
    Panicked,
    Polling,
    Unseen,
    Alarm(Duration),
}

/// A report shows so many places.
const SHOWN: usize = 20;

impl Report {
    pub(super) fn of(state: &State) -> Self {
        let seats: BTreeMap<usize, u64> =
            state.seats.iter().map(|(number, seat)| (seat.bell, *number)).collect();
        let (mut alarms, mut others) = (BTreeMap::new(), Vec::new());
        for (at, waker) in state.queue.iter() {
            match seats.get(&waker.data().addr()) {
                Some(seat) => _ = alarms.entry(*seat).or_insert(at - Instant::START),
                None => others.push(at - Instant::START),
            }
        }
        let mut watched = BTreeMap::new();
        for (number, seat) in &state.seats {
            let waits = Waits::of(seat, alarms.get(number));
            *watched.entry((waits, seat.watched_at)).or_default() += 1;
        }
        Self { elapsed: state.now - Instant::START, patience: state.patience(), watched, others }
    }

    fn any(&self, kind: Waits) -> bool {
        self.watched.keys().any(|(waits, _)| *waits == kind)
    }

    /// What is to be done about it.
    fn advice(&self) -> impl Iterator<Item = &'static str> {
        let forgotten = self.watched.is_empty();
        [
            (forgotten, "nothing is watched, so nothing moves the clock: `watch` what waits, or call `advance`"),
            (self.any(Waits::Unpolled), "what was never polled holds the clock: spawn it, await it, or drop it"),
            (
                self.any(Waits::Woken),
                "what was woken holds the clock until it is polled: does its executor run, and does \
                 nothing block the thread?",
            ),
            (self.any(Waits::Panicked), "what has panicked holds the clock until it is dropped"),
            (
                self.any(Waits::Unseen),
                "what waits for no alarm waits for another future, for another clock, or for what can't \
                 be seen: hold the clock with `pause` for as long as a thread or I/O is at work",
            ),
        ]
        .into_iter()
        .filter_map(|(applies, advice)| applies.then_some(advice))
    }
}

impl Waits {
    fn of(seat: &Seat, alarm: Option<&Duration>) -> Self {
        match (seat.stage, alarm) {
            (Stage::Unpolled, _) => Self::Unpolled,
            (Stage::Polling, _) => Self::Polling,
            (Stage::Panicked, _) => Self::Panicked,
            (Stage::Pending, _) if seat.woken => Self::Woken,
            (Stage::Pending, Some(at)) => Self::Alarm(*at),
            (Stage::Pending, None) => Self::Unseen,
        }
    }
}

impl fmt::Display for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unpolled => f.write_str("was never polled"),
            Self::Woken => f.write_str("was woken, and not polled since"),
            Self::Panicked => f.write_str("has panicked, and was not dropped since"),
            Self::Polling => f.write_str("is being polled"),
            Self::Unseen => f.write_str("waits, and for no alarm of this clock"),
            Self::Alarm(at) => write!(f, "waits for an alarm at {at:?}"),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { elapsed, patience, watched, others } = self;
        write!(
            f,
            "the clock stands still at {elapsed:?}: nothing has happened on it for {patience:?} of real time"
        )?;
        for ((waits, place), count) in watched.iter().take(SHOWN) {
            write!(f, "\n  watched at {place}")?;
            if *count > 1 {
                write!(f, " ({count} times)")?;
            }
            write!(f, ": {waits}")?;
        }
        if watched.len() > SHOWN {
            write!(f, "\n  and at {} more places", watched.len() - SHOWN)?;
        }
        if let Some(first) = others.first() {
            write!(f, "\n  not watched itself: waits for an alarm at {first:?}")?;
            if others.len() > 1 {
                write!(f, " (and {} more)", others.len() - 1)?;
            }
        }
        self.advice().try_for_each(|advice| write!(f, "\n- {advice}"))?;
        f.write_str("\n(how to read this: the docs of `tenure::time::testing`)")
    }
}

/// Who waits for what, and no more.
impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_list();
        for ((waits, place), count) in &self.watched {
            for _ in 0..*count {
                list.entry(&format_args!("{place}: {waits}"));
            }
        }
        list.finish()
    }
}
