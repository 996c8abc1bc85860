//! What an operator may set: `roost.toml`, the environment over it, and the names that
//! follow from both.
//!
//! A configuration is read once, early, and is plain data after that. It is strict: an
//! unknown key is refused with its line, since a misspelt limit that is silently ignored
//! is worse than a start that fails. [`Config::load`] does all of it in order: find the
//! file, read it, lay the environment over it, check the whole.

mod batch;
mod cache;
mod connection;
mod database;
mod document;
mod endpoint;
mod environment;
mod error;
mod host_pattern;
mod identifier;
mod level;
mod limits;
mod load;
mod origin;
mod plugins;
mod project;
mod redaction;
mod sampling;
mod secret;
mod serve;
mod spool;
mod suggestion;
mod telemetry;
mod tenant;
mod validate;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use origin::Origin;

pub use batch::{BatchExportConfig, QueueFullPolicy};
pub use cache::CacheConfig;
pub use connection::{ConnectionConfig, Connections, DEFAULT_CONNECTION, TenantConfig};
pub use database::DatabaseConfig;
pub use endpoint::InvalidEndpoint;
pub(crate) use endpoint::otlp as otlp_url;
pub use environment::{VARIABLES, Variable};
pub use error::{ConfigError, Place, Problem};
pub use host_pattern::HostPattern;
pub use identifier::{IdFault, MAX_ID_LENGTH};
pub use level::{TelemetryLevel, UnknownLevel};
pub use limits::{ConnectionLimits, LimitsConfig};
pub use load::{CONFIG_FILE, CONFIG_VARIABLE};
pub use plugins::PluginsConfig;
pub use project::{InvalidService, InvalidTemplate, ProjectNameError, ProjectNames, TemplateFault};
pub use redaction::{RedactionAction, RedactionConfig, RedactionRule};
pub use sampling::{Sampler, SamplingConfig, UnknownSampler};
pub use secret::{ExposeSecret, Secret, SecretSource};
pub use serve::{Acknowledge, IngestKeys, ServeConfig, ServeTlsConfig, TenantSource};
pub use spool::SpoolConfig;
pub use telemetry::TelemetryConfig;
pub use tenant::{InvalidTenant, TenantId};

/// The whole of `roost.toml`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What is traced, under which names, and where it goes.
    pub telemetry: TelemetryConfig,
    /// Where providers are found, and how they are swapped.
    pub plugins: PluginsConfig,
    /// What a provider may use.
    pub limits: LimitsConfig,
    /// Where the databases are that the host keeps for providers.
    pub database: DatabaseConfig,
    /// How long the answers of backends are kept.
    pub cache: CacheConfig,
    /// The OTLP gateway, `roost serve`.
    pub serve: ServeConfig,
    /// What the gateway does to attributes before anything leaves.
    pub redaction: RedactionConfig,
    /// Providers with what they need to reach their backends.
    pub connections: Connections,
    /// What is particular to a tenant.
    pub tenants: BTreeMap<TenantId, TenantConfig>,
    /// Where the values come from.
    #[serde(skip)]
    origin: Origin,
}

impl Config {
    /// The name of a tenant's connection: the one its entry names, else `default`.
    #[must_use]
    pub fn connection_name_for(&self, tenant: &TenantId) -> &str {
        match self.tenants.get(tenant) {
            Some(entry) => &entry.connection,
            None => DEFAULT_CONNECTION,
        }
    }

    /// A tenant's connection. None only where the tenant's entry names one that does not
    /// exist, which [`validate`](Self::validate) refuses: falling back to another would
    /// take the tenant's data to a backend it is not meant for.
    #[must_use]
    pub fn connection_for(&self, tenant: &TenantId) -> Option<&ConnectionConfig> {
        self.connections.get(self.connection_name_for(tenant))
    }

    /// Whether a `PHOENIX_*` variable says how the default connection's backend is reached.
    pub(crate) fn environment_means_phoenix(&self) -> bool {
        let keys = [
            "provider_config.http_endpoint",
            "provider_config.grpc_endpoint",
            "secrets.api_key",
        ];
        let place = |key| self.origin.place(&format!("connections.default.{key}"));
        keys.into_iter()
            .any(|key| matches!(place(key), Place::Variable(_)))
    }

    /// Whether somebody said where spans go. Otherwise a provider's own endpoint wins.
    pub(crate) fn names_otlp_endpoint(&self) -> bool {
        self.telemetry.otlp_endpoint != telemetry::DEFAULT_OTLP_ENDPOINT
            || !matches!(
                self.origin.place("telemetry.otlp_endpoint"),
                Place::Application
            )
    }
}
