//! `telemetry-provider`: what this provider is, and how its server is reached.

use roost_provider::types::{Attribute, AttributeValue};
use roost_provider::{error, time};

use crate::bindings::telemetry_provider::{
    BackendLimits, Credential, ExportOptions, Guest, Header, Health, OtlpExport, OtlpProtocol,
    ProjectRouting, ProviderInfo, SpanExport,
};
use crate::mlflow::{Mlflow, answer, good, mlflow};
use crate::{Provider, Result, projects, search};

/// Pages are made here of what MLflow gives, and each begins with a search.
const MAX_PAGE_SIZE: u32 = 1_000;

/// Each annotation is a request of its own, and so must fit the deadline of a call this often.
const MAX_BATCH_ITEMS: u32 = 100;

/// What MLflow stores while a sender waits; it takes larger requests.
const MAX_BATCH_BYTES: u64 = 3_584 * 1024;

/// The longest session id that MLflow takes, in characters.
const LONGEST_SESSION: usize = 250;

impl Guest for Provider {
    fn describe() -> ProviderInfo {
        ProviderInfo {
            name: "mlflow".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "MLflow: spans, annotations, datasets, experiments, projects and sessions."
                .to_owned(),
            homepage: "https://mlflow.org".to_owned(),
            config_schema: include_str!("../config.schema.json").to_owned(),
            credentials: vec![Credential {
                property: "basic_auth".to_owned(),
                header: "authorization".to_owned(),
                template: "Basic {base64}".to_owned(),
            }],
            limits: BackendLimits {
                max_page_size: MAX_PAGE_SIZE,
                max_batch_items: MAX_BATCH_ITEMS,
                max_batch_bytes: MAX_BATCH_BYTES,
                // All spans of a request go to the experiment that its header names.
                mixed_projects: false,
                // It answers when it has stored.
                visibility_delay_ms: 0,
            },
        }
    }

    fn initialize(config: String) -> Result<()> {
        Mlflow::initialize(&config)
    }

    fn configure_span_export(project: String, options: ExportOptions) -> Result<SpanExport> {
        let mlflow = mlflow()?;
        let endpoint = match options.endpoint {
            Some(wanted) => otlp_endpoint(&wanted)?,
            None => format!("{}/v1/traces", mlflow.http.address()),
        };
        let experiment = projects::ensured_id(mlflow, &project)?;
        Ok(SpanExport::Otlp(OtlpExport {
            protocol: OtlpProtocol::HttpProtobuf,
            endpoint,
            headers: Vec::new(),
            resource_attributes: Vec::new(),
            span_attributes: Vec::new(),
            routing: ProjectRouting::Header(Header {
                name: "x-mlflow-experiment-id".to_owned(),
                value: experiment,
            }),
        }))
    }

    fn session_attributes(_project: String, session_id: String) -> Result<Vec<Attribute>> {
        if session_id.is_empty() || session_id.chars().count() > LONGEST_SESSION {
            return Err(error::invalid_argument(format!(
                "`{session_id}` is no session id for MLflow, which takes 1 to {LONGEST_SESSION} \
                 characters, and no span of a trace with a longer one"
            )));
        }
        // Refuses what could never be found again.
        search::text(&session_id)?;
        Ok(vec![Attribute {
            key: "session.id".to_owned(),
            value: AttributeValue::Text(session_id),
        }])
    }

    fn trace_url(project: String, trace_id: String) -> Result<Option<String>> {
        let mlflow = mlflow()?;
        let experiment = projects::id(mlflow, &project)?;
        Ok(Some(format!(
            "{}/#/experiments/{experiment}/traces?selectedEvaluationId={}",
            mlflow.http.address(),
            search::trace_id(&trace_id)
        )))
    }

    fn check_health() -> Result<Health> {
        let mlflow = mlflow()?;
        let begin = time::monotonic();
        let response = mlflow.http.get(&["version"]).send()?;
        let latency_us = time::monotonic().saturating_sub(begin) / 1_000;
        let backend_time = response.header("date").and_then(time::parse_http_date);
        let authenticated = response.status() != 401;
        let mut backend_version = String::new();
        if authenticated {
            backend_version = version(good(response)?.body())?;
            // The version is open to every host name; this is not.
            answer(mlflow.get("experiments", "search").query("max_results", 1))?;
        }
        Ok(Health {
            authenticated,
            backend_version,
            latency_us,
            backend_time,
        })
    }
}

/// An endpoint the operator wants instead of the configured one: MLflow speaks HTTP only.
fn otlp_endpoint(endpoint: &str) -> Result<String> {
    let path = endpoint
        .split_once("://")
        .and_then(|(_, rest)| rest.split_once('/'))
        .map(|(_, path)| path);
    match path {
        Some(path) if !path.is_empty() => Ok(endpoint.to_owned()),
        _ => Err(error::invalid_argument(format!(
            "`{endpoint}` has no path, so it is taken for gRPC, which MLflow does not speak: write \
             it like `http://localhost:5000/v1/traces`"
        ))),
    }
}

/// The version in the answer to `/version`; a server of another kind answers with something else.
fn version(body: &[u8]) -> Result<String> {
    std::str::from_utf8(body)
        .ok()
        .map(str::trim)
        .filter(|text| text.starts_with(|c: char| c.is_ascii_digit()) && text.len() < 64)
        .map(str::to_owned)
        .ok_or_else(|| {
            let beginning: String = String::from_utf8_lossy(body).chars().take(80).collect();
            error::backend(
                200,
                &format!(
                    "the configured `http_endpoint` is no MLflow server; it answered: {beginning}"
                ),
            )
        })
}
