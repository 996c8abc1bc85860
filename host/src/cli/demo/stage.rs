//! What the demo stands on: a backend, and a service with an empty plugins folder.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use roost::plugin::GenerationStatus;
use roost::{Config, Host, Provider, TelemetryManager};
use tempfile::TempDir;

/// Where the spans go.
#[derive(Debug)]
pub(super) enum Backend {
    /// No server: a database of Roost's own.
    Local,
    /// A Phoenix that runs.
    Phoenix {
        /// Where it takes HTTP.
        http: String,
        /// Where it takes OTLP over gRPC.
        grpc: String,
    },
}

impl Backend {
    /// Its name for a person.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Local => "the database",
            Self::Phoenix { .. } => "Phoenix",
        }
    }

    /// The name of its provider.
    pub(super) fn provider(&self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Phoenix { .. } => "phoenix",
        }
    }

    /// Where its pages are, if it has any.
    pub(super) fn address(&self) -> Option<&str> {
        match self {
            Self::Local => None,
            Self::Phoenix { http, .. } => Some(http),
        }
    }

    /// What the connection says, in TOML.
    fn connection(&self) -> String {
        match self {
            Self::Local => "provider = \"local\"\n".to_owned(),
            Self::Phoenix { http, grpc } => format!(
                "provider = \"phoenix\"\n\
                 provider_config = {{ http_endpoint = \"{http}\", grpc_endpoint = \"{grpc}\" }}\n",
            ),
        }
    }
}

/// A service under way. Dropping it removes every file.
pub(super) struct Stage {
    pub(super) telemetry: TelemetryManager,
    pub(super) backend: Backend,
    folder: TempDir,
}

impl Stage {
    /// A service on `backend`, whose plugins folder is empty. All its files are in a folder of
    /// its own.
    pub(super) async fn start(backend: Backend) -> anyhow::Result<Self> {
        let home = TempDir::with_prefix("roost-demo-").context("there is no temporary folder")?;
        let folder = home.path();
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
        // Not `Config::load`: what the environment says is about another backend.
        let telemetry = TelemetryManager::start(Config::from_toml(&toml, &file)?).await?;
        Ok(Self {
            telemetry,
            backend,
            folder: home,
        })
    }

    /// Where everything is.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The file of the service's configuration.
    pub(super) fn config_file(&self) -> PathBuf {
        self.folder().join("roost.toml")
    }

    pub(super) fn host(&self) -> anyhow::Result<&Host> {
        self.telemetry.host().context("the service has no host")
    }

    pub(super) fn provider(&self, tenant: &str) -> anyhow::Result<Provider> {
        Ok(self.telemetry.get_provider(tenant, None)?)
    }

    pub(super) fn project(&self, tenant: &str) -> anyhow::Result<String> {
        Ok(self.telemetry.project_name(tenant, None)?)
    }

    /// Put a provider into the folder as a careful operator does: written beside it and
    /// renamed.
    pub(super) fn install(&self, component: &[u8]) -> anyhow::Result<()> {
        let plugins = self.host()?.folder();
        let name = self.backend.provider();
        let beside = plugins.join(format!(".{name}.wasm.new"));
        fs::write(&beside, component)?;
        Ok(fs::rename(&beside, plugins.join(format!("{name}.wasm")))?)
    }

    /// The provider that serves now.
    pub(super) fn serving(&self) -> anyhow::Result<GenerationStatus> {
        let host = self.host()?;
        let mut providers = host.providers().into_iter();
        // Those that come with Roost are there as well; the one in the folder stands over them.
        let provider =
            providers.find(|it| it.name == self.backend.provider() && !host.is_shipped(&it.name));
        let provider = provider.context("there is no provider in the folder")?;
        if let Some(refusal) = provider.refusal {
            anyhow::bail!("{}.wasm is refused: {refusal}", provider.name);
        }
        provider.generation.context("it does not serve yet")
    }
}
