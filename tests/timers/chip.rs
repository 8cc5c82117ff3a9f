//! Stands in for a chip: a thread that counts microseconds, and runs the handler as an interrupt would.

use std::{
    mem,
    panic::catch_unwind,
    sync::{Condvar, Mutex, MutexGuard, Once, OnceLock},
    thread,
    time::{Duration, Instant},
};

use super::board::{BoardAlarm, Registers};

static ALARM: BoardAlarm = BoardAlarm::new(Registers { count, compare, interrupt });

/// The board's alarm, with the chip running.
pub(crate) fn alarm() -> &'static BoardAlarm {
    static POWER: Once = Once::new();
    POWER.call_once(|| drop(thread::spawn(run)));
    &ALARM
}

/// No wait is longer, whatever the platform makes of a century.
const LONGEST: Duration = Duration::from_secs(3600);

static LINES: Mutex<Lines> = Mutex::new(Lines { compare: None, pending: false });
static CHANGED: Condvar = Condvar::new();

struct Lines {
    compare: Option<u64>,
    pending: bool,
}

fn lines() -> MutexGuard<'static, Lines> {
    LINES.lock().unwrap()
}

fn count() -> u64 {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    ORIGIN.get_or_init(Instant::now).elapsed().as_micros().try_into().unwrap()
}

fn compare(at: u64) {
    let mut lines = lines();
    // Real ones compare for equality: what is past doesn't come again.
    lines.compare = (at > count()).then_some(at);
    CHANGED.notify_one();
}

fn interrupt() {
    lines().pending = true;
    CHANGED.notify_one();
}

fn run() {
    loop {
        wait();
        // Where there is no `std`, a panic ends it all. Here the handler has its next turn.
        if catch_unwind(|| ALARM.on_alarm()).is_err() {
            interrupt();
        }
    }
}

/// Until the next interrupt.
fn wait() {
    let mut lines = lines();
    while !mem::take(&mut lines.pending) {
        let left = match lines.compare {
            Some(at) if at <= count() => {
                lines.compare = None;
                return;
            }
            Some(at) => Duration::from_micros(at - count().min(at)).min(LONGEST),
            None => LONGEST,
        };
        lines = CHANGED.wait_timeout(lines, left).unwrap().0;
    }
}
