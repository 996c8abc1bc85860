//! What goes on beside the calls: the folder is watched, what is idle is dropped, what fails
//! is rolled back.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::super::runtime::Runtime;
use super::super::watcher::Watcher;
use super::Inner;

/// How often it is looked for instances that have waited too long for a call.
const TEND_INTERVAL: Duration = Duration::from_secs(1);

/// Reload whenever the folder changed, until the host is gone.
pub(super) async fn watch(host: Weak<Inner>, watcher: Watcher) {
    let Some(stop) = host.upgrade().map(|host| host.stop_watching.clone()) else {
        return;
    };
    while stop.run_until_cancelled(watcher.changed()).await.is_some() {
        let Some(host) = host.upgrade() else { return };
        if let Err(error) = host.reload().await {
            tracing::warn!("{error}");
        }
    }
}

/// Drop what is idle and roll back what fails, until the host is gone.
pub(super) async fn tend(host: Weak<Inner>, runtime: Arc<Runtime>) {
    let Some(stop) = host.upgrade().map(|host| host.stop_watching.clone()) else {
        return;
    };
    loop {
        let is_unsound = tokio::select! {
            () = stop.cancelled() => return,
            () = runtime.unsound.notified() => true,
            () = tokio::time::sleep(TEND_INTERVAL) => false,
        };
        let Some(host) = host.upgrade() else { return };
        if is_unsound {
            host.roll_back_unsound().await;
        } else {
            host.drop_idle();
        }
    }
}

impl Inner {
    /// Go back where a new generation fails its first calls and the one before did not.
    async fn roll_back_unsound(&self) {
        let _folder = self.folder.lock().await;
        let slots: Vec<_> = self.slots().values().cloned().collect();
        for slot in slots.iter().filter(|slot| slot.is_worse()) {
            let before = slot.roll_back("it failed its first calls, which the one before did not");
            tracing::error!(
                provider = &*slot.name,
                "the provider is rolled back: it fails"
            );
            self.retire(before);
        }
    }

    fn drop_idle(&self) {
        let slots: Vec<_> = self.slots().values().cloned().collect();
        for generation in slots.iter().filter_map(|slot| slot.current()) {
            generation.drop_idle();
        }
    }
}
