//! Writing datasets. Only a synchronous upload says what it did.

use roost_provider::{Error, error};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use super::find::{Record, find, unknown, visible};
use super::{name, read};
use crate::bindings::dataset_store::{Dataset, DatasetRef, NewDataset, NewRecord};
use crate::phoenix::{Page, Phoenix};
use crate::{Result, metadata};

/// Create a dataset, in one step; its metadata come after, which an upload cannot carry.
pub(super) fn create(phoenix: &Phoenix, project: &str, dataset: &NewDataset) -> Result<Dataset> {
    let name = &dataset.name;
    if name.is_empty() || name == name::HIDDEN {
        return Err(error::invalid_argument(format!(
            "a dataset cannot be called `{name}`: give it another name"
        )));
    }
    let what = format!("dataset `{name}`");
    let ours = json!({ "project": project, "name": name });
    let metadata = metadata::join(&what, dataset.metadata.as_deref(), ours)?;
    let stored = name::stored(project, name);
    let upload = Upload::new("create", &stored, &dataset.description, &dataset.records)?;
    let written = upload.send(phoenix, false).map_err(|error| match error {
        Error::Conflict(_) => Error::Conflict(format!(
            "project `{project}` has a dataset `{name}` already: append to it, or delete it first"
        )),
        other => other,
    })?;
    let marked = phoenix.graphql::<serde::de::IgnoredAny>(
        "mutation ($id: ID!, $metadata: JSON!) {
            patchDataset(input: { datasetId: $id, metadata: $metadata }) { __typename }
        }",
        json!({ "id": written.dataset_id, "metadata": metadata }),
    );
    if let Err(error) = marked {
        // It was never there. Should that fail as well, the first failure says more.
        let _ = phoenix
            .http
            .delete(&["v1", "datasets", &written.dataset_id])
            .send();
        return Err(error);
    }
    let id = DatasetRef::Id(written.dataset_id);
    let found = visible(phoenix, project, &id)?;
    Ok(found.at(project, Some((written.version_id, None))))
}

/// Append records.
pub(super) fn append(
    phoenix: &Phoenix,
    project: &str,
    dataset: &DatasetRef,
    records: &[NewRecord],
) -> Result<Dataset> {
    let found = visible(phoenix, project, dataset)?;
    // A repetition finds its records there and leaves them out.
    let written = Upload::new("append", &found.name, "", records)?.send(phoenix, true)?;
    if written.dataset_id != found.id {
        // It was deleted meanwhile, and Phoenix made another one for the records.
        written.undo(phoenix)?;
        return Err(unknown(project, dataset));
    }
    // Where nothing was new, Phoenix names a version of that second, and not always the newest.
    let version = match written.num_created_examples {
        0 => read::newest(phoenix, &found.id)?,
        _ => Some(written.version_id),
    };
    let count = match &version {
        Some(version) => Some(read::count(phoenix, &found.id, version)?),
        None => None,
    };
    let found = visible(phoenix, project, &DatasetRef::Id(found.id))?;
    Ok(found.at(project, version.map(|version| (version, count))))
}

/// The dataset that experiments without one run over, with one record in it.
/// All of a project share it, so that Phoenix's pages can compare them.
pub(crate) fn ensure_hidden(phoenix: &Phoenix, project: &str) -> Result<Record> {
    let hidden = DatasetRef::Name(name::HIDDEN.to_owned());
    if let Some(found) = find(phoenix, project, &hidden)? {
        return Ok(found);
    }
    let record = NewRecord {
        key: None,
        input: json!({ "note": "Runs without a record; their inputs are in the evaluation \
                                `roost.run`." })
        .to_string(),
        output: None,
        metadata: None,
        split: None,
    };
    let stored = name::stored(project, name::HIDDEN);
    let description = "What experiments without a dataset run over. Kept by Roost.";
    let upload = Upload::new(
        "create",
        &stored,
        description,
        std::slice::from_ref(&record),
    )?;
    match upload.send(phoenix, false) {
        // Somebody else was faster.
        Ok(_) | Err(Error::Conflict(_)) => {}
        Err(error) => return Err(error),
    }
    find(phoenix, project, &hidden)?.ok_or_else(|| unknown(project, &hidden))
}

/// What an upload did.
#[derive(Deserialize)]
struct Written {
    dataset_id: String,
    version_id: String,
    num_created_examples: u64,
}

impl Written {
    /// Delete the dataset that an upload made. One that has another version as well is somebody
    /// else's, who was faster, and stays.
    fn undo(&self, phoenix: &Phoenix) -> Result<()> {
        let versions: Page<serde::de::IgnoredAny> = phoenix
            .http
            .get(&["v1", "datasets", &self.dataset_id, "versions"])
            .query("limit", 2)
            .send()?
            .json()?;
        if versions.data.len() > 1 || self.num_created_examples == 0 {
            return Ok(());
        }
        let deleted = phoenix
            .http
            .delete(&["v1", "datasets", &self.dataset_id])
            .send()?;
        deleted.success().map(|_| ())
    }
}

/// An upload as Phoenix takes it: a list for each part of the records.
#[derive(Serialize)]
struct Upload<'a> {
    action: &'static str,
    name: &'a str,
    description: &'a str,
    inputs: Vec<&'a RawValue>,
    outputs: Vec<&'a RawValue>,
    metadata: Vec<&'a RawValue>,
    example_ids: Vec<Option<&'a str>>,
    /// Left out where no record has one: records that are there already keep theirs then.
    #[serde(skip_serializing_if = "Option::is_none")]
    splits: Option<Vec<Option<&'a str>>>,
}

impl<'a> Upload<'a> {
    fn new(
        action: &'static str,
        name: &'a str,
        description: &'a str,
        records: &'a [NewRecord],
    ) -> Result<Self> {
        let mut upload = Self {
            action,
            name,
            description,
            inputs: Vec::with_capacity(records.len()),
            outputs: Vec::with_capacity(records.len()),
            metadata: Vec::with_capacity(records.len()),
            example_ids: records.iter().map(|it| it.key.as_deref()).collect(),
            splits: records
                .iter()
                .any(|it| it.split.is_some())
                .then(|| records.iter().map(|it| it.split.as_deref()).collect()),
        };
        for (place, record) in records.iter().enumerate() {
            let part = |what, json| object(place, what, json);
            upload.inputs.push(part("input", &record.input)?);
            let output = record.output.as_deref().unwrap_or("{}");
            upload.outputs.push(part("output", output)?);
            let metadata = record.metadata.as_deref().unwrap_or("{}");
            upload.metadata.push(part("metadata", metadata)?);
        }
        Ok(upload)
    }

    fn send(&self, phoenix: &Phoenix, repeatable: bool) -> Result<Written> {
        #[derive(Deserialize)]
        struct Answer {
            data: Written,
        }

        let request = phoenix
            .http
            .post(&["v1", "datasets", "upload"])
            .query("sync", true)
            .json(self)?;
        let request = if repeatable {
            request.repeatable()
        } else {
            request
        };
        request.send()?.json().map(|answer: Answer| answer.data)
    }
}

fn object<'j>(place: usize, what: &str, json: &'j str) -> Result<&'j RawValue> {
    match serde_json::from_str::<&RawValue>(json) {
        Ok(object) if object.get().starts_with('{') => Ok(object),
        _ => Err(error::invalid_argument(format!(
            "the {what} of record {place} is no JSON object"
        ))),
    }
}
