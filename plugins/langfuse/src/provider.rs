//! `telemetry-provider`: what this provider is, and how its server is reached.

use roost_provider::types::{Attribute, AttributeValue};
use roost_provider::{Error, error, time};
use serde::Deserialize;

use crate::bindings::telemetry_provider::{
    BackendLimits, Credential, ExportOptions, Guest, Header, Health, OtlpExport, OtlpProtocol,
    ProjectRouting, ProviderInfo, SpanExport,
};
use crate::langfuse::{Langfuse, ask, langfuse};
use crate::{Provider, Result, mark, session_id};

/// Langfuse gives twice as many; with inputs and outputs, a page of them is large.
const MAX_PAGE_SIZE: u32 = 500;

/// Each score and each record is a request of its own, and so must fit the deadline of a call this
/// often.
const MAX_BATCH_ITEMS: u32 = 25;

/// What Langfuse's clients send at most.
const MAX_BATCH_BYTES: u64 = 3_584 * 1024;

/// Langfuse answers when it has put a request into a queue.
const VISIBILITY_DELAY_MS: u32 = 30_000;

impl Guest for Provider {
    fn describe() -> ProviderInfo {
        ProviderInfo {
            name: "langfuse".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Langfuse: spans, annotations, datasets, projects and sessions.".to_owned(),
            homepage: "https://langfuse.com".to_owned(),
            config_schema: include_str!("../config.schema.json").to_owned(),
            credentials: vec![Credential {
                property: "api_keys".to_owned(),
                header: "authorization".to_owned(),
                template: "Basic {base64}".to_owned(),
            }],
            limits: BackendLimits {
                max_page_size: MAX_PAGE_SIZE,
                max_batch_items: MAX_BATCH_ITEMS,
                max_batch_bytes: MAX_BATCH_BYTES,
                mixed_projects: false,
                visibility_delay_ms: VISIBILITY_DELAY_MS,
            },
        }
    }

    fn initialize(config: String) -> Result<()> {
        Langfuse::initialize(&config)
    }

    fn configure_span_export(project: String, options: ExportOptions) -> Result<SpanExport> {
        let endpoint = match options.endpoint {
            Some(wanted) => otlp_endpoint(&wanted)?,
            None => format!("{}/api/public/otel/v1/traces", langfuse()?.address()),
        };
        Ok(SpanExport::Otlp(OtlpExport {
            protocol: OtlpProtocol::HttpProtobuf,
            endpoint,
            // Without it, what is sent can be read ten minutes later.
            headers: vec![Header {
                name: "x-langfuse-ingestion-version".to_owned(),
                value: "4".to_owned(),
            }],
            resource_attributes: Vec::new(),
            span_attributes: vec![mark::attribute(&project)?],
            routing: ProjectRouting::Credential,
        }))
    }

    fn session_attributes(project: String, session_id: String) -> Result<Vec<Attribute>> {
        Ok(vec![Attribute {
            key: session_id::ATTRIBUTE.to_owned(),
            value: AttributeValue::Text(session_id::stored(&project, &session_id)?),
        }])
    }

    fn trace_url(_project: String, trace_id: String) -> Result<Option<String>> {
        let langfuse = langfuse()?;
        let projects: Projects = ask(langfuse.get(&["projects"]))?;
        let project = projects.data.into_iter().next();
        Ok(project.map(|project| {
            format!(
                "{}/project/{}/traces/{trace_id}",
                langfuse.address(),
                project.id
            )
        }))
    }

    fn check_health() -> Result<Health> {
        #[derive(Deserialize)]
        struct State {
            version: String,
        }

        let langfuse = langfuse()?;
        let begin = time::monotonic();
        let response = langfuse.get(&["health"]).send()?;
        let latency_us = time::monotonic().saturating_sub(begin) / 1_000;
        let backend_time = response.header("date").and_then(time::parse_http_date);
        let state: State = response.json()?;
        // The state is open to everybody; this is not.
        let authenticated = match ask::<Projects>(langfuse.get(&["projects"])) {
            Ok(_) => true,
            Err(Error::Unauthenticated(_)) => false,
            Err(error) => return Err(error),
        };
        Ok(Health {
            authenticated,
            backend_version: state.version,
            latency_us,
            backend_time,
        })
    }
}

/// The projects of Langfuse that the keys reach: one.
#[derive(Deserialize)]
struct Projects {
    data: Vec<LangfuseProject>,
}

#[derive(Deserialize)]
struct LangfuseProject {
    id: String,
}

/// An endpoint the operator wants instead of the configured one: Langfuse speaks HTTP only.
fn otlp_endpoint(endpoint: &str) -> Result<String> {
    let path = endpoint
        .split_once("://")
        .and_then(|(_, rest)| rest.split_once('/'))
        .map(|(_, path)| path);
    match path {
        Some(path) if !path.is_empty() => Ok(endpoint.to_owned()),
        _ => Err(error::invalid_argument(format!(
            "`{endpoint}` has no path, so it is taken for gRPC, which Langfuse does not speak: \
             write it like `http://localhost:3000/api/public/otel/v1/traces`"
        ))),
    }
}
