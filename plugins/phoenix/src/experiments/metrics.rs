//! Metrics of a run: an evaluation each, whose score is the last value, so that Phoenix's pages
//! show a column for it. All values are in its metadata.

use std::collections::BTreeMap;

use roost_provider::types::{PartialFailure, RejectedItem};
use roost_provider::{Error, error};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::evaluations::{self, Record, check_name};
use super::kept::{self, Point};
use crate::Result;
use crate::bindings::experiment_store::Metric;
use crate::phoenix::Phoenix;

/// What is kept in the metadata of such an evaluation.
#[derive(Serialize, Deserialize)]
struct Points {
    points: Vec<Point>,
}

/// The values in an evaluation; none where it is no metric.
pub(super) fn points(evaluation: &Record) -> Option<Vec<Point>> {
    let kept: Points = evaluation.metadata.ours()?;
    Some(kept.points)
}

/// Whether an evaluation is a metric.
pub(super) fn is_one(evaluation: &Record) -> bool {
    points(evaluation).is_some()
}

/// Refuse a name that is Roost's.
pub(super) fn check_names(metrics: &[Metric]) -> Result<()> {
    metrics.iter().try_for_each(|it| check_name(&it.name))
}

/// Add values to the metrics of a run that exists.
pub(super) fn write(phoenix: &Phoenix, run: &str, metrics: &[Metric]) -> Result<()> {
    check_names(metrics)?;
    let mut all: BTreeMap<&str, Vec<Point>> = BTreeMap::new();
    let existing = evaluations::of(phoenix, run)?;
    for metric in metrics {
        let name = metric.name.as_str();
        if !all.contains_key(name) {
            let before = match existing.iter().find(|it| it.name == name) {
                Some(evaluation) => points(evaluation).ok_or_else(|| taken(name))?,
                None => Vec::new(),
            };
            all.insert(name, before);
        }
        if let Some(points) = all.get_mut(name) {
            kept::add(points, metric.into());
        }
    }
    let mut written: Vec<&str> = Vec::new();
    for (name, points) in all {
        let score = points.last().map(|point| point.value);
        let sent = evaluations::keep(phoenix, run, name, score, json!({ "points": points }));
        match sent {
            Ok(()) => written.push(name),
            Err(error) if written.is_empty() => return Err(error),
            Err(error) => return Err(partial(metrics, &written, &error)),
        }
    }
    Ok(())
}

fn taken(name: &str) -> Error {
    Error::Conflict(format!(
        "the run has an evaluation `{name}`: give the metric another name"
    ))
}

/// What is left when some names were written.
fn partial(metrics: &[Metric], written: &[&str], failed: &Error) -> Error {
    let reason = error::message(failed);
    let rejected: Vec<RejectedItem> = (0..)
        .zip(metrics)
        .filter(|(_, metric)| !written.contains(&metric.name.as_str()))
        .map(|(index, _)| RejectedItem {
            index,
            reason: reason.clone(),
        })
        .collect();
    let accepted = metrics.len().saturating_sub(rejected.len());
    Error::Partial(PartialFailure {
        accepted: u32::try_from(accepted).unwrap_or(u32::MAX),
        rejected,
    })
}
