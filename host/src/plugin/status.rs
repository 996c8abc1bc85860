//! What an operator sees of a provider.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::SystemTime;

use super::generation::{Generation, Record};
use super::meter::Counted;
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
    /// The connections in which it is not called any more, because it failed too often.
    pub quarantines: Vec<Quarantine>,
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
    /// How many calls it was asked for.
    pub calls: u64,
    /// How many of them ended in an error.
    pub errors: u64,
    /// What it can do.
    pub capabilities: BTreeSet<Capability>,
    /// What it says of itself.
    pub info: ProviderInfo,
}

/// Why a connection's calls are refused until another file comes, or somebody
/// [lifts](super::Host::lift) it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quarantine {
    /// The connection.
    pub connection: String,
    /// Since when.
    pub since: SystemTime,
    /// What failed how often.
    pub reason: String,
}

impl fmt::Display for Quarantine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            connection, reason, ..
        } = self;
        write!(f, "quarantined in [connections.{connection}]: {reason}")
    }
}

/// What a provider is doing, and what its last generations did.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ProviderActivity {
    /// Its name.
    pub name: String,
    /// Instances that wait for a call.
    pub idle_instances: usize,
    /// Calls that have an instance, or wait for it to start.
    pub running_calls: usize,
    /// The last generations, the oldest first.
    pub generations: Vec<GenerationActivity>,
}

/// What one generation did.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GenerationActivity {
    /// Counts the contents that served under this name since the host started, from 1.
    pub number: u64,
    /// The version it gave itself.
    pub version: String,
    /// SHA-256 of the file, in lower-case hexadecimal digits.
    pub digest: String,
    /// When it began to serve.
    pub since: SystemTime,
    /// When it ceased to; `None` while it serves.
    pub until: Option<SystemTime>,
    /// How many calls it was asked for.
    pub calls: u64,
    /// How many of them ended in an error.
    pub errors: u64,
    /// The calls by operation.
    pub operations: BTreeMap<String, Counted>,
    /// The HTTP requests.
    pub requests: Counted,
}

impl ProviderStatus {
    /// `None` for a name that a connection asks for but that has no file.
    pub(super) fn of(name: &str, slot: &Slot) -> Option<Self> {
        let current = slot.current();
        let refusal = slot.refusal();
        (current.is_some() || refusal.is_some()).then(|| Self {
            name: name.to_owned(),
            quarantines: current
                .as_ref()
                .map(|one| one.quarantines())
                .unwrap_or_default(),
            generation: current.as_deref().map(GenerationStatus::of),
            refusal,
        })
    }
}

impl GenerationStatus {
    fn of(generation: &Generation) -> Self {
        Self {
            number: generation.number,
            digest: generation.component.digest.clone(),
            since: generation.record.since,
            calls: generation.record.calls(),
            errors: generation.record.errors(),
            capabilities: generation.component.capabilities.clone(),
            info: generation.component.info.clone(),
        }
    }
}

impl ProviderActivity {
    /// `None` for a name under which nothing has ever served.
    pub(super) fn of(name: &str, slot: &Slot) -> Option<Self> {
        let records = slot.records();
        let (idle_instances, running_calls) = slot.current().map_or((0, 0), |one| one.instances());
        (!records.is_empty()).then(|| Self {
            name: name.to_owned(),
            idle_instances,
            running_calls,
            generations: records
                .iter()
                .map(|one| GenerationActivity::of(one))
                .collect(),
        })
    }
}

impl GenerationActivity {
    fn of(record: &Record) -> Self {
        Self {
            number: record.number,
            version: record.version.clone(),
            digest: record.digest.clone(),
            since: record.since,
            until: record.until.get().copied(),
            calls: record.calls(),
            errors: record.errors(),
            operations: record.meter.operations(),
            requests: record.meter.requests(),
        }
    }
}
