//! A service with Roost in it, on `local` or on a Phoenix.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use roost::{Config, Provider, TelemetryManager};
use roost_tests::{Phoenix, PluginFolder, local_provider, phoenix_provider};

use crate::spans::{self, Kind};

const TENANT: &str = "acme";

/// How many spans are made before they are waited for: as many as one tenant may have in the queue.
const AT_ONCE: usize = 10_000;

/// How long what was made may take to be delivered.
const FLUSH: Duration = Duration::from_secs(1_800);

pub(crate) struct Service {
    telemetry: TelemetryManager,
    folder: PluginFolder,
}

impl Service {
    pub(crate) async fn local() -> Result<Self> {
        let folder = PluginFolder::new()?;
        folder.install("local", &local_provider()?)?;
        Self::start(folder, "provider = \"local\"").await
    }

    pub(crate) async fn postgresql(address: &str) -> Result<Self> {
        let folder = PluginFolder::new()?;
        folder.install("local", &local_provider()?)?;
        let connection = format!("provider = \"local\"\ndatabase = \"{address}\"");
        Self::start(folder, &connection).await
    }

    pub(crate) async fn phoenix(server: &Phoenix) -> Result<Self> {
        let folder = PluginFolder::new()?;
        folder.install("phoenix", &phoenix_provider()?)?;
        let connection = format!(
            "provider = \"phoenix\"\nprovider_config = {{ http_endpoint = \"{}\", grpc_endpoint = \
             \"{}\" }}",
            server.http_endpoint(),
            server.grpc_endpoint()
        );
        Self::start(folder, &connection).await
    }

    async fn start(folder: PluginFolder, connection: &str) -> Result<Self> {
        let toml = format!(
            "[cache]\nenabled = false\n[telemetry.batch_config]\nmax_queue_size = 16384\n\
             max_export_batch_size = 1000\nschedule_delay_millis = 50\n\
             export_timeout_millis = 600000\n\
             [plugins]\nfolder = \".\"\n[database]\nfolder = \"databases\"\n\
             [connections.default]\n{connection}\n"
        );
        let file = folder.path().join("roost.toml");
        let telemetry = TelemetryManager::start(Config::from_toml(&toml, file)?).await?;
        let service = Self { telemetry, folder };
        // What is compiled and opened at first is not what is measured.
        service.provider()?.check_health().await?;
        Ok(service)
    }

    /// Make so many spans, and wait until all are acknowledged; returned are the seconds.
    pub(crate) async fn store(&self, kind: Kind, count: usize) -> Result<f64> {
        let began = Instant::now();
        for first in (0..count).step_by(AT_ONCE) {
            let telemetry = self.telemetry.clone();
            let numbers = first..count.min(first + AT_ONCE);
            let making = tokio::task::spawn_blocking(move || {
                for number in numbers {
                    spans::make(&telemetry, TENANT, kind, number);
                }
            });
            making.await?;
            let report = self.telemetry.force_flush(FLUSH).await;
            ensure!(report.is_complete(), "{report:?}");
        }
        let took = began.elapsed().as_secs_f64();
        let dropped = self.telemetry.get_stats().spans.dropped.total();
        ensure!(dropped == 0, "{dropped} spans were dropped");
        Ok(took)
    }

    pub(crate) fn provider(&self) -> Result<Provider> {
        Ok(self.telemetry.get_provider(TENANT, None)?)
    }

    pub(crate) fn project(&self) -> Result<String> {
        Ok(self.telemetry.project_name(TENANT, None)?)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.folder().join("databases/default.db")
    }

    /// With what is still in the log beside it.
    pub(crate) fn database_bytes(&self) -> Result<u64> {
        let file = rusqlite::Connection::open(self.database())?;
        file.pragma_update(None, "wal_checkpoint", "TRUNCATE")?;
        Ok(fs::metadata(self.database())?.len())
    }
}
