//! Experiments: begun, logged to, finished, read and compared.

use std::time::Duration;

use tokio::sync::OwnedMutexGuard;

use super::comparison::Comparison;
use super::new_record::check_id;
use super::paging::Paging;
use super::run_pages::RunPages;
use super::{MAX_ITEMS, Provider};
use crate::contract::{
    DatasetRef, Error, Experiment, ExperimentStatus, Metric, NewEvaluation, NewExperiment, NewRun,
    ProviderError, Run,
};

const CREATE: &str = "create-experiment";
const LOG_RUN: &str = "log-run";
const LOG_METRICS: &str = "log-metrics";
const LOG_EVALUATION: &str = "log-evaluation";
const FINISH: &str = "finish-experiment";
const GET: &str = "get-experiment";
const LIST: &str = "list-experiments";
pub(super) const LIST_RUNS: &str = "list-runs";
const DELETE: &str = "delete-experiment";

/// The most experiments in one comparison.
const MOST_COMPARED: usize = 100;

/// How long a write waits for its turn.
const TURN: Duration = Duration::from_secs(30);

/// Experiments of a [`Provider`]. Each belongs to a project.
pub struct ExperimentStore<'a> {
    provider: &'a Provider,
}

impl<'a> ExperimentStore<'a> {
    pub(super) fn new(provider: &'a Provider) -> Self {
        Self { provider }
    }

    /// Create an experiment, which is running then.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] for a dataset or a version that does not exist;
    /// [`Error::InvalidArgument`] for an experiment without a name or with 0 repetitions;
    /// [`Error::Unsupported`] without a dataset where the backend needs one.
    pub async fn create_experiment(
        &self,
        project: &str,
        experiment: &NewExperiment,
    ) -> Result<Experiment, ProviderError> {
        let provider = self.provider;
        provider.admit(CREATE, project)?;
        experiment
            .check()
            .map_err(|why| provider.invalid(CREATE, why))?;
        provider
            .write(CREATE, project, async |store, guests| {
                let guest = guests.experiments()?;
                guest
                    .call_create_experiment(store, project, experiment)
                    .await
            })
            .await
    }

    /// Create an experiment over a dataset: over the version that `experiment` names, or over
    /// the newest at this moment.
    ///
    /// # Errors
    ///
    /// As [`create_experiment`](Self::create_experiment).
    pub async fn start_experiment(
        &self,
        project: &str,
        dataset: &DatasetRef,
        mut experiment: NewExperiment,
    ) -> Result<Experiment, ProviderError> {
        let version = experiment.dataset_version.clone();
        // What is kept may be older than the newest version.
        let provider = self.provider.uncached();
        let datasets = provider.datasets();
        let mut pages = datasets.pages(project, dataset, version.as_deref())?;
        // The first page says which dataset it is, and whether it has that version.
        pages.next().await?;
        if let Some(dataset) = pages.dataset() {
            experiment = experiment.over(dataset);
        }
        self.create_experiment(project, &experiment).await
    }

    /// Write a run. Returned is its id.
    ///
    /// A run of the same record and repetition that failed is replaced. In an experiment
    /// without a dataset every run is a new one.
    ///
    /// A run of a record with metrics is written one call after the other with the metrics and
    /// evaluations of the same experiment: it may replace a run that they are of.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] for an experiment or a record that does not exist;
    /// [`Error::Conflict`] when that record and repetition has a run that ended well;
    /// [`Error::InvalidArgument`] for a run that ends before it begins, for a repetition that
    /// the experiment does not have, and the like;
    /// [`Error::Partial`] when the run was written and what belongs to it was not: place 0 is
    /// its inputs and metadata, its metrics follow from 1, and the reasons name the run's id.
    pub async fn log_run(
        &self,
        project: &str,
        experiment: &str,
        run: &NewRun,
    ) -> Result<String, ProviderError> {
        let provider = self.provider;
        provider.admit(LOG_RUN, project)?;
        check_id("experiment", experiment)
            .and_then(|()| run.check())
            .map_err(|why| provider.invalid(LOG_RUN, why))?;
        let _turn = match (&run.record_id, run.metrics.is_empty()) {
            (Some(_), false) => Some(self.turn(LOG_RUN, project, experiment).await?),
            _ => None,
        };
        provider
            .write(LOG_RUN, project, async |store, guests| {
                let guest = guests.experiments()?;
                guest.call_log_run(store, project, experiment, run).await
            })
            .await
    }

