//! `roost providers lock`: what may run, written down.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use clap::Args;
use roost::plugin::LockFile;
use serde::Serialize;

use super::super::arguments::OutputArgs;
use super::super::context::Context;
use super::super::exit::{CommandError, Exit};
use super::super::{record, terminal, text};

const AFTER_HELP: &str = "\
Accepts the files that are in the plugins folder now: from then on nothing else is compiled. The
lock file lies beside the folder, as plugins.lock, or where lock_file under [plugins] says. A host
that runs sees it within seconds. Nothing in the folder is compiled or run by this.

Examples:
  roost providers lock
  roost providers lock phoenix
  roost providers lock --check";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(in super::super) struct LockArgs {
    /// The providers to accept; else all, and those that have no file are forgotten
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Write nothing; end with 1 if something is not as it was accepted
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// A provider whose content differs from what was accepted.
#[derive(Debug, Serialize)]
struct Change {
    name: String,
    /// What was accepted before.
    accepted: Option<String>,
    /// What is there.
    found: Option<String>,
}

pub(in super::super) async fn run(context: &Context, args: LockArgs) -> anyhow::Result<Exit> {
    let plugins = context.config()?.plugins;
    let path = plugins.lock_file();
    let shown = text::one_line(&path.display().to_string()).into_owned();
    // Files and nothing else: no runtime to give way to.
    let turn = LockFile::turn(&plugins.folder)?;
    let found = LockFile::of_folder(&plugins.folder)?;
    let before = LockFile::read(&path)?;
    let mut lock = before.clone().unwrap_or_default();
    let changes = changes(&lock, &found, &args.names)?;
    for change in &changes {
        lock.set(&change.name, change.found.as_deref());
    }
    let is_new = before.is_none();
    if !args.check && (is_new || !changes.is_empty()) {
        lock.write(&path)?;
    }
    drop(turn);
    if args.output.json {
        context.terminal.print(&record::lines(&changes)?)?;
    } else {
        context.terminal.print(&render(&changes))?;
        match (args.check, changes.is_empty()) {
            (_, true) if !is_new => terminal::note(&format!("{shown} has all of them")),
            (true, _) if is_new => terminal::note(&format!("there is no {shown}")),
            (true, _) => terminal::note(&format!("{shown} has not accepted this")),
            (false, _) => terminal::note(&format!("written to {shown}")),
        }
    }
    match args.check && (is_new || !changes.is_empty()) {
        true => Ok(Exit::Failed),
        false => Ok(Exit::Fine),
    }
}

/// What differs between what was accepted and what is there; among `names`, if there are any.
fn changes(
    lock: &LockFile,
    found: &LockFile,
    names: &[String],
) -> Result<Vec<Change>, CommandError> {
    for name in names {
        if lock.digest(name).or(found.digest(name)).is_none() {
            let message = format!("there is no {name}.wasm in the plugins folder");
            return Err(CommandError::NotFound(message));
        }
    }
    let all: BTreeSet<&str> = lock
        .iter()
        .chain(found.iter())
        .map(|(name, _)| name)
        .collect();
    let wanted = |name: &&str| names.is_empty() || names.iter().any(|wanted| wanted == name);
    let change = |name: &str| Change {
        name: name.to_owned(),
        accepted: lock.digest(name).map(str::to_owned),
        found: found.digest(name).map(str::to_owned),
    };
    let differing = all.into_iter().filter(wanted).map(change);
    Ok(differing
        .filter(|change| change.accepted != change.found)
        .collect())
}

fn render(changes: &[Change]) -> String {
    let mut out = String::new();
    for change in changes {
        let name = text::one_line(&change.name);
        let digest = |digest: &Option<String>| match digest {
            Some(digest) => format!("sha256:{digest}"),
            None => "nothing".to_owned(),
        };
        let (before, now) = (digest(&change.accepted), digest(&change.found));
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{name}: {before} -> {now}");
    }
    out
}
