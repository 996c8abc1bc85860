//! `telemetry-provider`: what this provider is, and how its backend is reached.

use crate::Provider;
use crate::exports::roost::telemetry::telemetry_provider::{
    BackendLimits, Credential, ExportOptions, Guest, Health, ProviderInfo, SpanExport,
};
use crate::roost::telemetry::types::{Attribute, AttributeValue, Error};
use crate::service;
use crate::wasi::clocks::monotonic_clock;

/// The configuration. `format: uri` lets the provider reach what the operator sets; a
/// `writeOnly` property is a secret that the host sends, as `credentials` says, and we never see.
const SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "http_endpoint": {
      "type": "string",
      "format": "uri",
      "default": "http://localhost:8080",
      "title": "Where the service is"
    },
    "api_key": {
      "type": "string",
      "writeOnly": true,
      "title": "The key to the service, if it wants one"
    }
  }
}"#;

impl Guest for Provider {
    fn describe() -> ProviderInfo {
        ProviderInfo {
            name: "{{name}}".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Reads and writes the spans of the practice service.".to_owned(),
            homepage: String::new(),
            config_schema: SCHEMA.to_owned(),
            credentials: vec![Credential {
                property: "api_key".to_owned(),
                header: "authorization".to_owned(),
                template: "Bearer {}".to_owned(),
            }],
            limits: BackendLimits {
                max_page_size: 1_000,
                max_batch_items: 500,
                max_batch_bytes: 4 << 20,
                mixed_projects: false,
                visibility_delay_ms: 0,
            },
        }
    }

    fn initialize(config: String) -> Result<(), Error> {
        service::initialize(&config)
    }

    fn configure_span_export(_: String, _: ExportOptions) -> Result<SpanExport, Error> {
        Ok(SpanExport::Sink)
    }

    fn session_attributes(_: String, session_id: String) -> Result<Vec<Attribute>, Error> {
        Ok(vec![Attribute {
            key: "session.id".to_owned(),
            value: AttributeValue::Text(session_id),
        }])
    }

    fn trace_url(_: String, _: String) -> Result<Option<String>, Error> {
        Ok(None)
    }

    fn check_health() -> Result<Health, Error> {
        #[derive(serde::Deserialize)]
        struct Answer {
            version: String,
        }
        let begin = monotonic_clock::now();
        let (authenticated, backend_version) = match service::get::<Answer>("/health") {
            Ok(answer) => (true, answer.version),
            // A credential that is not accepted is an answer.
            Err(Error::Unauthenticated(_)) => (false, String::new()),
            Err(error) => return Err(error),
        };
        Ok(Health {
            authenticated,
            backend_version,
            latency_us: (monotonic_clock::now() - begin) / 1_000,
            backend_time: None,
        })
    }
}
