//! `roost evaluations`: judgements of spans, from files.

mod import;

use clap::Subcommand;

use super::context::Context;
use super::exit::Exit;

#[derive(Debug, Subcommand)]
pub(super) enum EvaluationsCommand {
    /// Write the judgements of a file as annotations of its spans
    Import(import::ImportArgs),
}

pub(super) async fn run(context: &Context, command: EvaluationsCommand) -> anyhow::Result<Exit> {
    match command {
        EvaluationsCommand::Import(args) => import::run(context, &args).await,
    }
}
