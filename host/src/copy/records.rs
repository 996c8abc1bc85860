//! Records of datasets, known again by what they say.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::CopyError;
use crate::contract::{Dataset, DatasetRecord, DatasetRef, Error, NewRecord, Version};
use crate::provider::{Provider, record_content};

/// A record, without what it says.
pub(super) struct Known {
    /// The backend's id for it.
    pub(super) id: String,
    /// The caller's name for it.
    pub(super) key: Option<String>,
    /// Of input, output and metadata.
    pub(super) digest: u64,
}

/// How often each content is there.
pub(super) type Counts = HashMap<u64, usize>;

/// The records of one version of a dataset.
pub(super) struct Contents {
    /// The dataset with that version.
    pub(super) dataset: Option<Dataset>,
    /// Its records, in their order.
    pub(super) records: Vec<Known>,
}

impl Contents {
    /// Read a version, or else the newest.
    pub(super) async fn read(
        provider: &Provider,
        project: &str,
        dataset: &DatasetRef,
        version: Option<&str>,
    ) -> Result<Self, CopyError> {
        let store = provider.datasets();
        let mut pages = store.pages(project, dataset, version)?;
        let mut records = Vec::new();
        while let Some(page) = pages.next().await? {
            records.extend(page.into_iter().map(|record| {
                let id = record.id.clone();
                let record = again(record);
                Known {
                    id,
                    digest: digest(&record),
                    key: record.key,
                }
            }));
        }
        Ok(Self {
            dataset: pages.dataset().cloned(),
            records,
        })
    }

    pub(super) fn counts(&self) -> Counts {
        let mut counts = Counts::new();
        for record in &self.records {
            *counts.entry(record.digest).or_default() += 1;
        }
        counts
    }
}

/// The record to write, as another backend has it.
pub(super) fn again(record: DatasetRecord) -> NewRecord {
    NewRecord {
        key: record.key,
        input: record.input,
        output: record.output,
        metadata: record.metadata,
        split: record.split,
    }
}

/// Of what a record says: of two that differ, it is the same once in 2^64.
pub(super) fn digest(record: &NewRecord) -> u64 {
    let mut hasher = DefaultHasher::new();
    record_content(record).hash(&mut hasher);
    hasher.finish()
}

/// The versions of a dataset, oldest first; none where the backend has no versions.
pub(super) async fn versions(
    provider: &Provider,
    project: &str,
    dataset: &DatasetRef,
) -> Result<Vec<Version>, CopyError> {
    match provider.datasets().list_versions(project, dataset).await {
        Ok(mut versions) => {
            versions.reverse();
            Ok(versions)
        }
        Err(error) if matches!(error.kind(), Error::Unsupported(_)) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// A version of a dataset of the source beside the one of the target that holds the same.
pub(super) struct Matched {
    /// The dataset's id in the target.
    pub(super) dataset: String,
    /// The version there, where the target has versions.
    pub(super) version: Option<String>,
    /// Whether both hold the same records.
    pub(super) is_exact: bool,
    /// The ids of records in the target, by those in the source.
    pub(super) ids: HashMap<String, String>,
}

impl Matched {
    /// Find the newest version in the target that holds what `contents` does, or take the newest.
    pub(super) async fn find(
        contents: &Contents,
        target: &Provider,
        project: &str,
        dataset: &Dataset,
    ) -> Result<Self, CopyError> {
        let counts = contents.counts();
        let reference = DatasetRef::Id(dataset.id.clone());
        let newest = Contents::read(target, project, &reference, None).await?;
        let mut found = None;
        if newest.counts() != counts {
            let versions = versions(target, project, &reference).await?;
            // The newest was looked at.
            for version in versions.iter().rev().skip(1) {
                let id = Some(&*version.id);
                let older = Contents::read(target, project, &reference, id).await?;
                if older.counts() == counts {
                    found = Some(older);
                    break;
                }
            }
        }
        let found = found.unwrap_or(newest);
        let mut places: HashMap<u64, VecDeque<&str>> = HashMap::new();
        for record in &found.records {
            let places = places.entry(record.digest).or_default();
            places.push_back(&record.id);
        }
        let pairs = contents.records.iter().filter_map(|record| {
            let place = places.get_mut(&record.digest)?.pop_front()?;
            Some((record.id.clone(), place.to_owned()))
        });
        Ok(Self {
            dataset: dataset.id.clone(),
            ids: pairs.collect(),
            is_exact: found.counts() == counts,
            version: found.dataset.and_then(|dataset| dataset.version),
        })
    }
}
