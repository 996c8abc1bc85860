//! `roost serve`, as a process of its own.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::program::program;

/// Providers are compiled at the first start.
const START: Duration = Duration::from_secs(90);
/// Longer than any `shutdown_timeout_seconds` of a test.
const STOP: Duration = Duration::from_secs(60);

/// A gateway on free ports. Dropping it kills it.
#[derive(Debug)]
pub struct Gateway {
    folder: TempDir,
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    grpc: String,
    http: String,
    admin: String,
}

/// How a gateway ended.
#[derive(Debug)]
pub struct Stopped {
    /// Its exit code.
    pub code: i32,
    /// What it printed last: `{"event":"stopped",..}`.
    pub report: Value,
}

impl Gateway {
    /// Start one. `settings` is TOML after `telemetry` and `plugins`, so all its keys are whole:
    /// `serve.require_tenant = true`. Without a provider of its own, spans go to where
    /// `telemetry.otlp_endpoint` says. Relative paths are relative to a folder of its own, which
    /// `prepare` may put files into.
    ///
    /// # Errors
    /// When it does not start; with what it said.
    pub async fn start(settings: &str, prepare: impl FnOnce(&Path) -> Result<()>) -> Result<Self> {
        Self::start_program(&program()?, settings, prepare).await
    }

    /// As [`Gateway::start`], with the program at another place.
    ///
    /// # Errors
    /// As [`Gateway::start`].
    pub async fn start_program(
        program: &Path,
        settings: &str,
        prepare: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<Self> {
        let folder = TempDir::with_prefix("roost-gateway-")?;
        std::fs::create_dir(folder.path().join("plugins"))?;
        prepare(folder.path())?;
        let addresses = ["grpc", "http", "admin"]
            .map(|port| format!("serve.{port}_address = \"127.0.0.1:0\"\n"))
            .concat();
        let config = folder.path().join("roost.toml");
        std::fs::write(&config, format!("{addresses}{settings}"))?;
        let log = std::fs::File::create(folder.path().join("log"))?;
        let mut process = Command::new(program)
            .args(["serve", "--json"])
            .current_dir(folder.path())
            .env_remove("ROOST_CONFIG")
            // The user's data is in its folder too.
            .env("XDG_DATA_HOME", folder.path().join("data"))
            .env("NO_PROXY", "127.0.0.1,localhost")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        let stdout = process.stdout.take().context("no output")?;
        let mut lines = BufReader::new(stdout).lines();
        let said = || std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
        let line = timeout(START, lines.next_line())
            .await
            .with_context(|| format!("it did not say where it listens: {}", said()))??;
        let line = line.with_context(|| format!("it ended: {}", said()))?;
        let event: Value = serde_json::from_str(&line)?;
        let field = |name: &str| event.get(name).and_then(Value::as_str);
        ensure!(field("event") == Some("listening"), "{event}");
        let address = |name: &str| field(name).map(str::to_owned).context("no address");
        Ok(Self {
            grpc: address("grpc")?,
            http: address("http")?,
            admin: address("admin")?,
            folder,
            process,
            lines,
        })
    }

    /// Its folder: the working folder, with its `roost.toml`; the user's data is in `data`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where it takes OTLP over gRPC, as `host:port`.
    #[must_use]
    pub fn grpc(&self) -> &str {
        &self.grpc
    }

    /// Where it takes OTLP over HTTP, as `host:port`.
    #[must_use]
    pub fn http(&self) -> &str {
        &self.http
    }

    /// Where it tells of itself, as `host:port`.
    #[must_use]
    pub fn admin(&self) -> &str {
        &self.admin
    }

    /// What it logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// End it at once, in the middle of whatever it does.
    ///
    /// # Errors
    /// When it does not go.
    pub async fn kill(mut self) -> Result<()> {
        Ok(self.process.kill().await?)
    }

    /// Tell it to stop, as a service manager does, and go on.
    ///
    /// # Errors
    /// When it is gone already.
    pub async fn terminate(&self) -> Result<()> {
        self.signal("TERM").await
    }

    /// Send it a signal (`HUP`, `KILL`, `STOP`), and go on.
    ///
    /// # Errors
    /// When it is gone already.
    pub async fn signal(&self, signal: &str) -> Result<()> {
        let id = self.process.id().context("it has ended")?;
        let mut kill = Command::new("kill");
        let kill = kill.args(["-s", signal, &id.to_string()]).status().await?;
        ensure!(kill.success(), "no process {id}");
        Ok(())
    }

    /// Tell it to stop, and wait until it has.
    ///
    /// # Errors
    /// When it does not stop.
    pub async fn stop(self) -> Result<Stopped> {
        self.terminate().await?;
        self.stopped().await
    }

    /// Wait until it has stopped.
    ///
    /// # Errors
    /// When it does not stop.
    pub async fn stopped(mut self) -> Result<Stopped> {
        let status = timeout(STOP, self.process.wait())
            .await
            .context("it does not stop")??;
        let line = self.lines.next_line().await?;
        let line = line.with_context(|| format!("no report: {}", self.log()))?;
        Ok(Stopped {
            code: status.code().context("it was ended by a signal")?,
            report: serde_json::from_str(&line)?,
        })
    }
}
