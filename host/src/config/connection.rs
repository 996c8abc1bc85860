//! Connections: a provider with its configuration, and which tenant has which.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ConnectionLimits, SamplingConfig, SecretSource};

/// The name of the connection that is always there.
pub const DEFAULT_CONNECTION: &str = "default";

/// `[connections.<name>]`: a provider and what it needs to reach its backend. Tenants with
/// the same connection share its warm instances.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConnectionConfig {
    /// The provider's name: its file's stem in the plugins folder. None, the default: the
    /// only provider in the folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// What the provider is initialised with; its own schema says what may be there. Here
    /// is no place for a secret: a guest reads all of it.
    pub provider_config: serde_json::Map<String, serde_json::Value>,
    /// The secrets by the names the provider's schema gives them. The host adds them to
    /// requests; a guest never reads one.
    pub secrets: BTreeMap<String, SecretSource>,
    /// After how long secrets from files and commands are read again; after an answer `401`
    /// they are at once. Seconds, 1 to 31,536,000; default 300.
    pub secrets_refresh_seconds: u64,
    /// Hosts the provider may reach besides its endpoints, each a [`HostPattern`](super::HostPattern):
    /// `scheme://host:port`, the host as `*.example.com` for all that are below a name.
    pub allow_hosts: Vec<String>,
    /// Where the provider's database is, for those that keep their own data: `sqlite:` and a
    /// path that is relative to the folder of `[database]`, or `postgres://` and a server. It
    /// may hold a password, so it is treated as a secret. None, the default: a SQLite file in
    /// that folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<SecretSource>,
    /// Whether the backend's answers are kept as `[cache]` says. Default true.
    pub cache: bool,
    /// What the provider may use here, where that differs from `[limits]`.
    pub limits: ConnectionLimits,
}

impl Default for ConnectionConfig {
    fn default() -> Self {
        Self {
            provider: None,
            provider_config: serde_json::Map::new(),
            secrets: BTreeMap::new(),
            secrets_refresh_seconds: 300,
            allow_hosts: Vec::new(),
            database: None,
            cache: true,
            limits: ConnectionLimits::default(),
        }
    }
}

/// `[connections]`: all of them. The default one is always there, so a tenant nobody wrote
/// down has a connection too.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(
    from = "BTreeMap<String, ConnectionConfig>",
    into = "BTreeMap<String, ConnectionConfig>"
)]
pub struct Connections {
    /// `[connections.default]`: of every tenant that names no other.
    pub default: ConnectionConfig,
    /// The others, by name.
    pub named: BTreeMap<String, ConnectionConfig>,
}

impl Connections {
    /// The connection of a name, if there is one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&ConnectionConfig> {
        match name {
            DEFAULT_CONNECTION => Some(&self.default),
            _ => self.named.get(name),
        }
    }

    /// Every connection with its name, the default one first.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ConnectionConfig)> {
        let named = self.named.iter();
        std::iter::once((DEFAULT_CONNECTION, &self.default))
            .chain(named.map(|(name, connection)| (name.as_str(), connection)))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut ConnectionConfig> {
        std::iter::once(&mut self.default).chain(self.named.values_mut())
    }
}

impl From<BTreeMap<String, ConnectionConfig>> for Connections {
    fn from(mut named: BTreeMap<String, ConnectionConfig>) -> Self {
        Self {
            default: named.remove(DEFAULT_CONNECTION).unwrap_or_default(),
            named,
        }
    }
}

impl From<Connections> for BTreeMap<String, ConnectionConfig> {
    fn from(connections: Connections) -> Self {
        let mut all = connections.named;
        all.insert(DEFAULT_CONNECTION.to_owned(), connections.default);
        all
    }
}

/// `[tenants.<id>]`: what is particular to a tenant. A tenant without an entry has the
/// defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TenantConfig {
    /// The name of the tenant's connection. Default `default`.
    pub connection: String,
    /// Which of its traces are recorded. None, the default: as `[telemetry.sampling]` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampling: Option<SamplingConfig>,
}

impl Default for TenantConfig {
    fn default() -> Self {
        Self {
            connection: DEFAULT_CONNECTION.to_owned(),
            sampling: None,
        }
    }
}
