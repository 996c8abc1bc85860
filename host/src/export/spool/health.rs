//! Whether the spool takes what it is given.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a failure counts that nothing has disproved: what is not sent here cannot.
const MEMORY: Duration = Duration::from_secs(10);

/// What the last write came to.
#[derive(Debug, Default)]
pub(in crate::export) struct SpoolHealth {
    failed: Mutex<Option<Instant>>,
}

impl SpoolHealth {
    /// It wrote, or has room again.
    pub(in crate::export) fn worked(&self) {
        self.set(None);
    }

    /// It did not, and would not have whoever had asked.
    pub(in crate::export) fn failed(&self) {
        self.set(Some(Instant::now()));
    }

    /// Whether it is to be expected that it takes something.
    pub(in crate::export) fn is_good(&self) -> bool {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.is_none_or(|since| since.elapsed() >= MEMORY)
    }

    fn set(&self, failed: Option<Instant>) {
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = failed;
    }
}
