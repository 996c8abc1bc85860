//! Attribute values as text and as JSON.

use std::borrow::Cow;

use serde_json::{Map, Number, Value};

use crate::contract::{Attribute, AttributeValue, Event, Link, Timestamp};

/// The value as JSON; what claims to be JSON and is none stays the text it is.
pub(super) fn json(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::Text(text) => Value::String(text.clone()),
        AttributeValue::Boolean(value) => Value::Bool(*value),
        AttributeValue::Integer(value) => Value::from(*value),
        AttributeValue::Number(value) => {
            Number::from_f64(*value).map_or(Value::Null, Value::Number)
        }
        AttributeValue::Json(text) => {
            serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone()))
        }
    }
}

/// The value as text: text as it is, everything else as its JSON.
pub(super) fn text(value: &AttributeValue) -> Cow<'_, str> {
    match value {
        AttributeValue::Text(text) | AttributeValue::Json(text) => Cow::Borrowed(text),
        other => Cow::Owned(json(other).to_string()),
    }
}

/// What a JSON value is as an attribute; `None` for null.
pub(super) fn from_json(value: Value) -> Option<AttributeValue> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(value) => AttributeValue::Boolean(value),
        Value::String(text) => AttributeValue::Text(text),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => AttributeValue::Integer(whole),
            None => AttributeValue::Number(number.as_f64()?),
        },
        value => AttributeValue::Json(value.to_string()),
    })
}

/// Attributes as a JSON object.
pub(super) fn object(attributes: &[Attribute]) -> Value {
    let mut object = Map::new();
    for attribute in attributes {
        let key = attribute.key.clone();
        object.entry(key).or_insert_with(|| json(&attribute.value));
    }
    Value::Object(object)
}

/// Events as a JSON array.
pub(super) fn events(events: &[Event]) -> Value {
    let event = |event: &Event| {
        serde_json::json!({
            "name": event.name,
            "time": rfc3339(event.time),
            "attributes": object(&event.attributes),
        })
    };
    events.iter().map(event).collect()
}

/// Links as a JSON array.
pub(super) fn links(links: &[Link]) -> Value {
    let link = |link: &Link| {
        serde_json::json!({
            "trace_id": link.trace_id,
            "span_id": link.span_id,
            "attributes": object(&link.attributes),
        })
    };
    links.iter().map(link).collect()
}

/// RFC 3339 with nine digits of a second.
pub(super) fn rfc3339(time: Timestamp) -> String {
    let instant = jiff::Timestamp::from_nanosecond(nanoseconds(time).into());
    format!("{:.9}", instant.unwrap_or(jiff::Timestamp::MAX))
}

/// An instant as Arrow holds it.
pub(super) fn nanoseconds(time: Timestamp) -> i64 {
    i64::try_from(time).unwrap_or(i64::MAX)
}
