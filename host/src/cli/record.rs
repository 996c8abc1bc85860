//! The shapes of `--json`, which programs rely on: `docs/cli.md` describes them, and they
//! change only as a public interface does.
//!
//! The contract's own types are not printed as they are, so that the contract can change
//! without breaking scripts. Times are RFC 3339 texts with nanoseconds: JSON's readers
//! round numbers that large.

mod dataset;
mod experiment;

pub(super) use dataset::{Dataset, DatasetRecord, Version};
pub(super) use experiment::{Experiment, Run, status};

use std::collections::BTreeMap;

use roost::contract::{self, Attribute, AttributeValue};
use serde::Serialize;
use serde_json::Value;

use super::time::rfc3339;

/// Attributes by key, each as the JSON value it is.
pub(super) type Attributes<'a> = BTreeMap<&'a str, Value>;

/// A span.
#[derive(Debug, Serialize)]
pub(super) struct Span<'a> {
    trace_id: &'a str,
    span_id: &'a str,
    parent_id: Option<&'a str>,
    name: &'a str,
    kind: &'a str,
    status: &'static str,
    status_message: &'a str,
    start_time: String,
    end_time: String,
    latency_ms: f64,
    attributes: Attributes<'a>,
    events: Vec<Event<'a>>,
    links: Vec<Link<'a>>,
    resource: Attributes<'a>,
}

#[derive(Debug, Serialize)]
struct Event<'a> {
    name: &'a str,
    time: String,
    attributes: Attributes<'a>,
}

#[derive(Debug, Serialize)]
struct Link<'a> {
    trace_id: &'a str,
    span_id: &'a str,
    attributes: Attributes<'a>,
}

impl<'a> From<&'a contract::Span> for Span<'a> {
    fn from(span: &'a contract::Span) -> Self {
        let events = span.events.iter().map(|event| Event {
            name: &event.name,
            time: rfc3339(event.time),
            attributes: attributes(&event.attributes),
        });
        let links = span.links.iter().map(|link| Link {
            trace_id: &link.trace_id,
            span_id: &link.span_id,
            attributes: attributes(&link.attributes),
        });
        Self {
            trace_id: &span.trace_id,
            span_id: &span.span_id,
            parent_id: span.parent_id.as_deref(),
            name: &span.name,
            kind: &span.kind,
            status: span.status.as_str(),
            status_message: &span.status_message,
            start_time: rfc3339(span.start_time),
            end_time: rfc3339(span.end_time),
            latency_ms: span.latency_ms(),
            attributes: attributes(&span.attributes),
            events: events.collect(),
            links: links.collect(),
            resource: attributes(&span.resource),
        }
    }
}

/// An annotation.
#[derive(Debug, Serialize)]
pub(super) struct Annotation<'a> {
    id: &'a str,
    target: Target<'a>,
    name: &'a str,
    annotator: &'static str,
    label: Option<&'a str>,
    score: Option<f64>,
    explanation: Option<&'a str>,
    metadata: Option<Value>,
    identifier: &'a str,
    created_at: Option<String>,
    updated_at: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Target<'a> {
    Span(&'a str),
    Trace(&'a str),
    Session(&'a str),
}

impl<'a> From<&'a contract::Annotation> for Annotation<'a> {
    fn from(annotation: &'a contract::Annotation) -> Self {
        Self {
            id: &annotation.id,
            target: match &annotation.target {
                contract::Target::Span(span) => Target::Span(&span.span_id),
                contract::Target::Trace(id) => Target::Trace(id),
                contract::Target::Session(id) => Target::Session(id),
            },
            name: &annotation.name,
            annotator: annotator(annotation.annotator),
            label: annotation.label.as_deref(),
            score: annotation.score,
            explanation: annotation.explanation.as_deref(),
            metadata: annotation.metadata.as_deref().map(json),
            identifier: &annotation.identifier,
            created_at: annotation.created_at.map(rfc3339),
            updated_at: annotation.updated_at.map(rfc3339),
        }
    }
}

/// `human`, `llm` or `code`.
pub(super) fn annotator(kind: contract::AnnotatorKind) -> &'static str {
    match kind {
        contract::AnnotatorKind::Human => "human",
        contract::AnnotatorKind::Llm => "llm",
        contract::AnnotatorKind::Code => "code",
    }
}

fn attributes(attributes: &[Attribute]) -> Attributes<'_> {
    let pairs = attributes.iter();
    pairs
        .map(|Attribute { key, value }| (key.as_str(), native(value)))
        .collect()
}

fn native(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::Text(text) => text.as_str().into(),
        AttributeValue::Boolean(boolean) => (*boolean).into(),
        AttributeValue::Integer(integer) => (*integer).into(),
        AttributeValue::Number(number) => (*number).into(),
        AttributeValue::Json(text) => json(text),
    }
}

/// A JSON text as the value it is; what is none stays a text.
fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

/// One object a line.
pub(super) fn lines<T: Serialize>(records: impl IntoIterator<Item = T>) -> anyhow::Result<String> {
    let mut out = String::new();
    for record in records {
        out.push_str(&serde_json::to_string(&record)?);
        out.push('\n');
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::super::tree::tests::span;
    use super::*;

    #[test]
    fn a_span_has_the_documented_shape() {
        let mut span = span("b7ad6b7169203331", Some("00f067aa0ba902b7"), 0, 250);
        let attribute = |key: &str, value| Attribute {
            key: key.to_owned(),
            value,
        };
        span.attributes = vec![
            attribute("llm.model_name", AttributeValue::Text("m".to_owned())),
            attribute("llm.token_count.total", AttributeValue::Integer(7)),
            attribute("cached", AttributeValue::Boolean(true)),
            attribute("score", AttributeValue::Number(0.5)),
            attribute("tags", AttributeValue::Json(r#"["a",{"b":1}]"#.to_owned())),
            attribute("torn", AttributeValue::Json("[1".to_owned())),
        ];
        span.events = vec![contract::Event {
            name: "exception".to_owned(),
            time: span.start_time + 1,
            attributes: Vec::new(),
        }];
        let line = lines([Span::from(&span)]).unwrap();
        assert_eq!(line.lines().count(), 1);
        assert_eq!(
            serde_json::from_str::<Value>(&line).unwrap(),
            json!({
                "trace_id": "0af7651916cd43dd8448eb211c80319c",
                "span_id": "b7ad6b7169203331",
                "parent_id": "00f067aa0ba902b7",
                "name": "b7ad6b7169203331",
                "kind": "CHAIN",
                "status": "OK",
                "status_message": "",
                "start_time": "2026-11-18T11:06:40.000000000Z",
                "end_time": "2026-11-18T11:06:40.250000000Z",
                "latency_ms": 250.0,
                "attributes": {
                    "llm.model_name": "m",
                    "llm.token_count.total": 7,
                    "cached": true,
                    "score": 0.5,
                    "tags": ["a", { "b": 1 }],
                    "torn": "[1"
                },
                "events": [{
                    "name": "exception",
                    "time": "2026-11-18T11:06:40.000000001Z",
                    "attributes": {}
                }],
                "links": [],
                "resource": {}
            })
        );
    }
}
