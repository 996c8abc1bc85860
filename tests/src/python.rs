//! Python for a second opinion: Phoenix's own client, the OpenTelemetry SDK, pandas. What
//! Roost writes has to be there for others, and what others write for Roost.

use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::{Mlflow, Phoenix, repository};

impl Phoenix {
    /// Run `tests/python/<script>` against this server, as [`python`].
    ///
    /// # Errors
    /// When the script fails: with what it said.
    pub async fn python(&self, script: &str, input: &Value) -> Result<Value> {
        let mut environment = vec![
            ("PHOENIX_ENDPOINT", self.http_endpoint()),
            // Otherwise the client looks for settings in every folder above this one.
            ("PHOENIX_DISCOVER_CONFIG", "false"),
        ];
        environment.extend(self.admin_key().map(|key| ("PHOENIX_API_KEY", key)));
        python(script, &environment, input).await
    }
}

impl Mlflow {
    /// Run `tests/python/<script>` with MLflow's own client against this server, as [`python`].
    ///
    /// # Errors
    /// When the script fails: with what it said.
    pub async fn python(&self, script: &str, input: &Value) -> Result<Value> {
        let mut environment = vec![
            ("MLFLOW_TRACKING_URI", self.http_endpoint()),
            ("MLFLOW_DISABLE_TELEMETRY", "true"),
            ("DO_NOT_TRACK", "true"),
        ];
        if let Some((user, password)) = self.admin().and_then(|admin| admin.split_once(':')) {
            environment.push(("MLFLOW_TRACKING_USERNAME", user));
            environment.push(("MLFLOW_TRACKING_PASSWORD", password));
        }
        run(".venv/mlflow/bin/python", script, &environment, input).await
    }
}

/// Run `tests/python/<script>` where Phoenix's client is, with this in its environment. It reads
/// `input` as JSON from standard input, and what it prints is returned.
///
/// # Errors
/// When the script fails: with what it said.
pub async fn python(script: &str, environment: &[(&str, &str)], input: &Value) -> Result<Value> {
    run(".venv/client/bin/python", script, environment, input).await
}

/// Run `tests/python/<script>` where pandas and pyarrow are, which the server brings along.
///
/// # Errors
/// When the script fails: with what it said.
pub async fn pandas(script: &str, input: &Value) -> Result<Value> {
    run(".venv/bin/python", script, &[], input).await
}

async fn run(
    interpreter: &str,
    script: &str,
    environment: &[(&str, &str)],
    input: &Value,
) -> Result<Value> {
    let mut child = Command::new(repository(interpreter))
        .arg(repository("tests/python").join(script))
        .env_remove("PHOENIX_API_KEY")
        .env("NO_PROXY", "127.0.0.1")
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("no Python in .venv: run `make setup`")?;
    if let Some(mut pipe) = child.stdin.take() {
        pipe.write_all(&serde_json::to_vec(input)?).await?;
    }
    let output = child.wait_with_output().await?;
    ensure!(
        output.status.success(),
        "{script}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).with_context(|| format!("{script} printed no JSON"))
}
