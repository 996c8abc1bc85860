//! `experiment-store`: experiments and what sums them up; `runs` has their runs.

use std::collections::BTreeMap;

use roost_provider::database::{Failure, Row, Sql, Transaction, parameters};
use roost_provider::types::PageRequest;
use roost_provider::{Error, error, time};

use crate::bindings::dataset_store::DatasetRef;
use crate::bindings::experiment_store::{
    Experiment, ExperimentPage, ExperimentStatus, Guest, Metric, NewEvaluation, NewExperiment,
    NewRun, RunPage, RunSummary,
};
use crate::database::{database, ensure_project, new_id, project, write};
use crate::{Provider, Result, cursor, datasets, runs};

const COLUMNS: &str = "e.id, e.name, e.description, e.metadata, e.dataset, e.version,
    e.repetitions, e.status, e.created_at, e.finished_at,
    (SELECT COUNT(*) FROM runs r WHERE r.experiment = e.id AND r.error IS NULL),
    (SELECT COUNT(*) FROM runs r WHERE r.experiment = e.id AND r.error IS NOT NULL)";

impl Guest for Provider {
    fn create_experiment(project_name: String, experiment: NewExperiment) -> Result<Experiment> {
        write(|transaction| {
            let project = ensure_project(transaction, &project_name, "")?;
            let version = match &experiment.dataset {
                None => None,
                Some(id) => {
                    let dataset =
                        datasets::find(transaction, project, &DatasetRef::Id(id.clone()))?;
                    let newest = dataset.version.unwrap_or_default();
                    let wanted = experiment.dataset_version.as_ref().unwrap_or(&newest);
                    Some(datasets::find_version(transaction, id, wanted)?.0)
                }
            };
            let id = new_id();
            transaction.run(
                "INSERT INTO experiments (id, project, name, description, metadata, dataset,
                    version, repetitions, status, created_at)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'running', $9)",
                parameters![
                    &id,
                    project,
                    &experiment.name,
                    &experiment.description,
                    experiment.metadata.as_ref(),
                    experiment.dataset.as_ref(),
                    version,
                    experiment.repetitions,
                    time::now(),
                ],
            )?;
            Ok(find(transaction, project, &id)?)
        })
    }

    fn log_run(project_name: String, experiment_id: String, run: NewRun) -> Result<String> {
        let (id, rejected) = write(|transaction| {
            lock(transaction, &experiment_id)?;
            let experiment = in_project(transaction, &project_name, &experiment_id)?;
            runs::put(transaction, &experiment, &run)
        })?;
        if rejected.is_empty() {
            return Ok(id);
        }
        Err(Error::Partial(roost_provider::types::PartialFailure {
            accepted: 1,
            rejected,
        }))
    }

    fn log_metrics(
        project_name: String,
        experiment_id: String,
        run_id: Option<String>,
        metrics: Vec<Metric>,
    ) -> Result<()> {
        write(|transaction| {
            lock(transaction, &experiment_id)?;
            let experiment = in_project(transaction, &project_name, &experiment_id)?;
            if let Some(run) = &run_id {
                runs::expect(transaction, &experiment.id, run)?;
            }
            let run = run_id.as_deref().unwrap_or_default();
            for metric in &metrics {
                if runs::is_evaluation(transaction, run, &metric.name)? {
                    return Err(runs::taken(&metric.name, "an evaluation").into());
                }
            }
            runs::measure(transaction, &experiment.id, run, metrics.iter())
        })
    }

    fn log_evaluation(
        project_name: String,
        experiment_id: String,
        run_id: String,
        evaluation: NewEvaluation,
    ) -> Result<()> {
        write(|transaction| {
            let experiment = in_project(transaction, &project_name, &experiment_id)?;
            runs::expect(transaction, &experiment.id, &run_id)?;
            runs::judge(transaction, &experiment.id, &run_id, &evaluation)
        })
    }

    fn finish_experiment(
        project_name: String,
        experiment_id: String,
        status: ExperimentStatus,
    ) -> Result<Experiment> {
        write(|transaction| {
            let project = project(transaction, &project_name)?;
            find(transaction, project, &experiment_id)?;
            transaction.run(
                "UPDATE experiments SET status = $1, finished_at = $2 WHERE id = $3",
                parameters![status_name(status), time::now(), &experiment_id],
            )?;
            Ok(find(transaction, project, &experiment_id)?)
        })
    }

    fn get_experiment(project_name: String, experiment_id: String) -> Result<Experiment> {
        in_project(database()?, &project_name, &experiment_id)
    }

    fn list_experiments(
        project_name: String,
        dataset: Option<String>,
        page: PageRequest,
    ) -> Result<ExperimentPage> {
        let database = database()?;
        let project = match project(database, &project_name) {
            Err(Error::NotFound(_)) => -1,
            found => found?,
        };
        if let Some(id) = &dataset {
            datasets::find(database, project, &DatasetRef::Id(id.clone()))?;
        }
        let (time, last) = cursor::read_id("experiments", page.cursor.as_deref())?;
        let sql = format!(
            "SELECT {COLUMNS} FROM experiments e
            WHERE e.project = $1 AND (CAST($2 AS TEXT) IS NULL OR e.dataset = $2)
                AND e.created_at <= $3 AND (e.created_at < $3 OR e.id > $4)
            ORDER BY e.created_at DESC, e.id LIMIT $5"
        );
        let limit = u64::from(page.limit) + 1;
        let values = parameters![project, dataset.as_ref(), time, last, limit];
        let rows = database.rows(&sql, values)?;
        let mut experiments = Vec::with_capacity(rows.len());
        for row in rows {
            let mut experiment = read(database, row)?;
            last_of_each(&mut experiment.metrics);
            experiments.push(experiment);
        }
        let cursor = cursor::cut(&mut experiments, page.limit, |last| {
            cursor::after_id("experiments", last.created_at, &last.id)
        });
        Ok(ExperimentPage {
            experiments,
            cursor,
        })
    }

    fn list_runs(
        project_name: String,
        experiment_id: String,
        page: PageRequest,
    ) -> Result<RunPage> {
        let database = database()?;
        let experiment = in_project(database, &project_name, &experiment_id)?;
        runs::list(database, &experiment, &page)
    }

    fn delete_experiment(project_name: String, experiment_id: String) -> Result<()> {
        write(|transaction| {
            let experiment = in_project(transaction, &project_name, &experiment_id)?;
            let sql = "DELETE FROM experiments WHERE id = $1";
            transaction.run(sql, parameters![experiment.id])?;
            Ok(())
        })
    }
}

