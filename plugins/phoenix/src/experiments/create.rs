//! Creating experiments.

use roost_provider::error;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::experiment::{Found, Record};
use super::kept::Kept;
use crate::bindings::dataset_store::DatasetRef;
use crate::bindings::experiment_store::{Experiment, NewExperiment};
use crate::phoenix::Phoenix;
use crate::{Result, datasets, metadata};

/// The most repetitions that Phoenix's databases hold.
pub(super) const MOST_REPETITIONS: u32 = i32::MAX.unsigned_abs();

/// Create an experiment over a dataset of the project, or over its hidden one.
pub(super) fn create(
    phoenix: &Phoenix,
    project: &str,
    experiment: &NewExperiment,
) -> Result<Experiment> {
    #[derive(Serialize)]
    struct New<'a> {
        name: &'a str,
        description: &'a str,
        metadata: Map<String, Value>,
        version_id: Option<&'a str>,
        repetitions: u32,
    }
    #[derive(Deserialize)]
    struct Answer {
        data: Record,
    }

    // Phoenix answers status 500 to a number that is not above 0, keeps the experiment all the
    // same, and cannot list those of the dataset any more.
    if !(1..=MOST_REPETITIONS).contains(&experiment.repetitions) {
        return Err(error::invalid_argument(format!(
            "{} is no number of repetitions: give one from 1",
            experiment.repetitions
        )));
    }
    let what = format!("experiment `{}`", experiment.name);
    let ours = Kept::running().to_json();
    let new = New {
        name: &experiment.name,
        description: &experiment.description,
        metadata: metadata::join(&what, experiment.metadata.as_deref(), ours)?,
        version_id: experiment.dataset_version.as_deref(),
        repetitions: experiment.repetitions,
    };
    let dataset = match &experiment.dataset {
        Some(id) => datasets::visible(phoenix, project, &DatasetRef::Id(id.clone()))?,
        None => datasets::ensure_hidden(phoenix, project)?,
    };
    if let Some(version) = &experiment.dataset_version {
        // Phoenix would take a version of any dataset.
        datasets::check_version(phoenix, &dataset.id, version)?;
    }
    let answer = phoenix
        .http
        .post(&["v1", "datasets", &dataset.id, "experiments"])
        .json(&new)?
        .send()?;
    let Answer { data: record } = answer.json()?;
    let found = Found {
        record,
        hidden: dataset.is_hidden(project),
    };
    Ok(found.whole(Vec::new()))
}
