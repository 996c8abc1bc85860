//! The spans that rules read.
//!
//! They are made as an application makes them, with OpenTelemetry's interface, and what a provider
//! has to return for them is written down beside.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry::trace::{Span as _, SpanBuilder, SpanContext, Status, TraceContextExt, Tracer};
use opentelemetry::{Array, Context, KeyValue, StringValue, Value};

use crate::TelemetryManager;
use crate::contract::{Attribute, AttributeValue, Event, Span, StatusCode, Timestamp};

/// The attribute that says a span's kind.
const KIND: &str = "openinference.span.kind";
/// The attribute that says its session.
pub(super) const SESSION: &str = "session.id";

/// One millisecond, in nanoseconds.
pub(super) const MILLI: u64 = 1_000_000;

/// The session that both projects have.
pub(super) const SHARED_SESSION: &str = "a session: ä/1";
/// The other session of the first project.
pub(super) const SECOND_SESSION: &str = "a second session";

/// How many characters the largest attribute has.
pub(super) const LARGE: usize = 100_000;

/// A span to write.
#[derive(Debug, Clone)]
pub(super) struct Planned {
    name: String,
    kind: &'static str,
    /// The place of its parent in the plan; none for a root, which begins a trace.
    parent: Option<usize>,
    start: Timestamp,
    end: Timestamp,
    status: Status,
    attributes: Vec<(&'static str, AttributeValue)>,
    event: Option<&'static str>,
}

impl Planned {
    /// A root that takes so many milliseconds.
    pub(super) fn new(name: impl Into<String>, start: Timestamp, millis: u64) -> Self {
        Self {
            name: name.into(),
            kind: "CHAIN",
            parent: None,
            start,
            end: start + millis * MILLI,
            status: Status::Ok,
            attributes: Vec::new(),
            event: None,
        }
    }

    fn kind(mut self, kind: &'static str) -> Self {
        self.kind = kind;
        self
    }

    fn below(mut self, parent: usize) -> Self {
        self.parent = Some(parent);
        self
    }

    fn status(mut self, status: Status) -> Self {
        self.status = status;
        self
    }

    fn event(mut self, name: &'static str) -> Self {
        self.event = Some(name);
        self
    }

    fn with(mut self, key: &'static str, value: impl Into<AttributeValue>) -> Self {
        self.attributes.push((key, value.into()));
        self
    }

