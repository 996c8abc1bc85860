//! `make demo`: Roost at work on a real Phoenix, told step by step.
//!
//! Everything it shows happens: the server is real, the numbers are measured, and a step
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
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use tokio::runtime::Runtime;
use tokio::signal::ctrl_c;

use screen::Screen;

/// What shells say of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// Show Roost at work: a real Phoenix, three tenants, a provider replaced while it reads
#[derive(Debug, Parser)]
struct Args {
    /// Leave Phoenix and the spans there at the end, until Ctrl-C
    #[arg(long)]
    keep: bool,
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
    let code = runtime.block_on(async {
        tokio::select! {
            biased;
            // What the steps have made goes with them.
            _ = ctrl_c() => {
                screen.interrupted();
                Ok(ExitCode::from(INTERRUPTED))
            }
            shown = steps::show(screen, args.keep) => shown.map(|()| ExitCode::SUCCESS),
        }
    });
    // A component that is being compiled is not waited for.
    runtime.shutdown_timeout(Duration::ZERO);
    code
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
