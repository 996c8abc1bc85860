//! Datasets of a project, without their records.

use std::collections::BTreeMap;

use roost_provider::{Error, error, time};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{items, name};
use crate::Result;
use crate::bindings::dataset_store::{Dataset, DatasetRef, NewDataset};
use crate::langfuse::{Langfuse, ask};

/// How many datasets come at a time.
const MOST: u32 = 100;

/// A dataset as Langfuse has it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    id: String,
    /// As it is stored.
    pub(super) name: String,
    description: Option<String>,
    #[serde(default)]
    metadata: Value,
    #[serde(deserialize_with = "time::deserialize")]
    pub(super) created_at: u64,
    #[serde(deserialize_with = "time::deserialize")]
    updated_at: u64,
}

impl Record {
    /// Where it comes among others.
    pub(super) fn place(&self) -> (u64, &str) {
        (self.created_at, &self.id)
    }

    /// As the contract has it, without its version.
    pub(super) fn dataset(&self, project: &str) -> Dataset {
        let metadata = self.metadata.as_object().filter(|it| !it.is_empty());
        Dataset {
            // By its own id Langfuse finds none.
            id: self.name.clone(),
            name: name::given(project, &self.name)
                .unwrap_or(&self.name)
                .to_owned(),
            description: self.description.clone().unwrap_or_default(),
            metadata: metadata.map(|it| json!(it).to_string()),
            version: None,
            record_count: None,
            created_at: Some(self.created_at),
            updated_at: Some(self.updated_at),
        }
    }

    /// The same with the version after the last change of these items, and how many there are.
    pub(super) fn changed(&self, project: &str, items: &[items::Item], count: u64) -> Dataset {
        let times = items.iter().map(|item| item.updated_at);
        let changed = times.max().unwrap_or_default().max(self.created_at);
        Dataset {
            version: Some(time::format(changed)),
            record_count: Some(count),
            updated_at: Some(changed.max(self.updated_at)),
            ..self.dataset(project)
        }
    }
}

/// All datasets of a project.
pub(super) fn all(langfuse: &Langfuse, project: &str) -> Result<Vec<Record>> {
    // Pages are counted from the newest: one that is made meanwhile shows another twice.
    let mut found = BTreeMap::new();
    each_page(langfuse, |page| {
        let own = |it: &Record| name::given(project, &it.name).is_some();
        found.extend(page.into_iter().filter(own).map(|it| (it.name.clone(), it)));
        true
    })?;
    Ok(found.into_values().collect())
}

/// The name of some dataset of a project.
pub(crate) fn any(langfuse: &Langfuse, project: &str) -> Result<Option<String>> {
    let mut any = None;
    each_page(langfuse, |page| {
        let mut names = page.iter().filter_map(|it| name::given(project, &it.name));
        any = names.next().map(str::to_owned);
        any.is_none()
    })?;
    Ok(any)
}

/// Hand each page of Langfuse's datasets to `take`, until it wants no more.
fn each_page(langfuse: &Langfuse, mut take: impl FnMut(Vec<Record>) -> bool) -> Result<()> {
    #[derive(Deserialize)]
    struct Found {
        data: Vec<Record>,
        meta: Meta,
    }

    for number in 1_u64.. {
        let found: Found = ask(langfuse
            .get(&["v2", "datasets"])
            .query("page", number)
            .query("limit", MOST))?;
        if !take(found.data) || number >= found.meta.total_pages {
            break;
        }
    }
    Ok(())
}

/// What a page that is counted says of the others.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Meta {
    pub(super) total_pages: u64,
    pub(super) total_items: u64,
}

/// The dataset, if it is the project's.
pub(super) fn visible(langfuse: &Langfuse, project: &str, dataset: &DatasetRef) -> Result<Record> {
    let found = match dataset {
        DatasetRef::Name(name) => by_stored_name(langfuse, &name::stored(project, name))?,
        DatasetRef::Id(id) if name::given(project, id).is_some() => by_stored_name(langfuse, id)?,
        DatasetRef::Id(_) => None,
    };
    let (DatasetRef::Id(which) | DatasetRef::Name(which)) = dataset;
    found.ok_or_else(|| error::not_found(format!("project `{project}` has no dataset `{which}`")))
}

/// The dataset that is stored under a name, whosever it is.
pub(super) fn by_stored_name(langfuse: &Langfuse, stored: &str) -> Result<Option<Record>> {
    match ask(langfuse.get(&["v2", "datasets", stored])) {
        Ok(found) => Ok(Some(found)),
        Err(Error::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Create a dataset without items.
pub(super) fn create(langfuse: &Langfuse, stored: &str, new: &NewDataset) -> Result<Record> {
    let metadata = new.metadata.as_deref();
    let metadata = metadata.map(|json| items::object("the metadata", json));
    ask(langfuse.post(&["v2", "datasets"]).json(&json!({
        "name": stored,
        "description": new.description,
        "metadata": metadata.transpose()?,
    }))?)
}
