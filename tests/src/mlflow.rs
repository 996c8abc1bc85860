//! A real MLflow on loopback, with its own folder and database.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::guard::Guard;
use crate::{ports, repository, server};

/// A start takes some 10 seconds of processor time.
const START: Duration = Duration::from_secs(120);

const ADMIN: &str = "admin:roost-tests-administrate-mlflow-1";
const SECRET: &str = "roost-tests-sign-their-forms-with-0";

/// An MLflow server: one process, without the seven that run its jobs. Dropping it ends the
/// server, and so does the end of this process, however it comes.
#[derive(Debug)]
pub struct Mlflow {
    // Before the folder: the server goes first.
    guard: Option<Guard>,
    folder: TempDir,
    port: u16,
    http_endpoint: String,
    auth: bool,
}

impl Mlflow {
    /// Start a server that lets everybody in.
    ///
    /// # Errors
    /// When it is not installed, or not ready in time; with the end of its log.
    pub async fn start() -> Result<Self> {
        Self::start_any(false).await
    }

    /// Start a server that wants a user and a password: [`Mlflow::admin`].
    ///
    /// # Errors
    /// As [`Mlflow::start`].
    pub async fn start_with_auth() -> Result<Self> {
        Self::start_any(true).await
    }

    /// The server that the tests of this process share, started at its first use. Nobody
    /// may end it.
    ///
    /// # Errors
    /// As [`Mlflow::start`].
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: OnceCell<Mlflow> = OnceCell::const_new();
        SHARED.get_or_try_init(Self::start).await
    }

    async fn start_any(auth: bool) -> Result<Self> {
        server::on_free_ports(&["address already in use"], || Self::try_start(auth)).await
    }

    async fn try_start(auth: bool) -> Result<Self> {
        let (port, _) = ports::free_pair()?;
        let mut mlflow = Self {
            guard: None,
            folder: TempDir::with_prefix("roost-mlflow-")?,
            port,
            http_endpoint: format!("http://127.0.0.1:{port}"),
            auth,
        };
        mlflow.launch().await?;
        Ok(mlflow)
    }

    /// Where it takes HTTP, such as `http://127.0.0.1:20006`.
    #[must_use]
    pub fn http_endpoint(&self) -> &str {
        &self.http_endpoint
    }

    /// Who may do everything, as `user:password`; none where everybody may.
    #[must_use]
    pub fn admin(&self) -> Option<&str> {
        self.auth.then_some(ADMIN)
    }

    /// Its folder, with its database and its log (`server.log`).
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What `mlflow server` runs, without the process in between, which would leave this one
    /// behind when it is killed.
    async fn launch(&mut self) -> Result<()> {
        let python = repository(".venv/mlflow/bin/python");
        ensure!(
            python.exists(),
            "no MLflow at {}: run `make setup`",
            python.display()
        );
        let port = self.port.to_string();
        let mut arguments = vec!["-m", "uvicorn", "--host", "127.0.0.1", "--port", &port];
        arguments.extend(match self.auth {
            true => ["--factory", "mlflow.server.auth:create_app"].as_slice(),
            false => &["mlflow.server.fastapi_app:app"],
        });
        let environment = self.environment()?;
        let guard = Guard::run(self.folder.path(), &python, environment, &arguments)?;
        let guard = self.guard.insert(guard);

        let health = format!("{}/health", self.http_endpoint);
        server::answers("MLflow", guard, self.folder.path(), &health, START).await
    }

    /// All that a server needs and nothing that reaches out of this machine. What begins with an
    /// underscore is what `mlflow server` makes of its options.
    fn environment(&self) -> Result<Vec<(&'static str, String)>> {
        let folder = self.folder.path();
        let shown = folder.display();
        let mut environment = vec![
            (
                "_MLFLOW_SERVER_FILE_STORE",
                format!("sqlite:///{shown}/mlflow.db"),
            ),
            (
                "_MLFLOW_SERVER_ARTIFACT_ROOT",
                "mlflow-artifacts:/".to_owned(),
            ),
            (
                "_MLFLOW_SERVER_ARTIFACT_DESTINATION",
                format!("{shown}/artifacts"),
            ),
            ("_MLFLOW_SERVER_SERVE_ARTIFACTS", "true".to_owned()),
            ("_MLFLOW_SGI_NAME", "uvicorn".to_owned()),
            ("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false".to_owned()),
            ("MLFLOW_DISABLE_TELEMETRY", "true".to_owned()),
            ("DO_NOT_TRACK", "true".to_owned()),
        ];
        if let Some((user, password)) = self.admin().and_then(|admin| admin.split_once(':')) {
            // Checking a password takes a tenth of a second, once in a while.
            let config = folder.join("auth.ini");
            std::fs::write(
                &config,
                format!(
                    "[mlflow]\ndefault_permission = READ\n\
                     database_uri = sqlite:///{shown}/auth.db\nadmin_username = {user}\n\
                     authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n\
                     auth_cache_ttl_seconds = 600\n"
                ),
            )?;
            environment.extend([
                ("MLFLOW_AUTH_CONFIG_PATH", config.display().to_string()),
                ("MLFLOW_AUTH_ADMIN_PASSWORD", password.to_owned()),
                ("MLFLOW_FLASK_SERVER_SECRET_KEY", SECRET.to_owned()),
            ]);
        }
        Ok(environment)
    }
}
