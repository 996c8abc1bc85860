//! `roost dev`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};
use clap::Args;
use notify::{EventKind, RecursiveMode, Watcher as _};
use tokio::process::Command;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::check::render::{failures, summary};
use super::check::{Checking, SettingArgs};
use super::context::Context;
use super::exit::{Exit, report};
use super::practice::Practice;
use super::terminal::{DIM, note, paint};

const AFTER_HELP: &str = "\
It goes on until Ctrl-C. What the provider prints is shown as log records. The practice service that
providers of `roost new` talk to runs beside, unless --set names another http_endpoint.

Examples:
  roost dev
  roost dev my-backend --only traces
  roost dev --build \"cargo build\" --set http_endpoint=http://localhost:6006";

/// What builds write: a change of it is none of the author's.
const BUILT: [&str; 6] = [
    "target",
    "node_modules",
    "bindings",
    "__pycache__",
    "build",
    "dist",
];
/// How long a folder has to be quiet before it is built: editors write in several steps.
const QUIET: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct DevArgs {
    /// The provider's folder
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// The command that builds the component into the folder
    #[arg(long, value_name = "COMMAND", default_value = "make")]
    build: String,
    #[command(flatten)]
    settings: SettingArgs,
}

pub(super) async fn run(context: &Context, args: &DevArgs) -> anyhow::Result<Exit> {
    let practice = Practice::start().await?;
    note(&format!(
        "the practice service listens at {}",
        practice.endpoint()
    ));
    let changed = Arc::new(Notify::new());
    let _watcher = watch(&args.folder, Arc::clone(&changed))?;
    loop {
        if let Err(error) = turn(context, args, &practice).await {
            report(&error);
        }
        note(&paint(DIM, "waiting for a change"));
        changed.notified().await;
        while timeout(QUIET, changed.notified()).await.is_ok() {}
    }
}

/// Build and check once.
async fn turn(context: &Context, args: &DevArgs, practice: &Practice) -> anyhow::Result<()> {
    let mut build = Command::new("sh");
    build
        .args(["-c", &args.build])
        .current_dir(&args.folder)
        .kill_on_drop(true);
    let status = build
        .status()
        .await
        .context("the build cannot be started")?;
    if !status.success() {
        bail!("`{}` failed: {status}", args.build);
    }
    let file = newest_component(&args.folder)?;
    let checking = Checking {
        file: &file,
        connection: None,
        settings: &args.settings,
        practice: Some(practice),
    };
    let report = checking.run(context).await?;
    context
        .terminal
        .print(&(failures(&report) + &summary(&report)))
}

/// The component in the folder, the one that was written last.
fn newest_component(folder: &Path) -> anyhow::Result<PathBuf> {
    let mut newest: Option<(SystemTime, PathBuf)> = None;
    let files = std::fs::read_dir(folder);
    for file in files.with_context(|| format!("{} cannot be read", folder.display()))? {
        let file = file?;
        let path = file.path();
        if path.extension().is_none_or(|it| it != "wasm") {
            continue;
        }
        let written = file.metadata()?.modified()?;
        if newest.as_ref().is_none_or(|(before, _)| *before < written) {
            newest = Some((written, path));
        }
    }
    let (_, path) =
        newest.with_context(|| format!("the build left no .wasm file in {}", folder.display()))?;
    Ok(path)
}

/// Tell whenever a file of the author's changes, for as long as the watcher lives.
fn watch(folder: &Path, changed: Arc<Notify>) -> anyhow::Result<notify::RecommendedWatcher> {
    let root = folder
        .canonicalize()
        .with_context(|| format!("there is no folder {}", folder.display()))?;
    let below = root.clone();
    let tell = move |event: notify::Result<notify::Event>| {
        let Ok(event) = event else { return };
        let is_change = !matches!(event.kind, EventKind::Access(_));
        if is_change && event.paths.iter().any(|path| is_source(&below, path)) {
            changed.notify_one();
        }
    };
    let mut watcher = notify::recommended_watcher(tell)?;
    watcher.watch(&root, RecursiveMode::Recursive)?;
    Ok(watcher)
}

/// Whether an author writes this file, and no build.
fn is_source(root: &Path, path: &Path) -> bool {
    let Ok(path) = path.strip_prefix(root) else {
        return false;
    };
    let is_built = |part: &str| part.starts_with('.') || BUILT.contains(&part);
    let mut parts = path.iter().map(|part| part.to_str().unwrap_or_default());
    !parts.any(is_built)
        && path
            .extension()
            .is_none_or(|it| it != "wasm" && it != "lock")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_build_writes_is_no_change() {
        let root = Path::new("/p");
        for (path, source) in [
            ("/p/src/lib.rs", true),
            ("/p/app.py", true),
            ("/p/wit/world.wit", true),
            ("/p/my.wasm", false),
            ("/p/Cargo.lock", false),
            ("/p/target/release/x.d", false),
            ("/p/node_modules/a/b.js", false),
            ("/p/build/provider.h", false),
            ("/p/.venv/bin/python", false),
            ("/p/src/.lib.rs.swp", false),
            ("/q/src/lib.rs", false),
        ] {
            assert_eq!(is_source(root, Path::new(path)), source, "{path}");
        }
    }
}
