//! `make demo`: Roost at work, told step by step: without a server on the provider `local`, or
//! on a real Phoenix.
//!
//! Everything it shows happens: the backend is real, the numbers are measured, and a step
//! that fails ends it with an error. Whatever it makes is in one folder, which goes with
//! the server at the end, however that comes.

mod agent;
mod screen;
mod stage;
mod steps;
mod swaps;
mod table;
mod trace;

use std::io;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use tokio::runtime::Runtime;
use tokio::signal::ctrl_c;

use screen::Screen;

/// What shells say of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// Show Roost at work: three tenants, and a provider replaced while it reads
#[derive(Debug, Parser)]
struct Args {
    /// Where the spans go
    #[arg(long, value_enum, default_value_t = On::Local)]
    backend: On,
    /// Leave the spans there at the end, until Ctrl-C
    #[arg(long)]
    keep: bool,
}

/// What the demo stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum On {
    /// A database of Roost's own, without a server
    Local,
    /// A real Phoenix
    Phoenix,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let screen = Screen::new();
    match run(&args, &screen) {
        Ok(code) => code,
        // Whoever read us has seen enough: `make demo | head`.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            screen.failed(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args, screen: &Screen) -> Result<ExitCode> {
    let runtime = Runtime::new().context("the async runtime cannot start")?;
    let code = runtime.block_on(perform(screen, args));
    // A component that is being compiled is not waited for.
    runtime.shutdown_timeout(Duration::ZERO);
    code
}

async fn perform(screen: &Screen, args: &Args) -> Result<ExitCode> {
    let on_phoenix = args.backend == On::Phoenix;
    let began = Instant::now();
    let Some(stage) = until_interrupted(steps::show(screen, on_phoenix, args.keep)).await? else {
        screen.interrupted();
        return Ok(ExitCode::from(INTERRUPTED));
    };
    let took = began.elapsed();
    if args.keep {
        ctrl_c().await?;
    }
    let Some(()) = until_interrupted(steps::end(screen, stage)).await? else {
        screen.interrupted();
        return Ok(ExitCode::from(INTERRUPTED));
    };
    screen.done(format!("all of it took {}", screen::duration(took)))?;
    Ok(ExitCode::SUCCESS)
}

/// `None` when Ctrl-C came first; what `work` has made went with it.
async fn until_interrupted<T>(work: impl Future<Output = Result<T>>) -> Result<Option<T>> {
    tokio::select! {
        biased;
        _ = ctrl_c() => Ok(None),
        done = work => done.map(Some),
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