    fn in_session(self, session: &str) -> Self {
        self.with(SESSION, session)
    }
}

/// The spans of the first project: three traces that differ in everything, and six alike.
pub(super) fn first(begin: Timestamp) -> Vec<Planned> {
    use AttributeValue::{Boolean, Integer, Json, Number};

    let at = |millis: u64| begin + millis * MILLI;
    let broken = Status::error("it broke: größe \"7\"");
    let mut spans = vec![
        Planned::new("check root", at(0), 100).in_session(SHARED_SESSION),
        Planned::new("check llm", at(10), 50)
            .kind("LLM")
            .below(0)
            .in_session(SHARED_SESSION)
            .with("llm.model_name", "model-a")
            .with("llm.token_count.prompt", Integer(11))
            .with("llm.token_count.completion", Integer(7))
            .with("llm.token_count.total", Integer(18)),
        Planned::new("check tool", at(60), 30)
            .kind("TOOL")
            .below(0)
            .in_session(SHARED_SESSION)
            .status(broken)
            .event("check event"),
        Planned::new("check retriever", at(65), 5)
            .kind("RETRIEVER")
            .below(2)
            .in_session(SHARED_SESSION)
            .status(Status::Unset),
        Planned::new("größe 検索 🦉 \"quoted\" \\ %2F 'x'", at(1_000), 40)
            .kind("AGENT")
            .in_session(SHARED_SESSION)
            .with(
                "check.text",
                "line one\nline two\tü 検索 🦉 \"quoted\" \\ {}",
            )
            .with("check.boolean", Boolean(true))
            .with("check.integer", Integer(-42))
            .with("check.large_integer", Integer((1 << 53) + 1))
            .with("check.number", Number(0.1))
            .with("check.list", Json(r#"["a","ü",""]"#.to_owned())),
        Planned::new("check large", at(2_000), 20)
            .kind("LLM")
            .in_session(SECOND_SESSION)
            .with("check.large", large())
            .with("llm.model_name", "model-b")
            .with("llm.token_count.prompt", Integer(1_000))
            .with("llm.token_count.completion", Integer(1))
            .with("llm.token_count.total", Integer(1_001)),
    ];
    spans.extend((1..=6_u64).map(|step| {
        let parity = if step % 2 == 0 { "even" } else { "odd" };
        // The longest is in the middle, so that orders by time and by length differ.
        Planned::new(
            format!("check step {step}"),
            at(2_000 + step * 1_000),
            10 + (step * 5) % 7,
        )
        .with("check.place", Integer(step.cast_signed()))
        .with("check.parity", parity)
    }));
    spans
}

/// The spans of the second project.
pub(super) fn second(begin: Timestamp) -> Vec<Planned> {
    vec![
        Planned::new("check other", begin, 30).in_session(SHARED_SESSION),
        Planned::new("check other step", begin + MILLI, 3)
            .below(0)
            .in_session(SHARED_SESSION),
    ]
}

/// A long text that does not repeat itself soon.
pub(super) fn large() -> String {
    (0_u32..)
        .flat_map(|n| format!("{n} ö ").chars().collect::<Vec<_>>())
        .take(LARGE)
        .collect()
}

/// Make the spans; returned is what a provider has to say of them.
pub(super) fn write(
    telemetry: &TelemetryManager,
    tenant: &str,
    service: &str,
    plan: &[Planned],
) -> Vec<Span> {
    let tracer = telemetry.tracer(tenant).with_service(service.to_owned());
    let mut contexts: Vec<SpanContext> = Vec::with_capacity(plan.len());
    let mut written = Vec::with_capacity(plan.len());
    for planned in plan {
        let parent = planned
            .parent
            .and_then(|place| contexts.get(place))
            .cloned();
        let context = match &parent {
            Some(parent) => Context::new().with_remote_span_context(parent.clone()),
            None => Context::new(),
        };
        let kind = KeyValue::new(KIND, planned.kind);
        let attributes = planned
            .attributes
            .iter()
            .map(|(key, value)| key_value(key, value));
        let builder = SpanBuilder::from_name(planned.name.clone())
            .with_start_time(instant(planned.start))
            .with_attributes(attributes.chain([kind]).collect::<Vec<_>>());
        let mut span = tracer.build_with_context(builder, &context);
        if let Some(event) = planned.event {
            let attributes = vec![KeyValue::new("check.of", "an event")];
            span.add_event_with_timestamp(event, instant(planned.start + MILLI), attributes);
        }
        span.set_status(planned.status.clone());
        span.end_with_timestamp(instant(planned.end));
        let own = span.span_context().clone();
        written.push(expected(planned, &own, parent.as_ref()));
        contexts.push(own);
    }
    written
}

fn expected(planned: &Planned, own: &SpanContext, parent: Option<&SpanContext>) -> Span {
    let (status, status_message) = match &planned.status {
        Status::Unset => (StatusCode::Unset, String::new()),
        Status::Ok => (StatusCode::Ok, String::new()),
        Status::Error { description } => (StatusCode::Error, description.to_string()),
    };
    let attribute = |(key, value): &(&str, AttributeValue)| Attribute {
        key: (*key).to_owned(),
        value: value.clone(),
    };
    let event = |name: &str| Event {
        name: name.to_owned(),
        time: planned.start + MILLI,
        attributes: vec![attribute(&("check.of", "an event".into()))],
    };
    Span {
        trace_id: own.trace_id().to_string(),
        span_id: own.span_id().to_string(),
        parent_id: parent.map(|it| it.span_id().to_string()),
        name: planned.name.clone(),
        kind: planned.kind.to_owned(),
        status,
        status_message,
        start_time: planned.start,
        end_time: planned.end,
        attributes: planned.attributes.iter().map(attribute).collect(),
        events: planned.event.map(event).into_iter().collect(),
        links: Vec::new(),
        resource: Vec::new(),
    }
}

fn instant(at: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(at)
}

fn key_value(key: &'static str, value: &AttributeValue) -> KeyValue {
    let value = match value {
        AttributeValue::Text(text) => Value::from(text.clone()),
        AttributeValue::Boolean(value) => Value::from(*value),
        AttributeValue::Integer(value) => Value::from(*value),
        AttributeValue::Number(value) => Value::from(*value),
        AttributeValue::Json(list) => {
            let list: Vec<String> = serde_json::from_str(list).unwrap_or_default();
            let list: Vec<StringValue> = list.into_iter().map(Into::into).collect();
            Value::Array(Array::String(list))
        }
    };
    KeyValue::new(key, value)
}
