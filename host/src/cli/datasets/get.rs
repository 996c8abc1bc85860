//! `roost datasets get`.

use clap::Args;
use roost::contract::DatasetRef;
use roost::query::records_frame;

use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::scope::{Scope, ScopeArgs};
use crate::cli::terminal::Counter;
use crate::cli::writing::{Format, FormatArgs, Rows};
use crate::cli::{record, values};

const AFTER_HELP: &str = "\
Examples:
  roost datasets get qa --tenant acme
  roost datasets get qa --tenant acme --output qa.parquet
  roost datasets get qa --tenant acme --json | jq .input";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct GetArgs {
    /// The dataset's name, or id:ID
    #[arg(value_name = "DATASET", value_parser = values::dataset)]
    dataset: DatasetRef,
    /// The version; else the newest
    #[arg(long, value_name = "ID")]
    version: Option<String>,
    #[command(flatten)]
    format: FormatArgs,
    #[command(flatten)]
    scope: ScopeArgs,
}

pub(super) async fn run(context: &Context, args: GetArgs) -> anyhow::Result<Exit> {
    args.format.format(Format::Table)?;
    let telemetry = context.telemetry().await?;
    let Scope { provider, project } = args.scope.open(&telemetry)?;
    let version = args.version.as_deref();
    let mut pages = provider
        .datasets()
        .pages(&project, &args.dataset, version)?;
    let read = Counter::default();
    let width = context.terminal.width;
    let work = async {
        let mut rows: Option<Rows> = None;
        while let Some(page) = pages.next().await? {
            read.add(page.len());
            if args.format.json {
                let records = page.iter().map(record::DatasetRecord::from);
                context.terminal.print(&record::lines(records)?)?;
                continue;
            }
            let frame = records_frame(&page)?;
            let writer = match &mut rows {
                Some(writer) => writer,
                None => rows.insert(Rows::begin(&args.format, frame.schema(), width)?),
            };
            writer.write(frame)?;
        }
        let rows = match rows {
            Some(rows) => rows,
            // An empty dataset is an answer: the columns alone.
            None if !args.format.json => {
                let schema = records_frame(&[])?.schema();
                Rows::begin(&args.format, schema, width)?
            }
            None => return Ok(()),
        };
        rows.finish()?;
        Ok::<_, anyhow::Error>(())
    };
    let what = format!("reading {}", values::dataset_name(&args.dataset));
    context
        .terminal
        .counting(what, &read, "records", work)
        .await?;
    Ok(Exit::Fine)
}
