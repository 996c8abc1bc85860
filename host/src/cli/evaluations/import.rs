//! `roost evaluations import`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use arrow::array::{BooleanArray, RecordBatch};
use clap::{Args, ValueEnum};
use roost::Provider;
use roost::contract::{AttributeValue, Condition, Error, Field, Predicate, Target, TimeWindow};
use roost::provider::SpanQuery;
use roost::query::{Format, evaluations_from_frame, read_frame, span_targets};
use serde::Serialize;

use crate::cli::annotator::Annotator;
use crate::cli::arguments::OutputArgs;
use crate::cli::columns::projection;
use crate::cli::context::Context;
use crate::cli::datasets::reading::source;
use crate::cli::exit::{CommandError, Exit};
use crate::cli::scope::{Scope, ScopeArgs};
use crate::cli::terminal::Counter;
use crate::cli::values::NonEmpty;
use crate::cli::{record, terminal, text};

const AFTER_HELP: &str = "\
The file has a column span_id or context.span_id, score or label or both, and may have
explanation. What was written before under the same name is replaced.

Examples:
  roost evaluations import judged.csv --tenant acme --name relevance --annotator llm
  roost evaluations import judged.parquet --tenant acme --name relevance --dry-run
  my-judge | roost evaluations import - --tenant acme --name relevance";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct ImportArgs {
    /// The judgements, as JSON Lines, CSV or Parquet; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What is judged, such as relevance
    #[arg(long, value_name = "NAME", value_parser = NonEmpty::new())]
    name: String,
    /// Who judges
    #[arg(long, value_name = "WHO", default_value = "code")]
    annotator: Annotator,
    /// How the file is written; else as its ending says, and JSON Lines for -
    #[arg(long, value_name = "FORMAT")]
    format: Option<ImportFormat>,
    /// Say what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    scope: ScopeArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ImportFormat {
    Jsonl,
    Csv,
    Parquet,
}

/// What came of an import, as `--json` shows it.
#[derive(Debug, Serialize)]
struct Imported {
    /// How many rows were written, or would be.
    written: usize,
    dry_run: bool,
    rejected: Vec<Rejected>,
}

/// A row that is not written; rows count from 1.
#[derive(Debug, Serialize)]
struct Rejected {
    row: usize,
    reason: String,
}

pub(super) async fn run(context: &Context, args: &ImportArgs) -> anyhow::Result<Exit> {
    let format = args.format.map(|format| match format {
        ImportFormat::Jsonl => Format::JsonLines,
        ImportFormat::Csv => Format::Csv,
        ImportFormat::Parquet => Format::Parquet,
    });
    let (source, format) = source(&args.file, format)?;
    let telemetry = context.telemetry().await?;
    let Scope { provider, project } = args.scope.open(&telemetry)?;
    let frame = context
        .terminal
        .waiting("reading the file", read_frame(source, format))
        .await?;
    // What is wrong with the file is told before anything is written.
    evaluations_from_frame(&args.name, &frame, args.annotator.into())
        .map_err(|why| CommandError::Usage(format!("{}: {why}", args.file.display())))?;
    let work = import(context, args, &provider, &project, &frame);
    let imported = work.await?;
    if args.output.json {
        context.terminal.print(&record::lines([&imported])?)?;
    } else {
        for Rejected { row, reason } in &imported.rejected {
            let reason = format!("row {row} is rejected: {reason}");
            terminal::note(&text::visible(&reason));
        }
        let written = text::count(imported.written, "evaluation");
        let would = if args.dry_run {
            "would be written"
        } else {
            "written"
        };
        context.terminal.print(&format!("{written} {would}\n"))?;
    }
    if imported.rejected.is_empty() {
        return Ok(Exit::Fine);
    }
    let rejected = text::count(imported.rejected.len(), "row");
    Err(CommandError::Failed(format!("{rejected} of the file rejected")).into())
}

/// Write the rows whose spans are there.
async fn import(
    context: &Context,
    args: &ImportArgs,
    provider: &Provider,
    project: &str,
    frame: &RecordBatch,
) -> anyhow::Result<Imported> {
    let ids: Vec<String> = span_targets(frame)?
        .into_iter()
        .filter_map(|target| match target {
            Target::Span(span) => Some(span.span_id),
            Target::Trace(_) | Target::Session(_) => None,
        })
        .collect();
    let looked = Counter::default();
    let looking = present(provider, project, &ids, &looked);
    let present = context
        .terminal
        .counting("looking for the spans", &looked, "rows", looking)
        .await?;
    let is_present: Vec<bool> = ids.iter().map(|id| present.contains(id)).collect();
    // The rows that are written, by their numbers in the file.
    let rows: Vec<usize> = (1..)
        .zip(&is_present)
        .filter(|(_, is)| **is)
        .map(|(row, _)| row)
        .collect();
    let missing = (1..).zip(&ids).zip(&is_present).filter(|(_, is)| !**is);
    let mut rejected: Vec<Rejected> = missing
        .map(|((row, id), _)| Rejected {
            row,
            reason: format!("there is no span {id} in {project}"),
        })
        .collect();
    if !args.dry_run && !rows.is_empty() {
        let known = arrow::compute::filter_record_batch(frame, &BooleanArray::from(is_present))?;
        let annotations = provider.annotations();
        let kind = args.annotator.into();
        let writing = annotations.log_evaluations(project, &args.name, &known, kind);
        let written = context
            .terminal
            .waiting("writing evaluations", writing)
            .await;
        if let Err(error) = written {
            let Error::Partial(partial) = error.kind() else {
                return Err(error.into());
            };
            rejected.extend(partial.rejected.iter().map(|item| {
                let place = usize::try_from(item.index).unwrap_or(usize::MAX);
                Rejected {
                    row: rows.get(place).copied().unwrap_or_default(),
                    reason: item.reason.clone(),
                }
            }));
            rejected.sort_by_key(|rejected| rejected.row);
        }
    }
    Ok(Imported {
        written: ids.len() - rejected.len(),
        dry_run: args.dry_run,
        rejected,
    })
}

/// How many spans are looked for at once.
const LOOKED_FOR: usize = 200;

/// Those of these spans that the project has.
async fn present(
    provider: &Provider,
    project: &str,
    ids: &[String],
    looked: &Counter,
) -> anyhow::Result<BTreeSet<String>> {
    let mut present = BTreeSet::new();
    for part in ids.chunks(LOOKED_FOR) {
        let texts = part.iter().map(|id| AttributeValue::Text(id.clone()));
        let any = Condition::OneOf(texts.collect());
        let query = SpanQuery::new(project, TimeWindow::all())
            .limit(usize::MAX)
            .project_to(projection(&[]))
            .filter(Predicate::new(Field::SpanId, any));
        let mut pages = provider.traces().pages(&query)?;
        while let Some(page) = pages.next().await? {
            present.extend(page.into_iter().map(|span| span.span_id));
        }
        looked.add(part.len());
    }
    Ok(present)
}
