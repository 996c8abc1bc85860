//! A provider that takes spans itself, and keeps them in its instance for as long as that
//! lives. Some names of spans make it fail; see [`fault`].

mod bindings;
mod fault;

use std::cell::RefCell;

use serde::Deserialize;

use bindings::exports::roost::telemetry::span_sink::{ExportOutcome, Guest as SpanSink};
use bindings::exports::roost::telemetry::telemetry_provider::{
    BackendLimits, ExportOptions, Guest as TelemetryProvider, Health, ProviderInfo, SpanExport,
};
use bindings::exports::roost::telemetry::trace_store::{
    Guest as TraceStore, SpanBatch, SpanPage, SpanQuery, TracePage,
};
use bindings::roost::telemetry::types::{
    Attribute, AttributeValue, Error, PageRequest, RejectedItem, Span, SpanRef,
};

/// The most spans, and bytes of them, in a call.
const LIMITS: (u32, u64) = (10, 4_096);

const SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "away": { "type": "boolean", "default": false, "title": "Whether every call is answered `unavailable`" }
  }
}"#;

#[derive(Default, Deserialize)]
struct Config {
    away: bool,
}

#[derive(Default)]
struct Shelf {
    config: Config,
    spans: Vec<(String, Span)>,
    calls: u32,
}

thread_local! {
    static SHELF: RefCell<Shelf> = RefCell::default();
}

fn with_shelf<T>(use_it: impl FnOnce(&mut Shelf) -> T) -> T {
    SHELF.with_borrow_mut(use_it)
}

struct Sink;

impl TelemetryProvider for Sink {
    fn describe() -> ProviderInfo {
        ProviderInfo {
            name: "sink".to_owned(),
            version: "1.0.0".to_owned(),
            summary: "Keeps the spans it is given.".to_owned(),
            homepage: String::new(),
            config_schema: SCHEMA.to_owned(),
            credentials: Vec::new(),
            limits: BackendLimits {
                max_page_size: 1_000,
                max_batch_items: LIMITS.0,
                max_batch_bytes: LIMITS.1,
                mixed_projects: true,
                visibility_delay_ms: 0,
            },
        }
    }

    fn initialize(config: String) -> Result<(), Error> {
        let config = serde_json::from_str(&config)
            .map_err(|error| Error::InvalidArgument(format!("config: {error}")))?;
        with_shelf(|shelf| shelf.config = config);
        Ok(())
    }

    fn configure_span_export(_: String, _: ExportOptions) -> Result<SpanExport, Error> {
        Ok(SpanExport::Sink)
    }

    fn session_attributes(_: String, session_id: String) -> Result<Vec<Attribute>, Error> {
        Ok(vec![text("session.id", session_id)])
    }

    fn trace_url(_: String, _: String) -> Result<Option<String>, Error> {
        Ok(None)
    }

    fn check_health() -> Result<Health, Error> {
        Ok(Health {
            authenticated: true,
            backend_version: String::new(),
            latency_us: 0,
            backend_time: None,
        })
    }
}

impl SpanSink for Sink {
    /// Each span that is kept says in `sink.call` which call brought it.
    fn export(
        project: String,
        resource_attributes: Vec<Attribute>,
        spans: Vec<Span>,
    ) -> Result<ExportOutcome, Error> {
        if with_shelf(|shelf| shelf.config.away) {
            return Err(Error::Unavailable("the shelf is away".to_owned()));
        }
        if spans.is_empty() || spans.len() > LIMITS.0 as usize {
            return Err(Error::InvalidArgument(format!("{} spans", spans.len())));
        }
        fault::of_call(&spans)?;
        let call = with_shelf(|shelf| {
            shelf.calls += 1;
            shelf.calls
        });
        let (mut accepted, mut rejected) = (0, Vec::new());
        for (index, mut span) in (0..).zip(spans) {
            if let Some(reason) = fault::of_span(&span) {
                rejected.push(RejectedItem { index, reason });
                continue;
            }
            accepted += fault::counted(&span);
            span.resource.clone_from(&resource_attributes);
            span.attributes.push(text("sink.call", call.to_string()));
            with_shelf(|shelf| {
                if shelf
                    .spans
                    .iter()
                    .all(|(_, kept)| kept.span_id != span.span_id)
                {
                    shelf.spans.push((project.clone(), span));
                }
            });
        }
        Ok(ExportOutcome { accepted, rejected })
    }
}

impl TraceStore for Sink {
    /// All of them are on one page.
    fn get_spans(query: SpanQuery) -> Result<SpanPage, Error> {
        Ok(SpanPage {
            spans: SpanBatch::Records(kept(&query.project, |_| true)),
            cursor: None,
            applied: Vec::new(),
            ordered: false,
        })
    }

    fn get_span(project: String, span: SpanRef) -> Result<Span, Error> {
        kept(&project, |kept| kept.span_id == span.span_id)
            .pop()
            .ok_or_else(|| Error::NotFound(format!("no span {}", span.span_id)))
    }

    fn get_trace(
        project: String,
        trace_id: String,
        _near: Option<u64>,
        _page: PageRequest,
    ) -> Result<TracePage, Error> {
        let spans = kept(&project, |kept| kept.trace_id == trace_id);
        Ok(TracePage {
            spans,
            cursor: None,
        })
    }
}

fn kept(project: &str, wanted: impl Fn(&Span) -> bool) -> Vec<Span> {
    with_shelf(|shelf| {
        let of_project = shelf.spans.iter().filter(|(of, _)| of == project);
        let spans = of_project.map(|(_, span)| span);
        spans.filter(|span| wanted(span)).cloned().collect()
    })
}

fn text(key: &str, value: impl Into<String>) -> Attribute {
    Attribute {
        key: key.to_owned(),
        value: AttributeValue::Text(value.into()),
    }
}