    /// Write metrics of a run, or of the experiment itself. The last value of a name counts;
    /// those before stay, at least a thousand of them.
    ///
    /// A connection writes to one experiment one call after the other. Another process that
    /// writes to the same metric at the same moment may cost one of the values.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] for an experiment or a run that does not exist;
    /// [`Error::InvalidArgument`] for no metrics, and for one without a name or a finite
    /// value; [`Error::Conflict`] for the name of an evaluation of that run;
    /// [`Error::Partial`] when only some were written.
    pub async fn log_metrics(
        &self,
        project: &str,
        experiment: &str,
        run: Option<&str>,
        metrics: &[Metric],
    ) -> Result<(), ProviderError> {
        let provider = self.provider;
        provider.admit(LOG_METRICS, project)?;
        check_id("experiment", experiment)
            .and_then(|()| run.map_or(Ok(()), |run| check_id("run", run)))
            .and_then(|()| metrics.iter().try_for_each(Metric::check))
            .map_err(|why| provider.invalid(LOG_METRICS, why))?;
        if metrics.is_empty() {
            return Err(provider.invalid(LOG_METRICS, "there are no metrics to write"));
        }
        let _turn = self.turn(LOG_METRICS, project, experiment).await?;
        provider
            .write(LOG_METRICS, project, async |store, guests| {
                let guest = guests.experiments()?;
                guest
                    .call_log_metrics(store, project, experiment, run, metrics)
                    .await
            })
            .await
    }

    /// Write an evaluation of a run. The same name on the same run replaces what was there.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] for an experiment or a run that does not exist;
    /// [`Error::InvalidArgument`] for an evaluation without a name or a judgement;
    /// [`Error::Conflict`] for the name of a metric of that run.
    pub async fn log_evaluation(
        &self,
        project: &str,
        experiment: &str,
        run: &str,
        evaluation: &NewEvaluation,
    ) -> Result<(), ProviderError> {
        let provider = self.provider;
        provider.admit(LOG_EVALUATION, project)?;
        check_id("experiment", experiment)
            .and_then(|()| check_id("run", run))
            .and_then(|()| evaluation.check())
            .map_err(|why| provider.invalid(LOG_EVALUATION, why))?;
        // Where a metric of that name is written at the same moment, one of the two is refused.
        let _turn = self.turn(LOG_EVALUATION, project, experiment).await?;
        provider
            .write(LOG_EVALUATION, project, async |store, guests| {
                let guest = guests.experiments()?;
                guest
                    .call_log_evaluation(store, project, experiment, run, evaluation)
                    .await
            })
            .await
    }

    /// Say how an experiment ended. Said twice, the last one counts.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] for an experiment that does not exist; [`Error::InvalidArgument`]
    /// for the status `running`.
    pub async fn finish_experiment(
        &self,
        project: &str,
        experiment: &str,
        status: ExperimentStatus,
    ) -> Result<Experiment, ProviderError> {
        let provider = self.provider;
        provider.admit(FINISH, project)?;
        check_id("experiment", experiment).map_err(|why| provider.invalid(FINISH, why))?;
        if status == ExperimentStatus::Running {
            let why = "`running` is no end; say completed, failed or cancelled";
            return Err(provider.invalid(FINISH, why));
        }
        let _turn = self.turn(FINISH, project, experiment).await?;
        provider
            .write(FINISH, project, async |store, guests| {
                let guest = guests.experiments()?;
                guest
                    .call_finish_experiment(store, project, experiment, status)
                    .await
            })
            .await
    }

    /// Wait until nobody else writes to the experiment over this connection.
    async fn turn(
        &self,
        operation: &'static str,
        project: &str,
        experiment: &str,
    ) -> Result<OwnedMutexGuard<()>, ProviderError> {
        let turn = self.provider.turns.of(project, experiment);
        let waiting = tokio::time::timeout(TURN, turn.lock_owned());
        waiting.await.map_err(|_| {
            let why = format!(
                "other writes to experiment `{experiment}` took more than {} seconds; write \
                 fewer at once, and several metrics in one call",
                TURN.as_secs()
            );
            self.provider.error(operation, Error::Timeout(why))
        })
    }

    /// An experiment with its metrics and what its runs got.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] for an experiment that does not exist.
    pub async fn get_experiment(
        &self,
        project: &str,
        experiment: &str,
    ) -> Result<Experiment, ProviderError> {
        let provider = self.provider;
        provider.admit(GET, project)?;
        check_id("experiment", experiment).map_err(|why| provider.invalid(GET, why))?;
        provider
            .read(GET, project, experiment, async |store, guests| {
                let guest = guests.experiments()?;
                guest.call_get_experiment(store, project, experiment).await
            })
            .await
    }

