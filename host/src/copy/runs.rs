//! Runs of experiments, with their metrics and evaluations.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::Value;

use super::experiments::{Before, COPIED_FROM, with_origin};
use super::records::Matched;
use super::{CopyError, Kind, Passage, ProjectReport, refusal};
use crate::contract::{Error, Metric, NewEvaluation, NewRun, Run};

/// What tells the runs of an experiment apart.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Key {
    /// The target's id of the record, and the repetition.
    Record(String, u32),
    /// The source's id of a run of no record, of which this one is a copy.
    Copied(String),
    /// The id of a run of no record that the source has a copy of.
    Original(String),
}

/// A run that the target has.
struct Known {
    id: String,
    failed: bool,
    metrics: Vec<Metric>,
    /// A digest of each evaluation, by name.
    evaluations: HashMap<String, u64>,
}

impl Passage<'_> {
    /// Copy the runs of an experiment to the one that stands for it in the target.
    pub(super) async fn copy_runs(
        &self,
        experiment: &str,
        target: &str,
        before: Option<Before<'_>>,
        matched: Option<&Matched>,
        report: &mut ProjectReport,
    ) -> Result<(), CopyError> {
        let mut known = HashMap::new();
        if before.is_some() {
            let store = self.target.experiments();
            let mut pages = store.run_pages(self.into, target)?;
            while let Some(page) = pages.next().await? {
                let is_original = matches!(before, Some(Before::Original(_)));
                let keyed = |run: Run| Some((key(&run, is_original)?, run.into()));
                known.extend(page.into_iter().filter_map(keyed));
            }
        }
        let store = self.source.experiments();
        let mut pages = store.run_pages(self.project, experiment)?;
        while let Some(page) = pages.next().await? {
            for run in page {
                self.copy_run(target, run, &known, matched, report).await?;
                self.progress.seen("runs", 1);
            }
        }
        Ok(())
    }

    async fn copy_run(
        &self,
        target: &str,
        mut run: Run,
        known: &HashMap<Key, Known>,
        matched: Option<&Matched>,
        report: &mut ProjectReport,
    ) -> Result<(), CopyError> {
        let source_id = run.id;
        let key = match &mut run.content.record_id {
            Some(record) => {
                let Some(there) = matched.and_then(|matched| matched.ids.get(record)) else {
                    let reason = "its record is not in the target";
                    report.refused(Kind::Run, 1, &source_id, reason);
                    return Ok(());
                };
                record.clone_from(there);
                Key::Record(there.clone(), run.content.repetition)
            }
            None => {
                let metadata = run.content.metadata.as_deref();
                let original = metadata.and_then(origin).map(Key::Original);
                let metadata = with_origin(metadata, source_id.clone().into());
                run.content.metadata = Some(metadata);
                original
                    .filter(|key| known.contains_key(key))
                    .unwrap_or(Key::Copied(source_id.clone()))
            }
        };
        let known = known.get(&key);
        // One that failed there may be replaced by one that did not.
        let known = known.filter(|known| !known.failed || run.content.error.is_some());
        let id = match known {
            Some(known) => {
                report.tallies.runs.present(1);
                let missing = missing_metrics(&run.content.metrics, &known.metrics);
                let there = run.content.metrics.len() - missing.len();
                report.tallies.metrics.present(there);
                write_metrics(self, target, Some(&known.id), &missing, report).await?;
                known.id.clone()
            }
            None => match self
                .write_run(target, &source_id, &run.content, report)
                .await?
            {
                Some(id) => id,
                None => return Ok(()),
            },
        };
        for evaluation in &run.evaluations {
            let there = known.and_then(|known| known.evaluations.get(&evaluation.name));
            if there == Some(&digest(evaluation)) {
                report.tallies.evaluations.present(1);
                continue;
            }
            let store = self.target.experiments();
            let written = store.log_evaluation(self.into, target, &id, evaluation);
            match written.await {
                Ok(()) => report.tallies.evaluations.copied(1),
                Err(error) => {
                    refusal(error)?.of(report, Kind::Evaluation, 1, &evaluation.name);
                }
            }
        }
        Ok(())
    }

    /// Write a run; returned is its id in the target.
    async fn write_run(
        &self,
        target: &str,
        source_id: &str,
        run: &NewRun,
        report: &mut ProjectReport,
    ) -> Result<Option<String>, CopyError> {
        let store = self.target.experiments();
        match store.log_run(self.into, target, run).await {
            Ok(id) => {
                report.tallies.runs.copied(1);
                report.tallies.metrics.copied(run.metrics.len());
                Ok(Some(id))
            }
            Err(error) => {
                if let Error::Unavailable(_) | Error::Timeout(_) = error.kind() {
                    return Err(error.into());
                }
                refusal(error)?.of(report, Kind::Run, 1, source_id);
                Ok(None)
            }
        }
    }
}

