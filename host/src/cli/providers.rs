//! `roost providers list`, and the commands about files and for a gateway that runs.

mod add;
#[cfg(unix)]
mod change;
pub(super) mod fetching;
mod lock;
mod push;
mod remove;
#[cfg(unix)]
mod running;
mod search;
#[cfg(unix)]
mod top;
mod update;

pub(super) use add::{AddArgs, run as add};
#[cfg(unix)]
pub(super) use change::{LiftArgs, ReloadArgs, RollbackArgs, lift, reload, rollback};
pub(super) use lock::{LockArgs, run as lock};
pub(super) use push::{PushArgs, run as push};
pub(super) use remove::{RemoveArgs, run as remove};
pub(super) use search::{SearchArgs, run as search};
#[cfg(unix)]
pub(super) use top::{TopArgs, run as top};
pub(super) use update::{UpdateArgs, run as update};

use std::fmt::Write as _;

use clap::Args;
use roost::plugin::ProviderStatus;
use serde::Serialize;

use super::arguments::OutputArgs;
use super::context::Context;
use super::exit::Exit;
use super::table::{Cell, Column, Table};
use super::terminal::{self, BAD, GOOD};
use super::{record, text};

/// How many digits of a digest are enough to tell files apart.
const DIGEST_DIGITS: usize = 12;

const AFTER_HELP: &str = "\
It loads what is in the plugins folder, in a process of its own: no backend is asked. With --running
it is the gateway that runs with this configuration which tells of its providers, over
serve.control_socket: also of calls, of earlier generations and of what is quarantined.

Examples:
  roost providers list
  roost providers list --plugins ./plugins --json | jq -r .name
  roost providers list --running";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct ListArgs {
    /// Ask the gateway that runs
    #[cfg(unix)]
    #[arg(long)]
    running: bool,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) async fn run(context: &Context, args: &ListArgs) -> anyhow::Result<Exit> {
    #[cfg(unix)]
    if args.running {
        let providers = running::Running::of(context)?.providers().await?;
        change::show(context, &providers, &args.output)?;
        return Ok(Exit::Fine);
    }
    let host = context.host().await?;
    let providers = host.providers();
    if args.output.json {
        let records = providers.iter().map(ProviderRecord::from);
        context.terminal.print(&record::lines(records)?)?;
    } else if providers.is_empty() {
        let folder = host.folder().display();
        terminal::note(&format!("no .wasm file is in {folder}"));
    } else {
        context
            .terminal
            .print(&render(&providers, context.terminal.width))?;
    }
    Ok(Exit::Fine)
}

/// A provider as `--json` shows it.
#[derive(Debug, Serialize)]
struct ProviderRecord<'a> {
    name: &'a str,
    state: &'static str,
    generation: Option<u64>,
    version: Option<&'a str>,
    digest: Option<&'a str>,
    capabilities: Vec<&'static str>,
    refusal: Option<String>,
}

impl<'a> From<&'a ProviderStatus> for ProviderRecord<'a> {
    fn from(provider: &'a ProviderStatus) -> Self {
        let generation = provider.generation.as_ref();
        Self {
            name: &provider.name,
            state: state(provider),
            generation: generation.map(|generation| generation.number),
            version: generation.map(|generation| &*generation.info.version),
            digest: generation.map(|generation| &*generation.digest),
            capabilities: capabilities(provider),
            refusal: provider.refusal.as_ref().map(ToString::to_string),
        }
    }
}

fn state(provider: &ProviderStatus) -> &'static str {
    match provider.generation {
        Some(_) => "serving",
        None => "refused",
    }
}

fn capabilities(provider: &ProviderStatus) -> Vec<&'static str> {
    let generation = provider.generation.as_ref();
    let capabilities = generation.into_iter().flat_map(|one| &one.capabilities);
    capabilities.map(|one| one.interface()).collect()
}

/// The table, and below it why files are refused.
fn render(providers: &[ProviderStatus], width: Option<usize>) -> String {
    let mut table = Table::new([
        Column::whole("NAME"),
        Column::whole("VERSION"),
        Column::whole("STATE"),
        Column::cut("CAPABILITIES"),
        Column::optional("DIGEST"),
    ]);
    for provider in providers {
        let generation = provider.generation.as_ref();
        let style = if generation.is_some() { GOOD } else { BAD };
        let version = generation.map_or("-", |generation| &generation.info.version);
        let digest = generation.map_or("-", |generation| &generation.digest);
        let capabilities = capabilities(provider);
        table.push([
            provider.name.as_str().into(),
            version.into(),
            Cell::styled(state(provider), style),
            if capabilities.is_empty() {
                "-".into()
            } else {
                capabilities.join(" ").into()
            },
            digest.get(..DIGEST_DIGITS).unwrap_or(digest).into(),
        ]);
    }
    let mut out = table.render(width);
    for provider in providers {
        if let Some(refusal) = &provider.refusal {
            let file = text::one_line(&provider.name);
            let label = terminal::paint(BAD, &format!("{file}.wasm:"));
            let refusal = refusal.to_string();
            let _ = write!(out, "\n{label} {}\n", text::visible(&refusal));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeSet;
    use std::time::SystemTime;

    use anstream::adapter::strip_str;
    use roost::contract::Capability;
    use roost::plugin::{GenerationStatus, Refusal};

    use super::super::settings::tests::info;
    use super::*;

    #[test]
    fn what_serves_is_listed_and_what_is_refused_says_why() {
        let providers = [
            ProviderStatus {
                name: "old".to_owned(),
                generation: None,
                refusal: Some(Refusal::OtherContract("0.2.0".to_owned())),
                quarantines: Vec::new(),
            },
            ProviderStatus {
                name: "phoenix".to_owned(),
                generation: Some(GenerationStatus {
                    number: 1,
                    digest: "0123456789abcdef".repeat(4),
                    since: SystemTime::UNIX_EPOCH,
                    calls: 0,
                    errors: 0,
                    capabilities: BTreeSet::from([Capability::TraceStore]),
                    info: info(),
                }),
                refusal: None,
                quarantines: Vec::new(),
            },
        ];
        let advice = Refusal::OtherContract("0.2.0".to_owned());
        assert_eq!(
            strip_str(&render(&providers, Some(100))).to_string(),
            format!(
                "\
NAME     VERSION  STATE    CAPABILITIES  DIGEST
old      -        refused  -             -
phoenix  0.1.0    serving  trace-store   0123456789ab

old.wasm: {advice}
"
            )
        );
        let json = record::lines(providers.iter().map(ProviderRecord::from)).unwrap();
        assert!(
            json.lines()
                .next()
                .unwrap()
                .contains(r#""state":"refused","generation":null"#)
        );
    }
}
