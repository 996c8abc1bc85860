//! MLflow's JSON of spans, decoded into the contract's types: OTLP's messages with ids in base64
//! and times in numbers beyond what a floating point number holds.

use std::borrow::Cow;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use roost_provider::types::{Attribute, AttributeValue, Event, Link, Span, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::any_value::AnyValue;
use crate::bindings::trace_store::Projection;
use crate::search::Info;

/// A trace with its spans.
#[derive(Deserialize)]
pub(crate) struct Trace<'a> {
    #[serde(rename = "trace_info")]
    pub(crate) info: Info,
    #[serde(borrow, default)]
    spans: Vec<Record<'a>>,
}

#[derive(Deserialize)]
struct Record<'a> {
    #[serde(borrow)]
    trace_id: Cow<'a, str>,
    #[serde(borrow)]
    span_id: Cow<'a, str>,
    #[serde(borrow, default)]
    parent_span_id: Option<Cow<'a, str>>,
    #[serde(default)]
    name: String,
    #[serde(default)]
    start_time_unix_nano: Nanoseconds,
    #[serde(default)]
    end_time_unix_nano: Nanoseconds,
    #[serde(borrow, default)]
    attributes: Vec<KeyValue<'a>>,
    #[serde(borrow, default)]
    events: Option<&'a RawValue>,
    #[serde(borrow, default)]
    links: Option<&'a RawValue>,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
struct KeyValue<'a> {
    #[serde(borrow)]
    key: Cow<'a, str>,
    /// Left as it is until it is known to be wanted.
    #[serde(borrow, default)]
    value: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct Status {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    message: String,
}

/// A time: a number, or a text that is one.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(from = "NumberOrText")]
struct Nanoseconds(u64);

#[derive(Deserialize)]
#[serde(untagged)]
enum NumberOrText {
    Number(u64),
    Text(String),
    /// Before 1970, or null.
    Other(serde::de::IgnoredAny),
}

impl From<NumberOrText> for Nanoseconds {
    fn from(time: NumberOrText) -> Self {
        Self(match time {
            NumberOrText::Number(time) => time,
            NumberOrText::Text(text) => text.parse().unwrap_or_default(),
            NumberOrText::Other(_) => 0,
        })
    }
}

/// The attributes that say what kind of span it is, of OpenInference and of MLflow.
const KIND: &str = "openinference.span.kind";
const TYPE: &str = "mlflow.spanType";

/// What MLflow puts onto every span.
const REQUEST_ID: &str = "mlflow.traceRequestId";

/// The beginning of the attributes that are MLflow's own.
const OWN: &str = "mlflow.";

impl Trace<'_> {
    /// Its spans, with as much as is wanted.
    pub(crate) fn spans(
        self,
        projection: Option<&Projection>,
    ) -> impl Iterator<Item = serde_json::Result<Span>> {
        let decoder = Decoder {
            native: self.info.is_native(),
            projection: projection.cloned(),
        };
        self.spans.into_iter().map(move |span| decoder.span(span))
    }
}

struct Decoder {
    /// Whether MLflow's own attributes were written by its client. On spans that came over OTLP
    /// it derives them from what is there.
    native: bool,
    projection: Option<Projection>,
}

impl Decoder {
    fn span(&self, record: Record<'_>) -> serde_json::Result<Span> {
        let start_time = record.start_time_unix_nano.0;
        // 0 where it has not ended, or nobody said.
        let end_time = match record.end_time_unix_nano.0 {
            0 => start_time,
            end => end,
        };
        let wanted = |what: fn(&Projection) -> bool| self.projection.as_ref().is_none_or(what);
        Ok(Span {
            trace_id: hex(&record.trace_id),
            span_id: hex(&record.span_id),
            parent_id: record
                .parent_span_id
                .filter(|id| !id.is_empty())
                .map(|id| hex(&id)),
            name: record.name,
            kind: kind(&record.attributes)?,
            status: match record.status.code.as_deref() {
                Some("STATUS_CODE_OK") => StatusCode::Ok,
                Some("STATUS_CODE_ERROR") => StatusCode::Error,
                _ => StatusCode::Unset,
            },
            status_message: record.status.message,
            start_time,
            end_time,
            attributes: self.attributes(record.attributes)?,
            events: match record.events {
                Some(json) if wanted(|it| it.events) => events(json)?,
                _ => Vec::new(),
            },
            links: match record.links {
                Some(json) if wanted(|it| it.links) => links(json)?,
                _ => Vec::new(),
            },
            // Kept by trace, and of all resources together.
            resource: Vec::new(),
        })
    }

