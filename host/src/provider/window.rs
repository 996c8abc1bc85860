//! Stretches of time, as callers say them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::contract::{TimeWindow, Timestamp};

/// The last instant that every backend and format can hold: in the year 2262.
const LATEST: Timestamp = i64::MAX.unsigned_abs();

impl TimeWindow {
    /// From `start`, which is inside, to `end`, which is not; nanoseconds since the Unix
    /// epoch.
    #[must_use]
    pub const fn new(start: Timestamp, end: Timestamp) -> Self {
        Self { start, end }
    }

    /// Everything since the Unix epoch.
    #[must_use]
    pub const fn all() -> Self {
        Self::new(0, LATEST)
    }

    /// The time from `length` ago on. It is open towards the future, since the clocks of
    /// those who write spans may be ahead.
    #[must_use]
    pub fn last(length: Duration) -> Self {
        let start = SystemTime::now()
            .checked_sub(length)
            .and_then(|start| start.duration_since(UNIX_EPOCH).ok())
            .and_then(|start| Timestamp::try_from(start.as_nanos()).ok())
            .unwrap_or(0);
        Self::new(start, LATEST)
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        if self.start <= self.end {
            return Ok(());
        }
        Err(format!(
            "the window begins at {} and ends before that, at {}",
            self.start, self.end
        ))
    }
}
