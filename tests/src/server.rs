//! What every server of the tests does: start on ports that are free, answer, or say why not.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::eventually;
use crate::guard::Guard;

/// Start a server; again, when somebody took a port after we saw it free, which its log tells by
/// one of these.
pub(crate) async fn on_free_ports<S>(
    lost_a_port: &[&str],
    start: impl AsyncFn() -> Result<S>,
) -> Result<S> {
    let mut started = start().await;
    for _ in 0..2 {
        let Err(error) = &started else { break };
        let error = format!("{error:#}");
        if !lost_a_port.iter().any(|sign| error.contains(sign)) {
            break;
        }
        started = start().await;
    }
    started
}

/// Wait until a server answers, or has ended; a failure comes with the end of its log.
pub(crate) async fn answers(
    name: &str,
    guard: &mut Guard,
    folder: &Path,
    health: &str,
    patience: Duration,
) -> Result<()> {
    let client = client()?;
    let what = format!("{name} answers");
    let ready = eventually(&what, patience, async || {
        if guard.has_ended()? {
            return Ok(false);
        }
        client.get(health).send().await?.error_for_status()?;
        Ok(true)
    });
    match ready.await {
        Ok(true) => Ok(()),
        Ok(false) => bail!("{name} ended while it started; its log:\n{}", log(folder)),
        Err(error) => Err(error.context(format!("{name}'s log:\n{}", log(folder)))),
    }
}

/// One for each use: a client belongs to the runtime of the test that made it, and a
/// shared server outlives that.
pub(crate) fn client() -> Result<reqwest::Client> {
    Ok(reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(30))
        .build()?)
}

/// The last lines of what a server printed.
fn log(folder: &Path) -> String {
    const LINES: usize = 30;
    let text = std::fs::read(folder.join("server.log")).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let mut lines: Vec<&str> = text.lines().rev().take(LINES).collect();
    lines.reverse();
    lines.join("\n")
}
