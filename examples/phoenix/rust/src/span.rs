//! A span as Phoenix spells it, and as the contract does.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::roost::telemetry::types::{Attribute, AttributeValue, Event, Span, StatusCode};
use crate::times;

#[derive(Deserialize)]
pub struct Wire {
    pub context: Context,
    parent_id: Option<String>,
    name: String,
    span_kind: String,
    status_code: String,
    status_message: String,
    #[serde(deserialize_with = "times::from_iso")]
    start_time: u64,
    #[serde(deserialize_with = "times::from_iso")]
    end_time: u64,
    attributes: Map<String, Value>,
    events: Vec<WireEvent>,
}

#[derive(Deserialize)]
pub struct Context {
    pub trace_id: String,
    pub span_id: String,
}

#[derive(Deserialize)]
struct WireEvent {
    name: String,
    #[serde(deserialize_with = "times::from_iso")]
    timestamp: u64,
    attributes: Map<String, Value>,
}

impl From<Wire> for Span {
    fn from(wire: Wire) -> Self {
        let event = |event: WireEvent| Event {
            name: event.name,
            time: event.timestamp,
            attributes: attributes(event.attributes),
        };
        let mut events: Vec<Event> = wire.events.into_iter().map(event).collect();
        events.sort_by_key(|event| event.time);
        Self {
            trace_id: wire.context.trace_id,
            span_id: wire.context.span_id,
            parent_id: wire.parent_id.filter(|id| !id.is_empty()),
            name: wire.name,
            kind: match wire.span_kind.as_str() {
                "" => "UNKNOWN".to_owned(),
                kind => kind.to_uppercase(),
            },
            status: match wire.status_code.as_str() {
                "OK" => StatusCode::Ok,
                "ERROR" => StatusCode::Error,
                _ => StatusCode::Unset,
            },
            status_message: wire.status_message,
            start_time: wire.start_time,
            end_time: wire.end_time,
            attributes: attributes(wire.attributes),
            events,
            // Phoenix keeps neither.
            links: Vec::new(),
            resource: Vec::new(),
        }
    }
}

/// Phoenix hands attributes out flat.
fn attributes(wire: Map<String, Value>) -> Vec<Attribute> {
    let attribute = |(key, value)| value_of(value).map(|value| Attribute { key, value });
    wire.into_iter().filter_map(attribute).collect()
}

/// A null is none.
fn value_of(wire: Value) -> Option<AttributeValue> {
    Some(match wire {
        Value::Null => return None,
        Value::Bool(value) => AttributeValue::Boolean(value),
        Value::String(text) => AttributeValue::Text(text),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => AttributeValue::Integer(integer),
            (None, number) => AttributeValue::Number(number?),
        },
        nested => AttributeValue::Json(nested.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_keeps_its_type_and_its_digits() {
        for (json, expected) in [
            ("true", AttributeValue::Boolean(true)),
            ("9007199254740993", AttributeValue::Integer((1 << 53) + 1)),
            (
                "9223372036854775808",
                AttributeValue::Number(9_223_372_036_854_775_808.0),
            ),
            ("1.0", AttributeValue::Number(1.0)),
            ("[1]", AttributeValue::Json("[1]".to_owned())),
        ] {
            let found = value_of(serde_json::from_str(json).unwrap());
            assert_eq!(format!("{found:?}"), format!("{:?}", Some(expected)));
        }
    }
}
