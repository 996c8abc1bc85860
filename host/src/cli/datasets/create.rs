//! `roost datasets create`.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use roost::Provider;
use roost::contract::{Dataset, DatasetRef, NewDataset, NewRecord, Projection};
use roost::provider::SpanPages;
use roost::query::RecordStream;

use super::reading::{FILES, RecordsArgs};
use crate::cli::arguments::OutputArgs;
use crate::cli::context::Context;
use crate::cli::exit::{CommandError, Exit};
use crate::cli::scope::{Scope, ScopeArgs};
use crate::cli::selection::{FILTERS, SelectionArgs};
use crate::cli::terminal::{Counter, note};
use crate::cli::values::{NonEmpty, object};

const AFTER_HELP: &str = "\
Of a file that cannot be read to its end no dataset is left. Ctrl-C leaves the records that
were written by then.

Examples:
  roost datasets create qa questions.csv --tenant acme --input question --expected answer
  roost datasets create qa - --tenant acme < questions.jsonl
  roost datasets create slow --tenant acme --from-spans --since 1d --filter \"latency_ms > 5000\"
  roost export --tenant acme --kind llm | roost datasets create calls - --tenant acme";

#[derive(Debug, Args)]
#[command(
    after_help = format!("{FILES}\n\n{FILTERS}\n\n{AFTER_HELP}"),
    group = ArgGroup::new("records").required(true).args(["file", "from_spans"]),
)]
pub(in crate::cli) struct CreateArgs {
    /// Its name, unique in the project
    #[arg(value_name = "NAME", value_parser = NonEmpty::new())]
    name: String,
    /// Its records, as JSON Lines, CSV or Parquet; - is standard input
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Its records are spans: those that the other options select, the first 1000 if no
    /// --limit says otherwise
    #[arg(long)]
    from_spans: bool,
    #[command(flatten)]
    selection: SelectionArgs,
    /// At most this many spans
    #[arg(long, short = 'n', value_name = "NUMBER", requires = "from_spans")]
    limit: Option<usize>,
    #[command(flatten)]
    records: RecordsArgs,
    /// What it is for
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    description: String,
    /// Anything more: a JSON object
    #[arg(long, value_name = "JSON", value_parser = object)]
    metadata: Option<String>,
    #[command(flatten)]
    scope: ScopeArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Where records come from.
pub(super) enum Records<'a> {
    File(RecordStream),
    Spans(Box<SpanPages<'a>>),
}

impl Records<'_> {
    pub(super) async fn next(&mut self) -> anyhow::Result<Option<Vec<NewRecord>>> {
        Ok(match self {
            Self::File(file) => file.next().await?,
            Self::Spans(pages) => {
                let page = pages.next().await?;
                page.map(|spans| spans.iter().map(NewRecord::from_span).collect())
            }
        })
    }
}

pub(super) async fn run(context: &Context, args: CreateArgs) -> anyhow::Result<Exit> {
    args.check()?;
    let telemetry = context.telemetry().await?;
    let Scope { provider, project } = args.scope.open(&telemetry)?;
    let mut records = match &args.file {
        Some(file) => Records::File(args.records.read(file)?),
        None => {
            let query = args.selection.query(&project)?.project_to(Projection {
                attributes: None,
                events: false,
                links: false,
                resource: false,
            });
            let query = query.limit(args.limit.unwrap_or(DEFAULT_LIMIT));
            Records::Spans(Box::new(provider.traces().pages(&query)?))
        }
    };
    let written = Counter::default();
    let dataset = NewDataset {
        name: args.name,
        description: args.description,
        metadata: args.metadata,
        records: Vec::new(),
    };
    let creating = create(&provider, &project, dataset, &mut records, &written);
    let created = context
        .terminal
        .counting("writing", &written, "records", creating)
        .await?;
    super::tell(context, &created, written.get(), args.output.json)?;
    tell_left_out(&created, written.get());
    Ok(Exit::Fine)
}

/// Say so when the backend took some records for others that it had.
fn tell_left_out(created: &Dataset, written: u64) {
    let kept = created.record_count.unwrap_or(written);
    let left_out = written.saturating_sub(kept);
    if left_out > 0 {
        note(&format!(
            "the dataset has {kept} of the {written} records: {left_out} have no key, and the \
             content of others; records that have keys are all kept"
        ));
    }
}

/// How many spans become records where nobody says.
const DEFAULT_LIMIT: usize = 1000;

impl CreateArgs {
    fn check(&self) -> Result<(), CommandError> {
        let usage = |why: &str| Err(CommandError::Usage(why.to_owned()));
        if self.from_spans && self.records.is_given() {
            return usage("--format and columns are about files, and --from-spans is about spans");
        }
        if !self.from_spans && self.selection.is_given() {
            return usage("spans are selected with --from-spans, and not where a file is given");
        }
        Ok(())
    }
}

/// Create a dataset of the first records, and append the others. When that fails, the dataset
/// goes again.
async fn create(
    provider: &Provider,
    project: &str,
    mut dataset: NewDataset,
    records: &mut Records<'_>,
    written: &Counter,
) -> anyhow::Result<Dataset> {
    let store = provider.datasets();
    dataset.records = records.next().await?.unwrap_or_default();
    let first = dataset.records.len();
    let mut created = store.create_dataset(project, dataset).await?;
    written.add(first);
    let id = DatasetRef::Id(created.id.clone());
    let rest = async {
        while let Some(part) = records.next().await? {
            created = store.append_to_dataset(project, &id, &part).await?;
            written.add(part.len());
        }
        anyhow::Ok(())
    };
    let Err(error) = rest.await else {
        return Ok(created);
    };
    let error = match store.delete_dataset(project, &id).await {
        Ok(()) => error.context("no dataset was created"),
        Err(_) => error.context(format!(
            "the dataset has only the first {} records, and could not be deleted",
            written.get()
        )),
    };
    Err(error)
}
