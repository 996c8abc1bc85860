//! Log records about lost spans, few enough to be read.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::account::DropReason;
use super::parcel::Parcel;
use super::project::Project;

const MINUTE: Duration = Duration::from_secs(60);

/// Writes at most so many records a minute. What it does not write, the next record counts.
#[derive(Debug)]
pub(super) struct DropLog {
    rate: u32,
    window: Mutex<Window>,
}

#[derive(Debug)]
struct Window {
    since: Instant,
    written: u32,
    unmentioned: u64,
}

impl DropLog {
    /// With a rate of 0 it writes nothing.
    pub(super) fn new(rate: u32) -> Self {
        Self {
            rate,
            window: Mutex::new(Window {
                since: Instant::now(),
                written: 0,
                unmentioned: 0,
            }),
        }
    }

    /// `count` spans of `project` were dropped for this reason; `why` says more, or is empty.
    pub(super) fn dropped(&self, reason: DropReason, count: u64, project: &str, why: &str) {
        if self.rate == 0 || count == 0 {
            return;
        }
        let Some(unmentioned) = self.admit(count, Instant::now()) else {
            return;
        };
        tracing::warn!(
            spans = count,
            project,
            why,
            unmentioned,
            "spans were dropped: {}",
            reason.as_str()
        );
    }

    /// These were dropped.
    pub(super) fn dropped_all(&self, reason: DropReason, parcels: &[Parcel], why: &str) {
        if let (Some(first), Some(last)) = (parcels.first(), parcels.last()) {
            let project = owner(&first.content.project, &last.content.project);
            self.dropped(reason, Parcel::count(parcels) as u64, project, why);
        }
    }

    /// How many spans were dropped without a record before this one, if it may be written.
    fn admit(&self, count: u64, now: Instant) -> Option<u64> {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(window.since) >= MINUTE {
            window.since = now;
            window.written = 0;
        }
        if window.written < self.rate {
            window.written += 1;
            Some(std::mem::take(&mut window.unmentioned))
        } else {
            window.unmentioned += count;
            None
        }
    }
}

/// Whose spans they are, by the first and the last project of an ordered list.
pub(super) fn owner<'a>(first: &'a Project, last: &Project) -> &'a str {
    if first.id() == last.id() {
        first.name()
    } else {
        "several"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Beyond the rate nothing is written, and the next minute says how much that was.
    #[test]
    fn a_minute_has_so_many_records_and_the_next_makes_up_for_them() {
        let log = DropLog::new(2);
        let start = Instant::now();
        let admitted: Vec<_> = (0..4).map(|_| log.admit(10, start)).collect();
        assert_eq!(admitted, [Some(0), Some(0), None, None]);
        assert_eq!(log.admit(1, start + MINUTE), Some(20));
    }
}
