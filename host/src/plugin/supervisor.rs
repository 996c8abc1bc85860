//! What becomes of a connection whose instances fail: they are started again after a delay
//! that grows, and when that does not help, no more.
//!
//! Only what the guest did wrong counts: a trap, a limit it ran into, a deadline it passed
//! while it computed. A backend that is slow or away never quarantines anything.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::status::Quarantine;
use crate::config::PluginsConfig;

/// The delay after the first start that failed; it doubles with each.
const START_DELAY: Duration = Duration::from_millis(100);
/// The delay after the first trap within the window; it doubles with each.
const TRAP_DELAY: Duration = Duration::from_millis(1);
const MAX_START_DELAY: Duration = Duration::from_secs(5);
const MAX_TRAP_DELAY: Duration = Duration::from_secs(1);

/// How many failures are too many.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    starts: u32,
    traps: usize,
    window: Duration,
}

impl From<&PluginsConfig> for Rules {
    fn from(plugins: &PluginsConfig) -> Self {
        Self {
            starts: plugins.quarantine_after_starts,
            traps: usize::try_from(plugins.quarantine_after_traps).unwrap_or(usize::MAX),
            window: plugins.quarantine_window(),
        }
    }
}

/// Watches the instances of one connection in one generation.
pub(super) struct Supervisor {
    provider: String,
    connection: String,
    rules: Rules,
    record: Mutex<Record>,
}

#[derive(Default)]
struct Record {
    /// Starts that failed since the last that did not.
    failed_starts: u32,
    /// When the last failure was counted. What began before belongs to the same trouble.
    last_failure: Option<Instant>,
    /// The traps within the window.
    traps: VecDeque<Instant>,
    /// Nothing is started before.
    not_before: Option<Instant>,
    quarantine: Option<Quarantine>,
}

impl Supervisor {
    pub(super) fn new(provider: &str, connection: &str, rules: Rules) -> Self {
        Self {
            provider: provider.to_owned(),
            connection: connection.to_owned(),
            rules,
            record: Mutex::default(),
        }
    }

    /// Why the connection is quarantined, if it is.
    pub(super) fn quarantine(&self) -> Option<Quarantine> {
        self.record().quarantine.clone()
    }

    /// When the next instance may be started, if not now.
    pub(super) fn not_before(&self) -> Option<Instant> {
        let not_before = self.record().not_before;
        not_before.filter(|instant| *instant > Instant::now())
    }

    pub(super) fn started(&self) {
        self.record().failed_starts = 0;
    }

    /// A start that `began` then has failed.
    pub(super) fn start_failed(&self, began: Instant, why: &str) {
        let now = Instant::now();
        let mut record = self.record();
        if record.last_failure.is_some_and(|last| began < last) {
            return;
        }
        record.failed_starts += 1;
        record.last_failure = Some(now);
        let failed = record.failed_starts;
        record.delay(doubled(START_DELAY, failed, MAX_START_DELAY), now);
        if failed >= self.rules.starts {
            self.condemn(
                &mut record,
                format!("{failed} starts failed in a row: {why}"),
            );
        }
    }

    pub(super) fn trapped(&self, why: &str) {
        let now = Instant::now();
        let mut record = self.record();
        let window = self.rules.window;
        record
            .traps
            .retain(|trap| now.duration_since(*trap) < window);
        record.traps.push_back(now);
        let traps = record.traps.len();
        let exponent = u32::try_from(traps).unwrap_or(u32::MAX);
        record.delay(doubled(TRAP_DELAY, exponent, MAX_TRAP_DELAY), now);
        if traps >= self.rules.traps {
            let why = format!("{traps} calls trapped within {window:?}: {why}");
            self.condemn(&mut record, why);
        }
    }

    /// Forget everything; whether there was a quarantine.
    pub(super) fn lift(&self) -> bool {
        std::mem::take(&mut *self.record()).quarantine.is_some()
    }

    fn condemn(&self, record: &mut Record, why: String) {
        if record.quarantine.is_some() {
            return;
        }
        let (provider, connection) = (&*self.provider, &*self.connection);
        tracing::error!(provider, connection, why, "the provider is quarantined");
        record.quarantine = Some(Quarantine {
            connection: self.connection.clone(),
            since: SystemTime::now(),
            reason: why,
        });
    }

    fn record(&self) -> std::sync::MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    fn delay(&mut self, delay: Duration, now: Instant) {
        self.not_before = self.not_before.max(Some(now + delay));
    }
}

/// `first`, doubled with each failure after the first, and `most` at the most.
fn doubled(first: Duration, failures: u32, most: Duration) -> Duration {
    let factor = 1_u32.checked_shl(failures.saturating_sub(1));
    first.saturating_mul(factor.unwrap_or(u32::MAX)).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn supervisor() -> Supervisor {
        let plugins = PluginsConfig {
            quarantine_after_starts: 3,
            quarantine_after_traps: 4,
            ..PluginsConfig::default()
        };
        Supervisor::new("echo", "eu", Rules::from(&plugins))
    }

    #[test]
    fn starts_that_fail_together_count_once() {
        let supervisor = supervisor();
        let began = Instant::now();
        for _ in 0..10 {
            supervisor.start_failed(began, "it trapped");
        }
        assert_eq!(supervisor.quarantine(), None);
        assert!(supervisor.not_before().is_some());
    }

    #[test]
    fn starts_that_fail_in_a_row_are_too_many_and_a_good_one_between_forgives() {
        let supervisor = supervisor();
        for _ in 0..2 {
            supervisor.start_failed(Instant::now(), "it trapped");
        }
        supervisor.started();
        for left in [2, 1, 0] {
            assert_eq!(supervisor.quarantine(), None, "{left}");
            supervisor.start_failed(Instant::now(), "it trapped");
        }
        let reason = supervisor.quarantine().map(|quarantine| quarantine.reason);
        assert_eq!(
            reason.as_deref(),
            Some("3 starts failed in a row: it trapped")
        );
        assert!(supervisor.lift());
        assert_eq!(supervisor.quarantine(), None);
        assert_eq!(supervisor.not_before(), None);
    }

    #[test]
    fn traps_within_the_window_are_too_many() {
        let supervisor = supervisor();
        for _ in 0..3 {
            supervisor.started();
            supervisor.trapped("unreachable");
        }
        assert_eq!(supervisor.quarantine(), None);
        supervisor.trapped("unreachable");
        assert!(supervisor.quarantine().is_some());
    }

    #[test]
    fn a_delay_doubles_up_to_its_bound() {
        let delays = [1, 2, 3, 7, 40, u32::MAX];
        let delays = delays.map(|n| doubled(START_DELAY, n, MAX_START_DELAY).as_millis());
        assert_eq!(delays, [100, 200, 400, 5_000, 5_000, 5_000]);
    }
}