/// Those of some metrics that are not among others, in their order. Times are not compared: not
/// every backend keeps them.
pub(super) fn missing_metrics(metrics: &[Metric], there: &[Metric]) -> Vec<Metric> {
    let same = |metric: &Metric| (metric.name.clone(), metric.value.to_bits(), metric.step);
    let mut counts: HashMap<_, usize> = HashMap::new();
    for metric in there {
        *counts.entry(same(metric)).or_default() += 1;
    }
    let is_missing = |metric: &&Metric| match counts.get_mut(&same(metric)) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    };
    metrics.iter().filter(is_missing).cloned().collect()
}

/// Write metrics of an experiment, or of a run of it.
pub(super) async fn write_metrics(
    passage: &Passage<'_>,
    target: &str,
    run: Option<&str>,
    metrics: &[Metric],
    report: &mut ProjectReport,
) -> Result<(), CopyError> {
    let most = passage.target.describe()?.limits.max_batch_items;
    let store = passage.target.experiments();
    for part in metrics.chunks(usize::try_from(most).unwrap_or(usize::MAX).max(1)) {
        match store.log_metrics(passage.into, target, run, part).await {
            Ok(()) => report.tallies.metrics.copied(part.len()),
            Err(error) => {
                let first = part.first().map_or("", |metric| &metric.name);
                refusal(error)?.of(report, Kind::Metric, part.len(), first);
            }
        }
    }
    Ok(())
}

/// What tells a run of the target apart; `is_original` where the source's are copies of those.
fn key(run: &Run, is_original: bool) -> Option<Key> {
    if let Some(record) = &run.content.record_id {
        return Some(Key::Record(record.clone(), run.content.repetition));
    }
    if is_original {
        return Some(Key::Original(run.id.clone()));
    }
    origin(run.content.metadata.as_deref()?).map(Key::Copied)
}

/// The id of the run that one was copied from.
fn origin(metadata: &str) -> Option<String> {
    let metadata: Value = serde_json::from_str(metadata).ok()?;
    Some(metadata.get(COPIED_FROM)?.as_str()?.to_owned())
}

impl From<Run> for Known {
    fn from(run: Run) -> Self {
        let evaluations = run.evaluations.iter();
        Self {
            evaluations: evaluations
                .map(|it| (it.name.clone(), digest(it)))
                .collect(),
            id: run.id,
            failed: run.content.error.is_some(),
            metrics: run.content.metrics,
        }
    }
}

/// Of what an evaluation says.
fn digest(evaluation: &NewEvaluation) -> u64 {
    let NewEvaluation {
        name,
        annotator,
        label,
        score,
        explanation,
        error,
        metadata,
    } = evaluation;
    // The same content may be another text.
    let metadata = metadata.as_deref().unwrap_or("{}");
    let metadata = serde_json::from_str::<Value>(metadata);
    let mut hasher = DefaultHasher::new();
    (
        name,
        format!("{annotator:?}"),
        label,
        score.map(f64::to_bits),
    )
        .hash(&mut hasher);
    (explanation, error, metadata.ok()).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_a_metric_are_told_apart_by_step_and_counted() {
        let loss = |value, step| Metric::new("loss", value).step(step);
        let all = [loss(0.5, 1), loss(0.5, 1), loss(0.4, 2)];
        let there = [loss(0.4, 2), loss(0.5, 1)];
        assert_eq!(missing_metrics(&all, &there), [loss(0.5, 1)]);
        assert_eq!(missing_metrics(&all, &all), []);
        let evaluation = NewEvaluation::new("q").score(0.5);
        assert_eq!(digest(&evaluation), digest(&evaluation.clone()));
        assert_ne!(digest(&evaluation), digest(&evaluation.clone().label("a")));
    }
}
