//! `roost experiments show`.

use std::fmt::Write as _;

use clap::Args;
use roost::contract::{Experiment, ExperimentStatus, Run};
use serde::Serialize;

use crate::cli::arguments::OutputArgs;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::scope::{Scope, ScopeArgs};
use crate::cli::table::{Cell, Column, Table};
use crate::cli::terminal::{BAD, DIM, GOOD, TITLE, paint};
use crate::cli::text::number;
use crate::cli::values::NonEmpty;
use crate::cli::{record, text, time};

const AFTER_HELP: &str = "\
Examples:
  roost experiments show RXhwZXJpbWVudDox --tenant acme
  roost experiments show RXhwZXJpbWVudDox --tenant acme --json | jq '.runs[].evaluations'";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct ShowArgs {
    /// The experiment's id
    #[arg(value_name = "ID", value_parser = NonEmpty::new())]
    experiment: String,
    #[command(flatten)]
    scope: ScopeArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// An experiment with its runs, as `--json` shows it.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    experiment: record::Experiment<'a>,
    runs: Vec<record::Run<'a>>,
}

pub(super) async fn run(context: &Context, args: &ShowArgs) -> anyhow::Result<Exit> {
    let telemetry = context.telemetry().await?;
    let Scope { provider, project } = args.scope.open(&telemetry)?;
    let id = &args.experiment;
    let experiments = provider.experiments();
    let reading = async {
        tokio::try_join!(
            experiments.get_experiment(&project, id),
            experiments.list_runs(&project, id),
        )
    };
    let what = format!("reading experiment {id}");
    let (experiment, runs) = context.terminal.waiting(what, reading).await?;
    context.terminal.print(&if args.output.json {
        let shown = Shown {
            experiment: (&experiment).into(),
            runs: runs.iter().map(record::Run::from).collect(),
        };
        record::lines([shown])?
    } else {
        let mut out = summary(&experiment);
        if !runs.is_empty() {
            out.push('\n');
            out.push_str(&table(&runs, context.terminal.width));
        }
        out
    })?;
    Ok(Exit::Fine)
}

/// An experiment without its runs.
pub(super) fn summary(experiment: &Experiment) -> String {
    let title = paint(TITLE, &text::one_line(&experiment.name));
    let mut out = format!("{title} {}\n", painted(experiment.status));
    let mut line = |label: &str, value: &str| {
        let label = paint(DIM, &text::pad(label, 11));
        let _ = writeln!(out, "  {label}  {}", text::one_line(value));
    };
    line("id", &experiment.id);
    if !experiment.description.is_empty() {
        line("description", &experiment.description);
    }
    if let Some(dataset) = &experiment.dataset {
        line("dataset", dataset);
    }
    if let Some(version) = &experiment.dataset_version {
        line("version", version);
    }
    if experiment.repetitions > 1 {
        line("repetitions", &experiment.repetitions.to_string());
    }
    if let Some(metadata) = &experiment.metadata {
        line("metadata", metadata);
    }
    if let Some(created) = experiment.created_at {
        line("created", &time::readable(created));
    }
    if let Some(finished) = experiment.finished_at {
        line("finished", &time::readable(finished));
    }
    let runs = experiment.successful_runs + experiment.failed_runs;
    let failed = experiment.failed_runs;
    line("runs", &format!("{runs}, of which {failed} failed"));
    for metric in &experiment.metrics {
        let step = metric.step.map(|step| format!(" at step {step}"));
        let step = step.unwrap_or_default();
        line("metric", &format!("{} {}{step}", metric.name, metric.value));
    }
    for summary in &experiment.runs {
        let mean = summary.mean.map_or_else(|| "-".to_owned(), number);
        let count = summary.count;
        line("mean", &format!("{} {mean} of {count}", summary.name));
    }
    out
}

fn table(runs: &[Run], width: Option<usize>) -> String {
    let mut table = Table::new([
        Column::whole("RECORD"),
        Column::optional("REPETITION").right(),
        Column::whole("RESULT"),
        Column::whole("TIME").right(),
        Column::cut("EVALUATIONS AND METRICS"),
        Column::cut("OUTPUT OR ERROR"),
        Column::optional("ID"),
    ]);
    for Run {
        id,
        content,
        evaluations,
    } in runs
    {
        let (result, said) = match &content.error {
            Some(error) => (Cell::styled("failed", BAD), error.as_str()),
            None => (
                Cell::styled("ok", GOOD),
                content.outputs.as_deref().unwrap_or("-"),
            ),
        };
        let judged = evaluations.iter().map(|evaluation| {
            let score = evaluation.score.map(number);
            let judgement = score.or_else(|| evaluation.label.clone());
            let judgement = judgement.or_else(|| evaluation.error.clone());
            format!("{}={}", evaluation.name, judgement.unwrap_or_default())
        });
        let measured = content.metrics.iter().map(|metric| match metric.step {
            Some(step) => format!("{}@{step}={}", metric.name, number(metric.value)),
            None => format!("{}={}", metric.name, number(metric.value)),
        });
        let values: Vec<String> = judged.chain(measured).collect();
        let took = content.end_time.saturating_sub(content.start_time);
        table.push([
            content.record_id.as_deref().unwrap_or("-").into(),
            content.repetition.to_string().into(),
            result,
            time::duration(took).into(),
            values.join(" ").into(),
            said.into(),
            id.as_str().into(),
        ]);
    }
    table.render(width)
}

/// A status as a cell of a table.
pub(super) fn status(status: ExperimentStatus) -> Cell {
    let name = record::status(status);
    match status {
        ExperimentStatus::Completed => Cell::styled(name, GOOD),
        ExperimentStatus::Failed => Cell::styled(name, BAD),
        ExperimentStatus::Running | ExperimentStatus::Cancelled => name.into(),
    }
}

fn painted(status: ExperimentStatus) -> String {
    let name = record::status(status);
    match status {
        ExperimentStatus::Completed => paint(GOOD, name),
        ExperimentStatus::Failed => paint(BAD, name),
        ExperimentStatus::Running | ExperimentStatus::Cancelled => name.to_owned(),
    }
}
