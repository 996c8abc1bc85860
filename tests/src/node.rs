//! JavaScript for a second opinion: the OpenTelemetry SDK as it runs in Node.

use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::repository;

/// Run `tests/js/<script>`. It reads `input` as JSON from standard input, and what it prints is
/// returned.
///
/// # Errors
/// When its packages are not installed, or it fails: with what it said.
pub async fn node(script: &str, input: &Value) -> Result<Value> {
    let folder = repository("tests/js");
    ensure!(
        folder.join("node_modules").exists(),
        "no packages in tests/js/node_modules: run `make setup`"
    );
    let mut child = Command::new("node")
        .arg(folder.join(script))
        .env("NO_PROXY", "127.0.0.1")
        .env("no_proxy", "127.0.0.1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("no node: run `make setup`")?;
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
