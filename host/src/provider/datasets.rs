//! Datasets: created, filled, read and deleted.

use std::collections::HashMap;
use std::fmt::Display;

use super::paging::Paging;
use super::query::SpanQuery;
use super::record_pages::RecordPages;
use super::{MAX_ITEMS, Provider, new_record};
use crate::contract::{
    AttributeValue, Condition, Dataset, DatasetRecord, DatasetRef, Error, Field, NewDataset,
    NewRecord, PartialFailure, Predicate, ProviderError, RejectedItem, Span, SpanRef, TimeWindow,
    Version,
};

const CREATE: &str = "create-dataset";
const APPEND: &str = "append-records";
pub(super) const GET: &str = "get-dataset";
const LIST: &str = "list-datasets";
const LIST_VERSIONS: &str = "list-versions";
const DELETE: &str = "delete-dataset";

/// How many spans are asked for at once.
const SPANS_AT_ONCE: usize = 200;

/// Datasets of a [`Provider`]. Each belongs to a project, and names are unique in one.
pub struct DatasetStore<'a> {
    provider: &'a Provider,
}

impl<'a> DatasetStore<'a> {
    pub(super) fn new(provider: &'a Provider) -> Self {
        Self { provider }
    }

    /// Create a dataset, which can be read when this returns.
    ///
    /// More records than the backend takes in one call are appended part by part, and every
    /// part makes a version; returned is the dataset with the last one.
    ///
    /// # Errors
    ///
    /// [`Error::Conflict`] when the project has a dataset of that name;
    /// [`Error::InvalidArgument`] for a dataset without a name and for records that are none,
    /// naming the first, and for a record without a key whose content another has that is
    /// written in an earlier call; [`Error::Partial`] when the dataset was created and not all
    /// of its records were written, with the place of the first that was not: none behind it
    /// was.
    pub async fn create_dataset(
        &self,
        project: &str,
        mut dataset: NewDataset,
    ) -> Result<Dataset, ProviderError> {
        let provider = self.provider;
        provider.admit(CREATE, project)?;
        dataset
            .check()
            .map_err(|why| provider.invalid(CREATE, why))?;
        let mut parts = provider.batches(CREATE, &dataset.records)?;
        new_record::check_parts(parts.clone()).map_err(|why| provider.invalid(CREATE, why))?;
        let first = parts.next().map_or(0, <[NewRecord]>::len);
        let rest = dataset.records.split_off(first);
        let new = &dataset;
        let created = provider
            .write(CREATE, project, async |store, guests| {
                let guest = guests.datasets()?;
                guest.call_create_dataset(store, project, new).await
            })
            .await?;
        let id = DatasetRef::Id(created.id.clone());
        let appended = self.append(CREATE, project, &id, &rest, first).await?;
        Ok(appended.unwrap_or(created))
    }

    /// Create a dataset of spans: their records, as [`NewRecord::from_span`] makes them, come
    /// behind those that `dataset` holds, in the order of `spans`.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] naming spans that do not exist, and then nothing was created;
    /// otherwise as [`create_dataset`](Self::create_dataset).
    pub async fn create_from_spans(
        &self,
        project: &str,
        mut dataset: NewDataset,
        spans: &[SpanRef],
    ) -> Result<Dataset, ProviderError> {
        let provider = self.provider;
        provider.admit(CREATE, project)?;
        for span in spans {
            span.check().map_err(|why| provider.invalid(CREATE, why))?;
        }
        if spans.len() > MAX_ITEMS {
            return Err(provider.too_many(CREATE, "spans"));
        }
        for part in spans.chunks(SPANS_AT_ONCE) {
            let found = self.spans(project, part).await?;
            let records = part.iter().map(|span| {
                let found = found.get(&span.span_id);
                found
                    .filter(|it| span.trace_id.is_empty() || span.trace_id == it.trace_id)
                    .map(NewRecord::from_span)
                    .ok_or(span.span_id.as_str())
            });
            let (records, missing): (Vec<_>, Vec<_>) = records.partition(Result::is_ok);
            if !missing.is_empty() {
                let missing: Vec<&str> = missing.into_iter().filter_map(Result::err).collect();
                return Err(provider.error(CREATE, not_found(project, &missing)));
            }
            dataset.records.extend(records.into_iter().flatten());
        }
        self.create_dataset(project, dataset).await
    }

