//! `roost providers add`: a provider from elsewhere, into the plugins folder.

use std::fmt::Write as _;

use clap::Args;
use roost::distribution::{DistributionError, Source, file_of, place};
use serde::Serialize;

use super::super::arguments::OutputArgs;
use super::super::context::Context;
use super::super::exit::{CommandError, Exit};
use super::super::terminal::{DIM, TITLE, paint};
use super::super::{record, terminal, text};
use super::fetching::{FetchArgs, fetch, signature, signature_in_words};

const AFTER_HELP: &str = "\
It is fetched, held against the digest behind the @ if there is one, and loaded in a folder of its
own. What is no provider of this host's contract, or is not signed as the configuration asks, ends
there. Then its digest and where it came from go into the lock file, and the file into the plugins
folder, whole; a gateway that runs serves it within seconds. Where there is no lock file it is made,
and accepts what is in the folder: from then on nothing else is compiled.

What is pinned behind a registry's reference is the digest of the manifest, elsewhere that of the
file. The credential of a registry is the one that `docker login` keeps.

Examples:
  roost providers add oci://registry.example/acme/phoenix:1.2.0
  roost providers add https://example.com/mlflow.wasm@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
  roost providers add target/my.wasm --name mine";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(in super::super) struct AddArgs {
    /// oci://HOST/REPOSITORY:TAG, https://HOST/FILE.wasm or a path, each with @sha256:... or without
    source: Source,
    /// What the provider is called here; else as the repository or the file is
    #[arg(long)]
    name: Option<String>,
    /// Put it in the place of one of the same name
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    fetch: FetchArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// What was added.
#[derive(Debug, Serialize)]
struct Added {
    name: String,
    version: String,
    digest: String,
    /// What was accepted before.
    before: Option<String>,
    source: String,
    manifest: Option<String>,
    signature: &'static str,
    file: String,
}

pub(in super::super) async fn run(context: &Context, args: &AddArgs) -> anyhow::Result<Exit> {
    let config = context.config()?;
    let plugins = &config.plugins;
    let source = &args.source;
    let name = args.name.as_deref().or_else(|| source.name());
    let name = name.ok_or_else(|| DistributionError::Name(String::new()))?;
    let file = file_of(&plugins.folder, name)?;
    if file.exists() && !args.replace {
        return Err(CommandError::Usage(format!(
            "{} is there already. `roost providers update {name}` fetches what its source has now; \
             --replace puts this in its place, --name gives it another name",
            file.display()
        ))
        .into());
    }
    let fetcher = args.fetch.fetcher();
    let (fetched, loaded) = Box::pin(fetch(context, &fetcher, source, name, &config)).await?;
    let placed = place(plugins, name, &fetched, source)?;
    let added = Added {
        name: name.to_owned(),
        version: loaded.info.version.clone(),
        digest: loaded.digest,
        before: placed.before,
        source: source.to_string(),
        manifest: fetched.manifest,
        signature: signature(plugins, fetched.signature.is_some()),
        file: placed.file.display().to_string(),
    };
    if args.output.json {
        context.terminal.print(&record::lines([&added])?)?;
    } else {
        context.terminal.print(&render(&added))?;
        let lock = plugins.lock_file().display().to_string();
        let lock = text::one_line(&lock);
        if placed.lock_is_new {
            terminal::note(&format!(
                "{lock} is new: it accepts what is in the folder now, and nothing else is compiled \
                 from here on"
            ));
        }
    }
    Ok(Exit::Fine)
}

fn render(added: &Added) -> String {
    let mut out = String::new();
    let title = format!("{} {}", added.name, text::one_line(&added.version));
    let file = text::one_line(&added.file);
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{} is in {file}", paint(TITLE, &title));
    let mut line = |label: &str, value: &str| {
        let label = paint(DIM, &text::pad(label, 9));
        let _ = writeln!(out, "  {label}  {}", text::one_line(value));
    };
    line("from", &added.source);
    if let Some(manifest) = &added.manifest {
        line("manifest", manifest);
    }
    line("digest", &format!("sha256:{}", added.digest));
    if let Some(before) = added.before.as_ref().filter(|it| **it != added.digest) {
        line("before", &format!("sha256:{before}"));
    }
    line("signature", signature_in_words(added.signature));
    out
}
