//! `experiment-store`. Phoenix runs experiments over datasets and knows no end of one, no
//! metrics and no inputs of a run. What it does not know is kept where its pages show it: in
//! the metadata of the experiment ([`kept`]) and in evaluations of the run ([`metrics`],
//! [`details`]).

mod create;
mod details;
mod evaluations;
mod experiment;
mod kept;
mod list;
mod metrics;
mod runs;
mod write_run;

use roost_provider::time;
use roost_provider::types::PageRequest;

use crate::bindings::experiment_store::{
    Experiment, ExperimentPage, ExperimentStatus, Guest, Metric, NewEvaluation, NewExperiment,
    NewRun, RunPage,
};
use crate::phoenix::phoenix;
use crate::{Provider, Result};

impl Guest for Provider {
    fn create_experiment(project: String, experiment: NewExperiment) -> Result<Experiment> {
        create::create(phoenix()?, &project, &experiment)
    }

    fn log_run(project: String, experiment_id: String, run: NewRun) -> Result<String> {
        write_run::write(phoenix()?, &project, &experiment_id, &run)
    }

    fn log_metrics(
        project: String,
        experiment_id: String,
        run_id: Option<String>,
        metrics: Vec<Metric>,
    ) -> Result<()> {
        let phoenix = phoenix()?;
        let found = experiment::find(phoenix, &project, &experiment_id)?;
        match run_id {
            Some(run) => {
                runs::check(phoenix, &experiment_id, &run)?;
                metrics::write(phoenix, &run, &metrics)
            }
            None => {
                metrics::check_names(&metrics)?;
                found.keep(phoenix, |kept| kept.add(&metrics))
            }
        }
    }

    fn log_evaluation(
        project: String,
        experiment_id: String,
        run_id: String,
        evaluation: NewEvaluation,
    ) -> Result<()> {
        let phoenix = phoenix()?;
        experiment::find(phoenix, &project, &experiment_id)?;
        runs::check(phoenix, &experiment_id, &run_id)?;
        evaluations::write(phoenix, &run_id, &evaluation)
    }

    fn finish_experiment(
        project: String,
        experiment_id: String,
        status: ExperimentStatus,
    ) -> Result<Experiment> {
        let phoenix = phoenix()?;
        let found = experiment::find(phoenix, &project, &experiment_id)?;
        found.keep(phoenix, |kept| kept.finish(status, time::now()))?;
        experiment::get(phoenix, &project, &experiment_id)
    }

    fn get_experiment(project: String, experiment_id: String) -> Result<Experiment> {
        experiment::get(phoenix()?, &project, &experiment_id)
    }

    fn list_experiments(
        project: String,
        dataset: Option<String>,
        page: PageRequest,
    ) -> Result<ExperimentPage> {
        list::page(phoenix()?, &project, dataset.as_deref(), &page)
    }

    fn list_runs(project: String, experiment_id: String, page: PageRequest) -> Result<RunPage> {
        runs::page(phoenix()?, &project, &experiment_id, &page)
    }

    fn delete_experiment(project: String, experiment_id: String) -> Result<()> {
        let phoenix = phoenix()?;
        let found = experiment::find(phoenix, &project, &experiment_id)?;
        let answer = phoenix
            .http
            .delete(&["v1", "experiments", &experiment_id])
            // Phoenix makes a project for each. Its own client traces the runs to it, and their
            // traces stay; those of runs that Roost wrote are elsewhere.
            .query("delete_project", found.is_ours())
            .send()?;
        if answer.status() == 404 {
            return Err(experiment::unknown(&project, &experiment_id));
        }
        answer.success().map(|_| ())
    }
}
