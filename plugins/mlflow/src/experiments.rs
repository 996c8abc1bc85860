//! `experiment-store`. An experiment is a run of MLflow in the project's experiment, and each of
//! its runs a run below that, so that MLflow's pages show and compare them. Tags tell them from
//! runs of others, which are left alone.

mod evaluations;
mod experiment;
mod long_tag;
mod metrics;
mod mlflow_run;
mod runs;
mod summary;
mod write_run;

use roost_provider::types::PageRequest;
use roost_provider::{Error, cursor, error, time};

use self::experiment::{Found, create, find};
use crate::bindings::experiment_store::{
    Experiment, ExperimentPage, ExperimentStatus, Guest, Metric, NewEvaluation, NewExperiment,
    NewRun, RunPage,
};
use crate::mlflow::mlflow;
use crate::{Provider, Result, datasets, projects};

/// How long a page of experiments is put together, in nanoseconds: each takes a look at its runs.
const LONG: u64 = 5_000_000_000;

impl Guest for Provider {
    fn create_experiment(project: String, experiment: NewExperiment) -> Result<Experiment> {
        let mlflow = mlflow()?;
        create(mlflow, &project, &experiment)?.whole(mlflow)
    }

    fn log_run(project: String, experiment_id: String, run: NewRun) -> Result<String> {
        let mlflow = mlflow()?;
        write_run::write(mlflow, &find(mlflow, &project, &experiment_id)?, &run)
    }

    fn log_metrics(
        project: String,
        experiment_id: String,
        run_id: Option<String>,
        metrics: Vec<Metric>,
    ) -> Result<()> {
        let mlflow = mlflow()?;
        let found = find(mlflow, &project, &experiment_id)?;
        let Some(run_id) = run_id else {
            return metrics::write(mlflow, &experiment_id, &found.run.data.tags, &metrics);
        };
        let run = runs::find(mlflow, &found, &run_id)?;
        let evaluations = evaluations::of(&run);
        if let Some(taken) = metrics
            .iter()
            .find(|it| evaluations.iter().any(|other| other.name == it.name))
        {
            return Err(conflict(&taken.name, "an evaluation"));
        }
        metrics::write(mlflow, &run_id, &run.data.tags, &metrics)
    }

    fn log_evaluation(
        project: String,
        experiment_id: String,
        run_id: String,
        evaluation: NewEvaluation,
    ) -> Result<()> {
        let mlflow = mlflow()?;
        let found = find(mlflow, &project, &experiment_id)?;
        let run = runs::find(mlflow, &found, &run_id)?;
        let is_known = evaluations::of(&run)
            .iter()
            .any(|it| it.name == evaluation.name);
        if !is_known && run.has_metric(&evaluation.name) {
            return Err(conflict(&evaluation.name, "a metric"));
        }
        evaluations::write(mlflow, &run_id, &evaluation)
    }

    fn finish_experiment(
        project: String,
        experiment_id: String,
        status: ExperimentStatus,
    ) -> Result<Experiment> {
        let mlflow = mlflow()?;
        find(mlflow, &project, &experiment_id)?;
        let status = experiment::status_of(status);
        mlflow_run::end(mlflow, &experiment_id, status, time::now())?;
        find(mlflow, &project, &experiment_id)?.whole(mlflow)
    }

    fn get_experiment(project: String, experiment_id: String) -> Result<Experiment> {
        let mlflow = mlflow()?;
        find(mlflow, &project, &experiment_id)?.whole(mlflow)
    }

    fn list_experiments(
        project: String,
        dataset: Option<String>,
        page: PageRequest,
    ) -> Result<ExperimentPage> {
        let mlflow = mlflow()?;
        let begin = time::monotonic();
        let experiment = match projects::id(mlflow, &project) {
            Err(Error::NotFound(_)) if dataset.is_none() => {
                return Ok(ExperimentPage {
                    experiments: Vec::new(),
                    cursor: None,
                });
            }
            found => found?,
        };
        if let Some(dataset) = &dataset
            && datasets::by_id(mlflow, &experiment, dataset)?.is_none()
        {
            return Err(error::not_found(format!(
                "project `{project}` has no dataset `{dataset}`"
            )));
        }
        // Newest first.
        let mut found = experiment::all(mlflow, &experiment, dataset.as_deref())?;
        if let Some(cursor) = &page.cursor {
            let (created, id) = cursor::unmark("experiment", cursor)?
                .split_once(':')
                .ok_or_else(|| cursor::refusal(cursor))?;
            let created: u64 = created.parse().map_err(|_| cursor::refusal(cursor))?;
            found.retain(|it| it.place() < (created, id));
        }
        let mut experiments = Vec::new();
        let mut cursor = None;
        let mut rest = found.into_iter().peekable();
        while let Some(next) = rest.next() {
            let (created, id) = next.place();
            let place = cursor::mark("experiment", &format!("{created}:{id}"));
            experiments.push(next.listed(mlflow)?);
            let is_long = time::monotonic().saturating_sub(begin) > LONG;
            if experiments.len() >= page.limit as usize || is_long {
                cursor = rest.peek().map(|_| place);
                break;
            }
        }
        Ok(ExperimentPage {
            experiments,
            cursor,
        })
    }

    fn list_runs(project: String, experiment_id: String, page: PageRequest) -> Result<RunPage> {
        let mlflow = mlflow()?;
        let found = find(mlflow, &project, &experiment_id)?;
        runs::page(mlflow, &found, &page)
    }

    fn delete_experiment(project: String, experiment_id: String) -> Result<()> {
        let mlflow = mlflow()?;
        let Found { run, .. } = find(mlflow, &project, &experiment_id)?;
        // The experiment last, so that what is interrupted can be done again.
        for id in runs::ids(mlflow, &run.info.experiment_id, &experiment_id)? {
            mlflow_run::delete(mlflow, &id)?;
        }
        mlflow_run::delete(mlflow, &experiment_id)
    }
}

fn conflict(name: &str, what: &str) -> Error {
    Error::Conflict(format!(
        "the run has {what} called `{name}`: give another name"
    ))
}
