//! `roost experiments log`.

use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;
use roost::contract::{AnnotatorKind, Error, Metric, NewEvaluation, NewRun};
use roost::{Provider, ProviderError};
use serde::Serialize;

use super::run_line;
use crate::cli::annotator::Annotator;
use crate::cli::arguments::OutputArgs;
use crate::cli::context::Context;
use crate::cli::exit::{CommandError, Exit};
use crate::cli::scope::{Scope, ScopeArgs};
use crate::cli::terminal::Counter;
use crate::cli::time::Moment;
use crate::cli::values::{NonEmpty, measure, object, pair, trace_id};
use crate::cli::{lines, record, terminal, text};

const AFTER_HELP: &str = "\
A file has a JSON object a line, with any of record_id, repetition, inputs, outputs, error,
start_time, end_time, trace_id, metadata, metrics ({name: number}, or a list of name, value and
step) and evaluations (a list of name, annotator, label, score, explanation). Without a file, the
options are one run; with metrics alone, they are metrics of the experiment itself.

Examples:
  roost experiments log RXhwOjE= runs.jsonl --tenant acme
  my-task | roost experiments log RXhwOjE= - --tenant acme
  roost experiments log RXhwOjE= -t acme --record r1 --outputs '\"42\"' --evaluation exact=1
  roost experiments log RXhwOjE= -t acme --metric accuracy=0.9 --metric loss=0.2 --step 3
  roost experiments log RXhwOjE= -t acme --run UnVuOjE= --evaluation tone=friendly --annotator llm";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct LogArgs {
    /// The experiment's id
    #[arg(value_name = "ID", value_parser = NonEmpty::new())]
    experiment: String,
    /// Runs, as JSON Lines; - is standard input
    #[arg(value_name = "FILE", conflicts_with_all = [
        "record", "repetition", "inputs", "outputs", "error", "started", "ended", "trace",
        "metadata", "run", "metric", "evaluation",
    ])]
    file: Option<PathBuf>,
    #[command(flatten)]
    run: RunArgs,
    /// A run that was written: metrics and evaluations are its
    #[arg(long = "run", id = "run", value_name = "ID", conflicts_with_all = [
        "record", "repetition", "inputs", "outputs", "error", "started", "ended", "trace",
        "metadata",
    ])]
    existing: Option<String>,
    /// What was measured; several may be given
    #[arg(long, value_name = "NAME=NUMBER", value_parser = measure)]
    metric: Vec<(String, f64)>,
    /// The step at which it was measured
    #[arg(long, value_name = "NUMBER", requires = "metric")]
    step: Option<u64>,
    /// What is said of the run: a score where it is a number, else a label
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    evaluation: Vec<(String, String)>,
    /// Who says it
    #[arg(
        long,
        value_name = "WHO",
        default_value = "code",
        requires = "evaluation"
    )]
    annotator: Annotator,
    #[command(flatten)]
    scope: ScopeArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// A run.
#[derive(Debug, Args)]
struct RunArgs {
    /// The record of the dataset that was run
    #[arg(long, value_name = "ID")]
    record: Option<String>,
    /// Which repetition of its record this is
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    repetition: Option<u32>,
    /// What went in: a JSON object
    #[arg(long, value_name = "JSON", value_parser = object)]
    inputs: Option<String>,
    /// What came out: JSON, or a text
    #[arg(long, value_name = "VALUE")]
    outputs: Option<String>,
    /// Why it failed
    #[arg(long, value_name = "TEXT")]
    error: Option<String>,
    /// When it began
    #[arg(long, value_name = "INSTANT")]
    started: Option<Moment>,
    /// When it ended; else now
    #[arg(long, value_name = "INSTANT")]
    ended: Option<Moment>,
    /// The trace it left
    #[arg(long, value_name = "TRACE_ID", value_parser = trace_id)]
    trace: Option<String>,
    /// Anything more: a JSON object
    #[arg(long, value_name = "JSON", value_parser = object)]
    metadata: Option<String>,
}

/// What became of a run.
#[derive(Debug, Serialize)]
struct Logged<'a> {
    /// Of the file, from 1.
    line: Option<u64>,
    id: Option<&'a str>,
    error: Option<String>,
}