    fn attributes(&self, pairs: Vec<KeyValue<'_>>) -> serde_json::Result<Vec<Attribute>> {
        let wanted = self
            .projection
            .as_ref()
            .and_then(|it| it.attributes.as_deref());
        let mut attributes = Vec::new();
        for pair in pairs {
            let key: &str = &pair.key;
            let is_derived = !self.native && key.starts_with(OWN);
            let is_wanted = wanted.is_none_or(|keys| keys.iter().any(|it| it == key));
            if !is_wanted || is_derived || matches!(key, KIND | TYPE | REQUEST_ID) {
                continue;
            }
            if let Some(value) = value(key, pair.value)? {
                attributes.push(Attribute {
                    key: pair.key.into_owned(),
                    value,
                });
            }
        }
        Ok(attributes)
    }
}

/// The kind in upper case. MLflow's type is the kind of those that say none.
fn kind(attributes: &[KeyValue<'_>]) -> serde_json::Result<String> {
    for name in [KIND, TYPE] {
        let Some(found) = attributes.iter().find(|it| it.key == name) else {
            continue;
        };
        if let Some(AttributeValue::Text(mut kind)) = value(name, found.value)?
            && !kind.is_empty()
        {
            kind.make_ascii_uppercase();
            return Ok(if kind == "CHAT_MODEL" {
                "LLM".to_owned()
            } else {
                kind
            });
        }
    }
    Ok("UNKNOWN".to_owned())
}

/// The value of an attribute; none for null.
///
/// An attribute of a span holds no object and no list of them: where one is, a text was sent
/// that MLflow read as JSON. It becomes a text again, in MLflow's spelling.
fn value(key: &str, json: Option<&RawValue>) -> serde_json::Result<Option<AttributeValue>> {
    let Some(json) = json else {
        return Ok(None);
    };
    let value: AnyValue = serde_json::from_str(json.get())?;
    Ok(match value {
        AnyValue::Null => None,
        AnyValue::Text(text) => Some(AttributeValue::Text(text)),
        AnyValue::Boolean(value) => Some(AttributeValue::Boolean(value)),
        AnyValue::Integer(number) => Some(AttributeValue::Integer(number)),
        AnyValue::Number(number) => Some(AttributeValue::Number(number)),
        AnyValue::Nested(json) => {
            let was_text = !key.starts_with(OWN) && !json.is_flat_list();
            let text = json.into_text();
            Some(if was_text {
                AttributeValue::Text(text)
            } else {
                AttributeValue::Json(text)
            })
        }
    })
}

fn pairs(list: Vec<KeyValue<'_>>) -> serde_json::Result<Vec<Attribute>> {
    let mut attributes = Vec::with_capacity(list.len());
    for pair in list {
        if let Some(value) = value(&pair.key, pair.value)? {
            attributes.push(Attribute {
                key: pair.key.into_owned(),
                value,
            });
        }
    }
    Ok(attributes)
}

fn events(json: &RawValue) -> serde_json::Result<Vec<Event>> {
    #[derive(Deserialize)]
    struct Record<'a> {
        #[serde(default)]
        name: String,
        #[serde(default)]
        time_unix_nano: Nanoseconds,
        #[serde(borrow, default)]
        attributes: Vec<KeyValue<'a>>,
    }

    let records: Vec<Record<'_>> = serde_json::from_str(json.get())?;
    let mut events = records
        .into_iter()
        .map(|record| {
            Ok(Event {
                name: record.name,
                time: record.time_unix_nano.0,
                attributes: pairs(record.attributes)?,
            })
        })
        .collect::<serde_json::Result<Vec<_>>>()?;
    events.sort_by_key(|event| event.time);
    Ok(events)
}

fn links(json: &RawValue) -> serde_json::Result<Vec<Link>> {
    #[derive(Deserialize)]
    struct Record<'a> {
        #[serde(borrow)]
        trace_id: Cow<'a, str>,
        #[serde(borrow)]
        span_id: Cow<'a, str>,
        #[serde(borrow, default)]
        attributes: Vec<KeyValue<'a>>,
    }

    let records: Vec<Record<'_>> = serde_json::from_str(json.get())?;
    records
        .into_iter()
        .map(|record| {
            Ok(Link {
                trace_id: hex(&record.trace_id),
                span_id: hex(&record.span_id),
                attributes: pairs(record.attributes)?,
            })
        })
        .collect()
}

/// An id from base64 to hexadecimal digits. What is no base64 stays as it is.
fn hex(base64: &str) -> String {
    match BASE64_STANDARD.decode(base64) {
        Ok(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        Err(_) => base64.to_owned(),
    }
}

/// The bytes of hexadecimal digits.
pub(crate) fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| {
        let text = std::str::from_utf8(pair).ok()?;
        let is_hex = pair.iter().all(u8::is_ascii_hexdigit);
        u8::from_str_radix(text, 16).ok().filter(|_| is_hex)
    };
    pairs
        .iter()
        .map(byte)
        .collect::<Option<Vec<u8>>>()
        .filter(|_| rest.is_empty())
}
