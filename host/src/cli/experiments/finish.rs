//! `roost experiments finish`.

use clap::{Args, ValueEnum};
use roost::contract::ExperimentStatus;

use super::show;
use crate::cli::arguments::OutputArgs;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::record;
use crate::cli::scope::{Scope, ScopeArgs};
use crate::cli::values::NonEmpty;

const AFTER_HELP: &str = "\
Examples:
  roost experiments finish RXhwZXJpbWVudDox --tenant acme
  roost experiments finish RXhwZXJpbWVudDox --tenant acme --status failed";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct FinishArgs {
    /// The experiment's id
    #[arg(value_name = "ID", value_parser = NonEmpty::new())]
    experiment: String,
    /// How it ended
    #[arg(long, value_name = "STATUS", default_value = "completed")]
    status: Ending,
    #[command(flatten)]
    scope: ScopeArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Ending {
    Completed,
    Failed,
    Cancelled,
}

impl From<Ending> for ExperimentStatus {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Completed => Self::Completed,
            Ending::Failed => Self::Failed,
            Ending::Cancelled => Self::Cancelled,
        }
    }
}

pub(super) async fn run(context: &Context, args: &FinishArgs) -> anyhow::Result<Exit> {
    let telemetry = context.telemetry().await?;
    let Scope { provider, project } = args.scope.open(&telemetry)?;
    let experiments = provider.experiments();
    let finishing = async {
        let status = args.status.into();
        experiments
            .finish_experiment(&project, &args.experiment, status)
            .await
    };
    let finished = context
        .terminal
        .waiting("finishing the experiment", finishing)
        .await?;
    context.terminal.print(&if args.output.json {
        record::lines([record::Experiment::from(&finished)])?
    } else {
        show::summary(&finished)
    })?;
    Ok(Exit::Fine)
}
