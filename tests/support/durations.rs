use std::time::Duration;

pub(crate) const NANOSECOND: Duration = Duration::from_nanos(1);
pub(crate) const MILLISECOND: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// What has not happened by then in real time never will, however busy the machine.
pub(crate) const LONG: Duration = Duration::from_secs(20);
