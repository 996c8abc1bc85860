//! The shapes of experiments.

use roost::contract;
use serde::Serialize;
use serde_json::Value;

use super::{annotator, json};
use crate::cli::time::rfc3339;

/// An experiment, without its runs.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct Experiment<'a> {
    id: &'a str,
    name: &'a str,
    description: &'a str,
    metadata: Option<Value>,
    dataset: Option<&'a str>,
    dataset_version: Option<&'a str>,
    repetitions: u32,
    status: &'static str,
    successful_runs: u64,
    failed_runs: u64,
    metrics: Vec<Metric<'a>>,
    run_summaries: Vec<RunSummary<'a>>,
    created_at: Option<String>,
    finished_at: Option<String>,
}

#[derive(Debug, Serialize)]
struct Metric<'a> {
    name: &'a str,
    value: f64,
    step: Option<u64>,
    time: Option<String>,
}

#[derive(Debug, Serialize)]
struct RunSummary<'a> {
    name: &'a str,
    count: u64,
    mean: Option<f64>,
}

impl<'a> From<&'a contract::Experiment> for Experiment<'a> {
    fn from(experiment: &'a contract::Experiment) -> Self {
        let summaries = experiment.runs.iter().map(|summary| RunSummary {
            name: &summary.name,
            count: summary.count,
            mean: summary.mean,
        });
        Self {
            id: &experiment.id,
            name: &experiment.name,
            description: &experiment.description,
            metadata: experiment.metadata.as_deref().map(json),
            dataset: experiment.dataset.as_deref(),
            dataset_version: experiment.dataset_version.as_deref(),
            repetitions: experiment.repetitions,
            status: status(experiment.status),
            successful_runs: experiment.successful_runs,
            failed_runs: experiment.failed_runs,
            metrics: metrics(&experiment.metrics),
            run_summaries: summaries.collect(),
            created_at: experiment.created_at.map(rfc3339),
            finished_at: experiment.finished_at.map(rfc3339),
        }
    }
}

/// A run of an experiment. `experiments log` reads what is written so.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct Run<'a> {
    id: &'a str,
    record_id: Option<&'a str>,
    repetition: u32,
    inputs: Option<Value>,
    outputs: Option<Value>,
    error: Option<&'a str>,
    start_time: String,
    end_time: String,
    trace_id: Option<&'a str>,
    metadata: Option<Value>,
    metrics: Vec<Metric<'a>>,
    evaluations: Vec<Evaluation<'a>>,
}

#[derive(Debug, Serialize)]
struct Evaluation<'a> {
    name: &'a str,
    annotator: &'static str,
    label: Option<&'a str>,
    score: Option<f64>,
    explanation: Option<&'a str>,
    error: Option<&'a str>,
    metadata: Option<Value>,
}

impl<'a> From<&'a contract::Run> for Run<'a> {
    fn from(run: &'a contract::Run) -> Self {
        let contract::Run {
            id,
            content,
            evaluations,
        } = run;
        let evaluations = evaluations.iter().map(|evaluation| Evaluation {
            name: &evaluation.name,
            annotator: annotator(evaluation.annotator),
            label: evaluation.label.as_deref(),
            score: evaluation.score,
            explanation: evaluation.explanation.as_deref(),
            error: evaluation.error.as_deref(),
            metadata: evaluation.metadata.as_deref().map(json),
        });
        Self {
            id,
            record_id: content.record_id.as_deref(),
            repetition: content.repetition,
            inputs: content.inputs.as_deref().map(json),
            outputs: content.outputs.as_deref().map(json),
            error: content.error.as_deref(),
            start_time: rfc3339(content.start_time),
            end_time: rfc3339(content.end_time),
            trace_id: content.trace_id.as_deref(),
            metadata: content.metadata.as_deref().map(json),
            metrics: metrics(&content.metrics),
            evaluations: evaluations.collect(),
        }
    }
}

/// `running`, `completed`, `failed` or `cancelled`.
pub(in crate::cli) fn status(status: contract::ExperimentStatus) -> &'static str {
    match status {
        contract::ExperimentStatus::Running => "running",
        contract::ExperimentStatus::Completed => "completed",
        contract::ExperimentStatus::Failed => "failed",
        contract::ExperimentStatus::Cancelled => "cancelled",
    }
}

fn metrics(metrics: &[contract::Metric]) -> Vec<Metric<'_>> {
    let metrics = metrics.iter().map(|metric| Metric {
        name: &metric.name,
        value: metric.value,
        step: metric.step,
        time: metric.time.map(rfc3339),
    });
    metrics.collect()
}