pub(super) async fn run(context: &Context, args: LogArgs) -> anyhow::Result<Exit> {
    let telemetry = context.telemetry().await?;
    let Scope { provider, project } = args.scope.open(&telemetry)?;
    let log = Log {
        provider,
        project,
        experiment: args.experiment.clone(),
    };
    if let Some(file) = &args.file {
        return log.file(context, file, args.output.json).await;
    }
    let work = log.options(&args);
    let id = context.terminal.waiting("writing", work).await?;
    let Some(id) = id else {
        return Ok(Exit::Fine);
    };
    context.terminal.print(&if args.output.json {
        let (line, id, error) = (None, Some(&*id), None);
        record::lines([Logged { line, id, error }])?
    } else {
        format!("{}\n", text::one_line(&id))
    })?;
    Ok(Exit::Fine)
}

/// Why a run was not written, or not all that is said of it.
struct Unwritten {
    /// The run, if it is there and an evaluation of it is not.
    id: Option<String>,
    error: ProviderError,
}

impl From<Unwritten> for anyhow::Error {
    fn from(unwritten: Unwritten) -> Self {
        let error = Self::new(unwritten.error);
        match unwritten.id {
            Some(id) => error.context(format!("run {id} is written, its evaluation is not")),
            None => error,
        }
    }
}

/// What is written to.
struct Log {
    provider: Provider,
    project: String,
    experiment: String,
}

impl Log {
    /// Write what the options say. Returned is the id of the run, if it is of one.
    async fn options(&self, args: &LogArgs) -> anyhow::Result<Option<String>> {
        let metrics = args.metrics();
        let evaluations = args.evaluations();
        let usage = |why: &str| Err(CommandError::Usage(why.to_owned()).into());
        let store = self.provider.experiments();
        if let Some(run) = &args.existing {
            if metrics.is_empty() && evaluations.is_empty() {
                return usage("say what of this run: --metric or --evaluation");
            }
            if !metrics.is_empty() {
                store
                    .log_metrics(&self.project, &self.experiment, Some(run), &metrics)
                    .await?;
            }
            self.evaluations(run, evaluations).await?;
            return Ok(Some(run.clone()));
        }
        if args.run.is_given() {
            let run = args.run.run(metrics, Timestamp::now())?;
            return Ok(Some(self.run(run, evaluations).await?));
        }
        if !evaluations.is_empty() {
            return usage("say of which run: --run ID, or the options of a new one");
        }
        if metrics.is_empty() {
            return usage("say what happened: a FILE, the options of a run, or --metric");
        }
        store
            .log_metrics(&self.project, &self.experiment, None, &metrics)
            .await?;
        Ok(None)
    }

    async fn run(&self, run: NewRun, evaluations: Vec<NewEvaluation>) -> Result<String, Unwritten> {
        let store = self.provider.experiments();
        let logged = store.log_run(&self.project, &self.experiment, &run).await;
        let id = logged.map_err(|error| Unwritten { id: None, error })?;
        match self.evaluations(&id, evaluations).await {
            Ok(()) => Ok(id),
            Err(error) => Err(Unwritten {
                id: Some(id),
                error,
            }),
        }
    }

    async fn evaluations(
        &self,
        run: &str,
        evaluations: Vec<NewEvaluation>,
    ) -> Result<(), ProviderError> {
        let store = self.provider.experiments();
        for evaluation in evaluations {
            store
                .log_evaluation(&self.project, &self.experiment, run, &evaluation)
                .await?;
        }
        Ok(())
    }

