//! Datasets, version by version: each version of the source is appended to the target, and so
//! makes a version there.
//!
//! Appending can add records and replace those that have keys. Where a version of the source did
//! more, such as taking a record out, its history cannot be written again, and the newest version is
//! copied alone.

use std::collections::{HashMap, HashSet};

use super::records::{Contents, Counts, Known, again, digest, versions};
use super::{CopyError, Kind, Passage, ProjectReport, refusal};
use crate::contract::{Dataset, DatasetRef, Error, NewDataset, NewRecord, ProviderError};
use crate::provider::Provider;

/// A version of the source, and what is new in it: the ids of its records.
struct Step {
    version: Option<String>,
    new: HashSet<String>,
}

/// What the source has of a dataset, in the order it was written.
struct History {
    steps: Vec<Step>,
    /// How often each content was there at most.
    contents: Counts,
    /// The contents that the record of a key had, one after the other.
    keys: HashMap<String, Vec<u64>>,
    /// How many records the newest version has.
    records: usize,
    /// Whether older versions are left out.
    is_cut: bool,
}

/// What the target has of a dataset.
#[derive(Default)]
struct Held {
    /// Contents that no record of the source was found for yet.
    contents: Counts,
    keys: HashMap<String, u64>,
}

impl Passage<'_> {
    pub(super) async fn copy_datasets(&self, report: &mut ProjectReport) -> Result<(), CopyError> {
        let mut datasets = list(self.source, self.project).await?;
        let known = list(self.target, self.into).await?;
        let known: HashMap<&str, &Dataset> = known.iter().map(|it| (&*it.name, it)).collect();
        // Those that are listed newest first are made oldest first.
        datasets.reverse();
        for dataset in &datasets {
            let before = known.get(&*dataset.name).copied();
            self.copy_dataset(dataset, before, report).await?;
            self.progress.seen("datasets", 1);
        }
        Ok(())
    }

    async fn copy_dataset(
        &self,
        dataset: &Dataset,
        before: Option<&Dataset>,
        report: &mut ProjectReport,
    ) -> Result<(), CopyError> {
        let name = &dataset.name;
        let history = History::read(self.source, self.project, dataset).await?;
        let mut held = Held::default();
        if let Some(before) = before {
            let id = DatasetRef::Id(before.id.clone());
            let contents = Contents::read(self.target, self.into, &id, None).await?;
            held = Held::of(&contents);
            if !history.includes(&held) {
                let reason = "the target has a dataset of this name with other records";
                report.refused(Kind::Dataset, 1, name, reason);
                return Ok(());
            }
        }
        if history.is_cut {
            report.note(format!(
                "dataset `{name}`: its newest version alone is copied, since records were taken \
                 out or changed between versions"
            ));
        }
        let mut writer = Writer {
            passage: self,
            dataset,
            target: before.cloned(),
            batch: Vec::new(),
            most: self.target.describe()?.limits.max_batch_items,
            written: 0,
        };
        let written = writer.write(&history, &mut held, report).await;
        let Writer {
            target,
            written: count,
            ..
        } = writer;
        if let Err(error) = written {
            let CopyError::Provider(error) = error else {
                return Err(error);
            };
            refusal(error)?.of(report, Kind::Dataset, 1, name);
            return Ok(());
        }
        // Some backends keep one of two records that say the same.
        let kept = target.and_then(|target| target.record_count);
        let kept = kept.and_then(|kept| usize::try_from(kept).ok());
        let lost = kept
            .map_or(0, |kept| history.records.saturating_sub(kept))
            .min(count);
        if lost > 0 {
            report.tallies.records.copied -= u64::try_from(lost).unwrap_or(0);
            let reason = "the target keeps one of several records without a key that say the same";
            report.refused(Kind::Record, lost, name, reason);
        }
        if count > lost || before.is_none() {
            report.tallies.datasets.copied(1);
        } else {
            report.tallies.datasets.present(1);
        }
        Ok(())
    }
}

