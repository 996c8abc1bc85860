//! Whose spans they are: by ingest key, by header, by resource attribute.

use std::collections::HashMap;

use hmac::{Hmac, KeyInit, Mac};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};
use sha2::Sha256;

use super::ServeError;
use super::answer::{Refusal, RefusalKind};
use super::wire::attribute_text;
use crate::config::{Config, ExposeSecret, TenantId, TenantSource};

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// How tenants are told apart.
pub(super) struct Tenants {
    keys: Keys,
    from: Vec<TenantSource>,
    header: HeaderName,
    attribute: String,
    /// The tenant of spans that name none; none where they are refused.
    default: Option<TenantId>,
}

/// What the head of a request says of its sender.
#[derive(Debug)]
pub(super) struct Sender {
    /// The tenant of the key.
    bound: Option<TenantId>,
    /// The tenant the header names.
    header: Option<TenantId>,
}

/// The tenant that a resource names, if it names one, or why nobody is called that.
pub(super) type Named = Result<Option<TenantId>, String>;

impl Tenants {
    pub(super) async fn new(config: &Config) -> Result<Self, ServeError> {
        let serve = &config.serve;
        Ok(Self {
            keys: Keys::new(config).await?,
            from: serve.tenant_from.clone(),
            header: HeaderName::try_from(&serve.tenant_header)
                .map_err(|_| ServeError::TenantHeader(serve.tenant_header.clone()))?,
            attribute: serve.tenant_attribute.clone(),
            default: (!serve.require_tenant).then(|| config.telemetry.default_tenant_id.clone()),
        })
    }

    /// Whether anybody may send for any tenant.
    pub(super) fn are_open(&self) -> bool {
        self.keys.tenants.is_empty()
    }

    /// Reads the head of a request.
    pub(super) fn sender(&self, headers: &HeaderMap) -> Result<Sender, Refusal> {
        let bound = self.keys.tenant(headers)?;
        let mut header = None;
        if self.from.contains(&TenantSource::Header)
            && let Some(name) = single(headers, &self.header)?
        {
            let tenant = TenantId::new(name)
                .map_err(|error| Refusal::invalid(format!("header {}: {error}", self.header)))?;
            if bound.as_ref().is_some_and(|bound| *bound != tenant) {
                let message = format!(
                    "header {} names a tenant that the key is not of",
                    self.header
                );
                return Err(Refusal::new(RefusalKind::Forbidden, message));
            }
            header = Some(tenant);
        }
        Ok(Sender { bound, header })
    }

    /// The tenant of a request as a whole, where its head settles that.
    pub(super) fn known<'a>(&self, sender: &'a Sender) -> Option<&'a TenantId> {
        let header_first = self.from.first() == Some(&TenantSource::Header);
        let header = sender.header.as_ref().filter(|_| header_first);
        sender.bound.as_ref().or(header)
    }

    /// The tenant that a valid `Resource` message names.
    pub(super) fn named(&self, resource: &[u8]) -> Named {
        if !self.from.contains(&TenantSource::Attribute) {
            return Ok(None);
        }
        let tenant = attribute_text(resource, &self.attribute).map(TenantId::new);
        tenant
            .transpose()
            .map_err(|error| format!("resource attribute {}: {error}", self.attribute))
    }

    /// The tenant of spans in a request, whose resource names this one, or why they are nobody's.
    pub(super) fn tenant(&self, sender: &Sender, named: &Named) -> Result<TenantId, String> {
        if let Some(bound) = &sender.bound {
            return match named.clone()? {
                Some(other) if other != *bound => Err(format!(
                    "resource attribute {} names a tenant that the key is not of",
                    self.attribute
                )),
                _ => Ok(bound.clone()),
            };
        }
        for source in &self.from {
            let named = match source {
                TenantSource::Header => sender.header.clone(),
                TenantSource::Attribute => named.clone()?,
            };
            if let Some(tenant) = named {
                return Ok(tenant);
            }
        }
        let nobody = || {
            format!(
                "no tenant is named: send header {} or resource attribute {}",
                self.header, self.attribute
            )
        };
        self.default.clone().ok_or_else(nobody)
    }
}

/// The ingest keys.
///
/// They are kept, and looked for, as their HMAC under a secret that is made anew with each
/// start: how long a look-up takes then says nothing about a key, and ten thousand keys cost no
/// more than one.
struct Keys {
    mac: Hmac<Sha256>,
    tenants: HashMap<[u8; 32], TenantId>,
}

impl Keys {
    async fn new(config: &Config) -> Result<Self, ServeError> {
        let mac = Hmac::new(&rand::random::<[u8; 64]>().into());
        let mut keys = Self {
            mac,
            tenants: HashMap::new(),
        };
        for (tenant, sources) in &config.serve.keys {
            for source in sources.as_slice() {
                let key = source.resolve().await.map_err(|source| ServeError::Key {
                    tenant: tenant.clone(),
                    source,
                })?;
                let digest = keys.digest(key.expose_secret().as_bytes());
                if let Some(other) = keys.tenants.insert(digest, tenant.clone())
                    && other != *tenant
                {
                    return Err(ServeError::SharedKey {
                        one: other,
                        other: tenant.clone(),
                    });
                }
            }
        }
        Ok(keys)
    }

    /// The tenant of a request's key; none where no keys are configured.
    fn tenant(&self, headers: &HeaderMap) -> Result<Option<TenantId>, Refusal> {
        if self.tenants.is_empty() {
            return Ok(None);
        }
        let refused = |message| Refusal::new(RefusalKind::Unauthenticated, message);
        let key = match single(headers, &AUTHORIZATION)? {
            Some(value) => Some(
                bearer(value).ok_or_else(|| refused("header authorization has no bearer token"))?,
            ),
            None => single(headers, &API_KEY)?,
        };
        let key = key.ok_or_else(|| {
            refused("an ingest key is needed: send `authorization: Bearer KEY` or `x-api-key: KEY`")
        })?;
        match self.tenants.get(&self.digest(key.as_bytes())) {
            Some(tenant) => Ok(Some(tenant.clone())),
            None => Err(refused("the ingest key is not known")),
        }
    }

    fn digest(&self, key: &[u8]) -> [u8; 32] {
        let mut mac = self.mac.clone();
        mac.update(key);
        mac.finalize().into_bytes().into()
    }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The only value of a header.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Refusal::invalid(format!("header {name} is there twice")));
    }
    let text = value.to_str();
    Ok(Some(text.map_err(|_| {
        Refusal::invalid(format!("header {name} is no text"))
    })?))
}
