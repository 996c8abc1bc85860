//! Runs of an experiment, read.

use roost_provider::types::PageRequest;
use roost_provider::{Error, cursor, error};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::experiment::Found;
use super::mlflow_run::{self, KIND, MlflowRun, PARENT, RUN};
use super::{evaluations, long_tag, metrics};
use crate::Result;
use crate::bindings::experiment_store::{NewEvaluation, NewRun, Run, RunPage};
use crate::mlflow::Mlflow;
use crate::search;

/// The tags of a run: what was written, and when in nanoseconds with leading zeros, by which they
/// are ordered.
pub(super) const KEPT: &str = "roost.run";
pub(super) const WRITTEN: &str = "roost.written";

/// How many runs a page holds at the most: the values of each metric of each are a request.
const AT_A_TIME: u32 = 50;

const MARK: &str = "run";

/// What Roost keeps of a run.
#[derive(Deserialize, Serialize)]
pub(super) struct Kept {
    pub(super) record: Option<String>,
    pub(super) repetition: u32,
    pub(super) inputs: Option<Value>,
    pub(super) outputs: Option<Value>,
    pub(super) error: Option<String>,
    pub(super) start_time: u64,
    pub(super) end_time: u64,
    pub(super) trace_id: Option<String>,
    pub(super) metadata: Option<Value>,
}

/// What was written of a run.
pub(super) fn kept(run: &MlflowRun) -> Option<Kept> {
    serde_json::from_str(&long_tag::join(&run.data.tags, KEPT)?).ok()
}

/// The conditions that a run is one of the experiment's.
pub(super) fn conditions(id: &str) -> Result<Vec<String>> {
    Ok(vec![
        format!("tags.`{PARENT}` = {}", search::text(id)?),
        format!("tags.`{KIND}` = '{RUN}'"),
    ])
}

/// The runs of the experiment `id` that are whole.
pub(super) fn all(mlflow: &Mlflow, experiment: &str, id: &str) -> Result<Vec<MlflowRun>> {
    let mut conditions = conditions(id)?;
    conditions.push("attributes.status != 'RUNNING'".to_owned());
    mlflow_run::search_all(mlflow, experiment, &conditions)
}

/// The ids of its runs, whole or not.
pub(super) fn ids(mlflow: &Mlflow, experiment: &str, id: &str) -> Result<Vec<String>> {
    let runs = mlflow_run::search_all(mlflow, experiment, &conditions(id)?)?;
    Ok(runs.into_iter().map(|run| run.info.run_id).collect())
}

/// The run of an id, if it is one of the experiment's.
pub(super) fn find(mlflow: &Mlflow, experiment: &Found, id: &str) -> Result<MlflowRun> {
    let parent = &experiment.run.info.run_id;
    let unknown = || error::not_found(format!("experiment `{parent}` has no run `{id}`"));
    let run = match mlflow_run::get(mlflow, id) {
        Err(Error::NotFound(_) | Error::InvalidArgument(_)) => return Err(unknown()),
        found => found?,
    };
    let is_own = run.is(RUN) && run.data.tags.get(PARENT) == Some(parent);
    Some(run).filter(|_| is_own).ok_or_else(unknown)
}

/// A page of runs in the order in which they were written.
pub(super) fn page(mlflow: &Mlflow, experiment: &Found, page: &PageRequest) -> Result<RunPage> {
    let token = page.cursor.as_deref();
    let token = token
        .map(|cursor| cursor::unmark(MARK, cursor))
        .transpose()?;
    let info = &experiment.run.info;
    let mut conditions = conditions(&info.run_id)?;
    conditions.push("attributes.status != 'RUNNING'".to_owned());
    let mut found = mlflow_run::search(
        mlflow,
        &info.experiment_id,
        &conditions,
        &format!("tags.`{WRITTEN}` ASC"),
        page.limit.min(AT_A_TIME),
        token,
    )?;
    let cursor = found.token().map(|token| cursor::mark(MARK, &token));
    let mut runs = Vec::with_capacity(found.runs.len());
    for run in found.runs {
        // One that somebody else made like ours is none.
        if let Some(kept) = kept(&run) {
            runs.push(whole(mlflow, run, kept)?);
        }
    }
    Ok(RunPage { runs, cursor })
}

fn whole(mlflow: &Mlflow, run: MlflowRun, kept: Kept) -> Result<Run> {
    let text = |value: Option<Value>| value.map(|value| value.to_string());
    let evaluations = evaluations::of(&run);
    Ok(Run {
        content: NewRun {
            record_id: kept.record,
            repetition: kept.repetition,
            inputs: text(kept.inputs),
            outputs: text(kept.outputs),
            error: kept.error,
            start_time: kept.start_time,
            end_time: kept.end_time,
            trace_id: kept.trace_id,
            metadata: text(kept.metadata),
            metrics: metrics::read(mlflow, &run)?,
        },
        evaluations: evaluations.into_iter().map(NewEvaluation::from).collect(),
        id: run.info.run_id,
    })
}
