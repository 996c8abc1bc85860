//! Experiments, runs, metrics and evaluations to write: put together and checked.

use serde_json::Value;

use super::new_record::{check_id, check_name, check_object};
use super::traces::check_trace_id;
use crate::contract::{AnnotatorKind, Dataset, Metric, NewEvaluation, NewExperiment, NewRun};

impl NewExperiment {
    /// An experiment of this name, over no dataset.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            description: String::new(),
            metadata: None,
            dataset: None,
            dataset_version: None,
            repetitions: 1,
        }
    }

    /// What it is for.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// Anything more, such as its parameters: a JSON object.
    #[must_use]
    pub fn metadata(mut self, metadata: &Value) -> Self {
        self.metadata = Some(metadata.to_string());
        self
    }

    /// Over this dataset, and over the version it names.
    #[must_use]
    pub fn over(mut self, dataset: &Dataset) -> Self {
        self.dataset = Some(dataset.id.clone());
        self.dataset_version.clone_from(&dataset.version);
        self
    }

    /// How often each record is run; 1 unless said otherwise.
    #[must_use]
    pub fn repetitions(mut self, repetitions: u32) -> Self {
        self.repetitions = repetitions;
        self
    }

    pub(super) fn check(&self) -> Result<(), String> {
        check_name("experiment", &self.name)?;
        check_object("the metadata", self.metadata.as_deref())?;
        if let Some(dataset) = &self.dataset {
            check_id("dataset", dataset)?;
        }
        if let Some(version) = &self.dataset_version {
            check_id("dataset's version", version)?;
        }
        if self.dataset.is_none() && self.dataset_version.is_some() {
            return Err("it names a version and no dataset; name the dataset too".to_owned());
        }
        if self.repetitions == 0 {
            return Err("0 is no number of repetitions; give one from 1".to_owned());
        }
        Ok(())
    }
}

impl NewRun {
    /// A run that ended well, from `start_time` to `end_time` (nanoseconds since the Unix
    /// epoch), of no record.
    #[must_use]
    pub fn new(start_time: u64, end_time: u64) -> Self {
        Self {
            record_id: None,
            repetition: 1,
            inputs: None,
            outputs: None,
            error: None,
            start_time,
            end_time,
            trace_id: None,
            metadata: None,
            metrics: Vec::new(),
        }
    }

    /// Of the record with this id (`DatasetRecord::id`).
    #[must_use]
    pub fn record(mut self, record_id: impl Into<String>) -> Self {
        self.record_id = Some(record_id.into());
        self
    }

    /// Which repetition of its record it is, from 1.
    #[must_use]
    pub fn repetition(mut self, repetition: u32) -> Self {
        self.repetition = repetition;
        self
    }

    /// What went in: a JSON object.
    #[must_use]
    pub fn inputs(mut self, inputs: &Value) -> Self {
        self.inputs = Some(inputs.to_string());
        self
    }

    /// What came out: any JSON.
    #[must_use]
    pub fn outputs(mut self, outputs: &Value) -> Self {
        self.outputs = Some(outputs.to_string());
        self
    }

    /// It failed, and why.
    #[must_use]
    pub fn failed(mut self, error: impl Into<String>) -> Self {
        self.error = Some(error.into());
        self
    }

    /// The trace it left.
    #[must_use]
    pub fn trace(mut self, trace_id: impl Into<String>) -> Self {
        self.trace_id = Some(trace_id.into());
        self
    }

    /// Anything more, such as its parameters: a JSON object.
    #[must_use]
    pub fn metadata(mut self, metadata: &Value) -> Self {
        self.metadata = Some(metadata.to_string());
        self
    }

    /// A value measured on it.
    #[must_use]
    pub fn metric(mut self, metric: Metric) -> Self {
        self.metrics.push(metric);
        self
    }

    pub(super) fn check(&self) -> Result<(), String> {
        if let Some(record) = &self.record_id {
            check_id("record", record)?;
        }
        if self.repetition == 0 {
            return Err("0 is no repetition; count from 1".to_owned());
        }
        check_object("the inputs", self.inputs.as_deref())?;
        check_object("the metadata", self.metadata.as_deref())?;
        if let Some(outputs) = &self.outputs {
            serde_json::from_str::<serde::de::IgnoredAny>(outputs)
                .map_err(|error| format!("the outputs must be JSON: {error}"))?;
        }
        if self.error.as_deref().is_some_and(|it| it.trim().is_empty()) {
            return Err("its error is empty; say why it failed, or leave it out".to_owned());
        }
        if self.end_time < self.start_time {
            return Err("it ends before it begins; both are nanoseconds since 1970".to_owned());
        }
        if let Some(trace) = &self.trace_id {
            check_trace_id(trace)?;
        }
        self.metrics.iter().try_for_each(Metric::check)
    }
}

