//! The commands of `roost`, one file each.
//!
//! A command asks through the library, and what it shows is made by functions that know
//! neither terminal nor network: [`table`], [`waterfall`] and [`record`] take values and
//! return text, so they are tested on spans made by hand. Answers go to standard output,
//! everything else to standard error, and the exit code says which kind of end it was
//! ([`exit`]).

mod annotate;
mod annotations;
mod annotator;
mod arguments;
mod check;
mod columns;
mod completions;
mod confirm;
mod context;
mod copy;
mod datasets;
mod demo;
mod destination;
mod dev;
mod evaluations;
mod exit;
mod experiments;
mod export;
mod format;
mod frame_table;
mod health;
mod inspect;
mod json_lines;
mod lines;
mod logs;
mod new;
mod practice;
mod projects;
mod providers;
mod record;
mod scope;
mod selection;
mod serve;
mod settings;
mod spans;
mod sql;
mod stats;
mod table;
mod terminal;
mod text;
mod time;
mod trace;
mod tree;
mod values;
mod waterfall;
mod window;
mod writing;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use tokio::sync::Notify;

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
    let runtime = roost::plugin::runtime_builder()
        .build()
        .context("the async runtime cannot start")?;
    let context = Context::new(cli.global);
    let interrupt = Arc::new(Notify::new());
    // A gateway ends in its own way.
    if !matches!(cli.command, Command::Serve(_)) {
        runtime.spawn(end_at_interrupt(Arc::clone(&interrupt)));
    }
    let ended = runtime.block_on(async {
        tokio::select! {
            ended = command(&context, cli.command) => ended,
            // What was begun goes with the command: half a file is none.
            () = interrupt.notified() => Ok(Exit::Interrupted),
        }
    });
    // Files that are being written are let go of in threads of their own.
    runtime.shutdown_timeout(GRACE);
    ended
}

/// How long what was begun may take to end.
const GRACE: Duration = Duration::from_secs(3);

/// Tell of Ctrl-C, and end this process should it hang: in a pager, say, that reads no more.
async fn end_at_interrupt(interrupt: Arc<Notify>) {
    if tokio::signal::ctrl_c().await.is_ok() {
        interrupt.notify_one();
        tokio::time::sleep(GRACE).await;
        std::process::exit(Exit::Interrupted as i32);
    }
}

async fn command(context: &Context, command: Command) -> anyhow::Result<Exit> {
    match command {
        Command::Providers { command } => match command {
            ProvidersCommand::List(args) => providers::run(context, &args).await,
            ProvidersCommand::Inspect(args) => inspect::run(context, &args).await,
            ProvidersCommand::Add(args) => providers::add(context, &args).await,
            ProvidersCommand::Update(args) => providers::update(context, &args).await,
            ProvidersCommand::Remove(args) => providers::remove(context, &args).await,
            ProvidersCommand::Search(args) => providers::search(context, &args).await,
            ProvidersCommand::Push(args) => providers::push(context, &args).await,
            ProvidersCommand::Lock(args) => providers::lock(context, args).await,
            #[cfg(unix)]
            ProvidersCommand::Reload(args) => providers::reload(context, &args).await,
            #[cfg(unix)]
            ProvidersCommand::Rollback(args) => providers::rollback(context, &args).await,
            #[cfg(unix)]
            ProvidersCommand::Lift(args) => providers::lift(context, &args).await,
            #[cfg(unix)]
            ProvidersCommand::Top(args) => providers::top(context, &args).await,
        },
        Command::Projects(args) => projects::run(context, &args).await,
        Command::Spans(args) => spans::run(context, &args).await,
        Command::Trace(args) => trace::run(context, &args).await,
        Command::Export(args) => export::run(context, &args).await,
        Command::Stats(args) => stats::run(context, &args).await,
        Command::Sql(args) => sql::run(context, args).await,
        Command::Evaluations(command) => evaluations::run(context, command).await,
        Command::Datasets(command) => datasets::run(context, command).await,
        Command::Experiments(command) => experiments::run(context, command).await,
        Command::Annotate(args) => annotate::run(context, args).await,
        Command::Annotations(args) => annotations::run(context, args).await,
        Command::Copy(args) => copy::run(context, args).await,
        Command::Demo(args) => demo::run(context, args).await,
        Command::Check(args) => check::run(context, &args).await,
        Command::Dev(args) => dev::run(context, &args).await,
        Command::New(args) => new::run(context, &args),
        Command::Health(args) => health::run(context, &args).await,
        Command::Serve(args) => serve::run(context, &args).await,
        Command::Completions(args) => completions::run(context, &args),
    }
}
