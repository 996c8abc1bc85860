//! A real Arize Phoenix on loopback, with its own folder and database.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::guard::Guard;
use crate::{ports, repository, server};

/// A start takes 6 to 9 seconds of processor time, and many times that on a machine
/// that has other things to do.
const START: Duration = Duration::from_secs(180);

/// Any text will do that is long enough and has a digit and a lower-case letter.
const SERVER_SECRET: &str = "roost-tests-sign-their-tokens-with-0";
const ADMIN_SECRET: &str = "roost-tests-administrate-phoenix-with-1";

/// What its log says, of the HTTP port and of the gRPC port.
const LOST_A_PORT: &[&str] = &["address already in use", "Failed to bind to address"];

/// A Phoenix server. Dropping it ends the server, and so does the end of this process,
/// however it comes.
#[derive(Debug)]
pub struct Phoenix {
    // Before the folder: the server goes first.
    guard: Option<Guard>,
    folder: TempDir,
    http_endpoint: String,
    grpc_endpoint: String,
    http_port: u16,
    grpc_port: u16,
    auth: bool,
    besides: Vec<(&'static str, String)>,
}

impl Phoenix {
    /// Start a server that lets everybody in.
    ///
    /// # Errors
    /// When it is not installed, or not ready after 90 seconds; with the end of its log.
    pub async fn start() -> Result<Self> {
        Self::start_with(&[]).await
    }

    /// Start a server that lets everybody in, with these variables in its environment besides.
    ///
    /// # Errors
    /// As [`Phoenix::start`].
    pub async fn start_with(environment: &[(&'static str, &str)]) -> Result<Self> {
        Self::start_any(false, environment).await
    }

    /// Start a server that wants a key: [`Phoenix::admin_key`] or one of
    /// [`Phoenix::api_key`].
    ///
    /// # Errors
    /// As [`Phoenix::start`].
    pub async fn start_with_auth() -> Result<Self> {
        Self::start_any(true, &[]).await
    }

    /// The server that the tests of this process share, started at its first use. Nobody
    /// may end it.
    ///
    /// # Errors
    /// As [`Phoenix::start`].
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: OnceCell<Phoenix> = OnceCell::const_new();
        SHARED.get_or_try_init(Self::start).await
    }

    /// The server with authentication that the tests of this process share.
    ///
    /// # Errors
    /// As [`Phoenix::start`].
    pub async fn shared_with_auth() -> Result<&'static Self> {
        static SHARED: OnceCell<Phoenix> = OnceCell::const_new();
        SHARED.get_or_try_init(Self::start_with_auth).await
    }

