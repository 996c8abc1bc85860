//! `roost stats`.

mod metric;

use std::collections::BTreeMap;

use clap::Args;
use jiff::{Span, SpanRelativeTo};
use roost::contract::{DataPoint, GroupKey, MetricsQuery};
use roost::provider::TraceStatistics;
use serde::Serialize;

use metric::{Metric, milliseconds, percent};

use super::arguments::OutputArgs;
use super::context::Context;
use super::exit::Exit;
use super::scope::{Scope, ScopeArgs};
use super::table::{Cell, Column, Table};
use super::terminal::{DIM, paint};
use super::window::{INSTANTS, WindowArgs};
use super::{record, terminal, text, time};

const AFTER_HELP: &str = "\
Examples:
  roost stats --tenant acme --since 1d
  roost stats --tenant acme --by name
  roost stats --tenant acme --by attribute:llm.model_name --metrics total-tokens,cost
  roost stats --tenant acme --since 1d --bucket 1h --metrics span-count,error-rate --json";

#[derive(Debug, Args)]
#[command(after_help = format!("{INSTANTS}\n\n{AFTER_HELP}"))]
pub(super) struct StatsArgs {
    #[command(flatten)]
    window: WindowArgs,
    /// Apart by name, kind, status or attribute:<key>; several may be given
    #[arg(long, value_name = "FIELD", value_delimiter = ',', value_parser = group_key)]
    by: Vec<GroupKey>,
    /// Apart by stretches of this length, such as 15m, 1h or 1d
    #[arg(long, value_name = "LENGTH", value_parser = length, requires = "since")]
    bucket: Option<u64>,
    /// What is measured
    #[arg(long, value_name = "METRIC", value_delimiter = ',')]
    metrics: Vec<Metric>,
    #[command(flatten)]
    scope: ScopeArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// What is shown of each group where nobody says.
const USUAL: [Metric; 5] = [
    Metric::SpanCount,
    Metric::LatencyMean,
    Metric::LatencyP50,
    Metric::LatencyP95,
    Metric::ErrorRate,
];

pub(super) async fn run(context: &Context, args: &StatsArgs) -> anyhow::Result<Exit> {
    let window = match args.bucket {
        // Buckets are counted from the first to the last.
        Some(_) => args.window.until_now()?,
        None => args.window.window()?,
    };
    let telemetry = context.telemetry().await?;
    let Scope { provider, project } = args.scope.open(&telemetry)?;
    let what = format!("measuring spans of {project}");
    if args.by.is_empty() && args.bucket.is_none() && args.metrics.is_empty() {
        let analytics = provider.analytics();
        let measuring = async { analytics.get_trace_statistics(&project, window).await };
        let statistics = context.terminal.waiting(what, measuring).await?;
        context.terminal.print(&if args.output.json {
            record::lines([statistics])?
        } else {
            render(&statistics)
        })?;
        return Ok(Exit::Fine);
    }
    let metrics = match args.metrics.as_slice() {
        [] => USUAL.to_vec(),
        metrics => metrics.to_vec(),
    };
    let query = MetricsQuery {
        project,
        metrics: metrics.iter().map(|metric| metric.name()).collect(),
        window,
        bucket: args.bucket,
        group_by: args.by.clone(),
    };
    let measuring = async { provider.analytics().get_metrics(&query).await };
    let points = context.terminal.waiting(what, measuring).await?;
    let rows = rows(&points);
    if args.output.json {
        let shown = rows
            .iter()
            .map(|(place, values)| Shown::new(args, place, values));
        context.terminal.print(&record::lines(shown)?)?;
    } else if rows.is_empty() {
        let project = text::one_line(&query.project);
        terminal::note(&format!("no such span in {project}"));
    } else {
        let table = table(args, &metrics, &rows);
        context
            .terminal
            .print(&table.render(context.terminal.width))?;
    }
    Ok(Exit::Fine)
}

fn render(statistics: &TraceStatistics) -> String {
    let latency = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), milliseconds);
    let rate = statistics
        .error_rate
        .map_or_else(|| "-".to_owned(), percent);
    let lines = [
        ("spans", text::thousands(statistics.count)),
        ("mean", latency(statistics.mean_latency_ms)),
        ("p50", latency(statistics.p50_latency_ms)),
        ("p95", latency(statistics.p95_latency_ms)),
        ("p99", latency(statistics.p99_latency_ms)),
        ("error rate", rate),
    ];
    let lines = lines.map(|(label, value)| {
        let label = paint(DIM, &text::pad(label, 10));
        format!("{label}  {value:>10}\n")
    });
    lines.concat()
}

/// Where a value belongs: the start of its bucket, and its group.
type Place = (u64, Vec<Option<String>>);

/// The values of each place, by metric.
fn rows(points: &[DataPoint]) -> BTreeMap<Place, Vec<(Metric, Option<f64>)>> {
    let mut rows: BTreeMap<Place, Vec<(Metric, Option<f64>)>> = BTreeMap::new();
    for point in points {
        let row = rows.entry((point.time, point.group.clone())).or_default();
        row.push((Metric::from(point.metric), point.value));
    }
    rows
}

