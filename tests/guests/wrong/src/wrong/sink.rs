//! `span-sink`.

use roost_provider::bindings::wasi::random::random;
use roost_provider::types::{Attribute, Span, SpanRef};

use super::breaks;
use crate::bindings::span_sink::{ExportOutcome, Guest};
use crate::bindings::trace_store::Guest as _;
use crate::{Provider, Result, Wrong};

impl Guest for Wrong {
    fn export(
        project: String,
        resource_attributes: Vec<Attribute>,
        mut spans: Vec<Span>,
    ) -> Result<ExportOutcome> {
        let count = u32::try_from(spans.len()).unwrap_or(u32::MAX);
        if breaks("sink.accepted") {
            spans.pop();
        }
        if breaks("sink.again") {
            for span in &mut spans {
                let own = SpanRef {
                    trace_id: span.trace_id.clone(),
                    span_id: span.span_id.clone(),
                    near: None,
                };
                if Provider::get_span(project.clone(), own).is_ok() {
                    span.span_id = format!("{:016x}", random::get_random_u64());
                }
            }
        }
        let mut outcome = Provider::export(project, resource_attributes, spans)?;
        outcome.accepted = count;
        Ok(outcome)
    }
}
