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
use super::error::{HostError, SwapError};
use super::folder::Folder;
use super::generation::Generation;
use super::limits::Limits;
use super::outbound::Clients;
use super::policy::Policy;
use super::refusal::Refusal;
use super::resolver::{Lookup, SystemLookup};
use super::runtime::{Runtime, size};
use super::secrets::Credentials;
use super::slot::Slot;
use super::spec::ConnectionSpec;
use super::status::{ProviderActivity, ProviderStatus};
use super::trust::Trust;
use super::watcher::Watcher;
use crate::config::{LimitsConfig, PluginsConfig};

/// How often it is looked for instances that have waited too long for a call.
const TEND_INTERVAL: Duration = Duration::from_secs(1);

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
        tokio::spawn(watch(Arc::downgrade(&host.inner), watcher));
        tokio::spawn(tend(
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

    /// A start may fail for reasons that pass, such as a busy machine.
    async fn forget_failures(&self) {
        let mut folder = self.folder.lock().await;
        for (name, slot) in self.slots().iter() {
            if slot.refusal().is_some_and(|refusal| refusal.may_pass()) {
                folder.forget(name);
            }
        }
    }

    async fn reload(self: &Arc<Self>) -> Result<(), HostError> {
        // Held to the end, so that an older content never overtakes a newer one.
        let mut folder = Arc::clone(&self.folder).lock_owned().await;
        let trust = Arc::clone(&self.trust);
        let look = tokio::task::spawn_blocking(move || {
            for name in trust.reconsider() {
                folder.forget(&name);
            }
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
            Ok(bytes) => match self.trusted(&name, bytes).await {
                Ok(bytes) => self.prepare(&slot, bytes).await,
                Err(refusal) => Err(refusal),
            },
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

    /// The content of a file, if it may be compiled. What comes with Roost is trusted as the
    /// program is.
    async fn trusted(&self, name: &str, bytes: Vec<u8>) -> Result<Vec<u8>, Refusal> {
        let shipped = self
            .shipped
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(name);
        if shipped {
            return Ok(bytes);
        }
        let (trust, name) = (Arc::clone(&self.trust), name.to_owned());
        let check = move || trust.check(&name, &bytes).map(|()| bytes);
        tokio::task::spawn_blocking(check)
            .await
            .unwrap_or_else(|error| Err(Refusal::Unreadable(error.to_string())))
    }

    /// Compile a content, have it describe itself, and see that whoever uses the provider now
    /// can go on.
    async fn prepare(&self, slot: &Slot, bytes: Vec<u8>) -> Result<ProviderComponent, Refusal> {
        let runtime = &self.runtime;
        let nowhere = Arc::new(Policy::default());
        let limits = Arc::new(Limits::of_host(&runtime.limits));
        let outbound = runtime.outbound(nowhere, Credentials::none(), &limits, None);
        let engine = &runtime.engine;
        let component =
            ProviderComponent::load(engine, &slot.name, bytes, outbound, &limits).await?;
        match slot.misfit(&component).await {
            Some(why) => Err(Refusal::Misfit(why)),
            None => Ok(component),
        }
    }

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

    fn retire(&self, generation: Option<Arc<Generation>>) {
        if let Some(generation) = generation {
            generation.retire();
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

/// Drop what is idle and roll back what fails, until the host is gone.
async fn tend(host: Weak<Inner>, runtime: Arc<Runtime>) {
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
