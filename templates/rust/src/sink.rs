//! `span-sink`: spans on their way in, for a backend without OTLP. One that takes OTLP needs none:
//! it says where in `configure-span-export`, and the host sends them.

use serde::{Deserialize, Serialize};

use crate::Provider;
use crate::exports::roost::telemetry::span_sink::{ExportOutcome, Guest};
use crate::roost::telemetry::types::{Attribute, Error, Span};
use crate::service::{encode, post};
use crate::span::Wire;

#[derive(Serialize)]
struct Batch {
    spans: Vec<Wire>,
}

#[derive(Deserialize)]
struct Answer {
    accepted: u32,
}

impl Guest for Provider {
    fn export(
        project: String,
        _resource: Vec<Attribute>,
        spans: Vec<Span>,
    ) -> Result<ExportOutcome, Error> {
        let batch = Batch {
            spans: spans.into_iter().map(Wire::from).collect(),
        };
        let body = serde_json::to_string(&batch)
            .map_err(|error| Error::Internal(format!("the spans are no JSON: {error}")))?;
        let answer: Answer = post(&format!("/projects/{}/spans", encode(&project)), &body)?;
        Ok(ExportOutcome {
            accepted: answer.accepted,
            rejected: Vec::new(),
        })
    }
}
