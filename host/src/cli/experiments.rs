//! `roost experiments`: runs of a task over a dataset, measured and compared.

mod compare;
mod create;
mod delete;
mod finish;
mod list;
mod log;
mod run_line;
mod show;

use clap::Subcommand;

use super::context::Context;
use super::exit::Exit;

#[derive(Debug, Subcommand)]
pub(super) enum ExperimentsCommand {
    /// Begin an experiment, over a dataset or without one
    Create(create::CreateArgs),
    /// Write runs, metrics and evaluations
    Log(Box<log::LogArgs>),
    /// List the experiments of a project, newest first
    List(list::ListArgs),
    /// Show an experiment with its runs
    Show(show::ShowArgs),
    /// Show experiments side by side, with the differences to the first
    Compare(compare::CompareArgs),
    /// Say how an experiment ended
    Finish(finish::FinishArgs),
    /// Delete an experiment with its runs
    Delete(delete::DeleteArgs),
}

pub(super) async fn run(context: &Context, command: ExperimentsCommand) -> anyhow::Result<Exit> {
    match command {
        ExperimentsCommand::Create(args) => create::run(context, args).await,
        ExperimentsCommand::Log(args) => log::run(context, *args).await,
        ExperimentsCommand::List(args) => list::run(context, &args).await,
        ExperimentsCommand::Show(args) => show::run(context, &args).await,
        ExperimentsCommand::Compare(args) => compare::run(context, &args).await,
        ExperimentsCommand::Finish(args) => finish::run(context, &args).await,
        ExperimentsCommand::Delete(args) => delete::run(context, &args).await,
    }
}
