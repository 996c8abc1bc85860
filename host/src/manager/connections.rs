//! Which connection a tenant has, and the providers behind them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use crate::config::{
    CacheConfig, Config, ConnectionConfig, DEFAULT_CONNECTION, DatabaseConfig, TenantId,
};
use crate::plugin::{ConnectionSpec, DatabaseSpec, Host, ProviderStatus};
use crate::provider::{Provider, ReadCache, Scope};

/// Why a tenant has no provider.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The manager was started without a plugins folder.
    #[error("this telemetry manager has no plugins folder, so it only exports spans")]
    NoHost,
    /// The connection names no provider, and there is none to take.
    #[error(
        "there is no provider in {folder}: drop one there, such as phoenix.wasm, or name it with \
         `provider` under [connections.{connection}] in roost.toml"
    )]
    NoProvider {
        /// The plugins folder.
        folder: String,
        /// The connection.
        connection: String,
    },
    /// The connection names no provider, and there are several to choose from.
    #[error(
        "several providers are in the plugins folder ({}): say which with `provider` under \
         [connections.{connection}] in roost.toml", found.join(", ")
    )]
    Ambiguous {
        /// The connection.
        connection: String,
        /// The providers that are there.
        found: Vec<String>,
    },
    /// The tenant names a connection that is not configured.
    #[error("tenant `{tenant}` has connection `{connection}`, which roost.toml does not have")]
    Unknown {
        /// The tenant.
        tenant: TenantId,
        /// The connection.
        connection: String,
    },
    /// There is no connection of this name.
    #[error("roost.toml has no connection `{0}`")]
    NotConfigured(String),
}

/// The connections in use. Tenants with the same one share its instances.
pub(super) struct Connections {
    host: Option<Host>,
    open: Mutex<HashMap<Key, Provider>>,
    cache: Option<ReadCache>,
    had_provider: AtomicBool,
}

/// What tells connections apart: the name, and what a project sets differently.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    connection: String,
    provider: String,
    http_endpoint: Option<String>,
}

impl Connections {
    pub(super) fn new(host: Option<Host>, cache: &CacheConfig) -> Self {
        let cache = cache
            .enabled
            .then(|| ReadCache::new(cache.ttl(), cache.max_bytes));
        Self {
            host,
            open: Mutex::default(),
            cache,
            had_provider: AtomicBool::new(false),
        }
    }

    pub(super) fn host(&self) -> Option<&Host> {
        self.host.as_ref()
    }

    /// Where answers are kept, if they are.
    pub(super) fn cache(&self) -> Option<&ReadCache> {
        self.cache.as_ref()
    }

    /// The provider of a tenant, with an `http_endpoint` of its own where it has one.
    pub(super) fn provider(
        &self,
        config: &Config,
        tenant: &TenantId,
        http_endpoint: Option<&str>,
        scope: Scope,
    ) -> Result<Provider, ConnectionError> {
        let name = config.connection_name_for(tenant);
        let connection = config
            .connection_for(tenant)
            .ok_or_else(|| ConnectionError::Unknown {
                tenant: tenant.clone(),
                connection: name.to_owned(),
            })?;
        self.open(config, name, connection, http_endpoint, scope)
    }

    /// The provider of a connection.
    pub(super) fn named(
        &self,
        config: &Config,
        name: &str,
        scope: Scope,
    ) -> Result<Provider, ConnectionError> {
        let connection = config.connections.get(name);
        let connection =
            connection.ok_or_else(|| ConnectionError::NotConfigured(name.to_owned()))?;
        self.open(config, name, connection, None, scope)
    }

    fn open(
        &self,
        config: &Config,
        name: &str,
        connection: &ConnectionConfig,
        http_endpoint: Option<&str>,
        scope: Scope,
    ) -> Result<Provider, ConnectionError> {
        let host = self.host.as_ref().ok_or(ConnectionError::NoHost)?;
        let provider = match &connection.provider {
            Some(provider) => provider.clone(),
            None => only_provider(host, config, name, connection)?,
        };
        let key = Key {
            connection: name.to_owned(),
            provider,
            http_endpoint: http_endpoint.map(str::to_owned),
        };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(provider) = open.get(&key) {
            return Ok(provider.scoped(scope));
        }
        let spec = spec(&key, connection, &config.database);
        let mut provider = Provider::connect(host, spec, scope);
        if let Some(cache) = self.cache.as_ref().filter(|_| connection.cache) {
            provider = provider.with_cache(cache);
        }
        open.insert(key, provider.clone());
        Ok(provider)
    }

