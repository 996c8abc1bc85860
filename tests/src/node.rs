//! JavaScript for a second opinion: the OpenTelemetry SDK as it runs in Node.

use anyhow::{Result, ensure};
use serde_json::Value;
use tokio::process::Command;

use crate::{repository, script};

/// Run `tests/js/<file>`. It reads `input` as JSON from standard input, and what it prints is
/// returned.
///
/// # Errors
/// When its packages are not installed, or it fails: with what it said.
pub async fn node(file: &str, input: &Value) -> Result<Value> {
    let folder = repository("tests/js");
    ensure!(
        folder.join("node_modules").exists(),
        "no packages in tests/js/node_modules: run `make setup`"
    );
    script::ask(Command::new("node").arg(folder.join(file)), input).await
}
