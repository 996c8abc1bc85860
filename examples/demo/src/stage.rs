//! What the demo stands on: a Phoenix of its own, and a service with an empty plugins
//! folder.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use roost::plugin::GenerationStatus;
use roost::{Config, Host, Provider, TelemetryManager};
use roost_tests::Phoenix;

/// A service under way. Dropping it ends Phoenix and removes every file.
pub(crate) struct Stage {
    pub(crate) telemetry: TelemetryManager,
    phoenix: Phoenix,
}

impl Stage {
    /// A service on `phoenix`, whose plugins folder is empty. All its files are in the
    /// server's folder, which is removed even if this process is killed.
    pub(crate) async fn start(phoenix: Phoenix) -> Result<Self> {
        let folder = phoenix.folder();
        fs::create_dir(folder.join("plugins"))?;
        let toml = format!(
            "[telemetry.batch_config]\nschedule_delay_millis = 100\n\n\
             [plugins]\nfolder = \"plugins\"\ncache_folder = \"{}\"\n\n\
             [connections.default]\nprovider = \"phoenix\"\n\
             provider_config = {{ http_endpoint = \"{}\", grpc_endpoint = \"{}\" }}\n",
            folder.join("cache").display(),
            phoenix.http_endpoint(),
            phoenix.grpc_endpoint(),
        );
        let file = folder.join("roost.toml");
        fs::write(&file, &toml)?;
        // Not `Config::load`: what the environment says is about another Phoenix.
        let telemetry = TelemetryManager::start(Config::from_toml(&toml, &file)?).await?;
        Ok(Self { telemetry, phoenix })
    }

    /// Where everything is.
    pub(crate) fn folder(&self) -> &Path {
        self.phoenix.folder()
    }

    /// The file of the service's configuration.
    pub(crate) fn config_file(&self) -> PathBuf {
        self.folder().join("roost.toml")
    }

    /// Where Phoenix shows its pages.
    pub(crate) fn address(&self) -> &str {
        self.phoenix.http_endpoint()
    }

    pub(crate) fn host(&self) -> Result<&Host> {
        self.telemetry.host().context("the service has no host")
    }

    pub(crate) fn provider(&self, tenant: &str) -> Result<Provider> {
        Ok(self.telemetry.get_provider(tenant, None)?)
    }

    pub(crate) fn project(&self, tenant: &str) -> Result<String> {
        Ok(self.telemetry.project_name(tenant, None)?)
    }

    /// Put a provider into the folder as a careful operator does: written beside it and
    /// renamed.
    pub(crate) fn install(&self, component: &[u8]) -> Result<()> {
        let plugins = self.host()?.folder();
        let beside = plugins.join(".phoenix.wasm.new");
        fs::write(&beside, component)?;
        Ok(fs::rename(&beside, plugins.join("phoenix.wasm"))?)
    }

    /// The provider that serves now.
    pub(crate) fn serving(&self) -> Result<GenerationStatus> {
        let provider = self.host()?.providers().into_iter().next();
        let provider = provider.context("there is no provider in the folder")?;
        if let Some(refusal) = provider.refusal {
            anyhow::bail!("phoenix.wasm is refused: {refusal}");
        }
        provider.generation.context("it does not serve yet")
    }
}
