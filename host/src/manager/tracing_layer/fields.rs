//! The fields of `tracing`'s spans and events, as OpenTelemetry knows them.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use opentelemetry::trace::{SpanKind, Status};
use opentelemetry::{KeyValue, StringValue, Value};
use tracing::field::{Field, Visit};

/// What the fields of a span say.
#[derive(Default)]
pub(super) struct SpanFields {
    pub(super) tenant: Option<String>,
    pub(super) service: Option<String>,
    pub(super) name: Option<String>,
    pub(super) kind: Option<SpanKind>,
    pub(super) status_code: Option<Status>,
    pub(super) status_message: Option<String>,
    pub(super) attributes: Vec<KeyValue>,
}

impl SpanFields {
    /// What code and message, in whichever order they came, say together. A message alone is of
    /// an error.
    pub(super) fn status(&mut self) -> Option<Status> {
        match (self.status_code.take(), self.status_message.take()) {
            (None | Some(Status::Error { .. }), Some(message)) => Some(Status::error(message)),
            (code, _) => code,
        }
    }

    fn put(&mut self, field: &Field, value: Value) {
        let text = || value.as_str().into_owned();
        match field.name() {
            "tenant" | "tenant_id" => self.tenant = Some(text()),
            "service" => self.service = Some(text()),
            "otel.name" => self.name = Some(text()),
            "otel.kind" => self.kind = kind(&text()),
            "otel.status_code" => self.status_code = status(&text()),
            "otel.status_message" => self.status_message = Some(text()),
            name => self.attributes.push(KeyValue::new(name, value)),
        }
    }
}

/// What the fields of an event say.
#[derive(Default)]
pub(super) struct EventFields {
    pub(super) message: Option<String>,
    /// What the field `error`, or one that holds an error, says.
    pub(super) error: Option<String>,
    pub(super) attributes: Vec<KeyValue>,
}

impl EventFields {
    fn put(&mut self, field: &Field, value: Value) {
        match field.name() {
            "message" => self.message = Some(value.as_str().into_owned()),
            "error" => self.error = Some(value.as_str().into_owned()),
            // What `tracing-log` says about a record; it has filled in level and target.
            name if name.starts_with("log.") => {}
            name => self.attributes.push(KeyValue::new(name, value)),
        }
    }
}

impl Visit for SpanFields {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, unsigned(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.to_owned().into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let text = value.to_string();
        self.status_code = Some(Status::error(""));
        self.status_message = Some(text.clone());
        self.put(field, text.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }
}

impl Visit for EventFields {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, unsigned(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.to_owned().into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.error = Some(value.to_string());
        let mut causes = Vec::<StringValue>::new();
        let mut cause = value.source();
        while let Some(error) = cause {
            causes.push(error.to_string().into());
            cause = error.source();
        }
        if !causes.is_empty() {
            let key = format!("{}.chain", field.name());
            self.attributes
                .push(KeyValue::new(key, Value::Array(causes.into())));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }
}

/// OpenTelemetry has signed numbers only.
fn unsigned(value: u64) -> Value {
    i64::try_from(value).map_or_else(|_| value.to_string().into(), Value::from)
}

fn kind(text: &str) -> Option<SpanKind> {
    let kinds = [
        ("internal", SpanKind::Internal),
        ("server", SpanKind::Server),
        ("client", SpanKind::Client),
        ("producer", SpanKind::Producer),
        ("consumer", SpanKind::Consumer),
    ];
    let found = kinds
        .into_iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(text));
    found.map(|(_, kind)| kind)
}

fn status(text: &str) -> Option<Status> {
    if text.eq_ignore_ascii_case("ok") {
        Some(Status::Ok)
    } else if text.eq_ignore_ascii_case("error") {
        Some(Status::error(Cow::Borrowed("")))
    } else {
        None
    }
}
