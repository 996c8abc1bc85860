//! A connection as the operator wrote it, and what it comes to for a provider's schema.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};
use url::Url;

use super::component::ProviderComponent;
use super::policy::Policy;
use crate::config::{ConnectionLimits, ExposeSecret, HostPattern, Secret};

/// A connection as the operator wrote it, with its secrets at hand. What it comes to
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
    pub secrets: BTreeMap<String, Secret>,
    /// What may be reached besides the configured endpoints, each a
    /// [`HostPattern`].
    pub allow_hosts: Vec<String>,
    /// What is different here from the limits of the host.
    pub limits: ConnectionLimits,
}

/// A connection, resolved for one generation of its provider.
pub(crate) struct Resolved {
    /// The configuration for the guest: defaults filled in, secrets left out.
    pub(crate) config: String,
    pub(crate) policy: Arc<Policy>,
    /// What the host adds to requests towards the endpoints.
    pub(crate) credentials: HeaderMap,
}

impl ConnectionSpec {
    /// Fit this connection to a provider. The error is a sentence that names the
    /// connection and the property.
    pub(crate) fn resolve(&self, component: &ProviderComponent) -> Result<Resolved, String> {
        self.fit(component)
            .map_err(|why| format!("[connections.{}]: {why}", self.name))
    }

    fn fit(&self, component: &ProviderComponent) -> Result<Resolved, String> {
        let schema = &component.schema;
        let mut config = self.provider_config.clone();
        let mut secrets = self.secrets.clone();
        let mut endpoints = Vec::new();
        for property in schema.properties() {
            if property.is_secret {
                // Written into the configuration itself, it is a secret all the same.
                if let Some(Value::String(value)) = config.get(&property.name) {
                    let secret = Secret::from(value.as_str());
                    secrets.entry(property.name.clone()).or_insert(secret);
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
        self.check(component, &config, &secrets)?;
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
        Ok(Resolved {
            config: Value::Object(config).to_string(),
            policy: Arc::new(Policy::new(&self.name, endpoints, extra)),
            credentials: credentials(component, &secrets)?,
        })
    }

    /// Check the configuration as the schema sees it: with the secrets in place.
    fn check(
        &self,
        component: &ProviderComponent,
        config: &Map<String, Value>,
        secrets: &BTreeMap<String, Secret>,
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
            whole.insert(
                name.clone(),
                Value::String(secret.expose_secret().to_owned()),
            );
        }
        component
            .schema
            .check(&whole)
            .map_err(|why| format!("provider_config: {why}"))
    }
}

fn credentials(
    component: &ProviderComponent,
    secrets: &BTreeMap<String, Secret>,
) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for credential in component.schema.credentials() {
        let Some(secret) = secrets.get(&credential.property) else {
            continue;
        };
        let invalid = || {
            format!(
                "secrets.{}: it cannot be sent in a header",
                credential.property
            )
        };
        let text = presented(&credential.template, secret.expose_secret());
        let mut value = HeaderValue::try_from(text).map_err(|_| invalid())?;
        value.set_sensitive(true);
        let name = HeaderName::try_from(&credential.header).map_err(|_| invalid())?;
        headers.insert(name, value);
    }
    Ok(headers)
}

/// A secret in its place in a template: as it is, or in base64. Once put there, it is not looked
/// at again.
fn presented(template: &str, secret: &str) -> String {
    if template.contains("{base64}") {
        template.replace("{base64}", &BASE64_STANDARD.encode(secret))
    } else {
        template.replace("{}", secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_presented_as_the_template_says() {
        for (template, secret, expected) in [
            ("Bearer {}", "key", "Bearer key"),
            ("Basic {base64}", "user:pass", "Basic dXNlcjpwYXNz"),
            ("{}", "{base64}", "{base64}"),
        ] {
            assert_eq!(presented(template, secret), expected);
        }
    }
}
