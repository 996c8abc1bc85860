//! `experiment-store`.

use std::collections::HashSet;

use roost_provider::types::PageRequest;

use super::{breaks, instead_of_missing, internal, of_any_project};
use crate::bindings::experiment_store::{
    Experiment, ExperimentPage, ExperimentStatus, Guest, Metric, NewEvaluation, NewExperiment,
    NewRun, RunPage,
};
use crate::{Error, Provider, Result, Wrong};

impl Guest for Wrong {
    fn create_experiment(project: String, mut experiment: NewExperiment) -> Result<Experiment> {
        if breaks("experiments.created") {
            experiment.metadata = None;
        }
        Provider::create_experiment(project, experiment)
    }

    fn log_run(project: String, experiment: String, run: NewRun) -> Result<String> {
        if breaks("experiments.failed-runs") && run.record_id.is_some() {
            let page = PageRequest {
                limit: 1_000,
                cursor: None,
            };
            let runs = Provider::list_runs(project.clone(), experiment.clone(), page)?.runs;
            if runs.iter().any(|it| it.content.record_id == run.record_id) {
                return Err(Error::Conflict("there is a run".to_owned()));
            }
        }
        match Provider::log_run(project, experiment, run) {
            Err(Error::InvalidArgument(why)) if breaks("experiments.dataset") => {
                Err(Error::NotFound(why))
            }
            answer => answer,
        }
    }

    fn log_metrics(
        project: String,
        experiment: String,
        run: Option<String>,
        metrics: Vec<Metric>,
    ) -> Result<()> {
        if breaks("experiments.run-metrics") && run.is_some() {
            return Ok(());
        }
        Provider::log_metrics(project, experiment, run, metrics)
    }

    fn log_evaluation(
        project: String,
        experiment: String,
        run: String,
        mut evaluation: NewEvaluation,
    ) -> Result<()> {
        if breaks("experiments.evaluations") {
            evaluation.explanation = None;
        }
        match Provider::log_evaluation(project, experiment, run, evaluation) {
            Err(Error::Conflict(_)) if breaks("experiments.names") => Ok(()),
            answer => answer,
        }
    }

    fn finish_experiment(
        project: String,
        experiment: String,
        status: ExperimentStatus,
    ) -> Result<Experiment> {
        if breaks("experiments.finished") {
            let experiment = Provider::get_experiment(project, experiment)?;
            return Ok(Experiment {
                status,
                ..experiment
            });
        }
        Provider::finish_experiment(project, experiment, status)
    }

    fn get_experiment(project: String, id: String) -> Result<Experiment> {
        let mut answer = Provider::get_experiment(project, id.clone());
        if breaks("experiments.unknown") {
            answer = instead_of_missing(answer, internal);
        }
        if breaks("experiments.other-project") {
            let any = || of_any_project(|of| Provider::get_experiment(of, id.clone()));
            answer = instead_of_missing(answer, any);
        }
        let mut experiment = answer?;
        if breaks("experiments.metrics") {
            let mut seen = HashSet::new();
            experiment.metrics.reverse();
            experiment
                .metrics
                .retain(|metric| seen.insert(metric.name.clone()));
        }
        if breaks("experiments.summary") {
            experiment
                .runs
                .iter_mut()
                .for_each(|summary| summary.count += 1);
        }
        Ok(experiment)
    }

    fn list_experiments(
        project: String,
        dataset: Option<String>,
        page: PageRequest,
    ) -> Result<ExperimentPage> {
        let mut page = Provider::list_experiments(project, dataset, page)?;
        if breaks("experiments.listed") {
            page.experiments.reverse();
        }
        Ok(page)
    }

    fn list_runs(project: String, experiment: String, page: PageRequest) -> Result<RunPage> {
        let mut page = Provider::list_runs(project, experiment, page)?;
        if breaks("experiments.runs") {
            page.runs.reverse();
        }
        Ok(page)
    }

    fn delete_experiment(project: String, experiment: String) -> Result<()> {
        if breaks("experiments.deleted") {
            return Ok(());
        }
        Provider::delete_experiment(project, experiment)
    }
}
