//! Runs as MLflow has them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::Result;
use crate::mlflow::{Mlflow, answer, ask};
use crate::projects::tags;
use crate::search::MILLISECOND;

/// The tag that tells what a run is for Roost, and its values.
pub(super) const KIND: &str = "roost.kind";
pub(super) const EXPERIMENT: &str = "experiment";
pub(super) const RUN: &str = "run";

/// The tag by which MLflow puts a run below another.
pub(super) const PARENT: &str = "mlflow.parentRunId";

/// How many runs come at a time: each may be long.
const AT_A_TIME: u32 = 200;

/// A run.
#[derive(Deserialize)]
pub(super) struct MlflowRun {
    pub(super) info: Info,
    #[serde(default)]
    pub(super) data: Data,
}

#[derive(Deserialize)]
pub(super) struct Info {
    pub(super) run_id: String,
    pub(super) experiment_id: String,
    #[serde(default)]
    pub(super) run_name: String,
    pub(super) status: String,
    /// In milliseconds.
    pub(super) start_time: Option<u64>,
    /// In milliseconds.
    pub(super) end_time: Option<u64>,
    #[serde(default)]
    pub(super) lifecycle_stage: String,
}

#[derive(Default, Deserialize)]
pub(super) struct Data {
    /// The last value of each name.
    #[serde(default)]
    pub(super) metrics: Vec<MlflowMetric>,
    #[serde(default, deserialize_with = "tags")]
    pub(super) tags: BTreeMap<String, String>,
}

/// A value of a metric.
#[derive(Clone, Deserialize)]
pub(super) struct MlflowMetric {
    pub(super) key: String,
    /// A text where it is no number that JSON has.
    pub(super) value: Value,
    /// In milliseconds.
    #[serde(default)]
    pub(super) timestamp: i64,
    #[serde(default)]
    pub(super) step: i64,
}

impl MlflowRun {
    pub(super) fn is(&self, kind: &str) -> bool {
        self.info.lifecycle_stage != "deleted"
            && self.data.tags.get(KIND).is_some_and(|it| it == kind)
    }

    pub(super) fn has_metric(&self, name: &str) -> bool {
        self.data.metrics.iter().any(|it| it.key == name)
    }
}

/// A part of what a search for runs finds.
#[derive(Deserialize)]
pub(super) struct Found {
    #[serde(default)]
    pub(super) runs: Vec<MlflowRun>,
    next_page_token: Option<String>,
}

impl Found {
    /// Where to go on, counted from the first.
    pub(super) fn token(&mut self) -> Option<String> {
        self.next_page_token
            .take()
            .filter(|token| !token.is_empty())
    }
}

/// The run of an id, whosever it is.
pub(super) fn get(mlflow: &Mlflow, id: &str) -> Result<MlflowRun> {
    #[derive(Deserialize)]
    struct Answer {
        run: MlflowRun,
    }

    let found: Answer = ask(mlflow.get("runs", "get").query("run_id", id))?;
    Ok(found.run)
}

/// Make a run that goes on; returned is its id. `start` is in nanoseconds.
pub(super) fn create(
    mlflow: &Mlflow,
    experiment: &str,
    name: &str,
    start: u64,
    tags: &[(String, String)],
) -> Result<String> {
    #[derive(Deserialize)]
    struct Answer {
        run: Created,
    }
    #[derive(Deserialize)]
    struct Created {
        info: Info,
    }

    let created: Answer = ask(mlflow.post("runs", "create").json(&json!({
        "experiment_id": experiment,
        "run_name": name,
        "start_time": start / MILLISECOND,
        "tags": as_list(tags),
    }))?)?;
    Ok(created.run.info.run_id)
}

/// Write tags and metrics of a run.
pub(super) fn log(
    mlflow: &Mlflow,
    id: &str,
    tags: &[(String, String)],
    metrics: &[Value],
) -> Result<()> {
    let request = mlflow.post("runs", "log-batch").json(&json!({
        "run_id": id,
        "tags": as_list(tags),
        "metrics": metrics,
    }))?;
    answer(request.repeatable()).map(|_| ())
}

/// End a run. `end` is in nanoseconds.
pub(super) fn end(mlflow: &Mlflow, id: &str, status: &str, end: u64) -> Result<()> {
    let request = mlflow.post("runs", "update").json(&json!({
        "run_id": id,
        "status": status,
        "end_time": end / MILLISECOND,
    }))?;
    answer(request.repeatable()).map(|_| ())
}

/// Mark a run as deleted, which is all that MLflow does before `mlflow gc`.
pub(super) fn delete(mlflow: &Mlflow, id: &str) -> Result<()> {
    let request = mlflow
        .post("runs", "delete")
        .json(&json!({ "run_id": id }))?;
    answer(request.repeatable()).map(|_| ())
}

/// Runs of an experiment for which all of `conditions` hold.
pub(super) fn search(
    mlflow: &Mlflow,
    experiment: &str,
    conditions: &[String],
    order_by: &str,
    limit: u32,
    token: Option<&str>,
) -> Result<Found> {
    ask(mlflow
        .post("runs", "search")
        .json(&json!({
            "experiment_ids": [experiment],
            "filter": conditions.join(" AND "),
            "max_results": limit.clamp(1, AT_A_TIME),
            "order_by": [order_by],
            "page_token": token,
        }))?
        .repeatable())
}

/// All of them, in the order in which they began.
pub(super) fn search_all(
    mlflow: &Mlflow,
    experiment: &str,
    conditions: &[String],
) -> Result<Vec<MlflowRun>> {
    let order_by = "attributes.start_time ASC";
    let mut all = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let mut found = search(
            mlflow,
            experiment,
            conditions,
            order_by,
            AT_A_TIME,
            token.as_deref(),
        )?;
        token = found.token();
        all.extend(found.runs);
        if token.is_none() {
            return Ok(all);
        }
    }
}

fn as_list(tags: &[(String, String)]) -> Vec<Value> {
    tags.iter()
        .map(|(key, value)| json!({ "key": key, "value": value }))
        .collect()
}
