//! Notices that the plugins folder may have changed.
//!
//! Events of the file system come in bursts and only say "look again", so they are
//! awaited until the folder has been quiet for a moment. File systems without events
//! (network mounts) are looked at from time to time.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

/// How long the folder must have been quiet.
const QUIET: Duration = Duration::from_millis(100);
/// How long a folder that is never quiet is waited for.
const MAX_WAIT: Duration = Duration::from_secs(2);

pub(super) struct Watcher {
    stirred: Arc<Notify>,
    poll_interval: Duration,
    // Ends the events when dropped.
    _events: Option<RecommendedWatcher>,
}

impl Watcher {
    pub(super) fn new(folder: &Path, poll_interval: Duration) -> Self {
        let stirred = Arc::new(Notify::new());
        let events = watch(folder, Arc::clone(&stirred))
            .inspect_err(|reason| {
                tracing::warn!(
                    %reason,
                    "no file system events for the plugins folder; it is looked at every \
                     {poll_interval:?}"
                );
            })
            .ok();
        Self {
            stirred,
            poll_interval,
            _events: events,
        }
    }

    /// Returns when it is worth looking at the folder.
    pub(super) async fn changed(&self) {
        if timeout(self.poll_interval, self.stirred.notified())
            .await
            .is_err()
        {
            return;
        }
        let latest = Instant::now() + MAX_WAIT;
        while Instant::now() < latest {
            tokio::select! {
                () = self.stirred.notified() => {}
                () = sleep(QUIET) => return,
            }
        }
    }
}

fn watch(folder: &Path, stirred: Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Reading the folder makes events as well, which would never end.
        if event.is_ok_and(|event| event.kind.is_access()) {
            return;
        }
        stirred.notify_one();
    })?;
    watcher.watch(folder, RecursiveMode::NonRecursive)?;
    Ok(watcher)
}
