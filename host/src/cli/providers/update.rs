//! `roost providers update`: what the sources of providers have now.

use std::path::Path;

use anyhow::Context as _;
use clap::Args;
use roost::config::Config;
use roost::distribution::{DistributionError, Fetcher, Source, file_of, place};
use roost::plugin::{LockFile, Provenance};
use serde::Serialize;

use super::super::arguments::OutputArgs;
use super::super::context::Context;
use super::super::exit::{CommandError, Exit};
use super::super::table::{Cell, Column, Table};
use super::super::terminal::{BAD, GOOD};
use super::super::{record, terminal, text};
use super::DIGEST_DIGITS;
use super::fetching::{FetchArgs, fetch};

const AFTER_HELP: &str = "\
Asks the sources that the lock file names. What differs is fetched, loaded in a folder of its own
and put into the plugins folder, as `add` does; a gateway that runs swaps it without losing a call.
What is pinned stays as it is. A provider that fails leaves the others to be updated, and what it
was; the exit code is 1 then.

With --locked the lock file stays as it is, and what it names is fetched where the folder does not
have it: the way from a lock file in version control to the same providers.

Examples:
  roost providers update --dry-run
  roost providers update phoenix
  roost providers update --locked";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(in super::super) struct UpdateArgs {
    /// The providers to update; else all that have a source
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Change nothing, and say what would
    #[arg(long)]
    dry_run: bool,
    /// Fetch what the lock file has, and nothing newer
    #[arg(long, conflicts_with = "dry_run")]
    locked: bool,
    #[command(flatten)]
    fetch: FetchArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// What became of a provider.
#[derive(Debug, Serialize)]
struct Update {
    name: String,
    state: State,
    source: String,
    /// The digest that was accepted before.
    before: String,
    /// The digest that is accepted now; none where it would have to be fetched to be known.
    digest: Option<String>,
    manifest: Option<String>,
    error: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// It has another content now.
    Updated,
    /// The folder did not have what the lock file has, and does now.
    Restored,
    /// There is another content, and --dry-run.
    Available,
    /// The source has what is there.
    Current,
    /// The source stands for one content for good.
    Pinned,
    Failed,
}

/// A provider that has a source.
struct Known<'a> {
    name: &'a str,
    /// What was accepted.
    digest: &'a str,
    provenance: &'a Provenance,
    /// Whether that is in the folder.
    is_there: bool,
}

pub(in super::super) async fn run(context: &Context, args: &UpdateArgs) -> anyhow::Result<Exit> {
    let config = context.config()?;
    let path = config.plugins.lock_file();
    let lock = LockFile::read(&path)?.unwrap_or_default();
    let files = files(&config.plugins.folder)?;
    let known: Vec<Known> = lock
        .iter()
        .filter_map(|(name, digest)| {
            Some(Known {
                name,
                digest,
                provenance: lock.source(name)?,
                is_there: files.digest(name) == Some(digest),
            })
        })
        .collect();
    if let Some(name) = (args.names.iter()).find(|name| !known.iter().any(|it| it.name == **name)) {
        return Err(CommandError::NotFound(format!(
            "{} names no source of {name}: it was not added with `roost providers add`, or its \
             file was replaced by hand since",
            path.display()
        ))
        .into());
    }
    let wanted = known
        .iter()
        .filter(|it| args.names.is_empty() || args.names.iter().any(|name| name == it.name));
    let updating = Updating {
        context,
        config: &config,
        fetcher: args.fetch.fetcher(),
        dry_run: args.dry_run,
        locked: args.locked,
    };
    let mut updates = Vec::new();
    for known in wanted {
        let update = Box::pin(updating.update(known)).await;
        updates.push(update.unwrap_or_else(|error| known.became(State::Failed, Some(&error))));
    }
    if args.output.json {
        context.terminal.print(&record::lines(&updates)?)?;
    } else if updates.is_empty() {
        let lock = text::one_line(&path.display().to_string()).into_owned();
        terminal::note(&format!("{lock} names no source of any provider"));
    } else {
        context
            .terminal
            .print(&render(&updates, context.terminal.width))?;
    }
    for update in &updates {
        if let Some(error) = &update.error {
            let label = terminal::paint(BAD, &format!("{}:", text::one_line(&update.name)));
            terminal::note(&format!("{label} {}", text::visible(error)));
        }
    }
    match updates.iter().any(|update| update.state == State::Failed) {
        true => Ok(Exit::Failed),
        false => Ok(Exit::Fine),
    }
}

