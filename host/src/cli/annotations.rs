//! `roost annotations`: what was said of spans, traces and sessions.

mod delete;

use clap::{Args, Subcommand};
use roost::Provider;
use roost::contract::{Annotation, Span, SpanRef, Target};
use roost::query::annotation_frame;

use super::columns::projection;
use super::context::Context;
use super::exit::{CommandError, Exit};
use super::format::{Format, FormatArgs};
use super::scope::{Scope, ScopeArgs};
use super::selection::{FILTERS, SelectionArgs};
use super::table::{Column, Table};
use super::terminal::Counter;
use super::values::{NonEmpty, span_id, trace_id};
use super::window::INSTANTS;
use super::writing::Rows;
use super::{record, terminal, text, time};

const AFTER_HELP: &str = "\
Without --span, --trace and --session it is about the spans that the other options select; of
the last day, where none is given.

Examples:
  roost annotations --span b7ad6b7169203331 --tenant acme
  roost annotations --trace 0af7651916cd43dd8448eb211c80319c --tenant acme --name quality
  roost annotations --tenant acme --since 1w --filter \"span_kind = 'LLM'\" --output judged.csv
  roost annotations delete span:b7ad6b7169203331:U3BhbkFubm90YXRpb246MQ== --tenant acme";

#[derive(Debug, Args)]
#[command(
    after_help = format!("{INSTANTS}\n\n{FILTERS}\n\n{AFTER_HELP}"),
    args_conflicts_with_subcommands = true,
)]
pub(super) struct AnnotationsArgs {
    #[command(subcommand)]
    command: Option<AnnotationsCommand>,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(Debug, Subcommand)]
enum AnnotationsCommand {
    /// Delete annotations
    Delete(delete::DeleteArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Annotations of this span; several may be given
    #[arg(long, value_name = "SPAN_ID", value_parser = span_id)]
    span: Vec<String>,
    /// Annotations of this trace and of its spans
    #[arg(long, value_name = "TRACE_ID", value_parser = trace_id)]
    trace: Option<String>,
    /// Annotations of this session
    #[arg(long, value_name = "SESSION_ID", value_parser = NonEmpty::new())]
    session: Option<String>,
    /// Only annotations of this name; several may be given
    #[arg(long, value_name = "NAME", value_parser = NonEmpty::new())]
    name: Vec<String>,
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    format: FormatArgs,
    #[command(flatten)]
    scope: ScopeArgs,
}

pub(super) async fn run(context: &Context, args: AnnotationsArgs) -> anyhow::Result<Exit> {
    match args.command {
        Some(AnnotationsCommand::Delete(args)) => delete::run(context, &args).await,
        None => list(context, &args.list).await,
    }
}

async fn list(context: &Context, args: &ListArgs) -> anyhow::Result<Exit> {
    let format = args.format.format(Format::Table)?;
    let is_named = !args.span.is_empty() || args.trace.is_some() || args.session.is_some();
    if is_named && args.selection.is_given() {
        let why = "say either which span, trace or session, or which spans to select";
        return Err(CommandError::Usage(why.to_owned()).into());
    }
    let telemetry = context.telemetry().await?;
    let Scope { provider, project } = args.scope.open(&telemetry)?;
    let asked = Counter::default();
    let what = format!("reading annotations of {project}");
    let reading = async {
        if is_named {
            return args.of_targets(&provider, &project).await;
        }
        args.of_selected(&provider, &project, &asked).await
    };
    let reading = context.terminal.counting(what, &asked, "spans", reading);
    let annotations = reading.await?;
    if args.format.json {
        let records = annotations.iter().map(record::Annotation::from);
        context.terminal.print(&record::lines(records)?)?;
    } else if format != Format::Table {
        let frame = annotation_frame(&annotations)?;
        let mut rows = Rows::begin(&args.format, frame.schema(), None)?;
        rows.write(frame)?;
        rows.finish()?;
    } else if annotations.is_empty() && args.format.file().is_none() {
        let project = text::one_line(&project);
        terminal::note(&format!("no such annotation in {project}"));
    } else {
        let table = |width| render(&annotations, width);
        args.format.show(&context.terminal, table)?;
    }
    Ok(Exit::Fine)
}

impl ListArgs {
    fn names(&self) -> Option<&[String]> {
        Some(self.name.as_slice()).filter(|names| !names.is_empty())
    }

    /// The annotations of what is named.
    async fn of_targets(
        &self,
        provider: &Provider,
        project: &str,
    ) -> anyhow::Result<Vec<Annotation>> {
        let mut targets: Vec<Target> = self.span.iter().map(Target::span).collect();
        if let Some(trace) = &self.trace {
            targets.push(Target::Trace(trace.clone()));
            let spans = provider.traces().get_trace(project, trace).await?;
            targets.extend(spans.iter().map(target));
        }
        if let Some(session) = &self.session {
            targets.push(Target::Session(session.clone()));
        }
        let annotations = provider.annotations();
        let found = annotations.get_annotations(project, &targets, self.names());
        Ok(found.await?)
    }

    /// The annotations of the spans that are selected, page by page.
    async fn of_selected(
        &self,
        provider: &Provider,
        project: &str,
        asked: &Counter,
    ) -> anyhow::Result<Vec<Annotation>> {
        let query = self.selection.of_the_last_day(project)?;
        let query = query.project_to(projection(&[]));
        let mut pages = provider.traces().pages(&query)?;
        let store = provider.annotations();
        let mut annotations = Vec::new();
        while let Some(page) = pages.next().await? {
            let targets: Vec<Target> = page.iter().map(target).collect();
            let found = store.get_annotations(project, &targets, self.names());
            annotations.extend(found.await?);
            asked.add(page.len());
        }
        Ok(annotations)
    }
}

fn target(span: &Span) -> Target {
    Target::Span(SpanRef::new(&*span.trace_id, &*span.span_id))
}

fn render(annotations: &[Annotation], width: Option<usize>) -> String {
    let mut table = Table::new([
        Column::whole("OF"),
        Column::cut("NAME"),
        Column::cut("LABEL"),
        Column::whole("SCORE").right(),
        Column::whole("BY"),
        Column::optional("EXPLANATION"),
        Column::optional("WRITTEN (UTC)"),
        Column::optional("ID"),
    ]);
    for annotation in annotations {
        let of = match &annotation.target {
            Target::Span(span) => &span.span_id,
            Target::Trace(id) | Target::Session(id) => id,
        };
        let written = annotation.updated_at.or(annotation.created_at);
        let written = written.map(time::readable);
        let score = annotation.score.map(text::number);
        table.push([
            of.into(),
            annotation.name.as_str().into(),
            annotation.label.as_deref().unwrap_or("-").into(),
            score.as_deref().unwrap_or("-").into(),
            record::annotator(annotation.annotator).into(),
            annotation.explanation.as_deref().unwrap_or("-").into(),
            written.as_deref().unwrap_or("-").into(),
            annotation.id.as_str().into(),
        ]);
    }
    table.render(width)
}
