//! `roost datasets versions`.

use clap::Args;
use roost::contract::DatasetRef;

use crate::cli::arguments::OutputArgs;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::scope::{Scope, ScopeArgs};
use crate::cli::table::{Column, Table};
use crate::cli::{record, time, values};

const AFTER_HELP: &str = "\
Examples:
  roost datasets versions qa --tenant acme
  roost datasets get qa --tenant acme --version \"$(roost datasets versions qa --tenant acme --json \\
      | jq -r .id | tail -n 1)\"";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct VersionsArgs {
    /// The dataset's name, or id:ID
    #[arg(value_name = "DATASET", value_parser = values::dataset)]
    dataset: DatasetRef,
    #[command(flatten)]
    scope: ScopeArgs,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) async fn run(context: &Context, args: &VersionsArgs) -> anyhow::Result<Exit> {
    let telemetry = context.telemetry().await?;
    let Scope { provider, project } = args.scope.open(&telemetry)?;
    let datasets = provider.datasets();
    let listing = async { datasets.list_versions(&project, &args.dataset).await };
    let what = format!(
        "reading versions of {}",
        values::dataset_name(&args.dataset)
    );
    let versions = context.terminal.waiting(what, listing).await?;
    let out = if args.output.json {
        record::lines(versions.iter().map(record::Version::from))?
    } else {
        let mut table = Table::new([Column::whole("VERSION"), Column::optional("MADE (UTC)")]);
        for version in &versions {
            let made = version.created_at.map(time::readable);
            let made = made.as_deref().unwrap_or("-");
            table.push([version.id.as_str().into(), made.into()]);
        }
        table.render(context.terminal.width)
    };
    context.terminal.print(&out)?;
    Ok(Exit::Fine)
}