    async fn start_any(auth: bool, environment: &[(&'static str, &str)]) -> Result<Self> {
        server::on_free_ports(LOST_A_PORT, || Self::try_start(auth, environment)).await
    }

    async fn try_start(auth: bool, environment: &[(&'static str, &str)]) -> Result<Self> {
        let mut phoenix = Self::prepare(auth)?;
        let besides = environment.iter();
        phoenix.besides = besides
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect();
        phoenix.launch().await?;
        Ok(phoenix)
    }

    fn prepare(auth: bool) -> Result<Self> {
        let (http_port, grpc_port) = ports::free_pair()?;
        Ok(Self {
            guard: None,
            folder: TempDir::with_prefix("roost-phoenix-")?,
            http_endpoint: format!("http://127.0.0.1:{http_port}"),
            grpc_endpoint: format!("http://127.0.0.1:{grpc_port}"),
            http_port,
            grpc_port,
            auth,
            besides: Vec::new(),
        })
    }

    /// Where it takes HTTP, such as `http://127.0.0.1:20006`.
    #[must_use]
    pub fn http_endpoint(&self) -> &str {
        &self.http_endpoint
    }

    /// Where it takes OTLP over gRPC, such as `http://127.0.0.1:20007`.
    #[must_use]
    pub fn grpc_endpoint(&self) -> &str {
        &self.grpc_endpoint
    }

    /// The key that may do everything; none where no key is wanted.
    #[must_use]
    pub fn admin_key(&self) -> Option<&str> {
        self.auth.then_some(ADMIN_SECRET)
    }

    /// The server's process id; none while it is down.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.guard.as_ref().map(Guard::server)
    }

    /// Its folder, with its database and its log (`server.log`).
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Make a system API key, which may read and write but administrates nothing.
    ///
    /// # Errors
    /// When this server wants no keys, or does not answer.
    pub async fn api_key(&self) -> Result<String> {
        let admin = self
            .admin_key()
            .context("a Phoenix without auth has no keys")?;
        let answer: Value = server::client()?
            .post(format!("{}/v1/system/api_keys", self.http_endpoint))
            .bearer_auth(admin)
            .json(&json!({ "data": { "name": crate::unique("key") } }))
            .send()
            .await?
            .error_for_status()?
            .json()
            .await?;
        let key = answer.pointer("/data/key").and_then(Value::as_str);
        Ok(key.context("no key in Phoenix's answer")?.to_owned())
    }

    /// End it at once, in the middle of whatever it does. Its ports and its database
    /// stay its own.
    ///
    /// # Errors
    /// When it does not go.
    pub async fn kill(&mut self) -> Result<()> {
        self.end("KILL").await
    }

    /// End it as an operator does: it has some seconds to store what it took.
    ///
    /// # Errors
    /// When it does not go.
    pub async fn stop(&mut self) -> Result<()> {
        self.end("TERM").await
    }

    /// Start it again after [`Phoenix::kill`] or [`Phoenix::stop`], with the same ports
    /// and database. One that still runs is stopped first.
    ///
    /// # Errors
    /// As [`Phoenix::start`].
    pub async fn restart(&mut self) -> Result<()> {
        self.stop().await?;
        self.launch().await
    }

    async fn end(&mut self, signal: &'static str) -> Result<()> {
        match self.guard.take() {
            // Waiting blocks, and the test goes on talking to a dying server meanwhile.
            Some(guard) => tokio::task::spawn_blocking(move || guard.end(signal)).await?,
            None => Ok(()),
        }
    }

    async fn launch(&mut self) -> Result<()> {
        let program = repository(".venv/bin/phoenix");
        ensure!(
            program.exists(),
            "no Phoenix at {}: run `make setup`",
            program.display()
        );
        let guard = Guard::run(self.folder.path(), &program, self.environment(), &["serve"])?;
        let guard = self.guard.insert(guard);

        let health = format!("{}/healthz", self.http_endpoint);
        server::answers("Phoenix", guard, self.folder.path(), &health, START).await
    }

    /// All that a server needs and nothing that reaches out of this machine.
    fn environment(&self) -> Vec<(&'static str, String)> {
        let folder = self.folder.path().display();
        let mut environment = vec![
            ("PHOENIX_WORKING_DIR", folder.to_string()),
            (
                "PHOENIX_SQL_DATABASE_URL",
                format!("sqlite:///{folder}/phoenix.db"),
            ),
            ("PHOENIX_HOST", "127.0.0.1".to_owned()),
            ("PHOENIX_PORT", self.http_port.to_string()),
            ("PHOENIX_GRPC_PORT", self.grpc_port.to_string()),
            ("PHOENIX_TELEMETRY_ENABLED", "false".to_owned()),
            ("PHOENIX_ALLOW_EXTERNAL_RESOURCES", "false".to_owned()),
            ("PHOENIX_DISABLE_AGENT_ASSISTANT", "true".to_owned()),
            ("PHOENIX_ENABLE_MCP_SERVER", "false".to_owned()),
            // Otherwise a megabyte of SQL comes before the line that matters.
            ("PHOENIX_LOG_MIGRATIONS", "false".to_owned()),
        ];
        if self.auth {
            environment.extend([
                ("PHOENIX_ENABLE_AUTH", "true".to_owned()),
                ("PHOENIX_SECRET", SERVER_SECRET.to_owned()),
                ("PHOENIX_ADMIN_SECRET", ADMIN_SECRET.to_owned()),
            ]);
        }
        environment.extend(self.besides.iter().cloned());
        environment
    }
}
