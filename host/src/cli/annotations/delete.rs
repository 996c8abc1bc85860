//! `roost annotations delete`.

use clap::Args;
use roost::contract::AnnotationSelection;

use crate::cli::confirm::ConfirmArgs;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::scope::{Scope, ScopeArgs};
use crate::cli::values::NonEmpty;
use crate::cli::{terminal, text};

const AFTER_HELP: &str = "\
An id that is not there is no failure, so that a repeated call ends the same.

Examples:
  roost annotations delete span:b7ad6b7169203331:U3BhbkFubm90YXRpb246MQ== --tenant acme
  roost annotations --tenant acme --name draft --json | jq -r .id \\
      | xargs roost annotations delete --tenant acme --yes";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct DeleteArgs {
    /// The annotations' ids, as they are listed
    #[arg(value_name = "ID", required = true, value_parser = NonEmpty::new())]
    ids: Vec<String>,
    #[command(flatten)]
    confirm: ConfirmArgs,
    #[command(flatten)]
    scope: ScopeArgs,
}

pub(super) async fn run(context: &Context, args: &DeleteArgs) -> anyhow::Result<Exit> {
    let telemetry = context.telemetry().await?;
    let Scope { provider, project } = args.scope.open(&telemetry)?;
    let what = text::count(args.ids.len(), "annotation");
    args.confirm
        .ask(&format!("Delete {what} of {project}?"))
        .await?;
    let annotations = provider.annotations();
    let selection = AnnotationSelection::Ids(args.ids.clone());
    let deleting = async { annotations.delete_annotation(&project, &selection).await };
    context
        .terminal
        .waiting("deleting annotations", deleting)
        .await?;
    terminal::note(&match args.ids.len() {
        1 => "this annotation is not there any more".to_owned(),
        _ => format!("none of these {what} is there any more"),
    });
    Ok(Exit::Fine)
}
