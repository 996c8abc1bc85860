//! `roost providers search`: what a registry has.

use clap::Args;
use roost::distribution::{Found, Offer, Place};
use serde::Serialize;

use super::super::arguments::OutputArgs;
use super::super::context::Context;
use super::super::exit::Exit;
use super::super::table::{Column, Table};
use super::super::{record, terminal, text};
use super::fetching::FetchArgs;

const AFTER_HELP: &str = "\
Lists the components of a registry, a row a tag: what their manifests say, which is what whoever
published them wrote. Whether one is a provider of this host's contract is seen when it is added.
There is no index of all registries. One that does not list its repositories, as most public ones do
not, is asked for the tags of the repository that is named.

Examples:
  roost providers search oci://registry.example.com
  roost providers search oci://registry.example.com/acme
  roost providers search oci://registry.example/acme/phoenix --json | jq -r .source";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(in super::super) struct SearchArgs {
    /// oci://HOST, or oci://HOST/NAME for the repository of that name and those below it
    place: Place,
    /// Look at this many tags, at most
    #[arg(long, short = 'n', value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..))]
    limit: u16,
    #[command(flatten)]
    fetch: FetchArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// A component of a registry.
#[derive(Debug, Serialize)]
struct Record<'a> {
    /// What to add it by.
    source: String,
    repository: &'a str,
    tag: Option<&'a str>,
    manifest: &'a str,
    version: Option<&'a str>,
    description: Option<&'a str>,
    bytes: usize,
    signed: bool,
}

impl<'a> From<&'a Offer> for Record<'a> {
    fn from(offer: &'a Offer) -> Self {
        Self {
            source: format!("oci://{}", offer.reference),
            repository: offer.reference.repository(),
            tag: offer.reference.tag(),
            manifest: &offer.manifest,
            version: offer.version.as_deref(),
            description: offer.description.as_deref(),
            bytes: offer.bytes,
            signed: offer.is_signed,
        }
    }
}

pub(in super::super) async fn run(context: &Context, args: &SearchArgs) -> anyhow::Result<Exit> {
    let fetcher = args.fetch.fetcher();
    let searching = Box::pin(fetcher.search(&args.place, args.limit.into()));
    let found = context.terminal.waiting("searching", searching).await?;
    let records: Vec<Record> = found.offers.iter().map(Record::from).collect();
    if args.output.json {
        context.terminal.print(&record::lines(&records)?)?;
    } else if !records.is_empty() {
        context
            .terminal
            .print(&render(&records, context.terminal.width))?;
    }
    notes(&found, args.limit);
    Ok(Exit::Fine)
}

/// What the list does not show.
fn notes(found: &Found, limit: u16) {
    if let Some(reason) = &found.without_catalog {
        let reason = text::one_line(reason);
        terminal::note(&format!(
            "the registry does not list its repositories ({reason}); this is the one that was named"
        ));
    }
    if found.offers.is_empty() {
        terminal::note("no component was found");
    }
    if found.others > 0 {
        let others = text::count(found.others, "tag");
        terminal::note(&format!("{others} with something else, left out"));
    }
    if found.is_cut {
        terminal::note(&format!(
            "there are more than {limit} tags: --limit shows more"
        ));
    }
}

fn render(records: &[Record], width: Option<usize>) -> String {
    let mut table = Table::new([
        Column::whole("SOURCE"),
        Column::optional("VERSION"),
        Column::optional("SIZE").right(),
        Column::optional("SIGNED"),
        Column::cut("DESCRIPTION"),
    ]);
    for record in records {
        let bytes = u64::try_from(record.bytes).unwrap_or(u64::MAX);
        table.push([
            record.source.as_str().into(),
            record.version.unwrap_or("-").into(),
            text::bytes(bytes).into(),
            if record.signed { "yes" } else { "no" }.into(),
            record.description.unwrap_or("-").into(),
        ]);
    }
    table.render(width)
}
