//! Spans on their way in: OTLP, in either of its forms, and what Langfuse makes of a span.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::{Map, Value, json};

use super::store::{Answer, PROJECT, Store, bad, ok, text, written};

/// The body of a request as JSON, also where it is protobuf; none for an empty one.
pub(super) fn json(content_type: &str, body: &[u8]) -> Result<Option<Value>, String> {
    if body.is_empty() {
        return Ok(None);
    }
    if content_type.starts_with("application/x-protobuf") {
        let request = ExportTraceServiceRequest::decode(body).map_err(|why| why.to_string())?;
        return Ok(Some(written_as_json(&request)));
    }
    serde_json::from_slice(body)
        .map(Some)
        .map_err(|why| why.to_string())
}

/// A request as the other form of OTLP writes it.
fn written_as_json(request: &ExportTraceServiceRequest) -> Value {
    let resources = request.resource_spans.iter().map(|it| {
        let scopes = it.scope_spans.iter().map(|it| {
            let scope = it.scope.as_ref();
            json!({
                "scope": scope.map(|it| json!({ "name": it.name, "version": it.version })),
                "spans": it.spans.iter().map(span).collect::<Vec<_>>(),
            })
        });
        let resource = it.resource.as_ref();
        json!({
            "resource": resource.map(|it| json!({ "attributes": attributes(&it.attributes) })),
            "scopeSpans": scopes.collect::<Vec<_>>(),
        })
    });
    json!({ "resourceSpans": resources.collect::<Vec<_>>() })
}

