//! A span as the service spells it, and as the contract does.

use serde::{Deserialize, Serialize};

use crate::roost::telemetry::types::{Attribute, AttributeValue, Error, Event, Span, StatusCode};

/// A span in the service's JSON. Times are texts, as in OTLP's JSON: not every reader of JSON keeps
/// all digits of a large number.
#[derive(Serialize, Deserialize)]
pub struct Wire {
    trace_id: String,
    span_id: String,
    parent_id: Option<String>,
    name: String,
    kind: String,
    status: String,
    status_message: String,
    start: String,
    end: String,
    attributes: Vec<WireAttribute>,
    events: Vec<WireEvent>,
}

#[derive(Serialize, Deserialize)]
struct WireEvent {
    name: String,
    time: String,
    attributes: Vec<WireAttribute>,
}

#[derive(Serialize, Deserialize)]
struct WireAttribute {
    key: String,
    #[serde(flatten)]
    value: WireValue,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WireValue {
    Text(String),
    Boolean(bool),
    Integer(String),
    Number(f64),
    Json(String),
}

impl From<Span> for Wire {
    fn from(span: Span) -> Self {
        let status = match span.status {
            StatusCode::Unset => "unset",
            StatusCode::Ok => "ok",
            StatusCode::Error => "error",
        };
        let event = |event: Event| WireEvent {
            name: event.name,
            time: event.time.to_string(),
            attributes: to_wire(event.attributes),
        };
        Self {
            trace_id: span.trace_id,
            span_id: span.span_id,
            parent_id: span.parent_id,
            name: span.name,
            kind: span.kind,
            status: status.to_owned(),
            status_message: span.status_message,
            start: span.start_time.to_string(),
            end: span.end_time.to_string(),
            attributes: to_wire(span.attributes),
            events: span.events.into_iter().map(event).collect(),
        }
    }
}

impl TryFrom<Wire> for Span {
    type Error = Error;

    fn try_from(wire: Wire) -> Result<Self, Error> {
        let event = |event: WireEvent| {
            Ok(Event {
                name: event.name,
                time: number(&event.time)?,
                attributes: from_wire(event.attributes)?,
            })
        };
        Ok(Self {
            trace_id: wire.trace_id,
            span_id: wire.span_id,
            parent_id: wire.parent_id,
            name: wire.name,
            kind: wire.kind,
            status: match wire.status.as_str() {
                "ok" => StatusCode::Ok,
                "error" => StatusCode::Error,
                _ => StatusCode::Unset,
            },
            status_message: wire.status_message,
            start_time: number(&wire.start)?,
            end_time: number(&wire.end)?,
            attributes: from_wire(wire.attributes)?,
            events: wire
                .events
                .into_iter()
                .map(event)
                .collect::<Result<_, _>>()?,
            links: Vec::new(),
            resource: Vec::new(),
        })
    }
}

fn to_wire(attributes: Vec<Attribute>) -> Vec<WireAttribute> {
    let wire = |attribute: Attribute| WireAttribute {
        key: attribute.key,
        value: match attribute.value {
            AttributeValue::Text(text) => WireValue::Text(text),
            AttributeValue::Boolean(value) => WireValue::Boolean(value),
            AttributeValue::Integer(value) => WireValue::Integer(value.to_string()),
            AttributeValue::Number(value) => WireValue::Number(value),
            AttributeValue::Json(json) => WireValue::Json(json),
        },
    };
    attributes.into_iter().map(wire).collect()
}

fn from_wire(attributes: Vec<WireAttribute>) -> Result<Vec<Attribute>, Error> {
    let attribute = |wire: WireAttribute| {
        Ok(Attribute {
            key: wire.key,
            value: match wire.value {
                WireValue::Text(text) => AttributeValue::Text(text),
                WireValue::Boolean(value) => AttributeValue::Boolean(value),
                WireValue::Integer(value) => AttributeValue::Integer(number(&value)?),
                WireValue::Number(value) => AttributeValue::Number(value),
                WireValue::Json(json) => AttributeValue::Json(json),
            },
        })
    };
    attributes.into_iter().map(attribute).collect()
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, Error> {
    text.parse()
        .map_err(|_| Error::Internal(format!("the service sent `{text}`, which is no number")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_comes_back_as_it_went() {
        let attribute = Attribute {
            key: "tokens".to_owned(),
            value: AttributeValue::Integer((1 << 53) + 1),
        };
        let span = Span {
            trace_id: "0af7651916cd43dd8448eb211c80319c".to_owned(),
            span_id: "b7ad6b7169203331".to_owned(),
            parent_id: None,
            name: "größe".to_owned(),
            kind: "LLM".to_owned(),
            status: StatusCode::Error,
            status_message: "it broke".to_owned(),
            start_time: u64::MAX - 1,
            end_time: u64::MAX,
            attributes: vec![attribute],
            events: Vec::new(),
            links: Vec::new(),
            resource: Vec::new(),
        };
        let json = serde_json::to_string(&Wire::from(span.clone())).unwrap();
        let wire: Wire = serde_json::from_str(&json).unwrap();
        assert_eq!(
            format!("{:?}", Span::try_from(wire)),
            format!("{:?}", Ok::<_, Error>(span))
        );
    }
}
