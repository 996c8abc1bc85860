//! `roost datasets get`.

use std::sync::Arc;

use clap::Args;
use roost::contract::DatasetRef;
use roost::query::records_frame;

use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::format::{Format, FormatArgs};
use crate::cli::scope::{Scope, ScopeArgs};
use crate::cli::writing::Rows;
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
    let what = format!("reading {}", values::dataset_name(&args.dataset));
    // An empty dataset is an answer: the columns alone.
    let schema = records_frame(&[])?.schema();
    let width = context.terminal.width;
    let mut rows: Option<Rows> = None;
    loop {
        let page = context.terminal.waiting(what.clone(), pages.next()).await?;
        if args.format.json {
            let Some(page) = page else { break };
            let records = page.iter().map(record::DatasetRecord::from);
            context.terminal.print(&record::lines(records)?)?;
            continue;
        }
        // A dataset that is not there leaves no file.
        let mut writer = match rows.take() {
            Some(rows) => rows,
            None => Rows::begin(&args.format, Arc::clone(&schema), width)?,
        };
        let Some(page) = page else {
            writer.finish()?;
            break;
        };
        writer.write(records_frame(&page)?)?;
        rows = Some(writer);
    }
    Ok(Exit::Fine)
}
