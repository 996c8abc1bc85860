//! `roost spans`.

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use roost::contract::{
    Field, Order, OrderKey, Predicate, Projection, Span, StatusCode, TimeWindow,
};
use roost::provider::SpanQuery;

use super::arguments::OutputArgs;
use super::context::Context;
use super::exit::{CommandError, Exit};
use super::scope::ScopeArgs;
use super::table::{Cell, Column, Table};
use super::terminal::{self, BAD, GOOD};
use super::time::{self, Moment};
use super::{record, text};

const AFTER_HELP: &str = "\
Instants are how long ago (30m, 1h30m, 2d, 1w) or when (2026-11-20, 2026-11-20T10:00:00Z);
without an offset they are in UTC.

Examples:
  roost spans --tenant acme --since 1h
  roost spans --tenant acme --service routing --status error --since 2026-11-20
  roost spans --project default --roots --limit 20
  roost spans --tenant acme --kind llm --json | jq '.attributes[\"llm.token_count.total\"]'";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct SpansArgs {
    #[command(flatten)]
    scope: ScopeArgs,
    /// Only spans that began at this instant or later
    #[arg(long, value_name = "INSTANT", default_value = "1d")]
    since: Moment,
    /// Only spans that began before this instant
    #[arg(long, value_name = "INSTANT")]
    until: Option<Moment>,
    /// At most this many, the newest
    #[arg(long, short = 'n', value_name = "NUMBER", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Only spans without a parent
    #[arg(long)]
    roots: bool,
    /// Only spans of exactly this name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Only spans that ended so
    #[arg(long, value_name = "STATUS", ignore_case = true)]
    status: Option<Status>,
    /// Only spans of this OpenInference kind, such as LLM, CHAIN, TOOL or RETRIEVER
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Show every column, however narrow the terminal is
    #[arg(long, short, conflicts_with = "json")]
    wide: bool,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Status {
    Unset,
    Ok,
    Error,
}

impl From<Status> for StatusCode {
    fn from(status: Status) -> Self {
        match status {
            Status::Unset => Self::Unset,
            Status::Ok => Self::Ok,
            Status::Error => Self::Error,
        }
    }
}

pub(super) async fn run(context: &Context, args: &SpansArgs) -> anyhow::Result<Exit> {
    let window = args.window(Timestamp::now())?;
    let telemetry = context.telemetry().await?;
    let scope = args.scope.open(&telemetry)?;
    let query = args.query(&scope.project, window);
    let reading = async { scope.provider.traces().get_spans(&query).await };
    let what = format!("reading spans of {}", scope.project);
    let spans = context.terminal.waiting(what, reading).await?;
    if args.output.json {
        let records = spans.iter().map(record::Span::from);
        context.terminal.print(&record::lines(records)?)?;
    } else if spans.is_empty() {
        let since = time::readable(window.start);
        terminal::note(&format!(
            "no such span in {} since {since}; --since looks further back",
            text::one_line(&scope.project)
        ));
    } else {
        let width = context.terminal.width.filter(|_| !args.wide);
        context.terminal.print(&render(&spans, width))?;
    }
    Ok(Exit::Fine)
}

impl SpansArgs {
    fn window(&self, now: Timestamp) -> Result<TimeWindow, CommandError> {
        let start = self.since.nanoseconds(now)?;
        let end = match self.until {
            Some(until) => until.nanoseconds(now)?,
            // Open towards the future: the clocks of those who write spans may be ahead.
            None => TimeWindow::all().end,
        };
        if start > end {
            return Err(CommandError::Usage(format!(
                "--since ({}) is after --until ({})",
                time::readable(start),
                time::readable(end)
            )));
        }
        Ok(TimeWindow::new(start, end))
    }

