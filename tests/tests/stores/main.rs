//! The stores as a service uses them, each test on four backends: `local` on SQLite, `local`
//! on a real PostgreSQL, a real Phoenix, and a real MLflow. A test is written once; where backends differ
//! it asks what the provider declares.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod analytics;
mod annotations;
mod copy;
mod datasets;
mod experiments;
mod predicates;
mod projects;
mod retention;
mod sessions;
mod side_by_side;
mod spans;

use std::time::Duration;

use anyhow::{Result, ensure};
use roost::contract::{AttributeValue, Span, TimeWindow};
use roost::provider::{Provider, SpanQuery};
use roost::{Config, TelemetryManager};
use roost_tests::{
    Mlflow, Phoenix, PluginFolder, Postgres, eventually, local_provider, mlflow_provider,
    phoenix_provider,
};

/// How long a server that has other tests to serve as well may take.
const SOON: Duration = Duration::from_secs(60);

/// Where a test's service keeps its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Backend {
    /// The provider `local`, on a SQLite file of the test's own.
    Sqlite,
    /// The provider `local`, on a database of the test's own.
    Postgres,
    /// The Phoenix that the tests share.
    Phoenix,
    /// The MLflow that the tests share.
    Mlflow,
}

/// Makes of each test one a backend: `sqlite::name`, `postgres::name`, `phoenix::name` and
/// `mlflow::name`. MLflow has no versions of datasets, and does not replace a run: what is about
/// those stands behind `not on mlflow`.
macro_rules! on_every_backend {
    ($($test:ident),+ $(; not on mlflow: $($other:ident),+)? $(,)?) => {
        crate::on_every_backend!(@ sqlite Sqlite $($test)* $($($other)*)?);
        crate::on_every_backend!(@ postgres Postgres $($test)* $($($other)*)?);
        crate::on_every_backend!(@ phoenix Phoenix $($test)* $($($other)*)?);
        crate::on_every_backend!(@ mlflow Mlflow $($test)*);
    };
    (@ $module:ident $backend:ident $($test:ident)*) => {
        mod $module {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() -> anyhow::Result<()> {
                    super::$test(crate::Backend::$backend).await
                }
            )*
        }
    };
}
use on_every_backend;

/// A service with telemetry, and the plugins folder it watches.
struct Service {
    telemetry: TelemetryManager,
    _folder: PluginFolder,
}

/// What differs from test to test, as lines of `roost.toml`.
#[derive(Default)]
struct Settings<'a> {
    /// Under `[telemetry]`.
    telemetry: &'a str,
    /// Under `[telemetry.batch_config]`.
    batch: &'a str,
}

impl Service {
    /// A service on a backend, as an operator would set it up.
    async fn start(backend: Backend, settings: Settings<'_>) -> Result<Self> {
        let folder = PluginFolder::new()?;
        let connection = match backend {
            Backend::Phoenix => {
                folder.install("phoenix", &phoenix_provider()?)?;
                let phoenix = Phoenix::shared().await?;
                format!(
                    "provider = \"phoenix\"\nprovider_config = {{ http_endpoint = \"{}\", \
                     grpc_endpoint = \"{}\" }}",
                    phoenix.http_endpoint(),
                    phoenix.grpc_endpoint()
                )
            }
            Backend::Mlflow => {
                folder.install("mlflow", &mlflow_provider()?)?;
                let mlflow = Mlflow::shared().await?;
                format!(
                    "provider = \"mlflow\"\nprovider_config = {{ http_endpoint = \"{}\" }}",
                    mlflow.http_endpoint()
                )
            }
            Backend::Sqlite | Backend::Postgres => {
                folder.install("local", &local_provider()?)?;
                let address = match backend {
                    Backend::Postgres => Postgres::shared().await?.database().await?,
                    _ => "sqlite:test.db".to_owned(),
                };
                format!("provider = \"local\"\ndatabase = \"{address}\"")
            }
        };
        let toml = format!(
            "[telemetry]\n{}\n[telemetry.batch_config]\nschedule_delay_millis = 50\n{}\n\
             [plugins]\nfolder = \"{folder}\"\n[database]\nfolder = \"{folder}\"\n\
             [connections.default]\n{connection}\n",
            settings.telemetry,
            settings.batch,
            folder = folder.path().display(),
        );
        let config = Config::from_toml(&toml, "/roost.toml")?;
        let telemetry = TelemetryManager::start(config).await?;
        Ok(Self {
            telemetry,
            _folder: folder,
        })
    }

    async fn on(backend: Backend) -> Result<Self> {
        Self::start(backend, Settings::default()).await
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

    /// The spans of a tenant's default project, once there are `count`, oldest first.
    async fn spans(&self, tenant: &str, count: usize) -> Result<Vec<Span>> {
        let (provider, project) = (self.provider(tenant)?, self.project(tenant)?);
        eventually("the spans are there", SOON, async || {
            let query = SpanQuery::new(&project, TimeWindow::all());
            let mut spans = provider.traces().get_spans(&query).await?;
            ensure!(spans.len() >= count, "{} of {count}", spans.len());
            assert_eq!(spans.len(), count);
            spans.sort_by_key(|span| span.start_time);
            Ok(spans)
        })
        .await
    }
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
