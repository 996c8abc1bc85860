//! `roost providers reload`, `rollback` and `lift`: what changes a gateway that runs.

use std::fmt::Write as _;

use clap::Args;
use roost::serve::ProviderReport;

use super::super::arguments::OutputArgs;
use super::super::context::Context;
use super::super::exit::Exit;
use super::super::table::{Cell, Column, Table};
use super::super::terminal::{self, BAD, GOOD};
use super::super::{record, text};
use super::DIGEST_DIGITS;
use super::running::Running;

const AFTER_RELOAD: &str = "\
It returns when everything in the folder serves or is refused, and ends with 1 where something is
refused. A gateway does the same at SIGHUP.

Examples:
  roost providers reload --config roost.toml
  roost providers reload --json | jq -r 'select(.refusal) | .name'";

const AFTER_ROLLBACK: &str = "\
The content that served before serves again. The file as it is now is refused until it changes, or
until `roost providers lift`.

Example:
  roost providers rollback phoenix";

const AFTER_LIFT: &str = "\
It is called again in the connections where it is quarantined, and its file is tried again if that
was refused or rolled back.

Example:
  roost providers lift phoenix";

#[derive(Debug, Args)]
#[command(after_help = AFTER_RELOAD)]
pub(in super::super) struct ReloadArgs {
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
#[command(after_help = AFTER_ROLLBACK)]
pub(in super::super) struct RollbackArgs {
    /// The provider: its file's stem
    name: String,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
#[command(after_help = AFTER_LIFT)]
pub(in super::super) struct LiftArgs {
    /// The provider: its file's stem
    name: String,
    #[command(flatten)]
    output: OutputArgs,
}

pub(in super::super) async fn reload(context: &Context, args: &ReloadArgs) -> anyhow::Result<Exit> {
    let running = Running::of(context)?;
    let reloading = context.terminal.waiting("reloading", running.reload());
    let providers = reloading.await?;
    show(context, &providers, &args.output)?;
    let is_refused = providers.iter().any(|provider| provider.refusal.is_some());
    Ok(if is_refused { Exit::Failed } else { Exit::Fine })
}

pub(in super::super) async fn rollback(
    context: &Context,
    args: &RollbackArgs,
) -> anyhow::Result<Exit> {
    change(context, &args.name, "rollback", &args.output).await
}

pub(in super::super) async fn lift(context: &Context, args: &LiftArgs) -> anyhow::Result<Exit> {
    change(context, &args.name, "lift", &args.output).await
}

async fn change(
    context: &Context,
    name: &str,
    what: &str,
    output: &OutputArgs,
) -> anyhow::Result<Exit> {
    let providers = Running::of(context)?.change(name, what).await?;
    show(context, &providers, output)?;
    Ok(Exit::Fine)
}

/// What runs, as `list --running` shows it.
pub(super) fn show(
    context: &Context,
    providers: &[ProviderReport],
    output: &OutputArgs,
) -> anyhow::Result<()> {
    let text = if output.json {
        record::lines(providers)?
    } else {
        render(providers, context.terminal.width)
    };
    context.terminal.print(&text)
}

/// The generations, and below them what is wrong.
fn render(providers: &[ProviderReport], width: Option<usize>) -> String {
    let mut table = Table::new([
        Column::whole("NAME"),
        Column::whole("GENERATION").right(),
        Column::whole("VERSION"),
        Column::whole("STATE"),
        Column::whole("CALLS").right(),
        Column::whole("ERRORS").right(),
        Column::optional("SINCE"),
        Column::optional("DIGEST"),
    ]);
    for provider in providers {
        let name = provider.name.as_str();
        if provider.generations.is_empty() {
            let dashes = ["-", "-"].map(Cell::from);
            let [number, version] = dashes;
            let state = Cell::styled("refused", BAD);
            let rest = ["-", "-", "-", "-"].map(Cell::from);
            let row = [name.into(), number, version, state];
            table.push(row.into_iter().chain(rest).collect::<Vec<_>>());
        }
        for generation in provider.generations.iter().rev() {
            let serves = Some(generation.number) == provider.serving;
            let state = match (serves, provider.quarantines.is_empty()) {
                (true, true) => Cell::styled("serving", GOOD),
                (true, false) => Cell::styled("quarantined", BAD),
                (false, _) => "gone".into(),
            };
            let digest = generation.digest.as_str();
            table.push([
                name.into(),
                generation.number.to_string().into(),
                generation.version.as_str().into(),
                state,
                generation.calls.to_string().into(),
                generation.errors.to_string().into(),
                generation.since.as_str().into(),
                digest.get(..DIGEST_DIGITS).unwrap_or(digest).into(),
            ]);
        }
    }
    let mut out = table.render(width);
    for provider in providers {
        let name = text::one_line(&provider.name);
        let refusal = provider
            .refusal
            .iter()
            .map(|why| format!("{name}.wasm: {why}"));
        let quarantines = provider.quarantines.iter().map(|quarantine| {
            format!(
                "{name} is quarantined in [connections.{}] since {}: {}",
                quarantine.connection, quarantine.since, quarantine.reason
            )
        });
        for wrong in refusal.chain(quarantines) {
            let _ = write!(out, "\n{}\n", terminal::paint(BAD, &text::visible(&wrong)));
        }
    }
    out
}
