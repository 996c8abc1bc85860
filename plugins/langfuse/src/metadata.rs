//! Metadata of an observation. Langfuse takes objects apart, so keys have dots, and keeps values as
//! texts: `5` and `"5"` are one to it.

use std::collections::BTreeMap;

use roost_provider::types::AttributeValue;
use serde::Deserialize;
use serde_json::Value;

/// What the attributes of a span are below.
pub(crate) const ATTRIBUTES: &str = "attributes.";

/// What the attributes of its resource are below.
pub(crate) const RESOURCE: &str = "resourceAttributes.";

/// What is known of the library that made it.
pub(crate) const SCOPE: &str = "scope.";

/// From where a text may have been cut: at 200 characters, unless it was asked for by its key.
/// Less than that, should bytes be counted and the last character be lost.
const MAYBE_CUT: usize = 197;

/// Metadata: no value is an object.
#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(from = "Value")]
pub(crate) struct Metadata(BTreeMap<String, Value>);

impl From<Value> for Metadata {
    fn from(value: Value) -> Self {
        fn flatten(path: &str, value: Value, into: &mut BTreeMap<String, Value>) {
            match value {
                Value::Null => {}
                Value::Object(members) => {
                    for (key, value) in members {
                        let path = if path.is_empty() {
                            key
                        } else {
                            format!("{path}.{key}")
                        };
                        flatten(&path, value, into);
                    }
                }
                value => {
                    into.insert(path.to_owned(), value);
                }
            }
        }

        let mut members = BTreeMap::new();
        // Something else than an object has no keys.
        if value.is_object() {
            flatten("", value, &mut members);
        }
        Self(members)
    }
}

impl Metadata {
    /// The text of a key.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.as_str()
    }

    /// Take the values of these keys from `whole`.
    pub(crate) fn replace(&mut self, keys: &[String], whole: &mut Self) {
        for key in keys {
            if let Some(value) = whole.0.remove(key) {
                self.0.insert(key.clone(), value);
            }
        }
    }

    /// The keys of values that may have been cut.
    pub(crate) fn maybe_cut(&self) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(|(_, value)| value.as_str().is_some_and(|text| text.len() >= MAYBE_CUT))
            .map(|(key, _)| key.as_str())
    }
}

impl IntoIterator for Metadata {
    type Item = (String, Value);
    type IntoIter = std::collections::btree_map::IntoIter<String, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// The attribute's value that was kept: a text that reads like a number, a truth value or a list
/// was one, as far as anybody can tell.
pub(crate) fn attribute_value(value: Value) -> AttributeValue {
    match value {
        Value::String(text) => typed(text),
        Value::Bool(value) => AttributeValue::Boolean(value),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => AttributeValue::Integer(integer),
            (None, Some(number)) => AttributeValue::Number(number),
            (None, None) => AttributeValue::Text(number.to_string()),
        },
        nested => AttributeValue::Json(nested.to_string()),
    }
}

fn typed(text: String) -> AttributeValue {
    let Some(first) = text.bytes().next() else {
        return AttributeValue::Text(text);
    };
    // As JSON writes them, so `007`, `+1`, `1e999` and `NaN` stay texts.
    let read = match first {
        b'-' | b'0'..=b'9' | b't' | b'f' | b'[' => serde_json::from_str(&text).ok(),
        _ => None,
    };
    match read {
        Some(Value::Array(items)) if items.iter().any(|it| it.is_array() || it.is_object()) => {
            // An attribute holds no such list.
            AttributeValue::Text(text)
        }
        Some(Value::Array(_)) => AttributeValue::Json(text),
        Some(value @ (Value::Bool(_) | Value::Number(_))) if is_spelled_so(&text) => {
            attribute_value(value)
        }
        _ => AttributeValue::Text(text),
    }
}

/// JSON lets spaces stand around a value.
fn is_spelled_so(text: &str) -> bool {
    !text.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nested_and_flat_metadata_are_the_same() {
        let flat = json!({ "attributes.a.b": "1", "attributes.a.c": "x", "k": "v" });
        let nested = json!({ "attributes": { "a": { "b": "1", "c": "x" } }, "k": "v", "no": null });
        assert_eq!(Metadata::from(flat), Metadata::from(nested));
        for nothing in [json!(null), json!("text"), json!([1])] {
            assert_eq!(Metadata::from(nothing), Metadata::default());
        }
    }

    #[test]
    fn a_text_has_the_type_that_it_reads_like() {
        let text = |text: &str| AttributeValue::Text(text.to_owned());
        for (kept, value) in [
            ("5", AttributeValue::Integer(5)),
            ("-7", AttributeValue::Integer(-7)),
            ("0.5", AttributeValue::Number(0.5)),
            ("1e+21", AttributeValue::Number(1e21)),
            ("true", AttributeValue::Boolean(true)),
            ("[\"a\",1]", AttributeValue::Json("[\"a\",1]".to_owned())),
            ("", text("")),
            ("007", text("007")),
            ("+1", text("+1")),
            ("5 ", text("5 ")),
            ("NaN", text("NaN")),
            ("1e999", text("1e999")),
            ("truth", text("truth")),
            ("[{\"a\":1}]", text("[{\"a\":1}]")),
            ("{\"a\":1}", text("{\"a\":1}")),
            ("größer 🦉", text("größer 🦉")),
        ] {
            // What is generated cannot be compared.
            let read = format!("{:?}", typed(kept.to_owned()));
            assert_eq!(read, format!("{value:?}"), "{kept}");
        }
    }

    #[test]
    fn what_may_have_been_cut_is_known() {
        let metadata = Metadata::from(json!({ "short": "x".repeat(100), "long": "ü".repeat(99) }));
        assert_eq!(metadata.maybe_cut().collect::<Vec<_>>(), ["long"]);
    }
}
