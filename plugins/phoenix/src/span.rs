//! Phoenix's JSON of spans, decoded straight into the contract's types.
//!
//! A page of a thousand spans is some megabytes, so what is not wanted is skipped and never
//! copied: attributes and events stay slices of the body until the projection is known.

use std::borrow::Cow;
use std::fmt;

use roost_provider::time;
use roost_provider::types::{Attribute, AttributeValue, Event, Span, StatusCode};
use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::bindings::trace_store::Projection;
use crate::session_id;

/// A span as `GET /v1/projects/{project}/spans` has it.
#[derive(Deserialize)]
pub(crate) struct Record<'a> {
    #[serde(borrow)]
    context: Context<'a>,
    #[serde(borrow)]
    parent_id: Option<Cow<'a, str>>,
    name: String,
    #[serde(borrow)]
    span_kind: Cow<'a, str>,
    status_code: Status,
    status_message: String,
    #[serde(deserialize_with = "time::deserialize")]
    start_time: u64,
    #[serde(deserialize_with = "time::deserialize")]
    end_time: u64,
    #[serde(borrow)]
    attributes: &'a RawValue,
    #[serde(borrow)]
    events: &'a RawValue,
}

#[derive(Deserialize)]
struct Context<'a> {
    #[serde(borrow)]
    trace_id: Cow<'a, str>,
    #[serde(borrow)]
    span_id: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Status {
    Ok,
    Error,
    #[serde(other)]
    Unset,
}

/// The attribute that holds the kind. REST leaves it out of the attributes.
pub(crate) const KIND: &str = "openinference.span.kind";

/// How spans are to be decoded.
pub(crate) struct Decoder<'q> {
    /// The project they are in, for the ids of sessions.
    pub(crate) project: &'q str,
    /// What of them is wanted; none for everything.
    pub(crate) projection: Option<&'q Projection>,
}

impl Decoder<'_> {
    /// A record as the contract has it.
    pub(crate) fn span(&self, record: Record<'_>) -> serde_json::Result<Span> {
        let wanted = self.projection.and_then(|it| it.attributes.as_deref());
        let attributes = if wanted.is_some_and(<[String]>::is_empty) {
            Vec::new()
        } else {
            self.attributes(record.attributes, wanted)?
        };
        let events = if self.projection.is_none_or(|it| it.events) {
            events(record.events)?
        } else {
            Vec::new()
        };
        Ok(Span {
            trace_id: record.context.trace_id.into_owned(),
            span_id: record.context.span_id.into_owned(),
            parent_id: record
                .parent_id
                .filter(|id| !id.is_empty())
                .map(Cow::into_owned),
            name: record.name,
            kind: kind(record.span_kind.into_owned()),
            status: match record.status_code {
                Status::Ok => StatusCode::Ok,
                Status::Error => StatusCode::Error,
                Status::Unset => StatusCode::Unset,
            },
            status_message: record.status_message,
            start_time: record.start_time,
            end_time: record.end_time,
            attributes,
            events,
            // Phoenix keeps neither.
            links: Vec::new(),
            resource: Vec::new(),
        })
    }

    fn attributes(
        &self,
        json: &RawValue,
        wanted: Option<&[String]>,
    ) -> serde_json::Result<Vec<Attribute>> {
        let mut attributes = attributes(json, wanted)?;
        session_id::restore(self.project, &mut attributes);
        Ok(attributes)
    }
}

/// Phoenix hands out the kind as it was sent and compares it in upper case.
pub(crate) fn kind(mut kind: String) -> String {
    if kind.is_empty() {
        kind.push_str("UNKNOWN");
    }
    kind.make_ascii_uppercase();
    kind
}

fn events(json: &RawValue) -> serde_json::Result<Vec<Event>> {
    #[derive(Deserialize)]
    struct Record<'a> {
        name: String,
        #[serde(deserialize_with = "time::deserialize")]
        timestamp: u64,
        #[serde(borrow)]
        attributes: &'a RawValue,
    }

    let records: Vec<Record<'_>> = serde_json::from_str(json.get())?;
    let mut events = records
        .into_iter()
        .map(|record| {
            Ok(Event {
                name: record.name,
                time: record.timestamp,
                attributes: attributes(record.attributes, None)?,
            })
        })
        .collect::<serde_json::Result<Vec<_>>>()?;
    events.sort_by_key(|event| event.time);
    Ok(events)
}

/// The attributes in a JSON object, those `wanted` or all. A null is no attribute.
fn attributes(json: &RawValue, wanted: Option<&[String]>) -> serde_json::Result<Vec<Attribute>> {
    let mut deserializer = serde_json::Deserializer::from_str(json.get());
    Attributes { wanted }.deserialize(&mut deserializer)
}

struct Attributes<'w> {
    wanted: Option<&'w [String]>,
}

impl<'de> DeserializeSeed<'de> for Attributes<'_> {
    type Value = Vec<Attribute>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Attributes<'_> {
    type Value = Vec<Attribute>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object of attributes")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut attributes = Vec::new();
        while let Some(Key(key)) = map.next_key()? {
            if self
                .wanted
                .is_some_and(|wanted| !wanted.iter().any(|it| *it == key))
            {
                map.next_value::<de::IgnoredAny>()?;
            } else if let Value(Some(value)) = map.next_value()? {
                attributes.push(Attribute {
                    key: key.into_owned(),
                    value,
                });
            }
        }
        Ok(attributes)
    }
}