impl Metric {
    /// A value of this name; finite.
    pub fn new(name: impl Into<String>, value: f64) -> Self {
        Self {
            name: name.into(),
            value,
            step: None,
            time: None,
        }
    }

    /// The step it was measured at.
    #[must_use]
    pub fn step(mut self, step: u64) -> Self {
        self.step = Some(step);
        self
    }

    /// When it was measured, in nanoseconds since the Unix epoch.
    #[must_use]
    pub fn time(mut self, time: u64) -> Self {
        self.time = Some(time);
        self
    }

    pub(super) fn check(&self) -> Result<(), String> {
        check_name("metric", &self.name)?;
        check_finite("metric", &self.name, Some(self.value))
    }
}

impl NewEvaluation {
    /// A judgement by a program, to be given a label, a score or an explanation.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            annotator: AnnotatorKind::Code,
            label: None,
            score: None,
            explanation: None,
            error: None,
            metadata: None,
        }
    }

    /// Judged by somebody else than a program.
    #[must_use]
    pub fn by(mut self, annotator: AnnotatorKind) -> Self {
        self.annotator = annotator;
        self
    }

    /// The judgement as a word.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// The judgement as a number; finite.
    #[must_use]
    pub fn score(mut self, score: f64) -> Self {
        self.score = Some(score);
        self
    }

    /// Why.
    #[must_use]
    pub fn explanation(mut self, explanation: impl Into<String>) -> Self {
        self.explanation = Some(explanation.into());
        self
    }

    /// The evaluation itself failed, and why.
    #[must_use]
    pub fn failed(mut self, error: impl Into<String>) -> Self {
        self.error = Some(error.into());
        self
    }

    /// Anything more: a JSON object.
    #[must_use]
    pub fn metadata(mut self, metadata: &Value) -> Self {
        self.metadata = Some(metadata.to_string());
        self
    }

    pub(super) fn check(&self) -> Result<(), String> {
        check_name("evaluation", &self.name)?;
        check_finite("evaluation", &self.name, self.score)?;
        check_object("the metadata", self.metadata.as_deref())?;
        let said = self.label.is_some() || self.score.is_some() || self.explanation.is_some();
        if !said && self.error.is_none() {
            return Err(format!(
                "evaluation `{}` has neither label, score, explanation nor error",
                self.name
            ));
        }
        Ok(())
    }
}

fn check_finite(what: &str, name: &str, value: Option<f64>) -> Result<(), String> {
    match value {
        Some(value) if !value.is_finite() => Err(format!(
            "{what} `{name}` is {value}; only finite numbers can be kept"
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    #[test]
    fn what_cannot_be_written_is_refused_with_the_reason() {
        let run = NewRun::new(5, 6);
        for (bad, reason) in [
            (NewRun::new(2, 1), "ends before it begins"),
            (run.clone().repetition(0), "count from 1"),
            (run.clone().record(""), "id of the record is empty"),
            (
                run.clone().inputs(&json!(1)),
                "the inputs must be a JSON object",
            ),
            (run.clone().failed(" "), "say why"),
            (run.clone().trace("ABC"), "no trace id"),
            (run.clone().metric(Metric::new("loss", f64::NAN)), "finite"),
            (
                run.clone().metric(Metric::new("", 1.0)),
                "name of the metric",
            ),
        ] {
            let why = bad.check().unwrap_err();
            assert!(why.contains(reason), "{why}");
        }
        assert!(run.outputs(&json!([1, null])).check().is_ok());

        let experiment = NewExperiment::new("e");
        assert!(experiment.clone().repetitions(0).check().is_err());
        assert!(NewExperiment::new(" ").check().is_err());
        let mut versioned = experiment.clone();
        versioned.dataset_version = Some("v".to_owned());
        assert!(versioned.check().unwrap_err().contains("no dataset"));
        assert!(experiment.check().is_ok());

        assert!(NewEvaluation::new("q").check().is_err());
        assert!(
            NewEvaluation::new("q")
                .score(f64::INFINITY)
                .check()
                .is_err()
        );
        assert!(NewEvaluation::new("q").failed("timeout").check().is_ok());
    }
}
