//! `dataset-store`: MLflow's evaluation datasets, those that are tied to the project's experiment.
//!
//! MLflow has no versions of them, and one record for each input. What it cannot hold is refused.

mod find;
mod records;

use roost_provider::types::PageRequest;
use roost_provider::{Error, cursor};
use serde::Deserialize;
use serde_json::json;

pub(crate) use self::find::by_id;
pub(crate) use self::records::{contains, object};
use crate::bindings::dataset_store::{
    Dataset, DatasetPage, DatasetRef, Guest, NewDataset, NewRecord, RecordPage, VersionPage,
};
use crate::mlflow::{ask, mlflow};
use crate::{Provider, Result, projects};

impl Guest for Provider {
    fn create_dataset(project: String, dataset: NewDataset) -> Result<Dataset> {
        #[derive(Deserialize)]
        struct Created {
            dataset: find::Record,
        }

        let mlflow = mlflow()?;
        let experiment = projects::ensured_id(mlflow, &project)?;
        if find::by_name(mlflow, &experiment, &dataset.name)?.is_some() {
            return Err(find::exists(&project, &dataset.name));
        }
        let plan = records::Plan::of(Vec::new(), &dataset.records)?;
        let tags = find::tags(&dataset)?;
        let created: Created = ask(find::api(mlflow, &["create"]).json(&json!({
            "name": dataset.name,
            "experiment_ids": [experiment],
            "tags": tags,
        }))?)?;
        // MLflow takes one name twice. Who came first stays.
        let first = find::by_name(mlflow, &experiment, &dataset.name)?;
        if first.is_some_and(|first| first.dataset_id != created.dataset.dataset_id) {
            find::delete(mlflow, &created.dataset.dataset_id)?;
            return Err(find::exists(&project, &dataset.name));
        }
        if let Err(error) = plan.carry_out(mlflow, &created.dataset.dataset_id) {
            // All of it, or nothing.
            find::delete(mlflow, &created.dataset.dataset_id)?;
            return Err(error);
        }
        find::get(mlflow, &created.dataset.dataset_id).map(Dataset::from)
    }

    fn append_records(
        project: String,
        dataset: DatasetRef,
        records: Vec<NewRecord>,
    ) -> Result<Dataset> {
        let mlflow = mlflow()?;
        let found = find::visible(mlflow, &project, &dataset)?;
        let present = records::all(mlflow, &found.dataset_id)?;
        records::Plan::of(present, &records)?.carry_out(mlflow, &found.dataset_id)?;
        find::get(mlflow, &found.dataset_id).map(Dataset::from)
    }

    fn get_dataset(
        project: String,
        dataset: DatasetRef,
        version: Option<String>,
        page: PageRequest,
    ) -> Result<RecordPage> {
        let mlflow = mlflow()?;
        let found = find::visible(mlflow, &project, &dataset)?;
        if version.is_some() {
            return Err(no_versions());
        }
        let (records, cursor) = records::page(mlflow, &found.dataset_id, &page)?;
        Ok(RecordPage {
            dataset: found.into(),
            records,
            cursor,
        })
    }

    fn list_datasets(project: String, page: PageRequest) -> Result<DatasetPage> {
        let mlflow = mlflow()?;
        let mut found = match projects::id(mlflow, &project) {
            Ok(experiment) => find::all(mlflow, &experiment, None)?,
            // A project without spans may have none.
            Err(Error::NotFound(_)) => Vec::new(),
            Err(error) => return Err(error),
        };
        // Newest first.
        found.reverse();
        if let Some(cursor) = &page.cursor {
            let (created, id) = cursor::unmark("dataset", cursor)?
                .split_once(':')
                .ok_or_else(|| cursor::refusal(cursor))?;
            let created: u64 = created.parse().map_err(|_| cursor::refusal(cursor))?;
            found.retain(|it| (it.created(), it.dataset_id.as_str()) < (created, id));
        }
        let is_last = found.len() <= page.limit as usize;
        found.truncate(page.limit as usize);
        let next = found.last().filter(|_| !is_last);
        let cursor =
            next.map(|it| cursor::mark("dataset", &format!("{}:{}", it.created(), it.dataset_id)));
        Ok(DatasetPage {
            datasets: found.into_iter().map(Dataset::from).collect(),
            cursor,
        })
    }

    fn list_versions(
        project: String,
        dataset: DatasetRef,
        _page: PageRequest,
    ) -> Result<VersionPage> {
        find::visible(mlflow()?, &project, &dataset)?;
        Err(no_versions())
    }

    fn delete_dataset(project: String, dataset: DatasetRef) -> Result<()> {
        let mlflow = mlflow()?;
        let found = find::visible(mlflow, &project, &dataset)?;
        find::delete(mlflow, &found.dataset_id)
    }
}

/// Delete all datasets of an experiment.
pub(crate) fn delete_all(mlflow: &crate::mlflow::Mlflow, experiment: &str) -> Result<()> {
    for dataset in find::all(mlflow, experiment, None)? {
        find::delete(mlflow, &dataset.dataset_id)?;
    }
    Ok(())
}

fn no_versions() -> Error {
    Error::Unsupported(
        "MLflow keeps no versions of datasets: only what one holds now can be read".to_owned(),
    )
}
