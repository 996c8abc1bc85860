//! `roost experiments create`.

use clap::Args;
use roost::contract::{DatasetRef, NewExperiment};

use super::show;
use crate::cli::arguments::OutputArgs;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::record;
use crate::cli::scope::{Scope, ScopeArgs};
use crate::cli::values::{self, NonEmpty, object};

const AFTER_HELP: &str = "\
The id that is shown names the experiment in all other commands.

Examples:
  roost experiments create baseline --tenant acme --dataset qa
  id=$(roost experiments create gpt-5 -t acme --dataset qa --json | jq -r .id)
  roost experiments create load-test --tenant acme --metadata '{\"model\":\"m\"}'";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct CreateArgs {
    /// Its name; several experiments may bear one
    #[arg(value_name = "NAME", value_parser = NonEmpty::new())]
    name: String,
    /// The dataset it runs over: its name, or id:ID
    #[arg(long, short, value_name = "DATASET", value_parser = values::dataset)]
    dataset: Option<DatasetRef>,
    /// The version of the dataset; else the newest
    #[arg(long, value_name = "ID", requires = "dataset")]
    version: Option<String>,
    /// How often each record is run
    #[arg(long, value_name = "NUMBER", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..))]
    repetitions: u32,
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

pub(super) async fn run(context: &Context, args: CreateArgs) -> anyhow::Result<Exit> {
    let telemetry = context.telemetry().await?;
    let Scope { provider, project } = args.scope.open(&telemetry)?;
    let experiment = NewExperiment {
        name: args.name,
        description: args.description,
        metadata: args.metadata,
        dataset: None,
        dataset_version: args.version,
        repetitions: args.repetitions,
    };
    let store = provider.experiments();
    let creating = async {
        match &args.dataset {
            Some(dataset) => store.start_experiment(&project, dataset, experiment).await,
            None => store.create_experiment(&project, &experiment).await,
        }
    };
    let created = context
        .terminal
        .waiting("creating the experiment", creating)
        .await?;
    context.terminal.print(&if args.output.json {
        record::lines([record::Experiment::from(&created)])?
    } else {
        show::summary(&created)
    })?;
    Ok(Exit::Fine)
}
