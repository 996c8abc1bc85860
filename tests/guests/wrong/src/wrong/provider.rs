//! `telemetry-provider`.

use std::cell::Cell;

use roost_provider::bindings::wasi::random::random;
use roost_provider::http::Client;
use roost_provider::types::Attribute;
use serde_json::{Value, json};

use super::{breaks, configure, endpoint};
use crate::bindings::telemetry_provider::{
    ExportOptions, Guest, Health, OtlpExport, OtlpProtocol, ProjectRouting, ProviderInfo,
    SpanExport,
};
use crate::{Provider, Result, Wrong};

thread_local! {
    static ASKED: Cell<bool> = const { Cell::new(false) };
}

impl Guest for Wrong {
    fn describe() -> ProviderInfo {
        let mut info = Provider::describe();
        info.name = "wrong".to_owned();
        info.config_schema = schema(&info.config_schema).to_string();
        if breaks("provider.name") {
            info.name = "Wrong!".to_owned();
        }
        if breaks("provider.summary") {
            info.summary = String::new();
        }
        if breaks("provider.describe") {
            info.homepage = format!("https://example.com/{}", random::get_random_u64());
        }
        info
    }

    fn initialize(config: String) -> Result<()> {
        configure(&config);
        Provider::initialize(config)
    }

    fn configure_span_export(project: String, options: ExportOptions) -> Result<SpanExport> {
        if breaks("provider.export") && ASKED.replace(true) {
            return Ok(SpanExport::Otlp(OtlpExport {
                protocol: OtlpProtocol::Grpc,
                endpoint: "localhost".to_owned(),
                headers: Vec::new(),
                resource_attributes: Vec::new(),
                span_attributes: Vec::new(),
                routing: ProjectRouting::Credential,
            }));
        }
        Provider::configure_span_export(project, options)
    }

    fn session_attributes(project: String, session_id: String) -> Result<Vec<Attribute>> {
        if breaks("provider.session") {
            return Provider::session_attributes(project, "one for all".to_owned());
        }
        Provider::session_attributes(project, session_id)
    }

    fn trace_url(project: String, trace_id: String) -> Result<Option<String>> {
        if breaks("provider.trace-url") {
            return Ok(Some("somewhere".to_owned()));
        }
        Provider::trace_url(project, trace_id)
    }

    fn check_health() -> Result<Health> {
        if let Some(endpoint) = endpoint().filter(|_| !breaks("provider.away")) {
            Client::new(&endpoint)?.get(&[]).send()?.success()?;
        }
        let mut health = Provider::check_health()?;
        health.authenticated &= !breaks("provider.health");
        Ok(health)
    }
}

/// The schema of `local`, with what is of this provider alone.
fn schema(of_local: &str) -> Value {
    let mut schema: Value = serde_json::from_str(of_local).unwrap_or_default();
    let own = [
        (
            "wrong",
            json!({ "type": "string", "title": "The rule to break" }),
        ),
        (
            "endpoint",
            json!({ "type": "string", "format": "uri", "title": "A backend to ask" }),
        ),
    ];
    let mystery = ("mystery", json!({ "default": 3 }));
    let secret = (
        "secret",
        json!({ "type": "string", "writeOnly": true, "title": "A secret" }),
    );
    let wrong = [
        Some(mystery).filter(|_| breaks("provider.settings")),
        Some(secret).filter(|_| breaks("provider.secrets")),
    ];
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        let all = own.into_iter().chain(wrong.into_iter().flatten());
        properties.extend(all.map(|(name, property)| (name.to_owned(), property)));
    }
    schema
}
