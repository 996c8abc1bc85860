//! What all providers of a host share: the engine, the HTTP client and the limits.

use std::sync::Arc;
use std::time::Duration;

use super::engine::Engine;
use super::outbound::{Clients, Outbound};
use super::policy::Policy;
use super::quota::Quota;
use super::secrets::Credentials;
use crate::config::LimitsConfig;

/// A number of bytes as this machine addresses them.
pub(super) fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

pub(crate) struct Runtime {
    pub(super) engine: Arc<Engine>,
    clients: Clients,
    pub(super) limits: LimitsConfig,
}

impl Runtime {
    pub(super) fn new(engine: Engine, clients: Clients, limits: LimitsConfig) -> Self {
        Self {
            engine: Arc::new(engine),
            clients,
            limits,
        }
    }

    pub(super) fn call_timeout(&self) -> Duration {
        Duration::from_millis(self.limits.call_timeout_millis)
    }

    pub(super) fn memory_bytes(&self) -> usize {
        size(self.limits.memory_bytes)
    }

    /// A way out for instances under `policy`, as far as `quota` goes.
    pub(super) fn outbound(
        &self,
        policy: Arc<Policy>,
        credentials: Credentials,
        quota: Arc<Quota>,
    ) -> Outbound {
        Outbound {
            clients: self.clients.clone(),
            policy,
            credentials,
            quota,
            request_bytes: size(self.limits.request_bytes),
            response_bytes: size(self.limits.response_bytes),
            verdict: Arc::default(),
        }
    }
}
