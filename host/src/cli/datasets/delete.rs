//! `roost datasets delete`.

use clap::Args;
use roost::contract::DatasetRef;

use crate::cli::confirm::ConfirmArgs;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::scope::{Scope, ScopeArgs};
use crate::cli::{terminal, text, values};

const AFTER_HELP: &str = "\
Examples:
  roost datasets delete qa --tenant acme
  roost datasets delete id:RGF0YXNldDox --tenant acme --yes";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct DeleteArgs {
    /// The dataset's name, or id:ID
    #[arg(value_name = "DATASET", value_parser = values::dataset)]
    dataset: DatasetRef,
    #[command(flatten)]
    confirm: ConfirmArgs,
    #[command(flatten)]
    scope: ScopeArgs,
}

pub(super) async fn run(context: &Context, args: &DeleteArgs) -> anyhow::Result<Exit> {
    let telemetry = context.telemetry().await?;
    let Scope { provider, project } = args.scope.open(&telemetry)?;
    let name = values::dataset_name(&args.dataset);
    let question = format!("Delete {name} of {project} with all its versions and experiments?");
    args.confirm.ask(&question).await?;
    let datasets = provider.datasets();
    let deleting = async { datasets.delete_dataset(&project, &args.dataset).await };
    let what = format!("deleting {name}");
    context.terminal.waiting(what, deleting).await?;
    terminal::note(&format!("{} is deleted", text::one_line(&name)));
    Ok(Exit::Fine)
}
