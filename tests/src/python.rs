//! Python for a second opinion: Phoenix's own client, the OpenTelemetry SDK, pandas. What
//! Roost writes has to be there for others, and what others write for Roost.

use anyhow::Result;
use serde_json::Value;
use tokio::process::Command;

use crate::{Mlflow, Phoenix, repository, script};

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
    file: &str,
    environment: &[(&str, &str)],
    input: &Value,
) -> Result<Value> {
    let mut command = Command::new(repository(interpreter));
    command
        .arg(repository("tests/python").join(file))
        .env_remove("PHOENIX_API_KEY")
        .envs(environment.iter().copied());
    script::ask(&mut command, input).await
}
