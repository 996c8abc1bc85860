//! `roost check`: the providers that come with Roost keep every rule on real backends, and a
//! provider that breaks a rule is told so.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod backends;
mod command_line;
mod documents;
mod rules;

use anyhow::Result;
use roost::Config;
use roost::check::{Report, Selection, Verdict};
use roost_tests::PluginFolder;

/// Check what is in a folder, with these lines under `[connections.default]`.
async fn check(folder: &PluginFolder, connection: &str, only: &[&str]) -> Result<Report> {
    let toml = format!(
        "[plugins]\nfolder = \"{folder}\"\n[database]\nfolder = \"{folder}\"\n\
         [connections.default]\n{connection}\n",
        folder = folder.path().display(),
    );
    let config = Config::from_toml(&toml, "/roost.toml")?;
    let selection = Selection::new(only.iter().map(|it| (*it).to_owned()))?;
    Ok(Box::pin(roost::check::check(config, "default", &selection)).await?)
}

/// The rules that a report says are broken, with what was found.
fn broken(report: &Report) -> Vec<(&'static str, &str)> {
    let results = report.results.iter();
    results
        .filter_map(|checked| match &checked.verdict {
            Verdict::Failed(found) => Some((checked.rule.id, found.as_str())),
            _ => None,
        })
        .collect()
}

/// The rules that a report says nothing about.
fn skipped(report: &Report) -> Vec<&'static str> {
    let results = report.results.iter();
    results
        .filter(|checked| matches!(checked.verdict, Verdict::Skipped(_)))
        .map(|checked| checked.rule.id)
        .collect()
}
