//! `dataset-store`.

use roost_provider::types::PageRequest;

use super::{breaks, instead_of_missing, internal, of_any_project};
use crate::bindings::dataset_store::{
    Dataset, DatasetPage, DatasetRef, Guest, NewDataset, NewRecord, RecordPage, VersionPage,
};
use crate::{Error, Provider, Result, Wrong};

impl Guest for Wrong {
    fn create_dataset(project: String, mut dataset: NewDataset) -> Result<Dataset> {
        if breaks("datasets.created") {
            dataset
                .records
                .iter_mut()
                .for_each(|record| record.split = None);
        }
        let name = DatasetRef::Name(dataset.name.clone());
        match Provider::create_dataset(project.clone(), dataset) {
            Err(Error::Conflict(_)) if breaks("datasets.taken") => {
                Ok(Provider::get_dataset(project, name, None, one())?.dataset)
            }
            answer => answer,
        }
    }

    fn append_records(
        project: String,
        dataset: DatasetRef,
        mut records: Vec<NewRecord>,
    ) -> Result<Dataset> {
        if breaks("datasets.appended") {
            records.truncate(1);
        }
        if breaks("datasets.keys") {
            records.iter_mut().for_each(|record| record.key = None);
        }
        Provider::append_records(project, dataset, records)
    }

    fn get_dataset(
        project: String,
        dataset: DatasetRef,
        version: Option<String>,
        page: PageRequest,
    ) -> Result<RecordPage> {
        let version = version.filter(|_| !breaks("datasets.versions"));
        let read = |project| {
            Provider::get_dataset(project, dataset.clone(), version.clone(), page.clone())
        };
        let mut answer = read(project);
        if breaks("datasets.unknown") {
            answer = instead_of_missing(answer, internal);
        }
        if breaks("datasets.other-project") {
            answer = instead_of_missing(answer, || of_any_project(read));
        }
        let mut page = answer?;
        if breaks("datasets.pages") && page.cursor.is_some() {
            page.records.pop();
        }
        for record in &mut page.records {
            if breaks("datasets.large") && record.input.len() > 65_535 {
                record.input = "{}".to_owned();
            }
        }
        Ok(page)
    }

    fn list_datasets(project: String, page: PageRequest) -> Result<DatasetPage> {
        let mut page = Provider::list_datasets(project, page)?;
        if breaks("datasets.listed") {
            page.datasets.reverse();
        }
        Ok(page)
    }

    fn list_versions(
        project: String,
        dataset: DatasetRef,
        page: PageRequest,
    ) -> Result<VersionPage> {
        Provider::list_versions(project, dataset, page)
    }

    fn delete_dataset(project: String, dataset: DatasetRef) -> Result<()> {
        if breaks("datasets.deleted") {
            return Ok(());
        }
        Provider::delete_dataset(project, dataset)
    }
}

fn one() -> PageRequest {
    PageRequest {
        limit: 1,
        cursor: None,
    }
}
