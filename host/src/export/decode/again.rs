//! A span of the contract as OTLP bytes again, so that what one backend answered can be sent to
//! another.
//!
//! What decoding leaves out cannot come back: such a span is of OpenTelemetry's kind `INTERNAL`
//! and of no instrumentation scope.

use prost::Message as _;
use serde_json::Value as Json;

use super::{
    AnyValue, ArrayValue, KIND, KeyValue, KeyValueList, OtlpEvent, OtlpLink, OtlpResource,
    OtlpSpan, OtlpStatus, UNKNOWN, Value,
};
use crate::contract::{Attribute, AttributeValue, Event, Link, Span, StatusCode};

/// `SPAN_KIND_INTERNAL`.
const INTERNAL: i32 = 1;

/// The `Span` message of a span, without its resource and without those attributes that `leave_out`
/// names; an error says which id is none.
pub(crate) fn encode_span(span: &Span, leave_out: &str) -> Result<Vec<u8>, String> {
    let mut attributes = pairs(span.attributes.iter().filter(|it| it.key != leave_out));
    if span.kind != UNKNOWN && !span.kind.is_empty() {
        attributes.push(pair(KIND, Some(Value::Text(span.kind.clone()))));
    }
    let parent = span.parent_id.as_deref();
    let message = OtlpSpan {
        trace_id: bytes::<16>(&span.trace_id)?,
        span_id: bytes::<8>(&span.span_id)?,
        parent_span_id: parent.map(bytes::<8>).transpose()?.unwrap_or_default(),
        name: span.name.clone(),
        kind: INTERNAL,
        start_time_unix_nano: span.start_time,
        end_time_unix_nano: span.end_time,
        attributes,
        events: span.events.iter().map(event).collect(),
        links: span.links.iter().map(link).collect::<Result<_, _>>()?,
        status: Some(OtlpStatus {
            message: span.status_message.clone(),
            code: match span.status {
                StatusCode::Unset => 0,
                StatusCode::Ok => 1,
                StatusCode::Error => 2,
            },
        }),
    };
    Ok(message.encode_to_vec())
}

/// The `Resource` message of these attributes.
pub(crate) fn encode_resource(attributes: &[Attribute]) -> Vec<u8> {
    let attributes = pairs(attributes);
    OtlpResource { attributes }.encode_to_vec()
}

fn event(event: &Event) -> OtlpEvent {
    OtlpEvent {
        time_unix_nano: event.time,
        name: event.name.clone(),
        attributes: pairs(&event.attributes),
    }
}

fn link(link: &Link) -> Result<OtlpLink, String> {
    Ok(OtlpLink {
        trace_id: bytes::<16>(&link.trace_id)?,
        span_id: bytes::<8>(&link.span_id)?,
        attributes: pairs(&link.attributes),
    })
}

fn pairs<'a>(attributes: impl IntoIterator<Item = &'a Attribute>) -> Vec<KeyValue> {
    let attributes = attributes.into_iter();
    attributes
        .map(|attribute| pair(&attribute.key, value(&attribute.value)))
        .collect()
}

fn pair(key: &str, value: Option<Value>) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value }),
    }
}

fn value(value: &AttributeValue) -> Option<Value> {
    Some(match value {
        AttributeValue::Text(text) => Value::Text(text.clone()),
        AttributeValue::Boolean(boolean) => Value::Bool(*boolean),
        AttributeValue::Integer(integer) => Value::Int(*integer),
        AttributeValue::Number(number) => Value::Double(*number),
        // What is no JSON was written by somebody as text.
        AttributeValue::Json(text) => match serde_json::from_str(text) {
            Ok(json) => return from_json(json),
            Err(_) => Value::Text(text.clone()),
        },
    })
}

/// None for a null: an `AnyValue` that holds nothing.
fn from_json(json: Json) -> Option<Value> {
    let any = |json| AnyValue {
        value: from_json(json),
    };
    Some(match json {
        Json::Null => return None,
        Json::Bool(boolean) => Value::Bool(boolean),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Value::Int(integer),
            (None, Some(number)) => Value::Double(number),
            (None, None) => Value::Text(number.to_string()),
        },
        Json::String(text) => Value::Text(text),
        Json::Array(items) => Value::Array(ArrayValue {
            values: items.into_iter().map(any).collect(),
        }),
        Json::Object(entries) => Value::Map(KeyValueList {
            values: entries
                .into_iter()
                .map(|(key, json)| pair(&key, from_json(json)))
                .collect(),
        }),
    })
}

/// The bytes of an id of so many.
fn bytes<const LEN: usize>(id: &str) -> Result<Vec<u8>, String> {
    let digits = id.as_bytes().chunks(2);
    let bytes: Option<Vec<u8>> = digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    bytes
        .filter(|bytes| bytes.len() == LEN && id.bytes().all(|it| it.is_ascii_hexdigit()))
        .ok_or_else(|| format!("`{id}` is no id of {} hexadecimal digits", 2 * LEN))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::{decode_resource, decode_span};
    use super::*;

    fn attribute(key: &str, value: AttributeValue) -> Attribute {
        Attribute {
            key: key.to_owned(),
            value,
        }
    }

    #[test]
    fn a_span_that_was_encoded_is_decoded_to_itself() {
        let attributes = vec![
            attribute("text", AttributeValue::Text("a".to_owned())),
            attribute("yes", AttributeValue::Boolean(true)),
            attribute("whole", AttributeValue::Integer(i64::MIN)),
            attribute("part", AttributeValue::Number(0.1)),
            attribute(
                "list",
                AttributeValue::Json(r#"[1,2.5,"b",null,{"c":[false]}]"#.to_owned()),
            ),
        ];
        let span = Span {
            trace_id: "0af7651916cd43dd8448eb211c80319c".to_owned(),
            span_id: "b7ad6b7169203331".to_owned(),
            parent_id: Some("00f067aa0ba902b7".to_owned()),
            name: "search".to_owned(),
            kind: "LLM".to_owned(),
            status: StatusCode::Error,
            status_message: "no owls".to_owned(),
            start_time: 1_795_000_000_123_456_789,
            end_time: 1_795_000_001_000_000_001,
            attributes: attributes.clone(),
            events: vec![Event {
                name: "exception".to_owned(),
                time: 1_795_000_000_500_000_000,
                attributes: attributes.clone(),
            }],
            links: vec![Link {
                trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".to_owned(),
                span_id: "00f067aa0ba902b7".to_owned(),
                attributes: attributes.clone(),
            }],
            resource: Vec::new(),
        };
        let bytes = encode_span(&span, "session.id").unwrap();
        assert_eq!(decode_span(&[&bytes]).unwrap(), span);
        let root = Span {
            parent_id: None,
            kind: UNKNOWN.to_owned(),
            ..span
        };
        let bytes = encode_span(&root, "text").unwrap();
        let decoded = decode_span(&[&bytes]).unwrap();
        assert_eq!((decoded.parent_id, &*decoded.kind), (None, UNKNOWN));
        assert_eq!(decoded.attributes, attributes.get(1..).unwrap());
        let resource = decode_resource(&encode_resource(&attributes)).unwrap();
        assert_eq!(resource, attributes);
    }

    #[test]
    fn what_is_no_id_is_named() {
        for id in [
            "",
            "0a",
            "zz000000000000zz",
            "+a+b+c+d+e+f+0+1",
            "é0000000000000",
        ] {
            assert!(bytes::<8>(id).unwrap_err().contains("16 hexadecimal"));
        }
    }
}
