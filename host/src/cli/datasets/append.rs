//! `roost datasets append`.

use std::path::PathBuf;

use clap::Args;
use roost::contract::DatasetRef;

use super::reading::{FILES, RecordsArgs};
use crate::cli::arguments::OutputArgs;
use crate::cli::context::Context;
use crate::cli::exit::{CommandError, Exit};
use crate::cli::scope::{Scope, ScopeArgs};
use crate::cli::terminal::Counter;
use crate::cli::values;

const AFTER_HELP: &str = "\
A record with a key that is there replaces that record.

Examples:
  roost datasets append qa more.csv --tenant acme --input question --expected answer
  roost export --tenant acme --since 1h --kind llm | roost datasets append calls - --tenant acme";

#[derive(Debug, Args)]
#[command(after_help = format!("{FILES}\n\n{AFTER_HELP}"))]
pub(in crate::cli) struct AppendArgs {
    /// The dataset's name, or id:ID
    #[arg(value_name = "DATASET", value_parser = values::dataset)]
    dataset: DatasetRef,
    /// The records, as JSON Lines, CSV or Parquet; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    records: RecordsArgs,
    #[command(flatten)]
    scope: ScopeArgs,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) async fn run(context: &Context, args: AppendArgs) -> anyhow::Result<Exit> {
    let telemetry = context.telemetry().await?;
    let Scope { provider, project } = args.scope.open(&telemetry)?;
    let mut records = args.records.read(&args.file)?;
    let store = provider.datasets();
    let written = Counter::default();
    let appending = async {
        let mut grown = None;
        while let Some(part) = records.next().await? {
            let appended = store.append_to_dataset(&project, &args.dataset, &part);
            grown = Some(appended.await?);
            written.add(part.len());
        }
        anyhow::Ok(grown)
    };
    let appending = context
        .terminal
        .counting("writing", &written, "records", appending)
        .await;
    let grown = appending.map_err(|error| match written.get() {
        0 => error,
        count => error.context(format!("the first {count} records were appended")),
    })?;
    let Some(grown) = grown else {
        let file = args.file.display();
        return Err(CommandError::Usage(format!("there is no record in {file}")).into());
    };
    super::tell(context, &grown, written.get(), args.output.json)?;
    Ok(Exit::Fine)
}
