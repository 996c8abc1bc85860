//! `roost sql`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use jiff::SignedDuration;
use roost::query::{SqlOptions, SqlTables};

use super::context::Context;
use super::exit::{CommandError, Exit};
use super::format::{Format, FormatArgs};
use super::lines;
use super::scope::ScopesArgs;
use super::window::{INSTANTS, WindowArgs};
use super::writing::Rows;

const AFTER_HELP: &str = "\
There is one table, spans, with a row for each span of the project. An attribute is
attributes['<key>']. Of several tenants each has a table, \"acme\".spans, whichever backends
they are on.

Examples:
  roost sql \"SELECT name, approx_percentile_cont(latency_ms, 0.95) AS p95 FROM spans
             WHERE status_code = 'OK' GROUP BY name ORDER BY p95 DESC\" --tenant acme
  roost sql \"SELECT attributes['llm.model_name'], count(*) FROM spans GROUP BY 1\" --since 1d
  roost sql \"SELECT a.name, a.latency_ms, g.latency_ms FROM acme.spans a
             JOIN globex.spans g ON a.name = g.name\" --tenant acme --tenant globex
  roost sql @slow.sql --tenant acme --format csv > slow.csv
  roost sql - --tenant acme --output slow.parquet < slow.sql";

#[derive(Debug, Args)]
#[command(after_help = format!("{INSTANTS}\n\n{AFTER_HELP}"))]
pub(super) struct SqlArgs {
    /// A SELECT statement; @FILE reads it from a file, - from standard input
    #[arg(value_name = "STATEMENT")]
    statement: String,
    #[command(flatten)]
    window: WindowArgs,
    /// The most memory for sorting and grouping, such as 64MB or 2GiB; what is more goes to
    /// temporary files
    #[arg(long, value_name = "SIZE", value_parser = size)]
    memory_limit: Option<usize>,
    /// The longest it may take, such as 30s or 10m
    #[arg(long, value_name = "LENGTH", value_parser = duration)]
    timeout: Option<Duration>,
    #[command(flatten)]
    format: FormatArgs,
    #[command(flatten)]
    scopes: ScopesArgs,
}

pub(super) async fn run(context: &Context, args: SqlArgs) -> anyhow::Result<Exit> {
    let window = args.window.window()?;
    let statement = statement(&args.statement).await?;
    let usual = SqlOptions::default();
    let options = SqlOptions {
        memory_limit: args.memory_limit.unwrap_or(usual.memory_limit),
        deadline: args.timeout.unwrap_or(usual.deadline),
        ..usual
    };
    args.format.format(Format::Table)?;
    let telemetry = context.telemetry().await?;
    let mut tables = SqlTables::new();
    for (owner, scope) in args.scopes.open(&telemetry)? {
        tables = tables.with(owner, &scope.provider, scope.project);
    }
    let asking = tables.sql(window, &statement, options);
    let mut answer = context.terminal.waiting("asking", asking).await?;
    let width = context.terminal.width;
    let mut rows = Rows::begin(&args.format, answer.schema(), width)?;
    while let Some(batch) = context.terminal.waiting("asking", answer.next()).await? {
        rows.write(batch)?;
    }
    rows.finish()?;
    Ok(Exit::Fine)
}

/// The statement itself, or what the file holds that is named.
async fn statement(text: &str) -> anyhow::Result<String> {
    let file = match text.strip_prefix('@') {
        Some("") => {
            let why = "say which file: @FILE".to_owned();
            return Err(CommandError::Usage(why).into());
        }
        Some(file) => PathBuf::from(file),
        None if lines::is_standard(Path::new(text)) => PathBuf::from("-"),
        None => return Ok(text.to_owned()),
    };
    let mut lines = lines::read(&file)?;
    let mut statement = String::new();
    while let Some(line) = lines.recv().await {
        statement.push_str(&line?.1);
    }
    Ok(statement)
}

/// A size in bytes: `64MB` is in thousands, `64MiB` in 1024s.
fn size(text: &str) -> Result<usize, String> {
    let wrong = || "say how much, such as 512MB or 2GiB; at least 1MB".to_owned();
    let end = text.find(|char: char| !char.is_ascii_digit());
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let number: usize = number.parse().map_err(|_| wrong())?;
    let unit = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return Err(wrong()),
    };
    let size = number.checked_mul(unit).ok_or_else(wrong)?;
    if size < 1_000_000 {
        return Err(wrong());
    }
    Ok(size)
}

/// A length of time, such as `30s`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "say how long, such as 30s or 10m".to_owned();
    let length: SignedDuration = text.parse().map_err(|_| wrong())?;
    match Duration::try_from(length) {
        Ok(length) if !length.is_zero() => Ok(length),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn sizes_and_lengths_have_units() {
        assert_eq!(size("64MB").unwrap(), 64_000_000);
        assert_eq!(size("2 GiB").unwrap(), 2 << 30);
        assert_eq!(size("1000000").unwrap(), 1_000_000);
        for text in ["", "MB", "1kb", "5 parsecs", "99999999999999GB"] {
            assert!(size(text).is_err(), "{text}");
        }
        assert_eq!(duration("90s").unwrap(), Duration::from_secs(90));
        assert!(duration("0s").is_err() && duration("-5s").is_err());
    }
}
