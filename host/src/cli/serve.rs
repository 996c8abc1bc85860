//! `roost serve`.

use std::convert::Infallible;

use anyhow::Context as _;
use clap::Args;
use roost::TelemetryManager;
use roost::serve::{Gateway, StopReport};
use serde::Serialize;

use super::arguments::OutputArgs;
use super::context::Context;
use super::exit::Exit;
use super::logs::Logs;
use super::record;

const AFTER_HELP: &str = "\
It listens as [serve] of the configuration says; docs/serve.md explains it. SIGTERM and SIGINT
stop it in good order: requests are answered and spans sent, within shutdown_timeout_seconds. A
second one stops it at once. SIGHUP has it look at its plugins folder. It ends with 0 when nothing was lost on the way, else with 1.

Examples:
  roost serve --config roost.toml
  roost serve --json | jq -r 'select(.event == \"listening\").http'
  OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4317 OTEL_EXPORTER_OTLP_HEADERS=x-roost-tenant=acme \\
    opentelemetry-instrument python app.py";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    output: OutputArgs,
}

impl ServeArgs {
    pub(super) fn logs(&self) -> Logs {
        if self.output.json {
            Logs::ServingJson
        } else {
            Logs::Serving
        }
    }
}

/// What `--json` prints, an object a line.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Event {
    Listening(roost::serve::Addresses),
    Stopped(StopReport),
}

impl Event {
    fn text(&self, json: bool) -> anyhow::Result<String> {
        if json {
            return record::lines([self]);
        }
        Ok(match self {
            Self::Listening(addresses) => format!(
                "\
OTLP over gRPC at {}
OTLP over HTTP at http://{}/v1/traces
health and metrics at http://{}
",
                addresses.grpc, addresses.http, addresses.admin
            ),
            Self::Stopped(StopReport {
                requests_cut,
                spans,
            }) => format!(
                "stopped: {} spans delivered, {} on disk, {} dropped, {} left; {requests_cut} requests \
                 cut off\n",
                spans.delivered, spans.spooled, spans.dropped, spans.left
            ),
        })
    }
}

pub(super) async fn run(context: &Context, args: &ServeArgs) -> anyhow::Result<Exit> {
    // Before anything listens: who is told to stop must not miss it.
    let mut signals = Signals::listen().context("signals cannot be awaited")?;
    let hangups = Hangups::listen().context("signals cannot be awaited")?;
    let config = context.exporting_config()?;
    let starting = async {
        let loading = TelemetryManager::start(config);
        let telemetry = context
            .terminal
            .waiting("loading providers", loading)
            .await?;
        anyhow::Ok((Gateway::start(telemetry.clone()).await?, telemetry))
    };
    let (gateway, telemetry) = tokio::select! {
        started = starting => started?,
        () = signals.next() => {
            // Nothing was taken yet, so nothing is lost.
            tracing::info!("stopped before it listened");
            return Ok(Exit::Fine);
        }
    };
    let say = |event: Event| context.terminal.print(&event.text(args.output.json)?);
    say(Event::Listening(gateway.addresses()))?;

    tokio::select! {
        () = signals.next() => {}
        never = reload_at_hangup(hangups, &telemetry) => match never {},
    }
    tracing::info!("stopping");
    let report = tokio::select! {
        report = gateway.stop() => report,
        () = signals.next() => anyhow::bail!("it was stopped before everything was sent"),
    };
    let exit = if report.is_complete() {
        Exit::Fine
    } else {
        Exit::Failed
    };
    say(Event::Stopped(report))?;
    Ok(exit)
}

/// Look at the plugins folder whenever a SIGHUP comes.
async fn reload_at_hangup(mut hangups: Hangups, telemetry: &TelemetryManager) -> Infallible {
    loop {
        hangups.next().await;
        let Some(host) = telemetry.host() else {
            continue;
        };
        match host.reload().await {
            Ok(()) => tracing::info!("the plugins folder was looked at, as SIGHUP asks"),
            Err(error) => tracing::warn!("{error}"),
        }
    }
}

/// SIGHUP, which asks to reload.
struct Hangups {
    #[cfg(unix)]
    hangup: tokio::signal::unix::Signal,
}

impl Hangups {
    #[cfg(unix)]
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        let hangup = signal(SignalKind::hangup())?;
        Ok(Self { hangup })
    }

    #[cfg(unix)]
    async fn next(&mut self) {
        if self.hangup.recv().await.is_none() {
            std::future::pending().await
        }
    }

    #[cfg(not(unix))]
    fn listen() -> std::io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    async fn next(&mut self) {
        std::future::pending().await
    }
}

/// The signals that ask to stop.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    #[cfg(unix)]
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    #[cfg(not(unix))]
    fn listen() -> std::io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    async fn next(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}
