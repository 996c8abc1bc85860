//! Metrics. MLflow wants a step and a time of each value. Where there is no step, it is the one
//! before the first, which MLflow counts from 0. Where there is no time, it is the one of writing,
//! and a tag remembers the metric's name.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use roost_provider::{error, time};
use serde::Deserialize;
use serde_json::json;

use super::mlflow_run::{self, MlflowMetric, MlflowRun};
use super::{evaluations, long_tag};
use crate::Result;
use crate::bindings::experiment_store::Metric;
use crate::mlflow::{Mlflow, ask};
use crate::search::MILLISECOND;

/// How many metrics are written at a time: MLflow takes a thousand, tags included.
const MOST: usize = 900;

/// How many values of a name come at a time.
const AT_A_TIME: u32 = 5_000;

const NO_STEP: i64 = -1;

/// The tag with the names of the metrics whose time nobody said.
const UNTIMED: &str = "roost.untimed";

/// Write metrics of a run that has these tags.
pub(super) fn write(
    mlflow: &Mlflow,
    run: &str,
    tags: &BTreeMap<String, String>,
    metrics: &[Metric],
) -> Result<()> {
    let mut untimed = untimed(tags);
    let before = untimed.len();
    untimed.extend(
        metrics
            .iter()
            .filter(|it| it.time.is_none())
            .map(|it| it.name.clone()),
    );
    let mut tags = Vec::new();
    if untimed.len() > before {
        tags = long_tag::split(UNTIMED, &json!(untimed).to_string())?;
    }
    let now = time::now() / MILLISECOND;
    // Of values of one step, the latest counts; two of one millisecond have no order.
    let mut written: HashMap<(&str, Option<u64>), u64> = HashMap::new();
    let mut values = Vec::with_capacity(metrics.len());
    for metric in metrics {
        let earlier = written.entry((&metric.name, metric.step)).or_default();
        let timestamp = match metric.time {
            Some(time) => time / MILLISECOND,
            None => now + *earlier,
        };
        *earlier += 1;
        let step = match metric.step {
            None => NO_STEP,
            Some(step) => i64::try_from(step).map_err(|_| {
                error::invalid_argument(format!("the step {step} is larger than MLflow counts"))
            })?,
        };
        values.push(json!({
            "key": metric.name,
            "value": metric.value,
            "timestamp": timestamp,
            "step": step,
        }));
    }
    for values in values.chunks(MOST) {
        mlflow_run::log(mlflow, run, &tags, values)?;
        tags.clear();
    }
    Ok(())
}

fn untimed(tags: &BTreeMap<String, String>) -> BTreeSet<String> {
    let names = long_tag::join(tags, UNTIMED);
    names
        .and_then(|json| serde_json::from_str(&json).ok())
        .unwrap_or_default()
}

/// All values of a run's metrics in the order of time.
pub(super) fn read(mlflow: &Mlflow, run: &MlflowRun) -> Result<Vec<Metric>> {
    let mut values = Vec::new();
    for last in own(run) {
        values.extend(history(mlflow, &run.info.run_id, &last.key)?);
    }
    values.sort_by_key(|value| (value.timestamp, value.step));
    let untimed = untimed(&run.data.tags);
    let values = values.into_iter();
    Ok(values.filter_map(|it| metric(it, &untimed)).collect())
}

/// The last value of each of a run's metrics.
pub(super) fn last(run: &MlflowRun) -> Vec<Metric> {
    let untimed = untimed(&run.data.tags);
    own(run)
        .cloned()
        .filter_map(|it| metric(it, &untimed))
        .collect()
}

/// The metrics that are no scores of evaluations.
fn own(run: &MlflowRun) -> impl Iterator<Item = &MlflowMetric> {
    let evaluations = evaluations::of(run);
    let metrics = run.data.metrics.iter();
    metrics.filter(move |it| !evaluations.iter().any(|other| other.name == it.key))
}

fn history(mlflow: &Mlflow, run: &str, name: &str) -> Result<Vec<MlflowMetric>> {
    #[derive(Deserialize)]
    struct Found {
        #[serde(default)]
        metrics: Vec<MlflowMetric>,
        next_page_token: Option<String>,
    }

    let mut all = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let found: Found = ask(mlflow
            .get("metrics", "get-history")
            .query("run_id", run)
            .query("metric_key", name)
            .query("max_results", AT_A_TIME)
            .query_some("page_token", token))?;
        all.extend(found.metrics);
        token = found.next_page_token.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(all);
        }
    }
}

/// The contract's metric; none for what is no number.
fn metric(value: MlflowMetric, untimed: &BTreeSet<String>) -> Option<Metric> {
    let time = u64::try_from(value.timestamp).ok();
    let time = time.filter(|_| !untimed.contains(&value.key));
    Some(Metric {
        value: value.value.as_f64()?,
        name: value.key,
        step: u64::try_from(value.step).ok(),
        time: time.map(|time| time * MILLISECOND),
    })
}
