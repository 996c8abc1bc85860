//! What all providers of a host share: the engine, the HTTP client and the limits.

use std::sync::Arc;

use tokio::sync::Notify;

use super::engine::Engine;
use super::generation::{Generation, Record};
use super::limits::Limits;
use super::outbound::{Clients, Outbound};
use super::policy::Policy;
use super::secrets::Credentials;
use super::supervisor::Rules;
use crate::config::{LimitsConfig, PluginsConfig};

/// A number of bytes as this machine addresses them.
pub(super) fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

pub(crate) struct Runtime {
    pub(super) engine: Arc<Engine>,
    pub(super) clients: Clients,
    /// The limits where a connection sets none.
    pub(super) limits: LimitsConfig,
    pub(super) rules: Rules,
    /// How many of its first calls a new generation may fail.
    pub(super) rollback_after: u32,
    /// Told when a generation has failed so many.
    pub(super) unsound: Notify,
}

impl Runtime {
    pub(super) fn new(
        engine: Engine,
        clients: Clients,
        plugins: &PluginsConfig,
        limits: LimitsConfig,
    ) -> Self {
        Self {
            engine: Arc::new(engine),
            clients,
            limits,
            rules: Rules::from(plugins),
            rollback_after: plugins.rollback_after_failures,
            unsound: Notify::new(),
        }
    }

    /// A way out for instances under `policy`; `record` is where its requests are counted.
    pub(super) fn outbound(
        &self,
        policy: Arc<Policy>,
        credentials: Credentials,
        limits: &Arc<Limits>,
        record: Option<&Arc<Record>>,
    ) -> Outbound {
        Outbound {
            clients: self.clients.clone(),
            policy,
            credentials,
            limits: Arc::clone(limits),
            record: record.cloned(),
            operation: "describe",
            verdict: Arc::default(),
            waiting: Arc::default(),
        }
    }

    /// A generation failed a call, or to start.
    pub(super) fn fault(&self, generation: &Generation) {
        if generation.failed(self.rollback_after) {
            self.unsound.notify_one();
        }
    }
}
