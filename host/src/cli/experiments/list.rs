//! `roost experiments list`.

use clap::Args;
use roost::contract::{DatasetRef, Experiment};

use super::show;
use crate::cli::arguments::OutputArgs;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::scope::{Scope, ScopeArgs};
use crate::cli::table::{Column, Table};
use crate::cli::{datasets, record, terminal, text, time, values};

const AFTER_HELP: &str = "\
Examples:
  roost experiments list --tenant acme
  roost experiments list --tenant acme --dataset qa --json | jq -r '[.id, .name, .status] | @tsv'";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct ListArgs {
    /// Only experiments over this dataset: its name, or id:ID
    #[arg(long, short, value_name = "DATASET", value_parser = values::dataset)]
    dataset: Option<DatasetRef>,
    #[command(flatten)]
    scope: ScopeArgs,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) async fn run(context: &Context, args: &ListArgs) -> anyhow::Result<Exit> {
    let telemetry = context.telemetry().await?;
    let Scope { provider, project } = args.scope.open(&telemetry)?;
    let listing = async {
        let dataset = match &args.dataset {
            Some(dataset) => Some(datasets::id(&provider, &project, dataset).await?),
            None => None,
        };
        let experiments = provider.experiments();
        let listed = experiments.list_experiments(&project, dataset.as_deref());
        anyhow::Ok(listed.await?)
    };
    let what = format!("reading experiments of {project}");
    let experiments = context.terminal.waiting(what, listing).await?;
    if args.output.json {
        let records = experiments.iter().map(record::Experiment::from);
        context.terminal.print(&record::lines(records)?)?;
    } else if experiments.is_empty() {
        let project = text::one_line(&project);
        terminal::note(&format!("no such experiment in {project}"));
    } else {
        let width = context.terminal.width;
        context.terminal.print(&render(&experiments, width))?;
    }
    Ok(Exit::Fine)
}

fn render(experiments: &[Experiment], width: Option<usize>) -> String {
    let mut table = Table::new([
        Column::cut("NAME"),
        Column::whole("STATUS"),
        Column::whole("RUNS").right(),
        Column::optional("FAILED").right(),
        Column::optional("CREATED (UTC)"),
        Column::whole("ID"),
    ]);
    for experiment in experiments {
        let runs = experiment.successful_runs + experiment.failed_runs;
        let created = experiment.created_at.map(time::readable);
        table.push([
            experiment.name.as_str().into(),
            show::status(experiment.status),
            runs.to_string().into(),
            experiment.failed_runs.to_string().into(),
            created.as_deref().unwrap_or("-").into(),
            experiment.id.as_str().into(),
        ]);
    }
    table.render(width)
}
