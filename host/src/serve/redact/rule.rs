//! A rule, and what it makes of a value.

use hmac::{Hmac, KeyInit, Mac};
use regex::{NoExpand, Regex};
use sha2::Sha256;

use super::super::wire::any_value::{ARRAY, BYTES, KEY_VALUE_LIST, TEXT, kind, plain};
use super::super::wire::{Change, Value, each_field, key_and_value, pair_of, put_bytes};
use super::RedactionError;
use crate::config::{RedactionAction, RedactionRule};

/// How many of a hash's 32 bytes are written: enough that no two values share them.
const HASH_BYTES: usize = 16;

#[derive(Debug)]
pub(super) struct Rule {
    key: Key,
    value: Option<Regex>,
    action: Action,
}

/// Which keys a rule is about. Most rules name one, or mean all.
#[derive(Debug)]
enum Key {
    Any,
    Exactly(String),
    Like(Regex),
}

enum Action {
    Drop,
    Hash(Hmac<Sha256>),
    Truncate(usize),
    Replace(String),
}

impl std::fmt::Debug for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Drop => "Drop",
            Self::Hash(_) => "Hash",
            Self::Truncate(_) => "Truncate",
            Self::Replace(_) => "Replace",
        })
    }
}

impl Rule {
    pub(super) fn new(rule: &RedactionRule, secret: &str) -> Result<Self, RedactionError> {
        Ok(Self {
            key: match rule.key.as_str() {
                "*" => Key::Any,
                key if key.contains('*') => Key::Like(rule.key_pattern()?),
                key => Key::Exactly(key.to_owned()),
            },
            value: rule.value_pattern()?,
            action: match &rule.action {
                RedactionAction::Drop => Action::Drop,
                RedactionAction::Hash => Action::Hash(
                    Hmac::new_from_slice(secret.as_bytes()).map_err(|_| RedactionError::Key)?,
                ),
                RedactionAction::Truncate(most) => Action::Truncate(*most),
                RedactionAction::Replace(text) => Action::Replace(text.clone()),
            },
        })
    }

    /// What becomes of the value of this key, an `AnyValue` message. Where the rule is not about
    /// this key, it may be about one inside.
    pub(super) fn run(&self, key: &str, value: &[u8]) -> Change {
        if self.is_about(key) {
            return self.apply(value);
        }
        self.descend(value, |rule, inner_key, inner| match inner_key {
            Some(inner_key) => rule.run(&format!("{key}.{inner_key}"), inner),
            None => rule.run(key, inner),
        })
    }

    fn is_about(&self, key: &str) -> bool {
        match &self.key {
            Key::Any => true,
            Key::Exactly(wanted) => wanted == key,
            Key::Like(pattern) => pattern.is_match(key),
        }
    }

    fn apply(&self, value: &[u8]) -> Change {
        let is_inner = matches!(kind(value), Some((ARRAY | KEY_VALUE_LIST, _)));
        // What is inside is looked at by itself, unless the whole is meant.
        if is_inner && (self.value.is_some() || matches!(self.action, Action::Truncate(_))) {
            return self.descend(value, |rule, _, inner| rule.apply(inner));
        }
        match &self.value {
            Some(pattern) => self.apply_to_matches(pattern, value),
            None => self.apply_to_whole(value),
        }
    }

    fn apply_to_whole(&self, value: &[u8]) -> Change {
        let Some((field, content)) = kind(value) else {
            return match self.action {
                Action::Drop => Change::Drop,
                _ => Change::None,
            };
        };
        match (&self.action, content) {
            (Action::Drop, _) => Change::Drop,
            (Action::Replace(text), _) => Change::To(text_value(text)),
            (Action::Hash(mac), Value::Bytes(bytes)) => Change::To(text_value(&hash(mac, bytes))),
            (Action::Hash(mac), _) => {
                let text = plain(value).unwrap_or_default();
                Change::To(text_value(&hash(mac, text.as_bytes())))
            }
            (Action::Truncate(most), Value::Bytes(bytes)) => {
                let end = if field == BYTES {
                    *most
                } else {
                    let text = std::str::from_utf8(bytes).unwrap_or_default();
                    characters(text, *most).len()
                };
                match bytes.get(..end) {
                    Some(start) if start.len() < bytes.len() => {
                        let mut out = Vec::with_capacity(start.len() + 6);
                        put_bytes(field, start, &mut out);
                        Change::To(out)
                    }
                    _ => Change::None,
                }
            }
            (Action::Truncate(_), _) => Change::None,
        }
    }

    fn apply_to_matches(&self, pattern: &Regex, value: &[u8]) -> Change {
        let Some(text) = plain(value).filter(|text| pattern.is_match(text)) else {
            return Change::None;
        };
        let changed = match &self.action {
            Action::Drop => return Change::Drop,
            Action::Replace(with) => pattern.replace_all(&text, NoExpand(with)),
            Action::Hash(mac) => pattern.replace_all(&text, |found: &regex::Captures<'_>| {
                hash(mac, found.get_match().as_str().as_bytes())
            }),
            Action::Truncate(most) => pattern.replace_all(&text, |found: &regex::Captures<'_>| {
                characters(found.get_match().as_str(), *most).to_owned()
            }),
        };
        Change::To(text_value(&changed))
    }

    /// Runs over what is in an array or a list of pairs. What goes takes its place along.
    fn descend(
        &self,
        value: &[u8],
        mut run: impl FnMut(&Self, Option<&str>, &[u8]) -> Change,
    ) -> Change {
        let changed = each_field(value, |field, content| {
            let inner = match field.number {
                ARRAY => each_field(content, |item, content| match item.number {
                    1 => run(self, None, content),
                    _ => Change::None,
                }),
                KEY_VALUE_LIST => each_field(content, |item, content| {
                    if item.number != 1 {
                        return Change::None;
                    }
                    let (key, value) = key_and_value(content);
                    match run(self, Some(key), value) {
                        Change::To(value) => Change::To(pair_of(key, &value)),
                        other => other,
                    }
                }),
                _ => None,
            };
            inner.map_or(Change::None, Change::To)
        });
        changed.map_or(Change::None, Change::To)
    }
}

/// An `AnyValue` message that holds a text.
fn text_value(text: &str) -> Vec<u8> {
    let mut value = Vec::with_capacity(text.len() + 6);
    put_bytes(TEXT, text.as_bytes(), &mut value);
    value
}

/// The first characters of a text.
fn characters(text: &str, most: usize) -> &str {
    match text.char_indices().nth(most) {
        Some((end, _)) => text.get(..end).unwrap_or(text),
        None => text,
    }
}

fn hash(mac: &Hmac<Sha256>, bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    let mut mac = mac.clone();
    mac.update(bytes);
    let mut text = String::with_capacity(2 * HASH_BYTES);
    for byte in mac.finalize().into_bytes().iter().take(HASH_BYTES) {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
