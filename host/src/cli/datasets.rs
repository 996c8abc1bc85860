//! `roost datasets`: named, versioned lists of records to run experiments over.

mod append;
mod create;
mod delete;
mod get;
mod list;
pub(super) mod reading;
mod versions;

use clap::Subcommand;
use roost::Provider;
use roost::contract::{Dataset, DatasetRef};

use super::context::Context;
use super::exit::{CommandError, Exit};
use super::terminal::{TITLE, paint};
use super::{record, text};

#[derive(Debug, Subcommand)]
pub(super) enum DatasetsCommand {
    /// Make a dataset of the records of a file, or of spans
    Create(Box<create::CreateArgs>),
    /// Add the records of a file, which makes a new version
    Append(append::AppendArgs),
    /// Show the records of a dataset
    Get(get::GetArgs),
    /// List the datasets of a project, newest first
    List(list::ListArgs),
    /// List the versions of a dataset, newest first
    Versions(versions::VersionsArgs),
    /// Delete a dataset with all its versions and experiments
    Delete(delete::DeleteArgs),
}

pub(super) async fn run(context: &Context, command: DatasetsCommand) -> anyhow::Result<Exit> {
    match command {
        DatasetsCommand::Create(args) => create::run(context, *args).await,
        DatasetsCommand::Append(args) => append::run(context, args).await,
        DatasetsCommand::Get(args) => get::run(context, args).await,
        DatasetsCommand::List(args) => list::run(context, &args).await,
        DatasetsCommand::Versions(args) => versions::run(context, &args).await,
        DatasetsCommand::Delete(args) => delete::run(context, &args).await,
    }
}

/// The id of a dataset.
pub(super) async fn id(
    provider: &Provider,
    project: &str,
    dataset: &DatasetRef,
) -> anyhow::Result<String> {
    let name = match dataset {
        DatasetRef::Id(id) => return Ok(id.clone()),
        DatasetRef::Name(name) => name,
    };
    let datasets = provider.datasets().list_datasets(project).await?;
    let found = datasets.into_iter().find(|one| one.name == *name);
    let missing = || CommandError::NotFound(format!("there is no dataset {name} in {project}"));
    Ok(found.ok_or_else(missing)?.id)
}

/// Show what a dataset has become.
fn tell(context: &Context, dataset: &Dataset, written: u64, json: bool) -> anyhow::Result<()> {
    if json {
        let record = record::Dataset::from(dataset);
        return context.terminal.print(&record::lines([record])?);
    }
    let name = paint(TITLE, &text::one_line(&dataset.name));
    let written = text::count(usize::try_from(written).unwrap_or(usize::MAX), "record");
    let id = text::one_line(&dataset.id);
    let version = dataset.version.as_deref().unwrap_or("-");
    let version = text::one_line(version);
    let told = format!("{name}: {written} written\n  id       {id}\n  version  {version}\n");
    context.terminal.print(&told)
}
