//! The service as a program: `roost.toml` beside it, a port, and an orderly end.

use std::io::IsTerminal as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use roost_example_axum::{router, telemetry};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

const ADDRESS: &str = "127.0.0.1:8080";
/// How long the last spans may take to leave.
const GOODBYE: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> Result<()> {
    let colours = std::io::stdout().is_terminal();
    tracing_subscriber::fmt().with_ansi(colours).init();
    let config = std::env::var_os("ROOST_CONFIG")
        .unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/roost.toml").into());
    let telemetry = telemetry::start(Some(Path::new(&config))).await;

    let address = std::env::var("LISTEN").unwrap_or_else(|_| ADDRESS.to_owned());
    let listener = TcpListener::bind(&address)
        .await
        .with_context(|| format!("cannot listen on {address}; name another with LISTEN"))?;
    tracing::info!("listening on http://{}", listener.local_addr()?);
    let app = router(telemetry.clone());
    axum::serve(listener, app)
        .with_graceful_shutdown(asked_to_end())
        .await?;

    // Every request has been answered, so every span has ended.
    let report = telemetry.shutdown(GOODBYE).await;
    let lost = telemetry.get_stats().spans.dropped.total();
    tracing::info!(sent_at_the_end = report.delivered, lost, "telemetry ended");
    Ok(())
}

/// Ctrl-C, or the TERM that service managers and Kubernetes send.
async fn asked_to_end() {
    let interrupted = tokio::signal::ctrl_c();
    let Ok(mut terminated) = signal(SignalKind::terminate()) else {
        interrupted.await.ok();
        return;
    };
    tokio::select! {
        _ = interrupted => {}
        _ = terminated.recv() => {}
    }
}
