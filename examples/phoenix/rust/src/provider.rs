//! `telemetry-provider`: what this provider is, and how Phoenix is reached.

use serde::de::IgnoredAny;

use crate::Provider;
use crate::exports::roost::telemetry::telemetry_provider::{
    BackendLimits, Credential, ExportOptions, Guest, Health, OtlpExport, OtlpProtocol,
    ProjectRouting, ProviderInfo, SpanExport,
};
use crate::roost::telemetry::types::{Attribute, Error};
use crate::service::{self, Question, endpoint};
use crate::wasi::clocks::monotonic_clock;

const SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "http_endpoint": {
      "type": "string",
      "format": "uri",
      "default": "http://localhost:6006",
      "title": "Where Phoenix serves its API"
    },
    "api_key": {
      "type": "string",
      "writeOnly": true,
      "title": "An API key, if Phoenix wants one"
    }
  }
}"#;

impl Guest for Provider {
    fn describe() -> ProviderInfo {
        ProviderInfo {
            name: "phoenix".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Arize Phoenix: spans, and annotations of spans.".to_owned(),
            homepage: "https://github.com/Arize-ai/phoenix".to_owned(),
            config_schema: SCHEMA.to_owned(),
            credentials: vec![Credential {
                property: "api_key".to_owned(),
                header: "authorization".to_owned(),
                template: "Bearer {}".to_owned(),
            }],
            limits: BackendLimits {
                max_page_size: 1_000,
                max_batch_items: 500,
                max_batch_bytes: 3_584 * 1_024,
                mixed_projects: true,
                // Phoenix acknowledges spans before it stores them.
                visibility_delay_ms: 10_000,
            },
        }
    }

    fn initialize(config: String) -> Result<(), Error> {
        service::initialize(&config)
    }

    fn configure_span_export(_: String, options: ExportOptions) -> Result<SpanExport, Error> {
        let wanted = options.endpoint;
        let endpoint = wanted.unwrap_or_else(|| format!("{}/v1/traces", endpoint()));
        // An endpoint with a path speaks HTTP, and one without gRPC.
        let host = endpoint.split_once("://").map_or("", |(_, rest)| rest);
        let protocol = match host.split_once('/') {
            Some((_, path)) if !path.is_empty() => OtlpProtocol::HttpProtobuf,
            _ => OtlpProtocol::Grpc,
        };
        Ok(SpanExport::Otlp(OtlpExport {
            protocol,
            endpoint,
            headers: Vec::new(),
            resource_attributes: Vec::new(),
            span_attributes: Vec::new(),
            routing: ProjectRouting::ResourceAttribute("openinference.project.name".to_owned()),
        }))
    }

    fn session_attributes(_: String, _: String) -> Result<Vec<Attribute>, Error> {
        // Phoenix has one name space of sessions for all projects; plugins/phoenix shows what that
        // takes.
        Err(Error::Unsupported(
            "this example has no sessions".to_owned(),
        ))
    }

    fn trace_url(_: String, trace_id: String) -> Result<Option<String>, Error> {
        Ok(Some(format!("{}/redirects/traces/{trace_id}", endpoint())))
    }

    fn check_health() -> Result<Health, Error> {
        let begin = monotonic_clock::now();
        let version = Question::new("/arize_phoenix_version").ask_text()?;
        let latency_us = (monotonic_clock::now() - begin) / 1_000;
        // The version is open to everybody; this is not.
        let projects = Question::new("/v1/projects").with("limit", 1);
        let authenticated = match projects.ask::<IgnoredAny>() {
            Ok(_) => true,
            // A credential that is not accepted is an answer.
            Err(Error::Unauthenticated(_)) => false,
            Err(error) => return Err(error),
        };
        Ok(Health {
            authenticated,
            backend_version: version.trim().to_owned(),
            latency_us,
            backend_time: None,
        })
    }
}
