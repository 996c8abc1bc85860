//! What must not leave: rules over attributes.

use std::path::PathBuf;

use regex::Regex;
use serde::{Deserialize, Serialize};

use super::SecretSource;

/// `[redaction]`: what the gateway does to attributes before anything leaves. Rules are applied
/// one after the other, each to what the one before left.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedactionConfig {
    /// The secret of `hash`, so that nobody finds a value by trying likely ones. Needed as soon
    /// as a rule hashes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash_secret: Option<SecretSource>,
    /// The rules.
    pub rules: Vec<RedactionRule>,
}

impl RedactionConfig {
    pub(super) fn path_mut(&mut self) -> Option<&mut PathBuf> {
        self.hash_secret.as_mut().and_then(SecretSource::file_mut)
    }
}

/// `[[redaction.rules]]`: which attributes, and what becomes of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedactionRule {
    /// The attribute's key; `*` stands for any text. What lies in an attribute of attributes
    /// has the path as its key: `user.email`. Default `*`.
    #[serde(default = "any_key")]
    pub key: String,
    /// A regular expression: only what it matches in a value is redacted, and values it does
    /// not match stay. None, the default: the whole value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// What becomes of it.
    pub action: RedactionAction,
}

/// What becomes of an attribute, or of what a pattern matches in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RedactionAction {
    /// `"drop"`: the whole attribute goes.
    Drop,
    /// `"hash"`: 32 hexadecimal digits of its HMAC-SHA-256 take its place.
    Hash,
    /// `{ truncate = n }`: so many characters of each text stay, or bytes of bytes.
    Truncate(usize),
    /// `{ replace = "text" }`: the text takes its place.
    Replace(String),
}

impl RedactionRule {
    /// The expression of `key`.
    pub(crate) fn key_pattern(&self) -> Result<Regex, regex::Error> {
        let parts: Vec<_> = self.key.split('*').map(regex::escape).collect();
        Regex::new(&format!("(?s)^{}$", parts.join(".*")))
    }

    /// The expression of `value`.
    pub(crate) fn value_pattern(&self) -> Result<Option<Regex>, regex::Error> {
        self.value.as_deref().map(Regex::new).transpose()
    }
}

fn any_key() -> String {
    "*".to_owned()
}
