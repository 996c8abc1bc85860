//! The one manager of a process, for applications that do not pass it around.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;

use super::{ManagerError, TelemetryManager};
use crate::config::Config;

static GLOBAL: ArcSwapOption<TelemetryManager> = ArcSwapOption::const_empty();

/// How long [`reset`] waits for spans to be sent.
const RESET_TIMEOUT: Duration = Duration::from_secs(5);

/// Start a manager and make it the process's. It is the one that was made before, with its
/// configuration, if there is one already.
///
/// # Errors
///
/// As [`TelemetryManager::start`].
pub async fn init(config: Config) -> Result<TelemetryManager, ManagerError> {
    if let Some(manager) = &*GLOBAL.load() {
        return Ok(TelemetryManager::clone(manager));
    }
    let made = Arc::new(TelemetryManager::start(config).await?);
    let before = GLOBAL.compare_and_swap(&None::<Arc<_>>, Some(Arc::clone(&made)));
    // Whoever was faster has the process's; this one was never used.
    Ok(TelemetryManager::clone(before.as_ref().unwrap_or(&made)))
}

/// The process's manager; one that does nothing before [`init`].
#[must_use]
pub fn global() -> TelemetryManager {
    match &*GLOBAL.load() {
        Some(manager) => TelemetryManager::clone(manager),
        None => TelemetryManager::disabled(),
    }
}

/// Shut the process's manager down and forget it, for tests: the next [`init`] starts
/// afresh.
pub async fn reset() {
    if let Some(manager) = GLOBAL.swap(None) {
        manager.shutdown(RESET_TIMEOUT).await;
    }
}