    /// Write the runs of a file. One that cannot be is told, and the others are written.
    async fn file(&self, context: &Context, file: &Path, json: bool) -> anyhow::Result<Exit> {
        let mut lines = lines::read(file)?;
        let written = Counter::default();
        let (mut rejected, mut unjudged) = (0_usize, 0_usize);
        let work = async {
            // Else each line would be refused for it.
            let store = self.provider.experiments();
            store
                .get_experiment(&self.project, &self.experiment)
                .await?;
            while let Some(line) = lines.recv().await {
                let (number, line) = line?;
                if line.trim().is_empty() {
                    continue;
                }
                let (id, error) = match run_line::parse(&line, Timestamp::now()) {
                    Ok((run, evaluations)) => match self.run(run, evaluations).await {
                        Ok(id) => (Some(id), None),
                        Err(unwritten) if is_of_one(unwritten.error.kind()) => {
                            (unwritten.id, Some(unwritten.error.to_string()))
                        }
                        // The others would fare no better.
                        Err(unwritten) => {
                            let written = written.get();
                            let place = format!("line {number}, after {written} runs were written");
                            return Err(anyhow::Error::from(unwritten).context(place));
                        }
                    },
                    Err(why) => (None, Some(why)),
                };
                written.add(usize::from(id.is_some()));
                if let Some(why) = &error {
                    let why = match &id {
                        Some(id) => {
                            unjudged += 1;
                            format!(
                                "line {number}: run {id} is written, its evaluation is not: {why}"
                            )
                        }
                        None => {
                            rejected += 1;
                            format!("line {number} is not written: {why}")
                        }
                    };
                    terminal::note(&text::visible(&why));
                }
                if json {
                    let (line, id) = (Some(number), id.as_deref());
                    let logged = record::lines([Logged { line, id, error }])?;
                    context.terminal.print(&logged)?;
                }
            }
            Ok(())
        };
        if json {
            // Progress would stand between the lines.
            work.await?;
        } else {
            let done = context.terminal.counting("writing", &written, "runs", work);
            done.await?;
        }
        let count = usize::try_from(written.get()).unwrap_or(usize::MAX);
        let mut report = format!("{} written", text::count(count, "run"));
        if unjudged > 0 {
            report += &format!(", {unjudged} of them without all evaluations");
        }
        if rejected > 0 {
            report += &format!(", {} not", text::count(rejected, "line"));
        }
        if unjudged + rejected > 0 {
            return Err(CommandError::Failed(report).into());
        }
        terminal::note(&report);
        Ok(Exit::Fine)
    }
}

/// Whether an error is about one run, and says nothing of the next.
fn is_of_one(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidArgument(_) | Error::NotFound(_) | Error::Conflict(_) | Error::Partial(_)
    )
}

impl LogArgs {
    fn metrics(&self) -> Vec<Metric> {
        let metrics = self.metric.iter().map(|(name, value)| Metric {
            name: name.clone(),
            value: *value,
            step: self.step,
            time: None,
        });
        metrics.collect()
    }

    fn evaluations(&self) -> Vec<NewEvaluation> {
        let annotator = AnnotatorKind::from(self.annotator);
        let evaluations = self.evaluation.iter().map(|(name, value)| {
            let score = value.parse().ok().filter(|score: &f64| score.is_finite());
            NewEvaluation {
                name: name.clone(),
                annotator,
                label: score.is_none().then(|| value.clone()),
                score,
                explanation: None,
                error: None,
                metadata: None,
            }
        });
        evaluations.collect()
    }
}

impl RunArgs {
    fn is_given(&self) -> bool {
        let texts = [
            &self.record,
            &self.inputs,
            &self.outputs,
            &self.error,
            &self.trace,
            &self.metadata,
        ];
        texts.iter().any(|text| text.is_some())
            || self.repetition.is_some()
            || self.started.is_some()
            || self.ended.is_some()
    }

    fn run(&self, metrics: Vec<Metric>, now: Timestamp) -> Result<NewRun, CommandError> {
        let instant = |moment: Option<Moment>| moment.map(|moment| moment.nanoseconds(now));
        let end_time = match instant(self.ended) {
            Some(end) => end?,
            None => run_line::nanoseconds(now),
        };
        let start_time = match instant(self.started) {
            Some(start) => start?,
            None => end_time,
        };
        Ok(NewRun {
            record_id: self.record.clone(),
            repetition: self.repetition.unwrap_or(1),
            inputs: self.inputs.clone(),
            outputs: self.outputs.as_deref().map(any_json),
            error: self.error.clone(),
            start_time,
            end_time,
            trace_id: self.trace.clone(),
            metadata: self.metadata.clone(),
            metrics,
        })
    }
}

/// A text that is JSON as it is, any other as a JSON string.
fn any_json(text: &str) -> String {
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(_) => text.to_owned(),
        Err(_) => serde_json::Value::from(text).to_string(),
    }
}
