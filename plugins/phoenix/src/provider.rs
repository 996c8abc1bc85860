//! `telemetry-provider`: what this provider is, and how its server is reached.

use roost_provider::types::{Attribute, AttributeValue};
use roost_provider::{Error, error, time};

use crate::bindings::telemetry_provider::{
    BackendLimits, Credential, ExportOptions, Guest, Health, OtlpExport, OtlpProtocol,
    ProjectRouting, ProviderInfo, SpanExport,
};
use crate::phoenix::{MOST, Phoenix, phoenix};
use crate::{Provider, Result, session_id};

/// Phoenix takes gRPC messages of 4 MiB and refuses larger ones whole; this leaves room for
/// what surrounds the spans.
const MAX_BATCH_BYTES: u64 = 3_584 * 1024;

/// Phoenix acknowledges spans before it stores them. Seen on an idle server: up to 0.7
/// seconds for a span, 9 for a thousand.
const VISIBILITY_DELAY_MS: u32 = 10_000;

impl Guest for Provider {
    fn describe() -> ProviderInfo {
        ProviderInfo {
            name: "phoenix".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary:
                "Arize Phoenix: spans, annotations, datasets, experiments, projects and sessions."
                    .to_owned(),
            homepage: "https://github.com/Arize-ai/phoenix".to_owned(),
            config_schema: include_str!("../config.schema.json").to_owned(),
            credentials: vec![Credential {
                property: "api_key".to_owned(),
                header: "authorization".to_owned(),
                template: "Bearer {}".to_owned(),
            }],
            limits: BackendLimits {
                max_page_size: MOST,
                max_batch_items: MOST,
                max_batch_bytes: MAX_BATCH_BYTES,
                mixed_projects: true,
                visibility_delay_ms: VISIBILITY_DELAY_MS,
            },
        }
    }

    fn initialize(config: String) -> Result<()> {
        Phoenix::initialize(&config)
    }

    fn configure_span_export(_project: String, options: ExportOptions) -> Result<SpanExport> {
        let phoenix = phoenix()?;
        let (protocol, endpoint) = match (&options.endpoint, &phoenix.grpc_endpoint) {
            (Some(wanted), _) => otlp_endpoint(wanted)?,
            (None, Some(grpc)) => (OtlpProtocol::Grpc, grpc.trim_end_matches('/').to_owned()),
            (None, None) => (
                OtlpProtocol::HttpProtobuf,
                format!("{}/v1/traces", phoenix.http.address()),
            ),
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

    fn session_attributes(project: String, session_id: String) -> Result<Vec<Attribute>> {
        if session_id.is_empty() || session_id.trim() != session_id {
            return Err(error::invalid_argument(format!(
                "`{session_id}` is no session id for Phoenix, which ignores white space around \
                 one and an empty one: give it without"
            )));
        }
        Ok(vec![Attribute {
            key: session_id::ATTRIBUTE.to_owned(),
            value: AttributeValue::Text(session_id::stored(&project, &session_id)),
        }])
    }

    fn trace_url(_project: String, trace_id: String) -> Result<Option<String>> {
        // Phoenix's pages resolve this to the project the trace is in.
        let address = phoenix()?.http.address();
        Ok(Some(format!("{address}/redirects/traces/{trace_id}")))
    }

    fn check_health() -> Result<Health> {
        let phoenix = phoenix()?;
        let begin = time::monotonic();
        let answer = phoenix.http.get(&["arize_phoenix_version"]).send()?;
        let latency_us = time::monotonic().saturating_sub(begin) / 1_000;
        let backend_time = answer.header("date").and_then(time::parse_http_date);
        let backend_version = version(answer.success()?.body())?;

        // The version is open to everybody; this is not.
        let answer = phoenix
            .http
            .get(&["v1", "projects"])
            .query("limit", 1)
            .send()?;
        let authenticated = match answer.status() {
            401 => false,
            403 => true,
            _ => answer.success().map(|_| true)?,
        };
        Ok(Health {
            authenticated,
            backend_version,
            latency_us,
            backend_time,
        })
    }
}

/// The protocol that an operator's endpoint speaks: gRPC has no path, HTTP has one.
fn otlp_endpoint(endpoint: &str) -> Result<(OtlpProtocol, String)> {
    let refuse = || {
        error::invalid_argument(format!(
            "`{endpoint}` is no OTLP endpoint: write it like `http://localhost:4317` for gRPC or \
             like `http://localhost:6006/v1/traces` for HTTP"
        ))
    };
    let (scheme, rest) = endpoint.split_once("://").ok_or_else(refuse)?;
    if !matches!(scheme, "http" | "https") {
        return Err(refuse());
    }
    match rest.split_once('/') {
        Some(("", _)) => Err(refuse()),
        Some((_, path)) if !path.is_empty() => {
            Ok((OtlpProtocol::HttpProtobuf, endpoint.to_owned()))
        }
        None if rest.is_empty() => Err(refuse()),
        _ => Ok((
            OtlpProtocol::Grpc,
            endpoint.trim_end_matches('/').to_owned(),
        )),
    }
}

/// The version in the answer to `/arize_phoenix_version`; a server of another kind answers
/// with a page of its own, or nothing of the sort.
fn version(body: &[u8]) -> Result<String> {
    std::str::from_utf8(body)
        .ok()
        .map(str::trim)
        .filter(|text| text.starts_with(|c: char| c.is_ascii_digit()) && text.len() < 64)
        .map(str::to_owned)
        .ok_or_else(|| not_phoenix(body))
}

fn not_phoenix(body: &[u8]) -> Error {
    let beginning: String = String::from_utf8_lossy(body).chars().take(80).collect();
    error::backend(
        200,
        &format!("the configured `http_endpoint` is no Phoenix server; it answered: {beginning}"),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_protocol_follows_from_the_path() {
        for (endpoint, protocol, expected) in [
            ("http://h:4317", OtlpProtocol::Grpc, "http://h:4317"),
            ("https://h:4317/", OtlpProtocol::Grpc, "https://h:4317"),
            (
                "http://h/v1/traces",
                OtlpProtocol::HttpProtobuf,
                "http://h/v1/traces",
            ),
        ] {
            assert_eq!(
                otlp_endpoint(endpoint).unwrap(),
                (protocol, expected.to_owned())
            );
        }
        for endpoint in [
            "localhost:4317",
            "grpc://h:4317",
            "http://",
            "http:///v1/traces",
        ] {
            assert!(
                matches!(otlp_endpoint(endpoint), Err(Error::InvalidArgument(_))),
                "{endpoint}"
            );
        }
    }

    #[test]
    fn a_server_of_another_kind_is_no_phoenix() {
        assert_eq!(version(b"20.26.1").unwrap(), "20.26.1");
        assert!(version(b"<!doctype html>").is_err());
    }

    #[test]
    fn the_configuration_schema_is_json() {
        let schema = Provider::describe().config_schema;
        let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
        assert_eq!(
            schema.pointer("/properties/api_key/writeOnly"),
            Some(&true.into())
        );
    }
}
