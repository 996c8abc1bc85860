//! Experiments with their metrics and how they ended; `runs` copies what is in them.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::records::{Contents, Matched};
use super::runs::{missing_metrics, write_metrics};
use super::{CopyError, Kind, Passage, ProjectReport, datasets, refusal};
use crate::contract::{
    Dataset, DatasetRef, Error, Experiment, ExperimentStatus, NewExperiment, ProviderError,
};

/// The key in the metadata of what was copied that says where from.
pub(super) const COPIED_FROM: &str = "roost.copied_from";

/// Where an experiment was copied from: connection, project and id.
type Origin = (String, String, String);

/// What stands for an experiment in the target already, by its id.
#[derive(Clone, Copy)]
pub(super) enum Before<'a> {
    /// An earlier copy of it.
    Copy(&'a str),
    /// The one that it was copied from.
    Original(&'a str),
}

/// The datasets of both sides, and the last pair whose records were compared.
struct Datasets {
    source: Vec<Dataset>,
    target: Vec<Dataset>,
    last: Option<((String, Option<String>), Matched)>,
}

impl Passage<'_> {
    pub(super) async fn copy_experiments(
        &self,
        report: &mut ProjectReport,
    ) -> Result<(), CopyError> {
        let store = self.source.experiments();
        let mut experiments = found(store.list_experiments(self.project, None).await)?;
        if experiments.is_empty() {
            return Ok(());
        }
        let store = self.target.experiments();
        let known = found(store.list_experiments(self.into, None).await)?;
        let mut datasets = Datasets {
            source: datasets::list(self.source, self.project).await?,
            target: datasets::list(self.target, self.into).await?,
            last: None,
        };
        let origins: HashMap<Origin, &str> = known
            .iter()
            .filter_map(|known| Some((origin(known)?, &*known.id)))
            .collect();
        experiments.reverse();
        for experiment in &experiments {
            let (from, project) = (self.from.to_owned(), self.project.to_owned());
            let copy = origins.get(&(from, project, experiment.id.clone()));
            let copy = copy.map(|id| Before::Copy(id));
            // One that came from the target goes back to where it was.
            let original = || {
                let (connection, project, id) = origin(experiment)?;
                let is_there = connection == self.to && project == self.into;
                let known = known.iter().find(|known| is_there && known.id == id)?;
                Some(Before::Original(&known.id))
            };
            let before = copy.or_else(original);
            let copied = self.copy_experiment(experiment, before, &mut datasets, report);
            Box::pin(copied).await?;
            self.progress.seen("experiments", 1);
        }
        Ok(())
    }

    async fn copy_experiment(
        &self,
        listed: &Experiment,
        before: Option<Before<'_>>,
        datasets: &mut Datasets,
        report: &mut ProjectReport,
    ) -> Result<(), CopyError> {
        let store = self.source.experiments();
        // A listing has the last values of metrics alone.
        let experiment = store.get_experiment(self.project, &listed.id).await?;
        let name = &experiment.name;
        let matched = match &experiment.dataset {
            None => None,
            Some(_) => match self.matched(&experiment, datasets, report).await? {
                None => return Ok(()),
                matched => matched,
            },
        };
        let store = self.target.experiments();
        let target = match before {
            Some(Before::Copy(id) | Before::Original(id)) => {
                store.get_experiment(self.into, id).await
            }
            None => {
                let new = self.again(&experiment, matched);
                store.create_experiment(self.into, &new).await
            }
        };
        let target = match target {
            Ok(target) => target,
            Err(error) => {
                refusal(error)?.of(report, Kind::Experiment, 1, name);
                return Ok(());
            }
        };
        let (left, written) = counts(report);
        let is_new = before.is_none();
        self.copy_runs(&experiment.id, &target.id, before, matched, report)
            .await?;
        let missing = missing_metrics(&experiment.metrics, &target.metrics);
        let there = experiment.metrics.len() - missing.len();
        report.tallies.metrics.present(there);
        write_metrics(self, &target.id, None, &missing, report).await?;
        let ended = experiment.status != ExperimentStatus::Running;
        let mut is_written = is_new;
        if ended && target.status != experiment.status {
            let finished = store.finish_experiment(self.into, &target.id, experiment.status);
            is_written = true;
            if let Err(error) = finished.await {
                refusal(error)?.of(report, Kind::Experiment, 1, name);
                return Ok(());
            }
        }
        let (left_now, written_now) = counts(report);
        if left_now > left {
            let reason = "some of its runs, metrics or evaluations were left";
            report.refused(Kind::Experiment, 1, name, reason);
        } else if is_written || written_now > written {
            report.tallies.experiments.copied(1);
        } else {
            report.tallies.experiments.present(1);
        }
        Ok(())
    }

    /// The dataset of an experiment in the target; none where it is not there, which is counted.
    async fn matched<'d>(
        &self,
        experiment: &Experiment,
        datasets: &'d mut Datasets,
        report: &mut ProjectReport,
    ) -> Result<Option<&'d Matched>, CopyError> {
        let id = experiment.dataset.clone().unwrap_or_default();
        let wanted = (id.clone(), experiment.dataset_version.clone());
        if datasets
            .last
            .as_ref()
            .is_none_or(|(last, _)| *last != wanted)
        {
            let source = datasets.source.iter().find(|it| it.id == id);
            let same = |it: &&Dataset| source.is_some_and(|source| source.name == it.name);
            let Some(target) = datasets.target.iter().find(same) else {
                let reason = "its dataset is not in the target";
                report.refused(Kind::Experiment, 1, &experiment.name, reason);
                return Ok(None);
            };
            let version = experiment.dataset_version.as_deref();
            let id = DatasetRef::Id(id);
            let contents = Contents::read(self.source, self.project, &id, version).await?;
            let matched = Matched::find(&contents, self.target, self.into, target).await?;
            if !matched.is_exact {
                report.note(format!(
                    "dataset `{}`: no version in the target holds what experiments ran over, and \
                     they are filed under its newest",
                    target.name
                ));
            }
            datasets.last = Some((wanted, matched));
        }
        Ok(datasets.last.as_ref().map(|(_, matched)| matched))
    }

    /// The experiment to create.
    fn again(&self, experiment: &Experiment, matched: Option<&Matched>) -> NewExperiment {
        let origin = json!({
            "connection": self.from,
            "project": self.project,
            "id": experiment.id,
        });
        NewExperiment {
            name: experiment.name.clone(),
            description: experiment.description.clone(),
            metadata: Some(with_origin(experiment.metadata.as_deref(), origin)),
            dataset: matched.map(|matched| matched.dataset.clone()),
            dataset_version: matched.and_then(|matched| matched.version.clone()),
            repetitions: experiment.repetitions.max(1),
        }
    }
}