/// What is in the folder; nothing where there is none yet.
fn files(folder: &Path) -> anyhow::Result<LockFile> {
    match folder.exists() {
        true => Ok(LockFile::of_folder(folder)?),
        false => Ok(LockFile::default()),
    }
}

impl Known<'_> {
    fn became(&self, state: State, error: Option<&anyhow::Error>) -> Update {
        Update {
            name: self.name.to_owned(),
            state,
            source: self.provenance.from.clone(),
            before: self.digest.to_owned(),
            digest: Some(self.digest.to_owned()).filter(|_| state != State::Available),
            manifest: self.provenance.manifest.clone(),
            error: error.map(|error| format!("{error:#}")),
        }
    }
}

struct Updating<'a> {
    context: &'a Context,
    config: &'a Config,
    fetcher: Fetcher,
    dry_run: bool,
    locked: bool,
}

impl Updating<'_> {
    async fn update(&self, known: &Known<'_>) -> anyhow::Result<Update> {
        // Before anything is asked for: a lock file is written by hand, too.
        file_of(&self.config.plugins.folder, known.name)?;
        let recorded: Source = known
            .provenance
            .from
            .parse()
            .context("its source in the lock file cannot be read")?;
        if known.is_there {
            if self.locked {
                return Ok(known.became(State::Current, None));
            }
            if recorded.is_pinned() {
                return Ok(known.became(State::Pinned, None));
            }
        }
        let manifest = known.provenance.manifest.as_deref();
        let source = match self.locked {
            true => recorded.pinned(manifest, known.digest),
            false => recorded.clone(),
        };
        if !self.locked {
            let resolving = self.fetcher.resolve(&source);
            let what = format!("asking for {}", known.name);
            let now = self.context.terminal.waiting(what, resolving).await?;
            // None of a source that has to be fetched to be known.
            if known.is_there && now.is_some() && now.as_deref() == manifest {
                return Ok(known.became(State::Current, None));
            }
            if self.dry_run && now.is_some() {
                let update = known.became(State::Available, None);
                return Ok(Update {
                    manifest: now,
                    ..update
                });
            }
        }
        let (fetched, loaded) = Box::pin(fetch(
            self.context,
            &self.fetcher,
            &source,
            known.name,
            self.config,
        ))
        .await?;
        let is_same = loaded.digest == known.digest;
        if self.locked && !is_same {
            let place = source.to_string();
            let (expected, found) = (known.digest.to_owned(), loaded.digest);
            return Err(DistributionError::Digest {
                place,
                expected,
                found,
            }
            .into());
        }
        let state = match (is_same, known.is_there) {
            (true, true) => State::Current,
            _ if self.dry_run => State::Available,
            (true, false) => State::Restored,
            (false, _) => State::Updated,
        };
        if !self.dry_run {
            place(&self.config.plugins, known.name, &fetched, &recorded)?;
        }
        Ok(Update {
            digest: Some(loaded.digest),
            manifest: fetched.manifest,
            ..known.became(state, None)
        })
    }
}

fn render(updates: &[Update], width: Option<usize>) -> String {
    let mut table = Table::new([
        Column::whole("NAME"),
        Column::whole("STATE"),
        Column::optional("BEFORE"),
        Column::whole("DIGEST"),
        Column::cut("SOURCE"),
    ]);
    let short = |digest: &str| digest.get(..DIGEST_DIGITS).unwrap_or(digest).to_owned();
    for update in updates {
        let state = match update.state {
            State::Updated => Cell::styled("updated", GOOD),
            State::Restored => Cell::styled("restored", GOOD),
            State::Available => Cell::styled("available", GOOD),
            State::Current => "current".into(),
            State::Pinned => "pinned".into(),
            State::Failed => Cell::styled("failed", BAD),
        };
        table.push([
            update.name.as_str().into(),
            state,
            short(&update.before).into(),
            update
                .digest
                .as_deref()
                .map_or("-".to_owned(), short)
                .into(),
            update.source.as_str().into(),
        ]);
    }
    table.render(width)
}
