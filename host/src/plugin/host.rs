//! The host of all providers: loads what is in the plugins folder, and replaces, refuses
//! and unloads as the folder changes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::component::ProviderComponent;
use super::connection::Connection;
use super::engine::{Engine, EngineOptions};
use super::folder::Folder;
use super::generation::Generation;
use super::outbound::Clients;
use super::policy::Policy;
use super::quota::Quota;
use super::refusal::Refusal;
use super::resolver::{Lookup, SystemLookup};
use super::runtime::{Runtime, size};
use super::secrets::Credentials;
use super::slot::Slot;
use super::spec::ConnectionSpec;
use super::status::ProviderStatus;
use super::watcher::Watcher;
use crate::config::{LimitsConfig, PluginsConfig};

/// Why a host cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The plugins folder cannot be read.
    #[error(
        "the plugins folder {} cannot be read: {reason}. Create it, or name another with `folder` \
         under [plugins] in roost.toml or with ROOST_PLUGINS", folder.display()
    )]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the file system said.
        reason: std::io::Error,
    },
    /// WebAssembly cannot be run here.
    #[error("the WebAssembly engine cannot start: {0}")]
    Engine(String),
    /// The HTTP client cannot be built.
    #[error("the HTTP client cannot start: {0}")]
    Client(#[from] reqwest::Error),
}

/// Runs the providers of a plugins folder. A clone is another handle to the same host,
/// which ends with the last of them.
#[derive(Clone)]
pub struct Host {
    inner: Arc<Inner>,
}

struct Inner {
    runtime: Arc<Runtime>,
    drain_timeout: Duration,
    folder_path: PathBuf,
    folder: Arc<tokio::sync::Mutex<Folder>>,
    /// The providers that are there because they come with Roost.
    shipped: Mutex<BTreeSet<String>>,
    slots: Mutex<BTreeMap<String, Arc<Slot>>>,
    connections: AtomicU64,
    draining: TaskTracker,
    stop_watching: CancellationToken,
    _stop_on_drop: DropGuard,
}

impl Host {
    /// Load every component of the plugins folder and begin to watch it. A file that is
    /// refused stops nothing: [`providers`](Self::providers) says why it was.
    ///
    /// Call it inside the tokio runtime that is to carry the providers' work.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read, or WebAssembly cannot be run at all.
    pub async fn start(plugins: &PluginsConfig, limits: &LimitsConfig) -> Result<Self, HostError> {
        Self::start_with_lookup(plugins, limits, SystemLookup).await
    }

    /// As [`start`](Self::start), with another way from names to addresses for the requests
    /// of providers.
    ///
    /// # Errors
    ///
    /// As of [`start`](Self::start).
    pub async fn start_with_lookup(
        plugins: &PluginsConfig,
        limits: &LimitsConfig,
        lookup: impl Lookup,
    ) -> Result<Self, HostError> {
        let lookup: Arc<dyn Lookup> = Arc::new(lookup);
        let engine = Engine::new(&EngineOptions {
            cache_folder: plugins.cache_folder.clone(),
            memory_bytes: size(limits.memory_bytes),
        })
        .map_err(|error| HostError::Engine(format!("{error:#}")))?;
        let stop_watching = CancellationToken::new();
        let folder = Folder::new(plugins.folder.clone(), plugins.shipped());
        let host = Self {
            inner: Arc::new(Inner {
                runtime: Arc::new(Runtime::new(engine, Clients::new(&lookup)?, limits.clone())),
                drain_timeout: Duration::from_secs(plugins.drain_timeout_seconds),
                folder_path: plugins.folder.clone(),
                folder: Arc::new(tokio::sync::Mutex::new(folder)),
                shipped: Mutex::default(),
                slots: Mutex::default(),
                connections: AtomicU64::new(0),
                draining: TaskTracker::new(),
                stop_watching: stop_watching.clone(),
                _stop_on_drop: stop_watching.drop_guard(),
            }),
        };
        // Watch first: what changes while the folder is read for the first time is seen.
        let interval = Duration::from_secs(plugins.poll_interval_seconds);
        let watcher = Watcher::new(&plugins.folder, interval);
        host.reload().await?;
        tokio::spawn(watch(Arc::downgrade(&host.inner), watcher));
        Ok(host)
    }

    /// Look at the plugins folder now, and return when what is in it serves or is refused.
    /// A file that was refused because it failed to start is tried again.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read; everything goes on serving.
    pub async fn reload(&self) -> Result<(), HostError> {
        self.inner.forget_failures().await;
        Inner::reload(&self.inner).await
    }

