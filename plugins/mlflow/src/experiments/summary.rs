//! What the runs of an experiment got, by name.

use std::collections::BTreeMap;

use super::mlflow_run::MlflowRun;
use super::{evaluations, metrics, runs};
use crate::bindings::experiment_store::RunSummary;

/// Of the runs' evaluations and of the last values of their metrics.
pub(super) fn of(runs: &[MlflowRun]) -> Vec<RunSummary> {
    // By name, how many have it, and the values by record.
    let mut found: BTreeMap<String, (u64, BTreeMap<String, Vec<f64>>)> = BTreeMap::new();
    for run in runs {
        // Without a record, a run is one by itself.
        let record = runs::kept(run)
            .and_then(|kept| kept.record)
            .unwrap_or_else(|| run.info.run_id.clone());
        let judged = evaluations::of(run)
            .into_iter()
            .map(|it| (it.name, it.score));
        let measured = metrics::last(run)
            .into_iter()
            .map(|it| (it.name, Some(it.value)));
        for (name, value) in judged.chain(measured) {
            let (count, values) = found.entry(name).or_default();
            *count += 1;
            if let Some(value) = value {
                values.entry(record.clone()).or_default().push(value);
            }
        }
    }
    found
        .into_iter()
        .map(|(name, (count, values))| {
            let means: Vec<f64> = values.values().filter_map(|it| mean(it)).collect();
            RunSummary {
                name,
                count,
                mean: mean(&means),
            }
        })
        .collect()
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}
