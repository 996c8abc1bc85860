//! What of a span has no column: attributes, events, links and resource, as one JSON text.
//!
//! ```json
//! {"a": {"llm.model_name": "gpt-4"}, "e": [["exception", 17, {}]], "l": [], "r": {}}
//! ```
//!
//! An attribute that is JSON itself lies in it as it came, without its white space, so that
//! both databases can look into it and give back the same text.

use std::collections::BTreeMap;

use roost_provider::Error;
use roost_provider::types::{Attribute, AttributeValue, Event, Link, Span};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::ser::{SerializeMap as _, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::Result;

/// The names of the parts in JSON.
pub(crate) const ATTRIBUTES: &str = "a";

/// A span's content, as it is written.
#[derive(Serialize)]
struct Written<'a> {
    #[serde(rename = "a")]
    attributes: Object<'a>,
    #[serde(rename = "e", skip_serializing_if = "Vec::is_empty")]
    events: Vec<(&'a str, u64, Object<'a>)>,
    #[serde(rename = "l", skip_serializing_if = "Vec::is_empty")]
    links: Vec<(&'a str, &'a str, Object<'a>)>,
    #[serde(rename = "r", skip_serializing_if = "Option::is_none")]
    resource: Option<&'a RawValue>,
}

/// The resource that all spans of a batch share, written once.
pub(crate) struct Resource(Option<Box<RawValue>>);

impl Resource {
    pub(crate) fn of(attributes: &[Attribute]) -> Result<Self> {
        if attributes.is_empty() {
            return Ok(Self(None));
        }
        let json = to_raw_value(&Object(attributes)).map_err(unwritten)?;
        Ok(Self(Some(json)))
    }
}

/// The content of a span that came with this resource.
pub(crate) fn write(span: &Span, resource: &Resource) -> Result<String> {
    let events = span.events.iter();
    let links = span.links.iter();
    let written = Written {
        attributes: Object(&span.attributes),
        events: events
            .map(|it| (&*it.name, it.time, Object(&it.attributes)))
            .collect(),
        links: links
            .map(|it| (&*it.trace_id, &*it.span_id, Object(&it.attributes)))
            .collect(),
        resource: resource.0.as_deref(),
    };
    serde_json::to_string(&written).map_err(unwritten)
}

fn unwritten(error: serde_json::Error) -> Error {
    Error::Internal(format!("a span cannot be written: {error}"))
}

/// A span's content, as it is read.
#[derive(Deserialize)]
struct Read {
    #[serde(rename = "a")]
    attributes: Attributes,
    #[serde(rename = "e", default)]
    events: Vec<(String, u64, Attributes)>,
    #[serde(rename = "l", default)]
    links: Vec<(String, String, Attributes)>,
    #[serde(rename = "r", default)]
    resource: Attributes,
}

/// Give a span what was written of it.
pub(crate) fn read(json: &str, span: &mut Span) -> Result<()> {
    let read: Read = serde_json::from_str(json)
        .map_err(|error| Error::Internal(format!("a span cannot be read: {error}")))?;
    span.attributes = read.attributes.0;
    let event = |(name, time, attributes): (_, _, Attributes)| Event {
        name,
        time,
        attributes: attributes.0,
    };
    span.events = read.events.into_iter().map(event).collect();
    let link = |(trace_id, span_id, attributes): (_, _, Attributes)| Link {
        trace_id,
        span_id,
        attributes: attributes.0,
    };
    span.links = read.links.into_iter().map(link).collect();
    span.resource = read.resource.0;
    Ok(())
}

/// Attributes to be written as an object. Of a key that is there twice, the last value counts.
struct Object<'a>(&'a [Attribute]);

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        let last: BTreeMap<&str, usize> = self.0.iter().map(|it| &*it.key).zip(0..).collect();
        for (place, attribute) in self.0.iter().enumerate() {
            if last.get(&*attribute.key) != Some(&place) {
                continue;
            }
            map.serialize_key(&attribute.key)?;
            match &attribute.value {
                // PostgreSQL has no JSON with it in a text.
                AttributeValue::Text(text) if text.contains('\0') => {
                    map.serialize_value(&text.replace('\0', "\u{fffd}"))?;
                }
                AttributeValue::Text(text) => map.serialize_value(text)?,
                AttributeValue::Boolean(value) => map.serialize_value(value)?,
                AttributeValue::Integer(number) => map.serialize_value(number)?,
                AttributeValue::Number(number) => map.serialize_value(number)?,
                AttributeValue::Json(text) => match RawValue::from_string(compact(text)) {
                    Ok(json) => map.serialize_value(&json)?,
                    Err(_) => map.serialize_value(text)?,
                },
            }
        }
        map.end()
    }
}