    /// The experiments of a project, newest first; with `dataset`, an id, those over that
    /// dataset. Of their metrics each has the last value.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] for a dataset that does not exist; [`Error::InvalidArgument`] for
    /// more than 100,000 experiments.
    pub async fn list_experiments(
        &self,
        project: &str,
        dataset: Option<&str>,
    ) -> Result<Vec<Experiment>, ProviderError> {
        let provider = self.provider;
        provider.admit(LIST, project)?;
        if let Some(dataset) = dataset {
            check_id("dataset", dataset).map_err(|why| provider.invalid(LIST, why))?;
        }
        let mut experiments = Vec::new();
        let mut paging = Paging::begin(provider, LIST, MAX_ITEMS)?;
        loop {
            let question = (dataset, paging.request());
            let page = provider
                .read(LIST, project, question, async |store, guests| {
                    let guest = guests.experiments()?;
                    guest
                        .call_list_experiments(store, project, dataset, paging.request())
                        .await
                })
                .await?;
            experiments.extend(page.experiments);
            if experiments.len() > MAX_ITEMS {
                return Err(provider.too_many(LIST, "experiments"));
            }
            if !paging.advance(page.cursor)? {
                return Ok(experiments);
            }
        }
    }

    /// The runs of an experiment in the order they were first written, with their metrics and
    /// evaluations.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] for an experiment that does not exist; [`Error::InvalidArgument`]
    /// for more than 100,000 runs, which [`run_pages`](Self::run_pages) reads.
    pub async fn list_runs(
        &self,
        project: &str,
        experiment: &str,
    ) -> Result<Vec<Run>, ProviderError> {
        let mut pages = self.run_pages(project, experiment)?;
        let mut runs = Vec::new();
        while let Some(page) = pages.next().await? {
            runs.extend(page);
            if runs.len() > MAX_ITEMS {
                let provider = self.provider;
                return Err(provider.too_many(LIST_RUNS, "runs of this experiment"));
            }
        }
        Ok(runs)
    }

    /// The runs of an experiment page by page.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] for an empty id; [`Error::PermissionDenied`] for a project
    /// that is not in this handle's scope.
    pub fn run_pages(
        &self,
        project: &str,
        experiment: &str,
    ) -> Result<RunPages<'a>, ProviderError> {
        let provider = self.provider;
        provider.admit(LIST_RUNS, project)?;
        check_id("experiment", experiment).map_err(|why| provider.invalid(LIST_RUNS, why))?;
        RunPages::begin(provider, project, experiment)
    }

    /// Some experiments side by side, each compared with the first of `ids`. Metrics of the
    /// experiments count by their last value; evaluations and metrics of runs by their mean.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] for an experiment that does not exist; [`Error::InvalidArgument`]
    /// for fewer than two ids, for more than a hundred, and for one that comes twice.
    pub async fn compare_experiments(
        &self,
        project: &str,
        ids: &[String],
    ) -> Result<Comparison, ProviderError> {
        let provider = self.provider;
        if !(2..=MOST_COMPARED).contains(&ids.len()) {
            let why = format!(
                "{} experiments cannot be compared; name 2 to {MOST_COMPARED}",
                ids.len()
            );
            return Err(provider.invalid(GET, why));
        }
        let mut experiments: Vec<Experiment> = Vec::with_capacity(ids.len());
        for (place, id) in ids.iter().enumerate() {
            if ids.iter().take(place).any(|before| before == id) {
                return Err(provider.invalid(GET, format!("experiment `{id}` comes twice")));
            }
            experiments.push(self.get_experiment(project, id).await?);
        }
        Ok(Comparison::of(&experiments))
    }

    /// Delete an experiment with its runs. Traces of the runs stay.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] for an experiment that does not exist; [`Error::Unsupported`] where
    /// the backend never deletes.
    pub async fn delete_experiment(
        &self,
        project: &str,
        experiment: &str,
    ) -> Result<(), ProviderError> {
        let provider = self.provider;
        provider.admit(DELETE, project)?;
        check_id("experiment", experiment).map_err(|why| provider.invalid(DELETE, why))?;
        provider
            .write(DELETE, project, async |store, guests| {
                let guest = guests.experiments()?;
                guest
                    .call_delete_experiment(store, project, experiment)
                    .await
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{NewDataset, NewRecord, SpanRef};

    /// Callers spawn these futures.
    #[allow(dead_code, reason = "it need only compile")]
    fn every_operation_can_be_spawned(
        provider: &Provider,
        dataset: &DatasetRef,
        new: NewDataset,
        records: &[NewRecord],
        spans: &[SpanRef],
        experiment: NewExperiment,
        run: &NewRun,
    ) {
        fn spawnable(_: impl Future + Send) {}
        let datasets = provider.datasets();
        spawnable(datasets.create_from_spans("p", new, spans));
        spawnable(datasets.append_to_dataset("p", dataset, records));
        spawnable(datasets.get_dataset("p", dataset, None));
        spawnable(datasets.list_datasets("p"));
        let experiments = provider.experiments();
        spawnable(experiments.start_experiment("p", dataset, experiment));
        spawnable(experiments.log_run("p", "e", run));
        spawnable(experiments.log_metrics("p", "e", None, &[]));
        spawnable(experiments.finish_experiment("p", "e", ExperimentStatus::Failed));
        spawnable(experiments.list_runs("p", "e"));
        spawnable(experiments.compare_experiments("p", &[]));
    }
}
