//! Datasets of a project, without their records.

use std::collections::BTreeMap;

use roost_provider::http::Request;
use roost_provider::{Error, error};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::bindings::dataset_store::{Dataset, DatasetRef, NewDataset};
use crate::mlflow::{Mlflow, answer, ask};
use crate::search::{MILLISECOND, quoted};
use crate::{Result, projects};

/// The most datasets that one search gives.
const MOST: u32 = 1_000;

/// The tags under which Roost keeps what datasets of MLflow have no place for.
const DESCRIPTION: &str = "roost.description";
const METADATA: &str = "roost.metadata";

/// A dataset as MLflow has it. What is structured comes as text that is JSON.
#[derive(Deserialize)]
pub(crate) struct Record {
    pub(crate) dataset_id: String,
    pub(super) name: String,
    tags: Option<String>,
    profile: Option<String>,
    created_time: Option<u64>,
    last_update_time: Option<u64>,
}

impl Record {
    /// When it was created, in milliseconds.
    pub(super) fn created(&self) -> u64 {
        self.created_time.unwrap_or_default()
    }
}

impl From<Record> for Dataset {
    fn from(record: Record) -> Self {
        #[derive(Default, Deserialize)]
        struct Profile {
            num_records: u64,
        }

        let tags = record.tags.as_deref().map(serde_json::from_str);
        let mut tags: BTreeMap<String, Value> = tags.and_then(Result::ok).unwrap_or_default();
        let mut tag = |key: &str| match tags.remove(key) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        let profile = record.profile.as_deref().map(serde_json::from_str);
        // One that was never filled has no profile.
        let profile: Profile = profile.and_then(Result::ok).unwrap_or_default();
        Self {
            id: record.dataset_id,
            name: record.name,
            description: tag(DESCRIPTION).unwrap_or_default(),
            metadata: tag(METADATA),
            version: None,
            record_count: Some(profile.num_records),
            created_at: record.created_time.map(|time| time * MILLISECOND),
            updated_at: record.last_update_time.map(|time| time * MILLISECOND),
        }
    }
}

/// A `POST` to the API for datasets.
pub(super) fn api<'m>(mlflow: &'m Mlflow, path: &[&str]) -> Request<'m> {
    mlflow.http.post(&whole(path))
}

/// The path of the API for datasets.
pub(super) fn whole<'p>(path: &[&'p str]) -> Vec<&'p str> {
    [&["api", "3.0", "mlflow", "datasets"], path].concat()
}

/// The tags of a new dataset, as MLflow takes them.
pub(super) fn tags(dataset: &NewDataset) -> Result<String> {
    let mut tags = BTreeMap::new();
    if !dataset.description.is_empty() {
        tags.insert(DESCRIPTION, dataset.description.as_str());
    }
    if let Some(metadata) = &dataset.metadata {
        super::records::object("the metadata", metadata)?;
        tags.insert(METADATA, metadata);
    }
    Ok(json!(tags).to_string())
}

/// The datasets of an experiment, oldest first; those of a name, or all.
pub(super) fn all(mlflow: &Mlflow, experiment: &str, name: Option<&str>) -> Result<Vec<Record>> {
    #[derive(Deserialize)]
    struct Found {
        #[serde(default)]
        datasets: Vec<Record>,
        next_page_token: Option<String>,
    }

    // What cannot be asked for is looked for here.
    let filter = name.and_then(quoted).map(|name| format!("name = {name}"));
    let mut all = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let found: Found = ask(api(mlflow, &["search"])
            .json(&json!({
                "experiment_ids": [experiment],
                "filter_string": filter,
                "max_results": MOST,
                "order_by": ["created_time ASC"],
                "page_token": token,
            }))?
            .repeatable())?;
        all.extend(found.datasets);
        token = found.next_page_token.filter(|token| !token.is_empty());
        if token.is_none() {
            break;
        }
    }
    all.retain(|dataset| name.is_none_or(|name| dataset.name == name));
    all.sort_by(|left, right| {
        (left.created(), &left.dataset_id).cmp(&(right.created(), &right.dataset_id))
    });
    Ok(all)
}

/// The dataset of a name; the oldest, where others made several.
pub(super) fn by_name(mlflow: &Mlflow, experiment: &str, name: &str) -> Result<Option<Record>> {
    Ok(all(mlflow, experiment, Some(name))?.into_iter().next())
}

/// The dataset, if it is the project's.
pub(super) fn visible(mlflow: &Mlflow, project: &str, dataset: &DatasetRef) -> Result<Record> {
    let experiment = match projects::id(mlflow, project) {
        Ok(experiment) => experiment,
        Err(Error::NotFound(_)) => return Err(unknown(project, dataset)),
        Err(error) => return Err(error),
    };
    let found = match dataset {
        DatasetRef::Name(name) => by_name(mlflow, &experiment, name)?,
        DatasetRef::Id(id) => by_id(mlflow, &experiment, id)?,
    };
    found.ok_or_else(|| unknown(project, dataset))
}

/// The dataset of an id, if it is tied to the experiment.
pub(crate) fn by_id(mlflow: &Mlflow, experiment: &str, id: &str) -> Result<Option<Record>> {
    #[derive(Deserialize)]
    struct Tied {
        #[serde(default)]
        experiment_ids: Vec<String>,
    }

    let found = match get(mlflow, id) {
        Err(Error::NotFound(_) | Error::InvalidArgument(_)) => return Ok(None),
        found => found?,
    };
    let tied: Tied = ask(mlflow.http.get(&whole(&[id, "experiment-ids"])))?;
    let is_own = tied.experiment_ids.iter().any(|it| it == experiment);
    Ok(Some(found).filter(|_| is_own))
}

/// The dataset of an id, whosever it is.
pub(super) fn get(mlflow: &Mlflow, id: &str) -> Result<Record> {
    #[derive(Deserialize)]
    struct Found {
        dataset: Record,
    }

    let found: Found = ask(mlflow.http.get(&whole(&[id])))?;
    Ok(found.dataset)
}

/// Delete a dataset, whosever it is.
pub(super) fn delete(mlflow: &Mlflow, id: &str) -> Result<()> {
    answer(mlflow.http.delete(&whole(&[id]))).map(|_| ())
}

/// The error for a name that is taken.
pub(super) fn exists(project: &str, name: &str) -> Error {
    Error::Conflict(format!(
        "project `{project}` has a dataset `{name}` already: append to it, or give another name"
    ))
}

fn unknown(project: &str, dataset: &DatasetRef) -> Error {
    let (DatasetRef::Id(which) | DatasetRef::Name(which)) = dataset;
    error::not_found(format!("project `{project}` has no dataset `{which}`"))
}
