//! A service with Roost in it, as an operator sets it up.

use std::path::Path;

use anyhow::Result;
use roost::{Config, Provider, TelemetryManager};
use roost_tests::{PluginFolder, phoenix_provider};
use tempfile::TempDir;

/// The tenant that everything is done for.
pub(crate) const TENANT: &str = "acme";

/// Telemetry, with the Phoenix provider in its folder.
pub(crate) struct Service {
    pub(crate) telemetry: TelemetryManager,
    cache: TempDir,
    _plugins: PluginFolder,
}

impl Service {
    /// A service whose Phoenix is at `http_endpoint`. What else is configured is in `toml`.
    pub(crate) async fn start(http_endpoint: &str, toml: &str) -> Result<Self> {
        let cache = TempDir::with_prefix("roost-cache-")?;
        let plugins = PluginFolder::new()?;
        plugins.install("phoenix", &phoenix_provider()?)?;
        let config = Config::from_toml(
            &format!(
                // What is timed is the way to the backend.
                "[cache]\nenabled = false\n[plugins]\nfolder = \"{}\"\ncache_folder = \"{}\"\n\
                 [connections.default]\nprovider = \"phoenix\"\n\
                 provider_config = {{ http_endpoint = \"{http_endpoint}\" }}\n{toml}\n",
                plugins.path().display(),
                cache.path().display(),
            ),
            "/roost.toml",
        )?;
        Ok(Self {
            telemetry: TelemetryManager::start(config).await?,
            cache,
            _plugins: plugins,
        })
    }

    pub(crate) fn cache_folder(&self) -> &Path {
        self.cache.path()
    }

    pub(crate) fn project(&self) -> Result<String> {
        Ok(self.telemetry.project_name(TENANT, None)?)
    }

    pub(crate) fn provider(&self) -> Result<Provider> {
        Ok(self.telemetry.get_provider(TENANT, None)?)
    }
}
