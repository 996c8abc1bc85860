//! What Roost keeps of an experiment, in its metadata: how far it is, and its metrics.

use std::collections::BTreeMap;

use roost_provider::time;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::bindings::experiment_store::{ExperimentStatus, Metric};

/// The most values of one metric that are kept; then the oldest go. Phoenix can only replace
/// what holds them as a whole, so every write carries them all.
const MOST_POINTS: usize = 1_000;

/// What is kept.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Kept {
    /// Whether Roost created the experiment; it keeps something of others as well.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    created: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    finished_at: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    metrics: BTreeMap<String, Vec<Point>>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Running,
    Completed,
    Failed,
    Cancelled,
}

/// A value of a metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Point {
    pub(super) value: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    step: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time: Option<String>,
}

impl Kept {
    /// Of an experiment that Roost creates.
    pub(super) fn running() -> Self {
        Self {
            created: true,
            status: Some(Status::Running),
            ..Self::default()
        }
    }

    /// Whether Roost created the experiment.
    pub(super) fn is_ours(&self) -> bool {
        self.created
    }

    /// How far the experiment is, as far as Roost was told.
    pub(super) fn status(&self) -> Option<ExperimentStatus> {
        self.status.map(|status| match status {
            Status::Running => ExperimentStatus::Running,
            Status::Completed => ExperimentStatus::Completed,
            Status::Failed => ExperimentStatus::Failed,
            Status::Cancelled => ExperimentStatus::Cancelled,
        })
    }

    pub(super) fn finished_at(&self) -> Option<u64> {
        time::parse(self.finished_at.as_deref()?)
    }

    /// The experiment ended.
    pub(super) fn finish(&mut self, status: ExperimentStatus, now: u64) {
        self.status = Some(match status {
            ExperimentStatus::Running => Status::Running,
            ExperimentStatus::Completed => Status::Completed,
            ExperimentStatus::Failed => Status::Failed,
            ExperimentStatus::Cancelled => Status::Cancelled,
        });
        self.finished_at = Some(time::format(now));
    }

    /// Add values to the metrics.
    pub(super) fn add(&mut self, metrics: &[Metric]) {
        for metric in metrics {
            let points = self.metrics.entry(metric.name.clone()).or_default();
            add(points, metric.into());
        }
    }

    /// All values of the metrics.
    pub(super) fn metrics(&self) -> Vec<Metric> {
        let all = self.metrics.iter();
        all.flat_map(|(name, points)| points.iter().map(|point| point.of(name)))
            .collect()
    }

    /// The last value of each metric.
    pub(super) fn last_metrics(&self) -> Vec<Metric> {
        let all = self.metrics.iter();
        all.filter_map(|(name, points)| Some(points.last()?.of(name)))
            .collect()
    }

    pub(super) fn to_json(&self) -> Value {
        // It holds nothing that JSON does not have.
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// Add a value behind the others.
pub(super) fn add(points: &mut Vec<Point>, point: Point) {
    points.push(point);
    if points.len() > MOST_POINTS {
        points.drain(..points.len() - MOST_POINTS);
    }
}

impl Point {
    /// The value as one of the metric `name`.
    pub(super) fn of(&self, name: &str) -> Metric {
        Metric {
            name: name.to_owned(),
            value: self.value,
            step: self.step,
            time: self.time.as_deref().and_then(time::parse),
        }
    }
}

impl From<&Metric> for Point {
    fn from(metric: &Metric) -> Self {
        Self {
            value: metric.value,
            step: metric.step,
            time: metric.time.map(time::format),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn loss(step: u64) -> Metric {
        Metric {
            name: "loss".to_owned(),
            value: 1.0 / (step + 1) as f64,
            step: Some(step),
            time: Some(1_795_001_220_000_000_000 + step),
        }
    }

    #[test]
    fn every_step_is_kept_and_the_last_one_counts() {
        let mut kept = Kept::running();
        kept.add(&[loss(0), loss(1)]);
        kept.add(&[loss(2)]);
        let read: Kept = serde_json::from_value(kept.to_json()).unwrap();
        let steps: Vec<_> = read.metrics().iter().map(|it| it.step.unwrap()).collect();
        assert_eq!(steps, [0, 1, 2]);
        let last = read.last_metrics();
        assert_eq!(last.len(), 1);
        let last = last.first().unwrap();
        assert_eq!((last.step, last.time), (Some(2), loss(2).time));
        assert!(matches!(read.status(), Some(ExperimentStatus::Running)));
    }

    #[test]
    fn what_is_kept_has_a_bound() {
        let mut kept = Kept::default();
        let many: Vec<_> = (0..2_500).map(loss).collect();
        kept.add(&many);
        let left = kept.metrics();
        assert_eq!(left.len(), MOST_POINTS);
        assert_eq!(left.first().unwrap().step, Some(1_500));
    }
}
