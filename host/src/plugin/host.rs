//! The host of all providers: loads what is in the plugins folder, and replaces, refuses
//! and unloads as the folder changes.

mod loading;
mod tending;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::connection::Connection;
use super::engine::{Engine, EngineOptions};
use super::error::{HostError, SwapError};
use super::folder::Folder;
use super::generation::Generation;
use super::outbound::Clients;
use super::resolver::{Lookup, SystemLookup};
use super::runtime::{Runtime, size};
use super::slot::Slot;
use super::spec::ConnectionSpec;
use super::status::{ProviderActivity, ProviderStatus};
use super::trust::Trust;
use super::watcher::Watcher;
use crate::config::{LimitsConfig, PluginsConfig};

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
    trust: Arc<Trust>,
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
            stack_bytes: size(plugins.stack_bytes),
        })
        .map_err(|error| HostError::Engine(format!("{error:#}")))?;
        let stop_watching = CancellationToken::new();
        let folder = Folder::new(plugins.folder.clone(), plugins.shipped());
        let host = Self {
            inner: Arc::new(Inner {
                runtime: Arc::new(Runtime::new(
                    engine,
                    Clients::new(&lookup)?,
                    plugins,
                    limits.clone(),
                )),
                drain_timeout: Duration::from_secs(plugins.drain_timeout_seconds),
                folder_path: plugins.folder.clone(),
                trust: Arc::new(Trust::new(plugins).map_err(HostError::TrustedKey)?),
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
        tokio::spawn(tending::watch(Arc::downgrade(&host.inner), watcher));
        tokio::spawn(tending::tend(
            Arc::downgrade(&host.inner),
            Arc::clone(&host.inner.runtime),
        ));
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

    /// Whether any provider has a file in the folder.
    pub(crate) fn has_providers(&self) -> bool {
        let slots = self.inner.slots();
        slots
            .values()
            .any(|slot| slot.current().is_some() || slot.refusal().is_some())
    }

    /// What the providers are doing, and what their last generations did, by name.
    #[must_use]
    pub fn activity(&self) -> Vec<ProviderActivity> {
        let slots = self.inner.slots();
        let active = slots.iter();
        active
            .filter_map(|(name, slot)| ProviderActivity::of(name, slot))
            .collect()
    }

    /// Let what served before the newest generation serve again. The file as it is now is then
    /// refused, until it changes or somebody [lifts](Self::lift) that.
    ///
    /// # Errors
    ///
    /// When there is no such provider, or nothing served before.
    pub async fn rollback(&self, provider: &str) -> Result<(), SwapError> {
        let slot = self.known(provider)?;
        let _folder = self.inner.folder.lock().await;
        let before = slot.roll_back("by hand");
        let before = before.ok_or_else(|| SwapError::NothingBefore(provider.to_owned()))?;
        tracing::info!(provider, "the provider is rolled back by hand");
        self.inner.retire(Some(before));
        Ok(())
    }

    /// Call a provider again that is quarantined, and take its file again if that was rolled
    /// back or refused. Returned is how many connections were quarantined.
    ///
    /// # Errors
    ///
    /// When there is no such provider, or the folder cannot be read.
    pub async fn lift(&self, provider: &str) -> Result<usize, SwapError> {
        let slot = self.known(provider)?;
        let lifted = slot.current().map_or(0, |generation| generation.lift());
        tracing::info!(provider, lifted, "the quarantine is lifted by hand");
        if slot.refusal().is_some() {
            self.inner.folder.lock().await.forget(provider);
            Inner::reload(&self.inner).await?;
        }
        Ok(lifted)
    }

    fn known(&self, provider: &str) -> Result<Arc<Slot>, SwapError> {
        let is_known = self.providers().into_iter().any(|one| one.name == provider);
        if is_known {
            return Ok(self.inner.slot(provider));
        }
        Err(SwapError::Unknown {
            name: provider.to_owned(),
            known: self.providers().into_iter().map(|one| one.name).collect(),
        })
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

    fn retire(&self, generation: Option<Arc<Generation>>) {
        if let Some(generation) = generation {
            generation.retire();
            let limit = self.drain_timeout;
            self.draining
                .spawn(async move { generation.drain(limit).await });
        }
    }
}
