/// Whoever is first and can't be let in is woken now and then, to see whether anybody polls it: one whom nobody does
/// is not to hold up those behind, who may need less. Each time it takes twice as long.
#[derive(Debug, Default)]
pub(super) struct Probe {
    /// Whom it is about, by when it came.
    of: Option<u64>,
    /// So many windows from one time to the next.
    windows: u32,
    alarm: bool,
}

/// Some seconds.
const MOST: u32 = 4096;

impl Probe {
    /// After how many windows the alarm is to ring, where none is set.
    pub(super) fn begin(&mut self, came: u64) -> Option<u32> {
        if self.alarm {
            return None;
        }
        if self.of != Some(came) {
            (self.of, self.windows) = (Some(came), 1);
        }
        self.alarm = true;
        Some(self.windows)
    }

    pub(super) fn is_for(&self, came: Option<u64>) -> bool {
        came.is_some() && self.of == came
    }

    /// The alarm has rung, or is forgotten. `first` is who is first now.
    pub(super) fn end(&mut self, first: Option<u64>) {
        self.alarm = false;
        match self.is_for(first) {
            true => self.windows = self.windows.saturating_mul(2).min(MOST),
            false => self.of = None,
        }
    }
}
