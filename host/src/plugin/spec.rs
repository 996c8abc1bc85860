//! A connection as the operator wrote it, and what it comes to for a provider's schema.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use url::Url;

use super::component::ProviderComponent;
#[cfg(feature = "database")]
use super::database::Database;
use super::limits::Limits;
use super::policy::Policy;
use super::secrets::{Credentials, Held, Secrets, Values};
use crate::config::{
    ConnectionLimits, DatabaseConfig, ExposeSecret, HostPattern, Secret, SecretSource,
};

/// A connection as the operator wrote it, with where its secrets are. What it comes to
/// depends on the provider's schema, so it is resolved anew for each generation.
#[derive(Debug, Clone)]
pub struct ConnectionSpec {
    /// Its name in `roost.toml`.
    pub name: String,
    /// The name of its provider.
    pub provider: String,
    /// What the provider is configured with: fits the provider's schema.
    pub provider_config: Map<String, Value>,
    /// The values of those properties that the schema marks as secret.
    pub secrets: BTreeMap<String, SecretSource>,
    /// After how long secrets from files and commands are read again.
    pub secrets_refresh: Duration,
    /// What may be reached besides the configured endpoints, each a
    /// [`HostPattern`].
    pub allow_hosts: Vec<String>,
    /// What is different here from the limits of the host.
    pub limits: ConnectionLimits,
    /// Where the database is that the host keeps for the provider.
    pub database: DatabaseSpec,
}

/// Where the database of a connection is, and how much it may hold.
#[derive(Debug, Clone)]
pub struct DatabaseSpec {
    /// `postgres://...`, or `sqlite:` and a path that is relative to `folder`. None: a SQLite
    /// file in `folder` that bears the connection's name.
    pub address: Option<SecretSource>,
    /// The folder of SQLite files; none for `roost` in the user's data folder.
    pub folder: Option<PathBuf>,
    /// How many bytes the database may have.
    pub max_bytes: u64,
}

impl Default for DatabaseSpec {
    fn default() -> Self {
        Self {
            address: None,
            folder: None,
            max_bytes: DatabaseConfig::default().max_bytes,
        }
    }
}

/// A connection, resolved for one generation of its provider.
pub(crate) struct Resolved {
    /// The configuration for the guest: defaults filled in, secrets left out.
    pub(crate) config: String,
    pub(crate) policy: Arc<Policy>,
    pub(crate) credentials: Credentials,
    #[cfg(feature = "database")]
    pub(crate) database: Arc<Database>,
}

impl ConnectionSpec {
    /// Fit this connection to a provider. The error is a sentence that names the
    /// connection and the property.
    pub(crate) fn resolve(
        &self,
        component: &ProviderComponent,
        secrets: &Arc<Secrets>,
        held: &Held,
        limits: &Limits,
    ) -> Result<Resolved, String> {
        self.fit(component, secrets, held, limits)
            .map_err(|why| format!("[connections.{}]: {why}", self.name))
    }

    fn fit(
        &self,
        component: &ProviderComponent,
        secrets: &Arc<Secrets>,
        held: &Held,
        limits: &Limits,
    ) -> Result<Resolved, String> {
        #[cfg(not(feature = "database"))]
        let _ = limits;
        let schema = &component.schema;
        let mut config = self.provider_config.clone();
        let mut inline = Values::new();
        let mut endpoints = Vec::new();
        for property in schema.properties() {
            if property.is_secret {
                // Written into the configuration itself, it is a secret all the same.
                if let Some(Value::String(value)) = config.get(&property.name) {
                    inline.insert(property.name.clone(), Secret::from(value.as_str()));
                    config.remove(&property.name);
                }
            } else if let Some(default) = &property.default {
                config
                    .entry(&property.name)
                    .or_insert_with(|| default.clone());
            }
            if property.is_endpoint
                && let Some(address) = config.get(&property.name).and_then(Value::as_str)
            {
                let origin = Url::parse(address).ok().as_ref().and_then(HostPattern::of);
                let origin = origin.ok_or_else(|| {
                    let key = &property.name;
                    format!("provider_config.{key}: must be a URL such as `http://localhost:6006`")
                })?;
                // A default is the provider's own word, which may not lead off this machine.
                if self.provider_config.contains_key(&property.name) || origin.is_this_machine() {
                    endpoints.push(origin);
                }
            }
        }
        self.check(component, &config, held.values.iter().chain(&inline))?;
        let is_secret = |name: &str| {
            schema
                .properties()
                .iter()
                .any(|p| p.is_secret && p.name == name)
        };
        config.retain(|name, _| !is_secret(name));
        let extra = self
            .allow_hosts
            .iter()
            .map(|text| {
                HostPattern::parse(text).map_err(|why| format!("allow_hosts: `{text}` {why}"))
            })
            .collect::<Result<_, _>>()?;
        let credentials = Credentials::new(Arc::clone(secrets), inline, schema.credentials());
        credentials.headers_of(held)?;
        Ok(Resolved {
            config: Value::Object(config).to_string(),
            policy: Arc::new(Policy::new(&self.name, endpoints, extra)),
            credentials,
            #[cfg(feature = "database")]
            database: Arc::new(Database::new(&self.name, &self.database, limits)),
        })
    }

    /// Check the configuration as the schema sees it: with the secrets in place.
    fn check<'a>(
        &self,
        component: &ProviderComponent,
        config: &Map<String, Value>,
        secrets: impl Iterator<Item = (&'a String, &'a Secret)>,
    ) -> Result<(), String> {
        let mut whole = config.clone();
        for (name, secret) in secrets {
            let known = component.schema.properties().iter();
            if !known.clone().any(|p| p.is_secret && p.name == *name) {
                let names: Vec<_> = known.filter(|p| p.is_secret).map(|p| &*p.name).collect();
                return Err(format!(
                    "secrets.{name}: the provider {} has no such secret; it has: {}",
                    self.provider,
                    if names.is_empty() {
                        "none".to_owned()
                    } else {
                        names.join(", ")
                    }
                ));
            }
            let value = || Value::String(secret.expose_secret().to_owned());
            whole.entry(name.clone()).or_insert_with(value);
        }
        component
            .schema
            .check(&whole)
            .map_err(|why| format!("provider_config: {why}"))
    }
}
