//! What threads take: time on a processor, and how often they wake up, as Linux tells it.
//!
//! It tells of a thread that runs right now what it knew at the last tick, milliseconds ago, and of one
//! that waits, to the nanosecond. So whoever asks waits a moment first; the others come to rest
//! meanwhile.

use std::{
    collections::HashMap,
    ffi::{OsStr, OsString},
    fs,
    ops::{Add, Sub},
    path::Path,
    thread,
    time::Duration,
};

const MOMENT: Duration = Duration::from_millis(10);

/// What a thread has taken, or several.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Taken {
    pub(crate) micros: f64,
    /// How often it went to sleep, to be woken later.
    pub(crate) wakes: f64,
}

/// What was taken while something ran, by all of this process: nothing else should run in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Threads {
    pub(crate) caller: Taken,
    pub(crate) others: Taken,
}

/// What all threads take for `run`, and this one for asking. No number, where nobody tells.
pub(crate) fn taken(run: impl FnOnce()) -> Threads {
    let before = Told::now();
    run();
    let after = Told::now();
    let since = || Some(after?.since(&before?));
    since().unwrap_or(Threads { caller: Taken::UNKNOWN, others: Taken::UNKNOWN })
}

struct Told {
    caller: Taken,
    others: HashMap<OsString, Taken>,
}

impl Told {
    fn now() -> Option<Self> {
        thread::sleep(MOMENT);
        let caller = fs::read_link("/proc/thread-self").ok()?;
        let caller = caller.file_name()?;
        let told = Taken::told_of(caller)?;
        let others = fs::read_dir("/proc/self/task").ok()?.filter_map(|entry| {
            let thread = entry.ok()?.file_name();
            // One that has just ended is no longer known.
            let taken = Taken::told_of(&thread).filter(|_| thread != caller)?;
            Some((thread, taken))
        });
        Some(Self { caller: told, others: others.collect() })
    }

    fn since(self, before: &Self) -> Threads {
        let of_one = |(thread, now): (_, &Taken)| {
            *now - before.others.get::<OsString>(thread).copied().unwrap_or_default()
        };
        let asking = Taken { micros: 0.0, wakes: 1.0 };
        Threads {
            caller: self.caller - before.caller - asking,
            others: self.others.iter().map(of_one).fold(Taken::default(), Taken::add),
        }
    }
}

impl Taken {
    const UNKNOWN: Self = Self { micros: f64::NAN, wakes: f64::NAN };

    fn told_of(thread: &OsStr) -> Option<Self> {
        let place = Path::new("/proc/self/task").join(thread);
        let nanos = fs::read_to_string(place.join("schedstat")).ok()?;
        let nanos: f64 = nanos.split_whitespace().next()?.parse().ok()?;
        let status = fs::read_to_string(place.join("status")).ok()?;
        let wakes =
            status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
        Some(Self { micros: nanos / 1e3, wakes: wakes.trim().parse().ok()? })
    }
}

impl Add for Taken {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { micros: self.micros + other.micros, wakes: self.wakes + other.wakes }
    }
}

impl Sub for Taken {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { micros: self.micros - other.micros, wakes: self.wakes - other.wakes }
    }
}
