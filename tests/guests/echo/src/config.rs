//! The configuration: the spans to serve.

use serde::Deserialize;

use crate::bindings::roost::telemetry::types::{Error, Span, StatusCode};
use crate::{VERSION, text};

/// The schema of [`Config`], with an endpoint and a secret so that tests can see what
/// the host makes of them.
pub(crate) const SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "endpoint": { "type": "string", "format": "uri", "title": "Endpoint" },
    "mirror": { "type": "string", "format": "uri", "default": "http://mirror.invalid", "title": "Mirror" },
    "token": { "type": "string", "writeOnly": true, "title": "Token" },
    "spans": {
      "type": "array",
      "title": "The spans to serve",
      "default": [],
      "items": {
        "type": "object",
        "additionalProperties": false,
        "required": ["trace_id", "span_id", "name"],
        "properties": {
          "trace_id": { "type": "string", "pattern": "^[0-9a-f]{32}$" },
          "span_id": { "type": "string", "pattern": "^[0-9a-f]{16}$" },
          "parent_id": { "type": "string", "pattern": "^[0-9a-f]{16}$" },
          "name": { "type": "string", "minLength": 1 },
          "start_time": { "type": "integer", "minimum": 0 }
        }
      }
    }
  }
}"#;

/// What `initialize` was given.
pub(crate) struct Config {
    pub(crate) endpoint: Option<String>,
    spans: Vec<ConfiguredSpan>,
    /// The configuration as it came, for tests that ask what a guest gets to see.
    received: String,
}

#[derive(Deserialize)]
struct Document {
    endpoint: Option<String>,
    #[serde(default)]
    spans: Vec<ConfiguredSpan>,
}

#[derive(Deserialize)]
struct ConfiguredSpan {
    trace_id: String,
    span_id: String,
    parent_id: Option<String>,
    name: String,
    /// Nanoseconds since the Unix epoch.
    #[serde(default)]
    start_time: u64,
}

impl Config {
    pub(crate) fn parse(json: &str) -> Result<Self, Error> {
        let document: Document = serde_json::from_str(json)
            .map_err(|error| Error::InvalidArgument(format!("config: {error}")))?;
        Ok(Self {
            endpoint: document.endpoint,
            spans: document.spans,
            received: json.to_owned(),
        })
    }

    /// The spans, in the order of the configuration; each lasts a millisecond.
    pub(crate) fn spans(&self) -> impl Iterator<Item = Span> {
        self.spans.iter().map(|span| Span {
            trace_id: span.trace_id.clone(),
            span_id: span.span_id.clone(),
            parent_id: span.parent_id.clone(),
            name: span.name.clone(),
            kind: "CHAIN".to_owned(),
            status: StatusCode::Ok,
            status_message: String::new(),
            start_time: span.start_time,
            end_time: span.start_time.saturating_add(1_000_000),
            attributes: vec![
                text("echo.version", VERSION),
                text("echo.config", self.received.as_str()),
                text("echo.call", crate::call_number().to_string()),
            ],
            events: Vec::new(),
            links: Vec::new(),
            resource: Vec::new(),
        })
    }
}
