//! Listing experiments. Phoenix lists those of one dataset; a project has several.

use roost_provider::cursor;
use roost_provider::types::PageRequest;

use super::experiment::{Found, Record, summaries};
use crate::bindings::dataset_store::DatasetRef;
use crate::bindings::experiment_store::ExperimentPage;
use crate::phoenix::{MOST, Page, Phoenix};
use crate::{Result, datasets, global_id};

const LISTING: &str = "experiment";
const KIND: &str = "Experiment";

/// A page of the experiments of a project, or of one dataset of it. Ids grow as experiments are
/// made, so the first of every dataset together hold the first of all.
pub(super) fn page(
    phoenix: &Phoenix,
    project: &str,
    dataset: Option<&str>,
    page: &PageRequest,
) -> Result<ExperimentPage> {
    // Only those made before this row.
    let before = match &page.cursor {
        Some(cursor) => {
            let own = cursor::unmark(LISTING, cursor)?;
            let row = own.parse().ok().filter(|row: &u64| *row > 0);
            Some(row.ok_or_else(|| cursor::refusal(cursor))?)
        }
        None => None,
    };
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let mut found: Vec<(u64, Found)> = Vec::new();
    let mut more = false;
    for dataset in of_project(phoenix, project, dataset)? {
        let listed = listed(phoenix, &dataset.id, page.limit, before)?;
        more |= listed.next_cursor.is_some();
        let hidden = dataset.is_hidden(project);
        found.extend(listed.data.into_iter().map(|record| {
            let row = global_id::row(KIND, &record.id).unwrap_or_default();
            (row, Found { record, hidden })
        }));
        found.sort_by_key(|(row, _)| std::cmp::Reverse(*row));
        more |= found.len() > limit;
        found.truncate(limit);
    }
    let next = found.last().filter(|_| more).map(|(row, _)| *row);
    let ids: Vec<&str> = found.iter().map(|(_, it)| it.record.id.as_str()).collect();
    let mut summaries = summaries(phoenix, &ids)?;
    let experiments = found.into_iter().map(|(_, found)| {
        let runs = summaries.remove(&found.record.id).unwrap_or_default();
        found.listed(runs)
    });
    Ok(ExperimentPage {
        experiments: experiments.collect(),
        cursor: next.map(|row| cursor::mark(LISTING, &row.to_string())),
    })
}

/// The datasets to look at.
fn of_project(
    phoenix: &Phoenix,
    project: &str,
    dataset: Option<&str>,
) -> Result<Vec<datasets::Record>> {
    if let Some(id) = dataset {
        let id = DatasetRef::Id(id.to_owned());
        return datasets::visible(phoenix, project, &id).map(|found| vec![found]);
    }
    let mut all = Vec::new();
    let mut cursor = None;
    loop {
        let (found, next) = datasets::all(phoenix, project, MOST, cursor.as_deref())?;
        all.extend(found);
        cursor = next;
        if cursor.is_none() {
            return Ok(all);
        }
    }
}

fn listed(
    phoenix: &Phoenix,
    dataset: &str,
    limit: u32,
    before: Option<u64>,
) -> Result<Page<Record>> {
    // Phoenix's cursor is the id of the first to list.
    let first = before.map(|row| global_id::format(KIND, row - 1));
    phoenix
        .http
        .get(&["v1", "datasets", dataset, "experiments"])
        .query("limit", limit)
        .query_some("cursor", first)
        .send()?
        .json()
}