fn span(span: &Span) -> Value {
    let status = span.status.as_ref();
    json!({
        "traceId": hex(&span.trace_id),
        "spanId": hex(&span.span_id),
        "parentSpanId": hex(&span.parent_span_id),
        "name": span.name,
        "kind": span.kind,
        "startTimeUnixNano": span.start_time_unix_nano.to_string(),
        "endTimeUnixNano": span.end_time_unix_nano.to_string(),
        "attributes": attributes(&span.attributes),
        "status": status.map(|it| json!({ "code": it.code, "message": it.message })),
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn attributes(attributes: &[KeyValue]) -> Value {
    let pairs = attributes
        .iter()
        .map(|it| json!({ "key": it.key, "value": it.value.as_ref().map(any) }));
    pairs.collect()
}

fn any(value: &AnyValue) -> Value {
    match &value.value {
        Some(Any::StringValue(text)) => json!({ "stringValue": text }),
        Some(Any::BoolValue(value)) => json!({ "boolValue": value }),
        Some(Any::IntValue(number)) => json!({ "intValue": number }),
        Some(Any::DoubleValue(number)) => json!({ "doubleValue": number }),
        Some(Any::ArrayValue(list)) => {
            let values: Vec<Value> = list.values.iter().map(any).collect();
            json!({ "arrayValue": { "values": values } })
        }
        _ => json!({}),
    }
}

impl Store {
    /// Keep spans.
    pub(super) fn take_spans(&mut self, body: &Value) -> Answer {
        let now = self.now();
        for resource in list(body, "resourceSpans") {
            let attributes = pairs(resource.pointer("/resource/attributes"));
            for scope in list(resource, "scopeSpans") {
                for span in list(scope, "spans") {
                    let observation = observation(span, &attributes, scope.get("scope"), now)
                        .ok_or_else(|| bad("a span without ids or times"))?;
                    // One that is sent again replaces itself.
                    let same = |it: &Value| {
                        it.get("id") == observation.get("id")
                            && it.get("traceId") == observation.get("traceId")
                    };
                    self.observations.retain(|it| !same(it));
                    self.observations.push(observation);
                }
            }
        }
        ok(json!({}))
    }
}

fn list<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> {
    let list = value.get(key).and_then(Value::as_array);
    list.into_iter().flatten()
}

/// Attributes as plain JSON.
fn pairs(attributes: Option<&Value>) -> BTreeMap<String, Value> {
    let attributes = attributes.and_then(Value::as_array);
    let pairs = attributes.into_iter().flatten().filter_map(|it| {
        let value = plain(it.get("value")?)?;
        Some((text(it, "key")?.to_owned(), value))
    });
    pairs.collect()
}

fn plain(value: &Value) -> Option<Value> {
    let (kind, value) = value.as_object()?.iter().next()?;
    match kind.as_str() {
        "arrayValue" => {
            let values = value.get("values").and_then(Value::as_array);
            let plain = values
                .into_iter()
                .flatten()
                .map(plain)
                .collect::<Option<_>>()?;
            Some(Value::Array(plain))
        }
        _ => Some(value.clone()),
    }
}

/// The attributes that Langfuse takes as input and output.
const INPUT: [&str; 2] = ["langfuse.observation.input", "input.value"];
const OUTPUT: [&str; 2] = ["langfuse.observation.output", "output.value"];

/// What Langfuse makes of a span.
fn observation(
    span: &Value,
    resource: &BTreeMap<String, Value>,
    scope: Option<&Value>,
    now: i64,
) -> Option<Value> {
    let millisecond = |key: &str| {
        let nanoseconds: u64 = text(span, key)?.parse().ok()?;
        i64::try_from(nanoseconds / 1_000_000).ok()
    };
    let attributes = pairs(span.get("attributes"));
    let said = |keys: &[&str]| keys.iter().find_map(|key| attributes.get(*key)).cloned();
    let failed = span.pointer("/status/code") == Some(&json!(2));
    let parent = text(span, "parentSpanId").filter(|id| !id.is_empty());
    let message = span.pointer("/status/message").and_then(Value::as_str);
    Some(json!({
        "id": text(span, "spanId").filter(|id| id.len() == 16)?,
        "traceId": text(span, "traceId").filter(|id| id.len() == 32)?,
        "projectId": PROJECT,
        "parentObservationId": parent,
        "isRootObservation": parent.is_none(),
        "startTime": written(millisecond("startTimeUnixNano")?),
        "endTime": written(millisecond("endTimeUnixNano")?),
        "type": kind(&attributes),
        "name": span.get("name"),
        "level": if failed { "ERROR" } else { "DEFAULT" },
        "statusMessage": message.filter(|message| !message.is_empty()),
        "sessionId": said(&["session.id", "langfuse.session.id"]),
        "userId": said(&["user.id", "langfuse.user.id"]),
        "environment": "default",
        "bookmarked": false,
        "public": false,
        "version": null,
        "input": said(&INPUT).map(as_text),
        "output": said(&OUTPUT).map(as_text),
        "metadata": metadata(&attributes, resource, scope),
        "createdAt": written(now),
        "updatedAt": written(now),
        "modelId": null, "inputPrice": null, "outputPrice": null, "totalPrice": null,
    }))
}

fn kind(attributes: &BTreeMap<String, Value>) -> &'static str {
    let kind = attributes
        .get("openinference.span.kind")
        .and_then(Value::as_str);
    match kind {
        Some("LLM") => "GENERATION",
        Some("CHAIN") => "CHAIN",
        Some("TOOL") => "TOOL",
        Some("RETRIEVER") => "RETRIEVER",
        Some("EMBEDDING") => "EMBEDDING",
        Some("AGENT") => "AGENT",
        Some("GUARDRAIL") => "GUARDRAIL",
        Some("EVALUATOR") => "EVALUATOR",
        _ if attributes.contains_key("llm.model_name") => "GENERATION",
        _ => "SPAN",
    }
}

/// Metadata: texts by keys with dots.
fn metadata(
    attributes: &BTreeMap<String, Value>,
    resource: &BTreeMap<String, Value>,
    scope: Option<&Value>,
) -> Value {
    const OWN: [&str; 2] = ["langfuse.observation.metadata.", "langfuse.trace.metadata."];
    let mut metadata = Map::new();
    for (key, value) in attributes {
        if INPUT.contains(&key.as_str()) || OUTPUT.contains(&key.as_str()) {
            continue;
        }
        let own = OWN.iter().find_map(|prefix| key.strip_prefix(prefix));
        let key = own.map_or_else(|| format!("attributes.{key}"), str::to_owned);
        metadata.insert(key, as_text(value.clone()));
    }
    for (key, value) in resource {
        metadata.insert(format!("resourceAttributes.{key}"), as_text(value.clone()));
    }
    for key in ["name", "version"] {
        if let Some(value) = scope.and_then(|it| it.get(key)) {
            metadata.insert(format!("scope.{key}"), value.clone());
        }
    }
    Value::Object(metadata)
}

fn as_text(value: Value) -> Value {
    match value {
        Value::String(_) => value,
        // As JavaScript writes numbers.
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 1e15 => {
                json!(format!("{float:.0}"))
            }
            _ => json!(number.to_string()),
        },
        value => json!(value.to_string()),
    }
}
