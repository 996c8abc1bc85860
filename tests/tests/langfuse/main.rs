//! Services on the small Langfuse that the tests bring along, through the API an application
//! uses. Every request of the provider, and every answer it gets, is held against the API that
//! Langfuse publishes; see `roost_tests::Langfuse`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod annotations;
mod datasets;
mod failures;
mod pages;
mod projects;
mod sessions;
mod spans;

use std::time::Duration;

use anyhow::{Result, ensure};
use roost::contract::{Span, TimeWindow};
use roost::provider::{Provider, SpanQuery};
use roost::{Config, TelemetryManager};
use roost_tests::{Langfuse, PluginFolder, langfuse_provider};
use serde_json::{Value, json};

/// How long to wait for what takes no time.
const SOON: Duration = Duration::from_secs(60);

/// When spans of tests begin, in nanoseconds.
const BEGIN: u64 = 1_795_168_000_000_000_000;
const SECOND: u64 = 1_000_000_000;
const MILLISECOND: u64 = 1_000_000;

/// A service with telemetry on a Langfuse of its own.
struct Service {
    telemetry: TelemetryManager,
    langfuse: Langfuse,
    _folder: PluginFolder,
}

impl Service {
    async fn start() -> Result<Self> {
        let langfuse = Langfuse::start().await?;
        let keys = langfuse.api_keys();
        Self::on(langfuse, keys).await
    }

    /// A service with these keys.
    async fn on(langfuse: Langfuse, api_keys: &str) -> Result<Self> {
        let folder = PluginFolder::new()?;
        folder.install("langfuse", &langfuse_provider()?)?;
        let toml = format!(
            "[telemetry.batch_config]\nschedule_delay_millis = 50\n\
             [plugins]\nfolder = \"{}\"\n\
             [connections.default]\nprovider = \"langfuse\"\n\
             provider_config = {{ http_endpoint = \"{}\" }}\n\
             secrets.api_keys = \"{api_keys}\"\n",
            folder.path().display(),
            langfuse.http_endpoint(),
        );
        let config = Config::from_toml(&toml, "/roost.toml")?;
        let telemetry = TelemetryManager::start(config).await?;
        Ok(Self {
            telemetry,
            langfuse,
            _folder: folder,
        })
    }

    fn provider(&self, tenant: &str) -> Result<Provider> {
        Ok(self.telemetry.get_provider(tenant, None)?)
    }

    fn project(&self, tenant: &str) -> Result<String> {
        Ok(self.telemetry.project_name(tenant, None)?)
    }

    /// Every span has reached the backend.
    async fn delivered(&self) -> Result<()> {
        let report = self.telemetry.force_flush(SOON).await;
        ensure!(report.is_complete(), "{report:?}");
        Ok(())
    }

    /// The spans of a tenant's default project, oldest first.
    async fn spans(&self, tenant: &str) -> Result<Vec<Span>> {
        let query = SpanQuery::new(self.project(tenant)?, TimeWindow::all());
        let mut spans = self.provider(tenant)?.traces().get_spans(&query).await?;
        spans.sort_by_key(|span| span.start_time);
        Ok(spans)
    }

    /// Store spans as another OTLP client would that marks them as a tenant's.
    async fn send(&self, tenant: &str, mut spans: Vec<Value>) -> Result<()> {
        let mark = json!({
            "key": "langfuse.observation.metadata.roost_project",
            "value": { "stringValue": self.project(tenant)? },
        });
        for span in &mut spans {
            span["attributes"]
                .as_array_mut()
                .unwrap()
                .push(mark.clone());
        }
        let body = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": spans }] }] });
        let path = "/api/public/otel/v1/traces";
        let (status, answer) = self.langfuse.ask("POST", path, Some(&body)).await?;
        ensure!(status == 200, "{status}: {answer}");
        Ok(())
    }
}

/// A span for [`Service::send`]: its ids in hexadecimal digits, its parent's empty for a root.
fn span(ids: (&str, &str, &str), name: &str, start: u64, end: u64) -> Value {
    let (trace, span, parent) = ids;
    json!({
        "traceId": trace, "spanId": span, "parentSpanId": parent, "name": name, "kind": 1,
        "startTimeUnixNano": start.to_string(), "endTimeUnixNano": end.to_string(),
        "attributes": [],
    })
}

/// An attribute that is a text, for a span.
fn text_attribute(key: &str, text: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": text } })
}

fn names(spans: &[Span]) -> Vec<&str> {
    spans.iter().map(|span| span.name.as_str()).collect()
}