/// What is listed; nothing where the project is not there.
fn found(listed: Result<Vec<Experiment>, ProviderError>) -> Result<Vec<Experiment>, ProviderError> {
    match listed {
        Err(error) if matches!(error.kind(), Error::NotFound(_)) => Ok(Vec::new()),
        listed => listed,
    }
}

/// How much of experiments was left, and how much was written.
fn counts(report: &ProjectReport) -> (u64, u64) {
    let tallies = &report.tallies;
    let all = [tallies.runs, tallies.metrics, tallies.evaluations];
    let left = all.iter().map(|tally| tally.left).sum();
    (left, all.iter().map(|tally| tally.copied).sum())
}

/// Metadata that also say where something was copied from.
pub(super) fn with_origin(metadata: Option<&str>, origin: Value) -> String {
    let metadata = metadata.and_then(|it| serde_json::from_str(it).ok());
    let mut metadata: Map<String, Value> = metadata.unwrap_or_default();
    metadata.insert(COPIED_FROM.to_owned(), origin);
    Value::Object(metadata).to_string()
}

fn origin(experiment: &Experiment) -> Option<Origin> {
    let metadata: Value = serde_json::from_str(experiment.metadata.as_deref()?).ok()?;
    let origin = metadata.get(COPIED_FROM)?;
    let text = |key: &str| Some(origin.get(key)?.as_str()?.to_owned());
    Some((text("connection")?, text("project")?, text("id")?))
}