    /// Whether a provider says where the spans of a tenant go. Without one they go to the
    /// configured OTLP endpoint.
    pub(super) fn has_provider(&self, config: &Config, tenant: &TenantId) -> bool {
        let named = config
            .connection_for(tenant)
            .is_some_and(|connection| connection.provider.is_some());
        let Some(host) = &self.host else {
            return false;
        };
        if host.has_providers() {
            self.had_provider.store(true, Ordering::Relaxed);
        }
        // A provider that is away for a moment must not send its spans elsewhere.
        named || self.had_provider.load(Ordering::Relaxed)
    }
}

/// The provider that a connection has which names none, where there are several.
const DEFAULT_PROVIDER: &str = "local";
/// The one that the `PHOENIX_*` variables are for.
const PHOENIX: &str = "phoenix";

/// The provider of a connection that names none: the only one that serves, or, while none
/// does, the only file. Of several, the one that can have what is configured; `phoenix` where that
/// comes from its variables, and else `local`. Those that come with Roost count where the plugins
/// folder itself has none.
fn only_provider(
    host: &Host,
    config: &Config,
    name: &str,
    connection: &ConnectionConfig,
) -> Result<String, ConnectionError> {
    let mut providers = host.providers();
    if providers.iter().any(|p| !host.is_shipped(&p.name)) {
        providers.retain(|p| !host.is_shipped(&p.name));
    }
    if providers.iter().any(|p| p.generation.is_some()) {
        providers.retain(|p| p.generation.is_some());
    }
    if providers.iter().any(|p| can_have(p, connection)) {
        providers.retain(|p| can_have(p, connection));
    }
    let by_variables = name == DEFAULT_CONNECTION && config.environment_means_phoenix();
    let preferred = if by_variables {
        PHOENIX
    } else {
        DEFAULT_PROVIDER
    };
    if providers.iter().any(|p| p.name == preferred) {
        return Ok(preferred.to_owned());
    }
    let mut found: Vec<String> = providers.into_iter().map(|p| p.name).collect();
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => Ok(only),
        (None, _) => Err(ConnectionError::NoProvider {
            folder: host.folder().display().to_string(),
            connection: name.to_owned(),
        }),
        (Some(last), false) => {
            found.push(last);
            Err(ConnectionError::Ambiguous {
                connection: name.to_owned(),
                found,
            })
        }
    }
}

/// Whether a provider knows every key that a connection configures.
fn can_have(provider: &ProviderStatus, connection: &ConnectionConfig) -> bool {
    let schema = provider
        .generation
        .as_ref()
        .map(|it| &it.info.config_schema);
    let schema = schema.and_then(|schema| serde_json::from_str::<Value>(schema).ok());
    let schema = schema.unwrap_or_default();
    let known = schema.get("properties").and_then(Value::as_object);
    let mut keys = connection
        .provider_config
        .keys()
        .chain(connection.secrets.keys());
    keys.all(|key| known.is_some_and(|known| known.contains_key(key)))
}

fn spec(key: &Key, config: &ConnectionConfig, database: &DatabaseConfig) -> ConnectionSpec {
    let mut provider_config = config.provider_config.clone();
    if let Some(endpoint) = &key.http_endpoint {
        let endpoint = Value::String(endpoint.clone());
        provider_config.insert("http_endpoint".to_owned(), endpoint);
    }
    ConnectionSpec {
        name: key.connection.clone(),
        provider: key.provider.clone(),
        provider_config,
        secrets: config.secrets.clone(),
        secrets_refresh: Duration::from_secs(config.secrets_refresh_seconds),
        allow_hosts: config.allow_hosts.clone(),
        limits: config.limits.clone(),
        database: DatabaseSpec {
            address: config.database.clone(),
            folder: database.folder.clone(),
            max_bytes: database.max_bytes,
        },
    }
}
