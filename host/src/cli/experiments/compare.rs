//! `roost experiments compare`.

use clap::Args;
use roost::provider::{Compared, ComparedValue, Comparison, Measured};
use serde::Serialize;

use super::show;
use crate::cli::arguments::OutputArgs;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::record;
use crate::cli::scope::{Scope, ScopeArgs};
use crate::cli::table::{Cell, Column, Table};
use crate::cli::terminal::{BAD, GOOD};
use crate::cli::text::number;
use crate::cli::values::NonEmpty;

const AFTER_HELP: &str = "\
The first experiment is the baseline: behind the values of the others stands how far they are
from it.

Examples:
  roost experiments compare RXhwOjE= RXhwOjI= --tenant acme
  roost experiments compare RXhwOjE= RXhwOjI= --tenant acme --json | jq '.values[].differences'";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct CompareArgs {
    /// The experiments' ids, the baseline first
    #[arg(value_name = "ID", required = true, num_args = 2.., value_parser = NonEmpty::new())]
    experiments: Vec<String>,
    #[command(flatten)]
    scope: ScopeArgs,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) async fn run(context: &Context, args: &CompareArgs) -> anyhow::Result<Exit> {
    let telemetry = context.telemetry().await?;
    let Scope { provider, project } = args.scope.open(&telemetry)?;
    let experiments = provider.experiments();
    let comparing = async {
        experiments
            .compare_experiments(&project, &args.experiments)
            .await
    };
    let comparison = context
        .terminal
        .waiting("reading the experiments", comparing)
        .await?;
    context.terminal.print(&if args.output.json {
        record::lines([Shown::from(&comparison)])?
    } else {
        render(&comparison, context.terminal.width)
    })?;
    Ok(Exit::Fine)
}

/// A comparison as `--json` shows it.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    experiments: Vec<ShownExperiment<'a>>,
    values: Vec<ShownValue<'a>>,
}

#[derive(Debug, Serialize)]
struct ShownExperiment<'a> {
    id: &'a str,
    name: &'a str,
    status: &'static str,
    dataset: Option<&'a str>,
    dataset_version: Option<&'a str>,
    runs: u64,
    failed_runs: u64,
}

#[derive(Debug, Serialize)]
struct ShownValue<'a> {
    name: &'a str,
    of: &'static str,
    values: &'a [Option<f64>],
    differences: &'a [Option<f64>],
}

impl<'a> From<&'a Comparison> for Shown<'a> {
    fn from(comparison: &'a Comparison) -> Self {
        let experiments = comparison.experiments.iter().map(|one| ShownExperiment {
            id: &one.id,
            name: &one.name,
            status: record::status(one.status),
            dataset: one.dataset.as_deref(),
            dataset_version: one.dataset_version.as_deref(),
            runs: one.runs,
            failed_runs: one.failed_runs,
        });
        let values = comparison.values.iter().map(|value| ShownValue {
            name: &value.name,
            of: of(value.of),
            values: &value.values,
            differences: &value.differences,
        });
        Self {
            experiments: experiments.collect(),
            values: values.collect(),
        }
    }
}

/// What a value is of.
fn of(measured: Measured) -> &'static str {
    match measured {
        Measured::Experiment => "experiment",
        Measured::Runs => "runs",
    }
}

/// A column for each experiment, a line for each value.
fn render(comparison: &Comparison, width: Option<usize>) -> String {
    let experiments = &comparison.experiments;
    let mut columns = vec![Column::cut(""), Column::optional("OF")];
    let titles = experiments.iter().map(|one| one.name.clone());
    columns.extend(titles.map(|name| Column::cut(name).right()));
    let mut table = Table::new(columns);
    let mut line = |name: &str, of: &str, cells: &mut dyn Iterator<Item = Cell>| {
        let mut row = vec![name.into(), of.into()];
        row.extend(cells);
        table.push(row);
    };
    let whole = "experiment";
    line(
        "id",
        whole,
        &mut experiments.iter().map(|one| (&one.id).into()),
    );
    line(
        "status",
        whole,
        &mut experiments.iter().map(|one| show::status(one.status)),
    );
    line(
        "runs",
        whole,
        &mut experiments.iter().map(|one| one.runs.to_string().into()),
    );
    line("failed", whole, &mut experiments.iter().map(failed));
    for value in &comparison.values {
        let places = 0..experiments.len();
        line(
            &value.name,
            of(value.of),
            &mut places.map(|place| cell(value, place)),
        );
    }
    table.render(width)
}

fn failed(experiment: &Compared) -> Cell {
    let count = experiment.failed_runs.to_string();
    match experiment.failed_runs {
        0 => count.into(),
        _ => Cell::styled(&count, BAD),
    }
}

/// A value, with how far it is from the baseline's. Whether more is better depends on what is
/// measured, so colours tell directions alone.
fn cell(value: &ComparedValue, place: usize) -> Cell {
    let at = |values: &[Option<f64>]| values.get(place).copied().flatten();
    let Some(own) = at(&value.values) else {
        return "-".into();
    };
    let own = number(own);
    match at(&value.differences).filter(|_| place > 0) {
        None => own.into(),
        Some(difference) if difference > 0.0 => {
            Cell::styled(&format!("{own} (+{})", number(difference)), GOOD)
        }
        Some(difference) if difference < 0.0 => {
            Cell::styled(&format!("{own} ({})", number(difference)), BAD)
        }
        Some(_) => format!("{own} (=)").into(),
    }
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;
    use roost::contract::ExperimentStatus;

    use super::*;

    #[test]
    fn values_stand_with_their_distance_to_the_first() {
        let experiment = |name: &str, failed_runs| Compared {
            id: name.to_uppercase(),
            name: name.to_owned(),
            status: ExperimentStatus::Completed,
            dataset: None,
            dataset_version: None,
            runs: 3,
            failed_runs,
        };
        let comparison = Comparison {
            experiments: vec![experiment("old", 0), experiment("new", 1)],
            values: vec![
                ComparedValue {
                    name: "exact".to_owned(),
                    of: Measured::Runs,
                    values: vec![Some(0.5), Some(0.75)],
                    differences: vec![Some(0.0), Some(0.25)],
                },
                ComparedValue {
                    name: "loss".to_owned(),
                    of: Measured::Experiment,
                    values: vec![Some(2.0), None],
                    differences: vec![Some(0.0), None],
                },
            ],
        };
        assert_eq!(
            strip_str(&render(&comparison, None)).to_string(),
            "        OF                old           new
id      experiment        OLD           NEW
status  experiment  completed     completed
runs    experiment          3             3
failed  experiment          0             1
exact   runs              0.5  0.75 (+0.25)
loss    experiment          2             -
"
        );
    }
}
