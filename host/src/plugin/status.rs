//! What an operator sees of a provider.

use std::collections::BTreeSet;
use std::time::SystemTime;

use super::refusal::Refusal;
use super::slot::Slot;
use crate::contract::{Capability, ProviderInfo};

/// A provider with a file in the plugins folder.
#[derive(Debug, Clone)]
pub struct ProviderStatus {
    /// Its name: the file's, without `.wasm`.
    pub name: String,
    /// What serves now; `None` when nothing does.
    pub generation: Option<GenerationStatus>,
    /// Why the file as it is now does not serve, if it was refused.
    pub refusal: Option<Refusal>,
}

/// One content of a provider's file that serves.
#[derive(Debug, Clone)]
pub struct GenerationStatus {
    /// Counts the contents that served under this name since the host started, from 1.
    pub number: u64,
    /// SHA-256 of the file, in lower-case hexadecimal digits.
    pub digest: String,
    /// When it began to serve.
    pub since: SystemTime,
    /// How many calls it has served.
    pub calls: u64,
    /// How many of them ended in an error.
    pub errors: u64,
    /// What it can do.
    pub capabilities: BTreeSet<Capability>,
    /// What it says of itself.
    pub info: ProviderInfo,
}

impl ProviderStatus {
    /// `None` for a name that a connection asks for but that has no file.
    pub(super) fn of(name: &str, slot: &Slot) -> Option<Self> {
        let generation = slot.current().map(|generation| GenerationStatus {
            number: generation.number,
            digest: generation.component.digest.clone(),
            since: generation.since,
            calls: generation.calls(),
            errors: generation.errors(),
            capabilities: generation.component.capabilities.clone(),
            info: generation.component.info.clone(),
        });
        let refusal = slot.refusal();
        (generation.is_some() || refusal.is_some()).then(|| Self {
            name: name.to_owned(),
            generation,
            refusal,
        })
    }
}
