//! Services on a real MLflow, through the API an application uses. The tests share a server
//! and keep apart by tenants nobody else has.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod annotations;
mod auth;
mod datasets;
mod experiments;
mod official_client;
mod pages;
mod projects;
mod server;
mod sessions;
mod spans;

use std::time::Duration;

use anyhow::{Result, ensure};
use roost::contract::{Span, TimeWindow};
use roost::provider::{Provider, SpanQuery};
use roost::{Config, TelemetryManager};
use roost_tests::{Mlflow, PluginFolder, mlflow_provider};

/// How long a server that has other tests to serve as well may take.
const SOON: Duration = Duration::from_secs(60);

/// A service with telemetry, and the plugins folder it watches.
struct Service {
    telemetry: TelemetryManager,
    _folder: PluginFolder,
}

impl Service {
    /// A service on `mlflow`, with these lines more under `[connections.default]`.
    async fn start(mlflow: &Mlflow, connection: &str) -> Result<Self> {
        let endpoint = mlflow.http_endpoint();
        Self::start_at(endpoint, connection).await
    }

    async fn start_at(endpoint: &str, connection: &str) -> Result<Self> {
        let folder = PluginFolder::new()?;
        folder.install("mlflow", &mlflow_provider()?)?;
        let toml = format!(
            "[telemetry.batch_config]\nschedule_delay_millis = 50\n\
             [plugins]\nfolder = \"{}\"\n\
             [connections.default]\nprovider = \"mlflow\"\n\
             provider_config = {{ http_endpoint = \"{endpoint}\" }}\n{connection}\n",
            folder.path().display(),
        );
        let config = Config::from_toml(&toml, "/roost.toml")?;
        let telemetry = TelemetryManager::start(config).await?;
        Ok(Self {
            telemetry,
            _folder: folder,
        })
    }

    /// A service on the shared server.
    async fn shared() -> Result<Self> {
        Self::start(Mlflow::shared().await?, "").await
    }

    fn provider(&self, tenant: &str) -> Result<Provider> {
        Ok(self.telemetry.get_provider(tenant, None)?)
    }

    fn project(&self, tenant: &str) -> Result<String> {
        Ok(self.telemetry.project_name(tenant, None)?)
    }

    /// Every span has reached the backend, where it can be read at once.
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
}

fn names(spans: &[Span]) -> Vec<&str> {
    spans.iter().map(|span| span.name.as_str()).collect()
}
