//! What the demo stands on: a backend of its own, and a service with an empty plugins
//! folder.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use roost::plugin::GenerationStatus;
use roost::{Config, Host, Provider, TelemetryManager};
use roost_tests::{Phoenix, PluginFolder, local_provider, phoenix_provider};

/// Where the spans go. Dropping it removes every file, and ends the server if there is one.
pub(crate) enum Backend {
    /// No server: a database of Roost's own.
    Local(PluginFolder),
    /// A real Phoenix.
    Phoenix(Box<Phoenix>),
}

impl Backend {
    /// Its name for a person.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Local(_) => "the database",
            Self::Phoenix(_) => "Phoenix",
        }
    }

    /// The name of its provider.
    pub(crate) fn provider(&self) -> &'static str {
        match self {
            Self::Local(_) => "local",
            Self::Phoenix(_) => "phoenix",
        }
    }

    /// The provider as it is built.
    pub(crate) fn component(&self) -> Result<Vec<u8>> {
        let file = match self {
            Self::Local(_) => local_provider()?,
            Self::Phoenix(_) => phoenix_provider()?,
        };
        Ok(fs::read(file)?)
    }

    fn folder(&self) -> &Path {
        match self {
            Self::Local(folder) => folder.path(),
            Self::Phoenix(phoenix) => phoenix.folder(),
        }
    }

    /// Where its pages are, if it has any.
    pub(crate) fn address(&self) -> Option<&str> {
        match self {
            Self::Local(_) => None,
            Self::Phoenix(phoenix) => Some(phoenix.http_endpoint()),
        }
    }

    /// What the connection says, in TOML.
    fn connection(&self) -> String {
        match self {
            Self::Local(_) => "provider = \"local\"\n".to_owned(),
            Self::Phoenix(phoenix) => format!(
                "provider = \"phoenix\"\n\
                 provider_config = {{ http_endpoint = \"{}\", grpc_endpoint = \"{}\" }}\n",
                phoenix.http_endpoint(),
                phoenix.grpc_endpoint(),
            ),
        }
    }
}

/// A service under way. Dropping it ends its backend and removes every file.
pub(crate) struct Stage {
    pub(crate) telemetry: TelemetryManager,
    pub(crate) backend: Backend,
}

impl Stage {
    /// A service on `backend`, whose plugins folder is empty. All its files are in the
    /// backend's folder.
    pub(crate) async fn start(backend: Backend) -> Result<Self> {
        let folder = backend.folder();
        fs::create_dir(folder.join("plugins"))?;
        let toml = format!(
            "[telemetry.batch_config]\nschedule_delay_millis = 100\n\n\
             [plugins]\nfolder = \"plugins\"\ncache_folder = \"{}\"\n\n\
             [database]\nfolder = \".\"\n\n[connections.default]\n{}",
            folder.join("cache").display(),
            backend.connection(),
        );
        let file = folder.join("roost.toml");
        fs::write(&file, &toml)?;
        // Not `Config::load`: what the environment says is about another Phoenix.
        let telemetry = TelemetryManager::start(Config::from_toml(&toml, &file)?).await?;
        Ok(Self { telemetry, backend })
    }

    /// Where everything is.
    pub(crate) fn folder(&self) -> &Path {
        self.backend.folder()
    }

    /// The file of the service's configuration.
    pub(crate) fn config_file(&self) -> PathBuf {
        self.folder().join("roost.toml")
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
        let name = self.backend.provider();
        let beside = plugins.join(format!(".{name}.wasm.new"));
        fs::write(&beside, component)?;
        Ok(fs::rename(&beside, plugins.join(format!("{name}.wasm")))?)
    }

    /// The provider that serves now.
    pub(crate) fn serving(&self) -> Result<GenerationStatus> {
        let provider = self.host()?.providers().into_iter().next();
        let provider = provider.context("there is no provider in the folder")?;
        if let Some(refusal) = provider.refusal {
            anyhow::bail!("{}.wasm is refused: {refusal}", provider.name);
        }
        provider.generation.context("it does not serve yet")
    }
}
