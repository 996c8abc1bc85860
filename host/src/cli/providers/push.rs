//! `roost providers push`: a provider into a registry.

use std::path::PathBuf;

use clap::Args;
use roost::distribution::Source;
use serde_json::json;

use super::super::arguments::OutputArgs;
use super::super::context::Context;
use super::super::exit::{CommandError, Exit};
use super::super::{record, text};
use super::fetching::{FetchArgs, fetch};

const AFTER_HELP: &str = "\
The file is loaded first, in a folder of its own: what a host would refuse is not published. Its
manifest has the version and the summary that the component gives itself, and FILE.minisig if there
is one. `wkg oci pull` and `oras pull` read it too. The credential of a registry is the one that
`docker login` keeps.

Examples:
  roost providers push target/phoenix.wasm oci://registry.example/acme/phoenix:1.2.0
  minisign -Sm phoenix.wasm -s roost.key && roost providers push phoenix.wasm oci://registry.example/acme/phoenix:1.2.0";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(in super::super) struct PushArgs {
    /// The component
    file: PathBuf,
    /// oci://HOST/REPOSITORY:TAG
    destination: Source,
    #[command(flatten)]
    fetch: FetchArgs,
    #[command(flatten)]
    output: OutputArgs,
}

pub(in super::super) async fn run(context: &Context, args: &PushArgs) -> anyhow::Result<Exit> {
    let Source::Registry(reference) = &args.destination else {
        let wrong = "a provider is published in a registry: write oci://HOST/REPOSITORY:TAG";
        return Err(CommandError::Usage(wrong.to_owned()).into());
    };
    if reference.digest().is_some() {
        let wrong = "the digest is what comes out of it: write oci://HOST/REPOSITORY:TAG";
        return Err(CommandError::Usage(wrong.to_owned()).into());
    }
    let mut config = context.config()?;
    // Somebody names this file on the command line: nothing else has to vouch for it.
    config.plugins.trusted_keys.clear();
    config.plugins.require_signatures = false;
    let path = args.file.clone();
    let source = Source::Path { path, digest: None };
    let name = "provider";
    let fetcher = args.fetch.fetcher();
    let (fetched, loaded) = Box::pin(fetch(context, &fetcher, &source, name, &config)).await?;
    let (bytes, signed) = (fetched.bytes.len(), fetched.signature.is_some());
    let pushing = Box::pin(fetcher.push(reference, fetched, &loaded.info));
    let pushed = context.terminal.waiting("publishing", pushing).await?;
    let out = if args.output.json {
        record::lines([json!({
            "source": args.destination.to_string(),
            "manifest": pushed.manifest,
            "digest": loaded.digest,
            "version": loaded.info.version,
            "bytes": bytes,
            "signed": signed,
        })])?
    } else {
        let size = text::bytes(u64::try_from(bytes).unwrap_or(u64::MAX));
        let is_signed = if signed { "signed" } else { "not signed" };
        format!(
            "{}: {size}, {is_signed}\n  manifest  {}\n  digest    sha256:{}\n",
            args.destination, pushed.manifest, loaded.digest
        )
    };
    context.terminal.print(&out)?;
    Ok(Exit::Fine)
}
