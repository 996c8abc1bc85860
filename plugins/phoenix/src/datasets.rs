//! `dataset-store`. Phoenix has one name space of datasets for all projects, so each has its
//! project in its name, see [`name`]. REST writes and lists them; GraphQL reads records page
//! by page and with their splits.

mod find;
mod name;
mod read;
mod upload;

use roost_provider::types::PageRequest;

pub(crate) use find::{Record, all, check_version, find, unknown, visible};
pub(crate) use upload::ensure_hidden;

use crate::bindings::dataset_store::{
    Dataset, DatasetPage, DatasetRef, Guest, NewDataset, NewRecord, RecordPage, VersionPage,
};
use crate::phoenix::phoenix;
use crate::{Provider, Result};

impl Guest for Provider {
    fn create_dataset(project: String, dataset: NewDataset) -> Result<Dataset> {
        upload::create(phoenix()?, &project, &dataset)
    }

    fn append_records(
        project: String,
        dataset: DatasetRef,
        records: Vec<NewRecord>,
    ) -> Result<Dataset> {
        upload::append(phoenix()?, &project, &dataset, &records)
    }

    fn get_dataset(
        project: String,
        dataset: DatasetRef,
        version: Option<String>,
        page: PageRequest,
    ) -> Result<RecordPage> {
        read::records(phoenix()?, &project, &dataset, version.as_deref(), &page)
    }

    fn list_datasets(project: String, page: PageRequest) -> Result<DatasetPage> {
        find::list(phoenix()?, &project, &page)
    }

    fn list_versions(
        project: String,
        dataset: DatasetRef,
        page: PageRequest,
    ) -> Result<VersionPage> {
        read::versions(phoenix()?, &project, &dataset, &page)
    }

    fn delete_dataset(project: String, dataset: DatasetRef) -> Result<()> {
        let phoenix = phoenix()?;
        let found = visible(phoenix, &project, &dataset)?;
        let answer = phoenix.http.delete(&["v1", "datasets", &found.id]).send()?;
        if answer.status() == 404 {
            return Err(unknown(&project, &dataset));
        }
        answer.success().map(|_| ())
    }
}
