//! The commands of `roost`, one file each.
//!
//! A command asks through the library, and what it shows is made by functions that know
//! neither terminal nor network: [`table`], [`waterfall`] and [`record`] take values and
//! return text, so they are tested on spans made by hand. Answers go to standard output,
//! everything else to standard error, and the exit code says which kind of end it was
//! ([`exit`]).

mod annotate;
mod arguments;
mod completions;
mod context;
mod exit;
mod health;
mod inspect;
mod logs;
mod projects;
mod providers;
mod record;
mod scope;
mod serve;
mod settings;
mod spans;
mod table;
mod terminal;
mod text;
mod time;
mod trace;
mod tree;
mod waterfall;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;

use arguments::{Cli, Command, ProvidersCommand};
use context::Context;
use exit::Exit;
use terminal::OutputClosed;

/// Run the command line of this process.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    terminal::choose_color(cli.global.color);
    logs::start(cli.global.verbose, cli.command.logs());
    let exit = match run(cli) {
        Ok(exit) => exit,
        // Whoever read us has seen enough: `roost spans | head`.
        Err(error) if error.is::<OutputClosed>() => Exit::Fine,
        Err(error) => {
            exit::report(&error);
            Exit::of(&error)
        }
    };
    exit.into()
}

fn run(cli: Cli) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Runtime::new().context("the async runtime cannot start")?;
    let context = Context::new(cli.global);
    runtime.block_on(async {
        match cli.command {
            Command::Providers { command } => match command {
                ProvidersCommand::List(args) => providers::run(&context, &args).await,
                ProvidersCommand::Inspect(args) => inspect::run(&context, &args).await,
            },
            Command::Projects(args) => projects::run(&context, &args).await,
            Command::Spans(args) => spans::run(&context, &args).await,
            Command::Trace(args) => trace::run(&context, &args).await,
            Command::Annotate(args) => annotate::run(&context, args).await,
            Command::Health(args) => health::run(&context, &args).await,
            Command::Serve(args) => serve::run(&context, &args).await,
            Command::Completions(args) => completions::run(&context, &args),
        }
    })
}
