//! `roost datasets list`.

use clap::Args;
use roost::contract::Dataset;

use crate::cli::arguments::OutputArgs;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::scope::{Scope, ScopeArgs};
use crate::cli::table::{Column, Table};
use crate::cli::{record, terminal, text, time};

const AFTER_HELP: &str = "\
Examples:
  roost datasets list --tenant acme
  roost datasets list --tenant acme --json | jq -r .name";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct ListArgs {
    #[command(flatten)]
    scope: ScopeArgs,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) async fn run(context: &Context, args: &ListArgs) -> anyhow::Result<Exit> {
    let telemetry = context.telemetry().await?;
    let Scope { provider, project } = args.scope.open(&telemetry)?;
    let listing = async { provider.datasets().list_datasets(&project).await };
    let what = format!("reading datasets of {project}");
    let datasets = context.terminal.waiting(what, listing).await?;
    if args.output.json {
        let records = datasets.iter().map(record::Dataset::from);
        context.terminal.print(&record::lines(records)?)?;
    } else if datasets.is_empty() {
        let project = text::one_line(&project);
        terminal::note(&format!("no datasets in {project}"));
    } else {
        let width = context.terminal.width;
        context.terminal.print(&render(&datasets, width))?;
    }
    Ok(Exit::Fine)
}

fn render(datasets: &[Dataset], width: Option<usize>) -> String {
    let mut table = Table::new([
        Column::cut("NAME"),
        Column::whole("RECORDS").right(),
        Column::optional("CHANGED (UTC)"),
        Column::whole("ID"),
        Column::optional("VERSION"),
        Column::optional("DESCRIPTION"),
    ]);
    for dataset in datasets {
        let changed = dataset.updated_at.or(dataset.created_at);
        let count = dataset.record_count.map(|count| count.to_string());
        table.push([
            dataset.name.as_str().into(),
            count.as_deref().unwrap_or("-").into(),
            changed
                .map_or_else(|| "-".to_owned(), time::readable)
                .into(),
            dataset.id.as_str().into(),
            dataset.version.as_deref().unwrap_or("-").into(),
            dataset.description.as_str().into(),
        ]);
    }
    table.render(width)
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;

    use super::*;

    #[test]
    fn a_name_is_cut_before_an_id_is() {
        let dataset = Dataset {
            id: "RGF0YXNldDox".to_owned(),
            name: "questions of the last quarter".to_owned(),
            description: "from support".to_owned(),
            metadata: None,
            version: Some("RGF0YXNldFZlcnNpb246MQ==".to_owned()),
            record_count: Some(1200),
            created_at: Some(0),
            updated_at: None,
        };
        assert_eq!(
            strip_str(&render(&[dataset], Some(40))).to_string(),
            "\
NAME          RECORDS  ID
questions o…     1200  RGF0YXNldDox
"
        );
    }
}