/// A key; by itself, `Cow` always copies.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// A value; none for null.
struct Value(Option<AttributeValue>);

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor).map(Self)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Option<AttributeValue>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value of an attribute")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(AttributeValue::Text(text.to_owned())))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Some(AttributeValue::Boolean(value)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Some(AttributeValue::Integer(number)))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Some(match i64::try_from(number) {
            Ok(number) => AttributeValue::Integer(number),
            Err(_) => AttributeValue::Number(number as f64),
        }))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Some(AttributeValue::Number(number)))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut json = String::from("[");
        while let Some(element) = seq.next_element::<&RawValue>()? {
            if json.len() > 1 {
                json.push(',');
            }
            json.push_str(element.get());
        }
        json.push(']');
        Ok(Some(AttributeValue::Json(json)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut json = String::from("{");
        while let Some((key, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            if json.len() > 1 {
                json.push(',');
            }
            json.push_str(key.get());
            json.push(':');
            json.push_str(value.get());
        }
        json.push('}');
        Ok(Some(AttributeValue::Json(json)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, clippy::unwrap_used)]

    use super::*;
    use crate::phoenix::Page;

    /// A trace that a Phoenix 20.26 answered: a root, a child of a kind nobody knows, and an
    /// LLM call that failed.
    const SPANS: &str = include_str!("../testdata/spans.json");

    fn decode(json: &str, projection: Option<&Projection>) -> Vec<Span> {
        let page: Page<Record<'_>> = serde_json::from_str(json).unwrap();
        let decoder = Decoder {
            project: "alpha",
            projection,
        };
        let spans = page.data.into_iter().map(|record| decoder.span(record));
        spans.collect::<Result<_, _>>().unwrap()
    }

    fn value<'s>(span: &'s Span, key: &str) -> &'s AttributeValue {
        let found = span.attributes.iter().find(|it| it.key == key);
        &found.unwrap().value
    }

    #[test]
    fn a_trace_of_a_real_server_comes_out_whole() {
        let spans = decode(SPANS, None);
        let [root, odd, llm] = spans.as_slice() else {
            unreachable!("three spans were sent")
        };
        assert_eq!(root.parent_id, None);
        assert_eq!(llm.parent_id.as_ref(), Some(&root.span_id));
        assert_eq!(root.start_time, 1_795_179_089_128_698_000);
        assert_eq!((root.kind.as_str(), odd.kind.as_str()), ("CHAIN", "WEIRD"));
        assert_eq!(root.status, StatusCode::Unset);
        assert_eq!(llm.status, StatusCode::Error);
        assert_eq!(llm.status_message, "boom");

        assert!(matches!(value(root, "input.value"), AttributeValue::Text(t) if t == "hé\"llo 16"));
        assert!(matches!(value(root, "n"), AttributeValue::Integer(16)));
        assert!(matches!(value(root, "w"), AttributeValue::Number(n) if *n == 16.0));
        assert!(matches!(value(root, "b"), AttributeValue::Boolean(true)));
        assert!(matches!(value(root, "tags"), AttributeValue::Json(j) if j == r#"["a","b"]"#));
        assert!(matches!(value(root, "session.id"), AttributeValue::Text(id) if id == "s1"));

        let names: Vec<_> = llm.events.iter().map(|event| event.name.as_str()).collect();
        assert_eq!(names, ["note", "exception"]);
        assert_eq!(llm.events[0].time, 1_795_179_089_128_718_000);
        assert_eq!(llm.events[1].attributes.len(), 4);
    }

    #[test]
    fn only_what_is_wanted_is_decoded() {
        let projection = Projection {
            attributes: Some(vec!["n".to_owned(), "nowhere".to_owned()]),
            events: false,
            links: false,
            resource: false,
        };
        for span in decode(SPANS, Some(&projection)) {
            assert!(span.attributes.iter().all(|attribute| attribute.key == "n"));
            assert!(span.events.is_empty());
        }
        let nothing = Projection {
            attributes: Some(Vec::new()),
            ..projection
        };
        assert!(decode(SPANS, Some(&nothing))[0].attributes.is_empty());
    }

    #[test]
    fn values_of_every_shape_have_a_place() {
        let json = r#"{"null":null,"big":18446744073709551615,"low":-3,"list":[],
            "nested":{"a":[1,{"b":"ü\""}],"c":2.50},"mixed":["x",1,null]}"#;
        let raw: &RawValue = serde_json::from_str(json).unwrap();
        let attributes = attributes(raw, None).unwrap();
        let value = |key: &str| {
            attributes
                .iter()
                .find(|it| it.key == key)
                .map(|it| &it.value)
        };
        let json = |key: &str| match value(key) {
            Some(AttributeValue::Json(json)) => json.as_str(),
            other => unreachable!("{key} is {other:?}"),
        };
        assert!(value("null").is_none());
        assert!(matches!(value("big"), Some(AttributeValue::Number(n)) if *n > 1.8e19));
        assert!(matches!(value("low"), Some(AttributeValue::Integer(-3))));
        assert_eq!(json("list"), "[]");
        assert_eq!(json("nested"), r#"{"a":[1,{"b":"ü\""}],"c":2.50}"#);
        assert_eq!(json("mixed"), r#"["x",1,null]"#);
    }
}
