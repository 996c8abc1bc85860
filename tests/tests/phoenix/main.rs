//! Services on a real Phoenix, through the API an application uses. The tests share two
//! servers, one without and one with authentication, and keep apart by tenants nobody
//! else has.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod analytics;
mod auth;
mod cache;
mod command_line;
mod datasets;
mod demo;
mod experiments;
mod files;
mod filters;
mod grammar;
mod hot_reload;
mod interfaces;
mod limits;
mod manager;
mod many;
mod official_client;
mod outage;
mod projection;
mod sql;
mod tenants;
mod written;

use std::time::Duration;

use anyhow::{Result, ensure};
use roost::contract::{AttributeValue, Span, TimeWindow};
use roost::provider::{Provider, SpanQuery};
use roost::{Config, TelemetryManager};
use roost_tests::{Phoenix, PluginFolder, eventually, phoenix_provider};

/// How long a server that has other tests to serve as well may take: it stores a hundred spans a
/// second, and some of them send it thousands.
const SOON: Duration = Duration::from_secs(180);

/// A service with telemetry, and the plugins folder it watches.
struct Service {
    telemetry: TelemetryManager,
    folder: PluginFolder,
}

/// What differs from test to test, as lines of `roost.toml`.
#[derive(Default)]
struct Settings<'a> {
    /// Under `[telemetry]`.
    telemetry: &'a str,
    /// Under `[telemetry.batch_config]`.
    batch: &'a str,
    /// Under `[connections.default]`, and other sections.
    connection: &'a str,
    /// Whether spans go by HTTP; otherwise by gRPC.
    http: bool,
}

impl Service {
    /// A service on `phoenix`, as an operator would set it up.
    async fn start(phoenix: &Phoenix, settings: Settings<'_>) -> Result<Self> {
        let folder = PluginFolder::new()?;
        folder.install("phoenix", &phoenix_provider()?)?;
        let grpc = match settings.http {
            true => String::new(),
            false => format!(", grpc_endpoint = \"{}\"", phoenix.grpc_endpoint()),
        };
        let toml = format!(
            "[telemetry]\n{}\n[telemetry.batch_config]\nschedule_delay_millis = 50\n{}\n\
             [plugins]\nfolder = \"{}\"\n\
             [connections.default]\nprovider = \"phoenix\"\n\
             provider_config = {{ http_endpoint = \"{}\"{grpc} }}\n{}\n",
            settings.telemetry,
            settings.batch,
            folder.path().display(),
            phoenix.http_endpoint(),
            settings.connection,
        );
        let config = Config::from_toml(&toml, "/roost.toml")?;
        let telemetry = TelemetryManager::start(config).await?;
        Ok(Self { telemetry, folder })
    }

    /// A service on the shared server without authentication.
    async fn shared() -> Result<Self> {
        Self::start(Phoenix::shared().await?, Settings::default()).await
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

    /// The spans of a tenant's default project as they are.
    async fn spans_now(&self, tenant: &str) -> Result<Vec<Span>, roost::ProviderError> {
        let project = self.project(tenant).unwrap();
        let query = SpanQuery::new(project, TimeWindow::all());
        self.provider(tenant)
            .unwrap()
            .traces()
            .get_spans(&query)
            .await
    }

    /// The spans of a tenant's default project, once there are `count`, oldest first.
    async fn spans(&self, tenant: &str, count: usize) -> Result<Vec<Span>> {
        spans_of(&self.provider(tenant)?, &self.project(tenant)?, count).await
    }
}

/// The spans of a project, once there are `count`, oldest first.
async fn spans_of(provider: &Provider, project: &str, count: usize) -> Result<Vec<Span>> {
    eventually("the spans are there", SOON, async || {
        let query = SpanQuery::new(project, TimeWindow::all());
        let mut spans = provider.traces().get_spans(&query).await?;
        ensure!(spans.len() >= count, "{} of {count}", spans.len());
        assert_eq!(spans.len(), count);
        spans.sort_by_key(|span| span.start_time);
        Ok(spans)
    })
    .await
}

fn text<'a>(span: &'a Span, key: &str) -> &'a str {
    match span.attribute(key) {
        Some(AttributeValue::Text(text)) => text,
        other => panic!("{key} is {other:?} in {span:?}"),
    }
}

fn names(spans: &[Span]) -> Vec<&str> {
    spans.iter().map(|span| span.name.as_str()).collect()
}

/// What Phoenix's REST answers to a `GET` of this path: the status, and the body where it is
/// JSON.
async fn rest(phoenix: &Phoenix, path: &str) -> Result<(u16, serde_json::Value)> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(SOON)
        // After a status of 500 the server closes the connection without saying so.
        .pool_max_idle_per_host(0)
        .build()?;
    let url = format!("{}/{path}", phoenix.http_endpoint());
    let answer = client.get(url).send().await?;
    let status = answer.status().as_u16();
    Ok((status, answer.json().await.unwrap_or_default()))
}
