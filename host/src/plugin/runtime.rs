//! What all providers of a host share: the engine, the HTTP client and the limits.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use super::engine::Engine;
use super::outbound::Outbound;
use super::policy::Policy;
use crate::config::LimitsConfig;

/// A number of bytes as this machine addresses them.
pub(super) fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

pub(crate) struct Runtime {
    pub(super) engine: Arc<Engine>,
    client: reqwest::Client,
    pub(super) limits: LimitsConfig,
}

impl Runtime {
    pub(super) fn new(engine: Engine, client: reqwest::Client, limits: LimitsConfig) -> Self {
        Self {
            engine: Arc::new(engine),
            client,
            limits,
        }
    }

    pub(super) fn call_timeout(&self) -> Duration {
        Duration::from_millis(self.limits.call_timeout_millis)
    }

    pub(super) fn memory_bytes(&self) -> usize {
        size(self.limits.memory_bytes)
    }

    /// A way out for instances under `policy`.
    pub(super) fn outbound(&self, policy: Arc<Policy>, credentials: HeaderMap) -> Outbound {
        Outbound {
            client: self.client.clone(),
            policy,
            credentials,
            request_bytes: size(self.limits.request_bytes),
            response_bytes: size(self.limits.response_bytes),
            refusal: Arc::default(),
        }
    }
}
