//! Writing runs. A run is read when it has ended, so it is made with all that belongs to it and
//! ended last.

use std::collections::BTreeMap;

use roost_provider::{Error, error, time};
use serde_json::{Value, json};

use super::experiment::Found;
use super::mlflow_run::{self, KIND, PARENT, RUN};
use super::runs::{self, KEPT, Kept, WRITTEN};
use super::{long_tag, metrics};
use crate::bindings::experiment_store::NewRun;
use crate::mlflow::Mlflow;
use crate::{Result, datasets, search};

/// The tags by which a run of the same record is found.
const RECORD: &str = "roost.record";
const REPETITION: &str = "roost.repetition";

/// Write a run; returned is its id.
pub(super) fn write(mlflow: &Mlflow, experiment: &Found, run: &NewRun) -> Result<String> {
    check(mlflow, experiment, run)?;
    let kept = Kept {
        record: run.record_id.clone(),
        repetition: run.repetition,
        inputs: any("the inputs", run.inputs.as_deref())?,
        outputs: any("the outputs", run.outputs.as_deref())?,
        error: run.error.clone(),
        start_time: run.start_time,
        end_time: run.end_time,
        trace_id: run.trace_id.clone(),
        metadata: any("the metadata", run.metadata.as_deref())?,
    };
    let info = &experiment.run.info;
    let mut tags = long_tag::split(KEPT, &json!(kept).to_string())?;
    let mut tag = |key: &str, value: String| tags.push((key.to_owned(), value));
    tag(KIND, RUN.to_owned());
    tag(PARENT, info.run_id.clone());
    tag(WRITTEN, format!("{:020}", time::now()));
    let mut replaced = Vec::new();
    let mut name = info.run_name.clone();
    if let Some(record) = &run.record_id {
        replaced = failed(mlflow, experiment, record, run.repetition)?;
        tag(RECORD, record.clone());
        tag(REPETITION, run.repetition.to_string());
        name = format!("{record} {}", run.repetition);
    }
    let id = mlflow_run::create(mlflow, &info.experiment_id, &name, run.start_time, &tags)?;
    if let Err(error) = metrics::write(mlflow, &id, &BTreeMap::new(), &run.metrics) {
        // All of it, or nothing.
        mlflow_run::delete(mlflow, &id)?;
        return Err(error);
    }
    for old in replaced {
        mlflow_run::delete(mlflow, &old)?;
    }
    let status = if run.error.is_some() {
        "FAILED"
    } else {
        "FINISHED"
    };
    mlflow_run::end(mlflow, &id, status, run.end_time)?;
    Ok(id)
}

/// Whether the experiment can have the run.
fn check(mlflow: &Mlflow, experiment: &Found, run: &NewRun) -> Result<()> {
    let Some(dataset) = &experiment.kept.dataset else {
        return match run.record_id {
            None => Ok(()),
            Some(_) => Err(error::invalid_argument(
                "the experiment has no dataset: write its runs without a record",
            )),
        };
    };
    let Some(record) = &run.record_id else {
        return Err(error::invalid_argument(
            "the experiment runs over a dataset: name the record of the run by its id",
        ));
    };
    let repetitions = experiment.kept.repetitions;
    if !(1..=repetitions).contains(&run.repetition) {
        return Err(error::invalid_argument(format!(
            "the experiment has no repetition {}: count from 1 to {repetitions}",
            run.repetition
        )));
    }
    if datasets::contains(mlflow, dataset, record)? {
        Ok(())
    } else {
        Err(error::not_found(format!(
            "the dataset of the experiment has no record `{record}`"
        )))
    }
}

/// The ids of the runs of a record that failed, or were never finished.
fn failed(
    mlflow: &Mlflow,
    experiment: &Found,
    record: &str,
    repetition: u32,
) -> Result<Vec<String>> {
    let info = &experiment.run.info;
    let mut conditions = runs::conditions(&info.run_id)?;
    conditions.push(format!("tags.`{RECORD}` = {}", search::text(record)?));
    conditions.push(format!("tags.`{REPETITION}` = '{repetition}'"));
    let found = mlflow_run::search_all(mlflow, &info.experiment_id, &conditions)?;
    if found.iter().any(|run| run.info.status == "FINISHED") {
        return Err(Error::Conflict(format!(
            "repetition {repetition} of that record has a run that ended well, which is kept"
        )));
    }
    Ok(found.into_iter().map(|run| run.info.run_id).collect())
}

/// A text that is JSON of any type.
fn any(what: &str, json: Option<&str>) -> Result<Option<Value>> {
    json.map(serde_json::from_str)
        .transpose()
        .map_err(|why| error::invalid_argument(format!("{what} of the run are no JSON: {why}")))
}
