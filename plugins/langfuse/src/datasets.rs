//! `dataset-store`. Datasets belong to a project by their name, and each record is a request of its
//! own.

mod find;
mod items;
mod name;

use roost_provider::types::PageRequest;
use roost_provider::{Error, cursor, error, time};

pub(crate) use self::find::any;
use self::items::Plan;
use crate::bindings::dataset_store::{
    Dataset, DatasetPage, DatasetRef, Guest, NewDataset, NewRecord, RecordPage, VersionPage,
};
use crate::langfuse::langfuse;
use crate::{Provider, Result};

impl Guest for Provider {
    fn create_dataset(project: String, dataset: NewDataset) -> Result<Dataset> {
        let langfuse = langfuse()?;
        let stored = name::stored(&project, &dataset.name);
        let plan = Plan::of(&stored, &dataset.records)?;
        // Creating one that is there changes it.
        if find::by_stored_name(langfuse, &stored)?.is_some() {
            let name = &dataset.name;
            return Err(Error::Conflict(format!(
                "project `{project}` has a dataset `{name}` already: append to it, or give another \
                 name"
            )));
        }
        let made = find::create(langfuse, &stored, &dataset)?;
        let written = plan.carry_out(langfuse, &stored)?;
        Ok(made.changed(&project, &written, written.len() as u64))
    }

    fn append_records(
        project: String,
        dataset: DatasetRef,
        records: Vec<NewRecord>,
    ) -> Result<Dataset> {
        let langfuse = langfuse()?;
        let found = find::visible(langfuse, &project, &dataset)?;
        let written = Plan::of(&found.name, &records)?.carry_out(langfuse, &found.name)?;
        let count = items::count(langfuse, &found.name)?;
        Ok(found.changed(&project, &written, count))
    }

    fn get_dataset(
        project: String,
        dataset: DatasetRef,
        version: Option<String>,
        page: PageRequest,
    ) -> Result<RecordPage> {
        let langfuse = langfuse()?;
        let found = find::visible(langfuse, &project, &dataset)?;
        let (begun, last) = match &page.cursor {
            Some(cursor) => place(cursor).map(|(version, last)| (Some(version), Some(last)))?,
            None => (None, None),
        };
        let wanted = begun.map(str::to_owned).or(version);
        let wanted = wanted.map(|version| instant(&found, version)).transpose()?;
        let mut items = items::all(langfuse, &found.name, wanted)?;
        let mut dataset = found.changed(&project, &items, items.len() as u64);
        if let Some(wanted) = wanted {
            dataset.version = Some(time::format(wanted));
        }
        if let Some(last) = last {
            items.retain(|item| item.place() > last);
        }
        let is_last = items.len() <= page.limit as usize;
        items.truncate(page.limit as usize);
        let next = items.last().filter(|_| !is_last).map(|item| {
            let (created, place, id) = item.place();
            let version = dataset.version.as_deref().unwrap_or_default();
            cursor::mark("record", &format!("{version}|{created}|{place}|{id}"))
        });
        Ok(RecordPage {
            dataset,
            records: items.into_iter().map(items::Item::into_record).collect(),
            cursor: next,
        })
    }

    fn list_datasets(project: String, page: PageRequest) -> Result<DatasetPage> {
        let mut found = find::all(langfuse()?, &project)?;
        // Newest first.
        found.sort_by(|left, right| right.place().cmp(&left.place()));
        if let Some(cursor) = &page.cursor {
            let (created, id) = cursor::unmark("dataset", cursor)?
                .split_once(':')
                .ok_or_else(|| cursor::refusal(cursor))?;
            let created: u64 = created.parse().map_err(|_| cursor::refusal(cursor))?;
            found.retain(|it| it.place() < (created, id));
        }
        let is_last = found.len() <= page.limit as usize;
        found.truncate(page.limit as usize);
        let next = found.last().filter(|_| !is_last).map(|it| {
            let (created, id) = it.place();
            cursor::mark("dataset", &format!("{created}:{id}"))
        });
        Ok(DatasetPage {
            datasets: found.iter().map(|it| it.dataset(&project)).collect(),
            cursor: next,
        })
    }

    fn list_versions(
        project: String,
        dataset: DatasetRef,
        _page: PageRequest,
    ) -> Result<VersionPage> {
        find::visible(langfuse()?, &project, &dataset)?;
        Err(Error::Unsupported(
            "Langfuse lists no versions of a dataset: any time since it was made, such as \
             `2026-01-21T14:35:42Z`, is one"
                .to_owned(),
        ))
    }

    fn delete_dataset(project: String, dataset: DatasetRef) -> Result<()> {
        find::visible(langfuse()?, &project, &dataset)?;
        Err(Error::Unsupported(
            "Langfuse's API deletes no datasets: delete it in Langfuse's pages".to_owned(),
        ))
    }
}

/// The time that a version is.
fn instant(dataset: &find::Record, version: String) -> Result<u64> {
    time::parse(&version)
        .filter(|instant| *instant >= dataset.created_at)
        .ok_or_else(|| {
            error::not_found(format!(
                "the dataset has no version `{version}`: a version is a time since it was made, \
                 {}",
                time::format(dataset.created_at)
            ))
        })
}

/// The version, and the place of the last record, that a cursor names.
fn place(text: &str) -> Result<(&str, (u64, usize, &str))> {
    let parts = || {
        let mut parts = cursor::unmark("record", text).ok()?.splitn(4, '|');
        let (version, created) = (parts.next()?, parts.next()?.parse().ok()?);
        let (place, id) = (parts.next()?.parse().ok()?, parts.next()?);
        Some((version, (created, place, id)))
    };
    parts().ok_or_else(|| cursor::refusal(text))
}
