//! `roost spans`.

use clap::Args;
use roost::contract::{Field, Order, Predicate, Span, StatusCode};
use roost::provider::SpanQuery;

use super::columns::{self, projection};
use super::context::Context;
use super::exit::{CommandError, Exit};
use super::format::{Format, FormatArgs};
use super::scope::{Scope, ScopeArgs};
use super::selection::{FILTERS, SelectionArgs};
use super::table::{Cell, Column, Table};
use super::terminal::{self, BAD, GOOD};
use super::time;
use super::window::INSTANTS;
use super::writing::Rows;
use super::{export, record, text};

const SINCE: &str = "Only spans that began at this instant or later [default: 1d]";

const AFTER_HELP: &str = "\
Examples:
  roost spans --tenant acme --since 1h
  roost spans --tenant acme --filter \"latency_ms > 1000 AND attributes['llm.model_name'] = 'gpt-4'\"
  roost spans --tenant acme --service routing --status error --since 2026-11-20
  roost spans --tenant acme --columns name,latency_ms,attributes.llm.model_name --order 'duration desc'
  roost spans --project default --roots --limit 20 --output roots.csv
  roost spans --tenant acme --kind llm --json | jq '.attributes[\"llm.token_count.total\"]'";

#[derive(Debug, Args)]
#[command(
    after_help = format!("{INSTANTS}\n\n{FILTERS}\n\n{AFTER_HELP}"),
    mut_arg("since", |since| since.help(SINCE)),
)]
pub(super) struct SpansArgs {
    #[command(flatten)]
    scope: ScopeArgs,
    #[command(flatten)]
    selection: SelectionArgs,
    /// Only spans of exactly this name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// At most this many: the first in the order
    #[arg(long, short = 'n', value_name = "NUMBER", default_value_t = 100,
          value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// By start_time, end_time or duration; with desc, the largest first
    #[arg(long, value_name = "COLUMN [desc]", default_value = "start_time desc")]
    order: Order,
    /// Only these columns: those of a filter, or attributes.<key>
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = columns::column,
          conflicts_with = "json")]
    columns: Vec<String>,
    /// Show every column, however narrow the terminal is
    #[arg(long, short, conflicts_with = "json")]
    wide: bool,
    #[command(flatten)]
    format: FormatArgs,
}

pub(super) async fn run(context: &Context, args: &SpansArgs) -> anyhow::Result<Exit> {
    let format = args.format.format(Format::Table)?;
    let telemetry = context.telemetry().await?;
    let Scope { provider, project } = args.scope.open(&telemetry)?;
    let query = args.query(&project)?;
    let traces = provider.traces();
    let what = format!("reading spans of {project}");
    // The usual table is made of spans, and any other of their columns.
    if args.columns.is_empty() && (args.format.json || format == Format::Table) {
        let query = match args.format.json {
            true => query,
            // It shows no attributes, and they are most of a span's bytes.
            false => query.project_to(projection(&[])),
        };
        let reading = async { traces.get_spans(&query).await };
        let spans = context.terminal.waiting(what, reading).await?;
        if args.format.json {
            let records = spans.iter().map(record::Span::from);
            context.terminal.print(&record::lines(records)?)?;
        } else if spans.is_empty() && args.format.file().is_none() {
            nothing(&project);
        } else {
            let table = |width: Option<usize>| render(&spans, width.filter(|_| !args.wide));
            args.format.show(&context.terminal, table)?;
        }
        return Ok(Exit::Fine);
    }
    if format != Format::Table {
        export::write(context, &provider, &query, &args.columns, &args.format).await?;
        return Ok(Exit::Fine);
    }
    let query = query.project_to(projection(&args.columns));
    let reading = async { traces.frames(&query)?.collect().await };
    let frame = context.terminal.waiting(what, reading).await?;
    if frame.num_rows() == 0 && args.format.file().is_none() {
        nothing(&project);
        return Ok(Exit::Fine);
    }
    let frame = columns::select(&frame, &args.columns)?;
    let width = context.terminal.width.filter(|_| !args.wide);
    let mut rows = Rows::begin(&args.format, frame.schema(), width)?;
    rows.write(frame)?;
    rows.finish()?;
    Ok(Exit::Fine)
}

fn nothing(project: &str) {
    let project = text::one_line(project);
    terminal::note(&format!(
        "no such span in {project}; --since looks further back than a day"
    ));
}

impl SpansArgs {
    fn query(&self, project: &str) -> Result<SpanQuery, CommandError> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let query = self.selection.of_the_last_day(project)?;
        let query = query.limit(limit).order_by(self.order);
        Ok(match &self.name {
            Some(name) => query.filter(Predicate::equal(Field::Name, name.as_str())),
            None => query,
        })
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
    use roost::contract::OrderKey;

    use super::super::tree::tests::span;
    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: SpansArgs,
    }

    #[test]
    fn the_newest_of_a_day_come_first_where_nobody_says() {
        let line = Line::try_parse_from(["x"]).unwrap().args;
        let newest = Order {
            key: OrderKey::StartTime,
            descending: true,
        };
        assert_eq!((line.order, line.limit), (newest, 100));
        let day = Line::try_parse_from(["x", "--since", "2026-11-20"]).unwrap();
        let query = day.args.query("p").unwrap();
        assert_ne!(query, line.query("p").unwrap());
    }

    #[test]
    fn an_order_that_spans_do_not_have_is_refused() {
        let error = Line::try_parse_from(["x", "--order", "name"]).unwrap_err();
        assert!(error.to_string().contains("order by start_time"), "{error}");
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
