//! Experiments side by side.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::contract::{Experiment, ExperimentStatus};

/// Some experiments side by side; the first is the baseline.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The experiments, in the order they were asked for.
    pub experiments: Vec<Compared>,
    /// What was measured, by name: first of the experiments themselves, then of their runs.
    pub values: Vec<ComparedValue>,
}

/// One of the experiments.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// How far it is.
    pub status: ExperimentStatus,
    /// The id of the dataset it runs over.
    pub dataset: Option<String>,
    /// The version of that dataset.
    pub dataset_version: Option<String>,
    /// How many runs it has.
    pub runs: u64,
    /// How many of them failed.
    pub failed_runs: u64,
}

/// What is measured under one name.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedValue {
    /// The name of the metric or evaluation.
    pub name: String,
    /// What it was measured on.
    pub of: Measured,
    /// The value of each experiment, in their order; none where it has none.
    pub values: Vec<Option<f64>>,
    /// Each value less the one of the first experiment, in their order; none where either is
    /// missing.
    pub differences: Vec<Option<f64>>,
}

/// What a value was measured on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Measured {
    /// On the experiment as a whole: the last value of a metric.
    Experiment,
    /// On its runs: the mean of the scores of an evaluation, or of the last values of a metric.
    Runs,
}

impl Comparison {
    pub(super) fn of(experiments: &[Experiment]) -> Self {
        let mut values: BTreeMap<(Measured, &str), Vec<Option<f64>>> = BTreeMap::new();
        let mut put = |place: usize, key, value| {
            let row = values
                .entry(key)
                .or_insert_with(|| vec![None; experiments.len()]);
            if let Some(cell) = row.get_mut(place) {
                *cell = value;
            }
        };
        for (place, experiment) in experiments.iter().enumerate() {
            for metric in &experiment.metrics {
                // The last one of a name counts.
                let key = (Measured::Experiment, metric.name.as_str());
                put(place, key, Some(metric.value));
            }
            for summary in &experiment.runs {
                put(place, (Measured::Runs, summary.name.as_str()), summary.mean);
            }
        }
        let rows = values.into_iter().map(|((of, name), values)| {
            let baseline = values.first().copied().flatten();
            let difference = |value: &Option<f64>| Some((*value)? - baseline?);
            ComparedValue {
                name: name.to_owned(),
                of,
                differences: values.iter().map(difference).collect(),
                values,
            }
        });
        Self {
            values: rows.collect(),
            experiments: experiments.iter().map(Compared::from).collect(),
        }
    }

    /// The row of this name; where both the experiments and their runs have one, that of the
    /// experiments.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&ComparedValue> {
        self.values.iter().find(|row| row.name == name)
    }
}

impl From<&Experiment> for Compared {
    fn from(experiment: &Experiment) -> Self {
        Self {
            id: experiment.id.clone(),
            name: experiment.name.clone(),
            status: experiment.status,
            dataset: experiment.dataset.clone(),
            dataset_version: experiment.dataset_version.clone(),
            runs: experiment.successful_runs + experiment.failed_runs,
            failed_runs: experiment.failed_runs,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use super::*;
    use crate::contract::{Metric, RunSummary};

    fn experiment(metrics: Vec<Metric>, quality: Option<f64>) -> Experiment {
        Experiment {
            id: "e".to_owned(),
            name: "e".to_owned(),
            description: String::new(),
            metadata: None,
            dataset: None,
            dataset_version: None,
            repetitions: 1,
            status: ExperimentStatus::Completed,
            successful_runs: 3,
            failed_runs: 1,
            metrics,
            runs: vec![RunSummary {
                name: "quality".to_owned(),
                count: 4,
                mean: quality,
            }],
            created_at: None,
            finished_at: None,
        }
    }

    #[test]
    fn every_value_stands_beside_the_baseline() {
        let loss = |value, step| Metric::new("loss", value).step(step);
        let comparison = Comparison::of(&[
            experiment(vec![loss(1.0, 0), loss(0.5, 1)], Some(0.75)),
            experiment(vec![loss(0.25, 0)], None),
            experiment(Vec::new(), Some(1.0)),
        ]);
        let loss = comparison.value("loss").unwrap();
        assert_eq!(loss.of, Measured::Experiment);
        assert_eq!(loss.values, [Some(0.5), Some(0.25), None]);
        assert_eq!(loss.differences, [Some(0.0), Some(-0.25), None]);
        let quality = comparison.value("quality").unwrap();
        assert_eq!(quality.of, Measured::Runs);
        assert_eq!(quality.differences, [Some(0.0), None, Some(0.25)]);
        assert_eq!(comparison.experiments[0].runs, 4);
        let json = serde_json::to_value(&comparison).unwrap();
        assert_eq!(json["values"][0]["of"], "experiment");
    }
}
