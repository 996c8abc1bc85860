//! A provider without a backend: it serves the spans of its configuration, so the host
//! can be tested without a server. Some names of projects make it misbehave, see
//! [`misbehaviour`], ask a server for something, see [`requests`], use its database, see
//! [`database`], or look at its memory, see [`memory`].
//!
//! Built twice, with two values of `ECHO_VERSION`, it is also the provider that tests
//! swap: each span says which version served it.

mod bindings;
mod config;
mod database;
mod memory;
mod misbehaviour;
mod requests;
mod spans;

use std::cell::{Cell, OnceCell};

use bindings::exports::roost::telemetry::telemetry_provider::{
    BackendLimits, Credential, ExportOptions, Guest as TelemetryProvider, Health, OtlpExport,
    OtlpProtocol, ProjectRouting, ProviderInfo, SpanExport,
};
use bindings::exports::roost::telemetry::trace_store::{
    Guest as TraceStore, SpanBatch, SpanPage, SpanQuery, TracePage,
};
use bindings::roost::telemetry::types::{
    Attribute, AttributeValue, Error, PageRequest, Span, SpanRef,
};
use config::Config;

/// What `describe` says, and each span in `echo.version`.
const VERSION: &str = match option_env!("ECHO_VERSION") {
    Some(version) => version,
    None => "1.0.0",
};

thread_local! {
    /// Set by `initialize`.
    static CONFIG: OnceCell<Config> = const { OnceCell::new() };
    static CALLS: Cell<u32> = const { Cell::new(0) };
}

/// How many calls for spans this instance has had.
fn call_number() -> u32 {
    CALLS.with(Cell::get)
}

struct Echo;

impl TelemetryProvider for Echo {
    fn describe() -> ProviderInfo {
        ProviderInfo {
            name: "echo".to_owned(),
            version: VERSION.to_owned(),
            summary: "Serves the spans of its configuration.".to_owned(),
            homepage: String::new(),
            config_schema: config::SCHEMA.to_owned(),
            credentials: vec![Credential {
                property: "token".to_owned(),
                header: "authorization".to_owned(),
                template: "Bearer {}".to_owned(),
            }],
            limits: BackendLimits {
                max_page_size: 1000,
                max_batch_items: 100,
                max_batch_bytes: 1 << 20,
                mixed_projects: true,
                visibility_delay_ms: 0,
            },
        }
    }

    fn initialize(config: String) -> Result<(), Error> {
        let config = Config::parse(&config)?;
        CONFIG.with(|cell| cell.set(config)).map_err(|_| {
            Error::Internal("initialize was called a second time in one instance".to_owned())
        })
    }

    fn configure_span_export(project: String, options: ExportOptions) -> Result<SpanExport, Error> {
        let configured = with_config(|config| config.endpoint.clone())?;
        let Some(endpoint) = options.endpoint.or(configured) else {
            return Err(Error::InvalidArgument(
                "no endpoint: set `endpoint` in the connection's provider_config".to_owned(),
            ));
        };
        Ok(SpanExport::Otlp(OtlpExport {
            protocol: match endpoint.ends_with("/v1/traces") {
                true => OtlpProtocol::HttpProtobuf,
                false => OtlpProtocol::Grpc,
            },
            endpoint,
            headers: Vec::new(),
            resource_attributes: vec![text("echo.project", project)],
            span_attributes: Vec::new(),
            routing: ProjectRouting::ResourceAttribute("echo.project".to_owned()),
        }))
    }

    fn session_attributes(project: String, session_id: String) -> Result<Vec<Attribute>, Error> {
        Ok(vec![text("session.id", format!("{project}:{session_id}"))])
    }

    fn trace_url(_project: String, _trace_id: String) -> Result<Option<String>, Error> {
        Ok(None)
    }

    fn check_health() -> Result<Health, Error> {
        Ok(Health {
            authenticated: true,
            backend_version: VERSION.to_owned(),
            latency_us: 0,
            backend_time: None,
        })
    }
}

impl TraceStore for Echo {
    fn get_spans(query: SpanQuery) -> Result<SpanPage, Error> {
        CALLS.with(|calls| calls.set(calls.get() + 1));
        misbehaviour::named(&query.project)?;
        if let Some(steps) = query.project.strip_prefix("database:") {
            return Ok(SpanPage {
                spans: SpanBatch::Records(vec![spans::named(database::run(steps)?)]),
                cursor: None,
                applied: Vec::new(),
                ordered: true,
            });
        }
        if query.project == "endless" {
            return Ok(SpanPage {
                spans: SpanBatch::Records(Vec::new()),
                cursor: Some("0".to_owned()),
                applied: Vec::new(),
                ordered: false,
            });
        }
        let found = with_config(|config| {
            spans::page(config, &query.page, |span| {
                (query.window.start..query.window.end).contains(&span.start_time)
                    && !(query.roots_only && span.parent_id.is_some())
            })
        })??;
        Ok(SpanPage {
            spans: SpanBatch::Records(found.spans),
            cursor: found.cursor,
            applied: Vec::new(),
            ordered: false,
        })
    }

    fn get_span(_project: String, span: SpanRef) -> Result<Span, Error> {
        with_config(|config| {
            config
                .spans()
                .find(|found| found.span_id == span.span_id)
                .ok_or_else(|| Error::NotFound(format!("no span {}", span.span_id)))
        })?
    }

    fn get_trace(
        _project: String,
        trace_id: String,
        _near: Option<u64>,
        page: PageRequest,
    ) -> Result<TracePage, Error> {
        let found =
            with_config(|config| spans::page(config, &page, |span| span.trace_id == trace_id))??;
        if found.spans.is_empty() && page.cursor.is_none() {
            return Err(Error::NotFound(format!("no trace {trace_id}")));
        }
        Ok(found)
    }
}

fn with_config<T>(use_it: impl FnOnce(&Config) -> T) -> Result<T, Error> {
    CONFIG.with(|cell| {
        let config = cell
            .get()
            .ok_or_else(|| Error::Internal("a call came before initialize".to_owned()))?;
        Ok(use_it(config))
    })
}

fn text(key: &str, value: impl Into<String>) -> Attribute {
    Attribute {
        key: key.to_owned(),
        value: AttributeValue::Text(value.into()),
    }
}
