//! `roost demo`: Roost at work, told step by step: on the provider `local` and without a server,
//! or on a Phoenix that runs.
//!
//! Everything it shows happens: the backend is real, the numbers are measured, and a step that
//! fails ends it with an error. Whatever it makes is in one folder, which goes at the end, however
//! that comes.

mod agent;
mod screen;
mod stage;
mod steps;
mod swaps;

use std::future::pending;
use std::time::Instant;

use anyhow::Context as _;
use clap::Args;
use roost::config::PluginsConfig;
use url::Url;

use super::context::Context;
use super::exit::{CommandError, Exit};
use screen::{Screen, duration};
use stage::Backend;

const AFTER_HELP: &str = "\
It takes a few seconds, and leaves nothing behind.

Examples:
  roost demo
  roost demo --phoenix http://localhost:6006";

/// Where Phoenix takes OTLP over gRPC unless it is told otherwise.
const GRPC: &str = "http://localhost:4317";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct DemoArgs {
    /// A Phoenix that runs, instead of a database of its own
    #[arg(long, value_name = "URL")]
    phoenix: Option<Url>,
    /// Where that Phoenix takes OTLP over gRPC
    #[arg(long, value_name = "URL", requires = "phoenix", default_value = GRPC)]
    phoenix_grpc: Url,
    /// How often the provider is replaced
    #[arg(long, value_name = "TIMES", default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..))]
    swaps: u8,
    /// Leave everything as it is at the end, until Ctrl-C
    #[arg(long)]
    keep: bool,
}

pub(super) async fn run(context: &Context, args: DemoArgs) -> anyhow::Result<Exit> {
    let address = |url: &Url| url.as_str().trim_end_matches('/').to_owned();
    let backend = match &args.phoenix {
        Some(http) => Backend::Phoenix {
            http: address(http),
            grpc: address(&args.phoenix_grpc),
        },
        None => Backend::Local,
    };
    let component = component(&context.config()?.plugins, backend.provider())?;
    let screen = Screen::new(&context.terminal);
    let began = Instant::now();
    let stage = Box::pin(steps::show(
        &screen, backend, &component, args.swaps, args.keep,
    ))
    .await?;
    let took = began.elapsed();
    if args.keep {
        // Ctrl-C ends every command, and the folder goes with it.
        pending::<()>().await;
    }
    steps::end(&screen, stage).await?;
    screen.done(format!("all of it took {}", duration(took)))?;
    Ok(Exit::Fine)
}

/// The provider that is shown: from the plugins folder, or the one that comes with Roost.
fn component(plugins: &PluginsConfig, name: &str) -> anyhow::Result<Vec<u8>> {
    let folders = [Some(plugins.folder.clone()), plugins.shipped()];
    let files = folders.into_iter().flatten();
    let mut files = files.map(|folder| folder.join(name).with_extension("wasm"));
    let file = files.find(|file| file.is_file()).ok_or_else(|| {
        CommandError::NotFound(format!(
            "{name}.wasm is neither in {} nor beside this program in plugins: copy it there, or \
             name its folder with --plugins",
            plugins.folder.display()
        ))
    })?;
    std::fs::read(&file).with_context(|| format!("{} cannot be read", file.display()))
}