fn value(values: &[(Metric, Option<f64>)], metric: Metric) -> Option<f64> {
    let found = values.iter().find(|(of, _)| *of == metric);
    found.and_then(|(_, value)| *value)
}

fn table(
    args: &StatsArgs,
    metrics: &[Metric],
    rows: &BTreeMap<Place, Vec<(Metric, Option<f64>)>>,
) -> Table {
    let mut columns = Vec::new();
    if args.bucket.is_some() {
        columns.push(Column::whole("FROM (UTC)"));
    }
    let groups = args
        .by
        .iter()
        .map(|key| Column::cut(key_name(key).to_uppercase()));
    columns.extend(groups);
    columns.extend(
        metrics
            .iter()
            .map(|metric| Column::whole(metric.title()).right()),
    );
    let mut table = Table::new(columns);
    for ((time, group), values) in rows {
        let mut row: Vec<Cell> = Vec::new();
        if args.bucket.is_some() {
            row.push(time::readable(*time).into());
        }
        row.extend(
            group
                .iter()
                .map(|name| Cell::from(name.as_deref().unwrap_or("-"))),
        );
        row.extend(
            metrics
                .iter()
                .map(|metric| metric.cell(value(values, *metric))),
        );
        table.push(row);
    }
    table
}

/// The values of one place as `--json` shows them.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    time: String,
    group: BTreeMap<String, Option<&'a str>>,
    values: BTreeMap<&'static str, Option<f64>>,
}

impl<'a> Shown<'a> {
    fn new(args: &StatsArgs, place: &'a Place, values: &[(Metric, Option<f64>)]) -> Self {
        let (time, group) = place;
        let keys = args.by.iter().map(key_name);
        Self {
            time: time::rfc3339(*time),
            group: keys.zip(group.iter().map(Option::as_deref)).collect(),
            values: values
                .iter()
                .map(|(metric, value)| (metric.key(), *value))
                .collect(),
        }
    }
}

fn group_key(text: &str) -> Result<GroupKey, String> {
    match text.split_once(':') {
        Some(("attribute", key)) if !key.is_empty() => Ok(GroupKey::Attribute(key.to_owned())),
        None if text == "name" => Ok(GroupKey::Name),
        None if text == "kind" => Ok(GroupKey::Kind),
        None if text == "status" => Ok(GroupKey::Status),
        _ => Err("say name, kind, status or attribute:<key>".to_owned()),
    }
}

fn key_name(key: &GroupKey) -> String {
    match key {
        GroupKey::Name => "name".to_owned(),
        GroupKey::Kind => "kind".to_owned(),
        GroupKey::Status => "status".to_owned(),
        GroupKey::Attribute(key) => format!("attributes.{key}"),
    }
}

/// The length of a bucket, in nanoseconds.
fn length(text: &str) -> Result<u64, String> {
    let wrong = || "say how long, such as 15m, 1h or 1d; at least 1s".to_owned();
    let span: Span = text.parse().map_err(|_| wrong())?;
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours());
    let length = u64::try_from(length.map_err(|_| wrong())?.as_nanos()).map_err(|_| wrong())?;
    if length < 1_000_000_000 {
        return Err(wrong());
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use anstream::adapter::strip_str;
    use clap::Parser;
    use roost::contract::MetricName;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: StatsArgs,
    }

    fn args(line: &str) -> StatsArgs {
        Line::try_parse_from(line.split(' ')).unwrap().args
    }

    #[test]
    fn a_bucket_has_a_length_and_a_beginning() {
        assert_eq!(length("1h").unwrap(), 3_600_000_000_000);
        assert_eq!(length("1d").unwrap(), 86_400_000_000_000);
        for text in ["1ms", "0s", "-1h", "soon", ""] {
            assert!(length(text).is_err(), "{text}");
        }
        assert!(Line::try_parse_from(["x", "--bucket", "1h"]).is_err());
    }

    #[test]
    fn groups_are_lines_and_metrics_are_columns() {
        let args = args("x --by status,attribute:llm.model_name --metrics span-count,latency-p95");
        let point = |metric, status: &str, value| DataPoint {
            metric,
            time: 0,
            group: vec![Some(status.to_owned()), None],
            value,
        };
        let points = [
            point(MetricName::SpanCount, "OK", Some(3.0)),
            point(MetricName::LatencyP95, "OK", Some(12.34)),
            point(MetricName::SpanCount, "ERROR", Some(1.0)),
            point(MetricName::LatencyP95, "ERROR", None),
        ];
        let metrics = args.metrics.clone();
        let rendered = table(&args, &metrics, &rows(&points)).render(None);
        assert_eq!(
            strip_str(&rendered).to_string(),
            "\
STATUS  ATTRIBUTES.LLM.MODEL_NAME  SPANS      P95
ERROR   -                              1        -
OK      -                              3  12.3 ms
"
        );
    }
}
