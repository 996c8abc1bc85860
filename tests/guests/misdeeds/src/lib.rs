//! A provider that does what no provider should: what, its configuration says.

mod bindings;
mod deeds;
mod misdeed;
mod outgoing;
mod tables;

use std::cell::{Cell, OnceCell};
use std::hint::black_box;

use bindings::exports::roost::telemetry::telemetry_provider::{
    BackendLimits, Credential, ExportOptions, Guest as TelemetryProvider, Health, ProviderInfo,
    SpanExport,
};
use bindings::exports::roost::telemetry::trace_store::{
    Guest as TraceStore, SpanBatch, SpanPage, SpanQuery, TracePage,
};
use bindings::roost::telemetry::types::{Attribute, Error, PageRequest, Span, SpanRef, StatusCode};
use misdeed::{Config, DESCRIBES, Describes, Misdeed};

/// What is of it, and some lies: an endpoint of its own choice, and somebody else's name.
const SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "properties": {
    "misdeed": { "type": "string", "default": "trap-every-third" },
    "url": { "type": "string" },
    "endpoint": { "type": "string", "format": "uri", "default": "http://169.254.169.254" },
    "token": { "type": "string", "writeOnly": true }
  }
}"#;

thread_local! {
    static CONFIG: OnceCell<Config> = const { OnceCell::new() };
    static CALLS: Cell<u32> = const { Cell::new(0) };
}

/// [`DESCRIBES`], and which of [`Describes`] it is.
static MARK: [u8; DESCRIBES.len() + 1] = mark(Describes::Lies);

const fn mark(describes: Describes) -> [u8; DESCRIBES.len() + 1] {
    let mut mark = [describes as u8; DESCRIBES.len() + 1];
    let (words, _) = mark.split_at_mut(DESCRIBES.len());
    words.copy_from_slice(DESCRIBES);
    mark
}

struct Misdeeds;

impl TelemetryProvider for Misdeeds {
    fn describe() -> ProviderInfo {
        // A test changes it in the file, where no compiler sees that.
        match black_box(&MARK).last() {
            Some(mark) if *mark == Describes::Hangs as u8 => deeds::spin(),
            Some(mark) if *mark == Describes::Traps as u8 => std::process::abort(),
            Some(mark) if *mark == Describes::TakesMemory as u8 => deeds::take_memory(),
            _ => {}
        }
        ProviderInfo {
            name: "phoenix".to_owned(),
            version: "99.0.0".to_owned(),
            summary: "The best of all providers.".to_owned(),
            homepage: String::new(),
            config_schema: SCHEMA.to_owned(),
            credentials: vec![Credential {
                property: "token".to_owned(),
                header: "x-token".to_owned(),
                template: "{}".to_owned(),
            }],
            limits: BackendLimits {
                max_page_size: u32::MAX,
                max_batch_items: u32::MAX,
                max_batch_bytes: u64::MAX,
                mixed_projects: true,
                visibility_delay_ms: 0,
            },
        }
    }

    fn initialize(config: String) -> Result<(), Error> {
        let config: Config = serde_json::from_str(&config)
            .map_err(|error| Error::InvalidArgument(format!("config: {error}")))?;
        match config.misdeed {
            Misdeed::InitializeHangs => deeds::spin(),
            Misdeed::InitializeTraps => std::process::abort(),
            _ => {}
        }
        CONFIG
            .with(|cell| cell.set(config))
            .map_err(|_| Error::Internal("initialize was called twice".to_owned()))
    }

    fn configure_span_export(_: String, _: ExportOptions) -> Result<SpanExport, Error> {
        Err(Error::Unsupported("spans".to_owned()))
    }

    fn session_attributes(_: String, _: String) -> Result<Vec<Attribute>, Error> {
        Ok(Vec::new())
    }

    fn trace_url(_: String, _: String) -> Result<Option<String>, Error> {
        Ok(None)
    }

    fn check_health() -> Result<Health, Error> {
        Err(Error::Unsupported("health".to_owned()))
    }
}

impl TraceStore for Misdeeds {
    fn get_spans(query: SpanQuery) -> Result<SpanPage, Error> {
        let call = CALLS.with(|calls| calls.replace(calls.get() + 1)) + 1;
        let config = CONFIG.with(|cell| cell.get().cloned());
        let config = config.ok_or_else(|| Error::Internal("not initialised".to_owned()))?;
        let names = match config.misdeed {
            Misdeed::Loop => deeds::spin(),
            Misdeed::BusyHostCalls => deeds::ask_the_time(),
            Misdeed::Memory => deeds::take_memory(),
            Misdeed::Growth => {
                deeds::grow();
                if !config.url.is_empty() {
                    outgoing::status(&config.url)?;
                }
                vec![call.to_string()]
            }
            Misdeed::Table => vec![tables::used(call)],
            Misdeed::Recursion => vec![deeds::dive(u64::from(call)).to_string()],
            Misdeed::Hoard => deeds::hoard(),
            Misdeed::GiantResult => vec!["x".repeat(4 << 20)],
            Misdeed::GiantRequest => vec![outgoing::post(&config.url, 4 << 20)?],
            Misdeed::SlowDrip | Misdeed::GiantResponse => {
                vec![outgoing::read(&config.url)?.to_string()]
            }
            Misdeed::ForbiddenHost => vec![outgoing::status(&config.url)?.to_string()],
            Misdeed::ForbiddenRedirect => vec![outgoing::follow(&config.url)?.to_string()],
            Misdeed::Snoop => deeds::snoop(),
            Misdeed::LogFlood => deeds::flood(),
            Misdeed::TrapEveryThird if call.is_multiple_of(3) => std::process::abort(),
            Misdeed::TrapEveryThird => vec![call.to_string()],
            Misdeed::InitializeHangs | Misdeed::InitializeTraps => Vec::new(),
            Misdeed::DescribeLies => vec![String::new(); query.page.limit as usize + 1_000],
        };
        Ok(SpanPage {
            spans: SpanBatch::Records(names.into_iter().map(span).collect()),
            cursor: None,
            applied: Vec::new(),
            ordered: false,
        })
    }

    fn get_span(_: String, _: SpanRef) -> Result<Span, Error> {
        Err(Error::Unsupported("one span".to_owned()))
    }

    fn get_trace(_: String, _: String, _: Option<u64>, _: PageRequest) -> Result<TracePage, Error> {
        Err(Error::Unsupported("a trace".to_owned()))
    }
}

fn span(name: String) -> Span {
    Span {
        trace_id: "0af7651916cd43dd8448eb211c80319c".to_owned(),
        span_id: "b7ad6b7169203331".to_owned(),
        parent_id: None,
        name,
        kind: "CHAIN".to_owned(),
        status: StatusCode::Ok,
        status_message: String::new(),
        start_time: 0,
        end_time: 1,
        attributes: Vec::new(),
        events: Vec::new(),
        links: Vec::new(),
        resource: Vec::new(),
    }
}
