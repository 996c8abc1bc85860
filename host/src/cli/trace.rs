//! `roost trace`.

use clap::Args;
use roost::contract::Span;
use serde::Serialize;

use super::arguments::OutputArgs;
use super::context::Context;
use super::exit::Exit;
use super::scope::{Scope, ScopeArgs};
use super::values::trace_id;
use super::{record, text, waterfall};

const AFTER_HELP: &str = "\
Examples:
  roost trace 0af7651916cd43dd8448eb211c80319c --tenant acme
  roost trace 0af7651916cd43dd8448eb211c80319c --project default --json | jq '.spans[].name'";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct TraceArgs {
    /// The trace's id: 32 hexadecimal digits
    #[arg(value_name = "TRACE_ID", value_parser = trace_id)]
    trace_id: String,
    #[command(flatten)]
    scope: ScopeArgs,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) async fn run(context: &Context, args: &TraceArgs) -> anyhow::Result<Exit> {
    let telemetry = context.telemetry().await?;
    let Scope { provider, project } = args.scope.open(&telemetry)?;
    let trace_id = &args.trace_id;
    let traces = provider.traces();
    let reading = async {
        tokio::join!(
            traces.get_trace(&project, trace_id),
            provider.trace_url(&project, trace_id),
        )
    };
    let what = format!("reading trace {trace_id}");
    let (spans, url) = context.terminal.waiting(what, reading).await;
    let spans = spans?;
    // The trace is what was asked for; without an address it is just as good.
    let url = url.unwrap_or_else(|error| {
        tracing::info!("the trace has no address: {error}");
        None
    });
    let out = if args.output.json {
        record::lines([TraceRecord::new(trace_id, &project, url.as_deref(), &spans)])?
    } else {
        let title = waterfall::title(trace_id, &project);
        let tree = waterfall::render(&spans, context.terminal.width);
        match url {
            Some(url) => format!("{title}\n{tree}\n{}\n", text::one_line(&url)),
            None => format!("{title}\n{tree}"),
        }
    };
    context.terminal.print(&out)?;
    Ok(Exit::Fine)
}

/// A trace as `--json` shows it.
#[derive(Debug, Serialize)]
struct TraceRecord<'a> {
    trace_id: &'a str,
    project: &'a str,
    url: Option<&'a str>,
    spans: Vec<record::Span<'a>>,
}

impl<'a> TraceRecord<'a> {
    fn new(trace_id: &'a str, project: &'a str, url: Option<&'a str>, spans: &'a [Span]) -> Self {
        Self {
            trace_id,
            project,
            url,
            spans: spans.iter().map(record::Span::from).collect(),
        }
    }
}