/// Attributes that were read from an object.
#[derive(Default)]
struct Attributes(Vec<Attribute>);

impl<'de> Deserialize<'de> for Attributes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;

        impl<'de> Visitor<'de> for Each {
            type Value = Attributes;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("attributes")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Attributes, M::Error> {
                let mut attributes = Vec::with_capacity(map.size_hint().unwrap_or(16));
                while let Some(key) = map.next_key::<String>()? {
                    match value(map.next_value::<&RawValue>()?.get()) {
                        Some(value) => attributes.push(Attribute { key, value }),
                        None => continue,
                    }
                }
                Ok(Attributes(attributes))
            }

            fn visit_unit<E>(self) -> Result<Attributes, E> {
                Ok(Attributes::default())
            }
        }

        deserializer.deserialize_map(Each)
    }
}

/// The value that a piece of JSON stands for; none for `null`.
pub(crate) fn value(json: &str) -> Option<AttributeValue> {
    match json.as_bytes().first()? {
        b'"' => serde_json::from_str(json).ok().map(AttributeValue::Text),
        b't' => Some(AttributeValue::Boolean(true)),
        b'f' => Some(AttributeValue::Boolean(false)),
        b'n' => None,
        b'{' | b'[' => Some(AttributeValue::Json(json.to_owned())),
        _ => match json.parse() {
            Ok(number) => Some(AttributeValue::Integer(number)),
            Err(_) => json.parse().ok().map(AttributeValue::Number),
        },
    }
}

/// JSON without the white space between its parts. SQLite's functions leave it out, and
/// PostgreSQL's do not.
fn compact(json: &str) -> String {
    let (mut in_text, mut escaped) = (false, false);
    json.chars()
        .filter(|character| {
            let keep = in_text || !character.is_ascii_whitespace();
            match character {
                _ if escaped => escaped = false,
                '\\' if in_text => escaped = true,
                '"' => in_text = !in_text,
                _ => {}
            }
            keep
        })
        .collect::<String>()
        .replace("\\u0000", "\\ufffd")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn attributes_come_back_as_they_were() {
        let attribute = |key: &str, value| Attribute {
            key: key.to_owned(),
            value,
        };
        let written = vec![
            attribute("text", AttributeValue::Text("5 \"quoted\" ü\n".to_owned())),
            attribute("whole", AttributeValue::Integer(i64::MIN)),
            attribute("five", AttributeValue::Number(5.0)),
            attribute("tiny", AttributeValue::Number(1e-300)),
            attribute("yes", AttributeValue::Boolean(true)),
            attribute(
                "list",
                AttributeValue::Json(r#"["a b",{"c":1.50}]"#.to_owned()),
            ),
        ];
        let json = serde_json::to_string(&Object(&written)).unwrap();
        let read: Attributes = serde_json::from_str(&json).unwrap();
        assert_eq!(format!("{:?}", read.0), format!("{written:?}"));
    }

    #[test]
    fn white_space_goes_only_between_the_parts() {
        assert_eq!(
            compact("{ \"a b\" : [ 1 ,\n\"c \\\" d\" ] }"),
            r#"{"a b":[1,"c \" d"]}"#
        );
        let twice = [("k", 1), ("k", 2)].map(|(key, number)| Attribute {
            key: key.to_owned(),
            value: AttributeValue::Integer(number),
        });
        let json = serde_json::to_string(&Object(&twice)).unwrap();
        assert_eq!(json, r#"{"k":2}"#);
    }
}
