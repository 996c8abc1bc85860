//! Runs as `experiments log` reads them: one JSON object a line, in the shape in which
//! `experiments show --json` shows runs.

use std::collections::BTreeMap;

use jiff::Timestamp;
use roost::contract::{AnnotatorKind, Metric, NewEvaluation, NewRun};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

/// A run, with what is said of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RunLine {
    /// What is shown may be logged again elsewhere; the backend gives a new id.
    #[serde(default, rename = "id")]
    _id: IgnoredAny,
    record_id: Option<String>,
    #[serde(default = "once")]
    repetition: u32,
    inputs: Option<Map<String, Value>>,
    outputs: Option<Value>,
    error: Option<String>,
    start_time: Option<String>,
    end_time: Option<String>,
    trace_id: Option<String>,
    metadata: Option<Map<String, Value>>,
    #[serde(default)]
    metrics: Metrics,
    #[serde(default)]
    evaluations: Vec<EvaluationLine>,
}

/// By name, or one by one with their steps.
#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "metrics are {\"name\": number} or [{\"name\", \"value\", \"step\"}]"
)]
enum Metrics {
    ByName(BTreeMap<String, f64>),
    List(Vec<MetricLine>),
}

impl Default for Metrics {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MetricLine {
    name: String,
    value: f64,
    step: Option<u64>,
    time: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EvaluationLine {
    name: String,
    #[serde(default)]
    annotator: AnnotatorLine,
    label: Option<String>,
    score: Option<f64>,
    explanation: Option<String>,
    error: Option<String>,
    metadata: Option<Map<String, Value>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum AnnotatorLine {
    Human,
    Llm,
    #[default]
    Code,
}

fn once() -> u32 {
    1
}

/// Read a line; what has no time happened `now`.
pub(super) fn parse(line: &str, now: Timestamp) -> Result<(NewRun, Vec<NewEvaluation>), String> {
    let line: RunLine = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let end = instant(line.end_time.as_deref())?;
    let start = instant(line.start_time.as_deref())?;
    let now = nanoseconds(now);
    let end_time = end.unwrap_or_else(|| start.map_or(now, |start| start.max(now)));
    let metrics = match line.metrics {
        Metrics::ByName(metrics) => metrics
            .into_iter()
            .map(|(name, value)| Metric {
                name,
                value,
                step: None,
                time: None,
            })
            .collect(),
        Metrics::List(metrics) => metrics
            .into_iter()
            .map(|metric| {
                Ok(Metric {
                    name: metric.name,
                    value: metric.value,
                    step: metric.step,
                    time: instant(metric.time.as_deref())?,
                })
            })
            .collect::<Result<_, String>>()?,
    };
    let run = NewRun {
        record_id: line.record_id,
        repetition: line.repetition,
        inputs: line.inputs.map(text),
        outputs: line.outputs.map(|outputs| outputs.to_string()),
        error: line.error,
        start_time: start.unwrap_or(end_time),
        end_time,
        trace_id: line.trace_id,
        metadata: line.metadata.map(text),
        metrics,
    };
    let evaluations = line.evaluations.into_iter().map(|one| NewEvaluation {
        name: one.name,
        annotator: match one.annotator {
            AnnotatorLine::Human => AnnotatorKind::Human,
            AnnotatorLine::Llm => AnnotatorKind::Llm,
            AnnotatorLine::Code => AnnotatorKind::Code,
        },
        label: one.label,
        score: one.score,
        explanation: one.explanation,
        error: one.error,
        metadata: one.metadata.map(text),
    });
    Ok((run, evaluations.collect()))
}

fn text(object: Map<String, Value>) -> String {
    Value::Object(object).to_string()
}

fn instant(text: Option<&str>) -> Result<Option<u64>, String> {
    let Some(text) = text else { return Ok(None) };
    let instant: Result<Timestamp, _> = text.parse();
    let instant = instant.map_err(|why| format!("`{text}` is no instant: {why}"))?;
    Ok(Some(nanoseconds(instant)))
}

/// Nanoseconds since the Unix epoch; 0 for what is before it.
pub(super) fn nanoseconds(instant: Timestamp) -> u64 {
    u64::try_from(instant.as_nanosecond()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    #[test]
    fn a_line_says_as_little_as_it_likes() {
        let (run, evaluations) = parse(r#"{"record_id":"r1","outputs":"yes"}"#, NOW).unwrap();
        assert_eq!(run.record_id.as_deref(), Some("r1"));
        assert_eq!(run.outputs.as_deref(), Some("\"yes\""));
        assert_eq!((run.repetition, run.start_time, run.end_time), (1, 0, 0));
        assert!(run.metrics.is_empty() && evaluations.is_empty());
    }

    #[test]
    fn metrics_have_names_or_names_and_steps() {
        let (run, _) = parse(r#"{"metrics":{"f1":0.5}}"#, NOW).unwrap();
        assert_eq!(run.metrics[0].name, "f1");
        let line = r#"{"metrics":[{"name":"loss","value":2,"step":3}],
                       "evaluations":[{"name":"exact","score":1,"annotator":"llm"}]}"#;
        let (run, evaluations) = parse(line, NOW).unwrap();
        assert_eq!(run.metrics[0].step, Some(3));
        assert_eq!(evaluations[0].annotator, AnnotatorKind::Llm);
    }

    #[test]
    fn what_is_misspelt_is_refused() {
        for line in [
            "[]",
            r#"{"output":"x"}"#,
            r#"{"metrics":[1]}"#,
            r#"{"metrics":[{"name":"loss","value":1,"stpe":3}]}"#,
            r#"{"start_time":"yesterday"}"#,
            r#"{"inputs":"text"}"#,
        ] {
            assert!(parse(line, NOW).is_err(), "{line}");
        }
    }
}