    /// Those of some spans that are there, by their ids.
    async fn spans(
        &self,
        project: &str,
        spans: &[SpanRef],
    ) -> Result<HashMap<String, Span>, ProviderError> {
        let ids = spans.iter();
        let ids = ids.map(|span| AttributeValue::Text(span.span_id.clone()));
        let query = SpanQuery::new(project, TimeWindow::all())
            .filter(Predicate {
                field: Field::SpanId,
                condition: Condition::OneOf(ids.collect()),
            })
            .limit(spans.len());
        // What is kept may be older than a span that came in since.
        let provider = self.provider.uncached();
        let found = provider.traces().get_spans(&query).await?;
        Ok(found
            .into_iter()
            .map(|span| (span.span_id.clone(), span))
            .collect())
    }

    /// Add records, in as many calls as the backend's limits ask for; each makes a version.
    /// A record with the key of one that is there replaces it; one without a key whose content
    /// is there already may be left out. Returned is the dataset with the last version that
    /// was made.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] for a dataset that does not exist; [`Error::InvalidArgument`] for
    /// no records, for records that are none, and for a record without a key whose content
    /// another has that is written in an earlier call; [`Error::Partial`] when some were
    /// written, with the place of the first that was not: none behind it was.
    pub async fn append_to_dataset(
        &self,
        project: &str,
        dataset: &DatasetRef,
        records: &[NewRecord],
    ) -> Result<Dataset, ProviderError> {
        let provider = self.provider;
        provider.admit(APPEND, project)?;
        dataset
            .check()
            .and_then(|()| new_record::check_records(records))
            .map_err(|why| provider.invalid(APPEND, why))?;
        new_record::check_parts(provider.batches(APPEND, records)?)
            .map_err(|why| provider.invalid(APPEND, why))?;
        let appended = self.append(APPEND, project, dataset, records, 0).await?;
        appended.ok_or_else(|| provider.invalid(APPEND, "there are no records to append"))
    }

    /// Append records behind the `written` ones; none where there are none.
    async fn append(
        &self,
        operation: &'static str,
        project: &str,
        dataset: &DatasetRef,
        records: &[NewRecord],
        mut written: usize,
    ) -> Result<Option<Dataset>, ProviderError> {
        let provider = self.provider;
        let begun = operation == CREATE;
        let all = written + records.len();
        let mut last = None;
        for part in provider.batches(operation, records)? {
            let appended = provider
                .write(operation, project, async |store, guests| {
                    let guest = guests.datasets()?;
                    guest
                        .call_append_records(store, project, dataset, part)
                        .await
                })
                .await;
            match appended {
                Ok(dataset) => last = Some(dataset),
                // While nothing was written, the error itself says more than a list would.
                Err(error) if written == 0 && !begun => return Err(error),
                Err(error) => {
                    let left = partial(written, all, &error);
                    return Err(provider.error(operation, left));
                }
            }
            written += part.len();
        }
        Ok(last)
    }

    /// A dataset and all its records, of a version or of the newest.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] for a dataset or a version that does not exist;
    /// [`Error::InvalidArgument`] for more than 100,000 records, which
    /// [`pages`](Self::pages) reads.
    pub async fn get_dataset(
        &self,
        project: &str,
        dataset: &DatasetRef,
        version: Option<&str>,
    ) -> Result<(Dataset, Vec<DatasetRecord>), ProviderError> {
        let mut pages = self.pages(project, dataset, version)?;
        let mut records = Vec::new();
        while let Some(page) = pages.next().await? {
            records.extend(page);
            if records.len() > MAX_ITEMS {
                return Err(self.provider.too_many(GET, "records in this dataset"));
            }
        }
        match pages.dataset() {
            Some(dataset) => Ok((dataset.clone(), records)),
            None => {
                let why = "it answered no dataset".to_owned();
                Err(self.provider.error(GET, Error::Internal(why)))
            }
        }
    }

