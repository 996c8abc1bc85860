//! `roost annotate`.

use std::fmt::Write as _;

use clap::{ArgGroup, Args};
use roost::contract::{Annotation, NewAnnotation, Target};

use super::annotator::Annotator;
use super::arguments::OutputArgs;
use super::context::Context;
use super::exit::{CommandError, Exit};
use super::scope::{Scope, ScopeArgs};
use super::terminal::{DIM, TITLE, paint};
use super::values::{NonEmpty, finite, object, span_id, trace_id};
use super::{record, text, time};

const AFTER_HELP: &str = "\
Writing the same name and identifier on the same target again replaces what was there.

Examples:
  roost annotate b7ad6b7169203331 --tenant acme --name human_approval --label approved
  roost annotate b7ad6b7169203331 -t acme --name relevance --score 0.8 --annotator llm \\
      --identifier judge-2 --explanation 'answers the question' --metadata '{\"model\":\"m\"}'
  roost annotate --session s-42 --tenant acme --name resolved --label yes";

#[derive(Debug, Args)]
#[command(
    after_help = AFTER_HELP,
    group = ArgGroup::new("target").required(true).args(["span", "trace", "session"]),
    group = ArgGroup::new("judgement").required(true).multiple(true)
        .args(["label", "score", "explanation"]),
)]
pub(super) struct AnnotateArgs {
    /// The span it is about: 16 hexadecimal digits
    #[arg(value_name = "SPAN_ID", value_parser = span_id)]
    span: Option<String>,
    /// It is about a trace: 32 hexadecimal digits
    #[arg(long, value_name = "TRACE_ID", value_parser = trace_id)]
    trace: Option<String>,
    /// It is about a session
    #[arg(long, value_name = "SESSION_ID", value_parser = NonEmpty::new())]
    session: Option<String>,
    /// What is judged, such as human_approval
    #[arg(long, value_name = "NAME", value_parser = NonEmpty::new())]
    name: String,
    /// The judgement as a word
    #[arg(long, value_name = "WORD")]
    label: Option<String>,
    /// The judgement as a number, usually from 0 to 1
    #[arg(long, value_name = "NUMBER", value_parser = finite, allow_negative_numbers = true)]
    score: Option<f64>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    explanation: Option<String>,
    /// Who judges
    #[arg(long, value_name = "WHO", default_value = "human")]
    annotator: Annotator,
    /// Tells annotations of one name on one target apart
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    identifier: String,
    /// Anything more: a JSON object
    #[arg(long, value_name = "JSON", value_parser = object)]
    metadata: Option<String>,
    #[command(flatten)]
    scope: ScopeArgs,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) async fn run(context: &Context, args: AnnotateArgs) -> anyhow::Result<Exit> {
    let telemetry = context.telemetry().await?;
    let Scope { provider, project } = args.scope.open(&telemetry)?;
    let json = args.output.json;
    let annotation = args.annotation()?;
    let (name, identifier) = (annotation.name.clone(), annotation.identifier.clone());
    let target = annotation.target.clone();
    let store = provider.annotations();
    let writing = async {
        let id = store.add_annotation(&project, annotation).await?;
        let found = store
            .get_annotations(&project, &[target], Some(&[name]))
            .await?;
        Ok::<_, roost::ProviderError>((id, found))
    };
    let (id, found) = context
        .terminal
        .waiting("writing the annotation", writing)
        .await?;
    let written = found
        .iter()
        .find(|one| one.id == id)
        .or_else(|| found.iter().find(|one| one.identifier == identifier))
        .ok_or_else(|| anyhow::anyhow!("annotation {id} was written, but cannot be read back"))?;
    context.terminal.print(&if json {
        record::lines([record::Annotation::from(written)])?
    } else {
        render(written)
    })?;
    Ok(Exit::Fine)
}

impl AnnotateArgs {
    fn annotation(self) -> Result<NewAnnotation, CommandError> {
        let target = match (self.span, self.trace, self.session) {
            (Some(span), _, _) => Target::span(span),
            (_, Some(trace), _) => Target::Trace(trace),
            (_, _, Some(session)) => Target::Session(session),
            (None, None, None) => {
                let why = "name a span, --trace or --session".to_owned();
                return Err(CommandError::Usage(why));
            }
        };
        Ok(NewAnnotation {
            target,
            name: self.name,
            annotator: self.annotator.into(),
            label: self.label,
            score: self.score,
            explanation: self.explanation,
            metadata: self.metadata,
            identifier: self.identifier,
        })
    }
}

fn render(annotation: &Annotation) -> String {
    let (kind, id) = match &annotation.target {
        Target::Span(span) => ("span", &span.span_id),
        Target::Trace(id) => ("trace", id),
        Target::Session(id) => ("session", id),
    };
    let name = text::one_line(&annotation.name);
    let mut out = format!("{} on {kind} {}\n", paint(TITLE, &name), text::one_line(id));
    let mut line = |label: &str, value: &str| {
        let label = paint(DIM, &text::pad(label, 11));
        let _ = writeln!(out, "  {label}  {}", text::one_line(value));
    };
    if let Some(label) = &annotation.label {
        line("label", label);
    }
    if let Some(score) = annotation.score {
        line("score", &score.to_string());
    }
    if let Some(explanation) = &annotation.explanation {
        line("explanation", explanation);
    }
    line("annotator", record::annotator(annotation.annotator));
    if !annotation.identifier.is_empty() {
        line("identifier", &annotation.identifier);
    }
    if let Some(metadata) = &annotation.metadata {
        line("metadata", metadata);
    }
    if let Some(written) = annotation.updated_at.or(annotation.created_at) {
        line("written", &time::readable(written));
    }
    line("id", &annotation.id);
    out
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;
    use roost::contract::AnnotatorKind;

    use super::*;

    #[test]
    fn an_annotation_shows_what_it_has() {
        let annotation = Annotation {
            id: "U1".to_owned(),
            target: Target::Session("s\x1b1".to_owned()),
            name: "resolved".to_owned(),
            annotator: AnnotatorKind::Code,
            label: None,
            score: Some(0.5),
            explanation: Some("two\nlines".to_owned()),
            metadata: None,
            identifier: String::new(),
            created_at: Some(0),
            updated_at: None,
        };
        assert_eq!(
            strip_str(&render(&annotation)).to_string(),
            "\
resolved on session s\u{fffd}1
  score        0.5
  explanation  two lines
  annotator    code
  written      1970-01-01T00:00:00.000Z
  id           U1
"
        );
    }
}
