//! Experiments: runs of MLflow that Roost made, with what has no place there in a tag.

use roost_provider::{Error, error, time};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::mlflow_run::{self, EXPERIMENT, KIND, MlflowRun};
use super::{long_tag, metrics, runs, summary};
use crate::bindings::experiment_store::{Experiment, ExperimentStatus, Metric, NewExperiment};
use crate::mlflow::Mlflow;
use crate::projects::DESCRIPTION;
use crate::search::{self, MILLISECOND};
use crate::{Result, datasets, projects};

/// The tags that hold what has no place elsewhere, and the dataset.
const KEPT: &str = "roost.experiment";
const DATASET: &str = "roost.dataset";

/// What Roost keeps of an experiment.
#[derive(Deserialize, Serialize)]
pub(super) struct Kept {
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Value>,
    pub(super) dataset: Option<String>,
    pub(super) repetitions: u32,
}

/// An experiment of the project.
pub(super) struct Found {
    pub(super) run: MlflowRun,
    pub(super) kept: Kept,
}

/// MLflow's name for a status.
pub(super) fn status_of(status: ExperimentStatus) -> &'static str {
    match status {
        ExperimentStatus::Running => "RUNNING",
        ExperimentStatus::Completed => "FINISHED",
        ExperimentStatus::Failed => "FAILED",
        ExperimentStatus::Cancelled => "KILLED",
    }
}

/// Make an experiment.
pub(super) fn create(mlflow: &Mlflow, project: &str, new: &NewExperiment) -> Result<Found> {
    if new.dataset_version.is_some() {
        return Err(Error::Unsupported(
            "MLflow keeps no versions of datasets: name none".to_owned(),
        ));
    }
    let experiment = projects::ensured_id(mlflow, project)?;
    if let Some(dataset) = &new.dataset
        && datasets::by_id(mlflow, &experiment, dataset)?.is_none()
    {
        return Err(error::not_found(format!(
            "project `{project}` has no dataset `{dataset}`"
        )));
    }
    let metadata = new.metadata.as_deref();
    let metadata = metadata.map(|json| datasets::object("the metadata", json));
    let kept = Kept {
        metadata: metadata.transpose()?.map(Value::Object),
        dataset: new.dataset.clone(),
        repetitions: new.repetitions,
    };
    let mut tags = long_tag::split(KEPT, &json!(kept).to_string())?;
    tags.push((KIND.to_owned(), EXPERIMENT.to_owned()));
    tags.push((DESCRIPTION.to_owned(), new.description.clone()));
    tags.extend(new.dataset.clone().map(|id| (DATASET.to_owned(), id)));
    let id = mlflow_run::create(mlflow, &experiment, &new.name, time::now(), &tags)?;
    find(mlflow, project, &id)
}

/// The experiment of an id, if it is the project's.
pub(super) fn find(mlflow: &Mlflow, project: &str, id: &str) -> Result<Found> {
    let unknown = || error::not_found(format!("project `{project}` has no experiment `{id}`"));
    let experiment = match projects::id(mlflow, project) {
        Err(Error::NotFound(_)) => return Err(unknown()),
        found => found?,
    };
    let run = match mlflow_run::get(mlflow, id) {
        Err(Error::NotFound(_) | Error::InvalidArgument(_)) => return Err(unknown()),
        found => found?,
    };
    if run.info.experiment_id != experiment {
        return Err(unknown());
    }
    Found::of(run).ok_or_else(unknown)
}

/// The experiments of a project, newest first; with `dataset`, those over that one.
pub(super) fn all(mlflow: &Mlflow, experiment: &str, dataset: Option<&str>) -> Result<Vec<Found>> {
    let mut conditions = vec![format!("tags.`{KIND}` = '{EXPERIMENT}'")];
    if let Some(dataset) = dataset {
        conditions.push(format!("tags.`{DATASET}` = {}", search::text(dataset)?));
    }
    let found = mlflow_run::search_all(mlflow, experiment, &conditions)?;
    let mut found: Vec<Found> = found.into_iter().filter_map(Found::of).collect();
    found.sort_by(|left, right| right.place().cmp(&left.place()));
    Ok(found)
}

impl Found {
    fn of(run: MlflowRun) -> Option<Self> {
        if !run.is(EXPERIMENT) {
            return None;
        }
        let kept = long_tag::join(&run.data.tags, KEPT)?;
        let kept = serde_json::from_str(&kept).ok()?;
        Some(Self { run, kept })
    }

    /// Where it comes among the others.
    pub(super) fn place(&self) -> (u64, &str) {
        let info = &self.run.info;
        (info.start_time.unwrap_or_default(), info.run_id.as_str())
    }

    /// As it is read, with all values of its metrics.
    pub(super) fn whole(self, mlflow: &Mlflow) -> Result<Experiment> {
        let metrics = metrics::read(mlflow, &self.run)?;
        self.with(mlflow, metrics)
    }

    /// As it is listed, with the last value of each metric.
    pub(super) fn listed(self, mlflow: &Mlflow) -> Result<Experiment> {
        let metrics = metrics::last(&self.run);
        self.with(mlflow, metrics)
    }

    fn with(self, mlflow: &Mlflow, metrics: Vec<Metric>) -> Result<Experiment> {
        let Self { run, kept } = self;
        let runs = runs::all(mlflow, &run.info.experiment_id, &run.info.run_id)?;
        let count = |status: &str| runs.iter().filter(|it| it.info.status == status).count() as u64;
        let status = match run.info.status.as_str() {
            "FINISHED" => ExperimentStatus::Completed,
            "FAILED" => ExperimentStatus::Failed,
            "KILLED" => ExperimentStatus::Cancelled,
            _ => ExperimentStatus::Running,
        };
        let finished = run
            .info
            .end_time
            .filter(|_| status != ExperimentStatus::Running);
        Ok(Experiment {
            successful_runs: count("FINISHED"),
            failed_runs: count("FAILED"),
            runs: summary::of(&runs),
            id: run.info.run_id,
            name: run.info.run_name,
            description: run.data.tags.get(DESCRIPTION).cloned().unwrap_or_default(),
            metadata: kept.metadata.map(|it| it.to_string()),
            dataset: kept.dataset,
            dataset_version: None,
            repetitions: kept.repetitions,
            status,
            metrics,
            created_at: run.info.start_time.map(|time| time * MILLISECOND),
            finished_at: finished.map(|time| time * MILLISECOND),
        })
    }
}
