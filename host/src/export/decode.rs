//! A span as its OTLP bytes say it, for those who do not read OTLP.
//!
//! The contract has no place for the instrumentation scope, the trace state, OpenTelemetry's own
//! kind, nor for values that JSON has not: NaN and infinities are left out, as is a value that
//! holds nothing, and bytes become a text in base64.

mod again;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost::{DecodeError, Message, Oneof};
use serde_json::{Map, Value as Json};

use crate::contract::{Attribute, AttributeValue, Event, Link, Span, StatusCode};

pub(crate) use again::{encode_resource, encode_span};

/// The attribute that says a span's kind.
const KIND: &str = "openinference.span.kind";
/// The kind of a span that says none.
const UNKNOWN: &str = "UNKNOWN";

/// Why bytes are no span.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum DecodeFault {
    #[error(transparent)]
    Protobuf(#[from] DecodeError),
    /// An id of another length, or of zeros alone.
    #[error("`{0}` is no id")]
    Id(&'static str),
}

/// The span whose `Span` message these parts are, one behind the other. Of several attributes of a
/// key the last counts.
pub(super) fn decode_span(parts: &[&[u8]]) -> Result<Span, DecodeFault> {
    let mut span = OtlpSpan::default();
    for part in parts {
        span.merge(*part)?;
    }
    let mut attributes = decode_attributes(span.attributes);
    let kind = attributes
        .iter()
        .position(|attribute| attribute.key == KIND)
        .map(|place| attributes.remove(place).value);
    let status = span.status.unwrap_or_default();
    let mut events: Vec<_> = span.events.into_iter().map(event).collect();
    events.sort_by_key(|event| event.time);
    let has_parent = span.parent_span_id.iter().any(|byte| *byte != 0);
    Ok(Span {
        trace_id: hex::<16>("traceId", &span.trace_id)?,
        span_id: hex::<8>("spanId", &span.span_id)?,
        parent_id: has_parent
            .then(|| hex::<8>("parentSpanId", &span.parent_span_id))
            .transpose()?,
        name: span.name,
        kind: match kind {
            Some(AttributeValue::Text(kind)) if !kind.is_empty() => kind.to_ascii_uppercase(),
            _ => UNKNOWN.to_owned(),
        },
        status: match status.code {
            1 => StatusCode::Ok,
            2 => StatusCode::Error,
            _ => StatusCode::Unset,
        },
        status_message: status.message,
        start_time: span.start_time_unix_nano,
        end_time: span.end_time_unix_nano,
        attributes,
        events,
        links: span.links.into_iter().filter_map(link).collect(),
        resource: Vec::new(),
    })
}

/// The attributes of a `Resource` message.
pub(super) fn decode_resource(message: &[u8]) -> Result<Vec<Attribute>, DecodeFault> {
    Ok(decode_attributes(OtlpResource::decode(message)?.attributes))
}

fn event(event: OtlpEvent) -> Event {
    Event {
        name: event.name,
        time: event.time_unix_nano,
        attributes: decode_attributes(event.attributes),
    }
}

/// None for a link to nothing.
fn link(link: OtlpLink) -> Option<Link> {
    Some(Link {
        trace_id: hex::<16>("links.traceId", &link.trace_id).ok()?,
        span_id: hex::<8>("links.spanId", &link.span_id).ok()?,
        attributes: decode_attributes(link.attributes),
    })
}

/// Each key once, where it was first.
fn decode_attributes(pairs: Vec<KeyValue>) -> Vec<Attribute> {
    let mut attributes: Vec<Attribute> = Vec::with_capacity(pairs.len());
    let mut places = HashMap::with_capacity(pairs.len());
    for pair in pairs {
        let value = pair.value.and_then(|value| value.value).and_then(scalar);
        let (key, Some(value)) = (pair.key, value) else {
            continue;
        };
        if key.is_empty() {
            continue;
        }
        let known = places.get(&key).copied();
        match known.and_then(|place: usize| attributes.get_mut(place)) {
            Some(attribute) => attribute.value = value,
            None => {
                places.insert(key.clone(), attributes.len());
                attributes.push(Attribute { key, value });
            }
        }
    }
    attributes
}

fn scalar(value: Value) -> Option<AttributeValue> {
    Some(match value {
        Value::Text(text) => AttributeValue::Text(text),
        Value::Bool(value) => AttributeValue::Boolean(value),
        Value::Int(value) => AttributeValue::Integer(value),
        Value::Double(value) if value.is_finite() => AttributeValue::Number(value),
        Value::Double(_) => return None,
        Value::Bytes(bytes) => AttributeValue::Text(STANDARD.encode(bytes)),
        nested @ (Value::Array(_) | Value::Map(_)) => {
            AttributeValue::Json(json(nested).to_string())
        }
    })
}

/// Not deeper than the decoder lets values lie in each other.
fn json(value: Value) -> Json {
    let inner = |value: Option<AnyValue>| value.and_then(|v| v.value).map_or(Json::Null, json);
    match value {
        Value::Text(text) => text.into(),
        Value::Bool(value) => value.into(),
        Value::Int(value) => value.into(),
        Value::Double(value) => value.into(),
        Value::Bytes(bytes) => STANDARD.encode(bytes).into(),
        Value::Array(array) => {
            let values = array.values.into_iter();
            values.map(|value| inner(Some(value))).collect()
        }
        Value::Map(map) => {
            let pairs = map.values.into_iter();
            let pairs: Map<_, _> = pairs.map(|pair| (pair.key, inner(pair.value))).collect();
            pairs.into()
        }
    }
}

/// The digits of an id of so many bytes.
fn hex<const LEN: usize>(name: &'static str, id: &[u8]) -> Result<String, DecodeFault> {
    if id.len() != LEN || id.iter().all(|byte| *byte == 0) {
        return Err(DecodeFault::Id(name));
    }
    Ok(id.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A span that the gateway let through.
#[cfg(fuzzing)]
pub(crate) fn fuzz_span(span: &[u8]) {
    let decoded = decode_span(&[span]);
    assert!(decoded.is_ok(), "{decoded:?}");
}

// What is read of <https://github.com/open-telemetry/opentelemetry-proto>.

#[derive(Clone, PartialEq, Message)]
struct OtlpResource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct OtlpSpan {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    name: String,
    /// OpenTelemetry's, which nothing reads.
    #[prost(int32, tag = "6")]
    kind: i32,
    #[prost(fixed64, tag = "7")]
    start_time_unix_nano: u64,
    #[prost(fixed64, tag = "8")]
    end_time_unix_nano: u64,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<KeyValue>,
    #[prost(message, repeated, tag = "11")]
    events: Vec<OtlpEvent>,
    #[prost(message, repeated, tag = "13")]
    links: Vec<OtlpLink>,
    #[prost(message, optional, tag = "15")]
    status: Option<OtlpStatus>,
}

#[derive(Clone, PartialEq, Message)]
struct OtlpEvent {
    #[prost(fixed64, tag = "1")]
    time_unix_nano: u64,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(message, repeated, tag = "3")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct OtlpLink {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
    #[prost(message, repeated, tag = "4")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct OtlpStatus {
    #[prost(string, tag = "2")]
    message: String,
    #[prost(int32, tag = "3")]
    code: i32,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(oneof = "Value", tags = "1, 2, 3, 4, 5, 6, 7")]
    value: Option<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct ArrayValue {
    #[prost(message, repeated, tag = "1")]
    values: Vec<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValueList {
    #[prost(message, repeated, tag = "1")]
    values: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Oneof)]
enum Value {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(bool, tag = "2")]
    Bool(bool),
    #[prost(int64, tag = "3")]
    Int(i64),
    #[prost(double, tag = "4")]
    Double(f64),
    #[prost(message, tag = "5")]
    Array(ArrayValue),
    #[prost(message, tag = "6")]
    Map(KeyValueList),
    #[prost(bytes = "vec", tag = "7")]
    Bytes(Vec<u8>),
}