    /// The plugins folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.inner.folder_path
    }

    /// Every provider that has a file in the folder, by name.
    #[must_use]
    pub fn providers(&self) -> Vec<ProviderStatus> {
        let slots = self.inner.slots();
        slots
            .iter()
            .filter_map(|(name, slot)| ProviderStatus::of(name, slot))
            .collect()
    }

    /// Whether the provider of this name is there because it comes with Roost, and not
    /// because somebody put it into the plugins folder.
    #[must_use]
    pub fn is_shipped(&self, name: &str) -> bool {
        let shipped = self.inner.shipped.lock();
        shipped
            .unwrap_or_else(PoisonError::into_inner)
            .contains(name)
    }

    /// A connection to a provider, whether that is loaded yet or not.
    pub(crate) fn connect(&self, spec: ConnectionSpec) -> Connection {
        let slot = self.inner.slot(&spec.provider);
        let key = self.inner.connections.fetch_add(1, Ordering::Relaxed);
        Connection::new(key, Arc::clone(&self.inner.runtime), slot, spec)
    }

    /// Stop watching the folder and let the calls of replaced generations end. Providers
    /// can still be called.
    pub async fn shutdown(&self) {
        self.inner.stop_watching.cancel();
        self.inner.draining.close();
        self.inner.draining.wait().await;
    }
}

impl Inner {
    fn slots(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot(&self, name: &str) -> Arc<Slot> {
        let mut slots = self.slots();
        let slot = slots
            .entry(name.to_owned())
            .or_insert_with(|| Arc::new(Slot::new(name)));
        Arc::clone(slot)
    }

    /// A start may fail for reasons that pass, such as a busy machine.
    async fn forget_failures(&self) {
        let mut folder = self.folder.lock().await;
        for (name, slot) in self.slots().iter() {
            if matches!(slot.refusal(), Some(Refusal::Failed(_))) {
                folder.forget(name);
            }
        }
    }

    async fn reload(self: &Arc<Self>) -> Result<(), HostError> {
        // Held to the end, so that an older content never overtakes a newer one.
        let mut folder = Arc::clone(&self.folder).lock_owned().await;
        let look = tokio::task::spawn_blocking(move || {
            let changes = folder.look();
            (folder, changes)
        });
        let (_folder, changes) = look.await.map_err(|error| self.unreadable(error.into()))?;
        let changes = changes.map_err(|reason| self.unreadable(reason))?;
        let shipped = changes.shipped;
        *self.shipped.lock().unwrap_or_else(PoisonError::into_inner) = shipped;
        for name in changes.removed {
            tracing::info!(provider = name, "the provider's file is gone");
            self.retire(self.slot(&name).clear());
        }
        let loads = changes
            .changed
            .into_iter()
            .map(|(name, bytes)| self.load(name, bytes));
        join_all(loads).await;
        Ok(())
    }

    fn unreadable(&self, reason: std::io::Error) -> HostError {
        HostError::Folder {
            folder: self.folder_path.clone(),
            reason,
        }
    }

    /// Prepare a file's content and, only when all of that went well, let it serve.
    async fn load(self: &Arc<Self>, name: String, bytes: std::io::Result<Vec<u8>>) {
        let slot = self.slot(&name);
        let began = Instant::now();
        let loaded = match bytes {
            Ok(bytes) => {
                let nowhere = Arc::new(Policy::default());
                let quota = Arc::new(Quota::new(&self.runtime.limits));
                ProviderComponent::load(
                    &self.runtime.engine,
                    &slot.name,
                    bytes,
                    self.runtime.outbound(nowhere, Credentials::none(), quota),
                    self.runtime.memory_bytes(),
                    self.runtime.call_timeout(),
                )
                .await
            }
            Err(error) => Err(Refusal::Unreadable(error.to_string())),
        };
        match loaded {
            Ok(component) => {
                let version = component.info.version.clone();
                self.retire(slot.swap(component));
                tracing::info!(provider = name, version, took = ?began.elapsed(), "the provider serves");
            }
            Err(refusal) => {
                tracing::warn!(provider = name, %refusal, "the file is refused");
                slot.refuse(refusal);
            }
        }
    }

    fn retire(&self, generation: Option<Arc<Generation>>) {
        if let Some(generation) = generation {
            let limit = self.drain_timeout;
            self.draining
                .spawn(async move { generation.drain(limit).await });
        }
    }
}

/// Reload whenever the folder changed, until the host is gone.
async fn watch(host: Weak<Inner>, watcher: Watcher) {
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