    /// The records of a dataset page by page, of a version or of the newest: all pages are of
    /// one version, whatever is appended meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] for an empty name, id or version;
    /// [`Error::PermissionDenied`] for a project that is not in this handle's scope.
    pub fn pages(
        &self,
        project: &str,
        dataset: &DatasetRef,
        version: Option<&str>,
    ) -> Result<RecordPages<'a>, ProviderError> {
        let provider = self.provider;
        provider.admit(GET, project)?;
        dataset
            .check()
            .and_then(|()| match version {
                Some(version) => new_record::check_id("version", version),
                None => Ok(()),
            })
            .map_err(|why| provider.invalid(GET, why))?;
        RecordPages::begin(provider, project, dataset, version)
    }

    /// The datasets of a project, newest first. Backends that would have to be asked for each
    /// leave the versions out.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] for more than 100,000 datasets.
    pub async fn list_datasets(&self, project: &str) -> Result<Vec<Dataset>, ProviderError> {
        let provider = self.provider;
        provider.admit(LIST, project)?;
        let mut datasets = Vec::new();
        let mut paging = Paging::begin(provider, LIST, MAX_ITEMS)?;
        loop {
            let page = provider
                .read(LIST, project, paging.request(), async |store, guests| {
                    let guest = guests.datasets()?;
                    guest
                        .call_list_datasets(store, project, paging.request())
                        .await
                })
                .await?;
            datasets.extend(page.datasets);
            if datasets.len() > MAX_ITEMS {
                return Err(provider.too_many(LIST, "datasets"));
            }
            if !paging.advance(page.cursor)? {
                return Ok(datasets);
            }
        }
    }

    /// The versions of a dataset, newest first.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] for a dataset that does not exist; [`Error::Unsupported`] where the
    /// backend has no versions; [`Error::InvalidArgument`] for more than 100,000 of them.
    pub async fn list_versions(
        &self,
        project: &str,
        dataset: &DatasetRef,
    ) -> Result<Vec<Version>, ProviderError> {
        let provider = self.provider;
        provider.admit(LIST_VERSIONS, project)?;
        dataset
            .check()
            .map_err(|why| provider.invalid(LIST_VERSIONS, why))?;
        let mut versions = Vec::new();
        let mut paging = Paging::begin(provider, LIST_VERSIONS, MAX_ITEMS)?;
        loop {
            let question = (dataset, paging.request());
            let page = provider
                .read(LIST_VERSIONS, project, question, async |store, guests| {
                    let guest = guests.datasets()?;
                    guest
                        .call_list_versions(store, project, dataset, paging.request())
                        .await
                })
                .await?;
            versions.extend(page.versions);
            if versions.len() > MAX_ITEMS {
                return Err(provider.too_many(LIST_VERSIONS, "versions of this dataset"));
            }
            if !paging.advance(page.cursor)? {
                return Ok(versions);
            }
        }
    }

    /// Delete a dataset with all its versions, and with the experiments over it where the
    /// backend keeps none without a dataset.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] for a dataset that does not exist; [`Error::Unsupported`] where the
    /// backend never deletes.
    pub async fn delete_dataset(
        &self,
        project: &str,
        dataset: &DatasetRef,
    ) -> Result<(), ProviderError> {
        let provider = self.provider;
        provider.admit(DELETE, project)?;
        dataset
            .check()
            .map_err(|why| provider.invalid(DELETE, why))?;
        provider
            .write(DELETE, project, async |store, guests| {
                let guest = guests.datasets()?;
                guest.call_delete_dataset(store, project, dataset).await
            })
            .await
    }
}

/// Of `all` records only the first `written` are there. The others may be a million, so the
/// first of them stands for all.
fn partial(written: usize, all: usize, error: &impl Display) -> Error {
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let reason = match all.saturating_sub(written + 1) {
        0 => error.to_string(),
        behind => format!("{error}; and {behind} more behind it were not written"),
    };
    Error::Partial(PartialFailure {
        accepted: number(written),
        rejected: vec![RejectedItem {
            index: number(written),
            reason,
        }],
    })
}

/// The error for spans that are not there.
fn not_found(project: &str, missing: &[&str]) -> Error {
    const NAMED: usize = 5;
    let named: Vec<String> = missing
        .iter()
        .take(NAMED)
        .map(|id| format!("`{id}`"))
        .collect();
    let more = match missing.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Error::NotFound(format!(
        "project `{project}` has no span {}{more}; no dataset was created",
        named.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, clippy::indexing_slicing)]

    use super::*;

    #[test]
    fn the_first_record_left_stands_for_all_behind_it() {
        let told = |written, all| match partial(written, all, &"it is away") {
            Error::Partial(partial) => partial,
            other => panic!("{other:?}"),
        };
        let many = told(1_000, 1_000_000);
        assert_eq!((many.accepted, many.rejected.len()), (1_000, 1));
        assert_eq!(many.rejected[0].index, 1_000);
        assert!(many.rejected[0].reason.contains("998999 more behind it"));
        assert_eq!(told(4, 5).rejected[0].reason, "it is away");
    }
}
