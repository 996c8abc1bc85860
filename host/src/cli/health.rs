//! `roost health`.

use std::fmt::Write as _;

use clap::Args;
use futures_util::future::join_all;
use roost::TelemetryManager;
use roost::contract::Error;
use serde::Serialize;

use super::arguments::OutputArgs;
use super::context::Context;
use super::exit::Exit;
use super::settings::endpoint_hosts;
use super::table::{Cell, Column, Table};
use super::terminal::{BAD, GOOD, paint};
use super::{record, text, time};

const AFTER_HELP: &str = "\
It ends with 0 when every backend can be reached and accepts its credential, else with 1.

Examples:
  roost health
  roost health --json | jq -r 'select(.error != null).connection'";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct HealthArgs {
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) async fn run(context: &Context, args: &HealthArgs) -> anyhow::Result<Exit> {
    let telemetry = context.telemetry().await?;
    let names = telemetry.config().connections.iter().map(|(name, _)| name);
    let checks = join_all(names.map(|name| check(&telemetry, name)));
    let checks = context.terminal.waiting("asking backends", checks).await;
    let out = if args.output.json {
        record::lines(&checks)?
    } else {
        render(&checks, context.terminal.width)
    };
    context.terminal.print(&out)?;
    Ok(if checks.iter().all(Check::is_well) {
        Exit::Fine
    } else {
        Exit::Failed
    })
}

/// How a connection is, as `--json` shows it.
#[derive(Debug, Default, Serialize)]
struct Check {
    connection: String,
    /// Unknown where the connection names none and there is not exactly one.
    provider: Option<String>,
    endpoints: Vec<String>,
    reachable: bool,
    /// Unknown where the backend was not reached.
    authenticated: Option<bool>,
    backend_version: Option<String>,
    latency_ms: Option<f64>,
    error: Option<String>,
}

impl Check {
    fn is_well(&self) -> bool {
        self.reachable && self.authenticated == Some(true)
    }
}

async fn check(telemetry: &TelemetryManager, connection: &str) -> Check {
    let config = telemetry.config().connections.get(connection);
    let mut check = Check {
        connection: connection.to_owned(),
        provider: config.and_then(|config| config.provider.clone()),
        ..Check::default()
    };
    let provider = match telemetry.connection_provider(connection) {
        Ok(provider) => provider,
        Err(error) => {
            check.error = Some(error.to_string());
            return check;
        }
    };
    check.provider = Some(provider.name().to_owned());
    if let (Ok(info), Some(config)) = (provider.describe(), config) {
        check.endpoints = endpoint_hosts(&info, &config.provider_config);
    }
    match provider.check_health().await {
        Ok(health) => {
            check.reachable = true;
            check.authenticated = Some(health.authenticated);
            check.backend_version =
                Some(health.backend_version).filter(|version| !version.is_empty());
            check.latency_ms = Some(milliseconds(health.latency_us));
            if !health.authenticated {
                check.error = Some("the backend does not accept the credential".to_owned());
            }
        }
        Err(error) => {
            // Only a backend that was reached can refuse the credential.
            if matches!(error.kind(), Error::Unauthenticated(_)) {
                check.reachable = true;
                check.authenticated = Some(false);
            }
            check.error = Some(error.to_string());
        }
    }
    check
}

#[expect(clippy::cast_precision_loss, reason = "exact below 285 years")]
fn milliseconds(microseconds: u64) -> f64 {
    microseconds as f64 / 1e3
}

fn render(checks: &[Check], width: Option<usize>) -> String {
    let mut table = Table::new([
        Column::whole("CONNECTION"),
        Column::whole("PROVIDER"),
        Column::cut("ENDPOINT"),
        Column::whole("REACHABLE"),
        Column::whole("AUTHENTICATED"),
        Column::optional("BACKEND"),
        Column::optional("LATENCY").right(),
    ]);
    let answer = |yes: bool| match yes {
        true => Cell::styled("yes", GOOD),
        false => Cell::styled("no", BAD),
    };
    for check in checks {
        let latency = check.latency_ms.map(|latency| {
            let latency = std::time::Duration::from_secs_f64(latency.max(0.0) / 1e3);
            time::duration(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX))
        });
        table.push([
            check.connection.as_str().into(),
            check.provider.as_deref().unwrap_or("-").into(),
            match check.endpoints.as_slice() {
                [] => "-".into(),
                endpoints => endpoints.join(" ").into(),
            },
            answer(check.reachable),
            check.authenticated.map_or_else(|| "-".into(), answer),
            check.backend_version.as_deref().unwrap_or("-").into(),
            latency.as_deref().unwrap_or("-").into(),
        ]);
    }
    let mut out = table.render(width);
    for check in checks {
        if let Some(error) = &check.error {
            let label = paint(BAD, &format!("{}:", check.connection));
            let _ = write!(out, "\n{label} {}\n", text::visible(error));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;

    use super::*;

    #[test]
    fn what_is_not_well_says_why_below_the_table() {
        let checks = [
            Check {
                connection: "default".to_owned(),
                provider: Some("phoenix".to_owned()),
                endpoints: vec!["localhost:6006".to_owned()],
                reachable: true,
                authenticated: Some(true),
                backend_version: Some("20.26.1".to_owned()),
                latency_ms: Some(milliseconds(4_200)),
                error: None,
            },
            Check {
                connection: "eu".to_owned(),
                error: Some("secrets.api_key: EU_KEY is not set".to_owned()),
                ..Check::default()
            },
        ];
        assert_eq!(
            strip_str(&render(&checks, Some(100))).to_string(),
            "\
CONNECTION  PROVIDER  ENDPOINT        REACHABLE  AUTHENTICATED  BACKEND  LATENCY
default     phoenix   localhost:6006  yes        yes            20.26.1   4.2 ms
eu          -         -               no         -              -              -

eu: secrets.api_key: EU_KEY is not set
"
        );
        assert_eq!(checks.map(|check| check.is_well()), [true, false]);
    }
}
