//! Redaction: what must not leave is taken out of the bytes while they pass.
//!
//! Rules look at attributes: of resources, scopes, spans, events and links, and inside
//! attributes that hold attributes. Names and status messages are left as they are. A message
//! no rule touches is handed on as it is, without a copy.

mod rewrite;
mod rule;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;

use crate::config::{ConfigError, ExposeSecret, RedactionConfig};
use rewrite::{RESOURCE, SCOPE, SPAN, Shape, rewrite};
use rule::Rule;

/// Why the rules cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedactionError {
    /// The secret of `hash` cannot be had.
    #[error("redaction.hash_secret: {0}")]
    Secret(#[source] ConfigError),
    /// It is no key for HMAC-SHA-256.
    #[error("redaction.hash_secret: it is no key for HMAC-SHA-256")]
    Key,
    /// A pattern is none.
    #[error("redaction.rules: {0}")]
    Pattern(#[from] regex::Error),
}

/// The rules, ready for use. A clone is another handle to the same.
#[derive(Clone, Debug)]
pub(super) struct Redactor {
    rules: Arc<[Rule]>,
}

impl Redactor {
    pub(super) async fn new(config: &RedactionConfig) -> Result<Self, RedactionError> {
        let secret = match &config.hash_secret {
            Some(source) => Some(source.resolve().await.map_err(RedactionError::Secret)?),
            None => None,
        };
        let secret = secret.as_ref().map_or("", |secret| secret.expose_secret());
        let rules = config.rules.iter().map(|rule| Rule::new(rule, secret));
        Ok(Self {
            rules: rules.collect::<Result<_, _>>()?,
        })
    }

    /// A valid `Span` message.
    pub(super) fn span<'a>(&self, span: &'a [u8]) -> Cow<'a, [u8]> {
        self.message(&SPAN, span)
    }

    /// A valid `Resource` message.
    pub(super) fn resource<'a>(&self, resource: &'a [u8]) -> Cow<'a, [u8]> {
        self.message(&RESOURCE, resource)
    }

    /// A valid `InstrumentationScope` message.
    pub(super) fn scope<'a>(&self, scope: &'a [u8]) -> Cow<'a, [u8]> {
        self.message(&SCOPE, scope)
    }

    fn message<'a>(&self, shape: &Shape, message: &'a [u8]) -> Cow<'a, [u8]> {
        if self.rules.is_empty() {
            return Cow::Borrowed(message);
        }
        match rewrite(&self.rules, shape, message) {
            Some(changed) => Cow::Owned(changed),
            None => Cow::Borrowed(message),
        }
    }
}