    fn query(&self, project: &str, window: TimeWindow) -> SpanQuery {
        let predicates = [
            self.name
                .as_ref()
                .map(|name| Predicate::equal(Field::Name, name.as_str())),
            self.status
                .map(|status| Predicate::equal(Field::Status, StatusCode::from(status).as_str())),
            self.kind
                .as_ref()
                .map(|kind| Predicate::equal(Field::Kind, kind.to_uppercase())),
        ];
        let mut query = SpanQuery::new(project, window)
            .limit(usize::try_from(self.limit).unwrap_or(usize::MAX))
            .order_by(Order {
                key: OrderKey::StartTime,
                descending: true,
            });
        for predicate in predicates.into_iter().flatten() {
            query = query.filter(predicate);
        }
        if self.roots {
            query = query.roots_only();
        }
        if !self.output.json {
            // The table shows none of this, and attributes are most of a span's bytes.
            query = query.project_to(Projection {
                attributes: Some(Vec::new()),
                events: false,
                links: false,
                resource: false,
            });
        }
        query
    }
}

fn render(spans: &[Span], width: Option<usize>) -> String {
    let mut table = Table::new([
        Column::whole("TIME (UTC)"),
        Column::cut("NAME"),
        Column::optional("KIND"),
        Column::whole("STATUS"),
        Column::whole("LATENCY").right(),
        Column::whole("TRACE ID"),
        Column::optional("SPAN ID"),
    ]);
    for span in spans {
        let time = match width {
            Some(_) => time::short(span.start_time),
            None => time::readable(span.start_time),
        };
        let latency = span.end_time.saturating_sub(span.start_time);
        let status = match span.status {
            StatusCode::Error => Cell::styled(span.status.as_str(), BAD),
            StatusCode::Ok => Cell::styled(span.status.as_str(), GOOD),
            StatusCode::Unset => span.status.as_str().into(),
        };
        table.push([
            time.into(),
            span.name.as_str().into(),
            span.kind.as_str().into(),
            status,
            time::duration(latency).into(),
            span.trace_id.as_str().into(),
            span.span_id.as_str().into(),
        ]);
    }
    table.render(width)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use anstream::adapter::strip_str;
    use clap::Parser;

    use super::super::tree::tests::span;
    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: SpansArgs,
    }

    fn args(line: &str) -> SpansArgs {
        Line::try_parse_from(line.split(' ')).unwrap().args
    }

    #[test]
    fn the_window_ends_after_it_begins() {
        let now = "2026-11-20T12:00:00Z".parse().unwrap();
        let hour = 3_600_000_000_000;
        let window = args("spans --since 2h --until 1h").window(now).unwrap();
        assert_eq!(window.end - window.start, hour);
        assert_eq!(
            args("spans").window(now).unwrap().end,
            TimeWindow::all().end
        );
        let error = args("spans --since 1h --until 2h").window(now).unwrap_err();
        assert!(error.to_string().contains("is after --until"));
    }

    #[test]
    fn filters_become_predicates_of_the_query() {
        let window = TimeWindow::all();
        let query = args("spans --kind llm --status ERROR --roots").query("p", window);
        let expected = args("spans --roots")
            .query("p", window)
            .filter(Predicate::equal(Field::Status, "ERROR"))
            .filter(Predicate::equal(Field::Kind, "LLM"));
        assert_eq!(query, expected);
    }

    #[test]
    fn ids_are_whole_on_a_narrow_terminal_and_everything_is_in_a_file() {
        let spans = [span("b7ad6b7169203331", None, 0, 250)];
        assert_eq!(
            strip_str(&render(&spans, Some(80))).to_string(),
            "\
TIME (UTC)      NAME         STATUS  LATENCY  TRACE ID
11-18 11:06:40  b7ad6b7169…  OK       250 ms  0af7651916cd43dd8448eb211c80319c
"
        );
        assert_eq!(
            strip_str(&render(&spans, None)).to_string(),
            "\
TIME (UTC)                NAME              KIND   STATUS  LATENCY  TRACE ID                          SPAN ID
2026-11-18T11:06:40.000Z  b7ad6b7169203331  CHAIN  OK       250 ms  0af7651916cd43dd8448eb211c80319c  b7ad6b7169203331
"
        );
    }
}
