use alloc::{string::String, string::ToString, vec::Vec};
use core::{task::Waker, time::Duration};

use super::{
    super::{Instant, TimerHandle},
    report::Report,
    shared::{Shared, Stage, State},
};
use crate::{
    sync::{Arc, Weak, impl_wake},
    wake::survived,
};

const PATIENCE: Duration = Duration::from_secs(10);

/// How often it looks before it loses its patience. Several times, because a process that was stopped
/// (by a debugger, by a lid that was shut) was quiet, too, and goes on when it is let: that costs it one
/// look, however long it took.
const LOOKS: u32 = 4;

const SHORTEST: Duration = Duration::from_millis(1);

/// Looks at the clock now and then in *real* time, and fails those who wait on a clock on which nothing
/// happens: a test that can't go on would hang otherwise, and not say why.
pub(super) struct Watchdog {
    patience: Duration,
    /// Since it last looked.
    pub(super) happened: bool,
    /// Whoever moves the clock by hand may take their time.
    pub(super) by_hand: bool,
    quiet: u32,
    /// Of its alarms, the one that counts.
    alarm: u64,
    is_set: bool,
    report: Option<String>,
}

impl Watchdog {
    pub(super) const fn new() -> Self {
        Self {
            patience: PATIENCE,
            happened: false,
            by_hand: false,
            quiet: 0,
            alarm: 0,
            is_set: false,
            report: None,
        }
    }

    /// What the one that panics first is to say. The others are brief.
    pub(super) fn take_report(&mut self) -> String {
        self.report.take().unwrap_or_else(|| {
            "the clock stands still: another watched future panics, too, and says why".into()
        })
    }
}

/// Has the watchdog look again after a while, if it isn't going to.
pub(super) fn rouse(shared: &Arc<Shared>) {
    // A real alarm would ring outside of what they run.
    if cfg!(any(tenure_loom, tenure_shuttle)) {
        return;
    }
    let Some(timer) = TimerHandle::system() else { return };
    let Some((number, after)) = shared.0.with(State::set_alarm) else { return };
    let at = timer.now() + after;
    if at < Instant::NEVER {
        let look = Arc::new(Look { clock: Arc::downgrade(shared), number });
        timer.timer().wake_at(at, Waker::from(look));
    }
}

/// The waker of its alarm, which keeps no clock alive.
struct Look {
    clock: Weak<Shared>,
    number: u64,
}

impl_wake!(Look, Look::look);

impl Look {
    fn look(&self) {
        let Some(shared) = self.clock.upgrade() else { return };
        match shared.0.with(|state| state.look(self.number)) {
            Seen::Nobody => return,
            Seen::NotYet => {}
            Seen::Stuck(tasks) => {
                for task in tasks {
                    survived(|| task.wake());
                }
            }
            Seen::Forgotten(report) => note(&report),
        }
        rouse(&shared);
    }
}

/// There is nobody to fail. Written past `eprintln`, whose text is kept until a test has ended.
fn note(report: &Report) {
    #[cfg(feature = "std")]
    drop(std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("tenure: {report}\n")));
    #[cfg(not(feature = "std"))]
    let _ = report;
}

enum Seen {
    /// There is nobody who could wait in vain.
    Nobody,
    NotYet,
    /// All these wait in vain, and will say so when they are polled.
    Stuck(Vec<Waker>),
    /// Something waits in vain, and can't be told.
    Forgotten(Report),
}

impl State {
    /// The number of the alarm that is to be set, and how far ahead.
    fn set_alarm(&mut self) -> Option<(u64, Duration)> {
        let needed = self.is_waited_on() && !self.watchdog.is_set;
        needed.then(|| {
            let watchdog = &mut self.watchdog;
            watchdog.is_set = true;
            watchdog.alarm += 1;
            (watchdog.alarm, (watchdog.patience / LOOKS).max(SHORTEST))
        })
    }

    fn is_waited_on(&self) -> bool {
        !self.seats.is_empty() || (!self.watchdog.by_hand && self.queue.next().is_some())
    }

    fn look(&mut self, number: u64) -> Seen {
        let waited_on = self.is_waited_on();
        let polling = self.seats.values().any(|seat| seat.stage == Stage::Polling);
        let watchdog = &mut self.watchdog;
        if number != watchdog.alarm || !watchdog.is_set {
            return Seen::Nobody;
        }
        watchdog.is_set = false;
        if core::mem::take(&mut watchdog.happened) || polling || self.pauses > 0 || !waited_on {
            watchdog.quiet = 0;
            return if waited_on { Seen::NotYet } else { Seen::Nobody };
        }
        watchdog.quiet = watchdog.quiet.saturating_add(1);
        if watchdog.quiet != LOOKS {
            return Seen::NotYet;
        }
        let report = Report::of(self);
        let mut tasks = Vec::new();
        for seat in self.seats.values_mut().filter(|seat| !seat.is_busy()) {
            (seat.stuck, seat.woken) = (true, true);
            self.busy += 1;
            tasks.extend(seat.task.take());
        }
        if tasks.is_empty() {
            return Seen::Forgotten(report);
        }
        self.watchdog.report = Some(report.to_string());
        Seen::Stuck(tasks)
    }

    pub(super) fn patience(&self) -> Duration {
        self.watchdog.patience
    }

    /// To be followed by [`rouse`]: an alarm that was set before no longer counts.
    pub(super) fn set_patience(&mut self, patience: Duration) {
        let watchdog = &mut self.watchdog;
        (watchdog.patience, watchdog.quiet, watchdog.is_set) = (patience, 0, false);
    }
}
