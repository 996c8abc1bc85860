//! Waiting for what another process does in its own time.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// How long to leave the other side alone between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// Look again and again until `probe` succeeds, at most for `limit`. A probe fails with
/// what it saw instead; the last such reason is in the error when time is up.
///
/// `limit` is for the day when nothing happens, so choose it large: it costs nothing
/// when things go well.
///
/// # Errors
/// That `what` did not happen within `limit`, and why at the last look.
pub async fn eventually<T>(
    what: &str,
    limit: Duration,
    mut probe: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        // A probe that hangs must not outwait the limit.
        let left = deadline.saturating_duration_since(Instant::now());
        let seen = match tokio::time::timeout(left.max(PAUSE), probe()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(seen)) => seen,
            Err(_) => anyhow::anyhow!("the last look did not come back"),
        };
        if Instant::now() >= deadline {
            return Err(seen).with_context(|| format!("{what}: not within {limit:?}"));
        }
        tokio::time::sleep(PAUSE).await;
    }
}