/// The datasets of a project; none where it is not there.
pub(super) async fn list(
    provider: &Provider,
    project: &str,
) -> Result<Vec<Dataset>, ProviderError> {
    match provider.datasets().list_datasets(project).await {
        Err(error) if matches!(error.kind(), Error::NotFound(_)) => Ok(Vec::new()),
        listed => listed,
    }
}

impl History {
    async fn read(
        provider: &Provider,
        project: &str,
        dataset: &Dataset,
    ) -> Result<Self, CopyError> {
        let id = DatasetRef::Id(dataset.id.clone());
        let versions = versions(provider, project, &id).await?;
        let mut ids: Vec<Option<String>> = versions.into_iter().map(|it| Some(it.id)).collect();
        if ids.is_empty() {
            ids.push(None);
        }
        let mut history = Self {
            steps: Vec::new(),
            contents: Counts::new(),
            keys: HashMap::new(),
            records: 0,
            is_cut: false,
        };
        let mut before: HashMap<String, u64> = HashMap::new();
        for version in ids {
            let contents = Contents::read(provider, project, &id, version.as_deref()).await?;
            let counts = contents.counts();
            before = history.add(version, contents, &before);
            for (digest, count) in counts {
                let most = history.contents.entry(digest).or_default();
                *most = count.max(*most);
            }
        }
        if history.is_cut {
            let last = history.steps.pop();
            history.steps = last
                .map(|step| Step {
                    version: step.version,
                    new: before.into_keys().collect(),
                })
                .into_iter()
                .collect();
        }
        Ok(history)
    }

    /// The next version, after one that had these records. Returned are its own.
    fn add(
        &mut self,
        version: Option<String>,
        contents: Contents,
        before: &HashMap<String, u64>,
    ) -> HashMap<String, u64> {
        self.records = contents.records.len();
        let mut new = HashSet::new();
        let mut now = HashMap::with_capacity(contents.records.len());
        for Known { id, key, digest } in contents.records {
            let known = before.get(&id);
            if known != Some(&digest) {
                self.is_cut |= known.is_some() && key.is_none();
                new.insert(id.clone());
                if let Some(key) = key {
                    self.keys.entry(key).or_default().push(digest);
                }
            }
            now.insert(id, digest);
        }
        self.is_cut |= before.keys().any(|id| !now.contains_key(id));
        self.steps.push(Step { version, new });
        now
    }

    /// Whether everything that the target has was in the source at some time.
    fn includes(&self, held: &Held) -> bool {
        let most = |digest| self.contents.get(digest).copied().unwrap_or(0);
        let mut contents = held.contents.iter();
        contents.all(|(digest, count)| *count <= most(digest))
    }
}

impl Held {
    fn of(contents: &Contents) -> Self {
        let keys = contents.records.iter().filter_map(|record| {
            let key = record.key.clone()?;
            Some((key, record.digest))
        });
        Self {
            contents: contents.counts(),
            keys: keys.collect(),
        }
    }

    /// Whether the target has a record of the source, or one that replaced it later.
    fn take(&mut self, record: &NewRecord, history: &History) -> bool {
        let digest = digest(record);
        let kept = record.key.as_ref().and_then(|key| {
            let held = self.keys.get(key)?;
            let contents = history.keys.get(key)?;
            let place = |digest| contents.iter().rposition(|it| it == digest);
            Some(place(held) >= place(&digest))
        });
        if let Some(is_there) = kept {
            return is_there;
        }
        match self.contents.get_mut(&digest) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        }
    }
}

/// Writes one dataset, batch by batch.
struct Writer<'a> {
    passage: &'a Passage<'a>,
    dataset: &'a Dataset,
    /// The dataset in the target, once it is there.
    target: Option<Dataset>,
    batch: Vec<NewRecord>,
    most: u32,
    written: usize,
}

