//! Phoenix's own Python client, and pandas, for a second opinion: what Roost writes has to be there
//! for others, and what others write has to be there for Roost.

use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::{Phoenix, repository};

impl Phoenix {
    /// Run `tests/python/<script>` against this server. It reads `input` as JSON from
    /// standard input, and what it prints is returned.
    ///
    /// # Errors
    /// When the script fails: with what it said.
    pub async fn python(&self, script: &str, input: &Value) -> Result<Value> {
        let mut command = Command::new(repository(".venv/client/bin/python"));
        command
            .env("PHOENIX_ENDPOINT", self.http_endpoint())
            // Otherwise the client looks for settings in every folder above this one.
            .env("PHOENIX_DISCOVER_CONFIG", "false")
            .env("NO_PROXY", "127.0.0.1");
        match self.admin_key() {
            Some(key) => command.env("PHOENIX_API_KEY", key),
            None => command.env_remove("PHOENIX_API_KEY"),
        };
        run(command, script, input).await
    }
}

/// Run `tests/python/<script>` where pandas and pyarrow are, which the server brings along. It
/// reads `input` as JSON from standard input, and what it prints is returned.
///
/// # Errors
/// When the script fails: with what it said.
pub async fn pandas(script: &str, input: &Value) -> Result<Value> {
    run(Command::new(repository(".venv/bin/python")), script, input).await
}

async fn run(mut command: Command, script: &str, input: &Value) -> Result<Value> {
    let mut child = command
        .arg(repository("tests/python").join(script))
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
