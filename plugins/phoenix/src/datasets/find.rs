//! Finding the datasets of a project, by name, by id and all.

use roost_provider::types::PageRequest;
use roost_provider::{Error, cursor, error, time};
use serde::Deserialize;

use super::name;
use crate::bindings::dataset_store::{Dataset, DatasetPage, DatasetRef};
use crate::metadata::Metadata;
use crate::phoenix::{Page, Phoenix};
use crate::{Result, global_id};

/// A dataset as REST has it.
#[derive(Debug, Deserialize)]
pub(crate) struct Record {
    pub(crate) id: String,
    /// The name as it is stored.
    pub(crate) name: String,
    description: Option<String>,
    metadata: Metadata,
    #[serde(deserialize_with = "time::deserialize")]
    created_at: u64,
    #[serde(deserialize_with = "time::deserialize")]
    updated_at: u64,
    example_count: Option<u64>,
}

impl Record {
    /// Whether it is what experiments without a dataset run over.
    pub(crate) fn is_hidden(&self, project: &str) -> bool {
        name::given(project, &self.name) == Some(name::HIDDEN)
    }

    /// The dataset at a version, of which the number of records is known or is not.
    pub(super) fn at(self, project: &str, version: Option<(String, Option<u64>)>) -> Dataset {
        let (version, count) = version.unzip();
        Dataset {
            name: name::given(project, &self.name)
                .unwrap_or(&self.name)
                .to_owned(),
            id: self.id,
            description: self.description.unwrap_or_default(),
            metadata: self.metadata.given(),
            version,
            record_count: count.flatten().or(self.example_count),
            created_at: Some(self.created_at),
            updated_at: Some(self.updated_at),
        }
    }
}

/// A dataset of the project that its caller may see.
pub(crate) fn visible(phoenix: &Phoenix, project: &str, dataset: &DatasetRef) -> Result<Record> {
    find(phoenix, project, dataset)?
        .filter(|found| !found.is_hidden(project))
        .ok_or_else(|| unknown(project, dataset))
}

/// A dataset of the project, also a hidden one; none where there is none.
pub(crate) fn find(
    phoenix: &Phoenix,
    project: &str,
    dataset: &DatasetRef,
) -> Result<Option<Record>> {
    let request = phoenix.http.get(&["v1", "datasets"]).query("limit", 1);
    let found: Page<Record> = match dataset {
        DatasetRef::Name(name) => {
            let stored = name::stored(project, name);
            request.query("name", stored).send()?.json()?
        }
        // Asked for by its id, an empty dataset is a status of 500. The listing begins at its
        // cursor, and that is the id of the first to list.
        DatasetRef::Id(id) if global_id::row("Dataset", id).is_some() => {
            request.query("cursor", id).send()?.json()?
        }
        DatasetRef::Id(_) => return Ok(None),
    };
    Ok(found.data.into_iter().next().filter(|found| {
        let is_meant = match dataset {
            DatasetRef::Id(id) => found.id == *id,
            DatasetRef::Name(_) => true,
        };
        is_meant && name::is_of(project, &found.name)
    }))
}

/// The error for a dataset that the project does not have.
pub(crate) fn unknown(project: &str, dataset: &DatasetRef) -> Error {
    error::not_found(match dataset {
        DatasetRef::Id(id) => format!("project `{project}` has no dataset with the id `{id}`"),
        DatasetRef::Name(name) => format!("project `{project}` has no dataset `{name}`"),
    })
}

/// Refuse a version that is not of that dataset.
pub(crate) fn check_version(phoenix: &Phoenix, dataset: &str, version: &str) -> Result<()> {
    #[derive(Deserialize)]
    struct Version {
        version_id: String,
    }

    let exists = global_id::row("DatasetVersion", version).is_some() && {
        let found: Page<Version> = phoenix
            .http
            .get(&["v1", "datasets", dataset, "versions"])
            .query("cursor", version)
            .query("limit", 1)
            .send()?
            .json()?;
        found.data.iter().any(|found| found.version_id == version)
    };
    if exists {
        return Ok(());
    }
    Err(error::not_found(format!(
        "the dataset has no version `{version}`; list its versions"
    )))
}

/// The datasets of a project: Phoenix lists those of all, and the others are left out.
pub(super) fn list(phoenix: &Phoenix, project: &str, page: &PageRequest) -> Result<DatasetPage> {
    let (records, next) = all(phoenix, project, page.limit, page.cursor.as_deref())?;
    let visible = records.into_iter().filter(|it| !it.is_hidden(project));
    Ok(DatasetPage {
        datasets: visible.map(|it| it.at(project, None)).collect(),
        cursor: next,
    })
}

/// A page of the datasets of a project, hidden ones too, and the cursor of the next page.
pub(crate) fn all(
    phoenix: &Phoenix,
    project: &str,
    limit: u32,
    cursor: Option<&str>,
) -> Result<(Vec<Record>, Option<String>)> {
    const LISTING: &str = "dataset";

    let after = cursor.map(|it| own(LISTING, "Dataset", it)).transpose()?;
    let mut found: Page<Record> = phoenix
        .http
        .get(&["v1", "datasets"])
        .query("limit", limit)
        .query_some("cursor", after)
        .send()?
        .json()?;
    found.data.retain(|it| name::is_of(project, &it.name));
    let next = found.next_cursor.map(|next| cursor::mark(LISTING, &next));
    Ok((found.data, next))
}

/// Phoenix's cursor in one of ours, which is the id of a `kind`.
pub(super) fn own<'c>(listing: &str, kind: &str, cursor: &'c str) -> Result<&'c str> {
    let own = cursor::unmark(listing, cursor)?;
    match global_id::row(kind, own) {
        Some(_) => Ok(own),
        None => Err(cursor::refusal(cursor)),
    }
}
