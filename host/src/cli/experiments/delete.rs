//! `roost experiments delete`.

use clap::Args;

use crate::cli::confirm::ConfirmArgs;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::scope::{Scope, ScopeArgs};
use crate::cli::values::NonEmpty;
use crate::cli::{terminal, text};

const AFTER_HELP: &str = "\
Examples:
  roost experiments delete RXhwZXJpbWVudDox --tenant acme --yes";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct DeleteArgs {
    /// The experiment's id
    #[arg(value_name = "ID", value_parser = NonEmpty::new())]
    experiment: String,
    #[command(flatten)]
    confirm: ConfirmArgs,
    #[command(flatten)]
    scope: ScopeArgs,
}

pub(super) async fn run(context: &Context, args: &DeleteArgs) -> anyhow::Result<Exit> {
    let telemetry = context.telemetry().await?;
    let Scope { provider, project } = args.scope.open(&telemetry)?;
    let id = &args.experiment;
    let question = format!("Delete experiment {id} of {project} with all its runs?");
    args.confirm.ask(&question).await?;
    let experiments = provider.experiments();
    let deleting = async { experiments.delete_experiment(&project, id).await };
    context
        .terminal
        .waiting("deleting the experiment", deleting)
        .await?;
    terminal::note(&format!("experiment {} is deleted", text::one_line(id)));
    Ok(Exit::Fine)
}