impl Writer<'_> {
    async fn write(
        &mut self,
        history: &History,
        held: &mut Held,
        report: &mut ProjectReport,
    ) -> Result<(), CopyError> {
        let (source, project) = (self.passage.source, self.passage.project);
        let id = DatasetRef::Id(self.dataset.id.clone());
        for step in history.steps.iter() {
            let store = source.datasets();
            let mut pages = store.pages(project, &id, step.version.as_deref())?;
            while let Some(page) = pages.next().await? {
                self.passage.progress.seen("records", page.len());
                for record in page {
                    if !step.new.contains(&record.id) {
                        continue;
                    }
                    let record = again(record);
                    if held.take(&record, history) {
                        report.tallies.records.present(1);
                        continue;
                    }
                    self.batch.push(record);
                    if self.batch.len() >= usize::try_from(self.most).unwrap_or(usize::MAX) {
                        self.flush(report).await?;
                    }
                }
            }
            if !self.batch.is_empty() || self.target.is_none() {
                self.flush(report).await?;
            }
        }
        Ok(())
    }

    /// Write what is gathered, which makes a version.
    async fn flush(&mut self, report: &mut ProjectReport) -> Result<(), CopyError> {
        let (store, into) = (self.passage.target.datasets(), self.passage.into);
        let batch = std::mem::take(&mut self.batch);
        let count = batch.len();
        let written = match &self.target {
            Some(target) => {
                let id = DatasetRef::Id(target.id.clone());
                store.append_to_dataset(into, &id, &batch).await?
            }
            None => {
                let new = NewDataset {
                    name: self.dataset.name.clone(),
                    description: self.dataset.description.clone(),
                    metadata: self.dataset.metadata.clone(),
                    records: batch,
                };
                store.create_dataset(into, new).await?
            }
        };
        self.target = Some(written);
        self.written += count;
        report.tallies.records.copied(count);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::json;

    use super::*;

    fn contents(records: &[(&str, Option<&str>, u64)]) -> Contents {
        let known = |&(id, key, digest): &(&str, Option<&str>, u64)| Known {
            id: id.to_owned(),
            key: key.map(str::to_owned),
            digest,
        };
        Contents {
            dataset: None,
            records: records.iter().map(known).collect(),
        }
    }

    fn history(versions: &[&[(&str, Option<&str>, u64)]]) -> History {
        let mut history = History {
            steps: Vec::new(),
            contents: Counts::new(),
            keys: HashMap::new(),
            records: 0,
            is_cut: false,
        };
        let mut before = HashMap::new();
        for version in versions {
            before = history.add(None, contents(version), &before);
        }
        history
    }

    #[test]
    fn what_was_appended_and_replaced_by_key_is_a_history() {
        let (a, b) = (("1", None, 10), ("2", Some("k"), 20));
        let grown = history(&[&[a, b], &[a, ("2", Some("k"), 21), ("3", None, 30)]]);
        assert!(!grown.is_cut);
        let new: Vec<usize> = grown.steps.iter().map(|step| step.new.len()).collect();
        assert_eq!((new, grown.records), (vec![2, 2], 3));
        assert_eq!(grown.keys.get("k").unwrap(), &[20, 21]);
        // Taken out, and changed without a key.
        assert!(history(&[&[a, b], &[a]]).is_cut);
        assert!(history(&[&[a], &[("1", None, 11)]]).is_cut);
    }

    #[test]
    fn a_record_that_was_replaced_since_is_there() {
        let record = |value: u32| NewRecord::new(&json!({ "value": value })).key("k");
        let (old, new) = (record(1), record(2));
        let (first, second) = (digest(&old), digest(&new));
        let history = history(&[&[("1", Some("k"), first)], &[("1", Some("k"), second)]]);
        let held = |digest| Held::of(&contents(&[("x", Some("k"), digest)]));
        assert!(held(second).take(&old, &history) && held(second).take(&new, &history));
        assert!(held(first).take(&old, &history) && !held(first).take(&new, &history));
    }

    #[test]
    fn records_that_say_the_same_are_counted() {
        let record = NewRecord::new(&json!({ "value": 1 }));
        let digest = digest(&record);
        let history = history(&[&[("1", None, digest), ("2", None, digest)]]);
        let mut held = Held::of(&contents(&[("x", None, digest)]));
        assert!(held.take(&record, &history) && !held.take(&record, &history));
    }
}
