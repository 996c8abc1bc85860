//! What `add`, `update`, `search` and `push` have in common: how they fetch, and what they tell.

use clap::Args;
use roost::config::{Config, PluginsConfig};
use roost::distribution::{Fetched, Fetcher, Source};
use roost::plugin::GenerationStatus;

use super::super::context::Context;
use super::super::terminal::Counter;
use super::super::text;

/// How servers are asked.
#[derive(Debug, Args)]
pub(super) struct FetchArgs {
    /// Ask registries over plain HTTP, and allow http:// addresses, on other machines too
    #[arg(long)]
    plain_http: bool,
}

impl FetchArgs {
    pub(super) fn fetcher(&self) -> Fetcher {
        Fetcher::new(self.plain_http)
    }
}

/// Fetch a provider, and load it as the host would.
pub(super) async fn fetch(
    context: &Context,
    fetcher: &Fetcher,
    source: &Source,
    name: &str,
    config: &Config,
) -> anyhow::Result<(Fetched, GenerationStatus)> {
    let counter = Counter::default();
    let progress = |more| counter.add(more);
    let fetching = fetcher.fetch(source, &progress);
    let state = || match counter.get() {
        0 => format!("asking for {name}"),
        count => format!("fetching {name}: {}", text::bytes(count)),
    };
    let fetched = context.terminal.watching(state, fetching).await?;
    let trying = fetched.try_out(name, &config.plugins, &config.limits);
    let what = format!("loading {name}");
    let loaded = context.terminal.waiting(what, trying).await?;
    Ok((fetched, loaded))
}

/// What is known of the signature of a content that may run.
pub(in super::super) fn signature(plugins: &PluginsConfig, is_there: bool) -> &'static str {
    match (is_there, plugins.trusted_keys.is_empty()) {
        (true, false) => "trusted",
        (true, true) => "unchecked",
        (false, _) => "none",
    }
}

/// [`signature`] in words.
pub(in super::super) fn signature_in_words(signature: &str) -> &str {
    match signature {
        "trusted" => "by one of trusted_keys",
        "unchecked" => "there is one, and trusted_keys is empty: nobody looked at it",
        other => other,
    }
}