/// Let others who write to the experiment wait until the end of this transaction, since what is
/// new gets the next number. SQLite has one writer anyway.
fn lock(on: &Transaction, id: &str) -> Result<(), Failure> {
    let sql = "UPDATE experiments SET status = status WHERE id = $1";
    on.run(sql, parameters![id])?;
    Ok(())
}

fn in_project(on: &impl Sql, project_name: &str, id: &str) -> Result<Experiment> {
    find(on, project(on, project_name)?, id)
}

fn find(on: &impl Sql, project: i64, id: &str) -> Result<Experiment> {
    let sql = format!("SELECT {COLUMNS} FROM experiments e WHERE e.project = $1 AND e.id = $2");
    let found = on.rows(&sql, parameters![project, id])?.into_iter().next();
    let missing = || error::not_found(format!("there is no experiment `{id}` in this project"));
    read(on, found.ok_or_else(missing)?)
}

fn read(on: &impl Sql, mut row: Row) -> Result<Experiment> {
    let id = row.text()?;
    let (name, description) = (row.text()?, row.text()?);
    let (metadata, dataset) = (row.optional_text()?, row.optional_text()?);
    Ok(Experiment {
        name,
        description,
        metadata,
        dataset_version: row
            .optional_integer()?
            .zip(dataset.as_deref())
            .map(|(version, dataset)| datasets::version_id(dataset, version)),
        dataset,
        repetitions: u32::try_from(row.integer()?).unwrap_or(u32::MAX),
        status: status(&row.text()?),
        created_at: Some(row.time()?),
        finished_at: row.optional_time()?,
        successful_runs: row.time()?,
        failed_runs: row.time()?,
        metrics: runs::metrics(on, &id, Some(""))?
            .remove("")
            .unwrap_or_default(),
        runs: summaries(on, &id)?,
        id,
    })
}

/// What the runs got, by name: of each record the mean over its repetitions, and of those the
/// mean. A run without a record stands for itself.
fn summaries(on: &impl Sql, experiment: &str) -> Result<Vec<RunSummary>> {
    let sql = "SELECT name, SUM(runs), AVG(mean) FROM (
            SELECT name, place, COUNT(*) AS runs, AVG(value) AS mean FROM (
                SELECT v.name, COALESCE(r.record, -1 - r.place) AS place, v.score AS value
                FROM evaluations v JOIN runs r ON r.id = v.run WHERE r.experiment = $1
                UNION ALL
                SELECT m.name, COALESCE(r.record, -1 - r.place), m.value
                FROM metrics m JOIN runs r ON r.id = m.run
                WHERE m.experiment = $2 AND m.place = (SELECT MAX(last.place) FROM metrics last
                    WHERE last.experiment = m.experiment AND last.run = m.run
                        AND last.name = m.name)
            ) AS measured GROUP BY name, place
        ) AS placed GROUP BY name";
    let sql = sql.replace("SUM(runs)", "CAST(SUM(runs) AS BIGINT)");
    let rows = on.rows(&sql, parameters![experiment, experiment])?;
    let found = rows.into_iter().map(|mut row| {
        Ok(RunSummary {
            name: row.text()?,
            count: row.time()?,
            mean: row.optional_number()?,
        })
    });
    let mut found: Vec<RunSummary> = found.collect::<Result<_>>()?;
    found.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(found)
}

/// Keep of each name the last value, in the order of those.
fn last_of_each(metrics: &mut Vec<Metric>) {
    let last: BTreeMap<String, usize> = metrics.iter().map(|it| it.name.clone()).zip(0..).collect();
    let mut place = 0;
    metrics.retain(|metric| {
        place += 1;
        last.get(&metric.name) == Some(&(place - 1))
    });
}

fn status_name(status: ExperimentStatus) -> &'static str {
    match status {
        ExperimentStatus::Running => "running",
        ExperimentStatus::Completed => "completed",
        ExperimentStatus::Failed => "failed",
        ExperimentStatus::Cancelled => "cancelled",
    }
}

fn status(name: &str) -> ExperimentStatus {
    match name {
        "completed" => ExperimentStatus::Completed,
        "failed" => ExperimentStatus::Failed,
        "cancelled" => ExperimentStatus::Cancelled,
        _ => ExperimentStatus::Running,
    }
}
