//! `roost export`, and spans in the formats of programs.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use arrow::array::RecordBatch;
use clap::Args;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use roost::Provider;
use roost::provider::SpanQuery;
use roost::query::{FileTarget, Format as FileFormat};
use tokio::task::{block_in_place, yield_now};

use super::columns::{self, projection};
use super::context::Context;
use super::destination::{self, Destination, Output};
use super::exit::{CommandError, Exit};
use super::format::{Format, FormatArgs};
use super::json_lines::JsonLines;
use super::scope::{Scope, ScopeArgs};
use super::selection::{FILTERS, SelectionArgs};
use super::terminal::{self, Counter};
use super::text;
use super::window::INSTANTS;
use super::writing::{Rows, Written};

const AFTER_HELP: &str = "\
The file takes its name when it is whole; nothing is left of one that is not.

Examples:
  roost export --tenant acme --output spans.parquet
  roost export --tenant acme --since 1w --filter \"span_kind = 'LLM'\" --output llm.csv
  roost export --tenant acme --columns name,latency_ms,attributes.llm.model_name -o few.parquet
  roost export --tenant acme --roots | roost datasets create questions - --tenant acme";

#[derive(Debug, Args)]
#[command(after_help = format!("{INSTANTS}\n\n{FILTERS}\n\n{AFTER_HELP}"))]
pub(super) struct ExportArgs {
    #[command(flatten)]
    scope: ScopeArgs,
    #[command(flatten)]
    selection: SelectionArgs,
    /// At most this many
    #[arg(long, short = 'n', value_name = "NUMBER")]
    limit: Option<usize>,
    /// Only these columns: those of a filter, or attributes.<key>
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = columns::column)]
    columns: Vec<String>,
    #[command(flatten)]
    format: FormatArgs,
}

pub(super) async fn run(context: &Context, args: &ExportArgs) -> anyhow::Result<Exit> {
    if args.format.format(Format::Jsonl)? == Format::Table {
        let why = "spans are exported for programs: say --format jsonl, json, csv or parquet, or end \
                   the file so; `roost spans` writes tables";
        return Err(CommandError::Usage(why.to_owned()).into());
    }
    let telemetry = context.telemetry().await?;
    let Scope { provider, project } = args.scope.open(&telemetry)?;
    let mut query = args.selection.query(&project)?;
    if let Some(limit) = args.limit {
        query = query.limit(limit);
    }
    let report = write(context, &provider, &query, &args.columns, &args.format).await?;
    let spans = text::count(usize::try_from(report.rows).unwrap_or(usize::MAX), "span");
    let to = args.format.output().map_or_else(String::new, |path| {
        format!(" to {}", text::one_line(&path.display().to_string()))
    });
    terminal::note(&format!(
        "{spans} written{to}, {}",
        text::bytes(report.bytes)
    ));
    Ok(Exit::Fine)
}

/// Write the spans that answer a question, as they come. Without a format it is JSON Lines.
pub(super) async fn write(
    context: &Context,
    provider: &Provider,
    query: &SpanQuery,
    columns: &[String],
    args: &FormatArgs,
) -> anyhow::Result<Written> {
    let query = match columns {
        [] => query.clone(),
        columns => query.clone().project_to(projection(columns)),
    };
    let read = Counter::default();
    let counted = read.clone();
    let on_progress = move |rows| counted.set(rows);
    let traces = provider.traces();
    let work = async {
        let format = match args.format(Format::Jsonl)? {
            Format::Table | Format::Json | Format::Jsonl => FileFormat::JsonLines,
            Format::Csv => FileFormat::Csv,
            Format::Parquet => FileFormat::Parquet,
        };
        if format != FileFormat::JsonLines && !columns.is_empty() {
            // Who cannot write hears of it before anything is read.
            let to = Destination::open(args.output())?;
            // The types of columns are known when all spans are, and then all columns are there.
            let folder = tempfile::tempdir().context("there is no room for temporary files")?;
            let whole = folder.path().join("spans.parquet");
            let target = FileTarget::path(&whole).on_progress(on_progress);
            traces
                .export_spans(&query, target, FileFormat::Parquet)
                .await?;
            return some_columns(&whole, columns, args, to).await;
        }
        let (destination, output) = Destination::open(args.output())?;
        let exported = if format == FileFormat::JsonLines {
            let is_array = args.format(Format::Jsonl)? == Format::Json;
            let lines = JsonLines::new(output, columns, is_array);
            let target = FileTarget::writer(lines.clone()).on_progress(on_progress);
            let exported = traces.export_spans(&query, target, format).await;
            let finish = || block_in_place(|| lines.finish());
            exported
                .map_err(anyhow::Error::new)
                .and_then(|report| Ok(finish().map(|()| report)?))
        } else {
            let target = FileTarget::writer(output).on_progress(on_progress);
            let exported = traces.export_spans(&query, target, format).await;
            exported.map_err(anyhow::Error::new)
        };
        let rows = exported.map_err(|error| destination.failed(error))?.rows;
        let bytes = destination.finish()?;
        Ok(Written { rows, bytes })
    };
    if destination::is_terminal(args.output()) {
        // Progress would stand between the lines.
        return work.await;
    }
    context
        .terminal
        .counting("reading spans", &read, "spans", work)
        .await
}

/// Some columns of a Parquet file, written out.
async fn some_columns(
    file: &Path,
    columns: &[String],
    args: &FormatArgs,
    to: (Destination, Output),
) -> anyhow::Result<Written> {
    let file = std::fs::File::open(file).context("the temporary file is gone")?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)?;
    let empty = RecordBatch::new_empty(Arc::clone(reader.schema()));
    let schema = columns::select(&empty, columns)?.schema();
    let mut rows = Rows::to(to, args, schema, None)?;
    let mut batches = reader.build()?;
    while let Some(batch) = block_in_place(|| batches.next()) {
        rows.write(columns::select(&batch?, columns)?)?;
        // Ctrl-C is heard between two batches: this runs in the task that waits for it.
        yield_now().await;
    }
    rows.finish()
}
