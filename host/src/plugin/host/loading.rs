//! From what changed in the folder to what serves.

use std::sync::{Arc, PoisonError};
use std::time::Instant;

use futures_util::future::join_all;

use super::super::component::ProviderComponent;
use super::super::error::HostError;
use super::super::limits::Limits;
use super::super::policy::Policy;
use super::super::refusal::Refusal;
use super::super::secrets::Credentials;
use super::super::slot::Slot;
use super::Inner;

impl Inner {
    /// A start may fail for reasons that pass, such as a busy machine.
    pub(super) async fn forget_failures(&self) {
        let mut folder = self.folder.lock().await;
        for (name, slot) in self.slots().iter() {
            if slot.refusal().is_some_and(|refusal| refusal.may_pass()) {
                folder.forget(name);
            }
        }
    }

    /// Load what is new, and unload what is gone.
    pub(super) async fn reload(self: &Arc<Self>) -> Result<(), HostError> {
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
}
